"""Quizzes: ten questions from a plain data file, shown as one self-contained piece of HTML.

`quiz("01_patches")` as the last line of a cell shows the quiz of lesson 1. The same HTML, byte for byte the same each
time, works on a web page, from a file, in JupyterLab and in a sandboxed frame. The form holds no answers; the key and
the explanations stand in a script of type application/json, and quiz.js, a few kilobytes, does the rest.
"""

import hashlib
import html
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = ["Option", "Question", "Quiz", "quiz", "stems"]

QUESTIONS = 10
TEX = re.compile(r"\$|\\[(\[a-zA-Z]")


class Option(NamedTuple):
    text: str
    why: str  # why it is right, or which mistake leads to it


class Question(NamedTuple):
    ask: str
    options: tuple[Option, ...]
    right: int  # index of the right option


@dataclass(frozen=True)
class Quiz:
    """One lesson's ten questions. A notebook shows it; nothing else needs to be called."""

    stem: str
    title: str
    questions: tuple[Question, ...]

    @classmethod
    def of(cls, stem: str, data: Any) -> "Quiz":
        """From the content of a data file; a ValueError says what is wrong with it, and where."""
        _keys(data, {"title", "questions"}, stem)
        title = _text(data["title"], f"{stem}: title")
        asked = data["questions"]
        if not isinstance(asked, list) or len(asked) != QUESTIONS:
            found = len(asked) if isinstance(asked, list) else type(asked).__name__
            raise ValueError(f"{stem}: a quiz has {QUESTIONS} questions, found {found}")
        questions = tuple(_question(item, f"{stem}, question {n}") for n, item in enumerate(asked, 1))
        _differ([question.ask for question in questions], f"{stem}: two questions are the same")
        return cls(stem, title, questions)

    @property
    def signature(self) -> str:
        """Eight hex digits; another question, option or right answer gives others, and stored answers no longer fit."""
        key = [[q.ask, [option.text for option in q.options], q.right] for q in self.questions]
        return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"quiz {self.stem}: {len(self.questions)} questions, shown in a notebook or on the lesson's page"

    def _repr_html_(self) -> str:
        asked = "\n".join(_fieldset(number, question) for number, question in enumerate(self.questions))
        secret = {
            "key": self.signature,
            "right": [question.right for question in self.questions],
            "why": [[_prose(option.why) for option in question.options] for question in self.questions],
            "css": _lean("quiz.css"),
        }
        # "<" is escaped so that nothing inside can end the script.
        data = json.dumps(secret, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        name = html.escape(self.title)
        return (
            f'<form class="minivit-quiz tex2jax_ignore" data-stem="{self.stem}" data-lm-suppress-shortcuts="true" '
            f'autocomplete="off" aria-label="Quiz: {name}">\n<p class="mq-title">Quiz: {name}</p>\n{asked}\n'
            '<p class="mq-status" role="status">Run this cell to start the quiz. On a web page, allow JavaScript.</p>\n'
            f'<script type="application/json">{data}</script>\n<script>{_lean("quiz.js")}</script>\n</form>'
        )


def quiz(stem: str) -> Quiz:
    """The quiz of one lesson, named like the lesson's notebook: `quiz("01_patches")`."""
    if stem not in stems():
        raise ValueError(f"no quiz is named {stem!r}; there are: {', '.join(stems())}")
    try:
        data = json.loads((files(__name__) / f"{stem}.json").read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{stem}.json is not JSON: {error}") from error
    return Quiz.of(stem, data)


def stems() -> list[str]:
    """The names of all quizzes, in the order of the lessons."""
    return sorted(path.name.removesuffix(".json") for path in files(__name__).iterdir() if path.name.endswith(".json"))


def _question(data: Any, where: str) -> Question:
    _keys(data, {"ask", "options"}, where)
    ask, options = _text(data["ask"], where), data["options"]
    if not isinstance(options, list) or not 3 <= len(options) <= 4:
        found = len(options) if isinstance(options, list) else type(options).__name__
        raise ValueError(f"{where}: 3 or 4 options, found {found}")
    pairs, right = [], []
    for number, option in enumerate(options):
        place = f"{where}, option {number + 1}"
        _keys(option, {"text", "why"}, place, optional={"right"})
        if option.get("right", True) is not True:
            raise ValueError(f'{place}: "right" is true or absent, found {option["right"]!r}')
        right += [number] if "right" in option else []
        pairs.append(Option(_text(option["text"], place), _text(option["why"], f"{place}, why")))
    if len(right) != 1:
        raise ValueError(f"{where}: exactly one option is right, found {len(right)}")
    _differ([pair.text for pair in pairs], f"{where}: two options are the same")
    return Question(ask, tuple(pairs), right[0])


def _keys(data: Any, needed: set[str], where: str, optional: set[str] = frozenset()) -> None:
    if not isinstance(data, dict) or not needed <= set(data) <= needed | optional:
        found = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{where}: needs exactly the keys {sorted(needed)}, found {found}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: a text that is not empty is needed, found {value!r}")
    if TEX.search(value):
        raise ValueError(f"{where}: no TeX in a quiz, write Unicode instead (×, ², →): {value!r}")
    return value


def _differ(texts: list[str], message: str) -> None:
    if len({text.strip().casefold() for text in texts}) < len(texts):
        raise ValueError(message)


def _fieldset(number: int, question: Question) -> str:
    # Disabled until the script starts: where scripts are stripped, nothing can be clicked in vain.
    rows = "".join(
        f'<div class="mq-option"><label><input type="radio" name="q{number}" value="{index}"> '
        f"<span>{_prose(option.text)}</span></label></div>"
        for index, option in enumerate(question.options)
    )
    return f"<fieldset disabled><legend>{number + 1}. {_prose(question.ask)}</legend>{rows}</fieldset>"


def _prose(text: str) -> str:
    """Escapes everything, turns `back-ticked` words into code, and keeps short equations such as P = 16 on one line."""
    text = re.sub(r"\b([A-Z]) = (\d)", "\\1\u00a0=\u00a0\\2", html.escape(text, quote=False))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def _lean(name: str) -> str:
    """The text of a file beside this one, without indentation and whole-line comments."""
    lines = (line.strip() for line in (files(__name__) / name).read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))
