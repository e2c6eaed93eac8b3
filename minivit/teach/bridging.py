"""Lesson 12's bridge: a frozen tower, a frozen language model, and what lies between them, which learns.

Legend: M scenes, N = 8 x 8 tokens of width D = 128 as lesson 7's tower sees them, R dialogues, T tokens of a dialogue.

The tower's tokens are kept: for as long as it is frozen it would see the same each time. A dialogue is five questions
about one picture, in any order, and what is judged is one question about a picture of a combination never trained on.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minivit import images, panels
from minivit.bridge import Bridge, Seen, first_stage, linear_projector
from minivit.bridge.merging import Merger
from minivit.inspection import words
from minivit.language import Cache, Exchange, Language, Pieces, dialogue, left_padded
from minivit.panels import Scene
from minivit.patches import Grid
from minivit.vit import ViT
from minivit.zoo import speaking
from minivit.zoo.matching import SIZE

GRID, WIDTH, QUESTIONS, LIMIT = Grid(8, 8), 128, 5, 8  # tokens of an answer, at most
CAPTIONED = ("colour", "badge", "damage", "hazard", "mount")
"""What the captions name that the tower was trained on; of the other topics it was told nothing."""

SHOWN = ("own", "shuffled", "none")
"""Whose picture stands before the question: its own, that of the scene before, or none and no mark either."""


class Looked(NamedTuple):
    """M scenes and what the tower saw of them."""

    scenes: list[Scene]
    tokens: Tensor  # (M, N, D)

    def seen(self, rows: Tensor | slice = slice(None)) -> Seen:
        """What was seen of these scenes, for a `Bridge`."""
        return Seen(self.tokens[rows], GRID)


@torch.no_grad()
def looked(tower: ViT, count: int, split: str, first: int = 0, workers: int = 0) -> Looked:
    """The scenes with numbers first to first + count - 1, drawn and looked at once."""
    drawn = panels.batch(range(first, first + count), split, SIZE, workers=workers)
    device = next(tower.parameters()).device
    parts = [tower.features(images.to_float(part.to(device))).patches for part in drawn.images.split(256)]
    return Looked(drawn.scenes, torch.cat(parts))


def bridged(
    tower: ViT, language: Language, merge: Merger | None = None, project: Callable = linear_projector
) -> Bridge:
    """Tower and language model as they are, a fresh projector for what the merger makes: the first stage's bridge."""
    width = WIDTH if merge is None else merge.width(WIDTH)
    made = project(width, language.config.width)
    return first_stage(Bridge(tower, made, language, Pieces.image, merge, block=None))


def talks(pieces: Pieces, scenes: Sequence[Scene], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A dialogue about each scene -> ids (R, T), learn (R, T), and which scene it is about (R,)."""
    random = Random(f"bridge {seed}")
    ids, learn = speaking.padded([dialogue(pieces, speaking.chat(scene, random, True, QUESTIONS)) for scene in scenes])
    return ids, learn, torch.arange(len(scenes))


def telling(looked: Looked) -> Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]:
    """A loss for `train` of a `Bridge`: batches of `talks` -> the mean cross-entropy in nats of the answers' words."""

    def loss(bridge: Bridge, ids: Tensor, learn: Tensor, rows: Tensor) -> Tensor:
        used = int((ids != Pieces.pad).sum(dim=1).max())
        ids, learn = ids[:, :used], learn[:, :used]
        return bridge.loss(ids, looked.seen(rows), ids != Pieces.pad, learn)

    return loss


class Asked(NamedTuple):
    """One question to each of M scenes, ready to be answered."""

    ids: Tensor  # (M, T)
    valid: Tensor  # (M, T)
    answers: list[str]


def asked(pieces: Pieces, scenes: Sequence[Scene], topic: str, image: bool = True) -> Asked:
    """The question on a topic to each scene, with a picture's mark before it or without."""
    place = speaking.topics().index(topic)
    turns = [words.asked(scene)[place] for scene in scenes]
    rows = [dialogue(pieces, [Exchange(turn.question, images=int(image))]).ids.tolist() for turn in turns]
    return Asked(*left_padded(rows, pieces.pad), [turn.answer for turn in turns])


@torch.no_grad()
def answers(bridge: Bridge, pieces: Pieces, looked: Looked, topic: str, shown: str = "own") -> list[str]:
    """What the bridge says to a question about each scene, greedily."""
    question = asked(pieces, looked.scenes, topic, image=shown != "none")
    ids, valid = (part.to(looked.tokens.device) for part in (question.ids, question.valid))
    told = bridge.generate(ids, _shown(looked, shown), valid=valid, limit=LIMIT, stop=[pieces.end])
    return [pieces.text(row[:length]) for row, length in zip(told.ids, told.lengths.tolist(), strict=True)]


@torch.no_grad()
def in_turn(
    bridge: Bridge, pieces: Pieces, looked: Looked, topics: Sequence[str], shown: str = "own"
) -> list[list[str]]:
    """What the bridge says to one question after the other about each of M scenes: M lists, an answer a topic.

    The picture's mark stands before the first question; a later turn goes on from the cache, behind what was said.
    """
    seen, told = _shown(looked, shown), []
    for row in range(len(looked.scenes)):
        cache, said, last = Cache.of(bridge.language, 1, bridge.language.config.context), [], []
        for turn, topic in enumerate(topics):
            question = asked(pieces, looked.scenes[row : row + 1], topic, image=turn == 0 and seen is not None).ids[0]
            ids = torch.tensor([[*last, *question[1 if turn else 0 :].tolist()]], device=looked.tokens.device)
            picture = Seen(seen.tokens[row : row + 1], GRID) if turn == 0 and seen is not None else None
            answer = [int(one) for one in bridge.stream(ids, picture, limit=LIMIT, stop=[pieces.end], cache=cache)]
            last = answer[-1:] if answer[-1] == pieces.end else [answer[-1], pieces.end]  # it was written, not yet read
            said.append(pieces.text(answer))
        told.append(said)
    return told


def _shown(looked: Looked, shown: str) -> Seen | None:
    return {"own": looked.seen(), "shuffled": Seen(looked.tokens.roll(1, 0), GRID), "none": None}[shown]


def scores(
    bridge: Bridge, pieces: Pieces, looked: Looked, topics: Sequence[str] = CAPTIONED, shown: str = "own"
) -> dict[str, float]:
    """Topic -> the share of questions whose whole answer is right."""
    told = {}
    for topic in topics:
        right = asked(pieces, looked.scenes, topic).answers
        said = answers(bridge, pieces, looked, topic, shown)
        told[topic] = sum(one == other for one, other in zip(said, right, strict=True)) / len(right)
    return told


def noted(language: Language, pieces: Pieces, scenes: Sequence[Scene], topics: Sequence[str]) -> dict[str, float]:
    """Topic -> the share of right answers where notes in words say what there is to be seen; no picture."""
    told = {}
    for topic in topics:
        place = speaking.topics().index(topic)
        turns = [words.asked(scene)[place] for scene in scenes]
        notes = [words.notes(scene, Random(number)) for number, scene in enumerate(scenes)]
        open_turns = [[Exchange(note + turn.question)] for note, turn in zip(notes, turns, strict=True)]
        said = speaking.answered(language, pieces, open_turns)
        told[topic] = sum(one == turn.answer for one, turn in zip(said, turns, strict=True)) / len(turns)
    return told
