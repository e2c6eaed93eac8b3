"""The exercises, a folder a lesson: each is a true function, cases to try it on, and the mistakes that it knows."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

LESSONS = {  # each module has a table EXERCISES
    "01": "minivit.teach.exercises.patches",
    "02": "minivit.teach.exercises.positions",
    "03": "minivit.teach.exercises.attention",
    "04": "minivit.teach.exercises.blocks",
    "05": "minivit.teach.exercises.vit",
    "06": "minivit.teach.exercises.scale",
    "07": "minivit.teach.exercises.clip",
    "08": "minivit.teach.exercises.siglip",
    "12": "minivit.teach.exercises.bridge",
    "13": "minivit.teach.exercises.inspection",
}


@dataclass(frozen=True)
class Twin:
    """A mistake that people make: `answer` is the wrong version, `wrong` says what it does, `hint` how to mend it."""

    id: str
    wrong: str
    hint: str
    answer: Callable


@dataclass(frozen=True)
class Exercise:
    """`reference` is the truth and `cases` gives the argument tuples; the first bad case is the one talked about."""

    reference: Callable
    cases: Callable[[], list[tuple]]
    tell: Callable[[tuple], str]  # names a case in words
    picture: Callable[[tuple, Any], Any]  # draws a value: a tensor (C, H, W), rows of a table, or None
    learnt: str
    twins: tuple[Twin, ...]


def find(name: str) -> Exercise:
    """The exercise called `name`, such as "01.cut"; ValueError with the names there are."""
    lesson, _, title = str(name).partition(".")
    found = import_module(LESSONS[lesson]).EXERCISES if lesson in LESSONS else {}
    if title not in found:
        raise ValueError(f"there is no exercise {name!r}; there are {', '.join(names())}")
    return found[title]


def names() -> list[str]:
    """Every exercise of every lesson."""
    return [f"{lesson}.{title}" for lesson, module in LESSONS.items() for title in import_module(module).EXERCISES]
