"""Exercise 04.drop_path: leave out a branch for some pictures, so that the mean stays what it was."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.blocks.pictures import drawing, numbers


@dataclass(frozen=True)
class Uniform:
    """rand(*shape) -> numbers in [0, 1), the same for a seed and a shape however often it is called."""

    seed: int

    def __call__(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=torch.Generator().manual_seed(self.seed))


def drop_path(branch: Tensor, rate: float, training: bool, rand: Callable[..., Tensor]) -> Tensor:
    """(B, N, D) -> (B, N, D)."""
    if not training:
        return branch
    stays = rand(len(branch), 1, 1) >= rate
    return branch * stays / (1 - rate)


def version(
    shape: Callable[[Tensor], tuple] = lambda branch: (len(branch), 1, 1),
    stays: Callable = lambda drawn, rate: drawn >= rate,
    scale: Callable = lambda rate: 1 / (1 - rate),
    judged: Callable = lambda branch, rate: branch,
    whenever: bool = False,
    swapped: bool = False,
) -> Callable:
    """`drop_path` with single decisions exchanged."""

    def answer(branch: Tensor, rate: float, training: bool, rand: Callable[..., Tensor]) -> Tensor:
        if (training if swapped else not training) and not whenever:
            return judged(branch, rate)
        return branch * stays(rand(*shape(branch)), rate) * scale(rate)

    return answer


def cases() -> list[tuple[Tensor, float, bool, Uniform]]:
    """Training at two rates, judging, and a rate of 0."""
    branch, other = 1 + numbers(60, 6, 4, 5).abs(), numbers(61, 7, 3, 4) * 2
    return [(branch, 0.25, True, Uniform(0)), (other, 0.6, True, Uniform(3)), (branch, 0.25, False, Uniform(0)),
            (other, 0.0, True, Uniform(5))]  # fmt: skip


LESS = ("too little is left on average: what stays is not made up for.", "divide what stays by 1 - rate.")

DROP_PATH = Exercise(
    reference=drop_path,
    cases=cases,
    tell=lambda args: f"for {len(args[0])} pictures, rate = {args[1]:g}, {'training' if args[2] else 'not training'}",
    picture=lambda args, value: drawing(args[0].shape, value),
    learnt="A whole branch stays or goes, picture by picture, and the mean over many draws is the branch.",
    twins=(
        Twin("not-rescaled", *LESS, version(scale=lambda rate: 1)),
        Twin(
            "rescaled-when-judged",
            "training is not rescaled, and judging takes a share of the branch.",
            "that keeps the mean too, but the promise is: when not training, the branch itself. Divide while training.",
            version(scale=lambda rate: 1, judged=lambda branch, rate: branch * (1 - rate)),
        ),
        Twin(
            "divided-by-rate",
            "what stays is divided by the share that goes.",
            "a share 1 - rate stays: divide by that.",
            version(scale=lambda rate: 1 / rate if rate else 1),
        ),
        Twin(
            "multiplied",
            "what stays is made smaller still.",
            "the ones that stay stand in for those that go: they must grow, by 1 / (1 - rate).",
            version(scale=lambda rate: 1 - rate),
        ),
        Twin(
            "per-token",
            "tokens are left out one by one.",
            "one number a picture: rand(B, 1, 1).",
            version(shape=lambda branch: (*branch.shape[:2], 1)),
        ),
        Twin(
            "per-number",
            "single numbers are left out: this is dropout.",
            "one draw decides over a picture's whole branch: rand(B, 1, 1).",
            version(shape=lambda branch: tuple(branch.shape)),
        ),
        Twin(
            "per-batch",
            "one draw decides for all pictures of the batch.",
            "every picture draws for itself: rand(B, 1, 1).",
            version(shape=lambda branch: (1, 1, 1)),
        ),
        Twin(
            "always",
            "branches are left out when the model is judged, too.",
            "when `training` is False give the branch back as it is.",
            version(whenever=True),
        ),
        Twin(
            "swapped",
            "it works when the model is judged, and rests while it trains.",
            "`if not training:` comes first.",
            version(swapped=True),
        ),
        Twin(
            "complement",
            "a share `rate` stays; it should go.",
            "a picture keeps its branch where its number is at least `rate`.",
            version(stays=lambda drawn, rate: drawn < rate),
        ),
        Twin(
            "complement-rescaled",
            "a share `rate` stays, and is divided by it: the mean is right, the rate is not.",
            "`rate` is the share that goes: keep where the number is at least `rate`, divide by 1 - rate.",
            version(stays=lambda drawn, rate: drawn < rate, scale=lambda rate: 1 / rate if rate else 1),
        ),
        Twin(
            "other-side",
            "the share is right, but the other pictures were chosen.",
            "a number below `rate` means: left out.",
            version(stays=lambda drawn, rate: drawn < 1 - rate),
        ),
    ),
)
