"""Exercise 12.shuffle: F x F neighbours in one slot, in the order (row, column, channel)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin


def shuffle(tokens: Tensor, rows: int, cols: int, factor: int) -> Tensor:
    """(rows * cols, D) -> (rows * cols / F^2, F^2 D)."""
    return rearrange(tokens, "(rows f cols g) d -> (rows cols) (f g d)", rows=rows // factor, f=factor, g=factor)


def cases() -> list[tuple[Tensor, int, int, int]]:
    """Numbers counted through, so that every one is where it is or is not."""

    def counted(rows: int, cols: int, factor: int, width: int) -> tuple[Tensor, int, int, int]:
        count = rows * cols * width
        return torch.arange(count, dtype=torch.float32).reshape(rows * cols, width), rows, cols, factor

    return [counted(4, 6, 2, 3), counted(3, 9, 3, 2), counted(2, 4, 1, 5), counted(8, 8, 4, 2)]


def tell(args: tuple) -> str:
    tokens, rows, cols, factor = args
    return f"for {rows} x {cols} tokens of width {tokens.shape[1]} and F = {factor}"


def sheet(args: tuple, value: Any) -> Tensor | None:
    """A slot a row, every number as a grey: (1, M, F^2 D)."""
    if not isinstance(value, Tensor) or value.is_complex() or value.ndim != 2 or not value.numel():
        return None
    return value.double()[None] / max(math.prod(args[0].shape) - 1, 1)


def version(pattern: str) -> Callable:
    """`shuffle` by another pattern, of rows, f, cols, g and d."""

    def answer(tokens: Tensor, rows: int, cols: int, factor: int) -> Tensor:
        return rearrange(tokens, pattern, rows=rows // factor, cols=cols // factor, f=factor, g=factor)

    return answer


def exchanged(tokens: Tensor, rows: int, cols: int, factor: int) -> Tensor:
    return shuffle(tokens, cols, rows, factor)


def in_a_row(tokens: Tensor, rows: int, cols: int, factor: int) -> Tensor:
    return tokens.reshape(len(tokens) // factor**2, -1)


def averaged(tokens: Tensor, rows: int, cols: int, factor: int) -> Tensor:
    shape = {"rows": rows // factor, "f": factor, "g": factor}
    return reduce(tokens, "(rows f cols g) d -> (rows cols) d", "mean", **shape)


def corner(tokens: Tensor, rows: int, cols: int, factor: int) -> Tensor:
    return tokens.reshape(rows, cols, -1)[::factor, ::factor].flatten(0, 1)


SHUFFLE = Exercise(
    reference=shuffle,
    cases=cases,
    tell=tell,
    picture=sheet,
    learnt="Fewer and wider, and nothing lost. The order inside a slot is a habit that the projector learns: keep it.",
    twins=(
        Twin(
            "channel-first",
            "the channels stand outermost, as torch's pixel_unshuffle has them.",
            "the order is (row, column, channel): a token's D numbers stay together.",
            version("(rows f cols g) d -> (rows cols) (d f g)"),
        ),
        Twin(
            "column-first",
            "inside a slot the neighbours are read down the columns.",
            "row before column: (0, 0), (0, 1), (1, 0), (1, 1).",
            version("(rows f cols g) d -> (rows cols) (g f d)"),
        ),
        Twin(
            "in-a-row",
            "F * F tokens that follow each other in the list became one slot.",
            "neighbours on the grid: the token below is `cols` places further in the list.",
            in_a_row,
        ),
        Twin(
            "far-apart",
            "the tokens of a slot lie far apart.",
            "split rows into (rows, F) with F inside; the other way round takes every so-many-th row.",
            version("(f rows g cols) d -> (rows cols) (f g d)"),
        ),
        Twin(
            "slots-by-column",
            "the slots stand in columns.",
            "after merging the grid is read row by row, as before.",
            version("(rows f cols g) d -> (cols rows) (f g d)"),
        ),
        Twin(
            "rows-and-cols",
            "rows and columns have changed places.",
            "the list runs along a row of `cols` tokens first.",
            exchanged,
        ),
        Twin(
            "averaged",
            "the neighbours were averaged.",
            "that is pooling. Put them side by side: the slot is F * F times as wide.",
            averaged,
        ),
        Twin(
            "corner-only",
            "one of the F * F neighbours was kept.",
            "all of them are to be kept, so the width grows as the count shrinks.",
            corner,
        ),
    ),
)
