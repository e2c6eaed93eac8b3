"""Exercise 02.sincos: a grid -> a fixed vector of sines and cosines for each of its places."""

from collections.abc import Callable

import torch
from torch import Tensor

from minivit.patches import Grid
from minivit.positions import SinCosPositions, coordinates
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.positions.tables import shades


def sincos(rows: int, cols: int, width: int) -> Tensor:
    """-> (N, D) float32: sin x, cos x, sin y, cos y, a quarter of the width each."""
    grid = Grid(rows, cols)
    return SinCosPositions(width)(coordinates(grid), grid)


def speeds(count: int, over: int | None = None) -> Tensor:
    """(count): 1 down to 1 / 10000, geometrically; `over` steps where these are not count - 1."""
    return (10_000.0 ** (-torch.arange(count, dtype=torch.float64) / (over or count - 1))).float()


def version(
    places: Callable = lambda rows, cols: coordinates(Grid(rows, cols)),
    speed: Callable = speeds,
    join: Callable = lambda y, x: torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=1),
) -> Callable:
    """`sincos` with single decisions exchanged."""

    def answer(rows: int, cols: int, width: int) -> Tensor:
        y, x = (places(rows, cols)[..., None] * speed(width // 4)).unbind(1)
        return join(y, x)

    return answer


def columns_first(rows: int, cols: int) -> Tensor:
    return coordinates(Grid(cols, rows)).flip(1)


def raster(rows: int, cols: int, width: int) -> Tensor:
    """Wrong: the number of the slot is taken for a place on one line."""
    angles = torch.arange(rows * cols)[:, None].float() * speeds(width // 2)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def woven(y: Tensor, x: Tensor) -> Tensor:
    """Wrong: sine and cosine of one speed side by side."""
    halves = [torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1) for angle in (x, y)]
    return torch.cat(halves, dim=1)


SPEEDS = ("the speeds are not the ones asked for.", "the first speed is 1 and the last 1 / 10000: divide by D/4 - 1.")

SINCOS = Exercise(
    reference=sincos,
    cases=lambda: [(3, 5, 16), (4, 2, 24), (1, 6, 8)],
    tell=lambda args: f"for {args[0]} rows, {args[1]} columns and D = {args[2]}",
    picture=lambda args, value: shades(value, args[0] * args[1], args[2]),
    learnt="Every place of every grid has its vector, and nothing was learned. Which quarter comes first is a "
    "convention: weights trained with one order are useless with another.",
    twins=(
        Twin(
            "axes-exchanged",
            "the halves are exchanged: y comes first.",
            "this order begins with x, the column. It is big_vision's, and weights remember it.",
            version(join=lambda y, x: torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], dim=1)),
        ),
        Twin(
            "cosine-first",
            "in each half the cosines come before the sines.",
            "the quarters are sin x, cos x, sin y, cos y.",
            version(join=lambda y, x: torch.cat([x.cos(), x.sin(), y.cos(), y.sin()], dim=1)),
        ),
        Twin(
            "sines-together",
            "the sines of both axes come first, then both cosines.",
            "finish x, sine and cosine, before you begin with y.",
            version(join=lambda y, x: torch.cat([x.sin(), y.sin(), x.cos(), y.cos()], dim=1)),
        ),
        Twin(
            "woven",
            "sine and cosine of each speed stand side by side.",
            "that is the order of Vaswani et al.; here a quarter holds one function at all speeds. Use torch.cat.",
            version(join=woven),
        ),
        Twin("last-missing", *SPEEDS, version(speed=lambda count: speeds(count, count))),
        Twin(
            "growing",
            "the speeds grow up to 10000 instead of falling to 1 / 10000.",
            "the exponent is negative: 10000 ** -(k / (D/4 - 1)).",
            version(speed=lambda count: 10_000.0 ** (torch.arange(count) / (count - 1))),  # as rounded as the reader's
        ),
        Twin(
            "column-major",
            "the places run down the columns.",
            "raster order goes along the first row, then along the second: the column changes fastest.",
            version(places=columns_first),
        ),
        Twin(
            "exchanged-grid",
            "rows and columns of the grid are exchanged.",
            "y runs over rows and x over cols.",
            version(places=lambda rows, cols: coordinates(Grid(cols, rows))),
        ),
        Twin(
            "one-axis",
            "the number of the slot was used as one coordinate, as if the picture were a line.",
            "slot n lies in row n // cols and column n % cols: two numbers, two halves of the vector.",
            raster,
        ),
        Twin(
            "from-one",
            "the places are counted from 1.",
            "the first row and the first column are 0.",
            version(places=lambda rows, cols: coordinates(Grid(rows, cols)) + 1),
        ),
    ),
)
