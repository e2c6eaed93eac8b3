"""Where the damage is: bent strokes for a crack or a scratch, one round spot for a burn.

The outline depends on the scene alone, never on the size of a picture. Every stroke is at least 0.2
cells wide, which is two pixels of a 64 pixel picture. Points are complex numbers, x + iy in cells:
turning a stroke is then a multiplication.
"""

from cmath import rect
from functools import lru_cache
from math import pi
from random import Random
from typing import NamedTuple

from .layout import quadrant
from .scene import Scene


class Knot(NamedTuple):
    """A point of a stroke, and half the width of the stroke there, in cells."""

    at: complex
    half: float


Stroke = tuple[Knot, ...]

_LENGTH = {"minor": 0.85, "major": 1.5}
_RADIUS = {"minor": 0.40, "major": 0.70}
_MARGIN = 0.18  # cells that stay free around the damage in its quadrant


@lru_cache(maxsize=64)
def strokes(scene: Scene) -> tuple[Stroke, ...]:
    """The outline of the damage: one or more strokes; a burn is a single knot; empty without damage."""
    if scene.damage == "none":
        return ()
    random = Random(f"damage {scene.grain}").random
    angle, stretch = pi * random(), 0.95 + 0.1 * random()
    if scene.damage == "burn":
        found = [[Knot(0j, _RADIUS[scene.severity] * stretch)]]
    elif scene.damage == "crack":
        found = _crack(random, _LENGTH[scene.severity] * stretch)
    else:
        found = _scratch(random, _LENGTH[scene.severity] * stretch)
    found = [[Knot(knot.at * rect(1, angle), knot.half) for knot in stroke] for stroke in found]
    slot = quadrant(scene.place)
    return _fit(found, slot.x + 1j * slot.y, random)


def _crack(random, length: float) -> list[list[Knot]]:
    """A jagged line along x with branches that leave it at an angle."""
    count = 5 + round(3 * length)
    main = []
    for i in range(count):
        t = i / (count - 1) - 0.5
        inner = 0 < i < count - 1
        along = t + inner * 0.5 / count * (random() - 0.5)
        main.append(Knot(length * along + 1j * 0.26 * (random() - 0.5), 0.118 - 0.014 * abs(2 * t)))
    found = [main]
    for branch in range(1 if length < 1.2 else 3):
        root = main[1 + (2 * branch + (random() < 0.5)) % (count - 2)].at
        heading = (-1) ** branch * (0.6 + 0.6 * random())
        bend = root + rect((0.10 + 0.06 * random()) * length, heading)
        tip = bend + rect((0.10 + 0.06 * random()) * length, heading + 0.9 * (random() - 0.5))
        found.append([Knot(root, 0.106), Knot(bend, 0.104), Knot(tip, 0.102)])
    return found


def _scratch(random, length: float) -> list[list[Knot]]:
    """One long gouge along x, slightly curved; a major scratch has a shorter one beside it."""
    curve, found = 0.20 * (random() - 0.5), []
    for gouge in range(1 if length < 1.2 else 2):
        reach = length * (0.55 + 0.2 * random() if gouge else 1.0)
        slide = (length - reach) * (random() - 0.5)
        ts = [i / 5 - 0.5 for i in range(6)]
        found.append(
            [Knot(t * reach + slide + 1j * (0.34 * gouge + curve * (1 - 4 * t * t)), 0.126 - 0.08 * t * t) for t in ts]
        )
    return found


def _fit(found: list[list[Knot]], corner: complex, random) -> tuple[Stroke, ...]:
    """Move strokes to a random spot inside the 2 x 2 cells at `corner`, and shrink them where they do not fit."""
    x0, y0, x1, y1 = _extent(found)
    room = 2 - 2 * _MARGIN
    scale = min(1.0, (room - 0.23) / max(x1 - x0 - 0.23, y1 - y0 - 0.23, 0.1)) if len(found[0]) > 1 else 1.0
    found = [[Knot(knot.at * scale, knot.half) for knot in stroke] for stroke in found]
    x0, y0, x1, y1 = _extent(found)
    spare_x, spare_y = max(room - (x1 - x0), 0), max(room - (y1 - y0), 0)
    shift = corner + _MARGIN * (1 + 1j) + spare_x * random() - x0 + 1j * (spare_y * random() - y0)
    return tuple(tuple(Knot(knot.at + shift, knot.half) for knot in stroke) for stroke in found)


def _extent(found) -> tuple[float, float, float, float]:
    knots = [knot for stroke in found for knot in stroke]
    return (
        min(k.at.real - k.half for k in knots),
        min(k.at.imag - k.half for k in knots),
        max(k.at.real + k.half for k in knots),
        max(k.at.imag + k.half for k in knots),
    )


def bounds(scene: Scene) -> tuple[float, float, float, float] | None:
    """The box around the damage, (x0, y0, x1, y1) in cells, or None when there is none."""
    found = strokes(scene)
    return _extent(found) if found else None
