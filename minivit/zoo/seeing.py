"""The tower of lesson 13's assistant: every token is asked what it sees, and learns to tell.

Legend: B pictures, whole (64 x 64 pixels, 8 x 8 tokens) and near (32 x 96 pixels, 4 x 12 tokens), P = 8, N tokens, D =
128 width.

CLIP's tower learns what a caption says. An assistant is asked more: where, how bad, which letters. So this one is
taught with all that a drawn scene knows: which part a token lies on, what that part shows, where its edges are, which
pixels are damaged; and on a plate, which letter and digits stand there. What is taught is a linear map of each token,
and the maps are thrown away, but for the one that draws damage. The tower is frozen afterwards, as in LLaVA.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import panels
from minivit.bridge import CrossAttention
from minivit.convnet import ResNet, ResNetConfig
from minivit.inspection.views import crop, whole
from minivit.panels import PARTS, Scene, regions, rules
from minivit.positions import SinCosPositions
from minivit.vit import ViT, ViTConfig

SIZE, DRAWN, WIDTH, DEPTH, HEADS, PATCH = 64, 128, 128, 2, 4, 8

EVERYWHERE = {"colour": rules.COLOURS, "mount": rules.MOUNTS, "light": rules.LIGHTS, "label": rules.LABELS}
ON_A_PART = {
    "badge": ("badge", rules.BADGES), "badge_shape": ("badge", rules.SHAPES), "hazard": ("icon", rules.HAZARDS),
    "icon_level": ("icon", rules.BADGES), "lamps_lit": ("lamps", tuple(range(5))),
    "damage": ("damage", rules.DAMAGES[1:]), "severity": ("damage", rules.SEVERITIES),
    "place": ("damage", rules.PLACES),
}  # fmt: skip
BOXED = ("code", "badge", "icon", "damage")
LETTERS, DIGITS = rules.LETTERS, "0123456789"


class Taught(NamedTuple):
    """M scenes, drawn with 128 x 128 pixels, and what their tokens are to tell."""

    pictures: Tensor  # (M, 3, 128, 128) uint8
    parts: Tensor  # (M, 64, 7) float: the share of each token that each of PARTS covers
    hurt: Tensor  # (M, 64, 64) bool: the pixels of a token's 8 x 8 that are damaged
    words: Tensor  # (M, 12) int64: which word of each question is right, -1 where none is
    boxes: Tensor  # (M, 4, 4): of BOXED, as fractions; NaN where there is none
    code: Tensor  # (M, 4) int64: the letter, three digits


def tower() -> ViT:
    """A fresh one, (B, 3, H, W) in [0, 1] -> (B, N, D): convolutions look, two blocks compare; for every grid."""
    stem = ResNet(ResNetConfig((32, 64, WIDTH), 1, stride=2), pool=None)
    config = ViTConfig(SIZE, PATCH, width=WIDTH, depth=DEPTH, heads=HEADS, prefix=0)
    return ViT(config, stem=stem, positions=SinCosPositions(WIDTH), pool=None)


def answers(scenes: list[Scene]) -> tuple[Tensor, Tensor, Tensor]:
    """M scenes -> words (M, 12), boxes (M, 4, 4), code (M, 4) as in `Taught`."""
    asked = EVERYWHERE | {name: words for name, (_, words) in ON_A_PART.items()}
    said = [
        [words.index(value) if (value := getattr(scene, name)) in words else -1 for name, words in asked.items()]
        for scene in scenes
    ]
    for row, scene in zip(said, scenes, strict=True):
        if scene.damage == "none":
            row[list(asked).index("place")] = -1
    nowhere = (float("nan"),) * 4
    boxes = [[found.get(part, nowhere) for part in BOXED] for found in map(regions, scenes)]
    codes = [[LETTERS.index(s.code[0]), *(DIGITS.index(s.code[i]) for i in (1, 3, 4))] for s in scenes]
    return torch.tensor(said), torch.tensor(boxes), torch.tensor(codes)


def taught(count: int, split: str, first: int = 0, workers: int = 0, together: int = 256) -> Taught:
    """-> what the scenes with numbers first to first + count - 1 look like, and what their tokens are to tell."""
    rows = []
    for start in range(first, first + count, together):
        seeds = range(start, min(start + together, first + count))
        drawn = panels.batch(seeds, split, DRAWN, parts=True, workers=workers)
        shares = F.avg_pool2d(drawn.masks.float(), DRAWN // (SIZE // PATCH))
        hurt = F.avg_pool2d(drawn.masks[:, PARTS.index("damage")].float(), DRAWN // SIZE) >= 0.5
        by_token = rearrange(hurt, "m (rows p) (cols q) -> m (rows cols) (p q)", p=PATCH, q=PATCH)
        rows.append((drawn.images, rearrange(shares, "m k rows cols -> m (rows cols) k"), by_token,
                     *answers(drawn.scenes)))  # fmt: skip
    return Taught(*map(torch.cat, zip(*rows, strict=True)))


class Telling(nn.Module):
    """The tower with the maps that make it tell. Only the tower, and the map that draws damage, are kept."""

    def __init__(self):
        super().__init__()
        self.tower = tower()
        counts = [len(words) for words in EVERYWHERE.values()] + [len(words) for _, words in ON_A_PART.values()]
        self.parts, self.words = nn.Linear(WIDTH, len(PARTS)), nn.Linear(WIDTH, sum(counts))
        self.boxes, self.hurt = nn.Linear(WIDTH, 4 * len(BOXED)), nn.Linear(WIDTH, PATCH * PATCH)
        self.asking = nn.Parameter(torch.randn(4, WIDTH) * 0.02)  # a question for each letter and digit
        self.reading = CrossAttention(WIDTH, WIDTH, HEADS)
        self.letter, self.digits = nn.Linear(WIDTH, len(LETTERS)), nn.Linear(WIDTH, len(DIGITS))
        self.counts = counts

    def read(self, near: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 32, 96) -> (B, 24), (B, 3, 10): logits of the letter and of the digits."""
        tokens = self.tower(near)
        asked = self.reading(self.asking.to(tokens.dtype).expand(len(tokens), -1, -1), tokens)
        return self.letter(asked[:, 0]), self.digits(asked[:, 1:])


