"""Exercises that answer back: `check("01.cut", cut)` says not yet, what is wrong and why, or "Right.".

The reader's function is run on copies of the exercise's cases. Where its result differs from the truth and equals that
of a twin, a wrong version that real people write, the twin's hint is the diagnosis; otherwise type, shape, dtype, order
and values are looked at in turn. The reader's code may do and give anything: an exception is part of the diagnosis,
and only KeyboardInterrupt passes through.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from minivit.teach import cards
from minivit.teach.exercises import Exercise, Twin, find
from minivit.teach.outcomes import (
    FAULTS,
    Outcome,
    agree,
    alike,
    brief,
    differing,
    equal,
    kind,
    name_of,
    plain,
    run,
    shown,
    told,
    unwritten,
)


@dataclass(frozen=True)
class Verdict:
    """What `check` found; a notebook shows it as a card."""

    status: str  # "not yet", "wrong" or "right"
    id: str  # which diagnosis
    said: str  # what is wrong, or what was learnt
    hint: str = ""
    pictures: tuple = field(default=(), repr=False)  # (title, picture, table or words) side by side

    def __repr__(self) -> str:
        return f"{cards.HEADS[self.status][0]} {self.said}" + (f" Hint: {self.hint}" if self.hint else "")

    def _repr_html_(self) -> str:
        return cards.card(self.status, self.said, self.hint, self.pictures)


def check(name: str, answer: Callable) -> Verdict:
    """Tries the reader's function on the exercise called `name`, such as "01.cut", and says what it found.

    Raises ValueError only for a name that no exercise has.
    """
    exercise = find(name)
    if answer is None or answer is Ellipsis:
        return not_yet("the answer")
    cases = exercise.cases()
    if not callable(answer):
        pictures = beside(exercise, cases[0], Outcome(value=answer))
        hint = "hand over the function itself, without calling it: no brackets after its name."
        return Verdict("wrong", "not-a-function", f"check was given {kind(answer)}, not a function.", hint, pictures)
    called = name_of(answer)
    if unwritten(answer):
        return not_yet(called)
    try:
        inspect.signature(answer).bind(*cases[0])
    except FAULTS as error:  # no signature at all, or another one
        pictures = beside(exercise, cases[0], Outcome(error=error))
        wanted = ", ".join(inspect.signature(exercise.reference).parameters)
        wrong = f"`{called}` cannot be called with ({wanted}): {shown(error, str)}."
        return Verdict("wrong", "signature", wrong, "leave the first line of the cell as it was.", pictures)
    mine = [run(answer, args) for args in cases]
    if all(isinstance(outcome.error, NotImplementedError) for outcome in mine):  # torch raises it for single dtypes
        return not_yet(called)
    return diagnosed(exercise, answer, called, cases, mine)


def not_yet(called: str) -> Verdict:
    """The verdict on an exercise that nobody has begun."""
    return Verdict("not yet", "not-yet", f"write the body of `{called}`, then run this cell again.")


def diagnosed(exercise: Exercise, answer: Callable, called: str, cases: list, mine: list[Outcome]) -> Verdict:
    """The verdict on what the answer gave in each case."""
    truth = [run(exercise.reference, args) for args in cases]
    bad = [at for at in range(len(cases)) if not agree(mine[at], truth[at])]
    if not bad:
        if any(outcome.mutated for outcome in mine):
            wrong = f"the result is right, but `{called}` has changed what it was given."
            hint = "whoever called it still needs the original: build something new, and leave the argument as it is."
            return Verdict("wrong", "mutates", wrong, hint, beside(exercise, cases[0], mine[0]))
        pictures = (("yours, equal to the target", drawn(exercise, cases[0], mine[0])),)
        return Verdict("right", "right", exercise.learnt, "", pictures)
    first = bad[0]
    where = exercise.tell(cases[first])
    pictures = beside(exercise, cases[first], mine[first])
    twin = twin_of(exercise, cases, mine, first)
    if twin is not None:
        return Verdict("wrong", twin.id, f"{where}: {twin.wrong}", twin.hint, pictures)
    if mine[first].error is not None:
        passed = len(cases) - len(bad)
        hint = f"{passed} of {len(cases)} cases pass: what is special about this one?"
        wrong = f"{where}: it stops with {told(answer, mine[first].error)}."
        return Verdict("wrong", "raises", wrong, hint if passed else "print the shape before that line.", pictures)
    try:
        id, wrong, hint = compared(mine[first].value, truth[first])
    except FAULTS:
        id, wrong = "unreadable", f"it gives {kind(mine[first].value)}, whose values cannot be read."
        hint = "give back what the docstring says; a tensor is an ordinary one on the CPU, like those you were given."
    return Verdict("wrong", id, f"{where}: {wrong}", hint, pictures)


def beside(exercise: Exercise, args: tuple, mine: Outcome) -> tuple:
    """(title, picture) of the reader's outcome and of the target."""
    truth = run(exercise.reference, args)
    return ("yours", drawn(exercise, args, mine)), ("target", drawn(exercise, args, truth))


