"""Mergers and projectors: many tokens of a picture become fewer slots, as wide as the words of a language model.

Legend: K pictures, (rows, cols) the grid, N = rows * cols tokens, D the tower's width, F the factor by which rows and
cols shrink, M slots, E the language model's width. Merging changes how many slots there are; projecting changes how
wide they are. Each merger tells beforehand how many slots it makes of a grid and how wide they will be.

Sources: Liu et al. 2023, section 4.1 (one linear map); Liu et al. 2024, section 3.3 (two layers); Shi et al. 2016,
section 2.2 (pixel shuffle, whose inverse this is); Alayrac et al. 2022, section 2.1 and figure 5 (the resampler).
"""

from typing import Protocol

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from minivit.attention import attend_fast
from minivit.blocks import MLP
from minivit.patches import Grid, _whole


class Merger(Protocol):
    """Tokens (K, N, D) on a grid -> slots (K, M, width(D)) with M = slots(grid)."""

    def __call__(self, tokens: Tensor, grid: Grid) -> Tensor: ...

    def slots(self, grid: Grid) -> int: ...

    def width(self, width: int) -> int: ...


class Keep(nn.Module):
    """Every token is a slot, as in LLaVA."""

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """(K, N, D) -> the same."""
        _fills(tokens, grid)
        return tokens

    def slots(self, grid: Grid) -> int:
        """M = N."""
        return grid.tokens

    def width(self, width: int) -> int:
        """D."""
        return width


class PixelShuffle(nn.Module):
    """F x F neighbours stand side by side in one slot: (K, N, D) -> (K, N / F^2, F^2 D). Nothing is lost.

    It is space to depth, in the order (row, column, channel), where torch's pixel_unshuffle has (channel, row, column).
    Raises ValueError where the factor does not divide the grid.
    """

    def __init__(self, factor: int = 2):
        super().__init__()
        self.factor = _whole(factor, "the factor F", "patches")

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """(K, N, D) -> (K, N / F^2, F^2 D)."""
        _fills(tokens, grid)
        shape = {"rows": self._shrunk(grid).rows, "f": self.factor, "g": self.factor}
        return rearrange(tokens, "k (rows f cols g) d -> k (rows cols) (f g d)", **shape)

    def slots(self, grid: Grid) -> int:
        """M = N / F^2."""
        return self._shrunk(grid).tokens

    def width(self, width: int) -> int:
        """F^2 D."""
        return self.factor**2 * width

    def _shrunk(self, grid: Grid) -> Grid:
        return _divided(grid, self.factor)


class AveragePool(nn.Module):
    """F x F neighbours become their mean: (K, N, D) -> (K, N / F^2, D). Raises ValueError as `PixelShuffle` does."""

    def __init__(self, factor: int = 2):
        super().__init__()
        self.factor = _whole(factor, "the factor F", "patches")

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """(K, N, D) -> (K, N / F^2, D)."""
        _fills(tokens, grid)
        shape = {"rows": _divided(grid, self.factor).rows, "f": self.factor, "g": self.factor}
        return reduce(tokens, "k (rows f cols g) d -> k (rows cols) d", "mean", **shape)

    def slots(self, grid: Grid) -> int:
        """M = N / F^2."""
        return _divided(grid, self.factor).tokens

    def width(self, width: int) -> int:
        """D."""
        return width


class Resampler(nn.Module):
    """M learned questions are put to all tokens, in a few rounds: (K, N, D) -> (K, M, D), whatever N is.

    In each round the questions attend to the tokens and to themselves, then pass an MLP. Nothing tells them where a
    token was: the tower's positions have to.
    """

    def __init__(self, width: int, slots: int = 16, heads: int = 4, depth: int = 2):
        super().__init__()
        self.questions = nn.Parameter(torch.randn(_whole(slots, "the slots M", "slots"), width) * width**-0.5)
        self.rounds = nn.ModuleList(Round(width, heads) for _ in range(_whole(depth, "the depth", "rounds")))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, grid: Grid) -> Tensor:
        """(K, N, D) -> (K, M, D)."""
        _fills(tokens, grid)
        slots = self.questions.to(tokens.dtype).expand(len(tokens), -1, -1)
        for one in self.rounds:
            slots = one(slots, tokens)
        return self.norm(slots)

    def slots(self, grid: Grid) -> int:
        """M, for every grid."""
        return len(self.questions)

    def width(self, width: int) -> int:
        """D."""
        return width


class Round(nn.Module):
    """One round of the resampler: (K, M, D) questions, (K, N, D) tokens -> (K, M, D)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm_asking, self.norm_asked, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.ask, self.mlp = CrossAttention(width, width, heads), MLP(width, 4 * width)

    def forward(self, slots: Tensor, tokens: Tensor) -> Tensor:
        """(K, M, D), (K, N, D) -> (K, M, D)."""
        asking = self.norm_asking(slots)
        slots = slots + self.ask(asking, torch.cat([self.norm_asked(tokens), asking], dim=1))
        return slots + self.mlp(self.norm_mlp(slots))


class CrossAttention(nn.Module):
    """Attention whose keys and values are others' tokens: (B, T, E), (B, N, D) -> (B, T, E)."""

    def __init__(self, width: int, other: int, heads: int):
        super().__init__()
        if _whole(width, "the width E", "values") % _whole(heads, "heads", "heads"):
            raise ValueError(f"{heads} heads do not divide the width {width}: choose another number of heads")
        self.heads = heads
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(other, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """(B, T, E), (B, N, D) -> (B, T, E)."""
        q = rearrange(self.query(asking), "b t (h e) -> b h t e", h=self.heads)
        k, v = rearrange(self.key_value(asked), "b n (two h e) -> two b h n e", two=2, h=self.heads)
        return self.out(rearrange(attend_fast(q, k, v), "b h t e -> b t (h e)"))


def linear_projector(width: int, language: int) -> nn.Linear:
    """(..., D) -> (..., E): one linear map, as in the first LLaVA."""
    return nn.Linear(width, language)


def two_layer_projector(width: int, language: int) -> nn.Sequential:
    """(..., D) -> (..., E): linear, GELU, linear, as in LLaVA-1.5."""
    return nn.Sequential(nn.Linear(width, language), nn.GELU(), nn.Linear(language, language))


def _divided(grid: Grid, factor: int) -> Grid:
    if grid.rows % factor or grid.cols % factor:
        fitting = [f for f in range(1, min(grid) + 1) if grid.rows % f == 0 and grid.cols % f == 0]
        raise ValueError(f"a factor of {factor} does not divide {grid.rows} x {grid.cols} patches; these do: {fitting}")
    return Grid(grid.rows // factor, grid.cols // factor)


def _fills(tokens: Tensor, grid: Grid) -> None:
    if tokens.ndim != 3 or tokens.shape[1] != grid.tokens:
        raise ValueError(
            f"{grid.rows} x {grid.cols} patches are tokens (K, {grid.tokens}, D); got shape {tuple(tokens.shape)}: "
            f"leave out class tokens and registers"
        )
