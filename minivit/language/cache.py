"""The cache: keys and values of all tokens read so far, so that the next token costs one token's work.

Legend: B texts, T new tokens, S tokens with the new ones, L tokens that there is room for.

Room is made once, at the start. A cache that grows by `torch.cat` copies everything that it holds at every token.
"""

from copy import copy

import torch
from torch import Tensor

from minivit.language.rotary import rotary
from minivit.patches import _whole


class Cache:
    """Room for keys and values of `length` tokens of B texts in every block: 2 x depth x (B, kv_heads, L, head_dim).

    Made for one model and filled by it; `filled` counts the tokens. Which of them are real is remembered too, so a
    second prompt may follow the first answer, for texts of unequal length as well.
    """

    def __init__(self, depth: int, batch: int, kv_heads: int, length: int, head_dim: int, theta: float, like: Tensor):
        shape = (_whole(batch, "the batch B", "texts"), kv_heads, _whole(length, "the length L", "tokens"), head_dim)
        self.turns = rotary(torch.arange(length, device=like.device), head_dim, theta)  # of every place, once
        self.keys = [like.new_empty(shape) for _ in range(depth)]
        self.values = [like.new_empty(shape) for _ in range(depth)]
        self.valid = torch.ones(batch, length, dtype=torch.bool, device=like.device)  # False once padding is read there
        self.length, self.filled, self.padded = length, 0, False

    @classmethod
    def of(cls, model, batch: int, length: int) -> "Cache":
        """A cache for a `Language`, of its type and on its device. Raises ValueError beyond the model's context."""
        c = model.config
        if length > c.context:
            raise ValueError(f"the model reads {c.context} tokens at most, and a cache for {length} was asked for")
        return cls(c.depth, batch, c.kv_heads, length, c.head_dim, c.theta, model.table.weight)

    @property
    def bytes(self) -> int:
        """What the keys and values take."""
        return sum(t.numel() * t.element_size() for t in (*self.keys, *self.values))

    def extended(self, block: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Twice (B, kv_heads, T, head_dim) -> twice (B, kv_heads, S, head_dim): the new ones behind the old ones."""
        keys, values, count = self.keys[block], self.values[block], k.shape[2]
        keys.narrow(2, self.filled, count).copy_(k)
        values.narrow(2, self.filled, count).copy_(v)
        end = self.filled + count
        return keys.narrow(2, 0, end), values.narrow(2, 0, end)

    def split(self, texts: int) -> list["Cache"]:
        """Caches for so many of the B texts each, the last for what is left, in the same memory; see `join`."""
        parts = []
        for row in range(0, len(self.valid), texts):
            part, rows = copy(self), slice(row, row + texts)
            part.valid = self.valid[rows]
            part.keys, part.values = [t[rows] for t in self.keys], [t[rows] for t in self.values]
            parts.append(part)
        return parts

    def join(self, parts: list["Cache"], count: int) -> None:
        """All parts have read `count` tokens more, and so has the whole."""
        self.padded = any(part.padded for part in parts)
        self.advance(count)

    def advance(self, count: int) -> None:
        """All blocks have read `count` tokens more."""
        self.filled += count

    def forget_last(self, rows: Tensor) -> None:
        """(B,) bool, True where the token read last is no real one: nobody reads it from now on."""
        self.valid[:, self.filled - 1] &= ~rows
        self.padded |= bool(rows.any())


def may_read(
    shape: tuple[int, int], valid: Tensor | None, cache: Cache | None, device: torch.device
) -> tuple[Tensor | slice, Tensor | None]:
    """(B, T) new tokens -> their places, and what they may read, (1 or B, 1, T, S); None: whatever order allows.

    Places are (B, T) where there is padding; else the same for all texts, a slice for a cache's table, or (T,).

    With a cache, it learns here which of the new tokens are real.
    """
    batch, count = shape
    read = 0 if cache is None else cache.filled
    if cache is not None:
        if len(cache.valid) != batch:
            raise ValueError(f"the cache is for {len(cache.valid)} texts; got {batch}")
        if valid is not None:
            cache.padded |= not bool(valid.all())
            cache.valid[:, read : read + count] = valid
    padded = cache.padded if cache is not None else valid is not None
    before = None
    if count > 1 and (padded or read):
        before = torch.ones(count, read + count, dtype=torch.bool, device=device).tril(read)
    if not padded:
        places = torch.arange(count, device=device) if cache is None else slice(read, read + count)
        return places, before if before is None else before[None, None]
    real = valid if cache is None else cache.valid[:, : read + count]
    places = (real.cumsum(dim=1) - 1).clamp(min=0)[:, read:]
    real = real[:, None, None, :]
    return places, real if before is None else real & before
