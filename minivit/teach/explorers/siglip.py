"""Lesson 8's explorer: what a batch, a scale and a bias make of the sigmoid loss before anything is learnt.

A view becomes numbers and words by plain functions; the widgets come after them. Cosines of vectors that know nothing
of each other are taken as normal, with mean 0 and variance 1 / E.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minivit.teach.explorers import LOOK, show_still, stills, widgets
from minivit.teach.figures import BLUE, GREY, INK, ORANGE, WIDE, pyplot, styled

WIDTH = 512
ALT = (
    "Bars for three starts at batch 256 and scale 10. Without a bias nearly all of a loss near 180 is paid by pairs "
    "that do not belong together. With the best bias, near minus 5.6, own pairs pay most of a loss near 6.6. With "
    "minus 10 own pairs pay all of a loss of 10."
)


@dataclass(frozen=True)
class View:
    """What the reader has chosen; everything shown follows from it."""

    count: int  # B
    scale: float
    bias: float


class Start(NamedTuple):
    """The first loss, for each image, and what it asks of the bias."""

    own: float  # nats paid by the pair that belongs together
    others: float  # nats paid by the B - 1 others
    pull: float  # the derivative of the loss by the bias: above 0 it asks for a lower one

    @property
    def loss(self) -> float:
        """Nats."""
        return self.own + self.others


def start(view: View) -> Start:
    """The first loss in the mean over cosines. Raises ValueError for no pairs or a scale that is not above 0."""
    if view.count < 1 or view.scale <= 0:
        raise ValueError(f"B is 1 or more and a scale above 0; got {view.count} and {view.scale:g}")
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    weights = weights / weights.sum()
    logits = view.bias + view.scale * nodes / math.sqrt(WIDTH)
    yes, no = (weights @ np.logaddexp(0, sign * logits) for sign in (-1, 1))
    answer = weights @ (1 / (1 + np.exp(-logits)))
    return Start(float(yes), float((view.count - 1) * no), float(view.count * answer - 1))


def best(count: int, scale: float) -> float:
    """The bias at which nothing pulls: the mean answer is 1 / B. Raises ValueError for fewer than 2 pairs."""
    if count < 2:
        raise ValueError(f"one pair alone wants a bias without end: B is 2 or more, got {count}")
    low, high = -60.0, 60.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if start(View(count, scale, middle)).pull > 0 else (middle, high)
    return (low + high) / 2


def table(view: View) -> str:
    """The chosen start and the best one, as HTML."""
    rows = ""
    for words, bias in (("yours", view.bias), ("the best bias", best(view.count, view.scale))):
        found = start(View(view.count, view.scale, bias))
        rows += f"<tr><td style='text-align:left'>{words}</td><td>{bias:.2f}</td><td>{found.own:.2f}</td>"
        rows += f"<td>{found.others:.2f}</td><td>{found.loss:.2f}</td><td>{found.pull:+.2f}</td></tr>"
    head = "".join(f"<th>{name}</th>" for name in ("bias", "own pair", "others", "loss", "pull on the bias"))
    return f'<table class="mv"><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody></table>'


def words(view: View) -> str:
    """What to make of it, in a sentence or two."""
    found, wanted = start(view), best(view.count, view.scale)
    share = found.others / found.loss
    if found.loss < 1.05 * start(View(view.count, view.scale, wanted)).loss:
        return f"Close to the best: of {view.count:,} answers one is a yes, and this bias says so before it has looked."
    if view.bias > wanted:
        return (
            f"Too many answers are a yes. The pairs that do not belong together pay {share:.0%} of the loss, and the "
            f"quickest way to a lower loss is to push everything apart."
        )
    return (
        f"Too many answers are a no. The pairs that belong together pay {1 - share:.0%} of the loss, and the others, "
        f"{view.count - 1:,} of them, hardly pull at all."
    )


class Explorer:
    """The widgets: each choice of the reader makes a new `View`, and everything shown is drawn from it."""

    def __init__(self):
        kit = widgets()
        style, layout = {"description_width": "90px"}, kit.Layout(width="min(100%, 420px)")
        self.count = kit.SelectionSlider(
            options=[(f"{2**power:,}", 2**power) for power in range(1, 16)], value=256, description="Batch",
            style=style, layout=layout,
        )  # fmt: skip
        self.scale = kit.FloatLogSlider(
            base=10, min=0, max=2, step=0.05, value=10, description="Scale", style=style, layout=layout,
            readout_format=".1f",
        )  # fmt: skip
        self.bias = kit.FloatSlider(
            min=-15, max=2, step=0.1, value=0, description="Bias", style=style, layout=layout, readout_format=".1f"
        )
        self.bias.add_class("mv-knob")
        self.table, self.words = kit.HTML(), kit.HTML()
        for control in (self.count, self.scale, self.bias):
            control.observe(self._changed, "value")
        self._changed(None)
        self.box = kit.VBox([kit.HTML(LOOK), self.count, self.scale, self.bias, self.table, self.words])
        self.box.add_class("minivit-explorer")

    @property
    def view(self) -> View:
        return View(int(self.count.value), float(self.scale.value), float(self.bias.value))

    def _changed(self, change: Any) -> None:
        self.table.value, self.words.value = table(self.view), words(self.view)


@styled
def still() -> Any:
    """The explorer without a kernel, as a matplotlib figure: three biases at batch 256."""
    figure, axes = pyplot().subplots(figsize=(WIDE, 2.4))
    for place, bias in enumerate((0.0, best(256, 10.0), -10.0)):
        found = start(View(256, 10.0, bias))
        axes.barh(place, found.own, color=BLUE, height=0.6, label=None if place else "own pair")
        axes.barh(
            place, found.others, left=found.own, color=ORANGE, height=0.6, label=None if place else "the 255 others"
        )
        axes.text(found.loss * 1.06, place, f"{found.loss:.2f}", va="center", fontsize=9, color=INK)
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0, 400)
    axes.set_xticks([0, 5, 10, 100], ["0", "5", "10", "100"])
    axes.set_yticks(range(3), ["bias 0", f"bias {best(256, 10.0):.1f}".replace("-", "−"), "bias −10"])
    axes.invert_yaxis()
    axes.set_xlabel("first loss at batch 256 and scale 10, nats for each image")
    axes.legend(loc="lower right")
    axes.grid(axis="x", color=GREY)
    return figure


def explore() -> None:
    """Shows the explorer. While MINIVIT_STILLS=1 the still is shown instead of widgets."""
    if stills():
        show_still(still(), ALT)
        return
    from IPython.display import display

    display(Explorer().box)
