"""Exercise 13.threshold: from which confidence on to answer."""

from collections.abc import Callable
from typing import Any

from minivit.teach.exercises import Exercise, Twin


def shares(sure: list, right: list) -> list[tuple[float, float, float]]:
    """(threshold, share answered, share right of those) for every confidence, rising."""
    told = []
    for least in sorted(set(sure)):
        kept = [good for one, good in zip(sure, right, strict=True) if one >= least]
        told.append((least, len(kept) / len(sure), sum(kept) / len(kept)))
    return told


def threshold(sure: list[float], right: list[bool], wanted: float) -> float | None:
    """Confidences, whether each answer is right, a share -> the lowest threshold that reaches it, or None."""
    return next((least for least, _, share in shares(sure, right) if share >= wanted), None)


def cases() -> list[tuple[list, list, float]]:
    """In order; a surest one that is wrong; ties; out of order; never reached; all right; another share."""
    return [
        ([0.2, 0.4, 0.6, 0.8, 0.9], [False, True, False, True, True], 0.75),
        ([0.99, 0.95, 0.9, 0.85, 0.8, 0.3], [False, True, True, True, True, False], 0.8),
        ([0.7, 0.7, 0.7, 0.9, 0.5], [True, False, True, True, False], 0.9),
        ([0.5, 0.9, 0.1, 0.7], [False, True, False, True], 1.0),
        ([0.6, 0.8], [False, False], 0.5),
        ([0.3, 0.6, 0.4], [True, True, True], 0.9),
        ([0.9, 0.7, 0.5, 0.4], [True, True, False, False], 0.5),
    ]


def row(args: tuple, value: Any) -> list | None:
    """The threshold, with what is answered at it and how much of that is right."""
    if value is None:
        return [("threshold",), ["none"]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    kept = [good for one, good in zip(args[0], args[1], strict=True) if one >= value]
    shown = f"{sum(kept)} of {len(kept)}" if kept else "nothing"
    return [("threshold", "right of the answered"), [f"{value:.4f}"[:40], shown]]


def chosen(ways: Callable) -> Callable:
    """`threshold` that picks otherwise from the rising (threshold, answered, right)."""

    def answer(sure: list, right: list, wanted: float) -> float | None:
        return ways(shares(sure, right), sure, right, wanted)

    return answer


def from_the_top(told: list, sure: list, right: list, wanted: float) -> float | None:
    best = None
    for least, _, share in reversed(told):
        if share < wanted:
            return best
        best = least
    return best


def in_file_order(sure: list, right: list, wanted: float) -> float | None:
    for at in range(len(sure)):
        if sum(right[at:]) / len(right[at:]) >= wanted:
            return sure[at]
    return None


def ties_cut(sure: list, right: list, wanted: float) -> float | None:
    order, best, hits = sorted(zip(sure, right, strict=True), reverse=True), None, 0
    for count, (one, good) in enumerate(order, start=1):
        hits += good
        best = one if hits / count >= wanted else best
    return best


def above_only(sure: list, right: list, wanted: float) -> float | None:
    for least in sorted(set(sure)):
        kept = [good for one, good in zip(sure, right, strict=True) if one > least]
        if kept and sum(kept) / len(kept) >= wanted:
            return least
    return None


def of_all(sure: list, right: list, wanted: float) -> float | None:
    for least in sorted(set(sure), reverse=True):
        kept = [good for one, good in zip(sure, right, strict=True) if one >= least]
        if sum(kept) / len(sure) >= wanted:
            return least
    return None


THRESHOLD = Exercise(
    reference=threshold,
    cases=cases,
    tell=lambda args: f"for confidences {args[0]} and {args[2]:g} wanted",
    picture=row,
    learnt="Try every confidence as a threshold, keep all that is not below it, count. The lowest that suffices wins.",
    twins=(
        Twin(
            "highest",
            "this is the highest threshold that suffices.",
            "then hardly anything is answered. Take the lowest: it sends the fewest to a person.",
            chosen(lambda told, sure, right, wanted: next((t for t, _, s in reversed(told) if s >= wanted), None)),
        ),
        Twin(
            "first-failure",
            "going down from the surest, it stops at the first threshold that fails.",
            "the share right may fall and rise again: try all thresholds.",
            chosen(from_the_top),
        ),
        Twin(
            "above-only",
            "what is exactly as sure as the threshold is sent away.",
            "the loop answers from the threshold on: one >= threshold.",
            above_only,
        ),
        Twin(
            "of-all",
            "the right ones are divided by all, answered or not.",
            "the promise is about what is answered: divide by the number that is kept.",
            of_all,
        ),
        Twin(
            "in-file-order",
            "the confidences are taken in the order in which they came.",
            "a threshold keeps what is sure enough, wherever it stands in the list.",
            in_file_order,
        ),
        Twin(
            "ties-cut",
            "answers of one confidence are parted.",
            "a threshold lets all of them through or none: count after the last of equals.",
            ties_cut,
        ),
        Twin(
            "wanted-itself",
            "the wanted share is taken for the threshold.",
            "a confidence of 0.9 need not be right nine times in ten: that has to be measured.",
            lambda sure, right, wanted: wanted,
        ),
        Twin(
            "share-answered",
            "this is the share that is answered.",
            "give the confidence from which on it is answered.",
            chosen(lambda told, sure, right, wanted: next((n for _, n, s in told if s >= wanted), None)),
        ),
        Twin(
            "least-right",
            "this is the lowest confidence of a right answer.",
            "wrong answers above it are let through too: count them.",
            lambda sure, right, wanted: min((one for one, good in zip(sure, right, strict=True) if good), default=None),
        ),
        Twin(
            "zero-when-none",
            "where no threshold suffices, it gives one all the same.",
            "give None: a loop that cannot keep the promise must not answer.",
            lambda sure, right, wanted: threshold(sure, right, wanted) or 0.0,
        ),
    ),
)
