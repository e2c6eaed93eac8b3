"""Rotary places for one line of tokens: pairs of numbers turn by angles that grow with the place.

Legend: B texts, T tokens, heads, head_dim. Pair i of a head is its numbers i and i + head_dim / 2 (`positions.Rotary2D`
pairs within the half of each axis) and turns by place * theta^(-2 i / head_dim) radians.

Source: Su et al. 2021, section 3.2.2. Angles are float32, whatever the model computes in, as in released models.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Turn(NamedTuple):
    """Turns queries and keys: (B, heads, T, head_dim) -> the same shape."""

    cos: Tensor  # (T, head_dim) or (B, 1, T, head_dim)
    sin: Tensor  # the same, the first half negative: number i loses what i + head_dim / 2 gives it

    def __call__(self, x: Tensor) -> Tensor:
        """(B, heads, T, head_dim) -> the same shape."""
        return torch.addcmul(x * self.cos, x.roll(x.shape[-1] // 2, -1), self.sin)

    def to(self, dtype: torch.dtype) -> "Turn":
        """The same for queries and keys of this type."""
        return Turn(self.cos.to(dtype), self.sin.to(dtype))

    def at(self, places: Tensor | slice) -> "Turn":
        """A table of all places -> the turn of these, a slice or (B, T)."""
        if isinstance(places, slice):
            return Turn(self.cos[places], self.sin[places])
        return Turn(self.cos[places][:, None], self.sin[places][:, None])


def rotary(places: Tensor, head_dim: int, theta: float = 10_000.0) -> Turn:
    """(T,) or (B, T) whole places -> what turns the tokens at them."""
    rates = 1 / theta ** (torch.arange(0, head_dim, 2, device=places.device).float() / head_dim)
    angles = places[..., None].float() * rates  # (..., T, head_dim / 2)
    if places.ndim == 2:
        angles = angles[:, None]  # one axis for the heads
    cos, sin = angles.cos(), angles.sin()
    return Turn(torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1))
