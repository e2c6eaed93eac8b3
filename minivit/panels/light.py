"""Light: bright, dim or warm; brighter on the side it comes from; a soft shadow of the panel behind it."""

from math import cos, radians, sin

import numpy as np

from .camera import CENTRE, VIEW
from .scene import Scene
from .surfaces import CORNER, EARS, EDGE

TINTS = {"bright": (1.02, 1.02, 1.02), "dim": (0.56, 0.58, 0.63), "warm": (1.03, 0.90, 0.70)}


def light_up(picture: np.ndarray, scene: Scene, x: np.ndarray, y: np.ndarray) -> None:
    """Let light fall on a picture (3, H, W), in place; x and y are the cells behind every pixel (see camera)."""
    angle = radians(scene.light_angle)
    towards_x, towards_y = sin(angle), -cos(angle)
    right, down = (x - CENTRE) / 2.6, (y - CENTRE) / 2.6
    shade = (1 + 0.13 * towards_x * right) + (0.13 * towards_y) * down
    shade -= 0.04 * (right * right + down * down)
    # the shadow: a soft box, pushed away from the light, on everything outside the panel
    beyond_x, beyond_y = np.abs(x - CENTRE) - (2 + EARS), np.abs(y - CENTRE) - (2 + EDGE)
    outside = np.maximum(np.maximum(beyond_x, beyond_y), 0.71 * (beyond_x + beyond_y) + 0.41 * CORNER)
    outside = np.clip(0.8 + outside * (len(x) / VIEW), 0, 1)  # antialiased, and a little under the rim
    sx = np.clip((2.40 - np.abs(x - CENTRE + 0.18 * towards_x)) / 0.30, 0, 1)
    sy = np.clip((2.30 - np.abs(y - CENTRE + 0.20 * towards_y)) / 0.30, 0, 1)
    shade *= 1 - 0.55 * (sx * sy * outside)
    # a soft pool of light, reflected by the panel
    gleam = np.exp(-1.6 * ((right - 0.5 * towards_x) ** 2 + (down - 0.55 * towards_y) ** 2))
    tint = np.array(TINTS[scene.light], np.float32).reshape(3, 1, 1)
    picture *= shade * tint
    picture += (0.055 * gleam) * tint
