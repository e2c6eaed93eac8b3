"""The assistant of lesson 13: a tower that was taught to tell, a language model that was taught to use what it is told.

Legend: M scenes, N tokens, D = 128 the tower's width, E = 128 the language model's, K pictures of a batch.

Trained as LLaVA is, in two stages: first the projector alone, then the language model with it. The tower is frozen, so
what it sees is computed once for all steps.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import panels
from minivit.bridge import Bridge, PixelShuffle, answer_loss, splice, two_layer_projector
from minivit.inspection import claims, scores, whatif, words
from minivit.inspection.assistant import Assistant, Slots, confidence
from minivit.inspection.grammar import Grammar
from minivit.inspection.mind import so_far
from minivit.inspection.records import find_asset, look_up_policy
from minivit.inspection.scores import parsed
from minivit.inspection.tools import Tools
from minivit.inspection.views import crop, whole
from minivit.language import Language, Pieces, dialogue
from minivit.panels import PARTS, Scene
from minivit.patches import Grid
from minivit.reports import Report
from minivit.vit import ViT
from minivit.zoo import seeing, speaking

TOOLS = Tools([look_up_policy, find_asset])
CHOOSING = {"split": "train", "first": 500_000}  # scenes that nothing was trained on, to choose thresholds on
WANTED = 0.99  # of the claims that are sure enough, so many are right


class Looked(NamedTuple):
    """What the frozen tower saw of M scenes: a cache, in half precision."""

    whole: Tensor  # (M, 64, D)
    near: Tensor  # (M, V, 48, D): V crops of each, a little different


WHOLE, NEAR = Grid(8, 8), Grid(4, 12)


def assistant(
    pieces: Pieces, tower: ViT | None = None, language: Language | None = None,
    least: float | dict[str, float] = claims.SURE,
) -> Assistant:  # fmt: skip
    """A fresh one, or one of parts that are trained already: 2 x 2 tokens become a slot, by two layers."""
    tower = seeing.tower() if tower is None else tower
    language = speaking.language(pieces) if language is None else language
    merge = PixelShuffle(2)
    project = two_layer_projector(merge.width(seeing.WIDTH), language.config.width)
    bridge = Bridge(tower, project, language, pieces.image, merge, block=None)
    return Assistant(bridge, nn.Linear(seeing.WIDTH, seeing.PATCH**2), pieces, least)


@torch.no_grad()
def looked(
    bridge: Bridge, pictures: Tensor, boxes: Tensor, seed: int, variants: int = 2, together: int = 256
) -> Looked:
    """(M, 3, H, W), (M, 4) -> what the tower sees of them, the crops taken where the code is, but for a little."""
    random, rows = torch.Generator().manual_seed(seed), []
    for part, box in zip(pictures.split(together), boxes.split(together), strict=True):
        near = [bridge.look(crop(part, seeing.estimated(box, random))).tokens for _ in range(variants)]
        rows.append((bridge.look(whole(part)).tokens.bfloat16(), torch.stack(near, dim=1).bfloat16()))
    return Looked(*map(torch.cat, zip(*rows, strict=True)))


class Talks(NamedTuple):
    """Dialogues about M scenes, several a scene."""

    ids: Tensor  # (R, T) int64
    learn: Tensor  # (R, T) bool
    scene: Tensor  # (R,) int64


def talks(pieces: Pieces, scenes: Sequence[Scene], kind: Callable, seed: int) -> Talks:
    """One dialogue of a kind, `speaking.chat` or `speaking.inspection`, about each scene, with marks for pictures."""
    random = Random(f"talks {seed}")
    ids, learn = speaking.padded([dialogue(pieces, kind(scene, random, True)) for scene in scenes])
    return Talks(ids, learn, torch.arange(len(scenes)))


def conversing(seen: Looked, seed: int = 0) -> Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]:
    """A loss for `train` of a `Bridge`: batches (ids, learn, scene) -> the mean cross-entropy of the answers."""
    random = torch.Generator().manual_seed(seed)

    def loss(bridge: Bridge, ids: Tensor, learn: Tensor, scene: Tensor) -> Tensor:
        used = int((ids != 0).sum(dim=1).max())
        ids, learn = ids[:, :used], learn[:, :used]
        far = bridge.project(bridge.merge(seen.whole[scene].float(), WHOLE))
        slots = list(far)
        if int((ids[0] == bridge.mark).sum()) == 2:
            chosen = torch.randint(seen.near.shape[1], (len(scene),), generator=random)
            near = bridge.project(bridge.merge(seen.near[scene, chosen].float(), NEAR))
            slots = [one for pair in zip(far, near, strict=True) for one in pair]
        line = splice(ids, slots, bridge.language.table, bridge.mark, ids != 0, learn, pad="right")
        return answer_loss(bridge.language.read(line.vectors), bridge.language.head, line)

    return loss


class Judged(NamedTuple):
    """What an assistant made of scenes that it had not seen, and the truth."""

    said: list[Report | None]  # as it read them, held to the schema
    free: list[Report | None]  # the same without a grammar; None where that is no report
    sure: list[dict[str, float]]
    calls: list[tuple[str, ...]]  # what was looked up in turn, to the end
    answers: list[tuple[str, ...]]  # to `questions`
    masks: Tensor  # (B, 64, 64) bool
    true: list[Report]
    true_masks: Tensor


class Reported(NamedTuple):
    """B pictures, up to the report."""

    far: Slots  # of the whole
    slots: Slots  # of the whole and of the crop
    boxes: list[str]  # where the crop was taken, as it was written
    texts: list[str]  # the reports, held to the schema
    sure: list[dict[str, float]]


def reported(model: Assistant, pictures: Tensor) -> Reported:
    """(B, 3, H, W) -> what is seen and reported of them."""
    far = model.look(pictures)
    boxes, where = model.locate(far)
    slots = model.look(pictures, boxes)
    held = model.report(slots, where.texts)
    sure = [confidence(model.pieces, *row) for row in zip(held.texts, held.tokens, held.shares, strict=True)]
    return Reported(far, slots, where.texts, held.texts, sure)


def judged(
    model: Assistant, scenes: Sequence[Scene], pictures: Tensor, true_masks: Tensor, seen: Tensor | None = None,
    together: int = 100,
) -> Judged:  # fmt: skip
    """B scenes and their pictures (B, 3, H, W) -> `Judged`. `seen` are the pictures shown instead, if others are."""
    shown, rows = pictures if seen is None else seen, []
    for at in range(0, len(shown), together):
        part = shown[at : at + together]
        far, slots, boxes, held, sure = reported(model, part)
        free = model.report(slots, boxes, held=False).texts
        calls = decided(model, slots, boxes, held)
        asked = zip(*map(questions, scenes[at : at + together], range(at, at + len(part))), strict=True)
        answers = list(zip(*(model.ask(far, each).texts for each in asked), strict=True))
        rows.append((held, free, sure, calls, answers, model.damage(part) > 0.5))
    said, free, sure, calls, answers, masks = zip(*rows, strict=True)
    flat = chain.from_iterable
    return Judged(
        list(map(parsed, flat(said))), list(map(parsed, flat(free))), list(flat(sure)), list(flat(calls)),
        list(flat(answers)), torch.cat(masks), [panels.report(scene) for scene in scenes], true_masks,
    )  # fmt: skip


def questions(scene: Scene, number: int) -> tuple[str, str, str]:
    """One that no picture answers and that was trained on, one that was kept back, one that the picture answers.

    Each is the next of its kind from scene to scene. See `scores.REFUSALS`.
    """
    known, kept = words.UNANSWERABLE[: words.KNOWN_UNANSWERABLE], words.UNANSWERABLE[words.KNOWN_UNANSWERABLE :]
    answered = words.asked(scene)
    return known[number % len(known)], kept[number % len(kept)], answered[number % len(answered)].question


def decided(
    model: Assistant, slots: Slots | None, boxes: Sequence[str], reports: Sequence[str], most: int = 3
) -> list[tuple[str, ...]]:
    """What is looked up for B reports that a model wrote, in turn, and that it has enough: at most `most` decisions.

    As in the loop, a call is checked against the report, and what came of it stands in the next prompt.
    """
    held = Grammar(model.pieces, TOOLS.call_schema, [words.ENOUGH])
    known = [claims.facts(parsed(report)) for report in reports]
    said, results = [()] * len(reports), [()] * len(reports)
    for _ in range(most):
        told = list(map(so_far, boxes, reports, results))
        if slots is None:
            told = [[turn._replace(images=0) for turn in turns] for turns in told]
        for row, text in enumerate(model.say(told, slots, held).texts):
            if words.ENOUGH in said[row]:
                continue
            said[row] += (text,)
            if text != words.ENOUGH:
                results[row] += (TOOLS.run(text, 60.0, known[row]),)
    return said


class Glimpse:
    """While it trains: codes, damages, and whole reports, of some unseen scenes that no card is about."""

    def __init__(self, count: int = 100, first: int = 10_000):
        self.drawn = panels.batch(range(first, first + count), "test", seeing.DRAWN)

    def __call__(self, model: Assistant) -> dict[str, float]:
        said = list(map(parsed, reported(model, self.drawn.images).texts))
        true = [panels.report(scene) for scene in self.drawn.scenes]
        told = scores.damage(said, true) | scores.code(said, true) | scores.action(said, true)
        right = sum(scores.right(said, true)) / len(true)
        return {name: one.right / max(1, one.count) for name, one in told.items()} | {"all right": right}


def counted(told: Judged) -> dict[str, scores.Counted]:
    """All three scorecards in one table."""
    return (
        scores.damage(told.said, told.true) | scores.masks(told.masks, told.true_masks)
        | scores.code(told.said, told.true) | scores.signs(told.said, told.true) | scores.action(told.said, told.true)
        | {"schema valid, not held": scores.action(told.free, told.true)["schema valid"]}
        | scores.calls(told.calls, told.true) | scores.refusals(told.answers)
    )  # fmt: skip


def scorecard(model: Assistant, count: int = 500) -> dict[str, dict[str, float]]:
    """What a card says: three scorecards on unseen scenes; chance is what it scores when shown the scene before."""
    drawn = panels.batch(range(count), "test", seeing.DRAWN, parts=True)
    masks = F.avg_pool2d(drawn.masks[:, PARTS.index("damage")].float(), seeing.DRAWN // seeing.SIZE) >= 0.5
    told = counted(judged(model, drawn.scenes, drawn.images, masks))
    shuffled = counted(judged(model, drawn.scenes, drawn.images, masks, drawn.images.roll(1, 0)))
    return {
        name: {"value": round(score.value, 4), "chance": round(score.chance, 4), "count": score.count}
        for name, score in scores.beside(told, shuffled).items()
    }


def thresholds(model: Assistant, count: int = 500) -> dict:
    """What a card says of being sure: of each claim the least probability with which `WANTED` are right, at one look.

    Chosen on scenes that neither training nor a scorecard has seen.
    """
    drawn = panels.batch(range(CHOOSING["first"], CHOOSING["first"] + count), CHOOSING["split"], seeing.DRAWN)
    sure, said = [], []
    for part in drawn.images.split(100):
        told = reported(model, part)
        sure += told.sure
        said += map(parsed, told.texts)
    least = whatif.thresholds(sure, scores.claimed(said, list(map(panels.report, drawn.scenes))), WANTED)
    rounded = {claim: round(share, 5) for claim, share in least.items()}
    return {"wanted": WANTED, "count": count, **CHOOSING, "looks": 1, "least": rounded}
