"""Lesson 5's inspector: a small ViT that answers three questions about a panel out of one pooled vector.

Legend: B pictures of 64 x 64 pixels, N = 64 patches of 8 x 8, D = 96. The three answers stand one after another in
one row of 13 logits: 6 colours, 3 badges, 4 damages. The weights that ship were recorded by tools/runs/vit_pools.py.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import images, panels
from minivit.panels.rules import BADGES, COLOURS, DAMAGES
from minivit.pooling import AttentionPool, class_pool, mean_pool
from minivit.vit import ConvStem, ViT, ViTConfig

QUESTIONS = {"colour": COLOURS, "badge": BADGES, "damage": DAMAGES}
POOLINGS = ("class", "mean", "attention")
SIZE, PATCH, WIDTH, DEPTH, HEADS = 64, 8, 96, 4, 3
WEIGHTS = Path(__file__).with_name("runs") / "vit_inspector.safetensors"


def inspector(pooling: str) -> ViT:
    """A fresh one, (B, 3, 64, 64) in [0, 1] -> (B, 13). Only the class token needs a slot of its own."""
    pools = {"class": class_pool, "mean": mean_pool, "attention": AttentionPool(WIDTH, HEADS)}
    config = ViTConfig(SIZE, PATCH, width=WIDTH, depth=DEPTH, heads=HEADS, prefix=int(pooling == "class"))
    head = nn.Linear(WIDTH, sum(map(len, QUESTIONS.values())))
    return ViT(config, stem=ConvStem(PATCH, WIDTH), pool=pools[pooling], head=head)


def scenes(count: int, split: str, first: int = 0, workers: int = 0) -> tuple[Tensor, Tensor]:
    """-> pictures (count, 3, 64, 64) in [0, 1] and answers (count, 3), an index into each question's words."""
    drawn = panels.batch(range(first, first + count), split, SIZE, workers=workers)
    return images.to_float(drawn.images), truths(drawn.scenes)


def truths(seen: Sequence[panels.Scene]) -> Tensor:
    """B scenes -> (B, 3): the index of each answer among its question's words."""
    rows = [[words.index(getattr(scene, question)) for question, words in QUESTIONS.items()] for scene in seen]
    return torch.tensor(rows)


def answers(model: nn.Module, pictures: Tensor, right: Tensor) -> Tensor:
    """(B, 3, H, W), (B, 3) -> the three cross-entropies, added: a loss for `train`."""
    said = split(model(pictures).float())
    return sum(F.cross_entropy(logits, truth) for logits, truth in zip(said, right.T, strict=True))


@torch.no_grad()
def scores(model: nn.Module, pictures: Tensor, right: Tensor) -> dict[str, float]:
    """(B, 3, H, W), (B, 3) -> the share answered rightly, by question. The model is left in evaluation mode."""
    model.eval()
    said = split(torch.cat([model(part) for part in pictures.split(250)]))
    shares = [(logits.argmax(1) == truth).float().mean().item() for logits, truth in zip(said, right.T, strict=True)]
    return dict(zip(QUESTIONS, shares, strict=True))


def split(logits: Tensor) -> tuple[Tensor, ...]:
    """(B, 13) -> (B, 6), (B, 3), (B, 4)."""
    return logits.split([len(words) for words in QUESTIONS.values()], dim=1)


def trained_inspector() -> ViT:
    """The one that ships: class token, one seed, stored in bfloat16 and read into float32.

    Raises ValueError where the file does not hold exactly this model's weights.
    """
    from safetensors.torch import load_file

    model, stored = inspector("class"), load_file(WEIGHTS)
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    found = {name: tuple(weight.shape) for name, weight in stored.items()}
    if expected != found:
        differ = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise ValueError(f"{WEIGHTS.name} holds another model's weights; these differ: {', '.join(differ)}")
    model.load_state_dict(stored)
    return model.eval()
