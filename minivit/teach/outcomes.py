"""One run of a function that may do anything: what it gave back or how it stopped, and when two outcomes agree."""

import copy
import dis
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outcome:
    """A value, or the exception raised; and whether the arguments were changed on the way."""

    value: Any = None
    error: Exception | None = None
    mutated: bool = False


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
        if not a.is_floating_point():
            return torch.equal(a, b)
        return torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and bool(a == b)


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
    code = getattr(function, "__code__", None)
    idle = {"NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return code is not None and all(
        step.opname == "RESUME" or (step.opname in idle and step.argval in (None, ...))
        for step in dis.get_instructions(code)
    )


def told(function: Callable, error: Exception) -> str:
    """An exception in one line: its type and message, and the line of `function`'s own file where it happened."""
    home = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == home]
    said = traceback.format_exception_only(error)[0].strip().splitlines()[0]
    if not frames:
        return said
    number = frames[-1].lineno
    line = linecache.getline(frames[-1].filename, number).strip()
    return f"{said} (line {number} of the cell: `{line}`)" if line else f"{said} (line {number} of the cell)"


def kind(value: Any) -> str:
    """What sort of thing a value is, in words."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    name = type(value).__name__
    return "nothing (None)" if value is None else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
