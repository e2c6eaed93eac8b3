"""Quizzes and progress in the browser: by mouse, by keys, kept, lost, moved, spoilt, framed, dark and narrow."""

import copy
import functools
import itertools
import json
import threading
from pathlib import Path

import page_checks as checks
import pytest
import serve

from minivit.teach.quizzes import Quiz, quiz

pytestmark = pytest.mark.site

STEM = "01_patches"
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
SLOT = f"minivit.quiz.v1.{STEM}"
RIGHT = [question.right for question in quiz(STEM).questions]
PAGE = (
    '<!DOCTYPE html><html lang="en" {attributes}><head><meta charset="utf-8"><title>Quiz</title>'
    '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"></head>'
    '<body style="background:{ground}"><main><h1 style="color:{ink}">Quiz</h1>{body}</main></body></html>'
)
THEMES = {
    "light": "",
    "the site's dark": 'data-theme="dark"',
    "JupyterLab's dark": 'data-jp-theme-light="false"',
    "Colab's dark": 'theme="dark"',
}
# Smallest contrast between a text and the opaque ground behind it, disabled parts included (axe leaves those out).
CONTRAST = """root => {
    const numbers = text => text.match(/[\\d.]+/g).map(Number);
    const light = rgb => rgb.slice(0, 3).map(v => v / 255)
        .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    while (walk.nextNode()) {
        let node = walk.currentNode.parentElement, ground = node;
        if (!walk.currentNode.data.trim() || !node.checkVisibility() || /SCRIPT|STYLE/.test(node.tagName)) continue;
        const paint = e => numbers(getComputedStyle(e).backgroundColor);
        while (ground !== root && (paint(ground)[3] ?? 1) < 1) ground = ground.parentElement;
        const [a, b] = [light(numbers(getComputedStyle(node).color)), light(paint(ground))].sort((x, y) => y - x);
        found.push([(a + .05) / (b + .05), walk.currentNode.data]);
    }
    return found.sort((x, y) => x[0] - y[0])[0];
}"""


class Form:
    """One quiz on a page or in a frame, as its reader uses it."""

    def __init__(self, place, nth: int = 0):
        self.root = place.locator("form.minivit-quiz").nth(nth)
        self.fields = self.root.locator("fieldset")

    def answer(self, number: int, option: int) -> None:
        field = self.fields.nth(number)
        field.locator("input").nth(option).check()
        field.get_by_role("button").click()

    def answer_all(self, wrong: tuple[int, ...] = ()) -> None:
        for number, right in enumerate(RIGHT):
            self.answer(number, (right + 1) % 4 if number in wrong else right)

    def press(self, name: str) -> None:
        self.root.get_by_role("button", name=name, exact=True).click()

    def reply(self, code: str) -> str:
        """What the quiz answers to a pasted code."""
        self.code.fill(code)
        self.press("Load")
        return self.root.locator("details .mq-remark").inner_text()

    @property
    def code(self):
        if self.root.locator("details").get_attribute("open") is None:
            self.root.locator("summary").click()
        return self.root.get_by_label("Progress code")

    @property
    def status(self) -> str:
        return self.root.locator(".mq-status").inner_text()

    @property
    def remark(self) -> str:
        return self.root.locator("> .mq-remark").inner_text()

    @property
    def locked(self) -> list[int]:
        return self.fields.evaluate_all("all => all.flatMap((field, i) => field.disabled ? [i] : [])")


def stored(page) -> dict[str, str]:
    return page.evaluate("() => ({...localStorage})")


