"""Surfaces: noise, and out of it the wall, the rack and the face of a panel in its colour and material."""

from functools import lru_cache

import numpy as np
from PIL import Image

from .camera import EXTENT, ORIGIN
from .easel import Easel
from .shapes import box, circle, coverage
from .sprites import STEEL, screw

COLOURS = {
    "white": (0.90, 0.89, 0.85),
    "grey": (0.42, 0.45, 0.48),
    "blue": (0.14, 0.36, 0.62),
    "green": (0.20, 0.49, 0.37),
    "yellow": (0.92, 0.72, 0.18),
    "red": (0.70, 0.18, 0.16),
}
EARS, EDGE = 0.3, 0.2  # cells that the panel reaches beyond the board, at the sides and above and below
CORNER = 0.10
VARIANTS = 3


@lru_cache(maxsize=16)
def noise(rows: int, cols: int, seed: int, pixels: int) -> np.ndarray:
    """Smooth noise of `rows` x `cols` random heights over the whole canvas, (pixels, pixels), mean 0, deviation 1.

    The heights are the same at every size, so a texture keeps its place when a scene is drawn larger.
    """
    heights = np.random.Generator(np.random.PCG64([seed, rows, cols])).standard_normal((rows, cols)).astype(np.float32)
    field = np.asarray(Image.fromarray(heights).resize((pixels, pixels), Image.Resampling.BICUBIC))
    return field


def canvas_pixels(cell: int) -> int:
    """Side of the flat canvas for a cell size that is a multiple of 5."""
    return round(EXTENT * cell)


def place(at: float, cell: int) -> int:
    """Pixel of the flat canvas at a place in cells."""
    return round((at - ORIGIN) * cell)


@lru_cache(maxsize=16)
def background(mount: str, variant: int, cell: int) -> np.ndarray:
    """What is behind the panel, (3, F, F) float32."""
    n = canvas_pixels(cell)
    e = Easel(EXTENT, EXTENT, cell)
    x, y = e.x + ORIGIN + EXTENT / 2, e.y + ORIGIN + EXTENT / 2  # cells on the board
    if mount == "wall":
        plaster = 0.030 * noise(5, 5, variant, n) + 0.022 * noise(24, 24, variant, n) + 0.018 * noise(160, 160, variant, n)
        e.lay((0.70, 0.685, 0.655), np.ones_like(e.keep))
        e.lay(np.clip(np.array((0.70, 0.685, 0.655), np.float32)[:, None, None] * (1 + plaster), 0, 1), np.ones_like(e.keep))
        pipe = (0.7, 2.0, 3.3)[variant]
        e.fill((0, 0, 0), box(x - pipe - 0.06, y + 2, 0.20, 3), opacity=0.35, soft=0.2)
        tube = np.clip(1.15 - 3.4 * np.abs(x - pipe + 0.05), 0.45, 1.2)
        e.fill((np.array((0.62, 0.63, 0.64)).reshape(3, 1, 1) * tube).clip(0, 1), box(x - pipe, y + 2, 0.17, 3))
    else:
        e.lay((0.07, 0.075, 0.08), np.ones_like(e.keep))
        streaks = 1 + 0.05 * noise(12, 200, variant, n)
        for side in (-0.62, 4.62):
            e.fill(np.clip(np.array((0.60, 0.615, 0.63)).reshape(3, 1, 1) * streaks, 0, 1), box(x - side, y - 2, 0.42, 9))
            for step in range(-3, 12):
                outer = side + (0.11 if side > 2 else -0.11)
                e.fill((0.02, 0.02, 0.02), box(x - outer, y - 0.55 * step - 0.1, 0.10, 0.10, 0.015))
                e.fill((0.9, 0.9, 0.9), box(x - outer, y - 0.55 * step - 0.215, 0.10, 0.012), opacity=0.35)
        for top, bottom in ((-3.0, -EDGE - 0.10), (4 + EDGE + 0.10, 7.0)):
            unit = box(x - 2, y - (top + bottom) / 2, 2 + EARS, (bottom - top) / 2, 0.05)
            e.fill((0, 0, 0), unit - 0.05, opacity=0.7, soft=0.12)
            e.fill(np.clip(np.array((0.235, 0.245, 0.26)).reshape(3, 1, 1) * (1 + 0.04 * noise(200, 12, 7, n)), 0, 1), unit)
            e.fill((0.55, 0.56, 0.58), np.abs(unit + 0.02) - 0.012, opacity=0.5)
    return e.sprite().colour


@lru_cache(maxsize=64)
def face(colour: str, material: str, variant: int, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """The bare panel: (3, 4.4 cells, 4.6 cells) premultiplied colour, and (h, w) how much of the background stays."""
    n = canvas_pixels(cell)
    e = Easel(4 + 2 * EDGE, 4 + 2 * EARS, cell)
    height, width = e.keep.shape
    rough = np.zeros((n, n), np.float32)
    if material == "painted":
        rough = 0.018 * noise(6, 6, variant, n) + 0.020 * noise(90, 90, variant, n) + 0.016 * noise(240, 240, variant, n)
    elif material == "brushed":
        rough = 0.040 * noise(420, 6, variant, n) + 0.022 * noise(160, 4, variant, n) + 0.045 * np.sin(np.linspace(0, 9, n) + variant)[:, None]
    else:
        rough = 0.012 * noise(4, 4, variant, n) + 0.022 * noise(300, 300, variant, n)
    tone = 1 + rough[:height, :width]
    outline = box(e.x, e.y, 2 + EARS, 2 + EDGE, CORNER)
    down = np.gradient(outline, axis=0) * cell
    right = np.gradient(outline, axis=1) * cell
    rim = 1 - coverage(outline + 0.055, cell, soft=0.05)
    tone = tone * (1 - rim * (0.30 * down + 0.10 * right))
    base = np.array(COLOURS[colour], np.float32).reshape(3, 1, 1)
    gleam = 0.10 * rim * np.clip(-down, 0, 1)
    e.lay(np.clip(base * tone + gleam, 0, 1), coverage(outline, cell))
    for index, (sx, sy) in enumerate(((-2.13, -1.85), (2.13, -1.85), (-2.13, 1.85), (2.13, 1.85))):
        head = screw((20, 65, 110, 155)[(index + variant) % 4], cell)
        rows, cols = head.keep.shape
        head.stamp(e.colour, round(height / 2 + sy * cell - rows / 2), round(width / 2 + sx * cell - cols / 2))
    sprite = e.sprite()
    return sprite.colour, sprite.keep
