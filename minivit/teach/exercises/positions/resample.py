"""Exercise 02.resample: a position table of one grid -> the table of another, its prefix rows left alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.patches import Grid
from minivit.positions import TRANSFORMERS
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.positions.tables import shades

Pair = tuple[int, int]


def resample(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    """(prefix + N, D) -> (prefix + M, D)."""
    return TRANSFORMERS(table, Grid(*old), Grid(*new), prefix)


def version(
    before: Callable = lambda old: old,
    after: Callable = lambda new: new,
    mode: str = "bicubic",
    corners: bool = False,
    smooth: bool = False,
    lay: Callable = lambda slots, old: slots.T.reshape(1, -1, *old),
    flat: Callable = lambda image: image.flatten(2)[0].T,
) -> Callable:
    """`resample` with single decisions exchanged."""

    def answer(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
        image = lay(table[prefix:], before(old))
        image = F.interpolate(image, after(new), mode=mode, align_corners=corners or None, antialias=smooth)
        return torch.cat([table[:prefix], flat(image)])

    return answer


def without_prefix(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    return resample(table[prefix:], old, new, 0)


def prefix_last(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    return torch.cat([resample(table[prefix:], old, new, 0), table[:prefix]])


def one_prefix(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    return resample(table, old, new, 1)


def line(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    """Wrong: the slots are stretched as one line."""
    slots = F.interpolate(table[prefix:].T[None], new[0] * new[1], mode="linear")[0].T
    return torch.cat([table[:prefix], slots])


def same_count(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    """Wrong: as many slots as before, so nothing seems to be left to do."""
    return table if old[0] * old[1] == new[0] * new[1] else resample(table, old, new, prefix)


def cut(table: Tensor, old: Pair, new: Pair, prefix: int) -> Tensor:
    """Wrong: the first rows of the table are taken, repeated where they do not suffice."""
    slots = torch.arange(new[0] * new[1]) % (old[0] * old[1])
    return torch.cat([table[:prefix], table[prefix:][slots]])


def root(pair: Pair) -> Pair:
    side = int((pair[0] * pair[1]) ** 0.5)
    return side, side


def cases() -> list[tuple]:
    """(K + N, D) each: larger and not square, the same count on another grid, smaller with two prefix rows, no prefix.

    The vectors change smoothly over the grid, with some noise, so that a wrong order can be seen.
    """
    random = torch.Generator().manual_seed(2)
    found = []
    for old, new, prefix, width in (((3, 5), (4, 7), 1, 12), ((2, 8), (4, 4), 1, 6), ((6, 4), (3, 2), 2, 10),
                                    ((4, 4), (6, 3), 0, 8)):  # fmt: skip
        y, x = torch.meshgrid(torch.linspace(-1, 1, old[0]), torch.linspace(-1, 1, old[1]), indexing="ij")
        slopes = torch.randn(2, width, generator=random)
        slots = y.flatten()[:, None] * slopes[0] + x.flatten()[:, None] * slopes[1]
        slots = slots + 0.3 * torch.randn(slots.shape, generator=random)
        found.append((torch.cat([torch.randn(prefix, width, generator=random), slots]), old, new, prefix))
    return found


def drawn(args: tuple, value: Any) -> Tensor | None:
    """(K + M, D) -> (1, K + M, D): the new table in shades."""
    table, _, new, prefix = args
    return shades(value, prefix + new[0] * new[1], table.shape[1])


SQUARE = (
    "the old grid is taken for a square.",
    "the root of N is a guess, and 2 x 8 is not 4 x 4: `old` is handed to you.",
)

RESAMPLE = Exercise(
    reference=resample,
    cases=cases,
    tell=lambda args: (
        f"for a table of {args[3]} prefix rows and {args[1][0]} x {args[1][1]} slots, "
        f"carried to {args[2][0]} x {args[2][1]}"
    ),
    picture=drawn,
    learnt="A table is a picture with D channels, and is resized like one. Only the tokens without a place stay out.",
    twins=(
        Twin(
            "line",
            "the slots were stretched as one line.",
            "neighbours below each other lie `cols` apart in the line. Lay the slots out as rows and columns first.",
            line,
        ),
        Twin(
            "same-count",
            "the table came back unchanged because the number of slots is the same.",
            "16 slots may be 2 x 8 or 4 x 4. Compare grids, never counts.",
            same_count,
        ),
        Twin(
            "cut",
            "the slots were taken from the table as they stood, in the order of their numbers.",
            "slot 7 lies elsewhere in another grid. Resize the table as a picture.",
            cut,
        ),
        Twin("square-assumed", *SQUARE, version(before=root)),
        Twin("square-assumed", *SQUARE, version(before=root, after=root)),
        Twin(
            "old-exchanged",
            "rows and columns of the old grid are exchanged.",
            "the slots are in raster order: split N into (rows, cols).",
            version(before=lambda old: old[::-1]),
        ),
        Twin(
            "new-exchanged",
            "rows and columns of the new grid are exchanged.",
            "F.interpolate takes (height, width), which is (rows, cols).",
            version(after=lambda new: new[::-1]),
        ),
        Twin(
            "not-turned",
            "the numbers of each vector were spread over the grid.",
            "a reshape to (1, D, rows, cols) cannot bring D to the front: transpose first.",
            version(lay=lambda slots, old: slots.reshape(1, -1, *old)),
        ),
        Twin(
            "not-turned-back",
            "after resizing, the numbers of different slots were mixed.",
            "interpolate gives (1, D, rows, cols): flatten the grid, then transpose to (M, D).",
            version(flat=lambda image: image.reshape(-1, image.shape[1])),
        ),
        Twin(
            "prefix-lost",
            "the prefix rows are gone.",
            "cut off the first `prefix` rows, resize the others, and join them again with torch.cat.",
            without_prefix,
        ),
        Twin(
            "prefix-last",
            "the prefix rows stand behind the slots.",
            "they came first and must stay first.",
            prefix_last,
        ),
        Twin(
            "prefix-fixed",
            "it counts on exactly one prefix row.",
            "a class token may be missing, and registers may follow it: use `prefix`.",
            one_prefix,
        ),
        Twin(
            "corners",
            "the corners are aligned; asked for was align_corners=False.",
            "with align_corners=True the outermost slots stay outermost: another convention, big_vision's.",
            version(corners=True),
        ),
        Twin(
            "bilinear",
            "this is bilinear; asked for was bicubic.",
            'mode="bicubic".',
            version(mode="bilinear"),
        ),
        Twin(
            "antialias",
            "this is antialiased; asked for was plain bicubic, which differs even where the grid grows.",
            "leave antialias=False. timm sets it, transformers' ViT does not.",
            version(smooth=True),
        ),
    ),
)
