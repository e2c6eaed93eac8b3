"""The parts of a panel as sprites: badge, icon, lamps, code plate, label, screws and fittings.

Every sprite is drawn once for a cell size (in pixels) and kept; a scene only stamps it. Each stays at
least 0.05 cells inside its slot, so that neighbours never touch.
"""

from random import Random

import numpy as np

from minivit.panels import shapes
from minivit.panels.easel import Easel, Sprite
from minivit.panels.keep import kept
from minivit.panels.lettering import lettering
from minivit.panels.shapes import box, circle, coverage, polygon, segment, stroke

LEVELS = {"ok": (0.13, 0.60, 0.33), "warning": (0.98, 0.67, 0.08), "fault": (0.85, 0.15, 0.15)}
INK = (0.07, 0.08, 0.09)
WHITE = (0.98, 0.98, 0.97)
STEEL = (0.80, 0.81, 0.82)
RUBBER = (0.13, 0.14, 0.15)
BADGE_HALF = {"circle": (0.405, 0.405), "diamond": (0.425, 0.425), "shield": (0.327, 0.41)}
HALF = {
    "icon": (0.405, 0.405),
    "code": (1.43, 0.40),
    "label": (0.93, 0.41),
    "lamps": (0.94, 0.29),
}
"""Half the width and half the height of each part, in cells, as it lies (a tall label stands: exchange them)."""


def _shadow(easel: Easel, distance, reach: float = 0.14) -> None:
    easel.fill((0, 0, 0), distance, opacity=0.42, soft=reach)


@kept(large=24)
def badge(status: str, shape: str, cell: int) -> Sprite:
    """A status badge, 1 x 1 cells of `cell` pixels: enamel in a bright ring, with a tick, exclamation mark or cross."""
    e = Easel(1, 1, cell)

    def outline(radius, y=e.y):
        if shape == "circle":
            return circle(e.x, y, radius)
        if shape == "diamond":
            return shapes.diamond(e.x, y, radius * 1.12, 0.07)
        return shapes.shield(e.x, y + 0.145 * radius, 0.94 * radius)

    _shadow(e, outline(0.40, e.y - 0.04))
    e.fill(e.slope(STEEL, 1.2, 0.72), outline(0.405))
    e.fill(INK, outline(0.36), opacity=0.55)
    e.fill(e.slope(LEVELS[status], 1.12, 0.86), outline(0.345))
    if status == "ok":
        mark = stroke(e.x, e.y, [(-0.16, 0.01), (-0.045, 0.125), (0.165, -0.115)], 0.052)
    elif status == "warning":
        mark = np.minimum(segment(e.x, e.y, (0, -0.17), (0, 0.03), 0.058, 0.045), circle(e.x, e.y - 0.155, 0.056))
    else:
        mark = np.minimum(
            segment(e.x, e.y, (-0.12, -0.12), (0.12, 0.12), 0.052),
            segment(e.x, e.y, (-0.12, 0.12), (0.12, -0.12), 0.052),
        )
    e.fill(WHITE if status != "warning" else INK, mark)
    gloss = np.maximum(outline(0.32), circle(e.x, e.y + 0.62, 0.56))
    e.fill(WHITE, gloss, opacity=0.16)
    e.body(outline(0.405))
    return e.sprite()


@kept(large=24)
def icon(hazard: str, level: str, cell: int) -> Sprite:
    """A hazard icon, 1 x 1 cells of `cell` pixels: a square tile lit in its level, with a black sign."""
    e = Easel(1, 1, cell)
    x, y = e.x, e.y
    _shadow(e, box(x, y - 0.04, 0.40, 0.40, 0.09))
    e.fill(e.slope(RUBBER, 1.5, 0.8), box(x, y, 0.405, 0.405, 0.09))
    e.fill(e.slope(LEVELS[level], 1.10, 0.92), box(x, y, 0.355, 0.355, 0.055))
    if hazard == "electricity":
        sign = polygon(
            x,
            y,
            [(0.08, -0.30), (-0.19, 0.05), (-0.03, 0.05), (-0.09, 0.30), (0.19, -0.08), (0.02, -0.08), (0.14, -0.30)],
        )
    elif hazard == "heat":
        ys = np.linspace(-0.24, 0.24, 13)
        waves = [[(at + 0.05 * np.sin(v * 13), v) for v in ys] for at in (-0.19, 0.0, 0.19)]
        sign = np.minimum.reduce([stroke(x, y, wave, 0.047) for wave in waves])
    elif hazard == "water":
        sign = np.minimum(circle(x, y - 0.09, 0.185), polygon(x, y, [(0.0, -0.31), (0.162, 0.0), (-0.162, 0.0)]))
        sign = np.maximum(sign, -np.maximum(np.abs(circle(x, y - 0.09, 0.105)) - 0.022, np.maximum(x, 0.09 - y)))
    else:
        blades = [
            segment(*shapes.turned(x, y, angle), (0, -0.10), (0.03, -0.20), 0.035, 0.10) for angle in (0, 120, 240)
        ]
        sign = np.minimum(np.minimum.reduce(blades), circle(x, y, 0.065))
    e.fill(INK, sign)
    e.body(box(x, y, 0.405, 0.405, 0.09))
    return e.sprite()


