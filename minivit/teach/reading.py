"""Lesson 13's reader: the assistant's tower, taught to read plates alone, to be trained while one waits.

Legend: B crops of 32 x 96 pixels, M scenes.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import panels
from minivit.inspection.views import crop, whole
from minivit.zoo import seeing

SCENES, STEPS, BATCH = 4_000, 300, 64
VIEWS = ("near", "whole")
"""What the reader is shown: a crop of the plate, or the whole picture made small."""


class Plates(NamedTuple):
    """M scenes, where their plates are, and what stands on them."""

    pictures: Tensor  # (M, 3, S, S) uint8
    boxes: Tensor  # (M, 4): fractions of the picture
    code: Tensor  # (M, 4) int64: the letter, three digits


def plates(count: int, split: str, first: int = 0, size: int = seeing.DRAWN, workers: int = 0) -> Plates:
    """The scenes with numbers first to first + count - 1, drawn with size x size pixels."""
    drawn = panels.batch(range(first, first + count), split, size, workers=workers)
    _, boxes, code = seeing.answers(drawn.scenes)
    return Plates(drawn.images, boxes[:, 0], code)


def shown(seen: Plates, rows: Tensor, view: str, random: torch.Generator) -> Tensor:
    """What is shown of the scenes with numbers `rows` (B,): for "near" from a box that is a little wrong."""
    if view not in VIEWS:
        raise ValueError(f"no view {view!r}; there are {', '.join(VIEWS)}")
    if view == "whole":
        return whole(seen.pictures[rows])
    return crop(seen.pictures[rows], seeing.estimated(seen.boxes[rows], random))


def reading(seen: Plates, seed: int = 0, view: str = "near") -> Callable[[nn.Module, Tensor], Tensor]:
    """A loss for `train` of a `seeing.Telling`; batches are numbers of scenes (B,). Crops are cut anew each time."""
    random = torch.Generator().manual_seed(seed)

    def loss(model: seeing.Telling, rows: Tensor) -> Tensor:
        letter, digits = model.read(shown(seen, rows, view, random))
        right = seen.code[rows]
        first = F.cross_entropy(letter.float(), right[:, 0])
        return first + 3 * F.cross_entropy(digits.float().flatten(0, 1), right[:, 1:].flatten())

    return loss


@torch.no_grad()
def read(model: seeing.Telling, seen: Plates, view: str = "near") -> Tensor:
    """-> (M,) bool: whether all four characters of a scene's code are read right."""
    random, told = torch.Generator().manual_seed(0), []
    for part in torch.arange(len(seen.code)).split(250):
        letter, digits = model.read(shown(seen, part, view, random))
        said = torch.cat([letter.argmax(-1)[:, None], digits.argmax(-1)], dim=1)
        told.append((said == seen.code[part]).all(dim=1))
    return torch.cat(told)
