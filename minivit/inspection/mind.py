"""The assistant as the loop sees it: one picture, one question at a time, nothing kept in between.

Legend: C channels, H W pixels.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from minivit.inspection import words
from minivit.inspection.agent import Described, Located, Seen
from minivit.inspection.assistant import Assistant, Slots, confidence, inspected, usable
from minivit.inspection.grammar import Grammar
from minivit.inspection.tools import Result, Tools
from minivit.language import Exchange
from minivit.reports import Box


class AssistantMind:
    """An `Assistant` that has these tools to call; see `agent.Mind`."""

    def __init__(self, assistant: Assistant, tools: Tools):
        self.assistant, self.least = assistant, assistant.least
        self.calls = Grammar(assistant.pieces, tools.call_schema, choices=[words.ENOUGH])

    def locate(self, picture: Tensor) -> Located:
        """(C, H, W) -> where the code plate is; how likely these very four numbers were, which is seldom near 1."""
        boxes, said = self.assistant.locate(self._slots(picture))
        return Located(tuple(boxes[0].tolist()), math.prod(said.shares[0]))

    def describe(self, picture: Tensor, box: Box) -> Described:
        """(C, H, W) and the box to look at nearer -> the report, held to its schema, and how sure each claim is."""
        box = usable(box)
        said = self.assistant.report(self._slots(picture, box), [words.box(box)])
        sure = confidence(self.assistant.pieces, said.texts[0], said.tokens[0], said.shares[0])
        return Described(said.texts[0], said.finished[0], sure)

    def call(self, seen: Seen, results: tuple[Result, ...]) -> str:
        """The next call as JSON, held to the schema of calls, or "" when nothing more is needed."""
        told = self._so_far(seen, results)
        said = self.assistant.say([told], self._slots(seen.picture, seen.box), self.calls)
        return "" if said.texts[0] == words.ENOUGH else said.texts[0]

    def answer(self, seen: Seen, results: tuple[Result, ...]) -> str:
        """The closing sentence, as free as the language model is."""
        told = self._so_far(seen, results)
        told[-1] = told[-1]._replace(answer=words.ENOUGH)
        told.append(Exchange(words.SUM_UP))
        return self.assistant.say([told], self._slots(seen.picture, seen.box)).texts[0]

    def _slots(self, picture: Tensor, box: Box | None = None) -> Slots:
        """What is seen of a square picture: of another, boxes would be fractions of a part of it only."""
        if picture.shape[-2] != picture.shape[-1]:
            raise ValueError(
                f"the assistant looks at square pictures; got {picture.shape[-2]} x {picture.shape[-1]} pixels: pass "
                f"its middle, views.square(picture)"
            )
        return self.assistant.look(picture[None], None if box is None else torch.tensor([box]))

    def _so_far(self, seen: Seen, results: tuple[Result, ...]) -> list[Exchange]:
        return so_far(words.box(usable(seen.box)), words.report_text(seen.report), results)


def so_far(box: str, report: str, results: Sequence[Result]) -> list[Exchange]:
    """The inspection up to the question what to look up next.

    Refused calls are left out: nothing taught the model what to make of them, and it gets the same chance again.
    """
    told, before = inspected(box, report), ""
    for result in (result for result in results if result.ok):
        told.append(Exchange(before + words.LOOK_UP, words.call_text(result.name, result.arguments)))
        before = result.text + " "
    return [*told, Exchange(before + words.LOOK_UP)]
