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
    """-> (*shape): numbers counted through, so that every place has its own value."""
    return (torch.arange(math.prod(shape)) % 251).reshape(shape).to(dtype)


def cases() -> list[tuple[Tensor, int]]:
    """(C, H, W) each: pictures with their patch side: wide, square, tall, grey; floating and uint8."""
    return [(photo(), 16), (ramp(3, 8, 8), 4), (ramp(3, 40, 24, dtype=torch.uint8), 8), (ramp(1, 12, 8), 4)]


def real(value: Any) -> bool:
    """Whether a value is a tensor that can be drawn at all."""
    return isinstance(value, Tensor) and not value.is_complex()


def viewable(value: Any) -> Tensor | None:
    """(C, H, W) -> (C, H, W) in [0, 1]; None for what is no picture, or a larger one than a card can show."""
    if not real(value) or value.ndim != 3 or value.shape[0] not in (1, 3):
        return None
    if 0 in value.shape or max(value.shape) > 512:
        return None
    pixels = value.double()
    return pixels if value.is_floating_point() and pixels.max() <= 1 else pixels / 255
