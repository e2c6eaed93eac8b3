"""The assistant: a tower that looks, a bridge, a language model that writes, and what they are asked in turn.

Legend: B pictures, H W pixels, K slots, D the tower's width, E the language model's width, V vocabulary.

    whole picture -> where is the asset code? -> a crop of it -> the report -> calls -> what came of them -> a sentence

All of it is one dialogue in one context: 16 slots for the whole, 12 for the crop, words for the rest. Every method
works on many pictures at once; `agent.inspect` asks about one.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from minivit.bridge import Bridge, splice
from minivit.inspection import claims, words
from minivit.inspection.grammar import Grammar
from minivit.inspection.views import crop, square, whole
from minivit.language import Exchange, Pieces, dialogue, generate, left_padded
from minivit.reports import Box, Report

LIMIT = 200  # tokens of an answer; a report takes up to 64, and up to 190 where all is spelled in bytes

_CLAIMS = {
    "code": r'"text":"([^"]*)"',
    "badge": r'"status":"([^"]*)"',
    "icon": r'"hazard":"([^"]*)","level":"([^"]*)"',
    "damage": r'"kind":"([^"]*)"(?:,"place":"([^"]*)","severity":"([^"]*)")?',
    "action": r'"action":"([^"]*)"',
}


class Said(NamedTuple):
    """B answers, each with the probability of each of its tokens."""

    texts: list[str]
    finished: list[bool]  # False: cut off by the limit
    tokens: list[list[int]]
    shares: list[list[float]]  # the probability of every token, given those before it and the grammar


class Slots(NamedTuple):
    """What the language model gets to see of B pictures."""

    whole: Tensor  # (B, 16, E)
    near: Tensor | None = None  # (B, 12, E)


class Assistant(nn.Module):
    """A `Bridge` with its pieces, and a map that draws where the tower sees damage: (B, N, D) -> (B, H, W).

    `least` says how probable its claims must be to be taken for true; a trained one has it measured.
    """

    def __init__(self, bridge: Bridge, hurt: nn.Linear, pieces: Pieces, least: float | dict[str, float] = claims.SURE):
        super().__init__()
        self.bridge, self.hurt, self.pieces, self.least = bridge, hurt, pieces, least
        defined = Report.model_json_schema()
        self.grammars = {
            "box": Grammar(pieces, defined["$defs"]["CodeClaim"]["properties"]["box"]),
            "report": Grammar(pieces, defined),
        }

    @torch.no_grad()
    def look(self, pictures: Tensor, boxes: Tensor | None = None) -> Slots:
        """(B, 3, H, W) and, for a crop too, (B, 4) -> `Slots`.

        Of a picture that is not square its middle is seen, and boxes are fractions of that (see `views.square`).
        """
        pictures = square(pictures)
        far = self.bridge.slots(self.bridge.look(whole(pictures)))
        return Slots(far, None if boxes is None else self.bridge.slots(self.bridge.look(crop(pictures, boxes))))

    @torch.no_grad()
    def damage(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 64, 64): how likely each pixel of the whole view is damaged."""
        seen = self.bridge.look(whole(pictures))
        side = int(self.hurt.out_features**0.5)
        shape = {"rows": seen.grid.rows, "p": side, "q": side}
        return rearrange(self.hurt(seen.tokens), "b (rows cols) (p q) -> b (rows p) (cols q)", **shape).sigmoid()

    def say(
        self,
        told: Sequence[Sequence[Exchange]],
        slots: Slots | None,
        grammar: Grammar | None = None,
        limit: int = LIMIT,
    ) -> Said:
        """B dialogues whose last answer is open -> B answers, greedily; held to `grammar` where there is one.

        At most `limit` tokens are written, and no more than the context has room for.
        """
        ids, valid = left_padded([dialogue(self.pieces, turns).ids.tolist() for turns in told], self.pieces.pad)
        language, noting = self.bridge.language, _Noting()
        with torch.inference_mode():
            line = splice(ids, self._in_order(ids, slots), language.table, self.pieces.image, valid)
            room = language.config.context - line.vectors.shape[1] + 1
            limit = max(1, min(limit, room))
            written = generate(
                language, line.vectors, valid=line.valid, limit=limit, stop=[self.pieces.end], choose=noting,
                allowed=None if grammar is None else grammar.allowed,
            )  # fmt: skip
        rows = [row[:length].tolist() for row, length in zip(written.ids, written.lengths.tolist(), strict=True)]
        shares = torch.stack(noting.shares, dim=1)
        each = [own[: len(row)].tolist() for own, row in zip(shares, rows, strict=True)]
        return Said([self.pieces.text(row) for row in rows], written.stopped.tolist(), rows, each)

    def ask(self, slots: Slots | None, questions: Sequence[str], grammar: Grammar | None = None) -> Said:
        """A question about each of B pictures, or about none -> B answers."""
        return self.say([[Exchange(one, images=int(slots is not None))] for one in questions], slots, grammar)

    def locate(self, slots: Slots) -> tuple[Tensor, Said]:
        """-> (B, 4), where the asset code is, and what was said."""
        said = self.ask(slots, [words.WHERE] * len(slots.whole), self.grammars["box"])
        return torch.tensor([usable(words.boxed(text)) for text in said.texts]), said

    def report(self, slots: Slots, boxes: Sequence[str], held: bool = True, limit: int = LIMIT) -> Said:
        """Both views and where the crop was taken, as text -> the reports as JSON; `held` to the schema or not."""
        told = [inspected(text) for text in boxes]
        return self.say(told, slots, self.grammars["report"] if held else None, limit)

    def _in_order(self, ids: Tensor, slots: Slots | None) -> list[Tensor]:
        """The slots of every mark, row by row."""
        if slots is None:
            return []
        marks = (ids == self.pieces.image).sum(dim=1).tolist()
        views = [slots.whole] if slots.near is None else [slots.whole, slots.near]
        given = list(zip(*views, strict=True))
        return [one for row, count in zip(given, marks, strict=True) for one in row[:count]]


