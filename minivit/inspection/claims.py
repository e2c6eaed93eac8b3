"""What a report claims: each claim in words, the region that it rests on, and how sure one must be of it.

A box is (y0, x0, y1, x1), fractions of the picture, y down, x to the right.
"""

from minivit.reports import Box, NoDamage, Report

CLAIMS = ("code", "badge", "icon", "damage")
"""What can be unsure. The action is no claim of its own: it follows from these, by the policy."""
WHOLE = (0.0, 0.0, 1.0, 1.0)
SURE = 0.9  # of every claim, where nothing was measured
_TAKEN_FROM = {  # argument of a call -> claims
    "code": ("code",),
    "damage": ("damage",),
    "severity": ("damage",),
    "badge": ("badge",),
    "agree": ("badge", "icon"),
}


def words(report: Report, claim: str) -> str:
    """A claim without its box, such as "crack upper left major"."""
    return " ".join(getattr(report, claim).model_dump(exclude={"box"}).values())


def region(report: Report, claim: str) -> Box:
    """The box of a claim; the whole picture where a panel is without damage."""
    found = getattr(report, claim)
    return WHOLE if isinstance(found, NoDamage) else found.box


def facts(report: Report) -> dict[str, object]:
    """What the arguments of calls must agree with, by argument name."""
    sound = isinstance(report.damage, NoDamage)
    return {
        "code": report.code.text,
        "damage": report.damage.kind,
        "severity": "none" if sound else report.damage.severity,
        "badge": report.badge.status,
        "agree": report.badge.status == report.icon.level,
    }


def region_of_call(report: Report, arguments: dict) -> Box:
    """One box around all the claims that the arguments of a call are taken from; the whole picture if from none."""
    boxes = [region(report, claim) for name in arguments for claim in _TAKEN_FROM.get(name, ())]
    if not boxes:
        return WHOLE
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def is_a_box(box: Box) -> bool:
    """Four numbers in order, within the picture, and not empty; so none of them is NaN."""
    return len(box) == 4 and 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1


def around(box: Box, times: float) -> Box:
    """A box made larger or smaller about its middle, as far as the picture reaches."""
    y0, x0, y1, x1 = box
    y, x, high, wide = (y0 + y1) / 2, (x0 + x1) / 2, (y1 - y0) * times / 2, (x1 - x0) * times / 2
    return max(0.0, y - high), max(0.0, x - wide), min(1.0, y + high), min(1.0, x + wide)


def probability(confidence: dict[str, float], claim: str) -> float:
    """Of a claim; 0 where nothing is said of it, or NaN."""
    said = confidence.get(claim, 0.0)
    return said if said >= 0 else 0.0


def thresholds(sure: float | dict[str, float]) -> dict[str, float]:
    """One probability for all of CLAIMS, or some by name -> the least probability of each that is to be checked.

    No claim reaches 1: that is for those which cannot be sure enough.

    Raises ValueError for a name that is no claim, and for a number that is no probability.
    """
    least = dict(sure) if isinstance(sure, dict) else dict.fromkeys(CLAIMS, sure)
    if unknown := [claim for claim in least if claim not in CLAIMS]:
        raise ValueError(f"sure names {', '.join(map(repr, unknown))}; the claims are {', '.join(CLAIMS)}")
    for claim, value in least.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"sure of the {claim} is {value!r}; give a probability from 0 to 1, such as {SURE}")
    return least
