"""Exercise 07.prompts: one vector for a class that several prompts describe."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.teach.exercises import Exercise, Twin


def classes(prompts: Tensor) -> Tensor:
    """(K, P, E) -> (K, E): the mean direction of each class's P prompts, of length 1."""
    return F.normalize(F.normalize(prompts, dim=2).mean(dim=1), dim=1)


def cases() -> list[tuple[Tensor]]:
    """Three classes of four prompts, two of one, four of two; vectors of all lengths."""
    draw = torch.Generator().manual_seed(8)

    def random(*shape: int) -> Tensor:
        lengths = 3 * torch.rand((*shape[:2], 1), generator=draw, dtype=torch.float64) + 0.2
        return torch.randn(shape, generator=draw, dtype=torch.float64) * lengths

    return [(random(3, 4, 5),), (random(2, 1, 6),), (random(4, 2, 3),)]


def rows(args: tuple, value: Any) -> list | None:
    """The class vectors as a small table, with their lengths."""
    if not isinstance(value, Tensor) or value.is_complex() or value.ndim != 2 or value.numel() > 60:
        return None
    head = (*(f"number {at}" for at in range(value.shape[1])), "length")
    return [head, *([f"{x:.3f}" for x in (*row.tolist(), row.norm().item())] for row in value.double())]


def not_again(prompts: Tensor) -> Tensor:
    return F.normalize(prompts, dim=2).mean(dim=1)


def only_after(prompts: Tensor) -> Tensor:
    return F.normalize(prompts.mean(dim=1), dim=1)


def bare(prompts: Tensor) -> Tensor:
    return prompts.mean(dim=1)


def over_classes(prompts: Tensor) -> Tensor:
    return F.normalize(F.normalize(prompts, dim=2).mean(dim=0), dim=1)


def first(prompts: Tensor) -> Tensor:
    return F.normalize(prompts[:, 0], dim=1)


def across(prompts: Tensor) -> Tensor:
    return F.normalize(F.normalize(prompts, dim=2).mean(dim=1), dim=0)


def across_prompts(prompts: Tensor) -> Tensor:
    return F.normalize(F.normalize(prompts, dim=1).mean(dim=1), dim=1)


def summed(prompts: Tensor) -> Tensor:
    return F.normalize(prompts, dim=2).sum(dim=1)


PROMPTS = Exercise(
    reference=classes,
    cases=cases,
    tell=lambda args: "for {} classes of {} prompts each, width {}".format(*args[0].shape),
    picture=rows,
    learnt="Each prompt has one vote, whatever its length; and classes are compared as directions again.",
    twins=(
        Twin(
            "not-renormalised",
            "the class vectors are shorter than 1.",
            "a class whose prompts disagree has a short mean, and would lose every comparison: normalise once more.",
            not_again,
        ),
        Twin(
            "normalised-after",
            "long prompt vectors weigh more than short ones.",
            "normalise every prompt before you take the mean, and the mean again.",
            only_after,
        ),
        Twin(
            "never-normalised",
            "the vectors were averaged as they came and left so.",
            "normalise every prompt, take the mean, normalise that.",
            bare,
        ),
        Twin(
            "over-classes",
            "the mean went over the classes, not over their prompts.",
            "axis 0 counts classes, axis 1 prompts: mean(dim=1).",
            over_classes,
        ),
        Twin(
            "first-only",
            "only the first prompt of each class counts.",
            "an ensemble takes the mean over all of axis 1.",
            first,
        ),
        Twin(
            "wrong-axis",
            "the class vectors were normalised across the classes.",
            "each class is a row: dim=1, or -1.",
            across,
        ),
        Twin(
            "prompts-across",
            "each number was normalised across the prompts.",
            "a prompt's vector lies along the last axis: dim=2, or -1.",
            across_prompts,
        ),
        Twin(
            "summed",
            "the prompts were added up and left so.",
            "the length of a sum depends on how many prompts there are and how well they agree: normalise at the end.",
            summed,
        ),
    ),
)
