"""Lesson 7's recorded run on real pictures: two towers on CIFAR-10, with sentences for labels.

    MINIVIT_CIFAR10=FOLDER python tools/runs/clip_cifar.py [WAY ...]      about twenty minutes on one core
    writes minivit/teach/runs/clip_cifar.json

Ways: "one of each", tables of ten pictures, one of each class, with ten captions; "strangers", tables of sixty drawn at
random, in which a caption stands several times and one of them is called right; "two left out", the first without two
of the classes; "supervised", the same image tower with a linear layer. All look at as many pictures. A finished run is
kept in a folder (MINIVIT_PARTS) and not run again; the record holds what is finished.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import images
from minivit.clip import CLIP, clip_loss
from minivit.convnet import ResNet, ResNetConfig
from minivit.evaluate import class_vectors, embed_images, judge, knn, recall
from minivit.pooling import mean_pool
from minivit.text import FirstEnd, TextConfig, TextTower
from minivit.tokenizers import Words
from minivit.train import Shuffled, adamw, muon, train
from minivit.vit import ViT, ViTConfig

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "clip_cifar.json"
FOLDER = Path(os.environ.get("MINIVIT_PARTS") or Path(tempfile.gettempdir()) / "minivit-clip-cifar")

NAMES = ("an airplane", "an automobile", "a bird", "a cat", "a deer", "a dog", "a frog", "a horse", "a ship", "a truck")
SEEN_TEMPLATES = ("a photo of {}", "this is {}", "a small picture of {}")
OTHER_TEMPLATES = ("{}", "one can see {} here", "{}, seen from nearby")
LEFT_OUT = (2, 9)  # a bird and a truck
WIDTH, LENGTH, SIZE, SEEDS, STEPS, PAIRS, BANK = 128, 12, 32, (1, 2, 3), 660, 60, 10_000
TOKENIZER = Words.of([t.format(name) for t in SEEN_TEMPLATES + OTHER_TEMPLATES for name in NAMES], LENGTH)


def image_tower(head: nn.Module) -> ViT:
    """(B, 3, 32, 32) in [0, 1] -> what `head` makes of (B, 128): lesson 7's hybrid for small pictures, and a mean."""
    stem = ResNet(ResNetConfig((32, 64, WIDTH), 1, stride=1), pool=None)
    return ViT(
        ViTConfig(SIZE, stem.config.patch, width=WIDTH, depth=1, heads=4, prefix=0),
        stem=stem,
        pool=mean_pool,
        head=head,
    )


def towers() -> CLIP:
    """A fresh pair."""
    config = TextConfig(TOKENIZER.vocabulary, LENGTH, WIDTH, depth=1, heads=4)
    reading = TextTower(config, FirstEnd(TOKENIZER.end), head=nn.BatchNorm1d(WIDTH))
    return CLIP(image_tower(nn.BatchNorm1d(WIDTH)), reading, WIDTH, WIDTH, WIDTH)


