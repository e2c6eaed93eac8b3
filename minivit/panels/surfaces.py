"""Surfaces: noise, and out of it the wall, the rack and the face of a panel in its colour and material."""

import numpy as np
from PIL import Image

from minivit.panels.camera import EXTENT, ORIGIN
from minivit.panels.easel import Easel, Sprite
from minivit.panels.keep import kept
from minivit.panels.shapes import box, coverage
from minivit.panels.sprites import screw

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


def noise(rows: int, cols: int, seed: int, pixels: int) -> np.ndarray:
    """Smooth noise, (pixels, pixels) float32: `rows` x `cols` random heights over the canvas, mean 0, deviation 1.

    The heights are the same at every size, so a texture keeps its place when a scene is drawn larger.
    """
    heights = np.random.Generator(np.random.PCG64([seed, rows, cols])).standard_normal((rows, cols)).astype(np.float32)
    return np.asarray(Image.fromarray(heights).resize((pixels, pixels), Image.Resampling.BICUBIC))


@kept(large=8)
def roughness(grid: int, seed: int, cell: int) -> np.ndarray:
    """Noise of `grid` x `grid` heights, (F, F) float32, kept: the flaking, blistering and wear of damage."""
    return noise(grid, grid, seed, canvas_pixels(cell))


def canvas_pixels(cell: int) -> int:
    """Side F of the flat canvas, in pixels, for a cell of `cell` pixels, a multiple of 10."""
    return round(EXTENT * cell)


def place(at: float, cell: int) -> int:
    """Pixel of the flat canvas, row or column, at a place in cells on the board."""
    return round((at - ORIGIN) * cell)


@kept(large=4)
def background(mount: str, variant: int, cell: int) -> np.ndarray:
    """What is behind the panel, (3, F, F) float32."""
    e = Easel(EXTENT, EXTENT, cell)
    x, y = e.x + ORIGIN + EXTENT / 2, e.y + ORIGIN + EXTENT / 2  # cells on the board
    (_wall if mount == "wall" else _rack)(e, x, y, variant, canvas_pixels(cell))
    return e.sprite().colour


def _tinted(colour: tuple[float, float, float], tone: np.ndarray) -> np.ndarray:
    """A colour, brighter and darker by a tone: (3, h, w)."""
    return np.clip(np.array(colour, np.float32).reshape(3, 1, 1) * tone, 0, 1)


def _wall(e: Easel, x: np.ndarray, y: np.ndarray, variant: int, n: int) -> None:
    """Plaster, and a conduit that comes down to the panel."""
    patches, bumps, grain = noise(5, 5, variant, n), noise(24, 24, variant, n), noise(160, 160, variant, n)
    plaster = _tinted((0.70, 0.685, 0.655), 1 + 0.030 * patches + 0.022 * bumps + 0.018 * grain)
    e.lay(plaster, np.ones_like(e.keep))
    pipe = (0.7, 2.0, 3.3)[variant]
    e.fill((0, 0, 0), box(x - pipe - 0.06, y + 2, 0.20, 3), opacity=0.35, soft=0.2)
    tube = np.clip(1.15 - 3.4 * np.abs(x - pipe + 0.05), 0.45, 1.2)
    e.fill(_tinted((0.62, 0.63, 0.64), tube), box(x - pipe, y + 2, 0.17, 3))


def _rack(e: Easel, x: np.ndarray, y: np.ndarray, variant: int, n: int) -> None:
    """Two rails with square holes in the dark, and the blank units above and below."""
    e.lay((0.07, 0.075, 0.08), np.ones_like(e.keep))
    rail = _tinted((0.60, 0.615, 0.63), 1 + 0.05 * noise(12, 200, variant, n))
    hole_y = (y + 0.175) % 0.55 - 0.275  # one hole, again and again down the rail
    for rail_x, hole_x in ((-0.62, -0.73), (4.62, 4.73)):
        e.fill(rail, box(x - rail_x, y - 2, 0.42, 9))
        e.fill((0.02, 0.02, 0.02), box(x - hole_x, hole_y, 0.10, 0.10, 0.015))
        e.fill((0.9, 0.9, 0.9), box(x - hole_x, hole_y + 0.115, 0.10, 0.012), opacity=0.35)
    steel = _tinted((0.235, 0.245, 0.26), 1 + 0.04 * noise(200, 12, 7, n))
    for middle in (-1.65, 5.65):
        unit = box(x - 2, y - middle, 2 + EARS, 1.35, 0.05)
        e.fill((0, 0, 0), unit - 0.05, opacity=0.7, soft=0.12)
        e.fill(steel, unit)
        e.fill((0.55, 0.56, 0.58), np.abs(unit + 0.02) - 0.012, opacity=0.5)


@kept(large=9)
def _finish(material: str, variant: int, cell: int) -> np.ndarray:
    """How paint, brushed metal or plastic varies in brightness over a panel, (4.4 cells, 4.6 cells), about 1."""
    n = canvas_pixels(cell)
    if material == "painted":
        tone = 0.018 * noise(6, 6, variant, n) + 0.020 * noise(90, 90, variant, n) + 0.016 * noise(240, 240, variant, n)
    elif material == "brushed":
        sheen = np.sin(np.linspace(0, 9, n, dtype=np.float32) + variant)[:, None]
        tone = 0.040 * noise(420, 6, variant, n) + 0.022 * noise(160, 4, variant, n) + 0.045 * sheen
    else:
        tone = 0.012 * noise(4, 4, variant, n) + 0.022 * noise(300, 300, variant, n)
    return 1 + tone[: round((4 + 2 * EDGE) * cell), : round((4 + 2 * EARS) * cell)]


@kept(large=6)
def face(colour: str, material: str, variant: int, cell: int) -> Sprite:
    """The bare panel, rows x cols = 4.4 x 4.6 cells of `cell` pixels, with its four screws."""
    e = Easel(4 + 2 * EDGE, 4 + 2 * EARS, cell)
    outline = box(e.x, e.y, 2 + EARS, 2 + EDGE, CORNER)
    down, right = (slope * np.float32(cell) for slope in np.gradient(outline))
    rim = 1 - coverage(outline + 0.055, cell, soft=0.05)
    tone = _finish(material, variant, cell) * (1 - rim * (0.30 * down + 0.10 * right))
    gleam = 0.10 * rim * np.clip(-down, 0, 1)
    e.lay(np.clip(_tinted(COLOURS[colour], tone) + gleam, 0, 1), coverage(outline, cell))
    height, width = e.keep.shape
    for corner, (sx, sy) in enumerate(((-2.13, -1.85), (2.13, -1.85), (-2.13, 1.85), (2.13, 1.85))):
        head = screw((20, 65, 110, 155)[(corner + variant) % 4], cell)
        rows, cols = head.keep.shape
        head.stamp(e.colour, round(height / 2 + sy * cell - rows / 2), round(width / 2 + sx * cell - cols / 2))
    e.body(outline)
    return e.sprite(opaque=round(CORNER * cell) + 1)
