"""Exercise 01.stitch: (N, P*P*C) -> (C, H, W), the inverse of 01.cut for a grid of any shape."""

from torch import Tensor

from minivit.patches import Grid, patchify, unpatchify
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.patches import pictures


def stitch(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    """(N, P*P*C) -> (C, H, W)."""
    return unpatchify(tokens, Grid(rows, cols), patch)


def cases() -> list[tuple]:
    """(N, P*P*C) each, with rows, cols and P: the pictures of 01.cut, cut."""
    return [(patchify(image, patch), *Grid.of(*image.shape[1:], patch), patch) for image, patch in pictures.cases()]


def laid(tokens: Tensor, split: tuple[int, ...], *order: int) -> Tensor:
    """(N, P*P*C) -> (C, H, W): tokens split into five axes, put in `order` and joined."""
    axes = tokens.reshape(split).permute(*order)
    return axes.reshape(axes.shape[0], axes.shape[1] * axes.shape[2], -1)


def inside(tokens: Tensor, patch: int) -> tuple[int, int, int]:
    """(N, P*P*C) -> (P, P, C): the sizes of a token's own axes, (row, column, channel)."""
    return patch, patch, tokens.shape[1] // patch**2


def one_by_one(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    """(N, P*P*C) -> (C, H, W), wrong: the patches are written out one after another."""
    channels_first = tokens.reshape(-1, tokens.shape[1] // patch**2).T
    return channels_first.reshape(-1, rows * patch, cols * patch)


def square(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    """(N, P*P*C) -> (C, H, W), wrong: the grid is taken for a square."""
    side = int(len(tokens) ** 0.5)
    return stitch(tokens, side, side, patch)


def square_loosely(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    """(N, P*P*C) -> (C, H, W), wrong: the same by reshapes, which drop no token."""
    side = int(len(tokens) ** 0.5)
    axes = tokens.reshape(side, side, patch, patch, -1)
    return axes.permute(4, 0, 2, 1, 3).reshape(-1, side * patch, side * patch)


def rgb(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    """(N, P*P*C) -> (C, H, W), wrong: three channels, whatever C is."""
    return laid(tokens, (rows, cols, patch, patch, 3), 4, 0, 2, 1, 3)


SQUARE = (
    "it takes the grid for a square, which these tokens cannot fill.",
    "the root of N is a guess: rows and cols are handed to you.",
)

STITCH = Exercise(
    reference=stitch,
    cases=cases,
    tell=lambda args: f"for {len(args[0])} tokens as {args[1]} rows and {args[2]} columns, P = {args[3]}",
    picture=lambda args, value: pictures.viewable(value),
    learnt="The inverse walks the same road back, and needs the grid: tokens do not say how wide the picture was.",
    twins=(
        Twin(
            "reshape-only",
            "the shape is right, but the pixels of one patch were laid out one after another.",
            "a reshape never moves a value. Split each token into (P, P, C) first, then bring the row inside the patch "
            "next to the row of the grid.",
            lambda tokens, rows, cols, patch: tokens.reshape(-1, rows * patch, cols * patch),
        ),
        Twin(
            "no-regroup",
            "the channels are right, but each patch was written out before the next began.",
            "the height is (rows, P) and the width (cols, P): make these pairs neighbours before you join them.",
            one_by_one,
        ),
        Twin(
            "interleaved",
            "the patches are woven into each other: neighbours in a patch end up far apart.",
            "in the height the grid's row is the outer axis: join (rows, P), not (P, rows).",
            lambda tokens, rows, cols, patch: laid(tokens, (rows, cols, *inside(tokens, patch)), 4, 2, 0, 3, 1),
        ),
        Twin(
            "exchanged",
            "rows and columns are exchanged.",
            "the grid is (rows, cols): the first counts downwards.",
            lambda tokens, rows, cols, patch: stitch(tokens, cols, rows, patch),
        ),
        Twin(
            "column-major",
            "the patches were laid down the columns instead of along the rows.",
            "in raster order the column changes fastest, so tokens split into (rows, cols), in this order.",
            lambda tokens, rows, cols, patch: laid(tokens, (cols, rows, *inside(tokens, patch)), 4, 1, 2, 0, 3),
        ),
        Twin(
            "same-permute",
            "the permute of the way there was used again on the way back.",
            "the way back needs the inverse: (rows, cols, row, column, channel) to (channel, rows, row, cols, column).",
            lambda tokens, rows, cols, patch: (
                tokens.reshape(rows, cols, *inside(tokens, patch))
                .permute(1, 3, 2, 4, 0)
                .reshape(-1, rows * patch, cols * patch)
            ),
        ),
        Twin("square-assumed", *SQUARE, square),
        Twin("square-assumed", *SQUARE, square_loosely),
        Twin(
            "channel-first",
            "the patches lie where they should, but a token was read as (channel, row, column).",
            "the tokens list (row, column, channel): the channel is the last of the three.",
            lambda tokens, rows, cols, patch: laid(tokens, (rows, cols, *inside(tokens, patch)[::-1]), 2, 0, 3, 1, 4),
        ),
        Twin(
            "transposed-inside",
            "the patches lie where they should, but each is mirrored along its diagonal.",
            "a token lists (row, column, channel): row before column.",
            lambda tokens, rows, cols, patch: laid(tokens, (rows, cols, *inside(tokens, patch)), 4, 0, 3, 1, 2),
        ),
        Twin(
            "channels-last",
            "the picture is right but its channels come last: (H, W, C), as matplotlib wants it.",
            "in this book a picture is (C, H, W): let the channel go to the front in the permute.",
            lambda tokens, rows, cols, patch: stitch(tokens, rows, cols, patch).permute(1, 2, 0),
        ),
        Twin(
            "channels-fixed",
            "a grey picture has one channel, and the function counts on three.",
            "C is what is left of a token: tokens.shape[1] // P**2.",
            rgb,
        ),
        Twin(
            "patch-fixed",
            "it works for P = 16 alone.",
            "write patch wherever you wrote 16.",
            lambda tokens, rows, cols, patch: stitch(tokens, rows, cols, 16),
        ),
    ),
)
