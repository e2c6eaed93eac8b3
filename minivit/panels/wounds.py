"""How damage looks: flaked paint along a crack, bare metal in a scratch, soot and blisters in a burn.

Each painter turns the strokes of `damage` into a signed distance (see shapes), lays a few colours over
the canvas by it, and gives it back for the mask.
"""

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from minivit.panels.camera import ORIGIN
from minivit.panels.damage import Stroke, bounds, strokes
from minivit.panels.scene import Scene
from minivit.panels.shapes import clamp, coverage
from minivit.panels.surfaces import COLOURS, place, roughness

_HALO = 0.16  # cells around the damage that shadow and haze may reach


def paint(canvas: np.ndarray, scene: Scene, cell: int) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """Paint the damage on a flat canvas (3, F, F), in place, `cell` pixels to a cell.

    Gives the window (rows, columns) of the canvas and the coverage (h, w) of the damage in it, or None without damage.
    """
    box = bounds(scene)
    if box is None:
        return None
    x0, y0 = place(box[0] - _HALO, cell), place(box[1] - _HALO, cell)
    x1, y1 = (
        2 * (-(-(place(at + _HALO, cell) - start) // 2)) + start for at, start in zip(box[2:], (x0, y0), strict=True)
    )
    window = (slice(y0, y1), slice(x0, x1))
    x = (np.arange(x0, x1, dtype=np.float32) + 0.5) / cell + np.float32(ORIGIN)
    y = ((np.arange(y0, y1, dtype=np.float32) + 0.5) / cell + np.float32(ORIGIN))[:, None]
    rough = roughness(110, scene.grain % 4, cell)[window]
    slow = roughness(30, scene.grain % 4, cell)[window]
    patch = canvas[:, y0:y1, x0:x1]
    body = np.array(COLOURS[scene.colour], np.float32).reshape(3, 1, 1)
    painter = {"crack": _crack, "scratch": _scratch, "burn": _burn}[scene.damage]
    return window, coverage(painter(patch, x, y, strokes(scene), rough, slow, body, cell), cell)


def _distance(x: np.ndarray, y: np.ndarray, found: tuple[Stroke, ...]) -> np.ndarray:
    """Signed distance to all strokes together, (h, w) float32 for x (w,) and y (h, 1), h and w even.

    It is worked out at every second pixel and interpolated: a distance changes slowly.
    """
    legs = np.array(
        [(a.at.real, a.at.imag, a.half, b.at.real, b.at.imag, b.half) for s in found for a, b in pairwise(s)],
        np.float32,
    )
    ax, ay, aw, bx, by, bw = legs.T[:, :, None, None]
    px = (x[0::2] + x[1::2])[None, None, :] / 2 - ax
    py = (y[0::2] + y[1::2])[None, :, :] / 2 - ay
    dx, dy = bx - ax, by - ay
    scale = 1 / (dx * dx + dy * dy)
    t = clamp(px * (dx * scale) + py * (dy * scale))
    px, py = px - t * dx, py - t * dy
    coarse = (np.sqrt(px * px + py * py) - (aw + t * (bw - aw))).min(0)
    return F.interpolate(torch.from_numpy(coarse)[None, None], scale_factor=2, mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()


def _lay(patch: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> None:
    """Lay a colour, (3, h, w) or (3, 1, 1), over the patch."""
    change = colour - patch
    change *= opacity
    patch += change


def _darken(patch: np.ndarray, opacity: np.ndarray) -> None:
    """Lay black over the patch: cheaper."""
    patch *= 1 - opacity


def _rgb(red: float, green: float, blue: float) -> np.ndarray:
    return np.array((red, green, blue), np.float32).reshape(3, 1, 1)


def _downhill(distance: np.ndarray, cell: int) -> np.ndarray:
    """Slope of a distance down the sheet, -1 to 1: below zero on the upper lip of a groove."""
    slope = np.empty_like(distance)
    np.subtract(distance[2:], distance[:-2], out=slope[1:-1])
    slope[0], slope[-1] = slope[1], slope[-2]
    slope *= cell / 2
    return slope


def _bare(body: np.ndarray, light: float, dark: float) -> float:
    """How bright the material under the paint is: darker than a light paint, lighter than a dark one."""
    return dark if body.mean() > 0.55 else light


def _crack(patch, x, y, found, rough, slow, body, cell):
    """Paint flaked off along a dark gap: primer shows on both sides, brighter where it faces the light."""
    distance = _distance(x, y, found)
    down = _downhill(distance, cell)
    flake = distance - 0.008 * np.abs(rough) - 0.014 * np.abs(slow)
    primer = _bare(body, 0.67, 0.40) + 0.13 * down + 0.045 * rough
    _darken(patch, 0.30 * coverage(flake - 0.012, cell, soft=0.06))
    _lay(patch, primer * _rgb(1.0, 0.985, 0.955) + 0.15 * body, coverage(flake, cell))
    gap = distance + 0.083 + 0.009 * rough + 0.017 * slow
    _darken(patch, 0.72 * coverage(gap - 0.008, cell, soft=0.03))
    _darken(patch, 0.95 * coverage(gap, cell))
    return flake


def _scratch(patch, x, y, found, rough, slow, body, cell):
    """Bare metal in fine streaks along the gouge that end raggedly, a shaded upper lip and a bright lower one."""
    distance = _distance(x, y, found)
    (a, _), (b, _) = found[0][0], found[0][-1]
    way = (b - a) / abs(b - a)
    aside = (x - a.real) * np.float32(way.imag) - (y - a.imag) * np.float32(way.real)
    streaks = 0.6 * np.sin(aside * 75 + 0.6 * rough) + 0.5 * np.sin(aside * 131 + 2)
    ragged = distance + 0.022 * streaks + 0.010 * rough + 0.012
    down = _downhill(distance, cell)
    lip = coverage(np.abs(ragged) - 0.016, cell, soft=0.04)
    metal = _bare(body, 0.80, 0.58) + 0.13 * streaks + 0.02 * rough
    _lay(patch, 0.55 * body, 0.6 * coverage(distance, cell, soft=0.06))
    _lay(patch, metal * _rgb(0.98, 1.0, 1.02), 0.96 * coverage(ragged, cell, soft=0.025))
    _darken(patch, 0.72 * lip * clamp(0.1 - down))
    _lay(patch, _rgb(1, 1, 1), 0.55 * lip * clamp(down - 0.2))
    return distance


def _burn(patch, x, y, found, rough, slow, body, cell):
    """A charred middle, a ring of blistered paint, brown haze fading out; harmonics of the angle tear its edge."""
    centre, radius = found[0][0]
    cx, cy = np.float32(centre.real), np.float32(centre.imag)
    away, around = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
    torn = (
        0.07 * np.sin(3 * around + cx * 9) + 0.05 * np.sin(5 * around + cy * 7) + 0.035 * np.sin(9 * around + cx * 31)
    )
    distance = away - np.float32(radius) * (np.float32(0.86) + torn) + 0.02 * slow
    _lay(patch, _rgb(0.22, 0.13, 0.06), 0.55 * coverage(distance - 0.06, cell, soft=0.34))
    _lay(patch, _rgb(0.13, 0.075, 0.04), 0.9 * coverage(distance + 0.02 * rough, cell, soft=0.12))
    ring = np.abs(distance + 0.10 + 0.02 * rough) - 0.018
    _lay(patch, 0.45 * body + 0.12, 0.55 * coverage(ring, cell, soft=0.05) * clamp(0.55 + 0.5 * rough))
    ash = clamp(0.055 + 0.035 * rough) * _rgb(1.0, 0.97, 0.94)
    _lay(patch, ash, 0.97 * coverage(distance + 0.16 + 0.025 * rough, cell, soft=0.08))
    return distance
