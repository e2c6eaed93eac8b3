"""Exercise 03.read: softmax(q k^T / sqrt(head_dim)) v with a mask, and zeros for a query that may see nothing."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minivit.attention import attend
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.outcomes import plain


def read(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """q (B, heads, N, head_dim), k and v (B, heads, M, head_dim) -> (B, heads, N, head_dim)."""
    return attend(q, k, v, mask).output


def cases() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Everything may be read; a mask by place; one by picture; and a query to which nothing is left."""
    random = torch.Generator().manual_seed(3)

    def tokens(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    full = torch.ones(4, 6, dtype=torch.bool)
    valid = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    nothing = full.tril(1)
    nothing[2] = False
    return [
        (tokens(2, 3, 4, 5), tokens(2, 3, 6, 5), tokens(2, 3, 6, 5), full),
        (tokens(2, 3, 4, 5), tokens(2, 3, 6, 5), tokens(2, 3, 6, 5), full.tril(1)),
        (tokens(3, 2, 4, 6), tokens(3, 2, 5, 6), tokens(3, 2, 5, 6), valid[:, None, None, :]),
        (tokens(2, 3, 4, 5), tokens(2, 3, 6, 5), tokens(2, 3, 6, 5), nothing),
    ]


def told(args: tuple) -> str:
    """A case in words."""
    q, k, _, mask = args
    if not mask.any(-1).all():
        return "where one query may read nothing"
    if mask.all():
        return f"where {q.shape[-2]} queries read {k.shape[-2]} tokens and nothing is hidden"
    return f"where a mask {tuple(mask.shape)} hides some of the {k.shape[-2]} tokens"


def drawn(args: tuple, value: Any) -> Tensor | None:
    """(B, heads, N, head_dim) -> (1, heads * N, head_dim): the first picture, heads below each other."""
    if not isinstance(value, Tensor) or value.shape != args[0].shape or value.is_complex():
        return None
    return plain(value)[0].double().flatten(0, 1)[None].mul(2).sigmoid()


def version(
    scale: Callable = lambda q: q.shape[-1] ** -0.5,
    flip: Callable = lambda k: k.transpose(-2, -1),
    hide: Callable = lambda scores, mask: scores.masked_fill(~mask, torch.finfo(scores.dtype).min),
    dim: int = -1,
    after: Callable = lambda weights, mask: weights.masked_fill(~mask, 0),
) -> Callable:
    """`read` with single decisions exchanged."""

    def answer(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        scores = q @ flip(k) * scale(q)
        return after(hide(scores, mask).softmax(dim), mask) @ v

    return answer


def infinite(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, float("-inf"))


def same(weights: Tensor, mask: Tensor) -> Tensor:
    return weights


INVERTED = (
    "what the mask allows is hidden, and what it hides is read.",
    "here True means: may be read. Fill where the mask is False, `~mask`. (Other libraries mean the opposite.)",
)
AXIS = (
    "the weights are normalised along the wrong axis.",
    "a query shares its attention out among the keys: softmax(dim=-1).",
)

READ = Exercise(
    reference=read,
    cases=cases,
    tell=told,
    picture=drawn,
    learnt="That is all of attention: a soft look-up. What is left are the four linear maps around it.",
    twins=(
        Twin(
            "no-scaling",
            "the scores are not scaled.",
            "divide the products by the root of head_dim before the softmax.",
            version(scale=lambda q: 1.0),
        ),
        Twin(
            "scaled-by-d",
            "the scores are divided by head_dim itself, and the weights come out too even.",
            "a sum of head_dim products grows as the root of head_dim: divide by `q.shape[-1] ** 0.5`.",
            version(scale=lambda q: 1 / q.shape[-1]),
        ),
        Twin(
            "scaled-by-count",
            "the scores are divided by the root of how many tokens there are.",
            "what is summed over is head_dim, the last axis of q, and its root it must be.",
            version(scale=lambda q: q.shape[-2] ** -0.5),
        ),
        Twin(
            "multiplied",
            "the scores are multiplied by the root of head_dim.",
            "they are too large already: divide by the root, or multiply by `head_dim ** -0.5`.",
            version(scale=lambda q: q.shape[-1] ** 0.5),
        ),
        Twin(
            "reshaped-keys",
            "the keys were reshaped to (head_dim, M), which mixes the numbers of different tokens.",
            "exchange the last two axes: `k.transpose(-2, -1)`.",
            version(flip=lambda k: k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2])),
        ),
        Twin("wrong-axis", *AXIS, version(dim=-2)),
        Twin("wrong-axis", *AXIS, version(dim=1)),
        Twin("wrong-axis", *AXIS, version(hide=infinite, dim=-2, after=same)),
        Twin(
            "no-mask",
            "the mask is not used.",
            "before the softmax, give the scores where it is False the lowest number there is.",
            version(hide=lambda scores, mask: scores, after=same),
        ),
        Twin(
            "mask-after",
            "hidden tokens get weight 0 only after the softmax, so what is left sums to less than 1.",
            "the softmax must not count them at all: hide the scores before it.",
            version(hide=lambda scores, mask: scores),
        ),
        Twin(
            "zero-scores",
            "hidden scores are set to 0, and a score of 0 still gets a share.",
            "exp(0) is 1. Use minus infinity, or the lowest number of the dtype.",
            version(hide=lambda scores, mask: scores * mask, after=same),
        ),
        Twin("inverted", *INVERTED, version(hide=lambda s, m: infinite(s, ~m), after=same)),
        Twin("inverted", *INVERTED, version(hide=lambda s, m: s.masked_fill(m, torch.finfo(s.dtype).min), after=same)),
        Twin("inverted", *INVERTED, version(hide=lambda s, m: s.masked_fill(m, -1e9), after=same)),
        Twin(
            "nan",
            "a query that may see nothing becomes NaN.",
            "the softmax of nothing but minus infinity is 0 / 0. Fill such weights with 0 afterwards.",
            version(hide=infinite, after=same),
        ),
        Twin(
            "uniform",
            "a query that may see nothing reads everything, hidden tokens too, in equal shares.",
            "where all scores are equally low the softmax is even. Set the weights to 0 where the mask is False.",
            version(after=same),
        ),
    ),
)
