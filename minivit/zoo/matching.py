"""The two small towers of lessons 7 and 8: which caption belongs to which panel?

Legend: B pairs, M scenes, T = 32 words at most, pictures of 64 x 64 pixels, N = 64 tokens, D = E = 128.

Four choices make it learn in a minute what takes many otherwise; tools/runs/clip_panels.py measures each taken back.

    near twins       a batch holds threes that differ in one attribute alone: colour does not tell them apart
    a hybrid ViT     convolutions look, a block compares, the largest answer of all places is read out: a warning sign
                     is one token of 64, and a mean would hear 1/64 of it
    batch norm       the vectors of all texts start close together, since their sentences are alike; their mean is
                     taken away before they are compared, and that of the pictures too
    a slow reader    the text tower learns a hundred times slower than the image tower: a fast one unlearns the words
                     for what cannot be seen yet, and then it never will be seen
"""

from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minivit import images, panels
from minivit.clip import CLIP, clip_objective
from minivit.convnet import ResNet, ResNetConfig
from minivit.evaluate import class_vectors, embed_images, embed_texts, judge, recall
from minivit.panels import captions, rules
from minivit.pooling import max_pool
from minivit.text import FirstEnd, TextConfig, TextTower
from minivit.tokenizers import Words
from minivit.train import adamw, muon
from minivit.vit import ViT, ViTConfig

SIZE, WIDTH, HEADS, LENGTH = 64, 128, 4, 32
ATTRIBUTES = {
    "colour": rules.COLOURS, "damage": rules.DAMAGES, "badge": rules.BADGES, "hazard": rules.HAZARDS,
    "mount": rules.MOUNTS,
}  # fmt: skip


class Matches(NamedTuple):
    """M scenes, their pictures and a caption each."""

    pictures: Tensor  # (M, 3, 64, 64) uint8
    ids: Tensor  # (M, T) int64
    right: Tensor  # (M,) int64: which of the 576 captions of `panels.all_captions` says the same


def words() -> Words:
    """The tokenizer: every word of every caption, 32 words to a text at most."""
    return Words.of([text for combination in rules.combinations() for text in captions(combination)], LENGTH)


def matches(count: int, split: str, first: int = 0, workers: int = 0, phrasings: int = 1) -> Matches:
    """-> the scenes with numbers first to first + count - 1, scene n captioned in phrasing n modulo `phrasings`."""
    drawn = panels.batch(range(first, first + count), split, SIZE, workers=workers)
    texts = [panels.caption(scene, (first + n) % phrasings) for n, scene in enumerate(drawn.scenes)]
    places = {combination: place for place, combination in enumerate(rules.combinations())}
    right = torch.tensor([places[scene.combination] for scene in drawn.scenes])
    return Matches(drawn.images, words()(texts), right)


def towers(kind: Callable[..., nn.Module] = CLIP) -> nn.Module:
    """Fresh towers, a CLIP or a SigLIP: (B, 3, 64, 64) in [0, 1], (B, T) -> `Pairs`."""
    stem = ResNet(ResNetConfig((32, 64, WIDTH), 1, stride=2), pool=None)
    config = ViTConfig(SIZE, stem.config.patch, width=WIDTH, depth=1, heads=HEADS, prefix=0)
    looking = ViT(config, stem=stem, pool=max_pool, head=nn.BatchNorm1d(WIDTH))
    # A layer norm would make an empty place as loud as a full one, and the largest answer is taken of all places.
    looking.encoder.norm = nn.Identity()
    tokenizer = words()
    reading = TextTower(
        TextConfig(tokenizer.vocabulary, LENGTH, WIDTH, depth=1, heads=HEADS), FirstEnd(tokenizer.end),
        head=nn.BatchNorm1d(WIDTH),
    )  # fmt: skip
    return kind(looking, reading, WIDTH, WIDTH, WIDTH)


