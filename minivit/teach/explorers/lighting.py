"""Lesson 13's light: a turn of the talk becomes lit views, shaded words and sentences. No widgets here.

Legend: H W pixels, M slots of a view.

A cell of a view is as bright as the attention weights from the places that chose the words: the mean over blocks, heads
and words. It says where numbers were taken from, not why (see `language.reading`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import prod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from minivit import images
from minivit.inspection.assistant import Assistant
from minivit.inspection.views import NEAR, WHOLE, crop, whole
from minivit.inspection.words import REPORT, WHERE
from minivit.patches import Grid
from minivit.reports import Box
from minivit.teach.explorers.asking import CODE, Talk, Turn, Word, code_words, grid_of, kinds
from minivit.teach.explorers.cutting import enlarge, frame
from minivit.teach.figures import ORANGE

TIMES = (5, 3)  # pixels on the screen for one of the whole and of the near view
DIM = 0.45  # of the brightness of what is not read
ROW = 10  # questions about a picture in one dialogue of the training


@dataclass(frozen=True, eq=False)
class View:
    """What is looked at: a picture, and some words of the turn that was written last about it."""

    model: Assistant
    picture: Tensor  # (3, H, H)
    box: Box | None = None  # where the near view was taken, if one was
    turn: Turn | None = None
    chosen: range | None = None  # which words; None: all of the turn

    @property
    def words(self) -> tuple[Word, ...]:
        """The chosen ones."""
        written = () if self.turn is None else self.turn.words
        return written if self.chosen is None else tuple(written[i] for i in self.chosen)


class Entry(NamedTuple):
    """What the reader asked, and the turns that the model needed."""

    asked: str
    turns: tuple[Turn, ...] = ()

    def grown(self, turn: Turn) -> "Entry":
        """With this turn in place of a shorter one of the same question, or behind the others."""
        before = self.turns[:-1] if self.turns and self.turns[-1].question == turn.question else self.turns
        return self._replace(turns=(*before, turn))

    @property
    def spelled(self) -> range | None:
        """Which words of the last turn are the answer; None: all of them."""
        return (code_words(self.turns[-1]) or None) if self.asked == CODE and self.turns else None


def reading(view: View) -> tuple[Tensor, ...]:
    """For each view that was read (M,): the mean over the chosen words; empty where nothing is written yet."""
    reads = zip(*(word.read for word in view.words), strict=True)
    return tuple(torch.stack(one).mean(dim=0) for one in reads)


def lit(pixels: Tensor, weights: Tensor, grid: Grid, most: float) -> Tensor:
    """(3, H, W) in [0, 1], (M,) -> the same, in colour where as much is read as `most`, grey and dim where little."""
    light = (weights / max(most, 1e-9)).reshape(1, *grid)
    light = light.repeat_interleave(pixels.shape[-2] // grid.rows, 1)
    light = light.repeat_interleave(pixels.shape[-1] // grid.cols, 2)
    return pixels * light + DIM * pixels.mean(0, keepdim=True) * (1 - light)


def draw(view: View) -> list[np.ndarray]:
    """(h, w, 3) uint8 for each view, as the tower sees it; both are lit on one scale, and the near one is framed."""
    seen = [whole(view.picture[None])[0]]
    weights = reading(view)
    if view.box is not None and len(weights) != 1:
        seen.append(crop(view.picture[None], torch.tensor([view.box]))[0])
    most = max((float(one.max()) for one in weights), default=0.0)
    for i, (one, size) in enumerate(zip(weights, (WHOLE, NEAR), strict=False)):
        seen[i] = lit(seen[i], one, grid_of(view.model.bridge, size), most)
    canvases = [
        np.ascontiguousarray(
            enlarge(images.to_uint8(one.clamp(0, 1)), *(side * times for side in one.shape[-2:])).permute(1, 2, 0)
        )
        for one, times in zip(seen, TIMES, strict=False)
    ]
    if len(canvases) == 2:
        y0, x0, y1, x1 = (round(edge * len(canvases[0])) for edge in view.box)
        frame(canvases[0], y0, x0, y1 - y0, x1 - x0)
    return canvases


def shaded(turn: Turn, chosen: range | None = None) -> str:
    """The words of a turn as HTML: the less likely, the darker the ground; chosen ones are underlined."""
    told = ""
    for i, word in enumerate(turn.words):
        style = f"background:{ORANGE}{round(160 * (1 - word.share)):02x}"
        style += ";text-decoration:underline" if i in (chosen or ()) else ""
        told += f'<span title="{word.share:.2f}" style="{style}">{escape(word.text)}</span>'
    return told


def chat(entries: Sequence[Entry], chosen: range | None = None) -> str:
    """All that was asked and said, as HTML, with the chosen words of the last turn underlined."""
    told = ""
    for entry in entries:
        told += f"<p style='margin:6px 0 0'><b>{escape(entry.asked)}</b></p>"
        for turn in entry.turns:
            note = f"<i>{escape(turn.note)}</i><br>" if turn.note else ""
            asked = "" if turn.question == entry.asked else f"({escape(turn.question)}) "
            said = shaded(turn, chosen if turn is entries[-1].turns[-1] else None)
            told += f"<p style='margin:0;overflow-wrap:anywhere'>{note}{asked}{said}</p>"
    return told


def words(view: View) -> str:
    """How likely the chosen words were, what was read for them, and what that means, as HTML."""
    weights, said = reading(view), view.words
    if not weights:
        return ""
    shown, share = escape("".join(word.text for word in said)[:60]), prod(word.share for word in said)
    form = " given the form that it is held to" if view.turn.question in (WHERE, REPORT) else ""
    least = f", the least likely of its {len(said)} pieces {min(word.share for word in said):.2f}"
    parts = [f"{float(one.sum()):.0%} to the {name}" for one, name in zip(weights, ("whole", "crop"), strict=False)]
    of_words = f"{1 - sum(float(one.sum()) for one in weights):.0%} to words"
    row, col = divmod(int(weights[0].argmax()), grid_of(view.model.bridge, WHOLE).cols)
    return (
        f"&ldquo;{shown}&rdquo;: probability {f'{share:.2f}' if share >= 0.01 else 'below 0.01'}{form}"
        f"{least if len(said) > 1 else ''}. Where it was chosen, reading went {', '.join(parts)} and {of_words}; in "
        f"the whole most went to row {row}, column {col}. The map says where numbers were taken from, and is no "
        f"explanation: in the tower each slot has read the rest of its view before."
    )


def state(talk: Talk, own: bool) -> str:
    """How full the context is, and what the assistant was not trained for, in sentences."""
    told = f"{talk.taken} of {talk.model.bridge.language.config.context} tokens of the context are taken."
    if len(talk.turns) > ROW:
        told += f" It was trained on {ROW} questions in a row; these are {len(talk.turns)}."
    if own:
        told += " It knows drawn panels only, and has words for every picture."
    return told + " The darker the ground of a word, the less likely it was."


def refusal(text: str) -> str:
    """What is answered to a question that it was not trained on, as HTML."""
    return (
        f"It was trained on {len(kinds())} questions about panels, and &ldquo;{escape(text[:80])}&rdquo; is none of "
        f"them. It would write something to any text, but nobody has taught it what to write to this one. The nearest "
        f"that it knows:"
    )