def document(body: str = "", theme: str = "light") -> str:
    dark = theme != "light"
    ground, ink = ("#16191d", "#eeeeee") if dark else ("#ffffff", "#111111")
    return PAGE.format(attributes=THEMES[theme], ground=ground, ink=ink, body=body or quiz(STEM)._repr_html_())


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A small site of its own: `put(name, html)` writes a page and gives its address."""
    folder, edition = tmp_path_factory.mktemp("desk"), itertools.count()
    with serve.server(str(folder), ports=(0,)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def put(name: str, html: str, scheme: str = "http") -> str:
            (folder / name).write_text(html, "utf-8")
            if scheme != "http":
                return (folder / name).as_uri()
            # a number of its own: a page rewritten within one second is not modified as far as HTTP can tell
            return f"http://127.0.0.1:{server.server_port}/{name}?{next(edition)}"

        yield put
        server.shutdown()
        thread.join()


@pytest.fixture
def quiet(page):
    """The page, which must not have logged an error by the end of the test."""
    logged = []
    page.set_default_timeout(10_000)

    def note(message) -> None:
        if message.type in ("error", "warning"):
            logged.append(f"{message.text} {message.location}")

    page.on("console", note)
    page.on("pageerror", lambda error: logged.append(str(error)))
    yield page
    assert logged == []


@pytest.fixture
def opened(quiet, desk) -> Form:
    quiet.goto(desk("quiz.html", document()))
    return Form(quiet)


@pytest.fixture(scope="session")
def axe():
    from axe_playwright_python.sync_playwright import Axe

    return Axe()


# Taking a quiz


def test_complete_by_mouse(opened):
    assert opened.status == "10 questions remaining."
    for number, right in enumerate(RIGHT):
        opened.answer(number, right)
        left = 9 - number
        expected = (
            f"{left} question{'s' * (left != 1)} remaining." if left else "Score 10 of 10 (100%). Lesson complete."
        )
        assert opened.status == expected
    assert opened.root.get_attribute("data-complete") == "true"


def test_complete_by_keyboard_only(opened, quiet):
    focused = functools.partial(quiet.evaluate, "document.activeElement.outerHTML.slice(0, 90)")
    for number, right in enumerate(RIGHT):
        quiet.keyboard.press("Tab")
        assert f'name="q{number}"' in focused()
        quiet.keyboard.press("Space")
        for _ in range(right):
            quiet.keyboard.press("ArrowDown")
        assert opened.locked == list(range(number)), "moving between options must not answer"
        quiet.keyboard.press("Tab")
        assert f"Check question {number + 1}" in focused()
        quiet.keyboard.press("Enter")
        assert "mq-verdict" in focused()
    assert opened.status.endswith("Lesson complete.")


def test_every_option_is_explained_after_the_check_and_none_before(opened):
    assert opened.root.locator(".mq-why").count() == 0
    opened.answer(1, 3)
    rows = opened.fields.nth(1).locator(".mq-option")
    notes = [note.inner_text().replace("\xa0", " ") for note in rows.locator(".mq-why").all()]
    assert opened.root.locator(".mq-why").count() == 4
    for note, option in zip(notes, quiz(STEM).questions[1].options, strict=True):
        assert note.endswith(option.why)
    assert notes[0].startswith("The right answer. ")
    assert notes[3].startswith("Your answer. ")
    assert [row.get_attribute("data-is") for row in rows.all()] == ["right", "other", "other", "wrong"]
    assert opened.fields.nth(1).locator(".mq-verdict").inner_text().startswith("Not right.")


def test_check_without_a_choice_asks_for_one(opened):
    opened.fields.nth(2).get_by_role("button").click()
    assert opened.fields.nth(2).locator(".mq-verdict").inner_text() == "Choose an answer first."
    assert opened.locked == []


def test_enter_sends_nothing(opened, quiet):
    before = quiet.url
    opened.fields.nth(0).locator("input").first.focus()
    quiet.keyboard.press("Enter")
    assert quiet.url == before
    assert opened.locked == []


@pytest.mark.parametrize(("wrong", "complete"), [((0, 4, 9), False), ((0, 4), True)])
def test_eight_of_ten_complete_and_seven_do_not(opened, wrong, complete):
    opened.answer_all(wrong)
    end = "Lesson complete." if complete else "Above 75% completes the lesson."
    score = 10 - len(wrong)
    assert opened.status == f"Score {score} of 10 ({score}0%). {end}"


def test_missed_ones_again_then_all_again_and_the_best_stays(opened):
    opened.answer_all(wrong=(2, 3, 7))
    opened.press("Try the missed ones again")
    assert opened.status == "3 questions remaining."
    assert sorted(set(range(10)) - set(opened.locked)) == [2, 3, 7]
    assert opened.root.locator("input:checked").count() == 7
    opened.answer(2, RIGHT[2])
    opened.answer(3, RIGHT[3])
    opened.answer(7, (RIGHT[7] + 1) % 4)
    assert opened.status == "Score 9 of 10 (90%). Lesson complete."
    opened.press("Clear all answers")
    assert opened.status == "10 questions remaining. Lesson complete, best score 9 of 10."
    assert opened.root.locator("input:checked").count() == 0
    opened.answer_all(wrong=(0, 1, 2, 3, 4))
    assert opened.status == "Score 5 of 10 (50%). The lesson stays complete: your best score is 9."


# Kept and lost


def test_a_reload_keeps_answers_and_open_ones_stay_open(opened, quiet):
    opened.answer(0, RIGHT[0])
    opened.answer(5, (RIGHT[5] + 2) % 4)
    quiet.reload()
    again = Form(quiet)
    assert again.status == "8 questions remaining."
    assert again.locked == [0, 5]
    assert again.root.locator(".mq-why").count() == 8
    again.fields.nth(1).locator("input").nth(1).check()
    again.answer(2, 0)
    assert again.locked == [0, 2, 5]
    assert again.fields.nth(1).locator("input").nth(1).is_checked()


RECORD = {"key": quiz(STEM).signature, "of": 10, "answers": [0] * 10, "right": 3, "best": 3}
SPOILT = {
    "not JSON": "{",
    "empty": "",
    "null": "null",
    "a number": "7",
    "a list": "[]",
    "a stranger's": '{"score": 99}',
    "no key": json.dumps(RECORD | {"key": None}),
    "nine answers": json.dumps(RECORD | {"answers": [0] * 9}),
    "answers in words": json.dumps(RECORD | {"answers": "0000000000"}),
    "an option that is not there": json.dumps(RECORD | {"answers": [4] * 10}),
    "half an option": json.dumps(RECORD | {"answers": [0.5] * 10}),
    "a property of lists": json.dumps(RECORD | {"answers": ["length"] * 10}),
    "eleven of ten": json.dumps(RECORD | {"best": 11}),
    "a score in words": json.dumps(RECORD | {"best": "9"}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_storage_is_set_aside(opened, quiet, name):
    for round in (1, 2):
        quiet.evaluate("([slot, text]) => localStorage.setItem(slot, text)", [SLOT, SPOILT[name]])
        quiet.reload()
        again = Form(quiet)
        assert again.status == "10 questions remaining."
        assert again.remark == "The progress stored here could not be read. It was set aside."
        assert stored(quiet) == {f"minivit.aside.{i}.{SLOT}": SPOILT[name] for i in range(1, round + 1)}
    again.answer(0, 0)
    assert json.loads(stored(quiet)[SLOT])["answers"] == [0] + [None] * 9


def test_strangers_in_the_storage_are_left_alone(opened, quiet):
    others = {"theme": "dark", "minivit.quiz.v2.01_patches": "{}", "minivit.quiz.v1.02_positions": "{"}
    quiet.evaluate("all => Object.assign(localStorage, all)", others)
    quiet.reload()
    Form(quiet).answer(0, 0)
    assert {name: text for name, text in stored(quiet).items() if name != SLOT} == others


def edited() -> Quiz:
    asked = quiz(STEM)
    return Quiz(STEM, asked.title, (asked.questions[1], asked.questions[0], *asked.questions[2:]))


def test_an_edited_quiz_starts_afresh_and_sets_the_old_answers_aside(opened, quiet, desk):
    opened.answer_all()
    old = stored(quiet)[SLOT]
    quiet.goto(desk("quiz.html", document(edited()._repr_html_())))
    again = Form(quiet)
    assert again.status == "10 questions remaining."
    assert again.remark.startswith("The questions have changed since your last visit.")
    assert stored(quiet) == {f"minivit.aside.1.{SLOT}": old}


def test_two_copies_on_a_page_go_together(quiet, desk):
    html = quiz(STEM)._repr_html_()
    quiet.goto(desk("two.html", document(html + html)))
    one, two = Form(quiet, 0), Form(quiet, 1)
    two.fields.nth(9).locator("input").nth(1).check()
    one.answer(0, RIGHT[0])
    two.answer(1, RIGHT[1])
    one.answer(2, RIGHT[2])
    assert one.status == two.status == "7 questions remaining."
    assert one.locked == two.locked == [0, 1, 2]
    assert two.fields.nth(9).locator("input").nth(1).is_checked()
    assert one.root.locator("input:checked").count() == 3
    assert json.loads(stored(quiet)[SLOT])["answers"] == [*RIGHT[:3], *[None] * 7]


def test_another_window_follows_and_another_edition_does_not_fight(opened, quiet, desk):
    other = quiet.context.new_page()
    other.goto(desk("quiz.html", document()))
    opened.answer(4, 0)
    Form(other).root.get_by_text("9 questions remaining.").wait_for()
    Form(other).answer(5, 0)
    opened.root.get_by_text("8 questions remaining.").wait_for()
    assert json.loads(stored(quiet)[SLOT])["answers"] == [None] * 4 + [0, 0] + [None] * 4
    newer = quiet.context.new_page()
    newer.goto(desk("newer.html", document(edited()._repr_html_())))
    Form(newer).answer(0, 0)
    quiet.wait_for_timeout(200)
    assert json.loads(stored(quiet)[SLOT])["key"] == edited().signature
    assert Form(newer).status == "9 questions remaining."


# Moved by hand


def test_a_code_moves_progress_and_loses_nothing(browser, opened, quiet, desk):
    opened.answer_all(wrong=(1, 2))
    opened.press("Clear all answers")
    opened.answer(0, RIGHT[0])
    code = opened.code.input_value()
    assert code.startswith(f"{STEM}:{quiz(STEM).signature}:{RIGHT[0]}---------:8:")
    context = browser.new_context()
    page = context.new_page()
    page.goto(desk("quiz.html", document()))
    there = Form(page)
    there.answer(0, (RIGHT[0] + 1) % 4)
    there.answer(9, RIGHT[9])
    assert there.reply(f"  {code}\n") == "Progress loaded."
    assert there.status == "8 questions remaining. Lesson complete, best score 8 of 10."
    assert there.locked == [0, 9]
    assert there.fields.nth(0).locator(".mq-verdict").inner_text() == "Right."
    page.reload()
    assert Form(page).status == there.status
    context.close()


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (lambda code: "", "not a whole progress code"),
        (lambda code: "hello", "not a whole progress code"),
        (lambda code: code[:-1], "not a whole progress code"),
        (lambda code: code.replace(":1-", ":2-"), "not a whole progress code"),
        (lambda code: code.replace(":0:", ":9:"), "not a whole progress code"),
        (lambda code: signed(code.replace(STEM, "02_positions")), "belongs to the quiz 02_positions"),
        (lambda code: signed(code.replace(quiz(STEM).signature, "0" * 8)), "another edition"),
        (lambda code: signed(code.replace("1---", "4---")), "does not fit"),
        (lambda code: signed(code.replace("1---", "1--")), "does not fit"),
        (lambda code: signed(code.replace(":0:", ":99:")), "does not fit"),
    ],
)
def test_a_wrong_code_changes_nothing(opened, quiet, spoil, answer):
    opened.answer(0, 1)
    before = stored(quiet)
    reply = opened.reply(spoil(opened.code.input_value()))
    assert answer in reply
    assert reply.endswith("Nothing was changed.")
    assert stored(quiet) == before
    assert opened.status == "9 questions remaining."


def signed(code: str) -> str:
    """The code with the right sum at its end."""
    body = code.rpartition(":")[0]
    total = functools.reduce(lambda sum, letter: (sum * 31 + ord(letter)) % 46656, body, 7)
    digits = ""
    while total or not digits:
        total, digit = divmod(total, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"{body}:{digits}"


def test_copy_puts_the_code_on_the_clipboard(opened, quiet):
    quiet.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.answer(0, 1)
    code = opened.code.input_value()
    opened.press("Copy")
    opened.root.get_by_text("Copied.").wait_for()
    assert quiet.evaluate("navigator.clipboard.readText()") == code
    assert signed(code) == code


# Other places


def test_in_a_sandboxed_frame_it_works_and_says_that_it_forgets(quiet, desk):
    desk("framed.html", document())
    body = '<iframe title="output" sandbox="allow-scripts" src="framed.html" width="900" height="4000"></iframe>'
    quiet.goto(desk("frame.html", document(body)))
    framed = Form(quiet.frame_locator("iframe"))
    framed.answer(0, RIGHT[0])
    assert framed.status == "9 questions remaining."
    assert framed.remark == "This page cannot keep your progress. The code below can."
    code = framed.code.input_value()
    quiet.reload()
    framed = Form(quiet.frame_locator("iframe"))
    assert framed.status == "10 questions remaining."
    assert framed.reply(code) == "Progress loaded."
    assert framed.locked == [0]
    for number in range(1, 10):
        framed.answer(number, RIGHT[number])
    assert framed.status.endswith("Lesson complete.")
    assert stored(quiet) == {}


def test_from_a_file_it_works_and_remembers(quiet, desk):
    quiet.goto(desk("file.html", document(), scheme="file"))
    Form(quiet).answer_all()
    quiet.reload()
    assert Form(quiet).status == "Score 10 of 10 (100%). Lesson complete."


def test_where_scripts_are_stripped_it_asks_to_be_run(quiet, desk):
    quiet.goto(desk("stripped.html", document("<div></div>")))
    quiet.evaluate("html => document.querySelector('div').innerHTML = html", quiz(STEM)._repr_html_())
    stripped = Form(quiet)
    assert "Run this cell to start the quiz" in stripped.status
    assert stripped.root.get_by_role("button").count() == 0
    assert len(stripped.locked) == 10


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [1280, 390])
def test_legible_on_every_page_and_never_too_wide(quiet, desk, axe, theme, width):
    quiet.emulate_media(reduced_motion="reduce")
    quiet.set_viewport_size({"width": width, "height": 900})
    quiet.goto(desk("look.html", document(theme=theme)))
    visit = checks.Visit(quiet, quiet.url)
    form = Form(quiet)
    form.answer_all(wrong=(1, 2, 6))
    assert form.code.is_visible()
    complaints = []
    for retry in (True, False):
        complaints += visit.axe(axe) + visit.sideways()
        ratio, text = quiet.evaluate(f"() => ({CONTRAST})(document.querySelector('form'))")
        complaints += [f"contrast {ratio:.2f}: {text}"] if ratio < 4.5 else []
        if retry:
            form.press("Try the missed ones again")
    assert complaints == []
    assert quiet.evaluate("document.getAnimations().length") == 0
    dark = form.root.evaluate("form => getComputedStyle(form).colorScheme")
    assert dark == ("light" if theme == "light" else "dark")


def test_the_contrast_check_sees_a_pale_twin(quiet, desk):
    quiet.goto(desk("pale.html", document()))
    quiet.add_style_tag(content="form.minivit-quiz.minivit-quiz fieldset:disabled span { color: #aaa }")
    Form(quiet).answer(0, 0)
    ratio, text = quiet.evaluate(f"() => ({CONTRAST})(document.querySelector('form'))")
    assert ratio < 2.5
    assert text == quiz(STEM).questions[0].options[0].text


# The book: ticks, the front page, the progress page


def record(best: int, answered: int = 10, key: str = "") -> dict:
    answers = [0] * answered + [None] * (10 - answered)
    return {
        "key": key or quiz(STEM).signature,
        "of": 10,
        "answers": answers,
        "right": min(best, answered),
        "best": best,
    }


def progress(page, site, **kept) -> None:
    """Opens the progress page with these records in the storage."""
    page.goto(f"{site}/book/progress.html")
    entries = {f"minivit.quiz.v1.{stem.lstrip('_')}": json.dumps(value) for stem, value in kept.items()}
    page.evaluate("all => Object.assign(localStorage, all)", entries)
    page.reload()


def kept(page) -> dict:
    return {
        name.rpartition(".")[2]: json.loads(text)
        for name, text in stored(page).items()
        if name.startswith("minivit.quiz.")
    }


def give(page, content: str) -> str:
    """Imports a file and gives what the page says to it."""
    said = page.locator(".mp-said")
    said.evaluate("node => node.textContent = ''")
    file = {"name": "progress.json", "mimeType": "application/json", "buffer": content.encode()}
    page.get_by_label("Progress file").set_input_files([file])
    page.wait_for_function("document.querySelector('.mp-said').textContent")
    return said.inner_text()


def bundle(**quizzes) -> dict:
    return {
        "format": "minivit-progress",
        "version": 1,
        "quizzes": {stem.lstrip("_"): one for stem, one in quizzes.items()},
    }


def test_the_lesson_is_ticked_and_counted_once_its_quiz_is_passed(quiet, site):
    quiet.goto(f"{site}/notebooks/{STEM}.html")
    form, tick = Form(quiet), quiet.locator("nav.bd-links").get_by_role("img", name="lesson complete")
    assert tick.count() == 0
    form.answer_all(wrong=(0, 5))
    assert tick.count() == 1
    assert tick.locator("xpath=..").inner_text().startswith("1 · Patches")
    quiet.goto(f"{site}/book/intro.html")
    assert tick.count() == 1
    front = quiet.locator("[data-minivit-progress]")
    assert front.inner_text().startswith("You have completed 1 of 15 lessons.")
    front.get_by_role("link").last.click()
    assert quiet.url.endswith("/book/progress.html")
    rows = quiet.locator(".mp-lessons li")
    rows.first.wait_for()
    assert rows.count() == 15
    assert " ".join(rows.first.inner_text().split()) == "✓ 1 · Patches complete, 8 of 10"
    written = {int(path.name[:2]) for path in NOTEBOOKS.glob("*.ipynb")}
    states = [rows.nth(number - 1).get_attribute("data-state") for number in range(2, 16)]
    assert states == ["open" if number in written else "to-come" for number in range(2, 16)]
    assert quiet.get_by_role("progressbar", name="Lessons complete").evaluate("bar => bar.value / bar.max") == 1 / 15
    rows.first.get_by_role("link").click()
    assert Form(quiet).status == "Score 8 of 10 (80%). Lesson complete."


def test_states_before_completion(quiet, site):
    progress(quiet, site)
    first = quiet.locator(".mp-lessons li").first
    assert first.get_attribute("data-state") == "open"
    progress(quiet, site, _01_patches=record(0, answered=4))
    assert first.locator(".mp-state").inner_text() == "4 of 10 answered"
    progress(quiet, site, _01_patches=record(7))
    assert first.locator(".mp-state").inner_text() == "10 of 10 answered, best score 7"
    assert quiet.locator(".mp-tick").count() == 0
    quiet.goto(f"{site}/book/intro.html")
    assert "Go on with lesson 1" in quiet.locator("[data-minivit-progress]").inner_text()


def test_export_and_import_carry_everything_to_another_browser(browser, quiet, site, tmp_path):
    mine = {STEM: record(9), "02_positions": record(4, answered=6, key="abcd0123")}
    progress(quiet, site, **{f"_{stem}": value for stem, value in mine.items()})
    with quiet.expect_download() as download:
        quiet.get_by_role("button", name="Export to a file").click()
    assert download.value.suggested_filename == "minivit-progress.json"
    download.value.save_as(tmp_path / "progress.json")
    content = (tmp_path / "progress.json").read_text("utf-8")
    assert json.loads(content)["quizzes"] == mine
    context = browser.new_context()
    page = context.new_page()
    progress(page, site)
    assert give(page, content) == "2 quizzes imported."
    assert kept(page) == mine
    assert page.locator(".mp-tick").count() == 1
    page.goto(f"{site}/notebooks/{STEM}.html")
    assert "best score is 9" in Form(page).status or "Lesson complete" in Form(page).status
    context.close()


def test_of_two_results_the_better_stays(quiet, site):
    progress(
        quiet, site, _01_patches=record(9, answered=2), _02_positions=record(3), _03_attention=record(2, key="here")
    )
    theirs = bundle(_01_patches=record(6, answered=8), _02_positions=record(8), _03_attention=record(10, key="there"))
    said = give(quiet, json.dumps(theirs))
    assert said == "2 quizzes imported. 1 left as here: the file's answers are to other questions."
    after = kept(quiet)
    assert after["01_patches"] == record(6, answered=8) | {"best": 9}
    assert after["02_positions"] == record(8)
    assert after["03_attention"] == record(2, key="here")


def spoilt_bundle(change) -> str:
    data = copy.deepcopy(bundle(_01_patches=record(10)))
    change(data)
    return json.dumps(data)


FILES = {
    "empty": ("", "not a file of minivit progress"),
    "not JSON": ("{", "not a file of minivit progress"),
    "a picture": ("\x89PNG\r\n", "not a file of minivit progress"),
    "a list": ("[]", "not a file of minivit progress"),
    "null": ("null", "not a file of minivit progress"),
    "a stranger's": ('{"format": "other"}', "not a file of minivit progress"),
    "too large": (json.dumps(bundle() | {"padding": "x" * 1_100_000}), "not a file of minivit progress"),
    "a later version": (spoilt_bundle(lambda data: data.update(version=2)), "version 2"),
    "no quizzes": (spoilt_bundle(lambda data: data.pop("quizzes")), "no progress"),
    "quizzes in a list": (spoilt_bundle(lambda data: data.update(quizzes=[1])), "damaged"),
    "a bad record": (spoilt_bundle(lambda data: data["quizzes"]["01_patches"].update(best=11)), "01_patches"),
    "one bad of two": (spoilt_bundle(lambda data: data["quizzes"].update({"02_positions": None})), "02_positions"),
    "a bad name": (spoilt_bundle(lambda data: data["quizzes"].update({"../theme": record(1)})), "../theme"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_spoilt_file_changes_nothing(quiet, site, name):
    content, answer = FILES[name]
    progress(quiet, site, _01_patches=record(5))
    before = stored(quiet)
    said = give(quiet, content)
    assert answer in said
    assert said.endswith("Nothing was changed.")
    assert stored(quiet) == before


def test_an_import_sets_spoilt_storage_aside(quiet, site):
    progress(quiet, site, _01_patches="spoilt")
    assert quiet.locator(".mp-lessons li").first.get_attribute("data-state") == "open"
    assert give(quiet, json.dumps(bundle(_01_patches=record(9)))) == "1 quiz imported."
    assert stored(quiet)[f"minivit.aside.1.{SLOT}"] == '"spoilt"'
    assert kept(quiet)[STEM] == record(9)


def test_reset_asks_first(quiet, site):
    progress(quiet, site, _01_patches=record(9))
    quiet.evaluate("localStorage.setItem('unrelated', 'stays')")
    quiet.get_by_role("button", name="Reset").click()
    quiet.get_by_role("button", name="Keep them").click()
    assert kept(quiet) == {STEM: record(9)}
    quiet.get_by_role("button", name="Reset").click()
    quiet.get_by_role("button", name="Remove all").click()
    assert quiet.locator(".mp-said").inner_text() == "All progress was removed from this browser."
    assert not quiet.get_by_role("button", name="Remove all").is_visible()
    assert kept(quiet) == {}
    assert stored(quiet)["unrelated"] == "stays"
    assert quiet.locator(".mp-tick").count() == 0
    quiet.get_by_role("button", name="Export to a file").click()
    assert quiet.locator(".mp-said").inner_text() == "There is no progress to export yet."


def test_without_scripts_the_page_says_why_it_is_empty(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/book/progress.html")
    assert "needs JavaScript" in page.locator("[data-minivit-progress]").inner_text()
    context.close()


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_progress_page_and_quiz_are_clean_on_the_site(page, site, axe, mode, width):
    # Not the quiet page: axe reads the theme's style sheets itself, and misses one that they import.
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{site}/book/progress.html")
    page.evaluate("mode => Object.assign(localStorage, {mode, theme: mode})", mode)
    progress(page, site, _01_patches=record(9), _02_positions=record(0, answered=3))
    page.get_by_role("button", name="Reset").click()
    visit = checks.Visit(page, site)
    complaints = visit.axe(axe) + visit.sideways()
    page.goto(f"{site}/notebooks/{STEM}.html")
    form = Form(page)
    assert len(form.locked) == 10
    ratio, text = page.evaluate(f"() => ({CONTRAST})(document.querySelector('form.minivit-quiz'))")
    complaints += [f"contrast {ratio:.2f}: {text}"] if ratio < 4.5 else []
    box = form.root.locator("xpath=..").evaluate("box => getComputedStyle(box).backgroundColor")
    assert box == "rgba(0, 0, 0, 0)", "the theme frames the quiz"
    assert complaints + visit.sideways() == []
    assert page.evaluate("document.documentElement.dataset.theme") == mode
