"""Exercise 06.needed: how many pictures an accuracy costs, read off a curve whose sizes grow by factors."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from minivit.teach.exercises import Exercise, Twin


def needed(sizes: list[int], shares: list[float], target: float) -> int:
    """Growing sizes, a share for each -> pictures at which the curve first reaches the target.

    Between two points the share is taken to grow evenly with the logarithm of the size; the result is rounded. Raises
    ValueError for a target that the curve never reaches, and for one that its first point has already passed.
    """
    if not shares[0] <= target <= max(shares):
        raise ValueError(f"the curve runs from {shares[0]} to {max(shares)} and says nothing of {target}")
    if target == shares[0]:
        return sizes[0]
    for (small, below), (large, above) in pairwise(zip(sizes, shares, strict=True)):
        if below <= target <= above:
            part = 0.0 if above == below else (target - below) / (above - below)
            return round(small * (large / small) ** part)
    raise AssertionError("a curve that begins below its target and reaches it passes it")


def cases() -> list[tuple[list[int], list[float], float]]:
    """In a wide gap; at a measured point; a dip after the first crossing; too high; too low."""
    sizes = [150, 450, 1_350, 4_050, 12_150]
    return [
        (sizes, [0.25, 0.40, 0.52, 0.70, 0.90], 0.80),
        (sizes, [0.30, 0.45, 0.60, 0.75, 0.90], 0.60),
        ([10, 100, 1_000, 10_000], [0.20, 0.60, 0.50, 0.90], 0.55),
        ([100, 1_000, 10_000], [0.50, 0.60, 0.70], 0.95),
        ([100, 1_000, 10_000], [0.50, 0.60, 0.70], 0.30),
    ]


def straight(small: float, large: float, part: float) -> float:
    return small + (large - small) * part


def curved(small: float, large: float, part: float) -> float:
    return small * (large / small) ** part


def version(
    between: Callable = curved, order: int = 1, low: str = "refuse", high: str = "refuse", part: Callable | None = None
) -> Callable:
    """`needed` with single decisions exchanged; `order` -1 looks for the last crossing."""

    def answer(sizes: list[int], shares: list[float], target: float) -> Any:
        if (target < shares[0] and low == "refuse") or (target > max(shares) and high == "refuse"):
            raise ValueError
        steps = list(pairwise(zip(sizes, shares, strict=True)))
        inside = [step for step in steps if step[0][1] <= target <= step[1][1]]
        if not inside:
            step, kept = (steps[0], low) if target < shares[0] else (steps[-1], high)
            if kept == "clamp":
                return step[0][0] if target < shares[0] else step[1][0]
            inside = [step]
        (small, below), (large, above) = inside[::order][0]
        share = (part or (lambda b, a, t: (t - b) / (a - b)))(below, above, target)
        return round(between(small, large, share))

    return answer


def row(args: tuple, value: Any) -> list | None:
    """The target and the pictures as a small table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return [("target", "pictures"), [f"{args[2]:.0%}", f"{value:,}"[:40]]]


NEEDED = Exercise(
    reference=needed,
    cases=cases,
    tell=lambda args: f"for shares {args[1]} at sizes {args[0]}, target {args[2]}",
    picture=row,
    learnt="A further step up costs a factor of pictures, not a number of them. Beyond its points a curve is silent.",
    twins=(
        Twin(
            "linear",
            "the line between two points is drawn over the sizes themselves.",
            "the sizes grow by factors: halfway between 100 and 10,000 lies 1,000. Work on their logarithms.",
            version(straight),
        ),
        Twin(
            "next-point",
            "it gives the first measured size that is good enough.",
            "the crossing lies between that point and the one before: interpolate.",
            version(lambda small, large, part: large if part > 0 else small),
        ),
        Twin(
            "point-before",
            "it gives the last measured size before the target is reached.",
            "there the curve is still below: go the missing part of the way to the next point.",
            version(lambda small, large, part: large if part == 1 else small),
        ),
        Twin(
            "last-crossing",
            "it finds where the curve passes the target for the last time.",
            "the question is when the target is first reached: stop at the first pair of points around it.",
            version(order=-1),
        ),
        Twin(
            "extrapolates",
            "it goes on beyond the last point, as if the curve climbed for ever.",
            "shares end at 1, and no point lies there: raise a ValueError.",
            version(high="go on"),
        ),
        Twin(
            "clamps",
            "where the target is never reached, it gives the largest size.",
            "that size did not reach it either: raise a ValueError.",
            version(high="clamp"),
        ),
        Twin(
            "backwards",
            "it goes back beyond the first point, to sizes that were never tried.",
            "fewer pictures may do, but this curve does not say how many: raise a ValueError.",
            version(low="go on"),
        ),
        Twin(
            "first-size",
            "where the first point is already good enough, it is given as the answer.",
            "perhaps half as many would do; the curve cannot tell: raise a ValueError.",
            version(low="clamp"),
        ),
        Twin(
            "upside-down",
            "the part of the way is counted from the upper point.",
            "the part is (target - below) / (above - below), from the smaller size on.",
            version(part=lambda below, above, target: (above - target) / (above - below)),
        ),
    ),
)
