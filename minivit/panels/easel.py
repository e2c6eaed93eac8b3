"""An easel: layers of colour laid over one another, kept as a sprite that can be stamped on a canvas."""

from typing import NamedTuple

import numpy as np

from minivit.panels.shapes import coverage


class Sprite(NamedTuple):
    """A drawn part of h x w pixels, ready to stamp."""

    colour: np.ndarray  # (3, h, w) float32, already multiplied by its opacity
    keep: np.ndarray  # (h, w) float32, share of what lies below that stays visible
    solid: np.ndarray  # (h, w) float32, coverage of the thing itself, its shadow and glow not counted
    opaque: int = 0  # when not 0, only so many rows at the top and at the bottom let anything through

    def stamp(self, canvas: np.ndarray, top: int, left: int) -> None:
        """Lay the sprite over a canvas (3, H, W), in place, its upper left corner at pixel (top, left)."""
        height, width = self.keep.shape
        patch = canvas[:, top : top + height, left : left + width]
        for rows in (slice(self.opaque), slice(-self.opaque, None)) if self.opaque else (slice(None),):
            edge = patch[:, rows]
            edge *= self.keep[rows]
            edge += self.colour[:, rows]
        if self.opaque:
            patch[:, self.opaque : -self.opaque] = self.colour[:, self.opaque : -self.opaque]


class Easel:
    """Layers on `rows` x `cols` cells of `cell` pixels; x (1, w) and y (h, 1) are cells from the middle.

    A colour is three numbers from 0 to 1, or an array (3, h, w). A distance is a signed one (see shapes).
    """

    def __init__(self, rows: float, cols: float, cell: int) -> None:
        height, width = round(rows * cell), round(cols * cell)
        self.cell = cell
        self.y = ((np.arange(height) + 0.5 - height / 2) / cell).astype(np.float32)[:, None]
        self.x = ((np.arange(width) + 0.5 - width / 2) / cell).astype(np.float32)[None, :]
        self.colour = np.zeros((3, height, width), np.float32)
        self.keep = np.ones((height, width), np.float32)
        self.solid = np.zeros((height, width), np.float32)

    def lay(self, colour, opacity: np.ndarray) -> None:
        """Lay a colour over everything so far, by an opacity (h, w) from 0 to 1."""
        keep = 1 - opacity
        self.colour *= keep
        self.colour += _planes(colour) * opacity
        self.keep *= keep

    def fill(self, colour, distance: np.ndarray, opacity: float = 1.0, soft: float = 0.0) -> None:
        """Fill the inside of a shape, a distance (h, w) in cells; `soft` is the width of its edge in cells."""
        self.lay(colour, opacity * coverage(distance, self.cell, soft))

    def body(self, distance: np.ndarray) -> None:
        """Say that the inside of this shape, a distance (h, w) in cells, is the thing itself, for its mask."""
        self.solid = np.maximum(self.solid, coverage(distance, self.cell))

    def slope(self, colour, top: float, bottom: float) -> np.ndarray:
        """(3, h, 1) or (3, h, w): a colour from `top` times to `bottom` times its brightness, down the sheet."""
        height = len(self.y)
        fade = np.linspace(top, bottom, height, dtype=np.float32)[None, :, None]
        return np.clip(_planes(colour) * fade, 0, 1)

    def sprite(self, opaque: int = 0) -> Sprite:
        """What was laid so far, read-only because sprites are shared; `opaque` in pixel rows (see Sprite)."""
        planes = [np.ascontiguousarray(a, dtype=np.float32) for a in (self.colour, self.keep, self.solid)]
        for plane in planes:
            plane.setflags(write=False)
        return Sprite(*planes, opaque)


def _planes(colour) -> np.ndarray:
    colour = np.asarray(colour, dtype=np.float32)
    return colour if colour.ndim == 3 else colour.reshape(3, 1, 1)
