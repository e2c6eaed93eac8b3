"""Quizzes: the data files are whole, cannot be guessed, and become the same self-contained HTML each time."""

import copy
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from minivit.teach.quizzes import Quiz, _lean, quiz, stems

ROOT = Path(__file__).resolve().parents[1]


def guesses(questions) -> dict[str, float]:
    """The share of right answers of strategies that read no question. Ties count for the guesser."""
    right = dict.fromkeys(["longest", "shortest", "first", "second", "third", "fourth", "last"], 0)
    for question in questions:
        lengths = [len(option.text.replace("`", "")) for option in question.options]
        mine = lengths[question.right]
        right["longest"] += mine == max(lengths)
        right["shortest"] += mine == min(lengths)
        right["last"] += question.right == len(lengths) - 1
        right[["first", "second", "third", "fourth"][question.right]] += 1
    return {name: count / len(questions) for name, count in right.items()}


def plain() -> dict:
    """A faultless data file whose right answers are spread."""
    lengths, places = ["aa", "bbbb", "cccccc", "ddd"], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    return {
        "title": "Test",
        "questions": [
            {
                "ask": f"Question {number}?",
                "options": [
                    {"text": f"{text}{number}", "why": f"because {text}"} | ({"right": True} if place == right else {})
                    for place, text in enumerate(lengths[number % 4 :] + lengths[: number % 4])
                ],
            }
            for number, right in enumerate(places)
        ],
    }


# Not guessable


@pytest.mark.parametrize("stem", stems())
def test_no_lesson_can_be_guessed(stem):
    assert {name: share for name, share in guesses(quiz(stem).questions).items() if share > 0.5} == {}


def test_the_book_cannot_be_guessed():
    questions = [question for stem in stems() for question in quiz(stem).questions]
    assert {name: share for name, share in guesses(questions).items() if share > 0.4} == {}


@pytest.mark.parametrize(
    ("strategy", "rank"),
    [
        ("longest", lambda options: sorted(options, key=lambda option: len(option.text))[-1]),
        ("shortest", lambda options: sorted(options, key=lambda option: len(option.text))[0]),
        ("first", lambda options: options[0]),
        ("third", lambda options: options[2]),
        ("last", lambda options: options[-1]),
    ],
)
def test_a_twin_that_can_be_guessed_is_found(strategy, rank):
    """The same questions, with the mark moved to the option that the guesser takes."""
    twin = [
        question._replace(right=question.options.index(rank(question.options)))
        for question in quiz("01_patches").questions
    ]
    assert guesses(twin)[strategy] == 1


# The HTML


@pytest.mark.parametrize("stem", stems())
def test_html_is_the_same_in_another_process(stem):
    show = f"from minivit.teach.quizzes import quiz; print(ascii(quiz({stem!r})._repr_html_()))"
    command = [sys.executable, "-c", show]
    runs = {
        subprocess.check_output(command, cwd=ROOT, text=True, env={"PYTHONHASHSEED": seed}).strip() for seed in "12"
    }
    assert runs == {ascii(quiz(stem)._repr_html_())}


def test_html_is_light_and_brings_everything():
    page = quiz("01_patches")._repr_html_()
    assert len(_lean("quiz.js")) < 8_000
    assert len(_lean("quiz.css")) < 4_000
    assert len(page) < 28_000
    assert not re.search(r"https?:|src=|url\(|@import|\bid=|<style|\son\w+=", page)


class Visible(HTMLParser):
    """What a page shows whose scripts were taken out."""

    def __init__(self):
        super().__init__()
        self.text, self.script, self.tags = "", False, []

    def handle_starttag(self, tag, attrs):
        self.script = tag == "script"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.script = False

    def handle_data(self, data):
        self.text += "" if self.script else data.replace("\xa0", " ")


@pytest.mark.parametrize("stem", stems())
def test_form_holds_no_answers_and_nothing_to_click_in_vain(stem):
    asked, form = quiz(stem), Visible()
    form.feed(asked._repr_html_())
    assert "Run this cell to start the quiz" in form.text
    assert "right" not in form.text.split("Run this cell")[1]
    for question in asked.questions:
        assert question.ask.replace("`", "") in form.text
        for option in question.options:
            assert option.text.replace("`", "") in form.text
            assert option.why.replace("`", "") not in form.text
    fields = [attributes for tag, attributes in form.tags if tag == "fieldset"]
    assert len(fields) == 10
    assert all("disabled" in attributes for attributes in fields)
    assert not any(tag == "button" for tag, _ in form.tags)
    assert not any("checked" in attributes for _, attributes in form.tags)


