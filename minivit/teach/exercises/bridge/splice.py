"""Exercise 12.splice: one text's words and the slots of its pictures, in one line."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin

MARK = 3


def splice(ids: Tensor, slots: Tensor, table: Tensor, mark: int) -> Tensor:
    """(T,) ids with K marks, (K, M, E) slots, (V, E) table -> (T - K + K M, E)."""
    pictures = iter(slots)
    return torch.cat([next(pictures) if token == mark else table[token : token + 1] for token in ids.tolist()])


def cases() -> list[tuple[Tensor, Tensor, Tensor, int]]:
    """A picture in the middle, two pictures apart, one at the end, two side by side, none."""
    draw = torch.Generator().manual_seed(21)
    table = torch.rand(9, 5, generator=draw)
    texts = [[5, MARK, 6, 7], [MARK, 4, MARK, 8, 0], [1, 2, MARK], [6, MARK, MARK, 4], [5, 6]]
    return [
        (torch.tensor(ids), torch.rand(ids.count(MARK), slots, 5, generator=draw), table, MARK)
        for ids, slots in zip(texts, (4, 2, 3, 2, 4), strict=True)
    ]


def tell(args: tuple) -> str:
    ids, slots = args[0], args[1]
    words = " ".join("MARK" if token == MARK else str(token) for token in ids.tolist())
    return f"for the text {words} and {len(slots)} x {slots.shape[1]} slots"


def rows(args: tuple, value: Any) -> Tensor | None:
    """A vector a row, every number as a grey: (1, L, E)."""
    if not isinstance(value, Tensor) or value.is_complex() or value.ndim != 2 or not value.numel():
        return None
    return value.double()[None].clamp(0, 1)


def version(parts: Callable) -> Callable:
    """`splice` that makes another list of parts, (n, E) each."""

    def answer(ids: Tensor, slots: Tensor, table: Tensor, mark: int) -> Tensor:
        return torch.cat(parts(ids.tolist(), slots, table, mark))

    return answer


def words(tokens: list[int], table: Tensor) -> list[Tensor]:
    return [table[token : token + 1] for token in tokens]


def at_marks(choose: Callable) -> Callable:
    """Parts where the k-th mark becomes `choose(slots, k)`."""

    def parts(tokens: list[int], slots: Tensor, table: Tensor, mark: int) -> list[Tensor]:
        seen = [tokens[:at].count(mark) for at in range(len(tokens))]
        return [
            choose(slots, k) if token == mark else table[token : token + 1]
            for token, k in zip(tokens, seen, strict=True)
        ]

    return version(parts)


def in_front(tokens: list[int], slots: Tensor, table: Tensor, mark: int) -> list[Tensor]:
    return [*slots, *words([token for token in tokens if token != mark], table)]


def behind(tokens: list[int], slots: Tensor, table: Tensor, mark: int) -> list[Tensor]:
    return [*words([token for token in tokens if token != mark], table), *slots]


def first_only(tokens: list[int], slots: Tensor, table: Tensor, mark: int) -> list[Tensor]:
    if mark not in tokens:
        return words(tokens, table)
    at = tokens.index(mark)
    return [*words(tokens[:at], table), slots[0], *words(tokens[at + 1 :], table)]


def kept(tokens: list[int], slots: Tensor, table: Tensor, mark: int) -> list[Tensor]:
    pictures = iter(slots)
    return [part for token in tokens for part in [*words([token], table), *([next(pictures)] if token == mark else [])]]


def slots_first(tokens: list[int], slots: Tensor, table: Tensor, mark: int) -> list[Tensor]:
    pictures = iter(slots)
    return [part for token in tokens for part in [*([next(pictures)] if token == mark else []), *words([token], table)]]


SPLICE = Exercise(
    reference=splice,
    cases=cases,
    tell=tell,
    picture=rows,
    learnt="A mark is a place, not a word. M vectors stand there instead, as wide as words, and the line has grown.",
    twins=(
        Twin(
            "in-front",
            "all slots stand in front of the words.",
            "the marks say where a picture belongs: put its slots there.",
            version(in_front),
        ),
        Twin(
            "behind",
            "all slots stand behind the words.",
            "what comes before a mark stays before its slots, and what comes after it stays after.",
            version(behind),
        ),
        Twin(
            "mark-kept",
            "the mark's own vector is still there, before its slots.",
            "a mark is replaced: one of the T tokens goes, M slots come.",
            version(kept),
        ),
        Twin(
            "slots-first",
            "the mark's own vector is still there, behind its slots.",
            "leave the mark out once its slots stand in its place.",
            version(slots_first),
        ),
        Twin(
            "first-mark-only",
            "only the first mark became a picture.",
            "a text may have several: go on through all of its tokens.",
            version(first_only),
        ),
        Twin(
            "same-picture",
            "every mark shows the first picture.",
            "the second mark belongs to the second picture: count the marks as you go.",
            at_marks(lambda slots, k: slots[0]),
        ),
        Twin(
            "pictures-reversed",
            "the pictures stand at each other's marks.",
            "reading order: the first mark is picture 0. Who inserts from the back has to take pictures from the back.",
            at_marks(lambda slots, k: slots[len(slots) - 1 - k]),
        ),
        Twin(
            "slots-reversed",
            "the slots of a picture stand in reverse.",
            "inserting one after the other at one place turns them round: the M slots keep their order.",
            at_marks(lambda slots, k: slots[k].flip(0)),
        ),
        Twin(
            "one-slot",
            "a picture has become one vector.",
            "no mean, no choice: each of the M slots keeps a place of its own, so the line grows.",
            at_marks(lambda slots, k: slots[k].mean(0, keepdim=True)),
        ),
        Twin(
            "only-pictures",
            "the words are missing.",
            "a word's vector is its row of the table: table[id].",
            version(lambda tokens, slots, table, mark: [slots.flatten(0, 1)]),
        ),
    ),
)