class _Noting:
    """Takes the likeliest token, and notes how likely it was."""

    def __init__(self):
        self.shares: list[Tensor] = []

    def __call__(self, logits: Tensor) -> Tensor:
        likeliest = logits.float().softmax(dim=-1).max(dim=-1)
        self.shares.append(likeliest.values)
        return likeliest.indices


def inspected(box: str, report: str | None = None) -> list[Exchange]:
    """The first two turns of an inspection: where the code is, then the report, to be written unless it is given."""
    return [Exchange(words.WHERE, box, images=1), Exchange(words.REPORT, report, images=1)]


def usable(box: Box) -> Box:
    """A box that can be cut out: edges in order, a hundredth apart at least."""
    y0, x0, y1, x1 = box
    return min(y0, 0.99), min(x0, 0.99), max(y1, min(y0, 0.99) + 0.01), max(x1, min(x0, 0.99) + 0.01)


def confidence(pieces: Pieces, text: str, tokens: Sequence[int], shares: Sequence[float]) -> dict[str, float]:
    """How likely the words of each claim of a report were, multiplied; 0 for a claim that is missing.

    Edges of boxes are left out: a hundredth more or less makes no claim wrong.
    """
    ends, end = [], 0
    for token in tokens:
        end += len(pieces.bytes(token))
        ends.append(end)
    starts, told = [0, *ends[:-1]], {}
    for claim, pattern in _CLAIMS.items():
        match = re.search(pattern, text)
        spans = [] if match is None else [match.span(i + 1) for i in range(len(match.groups())) if match[i + 1]]
        sure = float(bool(spans))
        for start, stop, share in zip(starts, ends, shares, strict=True):
            if any(start < last and stop > first for first, last in spans):
                sure *= share
        told[claim] = sure
    return told
