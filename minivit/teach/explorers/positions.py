"""Lesson 2's explorer: which places a kind of position takes for similar, on its own grid and on another.

`explore(table, grid)` shows a table that was learned on the grid beside sine-cosine and rotary positions, as maps of
similarity with a slot of the reader's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.patches import Grid
from minivit.positions import TRANSFORMERS, Rotary2D, SinCosPositions, coordinates
from minivit.teach.explorers import LOOK, png, show_still, stills, widgets
from minivit.teach.figures import ORANGE, WIDE, bare, pyplot, styled

WIDTH, HEAD = 64, 16  # numbers in a sine-cosine vector, and in a head that is turned
OLD, NEW = Grid(8, 8), Grid(12, 10)
GRIDS = ((8, 8), (12, 10), (6, 14), (14, 6), (16, 16), (4, 16))
TEMPERATURES = (10, 100, 1000, 10_000)
LEARNED, SINES, ROTARY = "a learned table", "sine-cosine", "rotary"
SIDE = 336  # pixels of a map's longer side
ALT = (
    "Maps of similarity with one slot, each from its darkest to 1. Three columns: a learned table, sine-cosine, "
    "rotary. Above, on the grid of 8 x 8 slots; below, carried to 12 x 10. In all of them the slot itself is brightest "
    "and its neighbours come next."
)


@dataclass(frozen=True)
class View:
    """What is looked at: a kind of position, a place as fractions (y, x), the grid to go to, a temperature."""

    kind: str
    old: Grid = OLD
    new: Grid = NEW
    focus: tuple[float, float] = (0.3, 0.3)
    temperature: int = 10_000
    table: Tensor | None = field(default=None, repr=False, compare=False)

    def slot(self, grid: Grid) -> int:
        """The slot of a grid in which the place lies."""
        row, col = (min(int(part * count), count - 1) for part, count in zip(self.focus, grid, strict=True))
        return row * grid.cols + col

    def vectors(self, grid: Grid) -> Tensor:
        """(N, D): a vector for each place of the grid; for rotary, what a query of ones becomes there."""
        places = squeezed(grid, self.old)
        if self.kind == LEARNED:
            return TRANSFORMERS(self.table.detach().cpu().float(), self.old, grid)
        if self.kind == SINES:
            return SinCosPositions(WIDTH, self.temperature)(places, grid)
        return Rotary2D(HEAD, self.temperature)(places, grid)(torch.ones(1, 1, grid.tokens, HEAD))[0, 0]

    def map(self, grid: Grid) -> Tensor:
        """(rows, cols): the cosine of the slot's vector with the vector of every place."""
        vectors = F.normalize(self.vectors(grid).double(), dim=-1)
        return (vectors @ vectors[self.slot(grid)]).reshape(tuple(grid))


def squeezed(grid: Grid, old: Grid) -> Tensor:
    """(N, 2): the middles of a grid's cells, in the units of the old one."""
    ratio = torch.tensor([old.rows / grid.rows, old.cols / grid.cols])
    return (coordinates(grid) + 0.5) * ratio - 0.5


def painted(values: Tensor, slot: int) -> np.ndarray:
    """(rows, cols) from its lowest, dark, to 1, bright -> (h, w, 3) uint8, the slot framed."""
    from matplotlib import colormaps

    rows, cols = values.shape
    cell = max(SIDE // max(rows, cols), 4)
    low = min(values.min().item(), 0.99)  # a map of ones only is all bright
    shade = ((values - low) / (1 - low)).numpy()
    pixels = (colormaps["cividis"](shade)[..., :3] * 255).round().astype(np.uint8)
    pixels = pixels.repeat(cell, 0).repeat(cell, 1)
    row, col = divmod(slot, cols)
    part = pixels[row * cell : (row + 1) * cell, col * cell : (col + 1) * cell]
    colour = [int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)]
    part[:3], part[-3:], part[:, :3], part[:, -3:] = colour, colour, colour, colour
    return pixels


def words(view: View, grid: Grid) -> str:
    """One sentence about a map, as HTML."""
    values, slot = view.map(grid), view.slot(grid)
    row, col = divmod(slot, grid.cols)
    others = values.flatten().clone()
    others[slot] = -torch.inf
    best = divmod(int(others.argmax()), grid.cols)
    return (
        f"<p>{grid.rows} rows × {grid.cols} columns. Slot {slot}: row {row}, column {col}, for {row} × {grid.cols} + "
        f"{col} = {slot}. Most like it: row {best[0]}, column {best[1]}, {others.max():.2f}; the least alike: "
        f"{values.min():.2f}.</p>"
    )