def twins(right: Tensor, seed: int, among: tuple[str, ...] = ("damage", "hazard"), together: int = 3) -> Tensor:
    """(M,) -> (F, 3): rows of scenes whose captions differ in one attribute alone, one of `among`.

    Of the scenes that share the other four attributes, three, or `together`, are taken with as many values of this one.
    A scene is in one row for each attribute of `among`, or in none where its value or its partners are left over. The
    training split has three values for each such group, so more than three are not to be had there.
    """
    random, combinations, rows = Random(seed), rules.combinations(), []
    for name in among:
        place, alike = list(ATTRIBUTES).index(name), defaultdict(lambda: defaultdict(list))
        for row, number in enumerate(right.tolist()):
            combination = combinations[number]
            alike[combination[:place] + combination[place + 1 :]][combination[place]].append(row)
        for values in alike.values():
            if len(values) >= together:
                chosen = random.sample(sorted(values), together)
                for value in chosen:
                    random.shuffle(values[value])
                rows += zip(*(values[value] for value in chosen), strict=False)
    if not rows:
        told = f"no {together} of {len(right)} scenes differ in {' or '.join(among)} alone"
        raise ValueError(f"{told}: draw more scenes, or ask for fewer together")
    return torch.tensor(rows)


def matched(seen: Matches, objective: Callable = clip_objective) -> Callable[[nn.Module, Tensor], Tensor]:
    """A loss for `train` whose batches are numbers of scenes, (B,) or rows of `twins`, instead of pictures."""

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        rows = rows.flatten()
        return objective(model, images.to_float(seen.pictures[rows]), seen.ids[rows])

    return loss


def optimizers(model: nn.Module, lr: float = 0.02, rest: float = 4e-3, reading: float = 3e-5) -> tuple:
    """Muon for the image tower's block, AdamW for all else, and for the text tower a slow one of its own."""
    return (*muon(model, lr, rest, without=[model.text_tower]), adamw(model.text_tower, reading))


def prompts(attribute: str) -> dict[str, list[str]]:
    """-> for each value of an attribute all captions that name it, in every phrasing: classes for `class_vectors`."""
    place, combinations = list(ATTRIBUTES).index(attribute), rules.combinations()
    return {
        value: [text for combination in combinations if combination[place] == value for text in captions(combination)]
        for value in ATTRIBUTES[attribute]
    }


def truths(right: Tensor, attribute: str) -> Tensor:
    """(M,) -> (M,): which value of an attribute each scene has."""
    place, values = list(ATTRIBUTES).index(attribute), ATTRIBUTES[attribute]
    return torch.tensor([values.index(combination[place]) for combination in rules.combinations()])[right]


def scores(model: nn.Module, judged: Matches, attributes: tuple[str, ...] = ("damage", "hazard")) -> dict[str, float]:
    """The share of scenes whose own caption comes first of 576 ("recall"), and of those whose attributes are named.

    Chance is 1/576 for recall. Zero-shot: the model was never told that there are such things as damages. There chance
    is 1/4 for a damage and a hazard, 1/6 for a colour, 1/3 for a badge, 1/2 for a mount.
    """
    tokenizer, image = words(), embed_images(model, images.to_float(judged.pictures))
    own = recall(image, embed_texts(model, tokenizer, panels.all_captions()), judged.right, at=(1,))
    told = {"recall": own.image_to_text[1].value}
    for name in attributes:
        vectors = class_vectors(model, tokenizer, prompts(name))
        told[name] = judge(image @ vectors.T, truths(judged.right, name)).accuracy.value
    return told


def scorecard(model: nn.Module, count: int = 1_000) -> dict[str, dict[str, float]]:
    """What a card says: every score of `count` scenes of unseen combinations, with its chance level, in float32."""
    judged, tokenizer = matches(count, "test"), words()
    image = embed_images(model, images.to_float(judged.pictures))
    told = {}
    for phrasing in range(len(panels.PHRASINGS)):
        own = recall(image, embed_texts(model, tokenizer, panels.all_captions(phrasing)), judged.right, at=(1, 5))
        told |= {f"recall@{k}, phrasing {phrasing}": score for k, score in own.image_to_text.items()}
        told |= {f"recall@{k} of pictures, phrasing {phrasing}": score for k, score in own.text_to_image.items()}
    for name in ATTRIBUTES:
        vectors = class_vectors(model, tokenizer, prompts(name))
        told[name] = judge(image @ vectors.T, truths(judged.right, name)).accuracy
    return {
        name: {"value": round(s.value, 4), "chance": round(s.chance, 5), "count": s.count} for name, s in told.items()
    }
