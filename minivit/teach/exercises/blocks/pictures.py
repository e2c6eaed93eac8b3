"""What lesson 4's exercises are tried on, and how their results become pictures."""

import math
from typing import Any

import torch
from torch import Tensor


def numbers(seed: int, *shape: int) -> Tensor:
    """-> (*shape): normal numbers, the same on every machine to rounding, of both signs and all different."""
    return torch.randn(math.prod(shape), generator=torch.Generator().manual_seed(seed)).reshape(shape)


def drawing(shape: torch.Size, value: Any) -> Tensor | None:
    """(..., D) of the right shape -> (1, tokens, D) in [0, 1], a token a row; None for anything else.

    Grey is 0, so that two drawings can be compared; beyond 3 is black or white.
    """
    if not isinstance(value, Tensor) or value.is_complex() or value.shape != shape:
        return None
    rows = value.detach().double().reshape(-1, shape[-1])
    return (0.5 + rows / 6).clamp(0, 1)[None]
