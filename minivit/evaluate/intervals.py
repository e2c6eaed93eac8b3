"""How far a score can be trusted: 95% intervals for a mean over seeds, and for a share of pictures; and chance.

Two different doubts. Another seed gives another model: that is `interval`. Another test set gives another share, even
for the same model: that is `wilson`. A third question comes before both: what would knowing nothing have scored? A
`Score` has the answer beside its value.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """A mean, and the bounds that cover the true one in 95% of cases."""

    mean: float
    low: float
    high: float
    count: int  # values, or pictures, that it rests on

    def __str__(self) -> str:
        return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f})"


class Score(NamedTuple):
    """A share from 0 to 1, and the share that knowing nothing gives."""

    value: float
    chance: float  # what guessing gives in the mean
    count: int  # questions that it rests on: wilson(round(value * count), count)

    def __str__(self) -> str:
        return f"{self.value:.4f} (chance {self.chance:.4f})"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The scores of independent runs -> their mean with Student's t interval.

    With few runs their spread is itself uncertain, so the bounds lie further out than the normal's 1.96 standard
    errors: 2.78 for five runs, 12.71 for two. Source: Student 1908.
    Raises ValueError for fewer than two values, or NaN.
    """
    values = [float(value) for value in values]
    if len(values) < 2:
        raise ValueError(f"one run says nothing about the next: an interval needs 2 values or more; got {len(values)}")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"an interval needs finite values; got {values}")
    _check(confidence)
    count, mean = len(values), math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    reach = _student(confidence, count - 1) * deviation / math.sqrt(count)
    return Interval(mean, mean - reach, mean + reach, count)


def wilson(hits: int, count: int, confidence: float = 0.95) -> Interval:
    """`hits` of `count` pictures right -> the share with Wilson's interval, which never leaves 0 to 1.

    Source: Wilson 1927. Raises ValueError unless 0 <= hits <= count and count >= 1.
    """
    if not (isinstance(hits, int) and isinstance(count, int) and count >= 1 and 0 <= hits <= count):
        raise ValueError(f"hits and count must be whole numbers, 0 <= hits <= count, count >= 1; got {hits}, {count}")
    _check(confidence)
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), hits / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    reach = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # Where none or all are right a bound is exactly 0 or 1; rounding must not move it.
    low, high = (0.0 if hits == 0 else centre - reach), (1.0 if hits == count else centre + reach)
    return Interval(share, low, high, count)


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, for instance 0.95; got {confidence!r}")


def _student(confidence: float, degrees: int) -> float:
    """The t beyond which, on both sides together, lies 1 - confidence."""
    low, high = 0.0, math.pi / 2  # angles: t = sqrt(degrees) * tan(angle)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def _within(angle: float, degrees: int) -> float:
    """The probability that |t| is below sqrt(degrees) tan(angle). Abramowitz and Stegun 1964, 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = (cosine if odd else 1.0) if degrees > 1 else 0.0
    for i in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (i - 1) / i
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
