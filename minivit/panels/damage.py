"""Where the damage is: bent strokes for a crack or a scratch, one round spot for a burn.

The outline depends on the scene alone, never on the size of a picture. Every stroke is at least 0.22
cells wide, which is two pixels of a 64 pixel picture. Points are complex numbers, x + iy in cells:
turning a stroke is then a multiplication.
"""

from cmath import rect
from functools import lru_cache
from math import pi
from random import Random
from typing import NamedTuple

from minivit.panels.layout import quadrant
from minivit.panels.scene import Scene


class Knot(NamedTuple):
    """A point of a stroke, and half the width of the stroke there, in cells."""

    at: complex
    half: float


Stroke = tuple[Knot, ...]

_LENGTH = {"minor": 0.85, "major": 1.36}
_RADIUS = {"minor": 0.40, "major": 0.70}
_MARGIN = 0.18  # cells that stay free around the damage in its quadrant


@lru_cache(maxsize=64)
def strokes(scene: Scene) -> tuple[Stroke, ...]:
    """The outline of the damage: one or more strokes; a burn is a single knot; empty without damage."""
    if scene.damage == "none":
        return ()
    random = Random(f"damage {scene.grain}").random
    turn, stretch = rect(1, pi * random()), 0.95 + 0.1 * random()
    if scene.damage == "burn":
        found = [[(0j, _RADIUS[scene.severity] * stretch)]]
    elif scene.damage == "crack":
        found = _crack(random, _LENGTH[scene.severity] * stretch)
    else:
        found = _scratch(random, _LENGTH[scene.severity] * stretch)
    found = [[Knot(at * turn, half) for at, half in stroke] for stroke in found]
    x0, y0, x1, y1 = _extent(found)
    slot, room = quadrant(scene.place), 2 - 2 * _MARGIN
    x = slot.x + _MARGIN + (room - (x1 - x0)) * random()  # somewhere in its quadrant; where it is a little too long for
    y = slot.y + _MARGIN + (room - (y1 - y0)) * random()  # the room, it takes some of the margin
    shift = x - x0 + 1j * (y - y0)
    return tuple(tuple(Knot(at + shift, half) for at, half in stroke) for stroke in found)


def _crack(random, length: float) -> list[list[tuple[complex, float]]]:
    """A jagged line along x with branches that leave it at an angle."""
    count = 5 + round(3 * length)
    main = []
    for i in range(count):
        t = i / (count - 1) - 0.5
        inner = 0 < i < count - 1
        along = t + inner * 0.5 / count * (random() - 0.5)
        main.append((length * along + 1j * 0.26 * (random() - 0.5), 0.122 - 0.006 * abs(2 * t)))
    found = [main]
    for branch in range(1 if length < 1.2 else 3):
        root = main[1 + (2 * branch + (random() < 0.5)) % (count - 2)][0]
        heading = (-1) ** branch * (0.6 + 0.6 * random())
        bend = root + rect((0.10 + 0.06 * random()) * length, heading)
        tip = bend + rect((0.10 + 0.06 * random()) * length, heading + 0.9 * (random() - 0.5))
        found.append([(root, 0.115), (bend, 0.115), (tip, 0.114)])
    return found


def _scratch(random, length: float) -> list[list[tuple[complex, float]]]:
    """One long gouge along x, slightly curved; a major scratch has a shorter one beside it."""
    curve, found = 0.20 * (random() - 0.5), []
    for gouge in range(1 if length < 1.2 else 2):
        reach = length * (0.55 + 0.2 * random() if gouge else 1.0)
        slide = (length - reach) * (random() - 0.5)
        ts = [i / 5 - 0.5 for i in range(6)]
        found.append(
            [(t * reach + slide + 1j * (0.34 * gouge + curve * (1 - 4 * t * t)), 0.132 - 0.04 * t * t) for t in ts]
        )
    return found


def _extent(found) -> tuple[float, float, float, float]:
    xs = [(at.real, half) for stroke in found for at, half in stroke]
    ys = [(at.imag, half) for stroke in found for at, half in stroke]
    return min(x - h for x, h in xs), min(y - h for y, h in ys), max(x + h for x, h in xs), max(y + h for y, h in ys)


def bounds(scene: Scene) -> tuple[float, float, float, float] | None:
    """The box around the damage, (x0, y0, x1, y1) in cells, or None when there is none."""
    found = strokes(scene)
    return _extent(found) if found else None