class Explorer:
    """The widgets: each choice makes a new `View`, and everything shown is drawn from it."""

    def __init__(self, table: Tensor | None = None, grid: Grid = OLD):
        kit = widgets()
        self.table, self.old = table, grid
        kinds = [SINES, ROTARY] if table is None else [LEARNED, SINES, ROTARY]

        def layout(width: int) -> Any:
            return kit.Layout(width=f"{width}px", max_width="100%")

        style = {"description_width": "90px"}
        grids = [(f"{rows} × {cols}", (rows, cols)) for rows, cols in GRIDS]
        self.kind = kit.Dropdown(options=kinds, description="Position", style=style, layout=layout(300))
        self.new = kit.Dropdown(options=grids, value=(12, 10), description="New grid", style=style, layout=layout(300))
        self.temperature = kit.SelectionSlider(
            options=TEMPERATURES, value=10_000, description="Temperature", style=style, layout=layout(300)
        )
        self.slot = kit.IntSlider(
            value=2 * grid.cols + 2 if grid.tokens > 2 * grid.cols + 2 else 0, min=0, max=grid.tokens - 1,
            description="Slot", style=style, layout=layout(616),
        )  # fmt: skip
        self.slot.add_class("mv-knob")
        self.before, self.after = (
            kit.Image(format="png", layout=kit.Layout(max_width="100%", align_self="flex-start")) for _ in range(2)
        )
        self.words = kit.HTML(), kit.HTML()
        for control in (self.kind, self.new, self.temperature, self.slot):
            control.observe(self._changed, "value")
        self._changed(None)
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="4px 24px", align_items="flex-start")
        column = kit.Layout(width="380px", max_width="100%", align_items="flex-start", overflow="hidden")
        columns = [
            kit.VBox([kit.HTML(f"<b>{title}</b>"), picture, said], layout=column)
            for title, picture, said in zip(
                ("Its own grid", "Carried to the new grid"), (self.before, self.after), self.words, strict=True
            )
        ]
        controls = kit.HBox([self.kind, self.new, self.temperature], layout=wrap)
        self.box = kit.VBox([kit.HTML(LOOK), controls, self.slot, kit.HBox(columns, layout=wrap)])
        self.box.add_class("minivit-explorer")

    def _changed(self, change: Any) -> None:
        row, col = divmod(self.slot.value, self.old.cols)
        focus = ((row + 0.5) / self.old.rows, (col + 0.5) / self.old.cols)
        new = Grid(*self.new.value)
        self.view = view = View(self.kind.value, self.old, new, focus, self.temperature.value, self.table)
        self.temperature.disabled = view.kind == LEARNED  # a table has none
        for picture, said, grid in zip((self.before, self.after), self.words, (self.old, new), strict=True):
            picture.value, said.value = png(painted(view.map(grid), view.slot(grid))), words(view, grid)


OWN: Mapping[str, int] = MappingProxyType({LEARNED: 10_000, SINES: 10_000, ROTARY: 100})  # usual temperatures


@styled
def still(table: Tensor | None, grid: Grid) -> Any:
    """The explorer without a kernel, as a matplotlib figure: every kind, on its own grid and carried."""
    kinds = [kind for kind in OWN if kind != LEARNED or table is not None]
    figure, axes = pyplot().subplots(2, len(kinds), figsize=(WIDE, 4.7), squeeze=False)
    for column, kind in zip(axes.T, kinds, strict=True):
        view = View(kind, grid, temperature=OWN[kind], table=table)
        for place, some in zip(column, (grid, view.new), strict=True):
            place.imshow(painted(view.map(some), view.slot(some)))
            place.set_title(kind if place is column[0] else f"carried to {some.rows} x {some.cols}")
            bare(place)
    return figure


def explore(table: Tensor | None = None, grid: Grid = OLD) -> None:
    """Shows the explorer; `table` (N, D) was learned on `grid`. While MINIVIT_STILLS=1 a still is shown instead.

    Raises ValueError for a table that does not fill the grid.
    """
    grid = Grid(*grid)
    if table is not None and (table.ndim != 2 or len(table) != grid.tokens):
        raise ValueError(
            f"a table for {grid.rows} x {grid.cols} slots is ({grid.tokens}, D); got shape {tuple(table.shape)}"
        )
    if stills():
        show_still(still(table, grid), ALT)
        return
    from IPython.display import display

    display(Explorer(table, grid).box)
