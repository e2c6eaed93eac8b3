"""Exercise 05.masked_mean: the mean over the real patches of each picture, prefix and padding left out."""

from typing import Any

import torch
from torch import Tensor

from minivit.pooling import mean_pool
from minivit.teach.exercises import Exercise, Twin


def masked_mean(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    """(B, K + N, D), K, (B, N) -> (B, D). ValueError where a picture has no real patch."""
    return mean_pool(tokens[:, prefix:], tokens[:, :prefix], mask)


def cases() -> list[tuple[Tensor, int, Tensor]]:
    """Three pictures with 5, 2 and 4 real patches; none padded, five registers; a picture without any patch."""
    draw = torch.Generator().manual_seed(5)
    some = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 1, 1, 1]], dtype=torch.bool)
    none = some.clone()
    none[1] = False
    return [
        (torch.randn(3, 6, 4, generator=draw), 1, some),
        (torch.randn(2, 11, 3, generator=draw), 5, torch.ones(2, 6, dtype=torch.bool)),
        (torch.randn(3, 5, 2, generator=draw, dtype=torch.float64), 0, some),
        (torch.randn(3, 6, 4, generator=draw), 1, none),
    ]


def tell(args: tuple) -> str:
    tokens, prefix, mask = args
    return f"for tokens {tuple(tokens.shape)}, {prefix} of them prefix, and {mask.sum(1).tolist()} real patches"


def rows(args: tuple, value: Any) -> list | None:
    """The pooled vectors as a small table, a picture a row."""
    if not isinstance(value, Tensor) or value.is_complex() or value.ndim != 2 or value.numel() > 100:
        return None
    head = tuple(f"number {at}" for at in range(value.shape[1]))
    return [head, *([f"{number:.3f}" for number in line] for line in value.double().tolist())]


def weighed(tokens: Tensor, weights: Tensor, count: Tensor | int) -> Tensor:
    """(B, N, D), (B, N), (B, 1) -> (B, D): the weighted sum, divided."""
    return (tokens * weights[..., None]).sum(1) / count


def checked(mask: Tensor) -> Tensor:
    if not mask.any(1).all():
        raise ValueError
    return mask


def over_all(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, prefix:], checked(mask), mask.shape[1])


def whole_batch(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, prefix:], checked(mask), mask.sum() / len(mask))


def ignored(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    checked(mask)
    return tokens[:, prefix:].mean(1)


def with_prefix(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    longer = torch.cat([mask.new_ones(len(mask), prefix), checked(mask)], dim=1)
    return weighed(tokens, longer, longer.sum(1, keepdim=True))


def shifted(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, : mask.shape[1]], checked(mask), mask.sum(1, keepdim=True))


def inverted(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, prefix:], ~mask, (~mask).sum(1, keepdim=True))


def zero_by_zero(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, prefix:], mask, mask.sum(1, keepdim=True))


def zero_by_one(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, prefix:], mask, mask.sum(1, keepdim=True).clamp(min=1))


def kept(tokens: Tensor, prefix: int, mask: Tensor) -> Tensor:
    return weighed(tokens[:, prefix:], checked(mask), mask.sum(1, keepdim=True))[:, None]


MASKED_MEAN = Exercise(
    reference=masked_mean,
    cases=cases,
    tell=tell,
    picture=rows,
    learnt="A mean is a sum and a count, and the mask belongs in both. Nothing divided by nothing needs its own word.",
    twins=(
        Twin(
            "divided-by-N",
            "the sum is right, but it is divided by all N slots.",
            "padding that was set to zero must not be counted either: divide by mask.sum(1).",
            over_all,
        ),
        Twin(
            "one-count",
            "all pictures are divided by one count, their average.",
            "each picture has its own number of real patches: keep the batch axis when you sum the mask.",
            whole_batch,
        ),
        Twin(
            "mask-ignored",
            "the padding is averaged in.",
            "multiply the tokens by the mask, with an axis more: mask[..., None].",
            ignored,
        ),
        Twin(
            "prefix-included",
            "the prefix tokens are averaged in.",
            "the first K tokens are no patches: begin at tokens[:, prefix:].",
            with_prefix,
        ),
        Twin(
            "first-N",
            "the first N tokens are taken, and those begin with the prefix.",
            "patches are the last N tokens: cut the prefix off in front, not the end.",
            shifted,
        ),
        Twin(
            "inverted",
            "this is the mean of the padding.",
            "True marks a real patch.",
            inverted,
        ),
        Twin(
            "should-raise",
            "a picture without patches gives NaN, and one NaN spoils every weight at the next step.",
            "ask for mask.any(dim=1) first, and raise a ValueError that names the picture.",
            zero_by_zero,
        ),
        Twin(
            "should-raise",
            "a picture without patches gives zeros, as if it had been looked at.",
            "a silent zero is worse than an error: raise a ValueError that names the picture.",
            zero_by_one,
        ),
        Twin(
            "axis-left",
            "the axis of the patches is still there, with length 1.",
            "the head wants (B, D).",
            kept,
        ),
    ),
)
