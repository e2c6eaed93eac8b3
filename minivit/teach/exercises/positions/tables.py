"""How lesson 2's exercises draw what they get: a table of vectors as shades of grey, a row for each token."""

from typing import Any

from torch import Tensor

from minivit.teach.outcomes import plain


def shades(value: Any, count: int, width: int) -> Tensor | None:
    """(count, width) -> (1, count, width) from black, the lowest number, to white; None for anything else."""
    if not isinstance(value, Tensor) or value.is_complex() or value.shape != (count, width):
        return None
    numbers = plain(value).double().nan_to_num(0, 0, 0)
    low, high = numbers.min(), numbers.max()
    return ((numbers - low) / (high - low).clamp_min(1e-9))[None]
