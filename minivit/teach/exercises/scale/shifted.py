"""Exercise 06.shifted: (C, H, W) moved by whole pixels, with black where nothing is known."""

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.patches.pictures import photo, ramp, viewable
from minivit.teach.scale import shifted as repeated


def shifted(picture: Tensor, down: int, right: int) -> Tensor:
    """(C, H, W) -> (C, H, W): what leaves is gone, what comes in is 0; negative numbers move up and left."""
    moved = torch.zeros_like(picture)
    height, width = picture.shape[-2:]
    if abs(down) >= height or abs(right) >= width:
        return moved
    rows, columns = slice(max(-down, 0), height - max(down, 0)), slice(max(-right, 0), width - max(right, 0))
    to_rows, to_columns = slice(max(down, 0), height - max(-down, 0)), slice(max(right, 0), width - max(-right, 0))
    moved[..., to_rows, to_columns] = picture[..., rows, columns]
    return moved


def cases() -> list[tuple[Tensor, int, int]]:
    """Down and right; up and left; not at all along one side; uint8; further than the picture is wide."""
    return [
        (photo(), 24, 40),
        (ramp(3, 8, 12) + 1, -3, -2),
        (ramp(1, 6, 9) + 1, 0, 4),
        (ramp(3, 10, 7, dtype=torch.uint8) + 1, 2, -3),
        (ramp(3, 5, 8) + 1, 1, 9),
    ]


def one_way(picture: Tensor, down: int, right: int) -> Tensor:
    """(C, H, W) -> (C, H, W), wrong: slices as for positive numbers, whatever the sign."""
    moved = torch.zeros_like(picture)
    height, width = picture.shape[-2:]
    moved[..., max(down, 0) :, max(right, 0) :] = picture[..., : height - max(down, 0), : width - max(right, 0)]
    return moved


def cut(picture: Tensor, down: int, right: int) -> Tensor:
    """(C, H, W) -> (C, less, less), wrong: what left is cut off, and nothing comes in."""
    height, width = picture.shape[-2:]
    return picture[..., max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]


SHIFTED = Exercise(
    reference=shifted,
    cases=cases,
    tell=lambda args: f"for a picture {tuple(args[0].shape)}, {args[1]} down and {args[2]} right",
    picture=lambda args, value: viewable(value),
    learnt="A camera that turns loses one side and finds another. Only a ring wraps, and a photograph is none.",
    twins=(
        Twin(
            "wraps",
            "what leaves on one side comes in on the other.",
            "roll bends the picture to a ring; here what leaves is gone, and zeros come in.",
            lambda picture, down, right: torch.roll(picture, (down, right), (-2, -1)),
        ),
        Twin(
            "axes-swapped",
            "down and right are exchanged.",
            "the axes are (C, H, W): `down` counts rows, which come before columns.",
            lambda picture, down, right: shifted(picture, right, down),
        ),
        Twin(
            "wrong-direction",
            "the picture moves the other way.",
            "what was in row y is afterwards in row y + down: the first rows become black, not the last.",
            lambda picture, down, right: shifted(picture, -down, -right),
        ),
        Twin(
            "edge-repeated",
            "the edge is drawn out to fill the gap.",
            "nothing is known there: put zeros.",
            repeated,
        ),
        Twin(
            "one-way",
            "negative numbers do not move anything.",
            "minus three down is three up: treat both signs, for each side by itself.",
            one_way,
        ),
        Twin(
            "cut",
            "the picture has become smaller.",
            "the shape stays (C, H, W): write into zeros of the picture's own size.",
            cut,
        ),
        Twin(
            "flat",
            "the pixels move along the line in which they are stored, from row to row and from colour to colour.",
            "move within rows and within columns: slice the last two axes.",
            lambda picture, down, right: F.pad(
                picture.flatten(), (down * picture.shape[2] + right, -(down * picture.shape[2] + right))
            ).reshape(picture.shape),
        ),
    ),
)