def test_texts_cannot_break_out():
    data = plain()
    data["questions"][0]["ask"] = "Is </script><b>this</b> & `x < y` safe?"
    data["questions"][0]["options"][0]["why"] = "</script><!-- <script> `a < b`"
    page = Quiz.of("00_test", data)._repr_html_()
    assert page.count("</script>") == page.count("<script") == 2
    assert "<b>" not in page
    assert "<!--" not in page
    assert "<code>x &lt; y</code>" in page
    secret = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])
    assert secret["why"][0][0] == "&lt;/script&gt;&lt;!-- &lt;script&gt; <code>a &lt; b</code>"


def test_signature_follows_the_key_and_not_the_explanations():
    def signature(change):
        data = plain()
        change(data["questions"])
        return Quiz.of("00_test", data).signature

    def swap_right(questions):
        options = questions[3]["options"]
        place = next(place for place, option in enumerate(options) if "right" in option)
        del options[place]["right"]
        options[place - 1]["right"] = True

    same = signature(lambda questions: None)
    assert re.fullmatch("[0-9a-f]{8}", same)
    assert signature(lambda questions: questions[4]["options"][1].update(why="said better")) == same
    changed = [
        signature(swap_right),
        signature(lambda questions: questions.reverse()),
        signature(lambda questions: questions[2].update(ask="Something else?")),
        signature(lambda questions: questions[2]["options"].reverse()),
        signature(lambda questions: questions[2]["options"][0].update(text="another option")),
    ]
    assert len({same, *changed}) == 6


# Wrong use and bad data


@pytest.mark.parametrize("stem", ["02_nothing", "", "../quizzes/01_patches", "01_patches.json", None, 1])
def test_an_unknown_quiz_names_the_known_ones(stem):
    with pytest.raises(ValueError, match="01_patches"):
        quiz(stem)


def first(data):
    return data["questions"][0]


BAD = {
    "a list": (lambda data: [data], "list"),
    "no title": (lambda data: data.pop("title"), "'title'"),
    "an unknown key": (lambda data: first(data).update(hint="x"), "question 1.*'hint'"),
    "nine questions": (lambda data: data["questions"].pop(), "10 questions, found 9"),
    "questions in a dict": (lambda data: data.update(questions={}), "found dict"),
    "two options": (
        lambda data: first(data).update(options=first(data)["options"][:2]),
        "question 1: 3 or 4 options, found 2",
    ),
    "five options": (lambda data: first(data)["options"].append({"text": "e", "why": "f"}), "found 5"),
    "none right": (lambda data: first(data)["options"][0].pop("right"), "exactly one option is right, found 0"),
    "two right": (lambda data: first(data)["options"][1].update(right=True), "found 2"),
    "right is false": (lambda data: first(data)["options"][1].update(right=False), "option 2.*true or absent"),
    "right is one": (lambda data: first(data)["options"][0].update(right="yes"), "'yes'"),
    "no explanation": (lambda data: first(data)["options"][2].pop("why"), "option 3.*'why'"),
    "empty explanation": (lambda data: first(data)["options"][2].update(why="  "), "option 3, why.*not empty"),
    "a number": (lambda data: first(data)["options"][2].update(text=196), "option 3.*196"),
    "dollars": (lambda data: first(data).update(ask="What is $N^2$?"), "no TeX"),
    "a command": (lambda data: first(data)["options"][1].update(why="it is 3 \\times 3"), "no TeX"),
    "brackets": (lambda data: first(data)["options"][1].update(text="\\(N\\)"), "no TeX"),
    "twice the same option": (
        lambda data: first(data)["options"][1].update(text=first(data)["options"][2]["text"].upper()),
        "two options are the same",
    ),
    "twice the same question": (
        lambda data: data["questions"][1].update(ask=first(data)["ask"]),
        "two questions are the same",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_data_is_refused_with_its_place(name):
    spoil, message = BAD[name]
    data = plain()
    assert Quiz.of("00_test", copy.deepcopy(data)).questions[1].right == 1
    spoilt = spoil(data)
    with pytest.raises(ValueError, match=message) as caught:
        Quiz.of("00_test", spoilt if name == "a list" else data)
    assert str(caught.value).startswith("00_test")


# The progress page knows the lessons


def test_progress_lists_the_lessons_of_the_front_page():
    script = (ROOT / "book/_static/progress.js").read_text("utf-8")
    listed = re.findall(r'"([^"]+)"', script[script.index("const LESSONS") : script.index("];")])
    front = (ROOT / "book/intro.md").read_text("utf-8")
    titles = [
        re.sub(r"\[([^]]*)\]\(.*", r"\1", line) for line in re.findall(r"^\d+\. (.*?) \[[^]]*\]\{", front, re.MULTILINE)
    ]
    assert len(listed) == 15
    assert listed == titles


def test_every_quiz_belongs_to_a_notebook():
    assert all(re.fullmatch(r"(0[1-9]|1[0-5])_\w+", stem) for stem in stems())
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(stems())
