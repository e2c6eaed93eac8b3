"""Exercise 01.carry: a patch convolution's weight (D, C, P, P) -> the linear layer's (D, P*P*C)."""

from typing import Any

import torch
from torch import Tensor

from minivit.patches import Grid, linear_from_conv, patchify
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.patches.pictures import photo, ramp, real


def carry(weight: Tensor) -> Tensor:
    """(D, C, P, P) -> (D, P*P*C)."""
    return linear_from_conv(weight)


def cases() -> list[tuple[Tensor]]:
    """(D, C, P, P) each: five kernels that see edges, light and colour, uneven so that no symmetry hides a mistake."""
    slope = torch.linspace(-1, 1, 8)
    plain = [slope[:, None].expand(3, 8, 8), slope.expand(3, 8, 8), torch.ones(3, 8, 8)]
    plain += [torch.tensor(colour)[:, None, None].expand(3, 8, 8) for colour in ([1.0, -1.0, 0.0], [0.0, -1.0, 1.0])]
    noise = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)) / 8
    return [((torch.stack(plain) + noise) / 64,), (ramp(4, 1, 2, 2),), (ramp(2, 3, 4, 4, dtype=torch.float64),)]


def responses(args: tuple, value: Any) -> Tensor | None:
    """(D, P*P*C) -> (3, rows, cols): what a linear layer with this weight answers to a photograph, in red, green, blue.

    A weight too small for that is drawn as it is, (1, D, P*P*C); None for anything of another shape.
    """
    width, channels, patch, _ = args[0].shape
    if not real(value) or value.shape != (width, channels * patch**2):
        return None
    if channels != 3 or width < 3:
        return stretched(value.double()[None])
    image = photo().double()
    answers = patchify(image, patch) @ value.detach().double()[:3].T
    answers = answers.T.reshape(3, *Grid.of(*image.shape[1:], patch))
    return stretched(answers)


def stretched(pictures: Tensor) -> Tensor:
    """(C, H, W) -> (C, H, W): every channel from its darkest, 0, to its brightest, 1."""
    low, high = pictures.amin((1, 2), keepdim=True), pictures.amax((1, 2), keepdim=True)
    return (pictures - low) / (high - low).clamp_min(1e-6)


CARRY = Exercise(
    reference=carry,
    cases=cases,
    tell=lambda args: f"for a convolution's weight {tuple(args[0].shape)}",
    picture=responses,
    learnt="The two layers hold the same numbers in another order. Loading a released ViT comes down to this line.",
    twins=(
        Twin(
            "channel-first",
            "the shape is right, but each row still lists (channel, row, column).",
            "a flat patch here is (row, column, channel): permute the axes of the weight before you flatten them.",
            lambda weight: weight.flatten(1),
        ),
        Twin(
            "transposed-inside",
            "each kernel is mirrored along its diagonal: (column, row, channel).",
            "the weight is (D, C, row, column). Move C to the end and leave row before column.",
            lambda weight: weight.permute(0, 3, 2, 1).flatten(1),
        ),
        Twin(
            "middle",
            "the channel ended up between row and column.",
            "wanted is (D, row, column, channel).",
            lambda weight: weight.permute(0, 2, 1, 3).flatten(1),
        ),
        Twin(
            "flipped",
            "each kernel is turned by half a circle.",
            "the convolution of mathematics flips its kernel. torch's does not: it multiplies and adds in place.",
            lambda weight: linear_from_conv(weight.flip(-1, -2)),
        ),
        Twin(
            "turned",
            "the numbers are right, but the shape is (P*P*C, D).",
            "torch keeps a linear layer's weight as (out, in), and multiplies by its transpose: D comes first.",
            lambda weight: linear_from_conv(weight).T,
        ),
        Twin(
            "not-flattened",
            "the axes stand in the right order, but they are not joined yet.",
            "a linear layer's weight has two axes: flatten everything after D.",
            lambda weight: weight.permute(0, 2, 3, 1),
        ),
        Twin(
            "output-swept-up",
            "D was swept up with the rest: the order begins with a place in the patch instead of the output.",
            "the first axis, D, stays where it is.",
            lambda weight: weight.permute(2, 3, 1, 0).reshape(len(weight), -1),
        ),
    ),
)
