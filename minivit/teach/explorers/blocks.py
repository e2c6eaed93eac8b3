"""Lesson 4's explorer: residuals, norms, MLPs on and off, and what becomes of gradients and tokens by depth.

`explore()` builds a random stack at once and draws, after every block, the gradient that arrives there and how much of
the tokens is not their mean. A view is the reader's choice; numbers, pictures and words follow from it.
"""

import io
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.blocks import Block
from minivit.teach.explorers import LOOK, show_still, stills, widgets
from minivit.teach.figures import BLUE, CYCLE, GREY, INK, WIDE, house_style, pyplot, styled

DEPTHS = (1, 32)
NORMS = {"before the branch": "pre", "after the sum": "post", "none": "none"}
WIDTH, HEADS, TOKENS, PICTURES = 32, 4, 16, 4
SMALLEST = 1e-18  # below this, a logarithmic axis shows nothing
ALT = (
    "Gradient and spread of tokens by block, for random stacks of 16. With residuals and norms both lines stay near "
    "1. Without residuals the tokens are all the same after four or five blocks. Without residuals and norms the "
    "gradient dies as well. Without norms alone the gradient grows beyond measure."
)


@dataclass(frozen=True)
class View:
    """What the reader has chosen: how a random stack is put together."""

    depth: int = 16
    residual: bool = True
    norm: str = "pre"  # "pre", "post" or "none"
    mlp: bool = True
    seed: int = 0

    def __post_init__(self):
        if not DEPTHS[0] <= self.depth <= DEPTHS[1] or self.norm not in NORMS.values():
            raise ValueError(f"a depth of {DEPTHS[0]} to {DEPTHS[1]} and a norm of pre, post or none; got {self}")

    @property
    def words(self) -> str:
        parts = [
            "residuals" if self.residual else "no residuals",
            f"{self.norm}-norm" if self.norm != "none" else "no norms",
        ]
        return ", ".join([*parts, "MLPs" if self.mlp else "no MLPs"])


class Measured(NamedTuple):
    """At the input and after every block: depth + 1 numbers each."""

    gradient: list[float]  # its length, as a share of that at the end
    spread: list[float]  # the share of the tokens that is not their mean


