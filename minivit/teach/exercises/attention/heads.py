"""Exercises 03.split and 03.merge: (B, N, D) -> (B, heads, N, head_dim) and back."""

import math
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin
from minivit.teach.outcomes import plain


def ramp(*shape: int) -> Tensor:
    """-> (*shape): numbers counted through, so that every place has its own value."""
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


def split(x: Tensor, heads: int) -> Tensor:
    """(B, N, D) -> (B, heads, N, head_dim)."""
    return rearrange(x, "b n (heads d) -> b heads n d", heads=heads)


def merge(x: Tensor) -> Tensor:
    """(B, heads, N, head_dim) -> (B, N, D)."""
    return rearrange(x, "b heads n d -> b n (heads d)")


def sheets(args: tuple, value: Any) -> Tensor | None:
    """A tensor of as many values as were given -> (1, rows, columns): its first picture, every number as a grey."""
    if not isinstance(value, Tensor) or value.is_complex() or value.numel() != args[0].numel() or value.ndim < 2:
        return None
    first = plain(value).double()[0]
    return first.reshape(-1, value.shape[-1])[None] / max(args[0].max().item(), 1)


SPLIT = Exercise(
    reference=split,
    cases=lambda: [(ramp(2, 5, 12), 3), (ramp(3, 4, 10), 5), (ramp(1, 6, 8), 8), (ramp(4, 3, 2), 1)],
    tell=lambda args: f"for tokens {tuple(args[0].shape)} and {args[1]} heads",
    picture=sheets,
    learnt="Every head now has its own batch of N tokens, and one matrix product serves them all.",
    twins=(
        Twin(
            "reshape-only",
            "the shape is right, but a head holds whole tokens instead of a part of every token.",
            "first split the last axis in (heads, head_dim), then exchange N and heads.",
            lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], x.shape[2] // heads),
        ),
        Twin(
            "interleaved",
            "each head takes every so-many-th number instead of a run of neighbours.",
            "D is (heads, head_dim) in this order: the head is the outer of the two.",
            lambda x, heads: rearrange(x, "b n (d heads) -> b heads n d", heads=heads),
        ),
        Twin(
            "not-exchanged",
            "the width is split, but N still stands before the heads.",
            "(B, N, heads, head_dim) is half way: transpose the two middle axes.",
            lambda x, heads: rearrange(x, "b n (heads d) -> b n heads d", heads=heads),
        ),
        Twin(
            "head-width",
            "the number of heads was used as the width of one.",
            "head_dim is D / heads, and `heads` is how many there are.",
            lambda x, heads: rearrange(x, "b n (heads d) -> b heads n d", d=heads),
        ),
        Twin(
            "turned",
            "head_dim stands before N: these are keys, transposed already.",
            "wanted is (B, heads, N, head_dim); the product transposes for itself.",
            lambda x, heads: rearrange(x, "b n (heads d) -> b heads d n", heads=heads),
        ),
        Twin(
            "heads-first",
            "the heads stand before the pictures.",
            "B stays the first axis.",
            lambda x, heads: rearrange(x, "b n (heads d) -> heads b n d", heads=heads),
        ),
    ),
)

MERGE = Exercise(
    reference=merge,
    cases=lambda: [(ramp(2, 3, 5, 4),), (ramp(3, 5, 4, 2),), (ramp(1, 8, 6, 1),), (ramp(4, 1, 3, 2),)],
    tell=lambda args: f"for heads {tuple(args[0].shape)}",
    picture=sheets,
    learnt="A token has its numbers together again, and the last linear map may mix what its heads found.",
    twins=(
        Twin(
            "reshape-only",
            "the shape is right, but a token is made of one head's outputs for several tokens.",
            "a reshape joins neighbours only: bring heads next to head_dim first, `transpose(1, 2)`.",
            lambda x: x.reshape(x.shape[0], x.shape[2], -1),
        ),
        Twin(
            "interleaved",
            "the heads' numbers are shuffled into each other.",
            "keep each head's run of numbers together: D is (heads, head_dim), not (head_dim, heads).",
            lambda x: rearrange(x, "b heads n d -> b n (d heads)"),
        ),
        Twin(
            "not-joined",
            "N stands before the heads as it should, but they are not joined yet.",
            "flatten the last two axes.",
            lambda x: x.transpose(1, 2),
        ),
        Twin(
            "averaged",
            "the heads were averaged, and what each one found is lost.",
            "heads are laid side by side: D = heads * head_dim.",
            lambda x: x.mean(1),
        ),
        Twin(
            "summed",
            "the heads were added up, which leaves head_dim numbers a token.",
            "nothing is added here. The linear map behind decides how to mix them.",
            lambda x: x.sum(1),
        ),
        Twin(
            "turned",
            "the result is (B, D, N).",
            "tokens first, then their numbers: (B, N, D).",
            lambda x: rearrange(x, "b heads n d -> b (heads d) n"),
        ),
    ),
)
