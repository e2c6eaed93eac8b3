"""The camera: from cells on the panel to places in the picture, back again, and how far away things are.

A pinhole looks at the plane of the panel from 0.9 m. Lengths are cells of 0.1 m; picture coordinates
run from 0 to 1, x to the right and y down. A plane seen by a pinhole is a homography: a 3 x 3 matrix
that takes (x, y, 1) on the panel to (u, v, 1) times w in the picture.
"""

from functools import lru_cache
from math import cos, radians, sin
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from minivit.panels.scene import Scene

CELL = 0.1  # metres
DISTANCE = 9.0  # cells
VIEW = 5.5  # cells that the picture shows at that distance
CENTRE = 2.0  # the middle of the board, in cells
ORIGIN, EXTENT = -1.2, 6.4  # the flat canvas reaches from -1.2 to 5.2 cells, both ways


class Camera(NamedTuple):
    to_picture: np.ndarray  # (3, 3) from (x, y, 1) in cells to (u, v, 1) w in the picture
    to_panel: np.ndarray  # (3, 3) its inverse
    normal: np.ndarray  # (3,) third row of the rotation: how depth grows with x, with y, and with height over the plane
    distance: float  # cells from the pinhole to the middle of the board


@lru_cache(maxsize=64)
def camera(scene: Scene) -> Camera:
    """The camera of a scene: its angles in degrees, its zoom, its shifts in cells."""
    a, b, c = radians(scene.yaw), radians(scene.pitch), radians(scene.roll)
    yaw = np.array([[cos(a), 0, sin(a)], [0, 1, 0], [-sin(a), 0, cos(a)]])
    pitch = np.array([[1, 0, 0], [0, cos(b), -sin(b)], [0, sin(b), cos(b)]])
    roll = np.array([[cos(c), -sin(c), 0], [sin(c), cos(c), 0], [0, 0, 1]])
    rotation = roll @ pitch @ yaw
    distance = DISTANCE * scene.zoom
    shift = np.array([scene.shift_x, scene.shift_y, distance])
    plane = np.column_stack([rotation[:, 0], rotation[:, 1], shift - CENTRE * (rotation[:, 0] + rotation[:, 1])])
    focal = DISTANCE / VIEW
    to_picture = np.array([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]) @ plane
    return Camera(to_picture, np.linalg.inv(to_picture), rotation[2], distance)


def project(view: Camera, points: np.ndarray) -> np.ndarray:
    """(n, 2), points (x, y) of the panel in cells -> (2, n), y and x as fractions of the picture."""
    u, v, w = view.to_picture[:, :2] @ points.T + view.to_picture[:, 2:]
    return np.stack([v, u]) / w


@lru_cache(maxsize=8)
def _pixel_centres(size: int) -> tuple[np.ndarray, np.ndarray]:
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    return centres[:, None], centres[None, :]


def panel_points(
    view: Camera, size: int, scale: float = 1.0, shift: float = 0.0, out: np.ndarray | None = None
) -> np.ndarray:
    """(2, size, size) float32: the place on the panel's plane behind every pixel, x and y in cells.

    Both come out times `scale` and plus `shift`, where another unit is wanted.
    """
    v, u = _pixel_centres(size)
    out = np.empty((2, size, size), np.float32) if out is None else out
    across, down, depth = view.to_panel.astype(np.float32)
    inverse = 1 / ((depth[0] * u + depth[2]) + depth[1] * v)
    for row, axis in enumerate((across, down)):
        a, b, c = np.float32(scale) * axis + np.float32(shift) * depth
        np.multiply((a * u + c) + b * v, inverse, out=out[row])
    return out


def photograph(flat: np.ndarray, view: Camera, size: int) -> np.ndarray:
    """(C, F, F) -> (C, size, size) float32: a flat canvas as the camera sees it, the mean of 2 x 2 samples a pixel."""
    grid = np.empty((2 * size, 2 * size, 2), np.float32)
    panel_points(view, 2 * size, 2 / EXTENT, -2 * (ORIGIN + EXTENT / 2) / EXTENT, out=np.moveaxis(grid, -1, 0))
    fine = F.grid_sample(
        torch.from_numpy(flat)[None],
        torch.from_numpy(grid)[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )[0].numpy()
    rows = fine[:, 0::2] + fine[:, 1::2]
    return (rows[:, :, 0::2] + rows[:, :, 1::2]) * np.float32(0.25)


def depth_of(view: Camera, x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(H, W) x 3, all in cells -> (H, W) float32 metres, from the pinhole straight ahead.

    The points are at (x, y) of the panel, `height` over its plane.
    """
    across, down, out = view.normal
    return (CELL * (view.distance + across * (x - CENTRE) + down * (y - CENTRE) - out * height)).astype(np.float32)
