"""Exercise 04.block: two branches read the stream through a norm and add to it."""

from collections.abc import Callable

import torch
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin
from minivit.teach.exercises.blocks.pictures import drawing, numbers

Part = Callable[[Tensor], Tensor]


def block(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    """(B, N, D) -> (B, N, D)."""
    x = x + attention(norm1(x))
    return x + mlp(norm2(x))


def norm(seed: int, width: int) -> Part:
    """A layer norm with a scale and a shift of its own."""
    weight, bias = 1 + numbers(seed, width) / 3, numbers(seed + 1, width) / 3
    return lambda x: torch.layer_norm(x, (width,), weight, bias)


def attention(seed: int, width: int) -> Part:
    """One head whose queries, keys and values are the tokens; tokens read each other."""
    out = numbers(seed, width, width) / width**0.5
    return lambda x: (x @ x.transpose(-2, -1) / width**0.5).softmax(-1) @ x @ out


def mlp(seed: int, width: int) -> Part:
    """Two maps and a bend."""
    up, down = numbers(seed, width, 3 * width) / width**0.5, numbers(seed + 1, 3 * width, width) / width**0.5
    return lambda x: (x @ up).relu() @ down


def cases() -> list[tuple]:
    """Streams with a large mean, so that it matters what is added to what; every norm its own."""
    found = []
    for seed, shape in ((20, (2, 5, 6)), (40, (3, 4, 8))):
        width = shape[-1]
        parts = norm(seed + 1, width), attention(seed + 3, width), norm(seed + 4, width), mlp(seed + 6, width)
        found.append((numbers(seed, *shape) * 2 + 0.5, *parts))
    return found


def normed_stream(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    """Wrong: what is added to is the normed copy."""
    x = norm1(x)
    x = norm2(x + attention(x))
    return x + mlp(x)


def first_normed(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = norm1(x)
    x = x + attention(x)
    return x + mlp(norm2(x))


def second_normed(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = norm2(x + attention(norm1(x)))
    return x + mlp(x)


def post_norm(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = norm1(x + attention(x))
    return norm2(x + mlp(x))


def one_norm(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = x + attention(norm1(x))
    return x + mlp(x)


def same_norm(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = x + attention(norm1(x))
    return x + mlp(norm1(x))


def parallel(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    return x + attention(norm1(x)) + mlp(norm2(x))


def no_residual(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    return mlp(norm2(attention(norm1(x))))


def first_only(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = x + attention(norm1(x))
    return mlp(norm2(x))


def second_only(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = attention(norm1(x))
    return x + mlp(norm2(x))


def no_norm(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = x + attention(x)
    return x + mlp(x)


def mlp_first(x: Tensor, norm1: Part, attention: Part, norm2: Part, mlp: Part) -> Tensor:
    x = x + mlp(norm1(x))
    return x + attention(norm2(x))


NORMED = (
    "a branch is added to the normed copy, not to the stream.",
    "only the branch sees the norm: x + attention(norm1(x)). Do not store the normed x under the name x.",
)
WITHOUT = ("a branch takes the stream's place instead of being added to it.", "both lines begin with `x +`.")

BLOCK = Exercise(
    reference=block,
    cases=cases,
    tell=lambda args: f"for a stream {tuple(args[0].shape)}",
    picture=lambda args, value: drawing(args[0].shape, value),
    learnt="Two lines, and everything added. The stream itself passes through nothing.",
    twins=(
        Twin("normed-stream", *NORMED, normed_stream),
        Twin("normed-stream", *NORMED, first_normed),
        Twin("normed-stream", *NORMED, second_normed),
        Twin(
            "post-norm",
            "the norms stand after the sums, as in the first transformer.",
            "pre-norm: the norm is the first thing in a branch, and nothing norms the sum.",
            post_norm,
        ),
        Twin("one-norm", "the MLP reads the stream unnormed.", "norm2 goes in front of the MLP.", one_norm),
        Twin(
            "same-norm",
            "norm1 is used twice.",
            "the two norms have weights of their own: norm2 belongs to the MLP.",
            same_norm,
        ),
        Twin(
            "parallel",
            "the MLP does not see what attention has just written.",
            "it reads the stream after attention was added. (Side by side is a design of its own, not this one.)",
            parallel,
        ),
        Twin("no-residual", *WITHOUT, no_residual),
        Twin("no-residual", *WITHOUT, first_only),
        Twin("no-residual", *WITHOUT, second_only),
        Twin("no-norm", "no norm is used at all.", "each branch reads a normed copy of the stream.", no_norm),
        Twin("mlp-first", "the MLP comes before attention.", "attention is the first line.", mlp_first),
    ),
)
