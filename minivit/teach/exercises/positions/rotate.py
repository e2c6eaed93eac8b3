"""Exercise 02.rotate: pairs of numbers turned by angles that grow with the row and the column of their token."""

from collections.abc import Callable

import torch
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.positions.tables import shades


def rotate(x: Tensor, places: Tensor, speeds: Tensor) -> Tensor:
    """(N, head_dim), (N, 2), (head_dim / 4) -> (N, head_dim)."""
    y_angle, x_angle = (places[..., None] * speeds).unbind(1)
    a, b, c, d = x.chunk(4, dim=1)
    return torch.cat([*turned(a, b, y_angle), *turned(c, d, x_angle)], dim=1)


def turned(a: Tensor, b: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """The pair (a, b), turned anticlockwise."""
    return a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()


def version(
    pair: Callable = turned,
    angles: Callable = lambda places, speeds: (places[..., None] * speeds).unbind(1),
    split: Callable = lambda x: x.chunk(4, dim=1),
    join: Callable = lambda a, b, c, d: torch.cat([a, b, c, d], dim=1),
) -> Callable:
    """`rotate` with single decisions exchanged."""

    def answer(x: Tensor, places: Tensor, speeds: Tensor) -> Tensor:
        y_angle, x_angle = angles(places, speeds)
        a, b, c, d = split(x)
        return join(*pair(a, b, y_angle), *pair(c, d, x_angle))

    return answer


def neighbours(x: Tensor) -> tuple[Tensor, ...]:
    """(N, head_dim) -> the even and the odd numbers of each half."""
    y_half, x_half = x.chunk(2, dim=1)
    return y_half[:, ::2], y_half[:, 1::2], x_half[:, ::2], x_half[:, 1::2]


def woven(*quarters: Tensor) -> Tensor:
    a, b, c, d = quarters
    halves = [torch.stack(pair, dim=-1).flatten(1) for pair in ((a, b), (c, d))]
    return torch.cat(halves, dim=1)


def cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Six tokens in 2 x 3, places that are no whole numbers, and one pair of numbers for each axis."""
    random = torch.Generator().manual_seed(3)
    whole = torch.cartesian_prod(torch.arange(2.0), torch.arange(3.0)) + 1
    between = torch.rand(5, 2, generator=random) * 6
    return [
        (torch.randn(6, 8, generator=random), whole, torch.tensor([1.0, 0.3])),
        (torch.randn(5, 12, generator=random), between, torch.tensor([1.0, 0.5, 0.1])),
        (torch.randn(5, 4, generator=random), between, torch.tensor([0.7])),
    ]


ROTATE = Exercise(
    reference=rotate,
    cases=cases,
    tell=lambda args: f"for {args[0].shape[0]} tokens of {args[0].shape[1]} numbers",
    picture=lambda args, value: shades(value, *args[0].shape),
    learnt="A turn keeps lengths, and of two places the product of turned vectors knows only the difference.",
    twins=(
        Twin(
            "other-way",
            "the pairs turn clockwise.",
            "the first number becomes a cos - b sin, the second b cos + a sin.",
            version(pair=lambda a, b, angle: turned(a, b, -angle)),
        ),
        Twin(
            "no-sign",
            "the sign of one sine is missing, so lengths change.",
            "a turn has one minus: a cos - b sin, b cos + a sin. Check that no row changes its length.",
            version(pair=lambda a, b, angle: (a * angle.cos() + b * angle.sin(), b * angle.cos() + a * angle.sin())),
        ),
        Twin(
            "axes-exchanged",
            "the first half turns with x and the second with y.",
            "a place is (y, x), and the first half belongs to y.",
            version(angles=lambda places, speeds: (places.flip(1)[..., None] * speeds).unbind(1)),
        ),
        Twin(
            "one-axis",
            "both halves turn with y: the column makes no difference.",
            "places[:, 0] is the row, places[:, 1] the column; each has its half.",
            version(angles=lambda places, speeds: (places[:, :1] * speeds, places[:, :1] * speeds)),
        ),
        Twin(
            "neighbours",
            "neighbouring numbers were paired.",
            "here number i of the first quarter is paired with number i of the second. Both pairings are in use, and "
            "weights trained with one do not fit the other.",
            version(split=neighbours, join=woven),
        ),
        Twin(
            "halves-apart",
            "the numbers of the first half were paired with those of the second.",
            "split into four quarters: the first two make the pairs of y, the last two those of x.",
            version(
                split=lambda x: [x.chunk(4, dim=1)[i] for i in (0, 2, 1, 3)],
                join=lambda a, b, c, d: torch.cat([a, c, b, d], dim=1),
            ),
        ),
        Twin(
            "scaled",
            "the numbers were multiplied by cosines, and nothing was turned.",
            "each number of a pair takes its share of the other: a cos - b sin.",
            version(pair=lambda a, b, angle: (a * angle.cos(), b * angle.cos())),
        ),
    ),
)
