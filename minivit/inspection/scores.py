"""Three claims, three scores: what is damaged, which code is read, what is done. Never one number for all.

Legend: B pictures, H W pixels of the whole view.

A report may be right about a crack and wrong about the code; a valid one may be all wrong. So damage, code and action
are scored apart, each beside what someone scores who never saw the picture, and the signs that an action hangs on are
counted one by one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from minivit.evaluate import Score
from minivit.inspection import claims, words
from minivit.inspection.tools import Refused, parsed_call
from minivit.reports import NoDamage, Report, overlap

Reports = Sequence[Report | None]  # None: what was written is no report


class Counted(NamedTuple):
    """A sum of right answers, or of shares, over so many cases."""

    right: float
    count: int


def parsed(text: str) -> Report | None:
    """JSON -> the report, or None where it is not valid by the schema."""
    try:
        return Report.model_validate_json(text)
    except ValueError:
        return None


def damage(said: Reports, true: Sequence[Report]) -> dict[str, Counted]:
    """Of the damages named, the share of the right kind (precision); of those there (recall); and where they are.

    A box counts with its intersection over union, and with 0 where the kind is wrong.
    """
    kinds = [(_kind(one), _kind(other)) for one, other in pairs(said, true)]
    right = sum(one == other != "none" for one, other in kinds)
    hurt = [(one, other) for one, other in pairs(said, true) if _kind(other) != "none"]
    found = [(one.damage, other.damage) for one, other in hurt if _kind(one) == _kind(other)]
    return {
        "damage precision": Counted(right, sum(one not in ("none", None) for one, _ in kinds)),
        "damage recall": Counted(right, len(hurt)),
        "damage kind": Counted(sum(one == other for one, other in kinds), len(kinds)),
        "damage place": Counted(sum(one.place == other.place for one, other in found), len(hurt)),
        "damage severity": Counted(sum(one.severity == other.severity for one, other in found), len(hurt)),
        "damage box IoU": Counted(sum(overlap(one.box, other.box) for one, other in found), len(hurt)),
    }


def masks(said: Tensor, true: Tensor) -> dict[str, Counted]:
    """(B, H, W) bool twice -> intersection over union, the mean over pictures that have damage."""
    if said.shape != true.shape or said.dtype != torch.bool or true.dtype != torch.bool:
        raise ValueError(f"masks are boolean (B, H, W), twice; got {said.dtype} {tuple(said.shape)}, {true.dtype} "
                         f"{tuple(true.shape)}")  # fmt: skip
    there = true.flatten(1).any(dim=1)
    both, either = (said & true).flatten(1).sum(dim=1), (said | true).flatten(1).sum(dim=1)
    return {"damage mask IoU": Counted(float((both[there] / either[there]).sum()), int(there.sum()))}


def code(said: Reports, true: Sequence[Report]) -> dict[str, Counted]:
    """Codes read without a fault, and the edits that the others need, of all letters."""
    read = [("" if one is None else one.code.text, other.code.text) for one, other in pairs(said, true)]
    wrong = sum(edits(one, other) for one, other in read)
    return {
        "code exact": Counted(sum(one == other for one, other in read), len(read)),
        "code error rate": Counted(wrong, sum(len(other) for _, other in read)),
    }


def signs(said: Reports, true: Sequence[Report]) -> dict[str, Counted]:
    """Badges, hazards and the levels on their icons: what the action is decided from, besides the damage."""
    read = [(_fields(one), _fields(other)) for one, other in pairs(said, true)]
    return {
        name: Counted(sum(one.get(name) == other[name] for one, other in read), len(read))
        for name in ("badge", "hazard", "level")
    }


def action(said: Reports, true: Sequence[Report]) -> dict[str, Counted]:
    """Valid reports, their fields, their actions. Fields are all words of a report; F1 counts each alike."""
    right = named = there = 0
    for one, other in pairs(said, true):
        mine, theirs = _fields(one), _fields(other)
        right += sum(theirs.get(name) == value for name, value in mine.items())
        named, there = named + len(mine), there + len(theirs)
    acts = [(None if one is None else one.action, other.action) for one, other in pairs(said, true)]
    return {
        "schema valid": Counted(sum(one is not None for one in said), len(said)),
        "field F1": Counted(right, max(1, named + there) / 2),
        "action": Counted(sum(one == other for one, other in acts), len(acts)),
    }


def calls(said: Sequence[Sequence[str]], true: Sequence[Report]) -> dict[str, Counted]:
    """What was looked up in turn, as texts -> right tools, of all decisions; right tool and arguments, of each call.

    Three decisions are wanted of every panel: the policy for what it shows, the asset of its code, and to stop.
    """
    tools, whole = 0, [0, 0, 0]
    for mine, other in pairs(said, true):
        for place, text in enumerate((words.first_call(other), words.second_call(other), words.ENOUGH)):
            decided, wanted = _called(mine[place] if place < len(mine) else ""), _called(text)
            tools += decided[0] == wanted[0]
            whole[place] += decided == wanted
    return {
        "tool": Counted(tools, 3 * len(true)),
        "policy arguments": Counted(whole[0], len(true)),
        "asset arguments": Counted(whole[1], len(true)),
    }


def _called(text: str) -> tuple[str, dict]:
    """The name of a tool and its arguments; `words.ENOUGH` where one stops, and "" for what is no call."""
    try:
        return (text, {}) if text == words.ENOUGH else parsed_call(text)
    except Refused:
        return "", {}


REFUSALS = {"right refusal": True, "right refusal, kept back": True, "no wrong refusal": False}
"""Questions that no picture answers, trained on and kept back, and questions that one does: is a refusal right?"""


def refusals(said: Sequence[Sequence[str]]) -> dict[str, Counted]:
    """Of each picture the answers to three questions, in the order of `REFUSALS` -> where it was right to refuse."""
    return {
        name: Counted(sum(words.refused(one) is right for one in answers), len(answers))
        for (name, right), answers in zip(REFUSALS.items(), zip(*said, strict=True), strict=True)
    }


def right(said: Reports, true: Sequence[Report]) -> list[bool]:
    """Whether all the words of each report are right: then it need not have been refused. Boxes are left out."""
    return [_fields(one) == _fields(other) for one, other in pairs(said, true)]


def claimed(said: Reports, true: Sequence[Report]) -> list[dict[str, bool]]:
    """Of each report, which claims are right, all words of it; boxes are left out."""
    return [
        {claim: one is not None and claims.words(one, claim) == claims.words(other, claim) for claim in claims.CLAIMS}
        for one, other in pairs(said, true)
    ]


def prior(seen: Sequence[Report]) -> Report:
    """The report of someone who looks at no picture: of every field the most frequent value, of every box the mean."""

    def most(values: list) -> str:
        return Counter(values).most_common(1)[0][0]

    def middle(boxes: list) -> tuple:
        return tuple(round(sum(edges) / len(edges), 2) for edges in zip(*boxes, strict=True))

    hurt = [one.damage for one in seen if not isinstance(one.damage, NoDamage)]
    kind = most([_kind(one) for one in seen])
    damaged = {"kind": kind}
    if kind != "none":
        damaged |= {"place": most([one.place for one in hurt]), "severity": most([one.severity for one in hurt]),
                    "box": middle([one.box for one in hurt])}  # fmt: skip
    return Report.model_validate({
        "code": {"text": most([one.code.text for one in seen]), "box": middle([one.code.box for one in seen])},
        "badge": {"status": most([one.badge.status for one in seen]), "box": middle([one.badge.box for one in seen])},
        "icon": {"hazard": most([one.icon.hazard for one in seen]), "level": most([one.icon.level for one in seen]),
                 "box": middle([one.icon.box for one in seen])},
        "damage": damaged,
        "action": most([one.action for one in seen]),
    })  # fmt: skip


def beside(said: Mapping[str, Counted], blind: Mapping[str, Counted]) -> dict[str, Score]:
    """What was scored, with what a blind one scores as its chance level."""
    return {name: Score(_share(one), _share(blind[name]), round(one.count)) for name, one in said.items()}


def edits(one: str, other: str) -> int:
    """The fewest letters to insert, take out or exchange that make one text the other. Source: Levenshtein 1966."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != right))
    return row[-1]


def pairs(said: Reports, true: Sequence[Report]) -> list[tuple[Report | None, Report]]:
    """Each report beside the true one of its picture; ValueError where there are not as many, or none."""
    if len(said) != len(true) or not true:
        raise ValueError(f"each report is compared with a true one, at least one; got {len(said)} and {len(true)}")
    return list(zip(said, true, strict=True))


def _kind(report: Report | None) -> str | None:
    return None if report is None else report.damage.kind


def _fields(report: Report | None) -> dict[str, str]:
    """The words of a report by name, without boxes."""
    if report is None:
        return {}
    told = {"code": report.code.text, "badge": report.badge.status, "hazard": report.icon.hazard,
            "level": report.icon.level, "damage": report.damage.kind, "action": report.action}  # fmt: skip
    if not isinstance(report.damage, NoDamage):
        told |= {"place": report.damage.place, "severity": report.damage.severity}
    return told


def _share(counted: Counted) -> float:
    return counted.right / counted.count if counted.count else 0.0
