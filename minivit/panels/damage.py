"""Damage: a crack, a scratch or a burn, each a distance field around strokes or a blob.

First the *outline*, a few points with half widths in cells, which depends on the scene alone; it says
where the damage is. Then the paint, which depends on the size of the picture too. Every stroke is at
least 0.2 cells wide, which is more than two pixels of a 64 pixel picture.
"""

from math import cos, pi, sin
from random import Random

import numpy as np

from .layout import quadrant
from .scene import Scene
from .shapes import coverage
from .surfaces import COLOURS, canvas_pixels, noise, place

Stroke = np.ndarray  # (n, 3): x, y, half width, in cells

_LENGTH = {"minor": 0.85, "major": 1.5}
_RADIUS = {"minor": 0.40, "major": 0.70}


def strokes(scene: Scene) -> list[Stroke]:
    """The outline of the damage: bent strokes for a crack or scratch, one point for a burn, nothing for none."""
    if scene.damage == "none":
        return []
    random = Random(f"damage {scene.grain}").random
    slot = quadrant(scene.place)
    if scene.damage == "burn":
        radius = _RADIUS[scene.severity]
        spread = 2 * (0.84 - 1.15 * radius)
        return [np.array([[slot.x + 1 + spread * (random() - 0.5), slot.y + 1 + spread * (random() - 0.5), radius]])]
    length = _LENGTH[scene.severity] * (0.95 + 0.1 * random())
    angle = pi * random()
    found = _crack(random, length, angle) if scene.damage == "crack" else _scratch(random, length, angle, scene.severity)
    low = np.min([s[:, :2].min(0) for s in found], axis=0)
    high = np.max([s[:, :2].max(0) for s in found], axis=0)
    room = np.maximum(1.64 - (high - low), 0)
    start = np.array([slot.x, slot.y]) + 0.18 + room * np.array([random(), random()])
    for s in found:
        s[:, :2] += start - low
        s[:, :2] = np.clip(s[:, :2], np.array([slot.x, slot.y]) + 0.18, np.array([slot.x, slot.y]) + 1.82)
    return found


def _crack(random, length: float, angle: float) -> list[Stroke]:
    """A jagged line with short branches that leave it at an angle."""
    along, across = np.array([cos(angle), sin(angle)]), np.array([-sin(angle), cos(angle)])
    count = 5 + round(3 * length)
    at = np.linspace(-0.5, 0.5, count) * length
    jag = np.array([(-1) ** i * (0.03 + 0.09 * random()) for i in range(count)])
    main = at[:, None] * along + jag[:, None] * across
    width = 0.115 - 0.02 * np.abs(np.linspace(-1, 1, count))
    found = [np.column_stack([main, width])]
    for branch in range(1 if length < 1.2 else 3):
        root = main[1 + (branch * 2 + round(random())) % (count - 2)]
        turn = angle + (-1) ** branch * (0.7 + 0.5 * random())
        reach = (0.20 + 0.12 * random()) * length
        bend = root + 0.5 * reach * np.array([cos(turn), sin(turn)])
        turn += 0.6 * (random() - 0.5)
        tip = bend + 0.5 * reach * np.array([cos(turn), sin(turn)])
        found.append(np.column_stack([[root, bend, tip], [0.10, 0.10, 0.09]]))
    return found


def _scratch(random, length: float, angle: float, severity: str) -> list[Stroke]:
    """One long shallow gouge, or two side by side, slightly curved."""
    along, across = np.array([cos(angle), sin(angle)]), np.array([-sin(angle), cos(angle)])
    curve, found = 0.10 * (random() - 0.5), []
    for gouge in range(1 if severity == "minor" else 2):
        t = np.linspace(-0.5, 0.5, 6)
        reach = length * (1.0 if gouge == 0 else 0.55 + 0.2 * random())
        slide = 0.0 if gouge == 0 else (length - reach) * (random() - 0.5)
        aside = gouge * 0.32 + curve * (1 - 4 * t * t)
        line = (t * reach + slide)[:, None] * along + aside[:, None] * across
        found.append(np.column_stack([line, 0.118 - 0.10 * t * t]))
    return found


def bounds(scene: Scene) -> np.ndarray | None:
    """The corners of the damage, (4, 2) as (x, y) in cells, or None when there is none."""
    found = strokes(scene)
    if not found:
        return None
    points = np.concatenate(found)
    x0, y0 = (points[:, :2] - points[:, 2:]).min(0)
    x1, y1 = (points[:, :2] + points[:, 2:]).max(0)
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def paint(canvas: np.ndarray, scene: Scene, cell: int) -> np.ndarray | None:
    """Paint the damage on a flat canvas (3, F, F), in place; gives its coverage (F, F), or None when there is none."""
    corners = bounds(scene)
    if corners is None:
        return None
    margin = 0.12
    x0, y0 = place(corners[0, 0] - margin, cell), place(corners[0, 1] - margin, cell)
    x1, y1 = place(corners[2, 0] + margin, cell), place(corners[2, 1] + margin, cell)
    window = np.s_[..., y0:y1, x0:x1]
    from .camera import ORIGIN

    x = (np.arange(x0, x1, dtype=np.float32) + 0.5) / cell + np.float32(ORIGIN)
    y = ((np.arange(y0, y1, dtype=np.float32) + 0.5) / cell + np.float32(ORIGIN))[:, None]
    n = canvas_pixels(cell)
    rough = noise(60, 60, scene.grain % 4, n)[window]
    patch = canvas[window]
    body = np.array(COLOURS[scene.colour], np.float32).reshape(3, 1, 1)
    draw = {"crack": _paint_crack, "scratch": _paint_scratch, "burn": _paint_burn}[scene.damage]
    distance = draw(patch, x, y, strokes(scene), rough, body, cell)
    solid = np.zeros((n, n), np.float32)
    solid[window] = coverage(distance, cell)
    return solid


