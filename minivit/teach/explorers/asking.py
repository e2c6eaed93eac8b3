"""Lesson 13's talk: which questions the assistant knows, its words one by one, and what of the picture each one read.

Legend: M slots of a view, T tokens of the dialogue so far.

The assistant was trained on two kinds of dialogue: single questions about one view, several in a row, and inspections,
in which it says where the code plate is and then writes a report of a second, nearer view. A talk keeps to these. No
widgets here.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from minivit import images, panels
from minivit.bridge import Bridge, Budget, splice
from minivit.inspection import words
from minivit.inspection.assistant import LIMIT, Assistant, Slots, inspected, usable
from minivit.inspection.views import NEAR, WHOLE
from minivit.language import Exchange, dialogue, readings, stream
from minivit.patches import Grid
from minivit.reports import Box

CODE = "What is the asset code?"  # it is read in a report, whose beginning it is
SHORT = 24  # tokens of an answer that is no report; a box spelled digit by digit takes 22
_CODE = re.compile(r'"text":"([^"]*)"')


@lru_cache(maxsize=1)
def kinds() -> tuple[str, ...]:
    """Every question that it was trained on and can be asked here; the last twelve have an answer in no picture."""
    single = [turn.question for turn in words.asked(panels.sample_scene(0))]
    return (*single, CODE, words.WHERE, words.REPORT, *words.UNANSWERABLE[: words.KNOWN_UNANSWERABLE])


def understood(text: str) -> str | None:
    """What was typed -> the question as it was trained on, whatever its case, spaces and signs; None for any other."""
    return {_bare(kind): kind for kind in kinds()}.get(_bare(text))


def nearest(text: str, count: int = 3) -> list[str]:
    """The trained questions whose letters agree best with what was typed, the best first."""
    known = {_bare(kind): kind for kind in kinds()}
    return [known[bare] for bare in difflib.get_close_matches(_bare(text), list(known), count, cutoff=0.0)]


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


class Word(NamedTuple):
    """One token that was written, how likely it was, and what was read where it was chosen."""

    token: int
    text: str
    share: float  # its probability, given all before it and the form that the answer is held to
    read: tuple[Tensor, ...]  # for each view (M,), the mean over blocks and heads; words and views together have 1


class Turn(NamedTuple):
    """A question to the model and what it has written so far."""

    question: str
    words: tuple[Word, ...] = ()
    note: str = ""  # why the dialogue began anew before it

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words)


def grid_of(bridge: Bridge, size: tuple[int, int]) -> Grid:
    """The rows and columns of the slots of a view. Raises ValueError for a merger whose slots lie on no grid."""
    grid = Grid.of(*size, bridge.tower.config.patch)
    slots = bridge.merge.slots(grid)
    times = math.isqrt(max(1, grid.tokens // slots))
    found = Grid(max(1, grid.rows // times), max(1, grid.cols // times))
    if found.tokens != slots:
        raise ValueError(
            f"{slots} slots for {grid.rows} x {grid.cols} patches lie on no grid and cannot be lit: take a merger that "
            f"joins neighbours, such as PixelShuffle(2)"
        )
    return found


def budget(model: Assistant, turns: Sequence[Exchange], answer: int) -> Budget:
    """What a dialogue takes of the context, with so many tokens for its next answer."""
    ids, bridge = dialogue(model.pieces, turns).ids, model.bridge
    views = int((ids == model.pieces.image).sum())
    near = grid_of(bridge, NEAR).tokens if views > 1 else 0
    return Budget(
        bridge.language.config.context, WHOLE, bridge.tower.config.patch, bridge.merge, images=min(views, 1),
        text=len(ids) - views + near, answer=answer,
    )  # fmt: skip


@torch.no_grad()
def writing(
    model: Assistant, turns: Sequence[Exchange], slots: Slots, limit: int, allowed: Callable | None = None
) -> Iterator[Word]:
    """A dialogue whose last answer is open, and the slots of one picture -> its words, as they come, greedily.

    `allowed` holds them to a form (see `language.stream`). Raises ValueError beyond the context, with the numbers.
    """
    language, pieces, shares = model.bridge.language, model.pieces, []
    views = [slots.whole[0]] if slots.near is None else [slots.whole[0], slots.near[0]]
    line = splice(dialogue(pieces, turns).ids[None], views, language.table, pieces.image)
    places = (line.ids[0] == pieces.image).nonzero()[:, 0].split([len(view) for view in views])

    def likeliest(logits: Tensor) -> Tensor:
        best = logits.float().softmax(dim=-1).max(dim=-1)
        shares.append(float(best.values))
        return best.indices

    vectors = line.vectors
    for token in stream(language, vectors, limit=limit, stop=[pieces.end], choose=likeliest, allowed=allowed):
        if int(token) == pieces.end:
            return
        read = torch.stack(readings(language, vectors)).mean(dim=(0, 2))[0, -1]  # (T,), where the token was chosen
        yield Word(int(token), pieces.text([int(token)]), shares[-1], tuple(read[place] for place in places))
        vectors = torch.cat([vectors, language.table(token[:, None])], dim=1)


class Talk:
    """Questions about one picture, in one context for as long as they fit."""

    def __init__(self, model: Assistant, picture: Tensor):
        """(3, H, W): of a picture that is no square, the middle is seen."""
        side = min(picture.shape[-2:])
        self.model, self.picture = model, images.fit(picture, side, side)
        self.whole = model.look(self.picture[None])
        self.turns: list[Exchange] = []  # what stands in the context
        self.box: Box | None = None  # where it looks nearer

    @property
    def taken(self) -> int:
        """Tokens of the context, slots and words."""
        return budget(self.model, self.turns, 0).used if self.turns else 0

    def ask(self, question: str) -> Iterator[Turn]:
        """One of `kinds` -> a turn that grows by a word at a time; for a report or a code two, one after the other.

        Raises ValueError for any other question.
        """
        if question not in kinds():
            raise ValueError(
                f"it was trained on {len(kinds())} questions, and {question!r} is none; ask one of `kinds`"
            )
        if question not in (CODE, words.REPORT):
            yield from self._asked(question)
            return
        if [turn.question for turn in self.turns] != [words.WHERE]:
            yield from self._asked(words.WHERE)
        yield from self._reported(only_code=question == CODE)

    def _asked(self, question: str) -> Iterator[Turn]:
        """A question about the whole view."""
        note = self._why_anew(question)
        if note:
            self.turns, self.box = [], None
        form = self.model.grammars["box"].allowed if question == words.WHERE else None
        yield from self._written(Exchange(question, images=int(not self.turns)), self.whole, SHORT, form, note)

    def _reported(self, only_code: bool) -> Iterator[Turn]:
        """The report of both views; the code is its beginning, and where no more is wanted, it ends there."""
        self.box = usable(words.boxed(self.turns[0].answer))
        both = self.model.look(self.picture[None], torch.tensor([self.box]))
        asked = inspected(self.turns[0].answer)[-1]
        for turn in self._written(asked, both, LIMIT, self.model.grammars["report"].allowed):
            yield turn
            if only_code and code_words(turn):
                return

    def _written(
        self, asked: Exchange, slots: Slots, limit: int, allowed: Callable | None = None, note: str = ""
    ) -> Iterator[Turn]:
        before, turn = tuple(self.turns), Turn(asked.question, (), note)
        self.turns = [*before, asked._replace(answer="")]
        yield turn
        for word in writing(self.model, [*before, asked], slots, limit, allowed):
            turn = turn._replace(words=(*turn.words, word))
            self.turns = [*before, asked._replace(answer=self.model.pieces.text([one.token for one in turn.words]))]
            yield turn

    def _why_anew(self, question: str) -> str:
        """Why the dialogue must begin anew before this question; "" where it goes on."""
        if not self.turns:
            return ""
        if question == words.WHERE:
            return "An inspection is a dialogue of its own, so it begins anew."
        if self.turns[0].question == words.WHERE:
            return "Single questions were trained apart from inspections, so the dialogue begins anew."
        needed = budget(self.model, [*self.turns, Exchange(question)], SHORT)
        if needed.left >= 0:
            return ""
        return (
            f"The context is full: it holds {needed.context} tokens, {self.taken} are taken, and this question with "
            f"its answer may take {needed.used - self.taken}. So the dialogue begins anew."
        )


def code_words(turn: Turn) -> range:
    """Which words of a report spell the asset code, once it is told; before that none."""
    ends = list(accumulate(len(word.text) for word in turn.words))
    found = _CODE.search(turn.text)
    if found is None:
        return range(0)
    first, last = found.span(1)
    within = [i for i, (word, end) in enumerate(zip(turn.words, ends, strict=True))
              if end > first and end - len(word.text) < last]  # fmt: skip
    return range(within[0], within[-1] + 1)
