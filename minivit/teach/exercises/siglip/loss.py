"""Exercise 08.loss: SigLIP's loss from the towers' vectors, as they come."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.teach.exercises import Exercise, Twin


def loss(image: Tensor, text: Tensor, scale: float, bias: float) -> Tensor:
    """(B, E), (B, E), scale, bias -> (): the losses of all B * B answers, over B."""
    logits = scale * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T + bias
    yes = torch.eye(len(image), dtype=torch.bool)
    return F.softplus(torch.where(yes, -logits, logits)).sum() / len(image)


def cases() -> list[tuple[Tensor, Tensor, float, float]]:
    """Five pairs that begin to agree, two that do not, three whose vectors are long and short."""
    draw = torch.Generator().manual_seed(17)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    image = random(5, 4)
    return [
        (image, image + 0.8 * random(5, 4), 5.0, -2.0),
        (random(2, 3), random(2, 3), 10.0, -10.0),
        (random(3, 6) * torch.tensor([[0.2], [1.0], [3.0]], dtype=torch.float64), random(3, 6), 2.0, 0.5),
    ]


def row(args: tuple, value: Any) -> list | None:
    """The loss, beside that of the best answer that looks at nothing."""
    if not isinstance(value, (float, Tensor)) or (isinstance(value, Tensor) and value.numel() != 1):
        return None
    count = torch.tensor(float(len(args[0])))
    blind = F.softplus((count - 1).log()) + (count - 1) * F.softplus(-(count - 1).log())
    return [("loss, nats", "the best blind answer"), [f"{float(value):.4f}", f"{blind:.4f}"]]


def unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors, dim=1)


def version(
    way: Callable = unit,
    logits: Callable = lambda image, text, scale, bias: scale * image @ text.T + bias,
    signs: Callable = lambda count: 2 * torch.eye(count) - 1,
    ends: Callable = lambda losses: losses.sum() / len(losses),
) -> Callable:
    """`loss` with single decisions exchanged."""

    def answer(image: Tensor, text: Tensor, scale: float, bias: float) -> Tensor:
        table = logits(way(image), way(text), scale, bias)
        return ends(F.softplus(-signs(len(table)) * table))

    return answer


def softmax(image: Tensor, text: Tensor, scale: float, bias: float) -> Tensor:
    table, right = scale * unit(image) @ unit(text).T + bias, torch.arange(len(image))
    return (F.cross_entropy(table, right) + F.cross_entropy(table.T, right)) / 2


LOSS = Exercise(
    reference=loss,
    cases=cases,
    tell=lambda args: f"for {len(args[0])} pairs of width {args[0].shape[1]}, scale {args[2]:g}, bias {args[3]:g}",
    picture=row,
    learnt="Every meeting answers for itself: yes on the diagonal, no elsewhere. All losses added, divided by B.",
    twins=(
        Twin(
            "mean-of-pairs",
            "the sum was divided by B * B.",
            "the paper divides by B, the number of images: a sum over the row, a mean over the rows.",
            version(ends=lambda losses: losses.mean()),
        ),
        Twin(
            "summed",
            "the losses are added up and not divided.",
            "divide the sum by B.",
            version(ends=lambda losses: losses.sum()),
        ),
        Twin(
            "softmax",
            "this is CLIP's loss.",
            "no softmax over rows or columns: each logit has a yes or no of its own, softplus(-z) or softplus(z).",
            softmax,
        ),
        Twin(
            "no-bias",
            "the bias is missing.",
            "a logit is scale * cosine + bias.",
            version(logits=lambda image, text, scale, bias: scale * image @ text.T),
        ),
        Twin(
            "bias-subtracted",
            "the bias was subtracted.",
            "it is added, and it is negative: so most answers start as a no.",
            version(logits=lambda image, text, scale, bias: scale * image @ text.T - bias),
        ),
        Twin(
            "bias-scaled",
            "the bias was multiplied by the scale.",
            "only the cosine is: scale * cosine + bias.",
            version(logits=lambda image, text, scale, bias: scale * (image @ text.T + bias)),
        ),
        Twin(
            "divided",
            "the cosines were divided by the scale.",
            "the scale is 1 / temperature, so it multiplies.",
            version(logits=lambda image, text, scale, bias: image @ text.T / scale + bias),
        ),
        Twin(
            "not-normalised",
            "the vectors are compared as long as they came.",
            "SigLIP compares directions: divide every vector by its length before the product.",
            version(way=lambda vectors: vectors),
        ),
        Twin(
            "all-yes",
            "every picture is told that it belongs to every text.",
            "only the diagonal is a yes; turn the sign of all others.",
            version(signs=torch.ones),
        ),
        Twin(
            "signs-swapped",
            "what belongs together is asked to be apart, and the other way round.",
            "a yes costs softplus(-z): it is cheap where z is large.",
            version(signs=lambda count: 1 - 2 * torch.eye(count)),
        ),
        Twin(
            "diagonal-only",
            "only the pairs that belong together count.",
            "then everything may be alike. The B * B - B others must be told no.",
            version(ends=lambda losses: losses.diagonal().sum() / len(losses)),
        ),
    ),
)
