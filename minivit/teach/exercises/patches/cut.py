"""Exercise 01.cut: (C, H, W) -> (N, P*P*C), in raster order, each token listing (row, column, channel)."""

from typing import Any

import torch
from torch import Tensor

from minivit.patches import Grid, patchify
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.patches.pictures import cases, real, viewable


def cut(image: Tensor, patch: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C)."""
    return patchify(image, patch)


def split(image: Tensor, patch: int, rows: int = 0, cols: int = 0) -> Tensor:
    """(C, H, W) -> (C, rows, P, cols, P)."""
    channels, height, width = image.shape
    return image.reshape(channels, rows or height // patch, patch, cols or width // patch, patch)


def arranged(image: Tensor, patch: int, *order: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C): the axes (channel, rows, row, cols, column) = 0 ... 4 put in `order`, then flattened."""
    return split(image, patch).permute(*order).reshape(-1, patch * patch * image.shape[0])


def exchanged(image: Tensor, patch: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C), wrong: rows and cols change places."""
    rows, cols = image.shape[2] // patch, image.shape[1] // patch
    return split(image, patch, rows, cols).permute(1, 3, 2, 4, 0).reshape(rows * cols, -1)


def square(image: Tensor, patch: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C), wrong: the grid is taken for a square."""
    side = image.shape[1] // patch
    return split(image, patch, side, side).permute(1, 3, 2, 4, 0).reshape(side * side, -1)


def phases(image: Tensor, patch: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C), wrong: a token takes every so many-th pixel."""
    channels, height, width = image.shape
    axes = image.reshape(channels, patch, height // patch, patch, width // patch)  # (channel, row, rows, column, cols)
    return axes.permute(2, 4, 1, 3, 0).reshape(-1, patch * patch * channels)


def rgb(image: Tensor, patch: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C), wrong: three channels, whatever C is."""
    return split(image, patch).permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * 3)


def rgb_counted(image: Tensor, patch: int) -> Tensor:
    """(C, H, W) -> (N, P*P*C), wrong: three channels, and N as it should be."""
    tokens = split(image, patch).permute(1, 3, 2, 4, 0)
    return tokens.reshape(tokens.shape[0] * tokens.shape[1], patch * patch * 3)


def mosaic(args: tuple, value: Any) -> Tensor | None:
    """(N, P*P*C) -> (C, H + rows, W + cols): tokens drawn as the P x P squares they should be, with a gap between."""
    image, patch = args
    grid = Grid.of(*image.shape[1:], patch)
    if not real(value) or value.shape != (grid.tokens, patch * patch * image.shape[0]):
        return None
    tiles = value.double().reshape(grid.rows, grid.cols, patch, patch, -1).permute(4, 0, 2, 1, 3)
    tiles = torch.nn.functional.pad(tiles, (0, 1, 0, 0, 0, 1), value=1.0 if image.max() <= 1 else 255.0)
    return viewable(tiles.reshape(tiles.shape[0], grid.rows * (patch + 1), grid.cols * (patch + 1)))


NOT_FLAT = (
    "the patches are right, but they are not flat yet: the shape has too many axes.",
    "a token is one row of numbers, and the tokens are one list: end with a reshape to (rows * cols, P * P * C).",
)
ONLY_RGB = ("a grey picture has one channel, and the function counts on three.", "read C from image.shape[0].")
COLUMNS = (
    "every patch is a column here, and should be a row: the shape is (P*P*C, N).",
    "tokens come first. torch's unfold lists them this way, and orders a patch (channel, row, column) besides.",
)

CUT = Exercise(
    reference=cut,
    cases=cases,
    tell=lambda args: f"for a picture {tuple(args[0].shape)} and P = {args[1]}",
    picture=mosaic,
    learnt="Cutting is a split of two axes and one permutation. No value was changed, so nothing was lost.",
    twins=(
        Twin(
            "reshape-only",
            "the shape is right, but every token is a run of neighbours out of a single colour channel.",
            "a reshape never moves a value. Split H into (rows, P) and W into (cols, P), permute the five axes, "
            "and flatten only then.",
            lambda image, patch: image.reshape(-1, patch * patch * image.shape[0]),
        ),
        Twin(
            "strips",
            "the shape is right, but a token is a strip one pixel tall: rows of pixels, not squares.",
            "after splitting, the axes are (C, rows, P, cols, P). Both grid axes have to come to the front, "
            "next to each other, before you flatten.",
            lambda image, patch: arranged(image, patch, 1, 2, 3, 4, 0),
        ),
        Twin(
            "phases",
            "the shape is right, but a token collects pixels that lie far apart: each is a small copy of the picture.",
            "the grid's row counts in steps of P, so in H it is the outer of the two: (rows, P), not (P, rows).",
            phases,
        ),
        Twin(
            "channel-first",
            "the squares are right, but inside a token the order is (channel, row, column).",
            "that is a convolution's order. Here the channel changes fastest: it comes last in the permute.",
            lambda image, patch: arranged(image, patch, 1, 3, 0, 2, 4),
        ),
        Twin(
            "transposed-inside",
            "the right squares in the right order, but each is mirrored along its diagonal: (column, row, channel).",
            "inside a patch the row comes before the column, as y comes before x everywhere in this book.",
            lambda image, patch: arranged(image, patch, 1, 3, 4, 2, 0),
        ),
        Twin(
            "column-major",
            "the patches are right, but they are listed down the columns.",
            "raster order reads like a page, one row of the grid after the other: rows before cols in the permute.",
            lambda image, patch: arranged(image, patch, 3, 1, 2, 4, 0),
        ),
        Twin(
            "transposed",
            "this cuts the picture mirrored along its diagonal: columns stand for rows, in the grid and in the patch.",
            "image.shape is (C, H, W): height before width.",
            lambda image, patch: arranged(image, patch, 3, 1, 4, 2, 0),
        ),
        Twin(
            "hw-exchanged",
            "height and width are exchanged: it works on a square and scrambles everything else.",
            "rows = H // P and cols = W // P, with C, H, W = image.shape.",
            exchanged,
        ),
        Twin(
            "square-assumed",
            "it works on square pictures and stops on others.",
            "one count was used for both sides. There are H // P rows and W // P columns.",
            square,
        ),
        Twin(
            "colours-turned",
            "everything is in its place but the colours, which come in the order blue, green, red.",
            "the picture is RGB already: leave the channels in their order.",
            lambda image, patch: patchify(image.flip(0), patch),
        ),
        Twin(
            "patch-fixed",
            "it works for P = 16 alone.",
            "write patch wherever you wrote 16.",
            lambda image, patch: arranged(image, 16, 1, 3, 2, 4, 0),
        ),
        Twin("channels-fixed", *ONLY_RGB, rgb),
        Twin("channels-fixed", *ONLY_RGB, rgb_counted),
        Twin("not-flattened", *NOT_FLAT, lambda image, patch: split(image, patch).permute(1, 3, 2, 4, 0)),
        Twin("not-flattened", *NOT_FLAT, lambda image, patch: split(image, patch).permute(1, 3, 2, 4, 0).flatten(0, 1)),
        Twin("not-flattened", *NOT_FLAT, lambda image, patch: split(image, patch).permute(1, 3, 2, 4, 0).flatten(2)),
        Twin("one-patch-a-column", *COLUMNS, lambda image, patch: arranged(image, patch, 1, 3, 0, 2, 4).T),
        Twin("one-patch-a-column", *COLUMNS, lambda image, patch: patchify(image, patch).T),
    ),
)
