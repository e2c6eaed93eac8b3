"""The small language model of lessons 12 and 13: it learns to answer from what it is told, before it sees anything.

Legend: M dialogues, T tokens, V vocabulary, E = 128 width.

A released language model has read so much that it can use whatever stands in its context. This one reads about panels
only: `notes` that say what there is to be seen, in any order, and questions about it. The bridge later puts slots where
the notes were.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from minivit import panels
from minivit.bridge import answer_loss, splice
from minivit.inspection import words
from minivit.inspection.records import find_asset, look_up_policy
from minivit.language import Dialogue, Exchange, Language, LanguageConfig, Pieces, dialogue, generate, left_padded
from minivit.panels import Scene
from minivit.train import Shuffled

WIDTH, CONTEXT = 128, 384


def language(pieces: Pieces) -> Language:
    """A fresh one, 0.8 million weights.

    Its table starts with vectors of about length 1. With shorter ones, about a quarter of that, colours were still
    guessed after some hundred steps of a few unrecorded trials; with these they were known after a hundred.
    """
    config = LanguageConfig(
        pieces.vocabulary, CONTEXT, WIDTH, depth=4, heads=4, kv_heads=2, hidden=352, theta=1_000.0, tied=True
    )
    model = Language(config)
    torch.nn.init.normal_(model.table.weight, std=WIDTH**-0.5)
    return model


def chat(scene: Scene, random: Random, seen: bool, count: int = 10) -> list[Exchange]:
    """A few questions about one picture, in any order; one in six cannot be answered. `seen`: a picture, no notes."""
    asked = random.sample(words.asked(scene), count)
    for place in range(count):
        if random.random() < 1 / 6:
            question = random.choice(words.UNANSWERABLE[: words.KNOWN_UNANSWERABLE])
            asked[place] = Exchange(question, words.UNSEEN)
    return _shown(asked, scene, random, seen)


def looked_up(chat: list[Exchange], random: Random, count: int = 4) -> list[Exchange]:
    """A chat about notes, with a few questions put in that name a key of the notes and ask for what stands there.

    To find a word by its key is what all other questions need too, and here nothing else is needed.
    """
    noted = chat[0].question.rpartition(". ")[0].split("; ")
    told = dict(note.partition(",[")[0].split(":", 1) for note in noted if ":[" not in note)
    asked = [Exchange(f"What is noted on {key}:", told[key]) for key in random.sample(sorted(told), count)]
    for one in asked:
        chat.insert(random.randrange(1, len(chat) + 1), one)
    return chat


def inspection(scene: Scene, random: Random, seen: bool) -> list[Exchange]:
    """A whole inspection: where the code is, the report, two calls with what came of them, the closing sentence."""
    report = panels.report(scene)
    policy = look_up_policy(**words.policy_arguments(report))
    asset = find_asset(report.code.text)
    near = words.REPORT if seen else f"plate:{report.code.text}. {words.REPORT}"
    told = [
        Exchange(words.WHERE, words.box(report.code.box)),
        Exchange(near, words.report_text(report), images=int(seen)),
        Exchange(words.LOOK_UP, words.first_call(report)),
        Exchange(f"{words.result_text(policy)} {words.LOOK_UP}", words.second_call(report)),
        Exchange(f"{words.result_text(asset)} {words.LOOK_UP}", words.ENOUGH),
        Exchange(words.SUM_UP, words.summary(report, policy, asset)),
    ]
    return _shown(told, scene, random, seen)


def _shown(told: list[Exchange], scene: Scene, random: Random, seen: bool) -> list[Exchange]:
    """The picture's mark before the first question, or notes in its place."""
    first = (
        told[0]._replace(images=1) if seen else told[0]._replace(question=words.notes(scene, random) + told[0].question)
    )
    return [first, *told[1:]]


def padded(dialogues: Sequence[Dialogue]) -> tuple[Tensor, Tensor]:
    """M dialogues -> ids (M, T), padded with 0 on the right, and learn (M, T)."""
    length = max(len(one.ids) for one in dialogues)
    ids, learn = torch.zeros(len(dialogues), length, dtype=torch.int64), torch.zeros(len(dialogues), length).bool()
    for row, one in enumerate(dialogues):
        ids[row, : len(one.ids)], learn[row, : len(one.ids)] = one.ids, one.learn
    return ids, learn


