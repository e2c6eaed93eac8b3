"""What if? A stage made perfect, a report refused: the two questions behind a score that is not good enough.

The waterfall puts perfect outputs in for one stage at a time: what is still wrong then is the fault of the others. The
abstention curve moves a threshold: what is below it goes to a person, and the rest is right more often.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from minivit.inspection.claims import CLAIMS
from minivit.inspection.scores import Reports, pairs
from minivit.panels import right_action
from minivit.reports import NoDamage, Report

STAGES: dict[str, Callable[[dict, dict], dict]] = {
    "code": lambda said, true: said | {"code": true["code"]},
    "badge": lambda said, true: said | {"badge": true["badge"]},
    "icon": lambda said, true: said | {"icon": true["icon"]},
    "damage": lambda said, true: said | {"damage": true["damage"]},
}


def waterfall(
    said: Reports, true: Sequence[Report], act: Callable[[Report], str] | None = None,
    anew: Mapping[str, Reports] | None = None,
) -> dict[str, float]:  # fmt: skip
    """The share of reports right in code and action, as they are and with one stage's output made perfect.

    The action is decided by `act`, the house's rule unless told, from what the report says: so a wrong badge makes a
    wrong action, and a perfect badge mends it. "everything" is all stages perfect: 1, but for reports that are none.
    `anew` are stages before the report: by name the reports that were written with a perfect one.
    """
    told = {"as it is": _right(said, true, _as_it_is, act)}
    told |= {f"perfect {name}": right for name, right in _perfect(said, true, act, anew).items()}
    told |= {"everything": _right(said, true, lambda mine, other: other, act)}
    return {name: sum(right) / len(right) for name, right in told.items()}


def mended(
    said: Reports, true: Sequence[Report], act: Callable[[Report], str] | None = None,
    anew: Mapping[str, Reports] | None = None,
) -> dict[str, tuple[int, int]]:  # fmt: skip
    """Stage -> how many wrong reports its perfect output makes right, and how many right ones wrong.

    Right is right in code and action. The second happens where two faults hide each other: a badge and a level that
    were swapped still differ.
    """
    was, told = _right(said, true, _as_it_is, act), {}
    for name, now in _perfect(said, true, act, anew).items():
        pairs_of = list(zip(was, now, strict=True))
        told[name] = (pairs_of.count((False, True)), pairs_of.count((True, False)))
    return told


def _perfect(
    said: Reports, true: Sequence[Report], act: Callable[[Report], str] | None, anew: Mapping[str, Reports] | None
) -> dict[str, list[bool]]:
    """Stage -> which reports are right where it is perfect, in the order in which they follow each other."""
    told = {name: _right(reports, true, _as_it_is, act) for name, reports in (anew or {}).items()}
    return told | {name: _right(said, true, change, act) for name, change in STAGES.items()}


def _as_it_is(said: dict, true: dict) -> dict:
    return said


def _right(
    said: Reports, true: Sequence[Report], change: Callable[[dict, dict], dict], act: Callable[[Report], str] | None
) -> list[bool]:
    """Whether each report is right in code and action once `change` (what it says, the truth) has been at it."""
    act, found = by_rule if act is None else act, []
    for one, other in pairs(said, true):
        if one is None:
            found.append(False)
            continue
        changed = Report.model_validate(change(one.model_dump(), other.model_dump()) | {"action": other.action})
        found.append(changed.code.text == other.code.text and act(changed) == other.action)
    return found


def by_rule(report: Report) -> str:
    """The action that the house's rules ask for, from what a report says of damage, badge and icon."""
    hurt = report.damage
    severity = None if isinstance(hurt, NoDamage) else hurt.severity
    return right_action(hurt.kind, severity, report.badge.status, report.badge.status == report.icon.level)


def refusals(sure: Sequence[float], right: Sequence[bool]) -> list[tuple[float, float, float]]:
    """How sure each report was, and whether it is right -> (threshold, share answered, share right of those), rising.

    The abstention curve: every confidence is a threshold in turn, and what is below it goes to a person.
    """
    order = sorted(zip(sure, right, strict=True), reverse=True)
    told, hits = [], 0
    for count, (one, good) in enumerate(order, start=1):
        hits += good
        if count == len(order) or order[count][0] < one:
            told.append((one, count / len(order), hits / count))
    return told[::-1]


def threshold(sure: Sequence[float], right: Sequence[bool], wanted: float = 0.99) -> float:
    """The lowest threshold at which at least the share `wanted` of the answered is right; chosen on scenes of its own.

    Raises ValueError where no threshold reaches it.
    """
    for one, _, share in refusals(sure, right):
        if share >= wanted:
            return one
    raise ValueError(f"not even the surest reports are right in {wanted:.0%} of cases: train longer, or ask for less")


def thresholds(sure: Sequence[dict[str, float]], right: Sequence[dict[str, bool]], wanted: float) -> dict[str, float]:
    """Of each claim the lowest threshold at which the share `wanted` is right; 1, which refuses all, if none is."""
    found = dict.fromkeys(CLAIMS, 1.0)
    for claim in CLAIMS:
        with suppress(ValueError):
            found[claim] = threshold([one[claim] for one in sure], [one[claim] for one in right], wanted)
    return found