@kept(large=24)
def lamps(lit: tuple[bool, ...], cell: int) -> Sprite:
    """Four indicator lamps in a dark strip, 1 x 2 cells of `cell` pixels."""
    e = Easel(1, 2, cell)
    _shadow(e, box(e.x, e.y - 0.04, 0.93, 0.27, 0.14))
    e.fill(e.slope(STEEL, 1.1, 0.55), box(e.x, e.y, 0.94, 0.29, 0.15))
    e.fill(e.slope(RUBBER, 0.7, 1.25), box(e.x, e.y, 0.905, 0.255, 0.12))
    strip = coverage(box(e.x, e.y, 0.905, 0.255, 0.12), cell)
    for place, on in zip((-0.66, -0.22, 0.22, 0.66), lit, strict=True):
        x, y = e.x - place, e.y
        if on:
            e.lay((0.35, 0.85, 1.0), strip * 0.55 * coverage(circle(x, y, 0.20), cell, soft=0.22))
        e.fill((0.03, 0.04, 0.04), circle(x, y, 0.175))
        e.fill((0.45, 0.90, 1.0) if on else e.slope((0.20, 0.23, 0.25), 0.7, 1.5), circle(x, y, 0.15))
        if on:
            e.fill((0.97, 1.0, 1.0), circle(x, y - 0.01, 0.10), soft=0.12)
        e.fill(WHITE, circle(x + 0.045, y + 0.06, 0.028), opacity=0.85 if on else 0.35, soft=0.05)
    e.body(box(e.x, e.y, 0.94, 0.29, 0.15))
    return e.sprite()


@kept(large=24)
def _plate(cell: int) -> Sprite:
    e = Easel(1, 3, cell)
    _shadow(e, box(e.x, e.y - 0.04, 1.42, 0.38, 0.09))
    e.fill(e.slope(STEEL, 1.0, 0.62), box(e.x, e.y, 1.43, 0.40, 0.10))
    e.fill(e.slope((0.95, 0.95, 0.94), 1.03, 0.93), box(e.x, e.y, 1.39, 0.36, 0.07))
    e.fill(INK, np.abs(box(e.x, e.y, 1.33, 0.305, 0.05)) - 0.012, opacity=0.8)
    e.body(box(e.x, e.y, 1.43, 0.40, 0.10))
    return e.sprite()


@kept(large=48)
def _paper(character: str, cell: int) -> np.ndarray:
    """What a printed character of a code lets through of the plate below: 1 beside it, 0.07 in its strokes."""
    return 1 - 0.93 * lettering(character, 0.47 * cell, (0.30 if character == "-" else 0.46) * cell, bold=0.035)


def code_plate(code: str, cell: int) -> Sprite:
    """A plate of 1 x 3 cells of `cell` pixels, the asset code in black: five characters, each in its own half cell."""
    plate = _plate(cell)
    colour = plate.colour.copy()
    height, width = plate.keep.shape
    for character, middle in zip(code, (-1.03, -0.51, 0.0, 0.51, 1.03), strict=True):
        paper = _paper(character, cell)
        rows, cols = paper.shape
        left, top = round(width / 2 + middle * cell - cols / 2), round((height - rows) / 2)
        colour[:, top : top + rows, left : left + cols] *= paper
    return Sprite(colour, plate.keep, plate.solid)


@kept(large=24)
def label(orientation: str, printed: str, variant: int, cell: int) -> Sprite:
    """A paper sticker, 1 x 2 cells of `cell` pixels (wide) or 2 x 1 (tall), with a barcode or a printed notice."""
    e = Easel(1, 2, cell)
    sticker = box(e.x, e.y, 0.93, 0.41, 0.04)
    _shadow(e, box(e.x, e.y - 0.015, 0.92, 0.41, 0.04), reach=0.08)
    e.fill(e.slope((0.97, 0.96, 0.93), 1.02, 0.97), sticker)
    if printed == "barcode":
        bars = _bars(variant, len(e.x[0]), cell)
        e.lay(INK, bars[None, :] * coverage(box(e.x, e.y + 0.075, 0.83, 0.235), cell))
        number = f"{Random(f'number {variant}').random():.9f}"[2:]
        _print(e, number, x=0.0, y=0.275, height=0.105, width=1.3)
    else:
        band = ((0.12, 0.33, 0.60), (0.86, 0.38, 0.12), INK)[variant % 3]
        e.fill(band, box(e.x, e.y + 0.22, 0.85, 0.125, 0.02))
        _print(e, ("SERVICE", "NOTICE", "CAUTION")[variant % 3], x=0.0, y=-0.22, height=0.135, width=1.4, ink=WHITE)
        for row, line in enumerate(("OPEN ONLY WHEN", "SWITCHED OFF")):
            _print(e, line, x=0.0, y=0.055 + 0.19 * row, height=0.115, width=1.6)
    e.body(sticker)
    sprite = e.sprite()
    if orientation == "tall":
        return Sprite(*(np.ascontiguousarray(np.rot90(plane, axes=(-2, -1))) for plane in sprite[:3]))
    return sprite