def _distance(x: np.ndarray, y: np.ndarray, found: list[Stroke]) -> np.ndarray:
    """Signed distance to all strokes together, (h, w) float32."""
    starts = np.concatenate([s[:-1] for s in found]).astype(np.float32)
    ends = np.concatenate([s[1:] for s in found]).astype(np.float32)
    result = None
    for (ax, ay, aw), (bx, by, bw) in zip(starts, ends):
        dx, dy = bx - ax, by - ay
        px, py = x - ax, y - ay
        scale = 1 / (dx * dx + dy * dy)
        t = np.clip(px * (dx * scale) + py * (dy * scale), 0, 1)
        d = np.sqrt((px - t * dx) ** 2 + (py - t * dy) ** 2) - (aw + t * (bw - aw))
        result = d if result is None else np.minimum(result, d, out=result)
    return result


def _lay(patch: np.ndarray, colour, opacity: np.ndarray) -> None:
    patch += (np.asarray(colour, np.float32).reshape(3, -1, 1) - patch if np.ndim(colour) < 3 else colour - patch) * opacity


def _paint_crack(patch, x, y, found, rough, body, cell):
    """Paint flaked off along a dark gap: primer shows on both sides, lit on the one that faces the light."""
    distance = _distance(x, y, found)
    _lay(patch, (0, 0, 0), 0.45 * coverage(distance - 0.02, cell, soft=0.10))
    down = np.gradient(distance, axis=0) * cell
    primer = (0.74 + 0.16 * down + 0.04 * rough) * np.array((1.0, 0.985, 0.955), np.float32).reshape(3, 1, 1)
    _lay(patch, 0.75 * primer + 0.25 * body, coverage(distance, cell))
    _lay(patch, (0.03, 0.03, 0.035), coverage(distance + 0.058 + 0.008 * rough, cell, soft=0.03))
    return distance


def _paint_scratch(patch, x, y, found, rough, body, cell):
    """Bare metal in fine streaks along the gouge, a bright lower lip and a shaded upper one."""
    distance = _distance(x, y, found)
    (ax, ay, _), (bx, by, _) = found[0][0], found[0][-1]
    reach = np.hypot(bx - ax, by - ay)
    aside = ((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / reach
    streaks = np.sin(aside * 95 + 0.8 * rough) + 0.7 * np.sin(aside * 53 + 2)
    down = np.gradient(distance, axis=0) * cell
    lip = coverage(np.abs(distance + 0.012) - 0.03, cell, soft=0.03)
    metal = (0.80 + 0.07 * streaks)[None] * np.array((0.98, 1.0, 1.02), np.float32).reshape(3, 1, 1)
    _lay(patch, (0, 0, 0), 0.35 * coverage(distance - 0.01, cell, soft=0.09))
    _lay(patch, metal, 0.96 * coverage(distance, cell))
    _lay(patch, (0.10, 0.10, 0.11), 0.75 * lip * np.clip(-down, 0, 1))
    _lay(patch, (1, 1, 1), 0.6 * lip * np.clip(down, 0, 1))
    return distance


def _paint_burn(patch, x, y, found, rough, body, cell):
    """A charred middle, a ring of blistered paint, brown haze fading out; the edge is torn by noise."""
    cx, cy, radius = found[0][0]
    away, around = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
    torn = 0.07 * np.sin(3 * around + cx * 9) + 0.05 * np.sin(5 * around + cy * 7) + 0.035 * np.sin(9 * around + cx * 31)
    distance = (away - radius * (0.86 + torn)).astype(np.float32)
    _lay(patch, (0.22, 0.13, 0.06), 0.55 * coverage(distance - 0.06, cell, soft=0.34))
    _lay(patch, (0.13, 0.075, 0.04), 0.9 * coverage(distance + 0.03 * rough, cell, soft=0.12))
    ring = np.abs(distance + 0.10 + 0.02 * rough) - 0.018
    _lay(patch, 0.45 * body + 0.12, 0.55 * coverage(ring, cell, soft=0.05) * np.clip(0.55 + 0.5 * rough, 0, 1))
    ash = np.clip(0.055 + 0.035 * rough, 0.01, 0.3)
    _lay(patch, ash[None] * np.array((1.0, 0.97, 0.94), np.float32).reshape(3, 1, 1), 0.97 * coverage(distance + 0.16 + 0.025 * rough, cell, soft=0.08))
    return distance