def measure(view: View) -> Measured:
    """Sends random tokens through a random stack, and a random gradient back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(view.seed)
        blocks = nn.ModuleList(Block(WIDTH, HEADS) for _ in range(view.depth)).double()
        for part in blocks.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)
        streams = [torch.randn(PICTURES, TOKENS, WIDTH, dtype=torch.float64, requires_grad=True)]
        wish = torch.randn_like(streams[0])
    for block in blocks:
        streams.append(through(block, streams[-1], view))
        streams[-1].retain_grad()
    (F.layer_norm(streams[-1], (WIDTH,)) * wish).sum().backward()
    lengths = [stream.grad.norm().item() for stream in streams]
    return Measured([length / lengths[-1] for length in lengths], [spread(stream.detach()) for stream in streams])


def through(block: Block, x: Tensor, view: View) -> Tensor:
    """(B, N, D) -> (B, N, D): one block, put together as the view says."""
    for norm, branch, wanted in ((block.norm1, block.attention, True), (block.norm2, block.mlp, view.mlp)):
        if wanted:
            added = branch(norm(x) if view.norm == "pre" else x)
            x = x + added if view.residual else added
            x = norm(x) if view.norm == "post" else x
    return x


def spread(x: Tensor) -> float:
    """(B, N, D) -> how much of the tokens is not their mean: 1 for tokens that share nothing, 0 for equal ones."""
    return ((x - x.mean(dim=1, keepdim=True)).norm() / x.norm()).item()


def verdict(measured: Measured) -> str:
    """One sentence on the gradient and one on the tokens, as HTML."""
    first, last = measured.gradient[0], measured.spread[-1]
    if not 0 < first < float("inf"):
        gradient = "The gradient at the input is beyond counting."
    else:
        gradient = f"The gradient at the input is <b>{first:.2g}</b> times that at the end."
    if last < 1e-6:
        gone = next(at for at, value in enumerate(measured.spread) if value < 1e-6)
        return f"{gradient} After {gone} blocks all tokens are <b>the same</b> to six digits."
    return f"{gradient} At the end <b>{last:.0%}</b> of the tokens is not their mean."


def paint(axes: Any, measured: Measured, limits: tuple[float, float] = (1e-17, 1e6)) -> None:
    """Both lines, over the blocks, on a logarithmic axis."""
    blocks = range(len(measured.gradient))
    for values, colour, label in (
        (measured.gradient, CYCLE[1], "gradient"),
        (measured.spread, BLUE, "spread of tokens"),
    ):
        shown = [min(max(value, SMALLEST), 1e30) if value == value else 1e30 for value in values]
        axes.plot(blocks, shown, "o-", color=colour, label=label, markersize=3)
    axes.axhspan(limits[0], 1e-15, color=GREY, alpha=0.25, linewidth=0)
    axes.set_yscale("log")
    axes.set_ylim(limits)
    axes.set_xlabel("block")
    axes.xaxis.get_major_locator().set_params(integer=True)  # no half blocks


def pixels(view: View, measured: Measured) -> bytes:
    """The drawing of a view as a PNG."""
    with house_style():
        figure, axes = pyplot().subplots(figsize=(WIDE, 3.2))
        paint(axes, measured)
        axes.set_title(f"{view.depth} blocks: {view.words}")
        axes.text(0, 2e-17, " rounding", color=INK, fontsize=9, va="bottom")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        pyplot().close(figure)
    return buffer.getvalue()


class Explorer:
    """The widgets: each choice of the reader makes a new `View`, and everything shown is drawn from it."""

    def __init__(self):
        kit = widgets()
        style = {"description_width": "70px"}
        self.depth = kit.IntSlider(
            value=16, min=DEPTHS[0], max=DEPTHS[1], description="Blocks", style=style, continuous_update=False,
            layout=kit.Layout(width="420px", max_width="100%"),
        )  # fmt: skip
        self.depth.add_class("mv-knob")
        self.residual = kit.Checkbox(
            value=True, description="Residuals", indent=False, layout=kit.Layout(width="110px")
        )
        self.mlp = kit.Checkbox(value=True, description="MLPs", indent=False, layout=kit.Layout(width="90px"))
        layout = kit.Layout(width="250px")
        self.norm = kit.Dropdown(options=list(NORMS.items()), description="Norms", style=style, layout=layout)
        self.again = kit.Button(description="Other weights", layout=kit.Layout(width="130px"))
        self.words, self.shown = kit.HTML(), kit.Image(format="png", layout=kit.Layout(max_width="100%"))
        self.view = View()
        for control in (self.depth, self.residual, self.norm, self.mlp):
            control.observe(self._changed, "value")
        self.again.on_click(self._reseeded)
        self._refresh()
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="4px 16px", align_items="center")
        controls = kit.HBox([self.residual, self.mlp, self.norm, self.again], layout=wrap)
        self.box = kit.VBox([kit.HTML(LOOK), self.depth, controls, self.words, self.shown])
        self.box.add_class("minivit-explorer")

    def _changed(self, change: Any) -> None:
        chosen = {"depth": self.depth.value, "residual": self.residual.value, "norm": self.norm.value}
        self.view = replace(self.view, **chosen, mlp=self.mlp.value)
        self._refresh()

    def _reseeded(self, button: Any) -> None:
        self.view = replace(self.view, seed=self.view.seed + 1)
        self._refresh()

    def _refresh(self) -> None:
        measured = measure(self.view)
        self.words.value, self.shown.value = verdict(measured), pixels(self.view, measured)


@styled
def still() -> Any:
    """The explorer without a kernel, as a matplotlib figure: four stacks of 16 blocks."""
    figure, axes = pyplot().subplots(2, 2, figsize=(WIDE, 5), sharex=True, sharey=True)
    views = (View(), View(residual=False), View(norm="none"), View(residual=False, norm="none"))
    for axis, view in zip(axes.flat, views, strict=True):
        paint(axis, measure(view))
        axis.set_title(view.words)
        axis.set_xlabel("")
    for axis in axes[1]:
        axis.set_xlabel("block")
    axes[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 0.3))
    return figure


def explore() -> None:
    """Shows the explorer; while MINIVIT_STILLS=1 a still is shown instead of widgets."""
    if stills():
        show_still(still(), ALT)
        return
    from IPython.display import display

    display(Explorer().box)