class InTurn:
    """Batches of several kinds, one kind after the other; its place can be written down, as that of `Shuffled`."""

    def __init__(self, *kinds: Shuffled):
        self.kinds, self.taken = kinds, 0

    def __iter__(self) -> "InTurn":
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        self.taken += 1
        return next(self.kinds[(self.taken - 1) % len(self.kinds)])

    def state(self) -> dict:
        """The place in each kind."""
        return {"taken": self.taken} | {str(number): kind.state() for number, kind in enumerate(self.kinds)}

    def restore(self, state: dict) -> None:
        """Go to the place. Raises ValueError if it is a place in other data."""
        for number, kind in enumerate(self.kinds):
            kind.restore(state[str(number)])
        self.taken = state["taken"]


def texts(pieces: Pieces, scenes: Sequence[Scene], batch: int, seed: int) -> Shuffled:
    """Endless batches (ids, learn) of chats about these scenes, all in words.

    No reports are among them: the assistant learns those with pictures. Whether they would help or hinder here was not
    measured by itself.
    """
    random = Random(f"texts {seed}")
    chats = padded([dialogue(pieces, looked_up(chat(scene, random, False), random)) for scene in scenes])
    return Shuffled(*chats, batch=batch, seed=seed)


def spoken(model: Language, ids: Tensor, learn: Tensor) -> Tensor:
    """A loss for `train`: the mean cross-entropy in nats of the answers' tokens."""
    used = int((ids != 0).sum(dim=1).max())
    ids, learn = ids[:, :used], learn[:, :used]
    line = splice(ids, model.table.weight[:0, None], model.table, Pieces.image, ids != 0, learn, pad="right")
    return answer_loss(model.read(line.vectors), model.head, line)


@torch.no_grad()
def answered(model: Language, pieces: Pieces, told: Sequence[Sequence[Exchange]], limit: int = 12) -> list[str]:
    """Dialogues in words whose last answer is open -> the answers, greedily."""
    ids, valid = left_padded([dialogue(pieces, turns).ids.tolist() for turns in told], pieces.pad)
    written = generate(model, ids, valid=valid, limit=limit, stop=[pieces.end])
    return [pieces.text(row[:length]) for row, length in zip(written.ids, written.lengths.tolist(), strict=True)]


def scorecard(model: Language, pieces: Pieces, count: int = 500) -> dict[str, dict[str, float]]:
    """What a card says: for each question the share answered rightly from notes of unseen scenes; chance is the most
    frequent answer's share. The same without notes: what the model guesses from the question alone."""
    scenes, told = [panels.sample_scene(number, "test") for number in range(count)], {}
    for place, topic in enumerate(topics()):
        turns = [words.asked(scene)[place] for scene in scenes]
        chance = max(Counter(turn.answer for turn in turns).values()) / count
        for name, noted in ((topic, True), (f"{topic}, without notes", False)):
            open_turns = [
                [Exchange((words.notes(scene, Random(number)) if noted else "") + turn.question)]
                for number, (scene, turn) in enumerate(zip(scenes, turns, strict=True))
            ]
            said = answered(model, pieces, open_turns)
            right = sum(one == turn.answer for one, turn in zip(said, turns, strict=True))
            told[name] = {"value": round(right / count, 4), "chance": round(chance, 4), "count": count}
    return told


def glimpse(model: Language, pieces: Pieces, count: int = 100) -> dict[str, float]:
    """While it trains: the share right of some questions, from notes of unseen scenes."""
    scenes, told = [panels.sample_scene(10_000 + number, "test") for number in range(count)], {}
    for topic in ("colour", "badge", "hazard", "lamps", "place", "agree", "action"):
        turns = [words.asked(scene)[topics().index(topic)] for scene in scenes]
        notes = [words.notes(scene, Random(number)) for number, scene in enumerate(scenes)]
        opened = [[Exchange(note + turn.question)] for note, turn in zip(notes, turns, strict=True)]
        said = answered(model, pieces, opened)
        told[topic] = sum(one == turn.answer for one, turn in zip(said, turns, strict=True)) / count
    return told


def topics() -> list[str]:
    """What the questions of `words.asked` are about, in their order."""
    return [question.topic for question in panels.questions(panels.sample_scene(0)) if question.topic != "code"]
