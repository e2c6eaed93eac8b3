"""Light: bright, dim or warm, brighter on the side it comes from; and the soft shadow of the panel behind it."""

from functools import lru_cache
from math import cos, radians, sin

import numpy as np

from minivit.panels.camera import CENTRE, ORIGIN
from minivit.panels.scene import Scene
from minivit.panels.shapes import clamp
from minivit.panels.surfaces import EARS, EDGE, canvas_pixels

TINTS = {"bright": (1.02, 1.02, 1.02), "dim": (0.56, 0.58, 0.63), "warm": (1.03, 0.90, 0.70)}


def _direction(scene: Scene) -> tuple[float, float]:
    """Where on the panel's plane the light comes from: (x, y), one cell long."""
    angle = radians(scene.light_angle)
    return sin(angle), -cos(angle)


@lru_cache(maxsize=8)
def _along(cell: int) -> np.ndarray:
    """Cells from the middle of the board, for every row or column of the flat canvas."""
    return ((np.arange(canvas_pixels(cell)) + 0.5) / cell + (ORIGIN - CENTRE)).astype(np.float32)


def shadow(scene: Scene, cell: int) -> np.ndarray:
    """(F, F): share of the light that reaches the flat background; the panel's shadow is a soft box, pushed aside."""
    x, y = _direction(scene)
    across = clamp((2.10 + EARS - np.abs(_along(cell) + 0.18 * x)) / 0.30)
    down = clamp((2.10 + EDGE - np.abs(_along(cell) + 0.20 * y)) / 0.30)
    reach = np.outer(-0.55 * down, across)
    reach += 1
    return reach


def develop(picture: np.ndarray, scene: Scene, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(3, H, W) reflectances -> (3, H, W) uint8: let the light fall on a picture, which is overwritten.

    x and y, (H, W), are the cells behind every pixel (see camera): light fades with the distance from where it
    comes from, and the panel reflects a soft pool of it.
    """
    light_x, light_y = _direction(scene)
    right, down = (x - CENTRE) / 2.6, (y - CENTRE) / 2.6
    shade = (1 + 0.13 * light_x * right) + (0.13 * light_y) * down
    shade -= 0.04 * (right * right + down * down)
    right -= 0.5 * light_x
    down -= 0.55 * light_y
    pool = np.exp(-1.6 * (right * right + down * down))
    pool *= 0.055
    picture *= shade
    picture += pool
    picture *= 255 * np.array(TINTS[scene.light], np.float32).reshape(3, 1, 1)
    picture += 0.5
    return np.minimum(picture, 255, out=picture).astype(np.uint8)