def drawn(exercise: Exercise, args: tuple, outcome: Outcome) -> Any:
    """The exercise's picture or table of an outcome; where it cannot be drawn, a few words on what came instead."""
    picture = None
    if outcome.error is None:
        try:
            value = outcome.value
            picture = exercise.picture(args, plain(value) if isinstance(value, Tensor) else value)
        except FAULTS:  # a value that cannot be read cannot be drawn
            picture = None
    return brief(outcome) if picture is None else picture


def twin_of(exercise: Exercise, cases: list, mine: list[Outcome], bad: int) -> Twin | None:
    """The twin that agrees in every case; failing that, one that gives the same wrong value in the first bad case."""
    found = [twin for twin in exercise.twins if alike(mine[bad], run(twin.answer, cases[bad]))]
    for twin in found:
        if all(alike(outcome, run(twin.answer, args)) for outcome, args in zip(mine, cases, strict=True)):
            return twin
    return found[0] if found and mine[bad].error is None else None


def compared(mine: Any, truth: Outcome) -> tuple[str, str, str]:
    """(diagnosis, what is wrong, a hint) for a value that no twin explains."""
    if truth.error is not None:
        wrong = f"this should raise a {type(truth.error).__name__}, and gave {kind(mine)} instead."
        return "should-raise", wrong, f"the target says: {truth.error}."
    if mine is None or mine is Ellipsis:
        return "no-return", "it gives nothing back.", "the last line has to return the result."
    if isinstance(truth.value, Tensor):
        return compared_tensors(mine, truth.value)
    if type(mine) is not type(truth.value):
        wrong = f"it gives {kind(mine)}; wanted is {kind(truth.value)}."
        return "type", wrong, "look at the docstring: what comes back, in which order?"
    if isinstance(truth.value, tuple) and any(isinstance(part, Tensor) for part in truth.value):
        return compared_parts(mine, truth.value)
    wrong = f"it gives {shown(mine)}; wanted is {truth.value!r}."
    return "values", wrong, "work this case out on paper, one number at a time."


def compared_parts(mine: tuple, target: tuple) -> tuple[str, str, str]:
    """The same, where a tuple with tensors in it is wanted: the first part that differs, by its number."""
    if len(mine) != len(target):
        wrong = f"it gives {len(mine)} things; wanted are {len(target)}."
        return "length", wrong, "look at the docstring: what comes back, in which order?"
    at = next(at for at, pair in enumerate(zip(mine, target, strict=True)) if not equal(*pair))
    id, wrong, hint = compared(mine[at], Outcome(value=target[at]))
    return id, f"of the {len(target)} results, look at number {at + 1}: {wrong}", hint


def compared_tensors(mine: Any, target: Tensor) -> tuple[str, str, str]:
    """(...), (...) -> the same, where a tensor is wanted. Raises for a tensor whose values cannot be read."""
    if not isinstance(mine, Tensor):
        wrong = f"it gives {kind(mine)}; wanted is a tensor."
        return "not-a-tensor", wrong, "torch.stack makes one tensor of a list of equal tensors."
    if mine.shape != target.shape:
        same = mine.numel() == target.numel()
        count = (
            "the number of values is right" if same else f"there are {mine.numel():,} values, not {target.numel():,}"
        )
        wrong = f"the shape is {tuple(mine.shape)}; wanted is {tuple(target.shape)}."
        return "shape", wrong, f"{count}. Write the shape after each line of your function as a comment."
    if mine.dtype != target.dtype:
        wrong = f"the dtype is {mine.dtype}; wanted is {target.dtype}."
        return "dtype", wrong, "values are moved here, never converted: build on a tensor like the one you were given."
    mine = plain(mine)
    off = differing(mine, target)
    share, first = off.double().mean().item(), tuple(off.nonzero()[0].tolist())
    if torch.equal(mine.flatten().sort().values, target.flatten().sort().values):
        wrong = f"all the right values are there, but {share:.0%} stand in the wrong place, the first at {first}."
        hint = "a reshape may only split or join neighbours; a permute has to bring them together first."
        return "order", wrong, f"name every axis after each step: {hint}"
    pair = f"{mine[first].item():.4g} where {target[first].item():.4g} is wanted"
    wrong = f"{share:.0%} of the values differ, the first at {first}: {pair}."
    return "values", wrong, "try it by hand on a picture of 2 x 4 pixels whose values are 0, 1, 2, ..."
