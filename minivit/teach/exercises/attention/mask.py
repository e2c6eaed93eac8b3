"""Exercise 03.mask: several short texts in one sequence, each token reads its own text and nothing after itself."""

from typing import Any

import torch
from torch import Tensor

from minivit.attention import causal, packing
from minivit.teach.exercises import Exercise, Twin
from minivit.teach.outcomes import plain


def allowed(segments: Tensor) -> Tensor:
    """(B, N) whole numbers, negative for padding -> (B, 1, N, N), True where a token may be read."""
    return packing(segments) & causal(segments.shape[1])


def pairs(segments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N) -> (B, N, N) same segment, (B, 1, N) real as a key, (N, N) not after."""
    return segments[:, :, None] == segments[:, None, :], (segments >= 0)[:, None, :], causal(segments.shape[1])


def cases() -> list[tuple[Tensor]]:
    """Two texts and padding; three texts of several lengths; padding in front; a single token."""
    rows = [[[0, 0, 1, 1, 1, -1], [0, 0, 0, 0, 1, 1]], [[2, 2, 2, 0, 0, 1, 1]], [[-1, -1, 0, 0, 0]] * 3, [[0], [4]]]
    return [(torch.tensor(row),) for row in rows]


def drawn(args: tuple, value: Any) -> Tensor | None:
    """(B, 1, N, N) -> (1, N, B * N): white where a token may be read, a square a picture."""
    size = args[0].shape[1]
    if not isinstance(value, Tensor) or value.is_complex() or value.ndim < 2 or value.shape[-2:] != (size, size):
        return None
    squares = plain(value).reshape(-1, size, size)
    shades = squares.double() if value.dtype == torch.bool else squares.double().nan_to_num(0, 1, 0).clamp(0, 1)
    gap = torch.full((len(squares), size, 1), 0.5, dtype=torch.float64)
    return torch.cat([shades, gap], dim=-1).transpose(0, 1).reshape(1, size, -1)[:, :, :-1]


def version(segment: bool = True, real: bool = True, past: bool = True) -> Any:
    """`allowed` with a part left out."""

    def answer(segments: Tensor) -> Tensor:
        same, valid, before = pairs(segments)
        parts = torch.ones_like(same)
        for used, part in ((segment, same), (real, valid), (past, before)):
            parts = parts & part if used else parts
        return parts[:, None]

    return answer


def strict(segments: Tensor) -> Tensor:
    same, valid, before = pairs(segments)
    return (same & valid & before.tril(-1))[:, None]


def future(segments: Tensor) -> Tensor:
    same, valid, before = pairs(segments)
    return (same & valid & before.T)[:, None]


def wrong_axis(segments: Tensor) -> Tensor:
    same, _, before = pairs(segments)
    before_only = same | (segments < 0)[:, None, :]
    return (before_only & (segments >= 0)[:, :, None] & before)[:, None]


MASK = Exercise(
    reference=allowed,
    cases=cases,
    tell=lambda args: f"for segments {args[0].tolist()}",
    picture=drawn,
    learnt="Three rules, joined by `&`: same segment, no padding, not the future. An image encoder drops the third.",
    twins=(
        Twin(
            "inverted",
            "the mask says True where a token may not be read.",
            "here True means: may be read. Turn it round with `~`.",
            lambda segments: ~allowed(segments),
        ),
        Twin(
            "strict",
            "a token may not even read itself, so the first of each text reads nothing.",
            "the diagonal belongs to it: `tril()` keeps it, `tril(-1)` and a bare < do not.",
            strict,
        ),
        Twin(
            "future",
            "tokens read what comes after them.",
            "row i is the one that asks, column j the one that is read: j may not be larger than i.",
            future,
        ),
        Twin(
            "not-causal",
            "tokens read their own text forwards and backwards.",
            "that is an encoder's mask. Here nothing after a token may be read.",
            version(past=False),
        ),
        Twin(
            "not-packed",
            "the second text reads the first.",
            "compare the segments of the token that asks and of the one that is read.",
            version(segment=False),
        ),
        Twin(
            "only-causal",
            "segments and padding are not looked at.",
            "three rules must hold at once: same segment, no padding, not after.",
            version(segment=False, real=False),
        ),
        Twin(
            "padding-read",
            "padding reads padding: its segment is the same.",
            "a negative segment is nobody's: ask also for `segments >= 0` where a token is read.",
            version(real=False),
        ),
        Twin(
            "wrong-axis",
            "padding is kept from asking, but others may read it.",
            "what counts is who is read, the last axis: (B, N) becomes (B, 1, N) there, not (B, N, 1).",
            wrong_axis,
        ),
        Twin(
            "no-head-axis",
            "the axis of the heads is missing.",
            "(B, N, N) would meet scores (B, heads, N, N) with B at the place of heads. Put an axis of 1 in between.",
            lambda segments: allowed(segments)[:, 0],
        ),
        Twin(
            "numbers",
            "the mask is made of numbers.",
            "a mask in this book is boolean. The scores are changed later, where it is used.",
            lambda segments: allowed(segments).float(),
        ),
        Twin(
            "added",
            "this is a mask to be added, 0 and minus infinity.",
            "give back the booleans themselves: True where a token may be read.",
            lambda segments: torch.zeros(allowed(segments).shape).masked_fill(~allowed(segments), float("-inf")),
        ),
    ),
)