def telling(seen: Taught, seed: int = 0):
    """A loss for `train`; batches are numbers of scenes (B,). The crops of plates are drawn anew each time."""
    random = torch.Generator().manual_seed(seed)

    def loss(model: Telling, rows: Tensor) -> Tensor:
        batch = Taught(*(tensor[rows] for tensor in seen))
        tokens = model.tower(whole(batch.pictures)).float()
        values = [F.binary_cross_entropy_with_logits(model.parts(tokens), batch.parts)]
        values += _said(model, tokens, batch)
        values.append(_boxed(model, tokens, batch))
        values.append(4 * F.binary_cross_entropy_with_logits(model.hurt(tokens), batch.hurt.float()))
        letter, digits = model.read(crop(batch.pictures, estimated(batch.boxes[:, 0], random)))
        values.append(F.cross_entropy(letter.float(), batch.code[:, 0]))
        values.append(3 * F.cross_entropy(digits.float().flatten(0, 1), batch.code[:, 1:].flatten()))
        return sum(values)

    return loss


def _said(model: Telling, tokens: Tensor, batch: Taught) -> list[Tensor]:
    """Cross-entropies: of every token about the whole, and of a part's tokens about the part."""
    values = []
    where = [None] * len(EVERYWHERE) + [part for part, _ in ON_A_PART.values()]
    for logits, part, right in zip(model.words(tokens).split(model.counts, dim=-1), where, batch.words.T, strict=True):
        on = torch.ones_like(batch.parts[..., 0]) if part is None else batch.parts[..., PARTS.index(part)]
        on = on * (on > 0.15) * (right >= 0)[:, None]
        each = F.cross_entropy(
            logits.flatten(0, 1), right.clamp(min=0)[:, None].expand_as(on).flatten(), reduction="none"
        )
        values.append((each * on.flatten()).sum() / on.sum().clamp(min=1))
    return values


def _boxed(model: Telling, tokens: Tensor, batch: Taught) -> Tensor:
    """The mean distance, in picture widths, from a part's edges to where its tokens see them, times 10."""
    seen = rearrange(model.boxes(tokens), "b n (k e) -> b n k e", e=4)
    on = torch.stack([batch.parts[..., PARTS.index(part)] for part in BOXED], dim=-1)
    on = on * (on > 0.15) * batch.boxes[..., 0].isfinite()[:, None]
    far = (seen - batch.boxes.nan_to_num()[:, None]).abs().mean(dim=-1)
    return 10 * (far * on).sum() / on.sum()


def estimated(boxes: Tensor, random: torch.Generator) -> Tensor:
    """(B, 4) -> (B, 4): boxes as a reader of coordinates would have them, moved and sized a little wrong."""
    middle, side = (boxes[:, 2:] + boxes[:, :2]) / 2, boxes[:, 2:] - boxes[:, :2]
    middle = middle + side * torch.tensor([0.15, 0.06]) * (2 * torch.rand(middle.shape, generator=random) - 1)
    side = side * (0.9 + 0.3 * torch.rand(side.shape, generator=random))
    return torch.cat([middle - side / 2, middle + side / 2], dim=1)


@torch.no_grad()
def scores(model: Telling, judged: Taught) -> dict[str, float]:
    """What a vote of the tokens gets right: each question, the code from the true place of its plate, edges, mask."""
    told, asked = {}, EVERYWHERE | {name: words for name, (_, words) in ON_A_PART.items()}
    tokens = torch.cat([model.tower(whole(part)) for part in judged.pictures.split(250)]).float()
    parts = model.parts(tokens).sigmoid()
    for at, (name, logits) in enumerate(zip(asked, model.words(tokens).split(model.counts, dim=-1), strict=True)):
        weight = parts[..., [PARTS.index(ON_A_PART[name][0])]] if name in ON_A_PART else 1.0
        said, right = (logits.softmax(-1) * weight).sum(1).argmax(1), judged.words[:, at]
        told[name] = (said == right)[right >= 0].float().mean().item()
    hurt = model.hurt(tokens) > 0
    found, there = hurt.flatten(1).any(1), judged.hurt.flatten(1).any(1)
    told["damage found"] = (found == there).float().mean().item()
    both, either = (hurt & judged.hurt).flatten(1).sum(1), (hurt | judged.hurt).flatten(1).sum(1)
    told["mask"] = (both[there] / either[there]).mean().item()
    weight = parts[..., [PARTS.index(part) for part in BOXED]][..., None] ** 4
    boxes = (rearrange(model.boxes(tokens), "b n (k e) -> b n k e", e=4) * weight).sum(1) / weight.sum(1)
    for k, part in enumerate(BOXED):
        told[f"edges of {part}"] = (boxes[:, k] - judged.boxes[:, k]).abs().nanmean().item()
    letter, digits = zip(
        *(model.read(part) for part in crop(judged.pictures, judged.boxes[:, 0]).split(250)), strict=True
    )
    said = torch.cat([torch.cat(letter).argmax(-1)[:, None], torch.cat(digits).argmax(-1)], dim=1)
    told["code"] = (said == judged.code).all(dim=1).float().mean().item()
    return told
