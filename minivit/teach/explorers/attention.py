"""Lesson 3's explorer: a mask painted by hand, what it lets through in several layers, and who influences whom.

Legend: N tokens in a grid of (rows, cols) patches, raster order; a mask (N, N) is True where row i may read column j.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from minivit.attention import causal, full
from minivit.blocks import Encoder
from minivit.patches import Grid
from minivit.positions import coordinates
from minivit.teach.explorers import LOOK, png, show_still, stills, widgets
from minivit.teach.figures import BLUE, GREY, ORANGE, PAPER, WIDE, bare, pyplot, styled

GRID = Grid(4, 5)
LAYERS = (1, 2, 3, 4, 5, 6, 7)
STILL_LAYERS = (1, 2, 4)
ALT = (
    "A mask that lets each of 20 patches read its neighbours only, and what patch 0 in the upper left hears of: 4 "
    "patches after one layer, 9 after two, all 20 after four. Below, the influence of every patch on every other fills "
    "up in the same way."
)


def near(grid: Grid) -> Tensor:
    """-> (N, N): a patch may read itself and the up to eight patches that touch it, as a 3 x 3 convolution does."""
    where = coordinates(grid)
    return (where[:, None] - where[None]).abs().amax(-1) <= 1


def lines(grid: Grid, axis: int) -> Tensor:
    """-> (N, N): a patch may read its own row (axis 0) or its own column (axis 1)."""
    where = coordinates(grid)[:, axis]
    return where[:, None] == where[None]


PRESETS: dict[str, Callable[[Grid], Tensor]] = {
    "neighbours": near,
    "full": lambda grid: full(grid.tokens),
    "causal": lambda grid: causal(grid.tokens),
    "own row": lambda grid: lines(grid, 0),
    "own column": lambda grid: lines(grid, 1),
    "row and column": lambda grid: lines(grid, 0) | lines(grid, 1),
    "itself alone": lambda grid: torch.eye(grid.tokens, dtype=torch.bool),
    "nothing": lambda grid: torch.zeros(grid.tokens, grid.tokens, dtype=torch.bool),
}


@dataclass(frozen=True, eq=False)
class View:
    """What the reader has chosen; everything shown follows from it."""

    mask: Tensor  # (N, N) bool
    query: int = 0  # the patch whose reading is painted
    layers: int = 2

    def toggled(self, key: int) -> "View":
        """The same view with one cell of the query's row turned over."""
        mask = self.mask.clone()
        mask[self.query, key] = ~mask[self.query, key]
        return replace(self, mask=mask)


def reach(mask: Tensor, layers: int) -> Tensor:
    """(N, N) bool -> (N, N) bool: whether what is in j can get to i in so many layers.

    A block adds what it read to what was there, so each token keeps itself even where the mask does not let it.
    """
    step = (mask | torch.eye(len(mask), dtype=torch.bool)).double()
    return torch.linalg.matrix_power(step, layers) > 0


