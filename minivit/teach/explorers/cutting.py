"""Pictures of tokens: the cut picture, one token, what few numbers keep of each. Pure functions, pixels in and out.

Legend: H W pixels, P patch side, (rows, cols) the grid, N tokens, D the numbers that a token keeps.
"""

from functools import lru_cache

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from minivit import images
from minivit.patches import Grid, patchify, unpatchify
from minivit.teach.figures import ORANGE, PAPER

SIDE = 448  # pixels on the screen of a large picture's longer side


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)


def target(height: int, width: int, size: int, patch: int, whole: bool = False) -> tuple[int, int]:
    """The sides that `fit` gives an h x w picture: multiples of P, one patch at least."""
    inner = (height, width) if whole else (1, 1)
    return tuple(max(1, int(side * size / max(inner) / patch + 0.5)) * patch for side in inner)


@lru_cache(maxsize=8)  # a tensor's hash is its identity: one picture is resized once for each set of choices
def fit(picture: Tensor, size: int, patch: int, whole: bool = False) -> tuple[Tensor, str]:
    """uint8 (3, h, w) -> (uint8 (3, H, W) whose sides P divides, a sentence that says what was done).

    The middle square is kept, or the whole picture with its longer side at `size`; sides then go to the nearest
    multiple of P, one patch at least.
    """
    height, width = picture.shape[-2:]
    if not whole:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        picture = picture[:, top : top + side, left : left + side]
    inner = tuple(picture.shape[-2:])
    to = target(*inner, size, patch, whole)
    note = f"{height} × {width} pixels (height × width)"
    if inner != (height, width):
        note = f"The middle {inner[0]} × {inner[1]} of {note}"
    if to != inner:
        note += f", resized to {to[0]} × {to[1]}"
    wished = [round(side * size / max(inner)) for side in inner]
    missed = [str(side) for side, got in zip(wished, to, strict=True) if side != got]
    if missed:
        note += f", since {patch} does not divide {' or '.join(dict.fromkeys(missed))}"
    return images.resize(picture, *to), note + "."


def grid_of(image: Tensor, patch: int) -> Grid:
    """The grid of a picture (3, H, W)."""
    return Grid.of(image.shape[-2], image.shape[-1], patch)


def enlarge(image: Tensor, height: int, width: int) -> Tensor:
    """(3, H, W) -> (3, height, width): in whole pixels where the factor is whole, smoothly where it is not."""
    if height % image.shape[-2] == 0 and width % image.shape[-1] == 0:
        return image.repeat_interleave(height // image.shape[-2], 1).repeat_interleave(width // image.shape[-1], 2)
    return images.resize(image, height, width)


def exploded(image: Tensor, patch: int, token: int) -> np.ndarray:
    """(3, H, W) -> (h, w, 3) uint8: the patches pulled apart on paper, one of them framed.

    Where patches would be too small to stand apart, thin lines are drawn over the picture instead.
    """
    rows, cols = grid_of(image, patch)
    cell = SIDE // max(rows, cols)  # a patch and the gap after it
    gap = 0 if cell < 10 else max(2, cell // 12)
    inner = cell - gap
    large = rearrange(enlarge(image, rows * inner, cols * inner), "c h w -> h w c").numpy()
    cells = np.full((rows, cols, cell, cell, 3), _rgb(PAPER), dtype=np.uint8)
    cells[:, :, :inner, :inner] = rearrange(large, "(r y) (k x) c -> r k y x c", r=rows, k=cols)
    if not gap:
        line = cells[:, :, -1:, :], cells[:, :, :-1, -1:]
        for part in line:
            part[...] = (0.65 * part + 0.35 * _rgb(PAPER)).astype(np.uint8)
    edge = 3  # room around for the frame
    height, width = rows * cell - gap, cols * cell - gap
    canvas = np.full((height + 2 * edge, width + 2 * edge, 3), _rgb(PAPER), dtype=np.uint8)
    canvas[edge:-edge, edge:-edge] = rearrange(cells, "r k y x c -> (r y) (k x) c")[:height, :width]
    row, col = divmod(token, cols)
    frame(canvas, edge + row * cell, edge + col * cell, inner, inner)
    return canvas


def frame(canvas: np.ndarray, top: int, left: int, height: int, width: int, thick: int = 3) -> None:
    """Draws an orange frame around a rectangle, just outside of it, into an (h, w, 3) array."""
    rows, cols = canvas.shape[:2]
    y0, y1 = max(0, top - thick), min(rows, top + height + thick)
    x0, x1 = max(0, left - thick), min(cols, left + width + thick)
    colour = _rgb(ORANGE)
    canvas[y0 : max(0, top), x0:x1] = colour
    canvas[top + height : y1, x0:x1] = colour
    canvas[y0:y1, x0 : max(0, left)] = colour
    canvas[y0:y1, left + width : x1] = colour


@lru_cache(maxsize=32)
def waves(patch: int, count: int) -> Tensor:
    """(count, P*P): orthonormal cosine waves over a patch, the slowest first; the first one is flat."""
    steps = torch.arange(patch, dtype=torch.float64)
    lines = torch.cos(torch.pi / patch * (steps[None] + 0.5) * steps[:, None])  # (frequency, position)
    lines = lines / lines.norm(dim=1, keepdim=True)
    speed = steps[:, None] ** 2 + steps[None] ** 2
    slowest = torch.argsort(speed.flatten(), stable=True)[:count]
    rows, cols = slowest // patch, slowest % patch
    return rearrange(torch.einsum("ny,nx->nyx", lines[rows], lines[cols]), "n y x -> n (y x)").float()


def keep(image: Tensor, patch: int, numbers: int) -> Tensor:
    """uint8 (3, H, W) -> the same picture after each patch was told in `numbers` numbers, a third for each colour.

    One linear map for all patches, as in a patch embedding, here onto the slowest waves; then back as well as can be.
    With P*P*3 numbers or more nothing is lost.
    """
    if numbers >= 3 * patch * patch:
        return image
    basis = waves(patch, numbers // 3)
    flat = rearrange(patchify(images.to_float(image), patch), "n (p c) -> n c p", c=3)
    told = flat @ basis.T  # (N, 3, D / 3)
    back = rearrange(told @ basis, "n c p -> n (p c)")
    return images.to_uint8(unpatchify(back, grid_of(image, patch), patch).clamp(0, 1))


def window(image: Tensor, focus: tuple[float, float], height: int = 200, width: int = 300, part: float = 0.6) -> Tensor:
    """(3, H, W) -> (3, h, w) within height x width: the surroundings of a place (y, x in 0..1), enlarged.

    It shows `part` of the picture's longer side across.
    """
    rows, cols = image.shape[-2:]
    wide = max(1, min(cols, round(part * max(rows, cols))))
    high = max(1, min(rows, round(wide * height / width)))
    top = min(max(0, round(focus[0] * rows - high / 2)), rows - high)
    left = min(max(0, round(focus[1] * cols - wide / 2)), cols - wide)
    times = min(height / high, width / wide)
    part_of_it = image[:, top : top + high, left : left + wide]
    return images.resize(part_of_it, max(1, round(high * times)), max(1, round(wide * times)))