def _bars(variant: int, pixels: int, cell: int) -> np.ndarray:
    """A made-up barcode: how much of each pixel column is black, (pixels,) float32."""
    random, modules = Random(f"bars {variant}").random, []
    while len(modules) < 26:
        modules += [1.0] * (1 + int(random() * 2.2)) + [0.0] * (1 + int(random() * 2.2))
    modules = modules[:26] + [1.0]
    module = 1.62 / 27  # cells
    edges = np.interp(
        (np.arange(pixels + 1) - pixels / 2) / cell, np.linspace(-0.81, 0.81, 28), np.cumsum([0.0, *modules])
    )
    return (np.diff(edges) * module * cell).clip(0, 1).astype(np.float32)


def _print(e: Easel, text: str, x: float, y: float, height: float, width: float, ink=INK) -> None:
    """Print a text with its middle at (x, y), cells from the middle of the sheet."""
    glyphs = lettering(text, height * e.cell, width * e.cell, bold=0.01)
    rows, cols = glyphs.shape
    top = round(e.keep.shape[0] / 2 + y * e.cell - rows / 2)
    left = round(e.keep.shape[1] / 2 + x * e.cell - cols / 2)
    opacity = np.zeros_like(e.keep)
    opacity[top : top + rows, left : left + cols] = glyphs
    e.lay(ink, opacity)


@kept(large=24)
def screw(angle: int, cell: int) -> Sprite:
    """A slotted screw head, 0.2 cells of `cell` pixels across, turned by `angle` degrees."""
    e = Easel(0.32, 0.32, cell)
    e.fill((0, 0, 0), circle(e.x, e.y - 0.015, 0.11), opacity=0.5, soft=0.08)
    e.fill(e.slope(STEEL, 1.25, 0.6), circle(e.x, e.y, 0.10))
    x, y = shapes.turned(e.x, e.y, angle)
    e.fill((0.15, 0.15, 0.16), box(x, y, 0.075, 0.02), opacity=0.9)
    e.body(circle(e.x, e.y, 0.10))
    return e.sprite()


FITTINGS = ("vent", "lock", "socket", "knob", "bare")


@kept(large=24)
def fitting(kind: str, cell: int) -> Sprite:
    """What fills a spare cell of `cell` pixels: air slots, a cylinder lock, a socket, a knob, or nothing."""
    e = Easel(1, 1, cell)
    x, y = e.x, e.y
    if kind == "vent":
        for at in (-0.27, -0.09, 0.09, 0.27):
            e.fill(WHITE, box(x, y - at - 0.022, 0.34, 0.045, 0.045), opacity=0.30)
            e.fill((0.04, 0.04, 0.05), box(x, y - at, 0.34, 0.042, 0.042))
    elif kind == "lock":
        _shadow(e, circle(x, y - 0.04, 0.27))
        e.fill(e.slope(STEEL, 1.25, 0.6), circle(x, y, 0.27))
        e.fill(e.slope(STEEL, 0.65, 1.15), circle(x, y, 0.20))
        e.fill((0.08, 0.08, 0.09), np.minimum(circle(x, y + 0.03, 0.05), box(x, y - 0.05, 0.025, 0.09)))
    elif kind == "socket":
        _shadow(e, circle(x, y - 0.04, 0.30))
        e.fill(e.slope(STEEL, 1.15, 0.65), circle(x, y, 0.30))
        e.fill(e.slope(RUBBER, 0.5, 1.4), circle(x, y, 0.235))
        for angle in (90, 210, 330):
            px, py = 0.11 * np.cos(np.radians(angle)), 0.11 * np.sin(np.radians(angle))
            e.fill((0.01, 0.01, 0.01), circle(x - px, y - py, 0.045))
    elif kind == "knob":
        _shadow(e, circle(x, y - 0.07, 0.29), reach=0.22)
        e.fill(e.slope(RUBBER, 1.9, 0.7), circle(x, y, 0.29))
        e.fill(e.slope(RUBBER, 1.0, 1.7), circle(x, y, 0.215))
        e.fill(WHITE, segment(x, y, (0.03, -0.05), (0.12, -0.21), 0.024))
    return e.sprite()
