"""Exercise 04.layer_norm: every token to mean 0 and variance 1, then scaled and shifted."""

from collections.abc import Callable

import torch
from torch import Tensor

from minivit import blocks
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.blocks.pictures import drawing, numbers


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(..., D), (D), (D) -> (..., D)."""
    return blocks.layer_norm(x, weight, bias, eps)


def version(
    over: tuple[int, ...] = (-1,),
    unbiased: bool = False,
    root: Callable = lambda variance, eps: torch.sqrt(variance + eps),
    centred: bool = True,
    affine: Callable = lambda x, weight, bias: x * weight + bias,
) -> Callable:
    """`layer_norm` with single decisions exchanged."""

    def answer(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        middle = x.mean(dim=over, keepdim=True)
        variance = x.var(dim=over, keepdim=True, correction=int(unbiased))
        if not centred:
            middle, variance = torch.zeros_like(middle), x.square().mean(dim=over, keepdim=True)
        return affine((x - middle) / root(variance, eps), weight, bias)

    return answer


def outside(variance: Tensor, eps: float) -> Tensor:
    return variance.sqrt() + eps


def cases() -> list[tuple[Tensor, Tensor, Tensor, float]]:
    """Tokens of several kinds: ordinary ones, one axis or four, nearly flat ones where eps counts."""
    tokens = numbers(1, 2, 5, 6) * 3 + numbers(2, 2, 5, 1) * 4
    weight, bias = 1 + numbers(3, 6) / 2, numbers(4, 6)
    flat = 0.3 + numbers(5, 3, 4, 7) * torch.tensor([1e-3, 1e-1, 1.0, 10.0])[:, None]
    return [
        (tokens, weight, bias, 1e-6),
        (flat, 1 + numbers(6, 7) / 2, numbers(7, 7), 1e-2),
        (tokens[0, 0], weight, bias, 1e-6),
        (numbers(8, 2, 3, 4, 5).double(), 1 + numbers(9, 5).double() / 2, numbers(10, 5).double(), 1e-5),
    ]


OVER = (
    "the mean and the variance are not those of one token.",
    "each token is normed by itself, over its own D: dim=-1.",
)

LAYER_NORM = Exercise(
    reference=layer_norm,
    cases=cases,
    tell=lambda args: f"for tokens {tuple(args[0].shape)} and eps = {args[3]:g}",
    picture=lambda args, value: drawing(args[0].shape, value),
    learnt="A token's mean and scale are gone; what is left is its direction. nn.LayerNorm does the same.",
    twins=(
        Twin(
            "unbiased",
            "the variance divides by D - 1.",
            "layer norm divides by D: `var` and `std` need correction=0 (or unbiased=False).",
            version(unbiased=True),
        ),
        Twin(
            "eps-outside",
            "eps is added after the root. On nearly flat tokens that shows.",
            "it belongs to the variance: sqrt(variance + eps).",
            version(root=outside),
        ),
        Twin(
            "unbiased-and-outside",
            "the variance divides by D - 1, and eps is added after the root: two differences at once.",
            "`x.std(...) + eps` is another layer. Take the biased variance, add eps, then the root.",
            version(unbiased=True, root=outside),
        ),
        Twin(
            "no-eps",
            "eps is not used: a token whose numbers are nearly equal is blown up.",
            "add it to the variance before the root.",
            version(root=lambda variance, eps: variance.sqrt()),
        ),
        Twin(
            "no-root",
            "it divides by the variance.",
            "divide by the standard deviation, the root of variance plus eps.",
            version(root=lambda variance, eps: variance + eps),
        ),
        Twin("wrong-axis", *OVER, version(over=(-2,))),
        Twin("wrong-axis", *OVER, version(over=(0,))),
        Twin("wrong-axis", *OVER, version(over=(-2, -1))),
        Twin("wrong-axis", *OVER, lambda x, *rest: version(over=tuple(range(x.ndim)))(x, *rest)),
        Twin(
            "not-centred",
            "the mean is still in the token.",
            "take it away first, then measure the variance. Without it you have RMS norm, another layer.",
            version(centred=False),
        ),
        Twin(
            "no-affine",
            "mean 0 and variance 1 are right, but the learned scale and shift are missing.",
            "the last step: times `weight`, plus `bias`.",
            version(affine=lambda x, weight, bias: x),
        ),
        Twin(
            "shift-first",
            "the shift is scaled too.",
            "first times `weight`, then plus `bias`.",
            version(affine=lambda x, weight, bias: (x + bias) * weight),
        ),
    ),
)
