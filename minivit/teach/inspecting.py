"""Lesson 13's judging: the assistant's answers on many scenes, and those of someone who sees no picture.

Legend: B scenes. A row of `Judged` is one scene's report, held to the grammar and free, how sure it was, its call.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit import images, panels
from minivit.inspection import claims, scores, words
from minivit.inspection.agent import Described, Located, Seen
from minivit.inspection.assistant import Assistant, confidence
from minivit.inspection.scores import Counted, parsed
from minivit.inspection.tools import Result
from minivit.language import Exchange
from minivit.panels import PARTS, Scene
from minivit.reports import Box, Report
from minivit.zoo import seeing
from minivit.zoo.assisting import Judged, decided, judged, questions

CARDS = {
    "damage": ("damage precision", "damage recall", "damage kind", "damage place", "damage severity",
               "damage box IoU", "damage mask IoU"),
    "code": ("code exact", "code error rate"),
    "action": ("schema valid", "field F1", "action", "tool", "policy arguments", "asset arguments",
               *scores.REFUSALS),
}  # fmt: skip
"""The three scorecards, line by line."""


class Scenes(NamedTuple):
    """B scenes to be judged on, with their pictures and where the damage is."""

    scenes: list[Scene]
    pictures: Tensor  # (B, 3, S, S) uint8
    masks: Tensor  # (B, 64, 64) bool


def drawn(count: int, split: str = "test", first: int = 0, size: int = seeing.DRAWN, workers: int = 0) -> Scenes:
    """The scenes with numbers first to first + count - 1. `size` is a multiple of 32."""
    found = panels.batch(range(first, first + count), split, size, parts=True, workers=workers)
    hurt = found.masks[:, PARTS.index("damage")].float()[:, None]
    return Scenes(found.scenes, found.images, F.adaptive_avg_pool2d(hurt, seeing.SIZE)[:, 0] >= 0.5)


def judge(model: Assistant, judging: Scenes, shuffled: bool = False) -> Judged:
    """What the assistant makes of each scene; `shuffled`: of the picture of the scene before."""
    seen = judging.pictures.roll(1, 0) if shuffled else None
    return judged(model, judging.scenes, judging.pictures, judging.masks, seen)


def without_picture(model: Assistant, judging: Scenes) -> Judged:
    """The same dialogue with no picture in it. Every scene gets the same report, so it is asked for once."""
    box = model.ask(None, [words.WHERE], model.grammars["box"]).texts[0]
    told = [Exchange(words.WHERE, box), Exchange(words.REPORT)]
    held = model.say([told], None, model.grammars["report"])
    free = parsed(model.say([told], None).texts[0])
    calls = decided(model, None, [box], held.texts)[0]
    sure = confidence(model.pieces, held.texts[0], held.tokens[0], held.shares[0])
    asked = zip(*map(questions, judging.scenes, range(len(judging.scenes))), strict=True)
    answers = list(zip(*(model.ask(None, each).texts for each in asked), strict=True))
    return _always(parsed(held.texts[0]), free, sure, calls, answers, judging)


def from_true_plates(model: Assistant, judging: Scenes, together: int = 100) -> list[Report | None]:
    """The reports where the nearer look is given the plate's true place, and not the one that the model wrote."""
    said: list[Report | None] = []
    for at in range(0, len(judging.scenes), together):
        boxes = [panels.report(scene).code.box for scene in judging.scenes[at : at + together]]
        slots = model.look(judging.pictures[at : at + together], torch.tensor(boxes))
        said += map(parsed, model.report(slots, list(map(words.box, boxes))).texts)
    return said


def prior(judging: Scenes, seen: Sequence[Report]) -> Judged:
    """Someone who has read many reports and looks at nothing: always the most frequent words."""
    said = scores.prior(seen)
    calls = (words.first_call(said), words.second_call(said), words.ENOUGH)
    answers = [(words.report_text(said),) * len(scores.REFUSALS)] * len(judging.scenes)  # whatever the question is
    return _always(said, said, dict.fromkeys((*claims.CLAIMS, "action"), 0.0), calls, answers, judging)


def _always(
    said: Report, free: Report | None, sure: dict, calls: tuple[str, ...], answers: list, judging: Scenes
) -> Judged:
    count, true = len(judging.scenes), [panels.report(scene) for scene in judging.scenes]
    nowhere = torch.zeros_like(judging.masks)
    return Judged(
        [said] * count, [free] * count, [sure] * count, [calls] * count, answers, nowhere, true, judging.masks
    )  # fmt: skip


def share(counted: Counted) -> float:
    """What was right, of all."""
    return counted.right / counted.count if counted.count else 0.0


def weakest(sure: dict[str, float], of: Iterable[str] = claims.CLAIMS) -> float:
    """How sure the least sure of these claims of a report is: a loop that checks them refuses when it is too low."""
    return min(claims.probability(sure, claim) for claim in of)


class Scripted:
    """A mind that says what it was told to say: for trying what a loop does with a model that misbehaves."""

    def __init__(self, report: Report, calls: Sequence[str] = (), answer: str = "", sure: float = 1.0, text: str = ""):
        self.said, self.calls, self.closing, self.sure = report, list(calls), answer, sure
        self.least = claims.SURE
        self.text = text or words.report_text(report)

    def locate(self, picture: Tensor) -> Located:
        """Where the report says that the code is."""
        return Located(self.said.code.box, self.sure)

    def describe(self, picture: Tensor, box: Box) -> Described:
        """The report, as it stands in the script."""
        return Described(self.text, True, dict.fromkeys((*claims.CLAIMS, "action"), self.sure))

    def call(self, seen: Seen, results: tuple[Result, ...]) -> str:
        """The next call of the script."""
        return self.calls[len(results)] if len(results) < len(self.calls) else ""

    def answer(self, seen: Seen, results: tuple[Result, ...]) -> str:
        """The closing sentence of the script."""
        return self.closing


def photograph(name: str, side: int = 256) -> Tensor:
    """(3, side, side) uint8: the middle of a photograph that ships."""
    return images.fit(images.sample(name)[None], side, side)[0]