def rows_of(way: str, labels: Tensor, seed: int) -> Tensor:
    """(M,) labels -> (F, k) numbers of pictures: a table each."""
    draw = torch.Generator().manual_seed(seed)
    if way in ("strangers", "supervised"):
        order = torch.randperm(len(labels), generator=draw)
        return order[: len(order) // PAIRS * PAIRS].reshape(-1, PAIRS)
    kinds = [k for k in range(len(NAMES)) if way != "two left out" or k not in LEFT_OUT]
    columns = [(labels == k).nonzero().flatten() for k in kinds]
    least = min(map(len, columns))
    return torch.stack([column[torch.randperm(len(column), generator=draw)[:least]] for column in columns], dim=1)


def tables(pictures: Tensor, labels: Tensor) -> Callable[[nn.Module, Tensor], Tensor]:
    """A loss for `train` of rows (g, k): the mean of CLIP's loss over g tables of k pairs. Templates take turns."""
    ids = torch.stack([TOKENIZER([t.format(name) for name in NAMES]) for t in SEEN_TEMPLATES], dim=1)  # (10, 3, T)

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        flat = rows.flatten()
        found = model(images.to_float(pictures[flat]), ids[labels[flat], flat % len(SEEN_TEMPLATES)])
        parts = zip(found.image.unflatten(0, rows.shape), found.text.unflatten(0, rows.shape), strict=True)
        return torch.stack([clip_loss(image, text, found.scale) for image, text in parts]).mean()

    return loss


def classes(pictures: Tensor, labels: Tensor) -> Callable[[nn.Module, Tensor], Tensor]:
    """The same numbers of pictures, the labels as they are."""

    def loss(model: nn.Module, rows: Tensor) -> Tensor:
        flat = rows.flatten()
        return F.cross_entropy(model(images.to_float(pictures[flat])), labels[flat])

    return loss


def neighbours(model: Callable[[Tensor], Tensor], seen: images.Labelled, judged: images.Labelled) -> float:
    """The share that the 20 nearest of the first BANK training pictures name rightly, in this space."""
    known, asked = (model(part) for part in (seen.images[:BANK], judged.images))
    return round((knn(known, seen.labels[:BANK], asked) == judged.labels).float().mean().item(), 4)


def told_of(model: CLIP, seen: images.Labelled, judged: images.Labelled, way: str) -> dict:
    """Zero-shot with three kinds of prompts, retrieval both ways, and neighbours in the image tower's space."""
    vectors = embed_images(model, images.to_float(judged.images))
    prompts = {"seen templates": SEEN_TEMPLATES, "other templates": OTHER_TEMPLATES, "one template": SEEN_TEMPLATES[:1]}
    found = {words: class_vectors(model, TOKENIZER, NAMES, templates) for words, templates in prompts.items()}
    told = {name: round(judge(vectors @ v.T, judged.labels).accuracy.value, 4) for name, v in found.items()}
    texts = found["seen templates"]
    told["recall@3"] = round(recall(vectors, texts, judged.labels, at=(3,)).image_to_text[3].value, 4)
    nearest = judged.labels[(texts @ vectors.T).topk(100, dim=1).indices]  # (10, 100)
    hits = nearest == torch.arange(len(NAMES))[:, None]
    told |= {f"precision@{k} of pictures": round(hits[:, :k].float().mean().item(), 4) for k in (10, 100)}
    told["k-NN"] = neighbours(lambda part: embed_images(model, images.to_float(part)), seen, judged)
    if way == "two left out":
        pair = torch.tensor(LEFT_OUT)
        among = torch.isin(judged.labels, pair)
        told["of the two, among the two"] = round(
            (pair[(vectors[among] @ texts[pair].T).argmax(1)] == judged.labels[among]).float().mean().item(), 4
        )
        told["of the other eight, among ten"] = round(
            ((vectors[~among] @ texts.T).argmax(1) == judged.labels[~among]).float().mean().item(), 4
        )
    return told


@torch.no_grad()
def answered(model: nn.Module, pictures: Tensor) -> Tensor:
    """(B, 3, 32, 32) uint8 -> what the model gives, in parts."""
    return torch.cat([model.eval()(images.to_float(part)) for part in pictures.split(250)])


def run(way: str, seed: int, seen: images.Labelled, judged: images.Labelled) -> dict:
    """One model from nothing, and what became of it."""
    torch.manual_seed(seed)
    rows = rows_of(way, seen.labels, seed)
    begun = time.process_time()
    if way == "supervised":
        model = image_tower(nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, len(NAMES))))
        loss, optimizer = classes(seen.images, seen.labels), muon(model, 0.02, 4e-3)
    else:
        model = towers()
        slow = adamw(model.text_tower, 3e-5)
        loss, optimizer = tables(seen.images, seen.labels), (*muon(model, 0.02, 4e-3, without=[model.text_tower]), slow)
    history = train(
        model, Shuffled(rows, batch=PAIRS // rows.shape[1], seed=seed), loss, steps=STEPS, optimizer=optimizer,
        progress=False, every=STEPS // 4,
    )  # fmt: skip
    head = {"way": way, "seed": seed, "pictures": STEPS * (PAIRS // rows.shape[1]) * rows.shape[1]}
    head |= {"cpu_seconds": round(time.process_time() - begun, 1), "losses": [round(x, 4) for x in history.losses]}
    if way != "supervised":
        return head | told_of(model, seen, judged, way)
    right = (answered(model, judged.images).argmax(1) == judged.labels).float().mean().item()
    model.head = nn.Identity()
    return head | {"accuracy": round(right, 4), "k-NN": neighbours(lambda part: answered(model, part), seen, judged)}


def kept(name: str, make: Callable[[], dict]) -> dict:
    """What a finished run told, or what `make` tells now; a file appears complete."""
    file = FOLDER / f"{name.replace(' ', '_')}.json"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(make()), encoding="utf-8")
        os.replace(part, file)
        print(file.read_text(encoding="utf-8"), flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


WAYS = ("one of each", "supervised", "strangers", "two left out")


def main(ways: list[str]) -> None:
    seen, judged = images.cifar10("train"), images.cifar10("test")
    for seed in SEEDS:
        for way in ways:
            kept(f"{way}-{seed}", lambda way=way, seed=seed: run(way, seed, seen, judged))
    pixels = kept(
        "pixels", lambda: {"k-NN": neighbours(lambda part: images.to_float(part).flatten(1) - 0.5, seen, judged)}
    )
    found = [FOLDER / f"{way}-{seed}.json".replace(" ", "_") for way in WAYS for seed in SEEDS]
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in found if file.exists()]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    record = {
        "what": f"shares of {len(judged.labels)} test pictures; k-NN from {BANK} training pictures",
        "from": "the hub's uoft-cs/cifar10 from a copy re-encoded as JPEG: comparable with no published score",
        "commit": head.stdout.strip(),
        "recipe": f"tools/runs/clip_cifar.py; {STEPS} steps of {PAIRS} pictures or so, lesson 7's rates, not tuned",
        "hardware": f"{platform.machine()}, cpu, {torch.get_num_threads()} thread, torch {torch.__version__}",
        "chance": {"zero-shot": 0.1, "recall@3": 0.3, "precision": 0.1, "among the two": 0.5},
        "left out": [NAMES[k] for k in LEFT_OUT],
        "k-NN of pixels": pixels["k-NN"],
    }
    lines = ",\n".join(json.dumps(told) for told in runs)
    text = json.dumps({**record, "runs": []}, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    part = RECORD.with_name(RECORD.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, RECORD)


if __name__ == "__main__":
    main(sys.argv[1:] or list(WAYS))
