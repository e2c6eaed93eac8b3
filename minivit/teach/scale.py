"""Lesson 6's two readers of panels, a small ResNet and a small ViT, and the questions that they are asked.

Legend: B pictures, C channels, H W pixels, P pixels from one token to the next, N tokens. All answers stand one after
another in one row of 17 logits: 4 damages, 5 counts of lamps, 3 badges, 3 levels of the icon, and whether those two
agree. Damage is a texture that one small window sees. A count needs many places, agreement needs two that lie apart.

Badge and level are stepping stones: asked for agreement alone, neither reader finds it (tools/runs/scale.py, `alone`).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import images, panels
from minivit.convnet import ResNet, ResNetConfig
from minivit.panels.rules import BADGES, DAMAGES, PLACES
from minivit.pooling import mean_pool
from minivit.train import adamw, muon
from minivit.vit import ViT, ViTConfig

KINDS = ("cnn", "vit")
QUESTIONS = {"damage": DAMAGES, "lamps": range(5), "badge": BADGES, "level": BADGES, "agree": (False, True)}
WORDS = {**QUESTIONS, "place": PLACES}  # where the damage is, or would be: asked alone, of readers of its own
SAID = {
    "damage": lambda scene: scene.damage,
    "lamps": lambda scene: scene.lamps_lit,
    "badge": lambda scene: scene.badge,
    "level": lambda scene: scene.icon_level,
    "agree": lambda scene: scene.agree,
    "place": lambda scene: scene.place,
}
SIZE, TOKENS = 64, 8  # pixels a side, tokens a side: for panels; CIFAR-10's 32 pixels become as many tokens


def reader(kind: str, classes: int, size: int = SIZE) -> ResNet | ViT:
    """A fresh "cnn" or "vit", (B, 3, size, size) in [0, 1] -> (B, classes); both give 8 x 8 tokens and take their mean.

    The ResNet has 0.08 million weights and the ViT 0.47, at about half and the whole of one cost a step.
    """
    patch = size // TOKENS
    if kind == "cnn":
        return ResNet(ResNetConfig((16, 32, 64), 1, stride=patch // 4), head=nn.Linear(64, classes))
    if kind == "vit":
        config = ViTConfig(size, patch, width=96, depth=4, heads=3, prefix=0)
        return ViT(config, pool=mean_pool, head=nn.Linear(96, classes))
    raise ValueError(f"a reader is one of {', '.join(KINDS)}; got {kind!r}")


def optimizer(model: nn.Module, name: str, rate: float):
    """ "adamw" or "muon" at this rate; Muon is for the matrices in a ViT's blocks and leaves the rest to AdamW."""
    if name not in ("adamw", "muon"):
        raise ValueError(f"an optimizer is adamw or muon; got {name!r}")
    return adamw(model, lr=rate) if name == "adamw" else muon(model, lr=rate)


def scenes(count: int, split: str, size: int = SIZE, workers: int = 0) -> tuple[Tensor, Tensor]:
    """-> pictures (count, 3, size, size) in [0, 1] and answers (count, 5), an index into each question's words."""
    drawn = panels.batch(range(count), split, size, workers=workers)
    return images.to_float(drawn.images), truths(drawn.scenes)


def truths(seen: Sequence[panels.Scene], asked: Sequence[str] = tuple(QUESTIONS)) -> Tensor:
    """B scenes -> (B, questions): the index of each answer among its question's words."""
    return torch.tensor([[WORDS[name].index(SAID[name](scene)) for name in asked] for scene in seen])


def widths(asked: Sequence[str] = tuple(QUESTIONS)) -> list[int]:
    """How many answers each of these questions has."""
    return [len(WORDS[name]) for name in asked]


def answers(asked: Sequence[str] = tuple(QUESTIONS)) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """A loss for `train`, of pictures (B, 3, H, W) and right answers (B, questions): the cross-entropies, added."""

    def loss(model: nn.Module, pictures: Tensor, right: Tensor) -> Tensor:
        said = model(pictures).float().split(widths(asked), dim=1)
        return sum(F.cross_entropy(logits, truth) for logits, truth in zip(said, right.T, strict=True))

    return loss


@torch.no_grad()
def scores(
    model: nn.Module, pictures: Tensor, right: Tensor, asked: Sequence[str] = tuple(QUESTIONS)
) -> dict[str, float]:
    """(B, 3, H, W), (B, questions) -> the share answered rightly, by question. The model is left evaluating."""
    model.eval()
    said = torch.cat([model(part).float() for part in pictures.split(250)]).split(widths(asked), dim=1)
    shares = [(logits.argmax(1) == truth).float().mean().item() for logits, truth in zip(said, right.T, strict=True)]
    return dict(zip(asked, shares, strict=True))


def shifted(pictures: Tensor, down: int, right: int) -> Tensor:
    """(..., C, H, W) moved by whole pixels, `down` and `right`; what comes in repeats the edge, and nothing wraps."""
    height, width = pictures.shape[-2:]
    rows = (torch.arange(height) - down).clamp(0, height - 1)
    columns = (torch.arange(width) - right).clamp(0, width - 1)
    return pictures[..., rows[:, None], columns]
