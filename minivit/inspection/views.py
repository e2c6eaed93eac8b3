"""Views: a picture as a whole, small, and a part of it, near. What is too small in the one is read in the other.

Legend: B pictures, C channels, H W pixels. A box is (y0, x0, y1, x1), fractions of the picture, y down, x to the right.

A tower sees 64 x 64 pixels of a picture, whatever its size: enough for colours and signs, too few for an asset code. So
the code is looked for in the whole, and read in a crop of the original. LLaVA's later versions cut such tiles too.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit import images

WHOLE = (64, 64)
NEAR = (32, 96)  # a plate is about three times as wide as it is high
MARGIN = 1.25  # a box is enlarged by so much before it is cut out, since it was only estimated


class Views(NamedTuple):
    """Both, as a tower wants them: floating, in [0, 1]."""

    whole: Tensor  # (B, C, 64, 64)
    near: Tensor  # (B, C, 32, 96)


def square(pictures: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, S, S): the largest square in the middle, whose fractions all boxes are."""
    side = min(pictures.shape[-2:])
    return images.fit(pictures, side, side)


def whole(pictures: Tensor) -> Tensor:
    """(B, C, H, W) uint8 or floating -> (B, C, 64, 64) in [0, 1]: the `square`, made small."""
    return images.to_float(images.fit(pictures, *WHOLE))


def crop(pictures: Tensor, boxes: Tensor, size: tuple[int, int] = NEAR, margin: float = MARGIN) -> Tensor:
    """(B, C, H, W), (B, 4) -> (B, C, *size) in [0, 1]: each box, enlarged by `margin` about its middle, fills a view.

    Where a box is larger than the view, its picture is made small first, so that thin lines fade and do not flicker;
    its own picture alone, so a crop is the same in every batch. What lies outside the picture repeats its border.
    Raises ValueError for boxes of another shape, with NaN, or empty.
    """
    _check(pictures, boxes)
    height, width = pictures.shape[-2:]
    middle, half = (boxes[:, 2:] + boxes[:, :2]) / 2, (boxes[:, 2:] - boxes[:, :2]) * (margin / 2)
    shown = ((2 * half) * torch.tensor([height / size[0], width / size[1]])).min(dim=1).values
    pictures = images.to_float(pictures)
    (y, x), (tall, wide) = (2 * middle - 1).T, (2 * half).T
    nought = torch.zeros_like(y)
    where = torch.stack([torch.stack([wide, nought, x], dim=1), torch.stack([nought, tall, y], dim=1)], dim=1)
    grid = F.affine_grid(where, [len(boxes), 1, *size], align_corners=False)
    seen = _sampled(pictures, grid)
    for row, pixels in enumerate(shown.tolist()):
        if pixels > 1.5:  # of the picture, for a pixel of the view
            small = images.resize(pictures[row], max(1, round(height / pixels)), max(1, round(width / pixels)))
            seen[row] = _sampled(small[None], grid[row : row + 1])[0]
    return seen


def _sampled(pictures: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _check(pictures: Tensor, boxes: Tensor) -> None:
    if pictures.ndim != 4 or boxes.shape != (len(pictures), 4):
        raise ValueError(
            f"pictures (B, C, H, W) and a box for each, (B, 4); got {tuple(pictures.shape)} and {tuple(boxes.shape)}"
        )
    empty = ~((boxes[:, 2:] > boxes[:, :2]).all(dim=1) & boxes.isfinite().all(dim=1))
    if bool(empty.any()):
        row = int(empty.nonzero()[0, 0])
        raise ValueError(
            f"box {row} of {len(boxes)} is empty: {[round(v, 3) for v in boxes[row].tolist()]}; write (y0, x0, y1, x1) "
            f"with y0 below y1 and x0 below x1, fractions of the picture"
        )