@lru_cache(maxsize=1)
def _encoder() -> tuple[Encoder, Tensor]:
    """A small encoder with fixed random weights, and the tokens that it is tried on, (N, D)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = Encoder(width=8, depth=max(LAYERS), heads=2, hidden=16).double()
        return encoder, torch.randn(GRID.tokens, 8, dtype=torch.float64)


def influence(mask: Tensor, layers: int) -> Tensor:
    """(N, N) -> (N, N): the length of d output i / d input j after the first so many blocks of a random encoder."""
    encoder, tokens = _encoder()

    def run(x: Tensor) -> Tensor:
        for block in encoder.blocks[:layers]:
            x = block(x, mask)
        return x[0]

    jacobian = torch.autograd.functional.jacobian(lambda x: run(x[None]), tokens)
    return jacobian.square().sum(dim=(1, 3)).sqrt()


class Drawing(NamedTuple):
    """The pictures of a view, (h, w, 3) uint8."""

    mask: np.ndarray  # (N, N) cells, the query's row framed
    reached: np.ndarray  # the grid as the query hears of it: orange itself, blue heard of, paper not
    influence: np.ndarray  # (N, N) cells, dark is strong


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def cells(shades: Tensor, side: int, framed: int | None = None) -> np.ndarray:
    """(rows, cols) in [0, 1] -> (h, w, 3): paper to blue, a cell each, with grey lines; a row framed in orange."""
    ink = shades.double().numpy()[..., None]
    colours = _rgb(PAPER) * (1 - ink) + _rgb(BLUE) * ink
    large = colours.repeat(side, 0).repeat(side, 1)
    large[::side] = large[:, ::side] = _rgb(GREY)
    if framed is not None:
        top, bottom = framed * side, (framed + 1) * side
        for edge in (top, top + 1, bottom - 2, bottom - 1):
            large[edge] = _rgb(ORANGE)
        large[top:bottom, :2] = large[top:bottom, -2:] = _rgb(ORANGE)
    return large.round().astype(np.uint8)


def shades(one: Tensor) -> Tensor:
    """(N, N), 0 or more -> (N, N) in [0, 1], by logarithm: exactly 0 stays 0, the smallest other value is 0.15."""
    if not one.any():
        return one
    low, high = one[one > 0].min().log(), one.max().log()
    return torch.where(one > 0, 0.15 + 0.85 * (one.log() - low) / (high - low).clamp_min(1e-9), 0.0)


def on_grid(view: View) -> np.ndarray:
    """(h, w, 3): the patches that the query hears of, itself in orange."""
    heard = reach(view.mask, view.layers)[view.query].reshape(GRID).double()
    picture = cells(heard * 0.75, 48)
    row, col = divmod(view.query, GRID.cols)
    picture[row * 48 + 1 : row * 48 + 48, col * 48 + 1 : col * 48 + 48] = _rgb(ORANGE)
    return picture


def draw(view: View) -> Drawing:
    """All pictures of a view."""
    return Drawing(
        mask=cells(view.mask.double(), 14, view.query),
        reached=on_grid(view),
        influence=cells(shades(influence(view.mask, view.layers)), 14),
    )


def words(view: View) -> str:
    """The numbers, as HTML."""
    total, count = GRID.tokens, int(view.mask.sum())
    here = int(view.mask[view.query].sum())
    heard = int(reach(view.mask, view.layers)[view.query].sum())
    everybody = int(reach(view.mask, view.layers).sum())
    shown = [
        (f"{here} of {total}", f"patches that patch {view.query} reads in one layer"),
        (f"{heard} of {total}", f"that it has heard of after {view.layers}, itself included"),
        (f"{everybody} of {total * total}", "pairs between which something got through"),
        (f"{count / total**2:.0%}", "of all pairs are allowed"),
    ]
    return '<div class="mv-tiles">' + "".join(f"<div><b>{big}</b>{small}</div>" for big, small in shown) + "</div>"


class Explorer:
    """The widgets: each choice of the reader makes a new `View`, and everything shown is drawn from it."""

    def __init__(self):
        kit = widgets()
        style = {"description_width": "90px"}
        width = kit.Layout(width="290px", max_width="100%")
        self.preset = kit.Dropdown(options=list(PRESETS), description="Begin with", style=style, layout=width)
        self.query = kit.IntSlider(min=0, max=GRID.tokens - 1, description="Patch", style=style, layout=width)
        self.layers = kit.SelectionSlider(options=LAYERS, value=2, description="Layers", style=style, layout=width)
        small = kit.Layout(width="46px", height="34px")
        self.keys = [
            kit.ToggleButton(description=str(n), layout=small, tooltip=f"may patch {n} be read?")
            for n in range(GRID.tokens)
        ]
        self.words = kit.HTML()
        self.shown = Drawing(*(kit.Image(format="png", layout=kit.Layout(max_width="100%")) for _ in Drawing._fields))
        self._busy = False
        self.view = View(near(GRID))
        self.preset.observe(self._begun, "value")
        self.query.observe(self._chosen, "value")
        self.layers.observe(self._chosen, "value")
        for number, key in enumerate(self.keys):
            key.observe(lambda change, number=number: self._painted(number), "value")
        self._refresh()
        self.box = self._layout(kit)

    def _layout(self, kit: Any) -> Any:
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="8px 24px", align_items="flex-start")

        def column(title: str, *parts: Any) -> Any:
            layout = kit.Layout(width="300px", max_width="100%", align_items="flex-start", overflow="hidden")
            return kit.VBox([kit.HTML(f"<b>{title}</b>"), *parts], layout=layout)

        rows = [kit.HBox(self.keys[at : at + GRID.cols]) for at in range(0, GRID.tokens, GRID.cols)]
        box = kit.VBox(
            [
                kit.HTML(LOOK),
                kit.HBox([self.preset, self.query, self.layers], layout=wrap),
                self.words,
                kit.HBox(
                    [
                        column("What the patch may read: press", *rows),
                        column("What it has heard of", self.shown.reached),
                    ],
                    layout=wrap,
                ),
                kit.HBox(
                    [
                        column("The mask: row reads column", self.shown.mask),
                        column("Influence, a random encoder", self.shown.influence),
                    ],
                    layout=wrap,
                ),
            ]
        )
        box.add_class("minivit-explorer")
        return box

    def _begun(self, change: Any) -> None:
        self.view = replace(self.view, mask=PRESETS[change["new"]](GRID))
        self._refresh()

    def _chosen(self, change: Any) -> None:
        self.view = replace(self.view, query=self.query.value, layers=self.layers.value)
        self._refresh()

    def _painted(self, number: int) -> None:
        if not self._busy:
            self.view = self.view.toggled(number)
            self._refresh()

    def _refresh(self) -> None:
        """Draws the view, and sets the buttons to the query's row."""
        self._busy = True
        for key, may in zip(self.keys, self.view.mask[self.view.query].tolist(), strict=True):
            key.value = may
        self._busy = False
        for image, pixels in zip(self.shown, draw(self.view), strict=True):
            image.value = png(pixels)
        self.words.value = words(self.view)


@styled
def still() -> Any:
    """The explorer without a kernel, as a matplotlib figure: neighbours only, after one, two and four layers."""
    figure, axes = pyplot().subplots(2, 1 + len(STILL_LAYERS), figsize=(WIDE, 3.9))
    mask = near(GRID)
    axes[0, 0].imshow(cells(mask.double(), 14, framed=0))
    axes[0, 0].set_title("the mask:\nneighbours only")
    axes[1, 0].axis("off")
    axes[1, 0].text(1, 0.5, "influence of\nevery patch\non every other", ha="right", va="center")
    for (above, below), layers in zip(axes.T[1:], STILL_LAYERS, strict=True):
        view = View(mask, layers=layers)
        above.imshow(on_grid(view))
        heard = int(reach(mask, layers)[0].sum())
        above.set_title(f"{layers} layer{'s' * (layers > 1)}: patch 0\nhas heard of {heard}")
        below.imshow(cells(shades(influence(mask, layers)), 14))
        bare(above)
        bare(below)
    bare(axes[0, 0])
    return figure


def explore() -> None:
    """Shows the explorer. While MINIVIT_STILLS=1 the still is shown instead of widgets."""
    if stills():
        show_still(still(), ALT)
        return
    from IPython.display import display

    display(Explorer().box)
