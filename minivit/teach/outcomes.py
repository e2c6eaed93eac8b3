"""One run of a function that may do anything: what it gave back or how it stopped, and when two outcomes agree."""

import copy
import dis
import linecache
import math
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FAULTS = (Exception, SystemExit)  # what foreign code may raise; KeyboardInterrupt is the reader's own wish


@dataclass(frozen=True)
class Outcome:
    """A value, or the exception raised; and whether the arguments were changed on the way."""

    value: Any = None
    error: BaseException | None = None
    mutated: bool = False


def run(function: Callable, args: tuple) -> Outcome:
    """Calls `function` on deep copies, so that no case is spoiled for the next."""
    copies = copy.deepcopy(args)
    try:
        value = function(*copies)
    except FAULTS as error:
        return Outcome(error=error)
    return Outcome(value=value, mutated=not equal(copies, args))


def equal(a: Any, b: Any) -> bool:
    """The same type, shape, dtype and, to rounding, the same numbers; False where a value cannot be looked at."""
    try:
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return a.shape == b.shape and a.dtype == b.dtype and not differing(plain(a), plain(b)).any()
        if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
            return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
        if type(a) is type(b) is float:
            return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b))
        return type(a) is type(b) and bool(a == b)
    except FAULTS:  # a nested tensor has no shape, a meta tensor no values, and a reader's class may refuse to compare
        return False


def plain(value: Tensor) -> Tensor:
    """(...) -> (...): the values of a tensor of any device and layout, dense and on the CPU. Raises if it has none."""
    if value.numel() > 10_000_000:  # no exercise is near it; a sparse or expanded tensor may exceed the memory
        raise ValueError(f"{value.numel():,} values are too many to look at")
    value = value.detach()
    return (value if value.layout is torch.strided else value.to_dense()).cpu()


def differing(mine: Tensor, target: Tensor) -> Tensor:
    """(...), (...) of one shape and dtype -> (...) bool: where numbers differ by more than rounding."""
    if not target.is_floating_point():
        return mine != target
    return ~torch.isclose(mine.double(), target.double(), rtol=1e-5, atol=1e-6, equal_nan=True)


def agree(a: Outcome, b: Outcome) -> bool:
    """Equal values, or exceptions of one type."""
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    return equal(a.value, b.value)


def alike(mine: Outcome, twin: Outcome) -> bool:
    """Like `agree`, but one exception is as good as another: one mistake stops einops and torch in different ways."""
    return mine.error is not None if twin.error is not None else agree(mine, twin)


def unwritten(function: Callable) -> bool:
    """True for a body of `...`, `pass` or `return None`: byte code that does nothing."""
    code = code_of(function)
    idle = {"NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return code is not None and all(
        step.opname == "RESUME" or (step.opname in idle and step.argval in (None, ...))
        for step in dis.get_instructions(code)
    )


def code_of(function: Callable) -> types.CodeType | None:
    """The byte code of a function written in Python."""
    try:
        code = getattr(function, "__code__", None)
    except FAULTS:  # an object that answers every name in its own way
        return None
    return code if isinstance(code, types.CodeType) else None


def name_of(function: Callable) -> str:
    """What a function is called."""
    try:
        name = getattr(function, "__name__", None)
    except FAULTS:
        name = None
    return name if isinstance(name, str) else "your function"


def told(function: Callable, error: BaseException) -> str:
    """An exception in one line: its type and message, and the line of `function`'s own file where it happened."""
    home = getattr(code_of(function), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == home]
    said = traceback.format_exception_only(error)[0].strip().splitlines()[0]
    if not frames:
        return said
    number = frames[-1].lineno
    line = linecache.getline(frames[-1].filename, number).strip()
    return f"{said} (line {number} of the cell: `{line}`)" if line else f"{said} (line {number} of the cell)"


def kind(value: Any) -> str:
    """What sort of thing a value is, in words."""
    try:
        if isinstance(value, Tensor):
            return "a nested tensor" if value.is_nested else f"a tensor of shape {tuple(value.shape)}"
        name = type(value).__name__
    except FAULTS:
        return "something that cannot be looked at"
    return "nothing (None)" if value is None else f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def brief(outcome: Outcome) -> str:
    """An outcome in two or three words, such as "ValueError", "a list" or "shape (3, 4)"."""
    if outcome.error is not None:
        return type(outcome.error).__name__
    return kind(outcome.value).removeprefix("a tensor of ")


def shown(value: Any, words: Callable[[Any], str] = repr) -> str:
    """A value's own words, at most 200 characters of them; where it refuses, what kind it is."""
    try:
        return words(value)[:200]
    except FAULTS:
        return kind(value)
