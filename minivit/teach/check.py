"""Exercises that answer back: `check("01.cut", cut)` says not yet, what is wrong and why, or "Right.".

An exercise is data. It has the true function, cases to try it on, and twins: wrong versions that real people write,
each with its own hint. The reader's function is run on copies of the cases. Where its result differs from the truth and
equals a twin's, the twin's hint is the diagnosis; otherwise type, dtype, shape, order and values are looked at in turn.
The reader's code may do anything: an exception is part of the diagnosis and never escapes.
"""

import copy
import dis
import inspect
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from minivit.teach import cards

LESSONS = {"01": "minivit.teach.exercises.patches"}


@dataclass(frozen=True)
class Twin:
    """A mistake we have met: `answer` is the wrong version, `wrong` says what it does, `hint` how to get away from it."""

    id: str
    wrong: str
    hint: str
    answer: Callable


@dataclass(frozen=True)
class Exercise:
    """`reference` is the truth, `cases` the argument tuples; `picture(args, value)` draws a value, or gives None."""

    reference: Callable
    cases: Callable[[], list[tuple]]
    learnt: str
    twins: tuple[Twin, ...]
    picture: Callable[[tuple, Any], Any] = lambda args, value: None
    tell: Callable[[tuple], str] = lambda args: ""  # names a case in words


@dataclass(frozen=True)
class Verdict:
    """What `check` found; a notebook shows it as a card."""

    status: str  # "not yet", "wrong" or "right"
    id: str  # which diagnosis
    wrong: str
    hint: str = ""
    pictures: tuple = field(default=(), repr=False)

    @property
    def text(self) -> str:
        head = {"not yet": "Not yet: ", "wrong": "Not right: ", "right": "Right. "}[self.status]
        return f"{head}{self.wrong}" + (f" Hint: {self.hint}" if self.hint else "")

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return cards.card(self.status, self.wrong, self.hint, self.pictures)


@dataclass(frozen=True)
class Outcome:
    """One run of a function on copies of its arguments: a value, or the exception it raised."""

    value: Any = None
    error: Exception | None = None
    mutated: bool = False


def check(name: str, answer: Callable) -> Verdict:
    """Tries the reader's function on the exercise called `name`, such as "01.cut", and says what it found.

    Raises ValueError only for a name that no exercise has.
    """
    exercise = find(name)
    if answer is None or answer is Ellipsis:
        return _not_yet("the answer")
    if not callable(answer):
        return Verdict("wrong", "not-a-function", f"check was given {_kind(answer)}, not a function.",
                       "hand over the function itself, without calling it: no brackets after its name.")
    called = f"{getattr(answer, '__name__', 'your function')}"
    if _unwritten(answer):
        return _not_yet(called)
    cases = exercise.cases()
    try:
        inspect.signature(answer).bind(*cases[0])
    except (TypeError, ValueError) as error:
        wanted = ", ".join(inspect.signature(exercise.reference).parameters)
        return Verdict("wrong", "signature", f"`{called}` cannot be called with ({wanted}): {error}.",
                       "leave the first line of the cell as it was.")
    outcomes = [run(answer, args) for args in cases]
    if any(isinstance(outcome.error, NotImplementedError) for outcome in outcomes):
        return _not_yet(called)
    return _diagnose(exercise, called, answer, cases, outcomes)


def find(name: str) -> Exercise:
    """The exercise called `name`; ValueError with the names there are."""
    lesson, _, title = str(name).partition(".")
    exercises = import_module(LESSONS[lesson]).EXERCISES if lesson in LESSONS else {}
    if title not in exercises:
        known = ", ".join(f'"{key}.{title}"' for key, place in LESSONS.items() for title in import_module(place).EXERCISES)
        raise ValueError(f"there is no exercise {name!r}; there are {known}")
    return exercises[title]


def run(function: Callable, args: tuple) -> Outcome:
    """Calls `function` on deep copies, so that no case is spoiled for the next."""
    copies = copy.deepcopy(args)
    try:
        value = function(*copies)
    except Exception as error:
        return Outcome(error=error)
    return Outcome(value=value, mutated=not equal(copies, args))


