"""Exercise 07.loss: CLIP's loss from the towers' vectors, as they come."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.teach.exercises import Exercise, Twin


def loss(image: Tensor, text: Tensor, scale: float) -> Tensor:
    """(B, E), (B, E), scale -> (): the mean of both directions' cross-entropy."""
    logits = scale * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T
    right = torch.arange(len(image))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def cases() -> list[tuple[Tensor, Tensor, float]]:
    """Five pairs that begin to agree, two that do not, three whose vectors are long and short."""
    draw = torch.Generator().manual_seed(7)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    image = random(5, 4)
    return [
        (image, image + 0.8 * random(5, 4), 5.0),
        (random(2, 3), random(2, 3), 14.0),
        (random(3, 6) * torch.tensor([[0.2], [1.0], [3.0]], dtype=torch.float64), random(3, 6), 2.0),
    ]


def row(args: tuple, value: Any) -> list | None:
    """The loss, beside that of guessing among B."""
    if not isinstance(value, (float, Tensor)) or (isinstance(value, Tensor) and value.numel() != 1):
        return None
    return [("loss, nats", "ln B"), [f"{float(value):.4f}", f"{torch.tensor(float(len(args[0]))).log():.4f}"]]


def unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors, dim=1)


def version(
    left: Callable = unit,
    right: Callable = unit,
    logits: Callable = lambda image, text, scale: scale * image @ text.T,
    ends: Callable = lambda rows, columns: (rows + columns) / 2,
) -> Callable:
    """`loss` with single decisions exchanged."""

    def answer(image: Tensor, text: Tensor, scale: float) -> Tensor:
        table = logits(left(image), right(text), scale)
        truth = torch.arange(len(table))
        return ends(F.cross_entropy(table, truth), F.cross_entropy(table.T, truth))

    return answer


def soft(image: Tensor, text: Tensor, scale: float) -> Tensor:
    image, text = unit(image), unit(text)
    logits = scale * image @ text.T
    wanted = ((image @ image.T + text @ text.T) / 2 * scale).softmax(dim=1)
    return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted.T)) / 2


def summed(image: Tensor, text: Tensor, scale: float) -> Tensor:
    return loss(image, text, scale) * len(image)


LOSS = Exercise(
    reference=loss,
    cases=cases,
    tell=lambda args: f"for {len(args[0])} pairs of width {args[0].shape[1]} and a scale of {args[2]:g}",
    picture=row,
    learnt="Two questions, one table: rows ask each image for its text, columns each text for its image.",
    twins=(
        Twin(
            "rows-only",
            "only the images pick their texts.",
            "every text picks its image too: add the cross-entropy of logits.T, and halve.",
            version(ends=lambda rows, columns: rows),
        ),
        Twin(
            "columns-only",
            "only the texts pick their images.",
            "every image picks its text too: add the cross-entropy of the table as it stands, and halve.",
            version(ends=lambda rows, columns: columns),
        ),
        Twin(
            "not-halved",
            "both directions are added, not averaged.",
            "the loss is the mean of the two, so that guessing costs ln B.",
            version(ends=lambda rows, columns: rows + columns),
        ),
        Twin(
            "not-normalised",
            "the vectors are compared as long as they came.",
            "CLIP compares directions: divide every vector by its length before the product.",
            version(left=lambda v: v, right=lambda v: v),
        ),
        Twin(
            "one-normalised",
            "the texts were not normalised.",
            "both towers' vectors are divided by their lengths.",
            version(right=lambda v: v),
        ),
        Twin(
            "wrong-axis",
            "every column was brought to length 1, across the batch.",
            "a vector is a row: normalise over dim=1, or -1.",
            version(left=lambda v: F.normalize(v, dim=0), right=lambda v: F.normalize(v, dim=0)),
        ),
        Twin(
            "divided",
            "the cosines were divided by the scale.",
            "the scale is 1 / temperature, so it multiplies.",
            version(logits=lambda image, text, scale: image @ text.T / scale),
        ),
        Twin(
            "no-scale",
            "the scale is missing.",
            "cosines lie between -1 and 1, far too close together for a softmax: multiply by the scale.",
            version(logits=lambda image, text, scale: image @ text.T),
        ),
        Twin(
            "soft-targets",
            "the targets are made of the vectors' own likeness.",
            "nothing to learn from oneself: the right answer of row i is i, torch.arange(B).",
            soft,
        ),
        Twin(
            "summed",
            "the pairs' losses are added up.",
            "take the mean over the batch, as F.cross_entropy does unless told.",
            summed,
        ),
    ),
)
