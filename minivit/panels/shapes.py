"""Shapes as signed distances: below zero inside, zero on the edge, above zero outside.

Each shape takes x (1, w) and y (h, 1), or both (h, w), in cells: x to the right, y down, the middle
at 0. It gives the distance (h, w) in cells. `coverage` turns a distance into how much of each pixel
the shape covers, which is all that antialiasing is; a wide `soft` edge makes a shadow or a glow out
of the same distance.
"""

from itertools import pairwise

import numpy as np


def coverage(distance: np.ndarray, cell: int, soft: float = 0.0) -> np.ndarray:
    """(h, w) in cells -> (h, w), the share of each pixel inside, 0 to 1.

    `cell` is pixels to a cell, `soft` the width of the edge in cells.
    """
    edge = clamp(distance * np.float32(-min(1 / soft, cell) if soft else -cell) + np.float32(0.5))
    return edge * edge * (3 - 2 * edge) if soft else edge


def clamp(values: np.ndarray) -> np.ndarray:
    """Any shape, held between 0 and 1 in place; on small arrays faster than np.clip."""
    np.maximum(values, 0, out=values)
    return np.minimum(values, 1, out=values)


def circle(x, y, radius):
    """Distance (h, w) to a circle of `radius` cells."""
    return np.hypot(x, y) - radius


def box(x, y, half_x, half_y, corner=0.0):
    """Distance (h, w) to a rectangle of 2 half_x by 2 half_y cells, its corners rounded by `corner` cells."""
    dx, dy = np.abs(x) - half_x + corner, np.abs(y) - half_y + corner
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - corner


def diamond(x, y, radius, corner=0.0):
    """Distance (h, w) to a square standing on its corner, `radius` cells from its middle to a corner."""
    return box((x + y) * 0.5**0.5, (x - y) * 0.5**0.5, radius * 0.5**0.5, radius * 0.5**0.5, corner)


def segment(x, y, start, end, width, end_width=None):
    """Distance (h, w) to a straight stroke with round ends, `start` and `end` as (x, y) in cells.

    Half its width is `width` cells, and may change to `end_width` at its end.
    """
    (x0, y0), (x1, y1) = start, end
    dx, dy = x1 - x0, y1 - y0
    t = np.clip(((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
    return np.hypot(x - x0 - t * dx, y - y0 - t * dy) - (
        width if end_width is None else width + t * (end_width - width)
    )


def stroke(x, y, points, width):
    """Distance (h, w) to a bent stroke through the points, (x, y) in cells; half its width is `width` cells."""
    return np.minimum.reduce([segment(x, y, a, b, width) for a, b in pairwise(points)])


def polygon(x, y, corners):
    """Distance (h, w) to a closed polygon of corners (x, y) in cells, any way round, not crossing itself."""
    distance, inside = np.full(np.broadcast(x, y).shape, np.inf), np.zeros(np.broadcast(x, y).shape, bool)
    for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]]):
        distance = np.minimum(distance, segment(x, y, (x0, y0), (x1, y1), 0.0))
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < (x1 - x0) * (y - y0) / np.where(y1 == y0, 1, y1 - y0) + x0)
    return np.where(inside, -distance, distance)


def shield(x, y, radius):
    """Distance (h, w) to a heater shield of `radius` cells: straight shoulders, sides that curve to a point."""
    reach = 1.62 * radius
    side = np.hypot(np.abs(x) + reach - 0.86 * radius, np.maximum(y + 0.2 * radius, 0)) - reach
    return np.maximum(side, -0.92 * radius - y)


def turned(x, y, degrees):
    """x and y, (h, w) in cells, of the same plane in a frame turned by an angle in degrees."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return c * x + s * y, c * y - s * x
