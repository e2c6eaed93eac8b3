"""Exercise 08.start: what the sigmoid loss costs before anything is learnt."""

import math
from collections.abc import Callable
from typing import Any

from minivit.teach.exercises import Exercise, Twin


def start(count: int, bias: float) -> float:
    """B pairs, all logits equal to the bias -> SigLIP's loss: one yes and B - 1 noes for each image."""
    return math.log1p(math.exp(-bias)) + (count - 1) * math.log1p(math.exp(bias))


def cases() -> list[tuple[int, float]]:
    """A batch with a small bias; SigLIP's bias; none; a batch of 16; a pair alone; a bias for yes."""
    return [(256, -2.5), (256, -10.0), (256, 0.0), (16, -2.7), (1, -3.0), (5, 1.5)]


def row(args: tuple, value: Any) -> list | None:
    """The loss, beside that with the best bias."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    best = start(args[0], -math.log(args[0] - 1)) if args[0] > 1 else 0.0
    return [("loss, nats", "with the best bias"), [f"{value:.4f}"[:40], f"{best:.4f}"]]


def version(yes: Callable = lambda b: -b, no: Callable = lambda b: b, noes: int = -1, ends: Callable | None = None):
    """`start` with single decisions exchanged; `noes` is what the number of noes has beyond B."""

    def answer(count: int, bias: float) -> float:
        found = math.log1p(math.exp(yes(bias))) + (count + noes) * math.log1p(math.exp(no(bias)))
        return ends(found, count) if ends else found

    return answer


def one_of_all(count: int, bias: float) -> float:
    return math.log(count)


START = Exercise(
    reference=start,
    cases=cases,
    tell=lambda args: f"for {args[0]} pairs and a bias of {args[1]:g}",
    picture=row,
    learnt="Each image has one yes and B - 1 noes to say. So the batch decides which bias is a good start.",
    twins=(
        Twin(
            "mean-of-pairs",
            "this is the mean over all B * B pairs.",
            "SigLIP adds the B answers of an image up, and takes the mean over images.",
            version(ends=lambda found, count: found / count),
        ),
        Twin(
            "all-images",
            "the losses of all images are added up.",
            "divide by B: what is left is the cost of one image's answers.",
            version(ends=lambda found, count: found * count),
        ),
        Twin(
            "b-noes",
            "an image says no to B texts.",
            "one of the B texts is its own: there are B - 1 others.",
            version(noes=0),
        ),
        Twin(
            "signs-swapped",
            "yes and no have changed places.",
            "a yes costs ln(1 + e^-b), a no costs ln(1 + e^b).",
            version(yes=lambda b: b, no=lambda b: -b),
        ),
        Twin(
            "all-noes",
            "the pair that belongs together pays as if it did not.",
            "its answer should be yes: ln(1 + e^-b).",
            version(yes=lambda b: b),
        ),
        Twin(
            "all-yes",
            "the others pay as if they belonged together.",
            "their answer should be no: ln(1 + e^b).",
            version(no=lambda b: -b),
        ),
        Twin(
            "yes-only",
            "only the pair that belongs together pays.",
            "the B - 1 others are asked too: add ln(1 + e^b) for each.",
            lambda count, bias: math.log1p(math.exp(-bias)),
        ),
        Twin(
            "one-no",
            "all others together pay once.",
            "each of the B - 1 others pays ln(1 + e^b).",
            lambda count, bias: math.log1p(math.exp(-bias)) + math.log1p(math.exp(bias)),
        ),
        Twin(
            "softmax",
            "this is what guessing costs CLIP.",
            "nobody chooses one of B here: each of the B answers is a yes or a no.",
            one_of_all,
        ),
    ),
)