def equal(a: Any, b: Any) -> bool:
    """The same type, shape, dtype and, to rounding, the same numbers."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        return torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True) if a.is_floating_point() else torch.equal(a, b)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and bool(a == b)


def agree(a: Outcome, b: Outcome) -> bool:
    """Equal values, or exceptions of one type."""
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    return equal(a.value, b.value)


def alike(mine: Outcome, twin: Outcome) -> bool:
    """Like `agree`, but one exception is as good as another: the same mistake stops einops and torch in different ways."""
    return mine.error is not None if twin.error is not None else agree(mine, twin)


def _diagnose(exercise: Exercise, called: str, answer: Callable, cases: list, outcomes: list[Outcome]) -> Verdict:
    truths = [run(exercise.reference, args) for args in cases]
    bad = [i for i, (mine, truth) in enumerate(zip(outcomes, truths, strict=True)) if not agree(mine, truth)]
    if not bad:
        if any(outcome.mutated for outcome in outcomes):
            return Verdict("wrong", "mutates", f"the result is right, but `{called}` has changed what it was given.",
                           "whoever called it still needs the original: build something new, and avoid assigning into an argument.")
        args = cases[0]
        pictures = (("yours, and the target: equal", exercise.picture(args, outcomes[0].value)),)
        return Verdict("right", "right", exercise.learnt, "", _drawn(pictures))

    args, mine, truth = cases[bad[0]], outcomes[bad[0]], truths[bad[0]]
    where = exercise.tell(args)
    twin = _twin(exercise, cases, outcomes, bad)
    pictures = () if mine.error else _drawn((("yours", exercise.picture(args, mine.value)), ("target", exercise.picture(args, truth.value))))
    if twin is not None:
        return Verdict("wrong", twin.id, f"{where}: {twin.wrong}", twin.hint, pictures)
    if mine.error is not None:
        return Verdict("wrong", "raises", f"{where}: {_told(answer, mine.error)}", _after(len(bad), len(cases)))
    wrong, hint, id = _compare(mine.value, truth)
    return Verdict("wrong", id, f"{where}: {wrong}", hint, pictures)


def _twin(exercise: Exercise, cases: list, outcomes: list[Outcome], bad: list[int]) -> Twin | None:
    """The twin that agrees in every case; failing that, one that gives the same wrong value in the first bad case."""
    theirs = [[run(twin.answer, args) for args in cases] for twin in exercise.twins]
    for twin, results in zip(exercise.twins, theirs, strict=True):
        if all(map(alike, outcomes, results)):
            return twin
    for twin, results in zip(exercise.twins, theirs, strict=True):
        if outcomes[bad[0]].error is None and agree(outcomes[bad[0]], results[bad[0]]):
            return twin
    return None


def _compare(mine: Any, truth: Outcome) -> tuple[str, str, str]:
    """(what is wrong, a hint, the diagnosis) for a value that no twin explains."""
    if truth.error is not None:
        return (f"this should raise a {type(truth.error).__name__}, and gave {_kind(mine)} instead.",
                f"the message of the target is: {truth.error}", "should-raise")
    target = truth.value
    if mine is None or mine is Ellipsis:
        return "it gives nothing back.", "the last line has to return the result.", "no-return"
    if not isinstance(target, Tensor):
        if type(mine) is not type(target):
            return f"it gives {_kind(mine)}; wanted is {_kind(target)}.", "look at the docstring: what comes back, in which order?", "type"
        return f"it gives {mine!r}; wanted is {target!r}.", "work this case out on paper, one number at a time.", "values"
    if not isinstance(mine, Tensor):
        return f"it gives {_kind(mine)}; wanted is a tensor.", "torch.stack makes one tensor of a list of equal tensors.", "not-a-tensor"
    if mine.shape != target.shape:
        advice = f"the number of values is {'right' if mine.numel() == target.numel() else f'{mine.numel():,}, wanted {target.numel():,}'}"
        return (f"the shape is {tuple(mine.shape)}; wanted is {tuple(target.shape)}.",
                f"{advice}: write the shape after each line of your function as a comment.", "shape")
    if mine.dtype != target.dtype:
        return (f"the dtype is {mine.dtype}; wanted is {target.dtype}.",
                "the values should only be moved, never converted: start from a tensor like the one you were given.", "dtype")
    off = (mine.double() - target.double()).abs()
    share = (off > 1e-6).double().mean().item()
    first = tuple(int(i) for i in (off > 1e-6).nonzero()[0])
    if torch.equal(mine.flatten().sort().values, target.flatten().sort().values):
        return (f"all the right values are there, but {share:.0%} stand in the wrong place, the first at {first}.",
                "name every axis after each step: a reshape may only split or join neighbours, and a permute has to bring them together first.", "order")
    return (f"{share:.0%} of the values differ, the first at {first}: {mine[first].item():.4g} where {target[first].item():.4g} is wanted.",
            "try it by hand on a picture of 2 x 4 pixels whose values are 0, 1, 2, ...", "values")


def _unwritten(function: Callable) -> bool:
    """True for a body of `...`, `pass` or `return None`: byte code that does nothing."""
    code = getattr(function, "__code__", None)
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return code is not None and all(step.opname in idle and step.argval in (None, 0) for step in dis.get_instructions(code))


def _told(answer: Callable, error: Exception) -> str:
    """The exception in the reader's words: its type, its message, and the line of theirs where it happened."""
    home = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == home]
    said = f"it stops with {type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    if not frames:
        return said
    line = linecache.getline(frames[-1].filename, frames[-1].lineno).strip()
    return f"{said} (line {frames[-1].lineno} of the cell{': `' + line + '`' if line else ''})"


def _after(bad: int, cases: int) -> str:
    if bad < cases:
        return f"{cases - bad} of {cases} cases pass: what is special about this one?"
    return "print the shape before that line."


def _drawn(pictures: tuple) -> tuple:
    return tuple((title, picture) for title, picture in pictures if picture is not None)


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    name = type(value).__name__
    return "nothing (None)" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _not_yet(called: str) -> Verdict:
    return Verdict("not yet", "not-yet", f"write the body of `{called}`, then run this cell again.")
