"""What lesson 1's exercises are tried on, and how their results become pictures."""

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from minivit import images


@cache
def photo(height: int = 96, width: int = 144) -> Tensor:
    """(3, H, W) float32 in [0, 1]: a real photograph in which up, down, left, right and colours can be told apart."""
    return images.resize(images.to_float(images.sample("chelsea"))[:, :, :450], height, width)


def ramp(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers counted through, so that every place has its own value."""
    return (torch.arange(math.prod(shape)) % 251).reshape(shape).to(dtype)


def cases() -> list[tuple[Tensor, int]]:
    """Pictures with their patch side: wide, square, tall, grey; floating and uint8."""
    return [(photo(), 16), (ramp(3, 8, 8), 4), (ramp(3, 40, 24, dtype=torch.uint8), 8), (ramp(1, 12, 8), 4)]


def real(value: Any) -> bool:
    """Whether a value is a tensor that can be drawn at all."""
    return isinstance(value, Tensor) and not value.is_complex()


def viewable(value: Any) -> Tensor | None:
    """A tensor as a picture (C, H, W) in [0, 1], or None if it cannot be one."""
    if not real(value) or value.ndim != 3 or value.shape[0] not in (1, 3) or 0 in value.shape:
        return None
    return value if value.is_floating_point() and value.max() <= 1 else value.double() / 255
