"""Lesson 5's explorer: choose a token, a block and a head, and see what that token reads.

`explore()` asks the inspector that ships with the book, `explore(model)` any ViT. Pictures: inspection panels,
photographs, the reader's own. A view becomes pixels and words by plain functions; the widgets come after them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minivit import images
from minivit.teach.explorers import LOOK, complaint, picture_of, png, show_still, stills, widgets
from minivit.teach.explorers.cutting import enlarge, frame
from minivit.teach.explorers.uploading import Uploading
from minivit.teach.figures import WIDE, paint, pyplot, styled
from minivit.teach.figures.vit import overlay
from minivit.teach.inspector import QUESTIONS, split, trained_inspector
from minivit.vit import Features, ViT

PANELS = (5, 16, 1)  # seeds
PHOTOGRAPHS = ("coffee", "chelsea", "astronaut", "china", "flower", "retina")
SIDE = 448  # pixels on the screen
ROLLOUT = "all blocks, rolled out"
MEAN = "mean of heads"
ALT = (
    "A burnt yellow panel four times: as it is, then in colour where the class token reads. In block 0 that is the "
    "badge and the edge of the burn, in block 3 and over all blocks it is spread over most of the panel."
)


@dataclass(frozen=True, eq=False)
class View:
    """What the reader has chosen; everything shown follows from it."""

    model: ViT
    picture: Tensor  # uint8 (3, h, w), as it came
    block: int | None = None  # None: all blocks, rolled out
    head: int | None = None  # None: the mean of all
    patch: int | None = None  # who reads: a patch, or None for the first prefix token (the mean token without one)


def fitted(model: ViT, picture: Tensor) -> Tensor:
    """uint8 (3, h, w) -> float (3, H, W): the middle part that has the model's shape, at the model's size."""
    height, width = model.config.size
    times = min(picture.shape[-2] / height, picture.shape[-1] / width)
    tall, wide = max(1, round(height * times)), max(1, round(width * times))
    top, left = (picture.shape[-2] - tall) // 2, (picture.shape[-1] - wide) // 2
    part = picture[:, top : top + tall, left : left + wide]
    return images.to_float(images.resize(part, height, width))


@lru_cache(maxsize=4)  # a tensor's hash is its identity: one picture is seen once
@torch.no_grad()
def looked(model: ViT, picture: Tensor) -> tuple[Tensor, Features]:
    """What the model was shown, and every intermediate."""
    shown = fitted(model, picture)
    seen = shown if model.config.channels == 3 else shown.mean(0, keepdim=True)
    device = model.prefix.device
    model.eval()
    return shown, model.features(seen[None].to(device), weights=True)


def table(view: View) -> Tensor:
    """(K + N, K + N): who reads whom, every row summing to 1.

    Rolled out: each block hands on half of what a token was and half of what it read, and the tables are multiplied.
    Source: Abnar and Zuidema 2020, section 3.
    """
    weights = [block[0].cpu().float() for block in looked(view.model, view.picture)[1].weights]
    chosen = [block.mean(0) if view.head is None else block[view.head] for block in weights]
    if view.block is not None:
        return chosen[view.block]
    rolled = torch.eye(len(chosen[0]))
    for one in chosen:
        rolled = 0.5 * (one + torch.eye(len(one))) @ rolled
    return rolled


def reading(view: View) -> Tensor:
    """(N): how the chosen token's reading divides among the patches; what goes to prefix tokens is left out."""
    prefix = view.model.config.prefix
    if view.patch is None and prefix == 0:
        return table(view).mean(0)
    return table(view)[0 if view.patch is None else prefix + view.patch][prefix:]


def draw(view: View) -> tuple[np.ndarray, np.ndarray]:
    """(h, w, 3) uint8 twice: the picture with the reading patch framed, and what it reads."""
    shown, seen = looked(view.model, view.picture)
    height, width = shown.shape[-2:]
    times = max(1, SIDE // max(height, width))
    pair = [shown, overlay(shown, reading(view), seen.grid)]
    large = [
        np.ascontiguousarray(enlarge(images.to_uint8(p.clamp(0, 1)), height * times, width * times).permute(1, 2, 0))
        for p in pair
    ]
    if view.patch is not None:
        side = view.model.config.patch * times
        row, col = divmod(view.patch, seen.grid.cols)
        for canvas in large:
            frame(canvas, row * side, col * side, side, side)
    return large[0], large[1]


def who(view: View) -> str:
    """The token that reads, in words."""
    if view.patch is not None:
        row, col = divmod(view.patch, looked(view.model, view.picture)[1].grid.cols)
        return f"Patch {view.patch} (row {row}, column {col})"
    return "The class token" if view.model.config.prefix else "The mean token"


def words(view: View) -> str:
    """One or two sentences on what is seen, as HTML."""
    weights, grid = reading(view), looked(view.model, view.picture)[1].grid
    most = int(weights.argmax())
    row, col = divmod(most, grid.cols)
    place = ROLLOUT if view.block is None else f"block {view.block}"
    head = MEAN if view.head is None else f"head {view.head}"
    even = 1 / grid.tokens
    return (
        f"{who(view)}, {place}, {head}: {float(weights.sum()):.0%} of its reading goes to patches, most to patch "
        f"{most} (row {row}, column {col}), {float(weights[most]):.1%}. Even reading would be {even:.1%} each."
    )


@torch.no_grad()
def answers(view: View) -> str:
    """What the shipped inspector says of the picture, and that it says something of any picture."""
    if view.model is not trained():
        return ""
    said = [logits[0].softmax(0) for logits in split(view.model(fitted(view.model, view.picture)[None]))]
    told = ", ".join(
        f"{name} <b>{list_[int(p.argmax())]}</b> ({float(p.max()):.0%})"
        for (name, list_), p in zip(QUESTIONS.items(), said, strict=True)
    )
    return f"It says: {told}. It knows panels only, and has an answer for every picture."


@lru_cache(maxsize=1)
def trained() -> ViT:
    """The inspector, read once."""
    return trained_inspector()


def shelf() -> dict[str, Callable[[], Tensor]]:
    """What can be looked at without an upload."""
    from minivit.panels import sample_scene

    known = images.samples()
    panels = {f"inspection panel {sample_scene(seed, 'test').code}": partial(panel, seed) for seed in PANELS}
    return panels | {known[name].shows: partial(images.sample, name) for name in PHOTOGRAPHS}


def panel(seed: int) -> Tensor:
    """(3, 224, 224) uint8: a panel that no training has seen."""
    from minivit import panels

    return panels.draw(panels.sample_scene(seed, "test"), 224)


class Explorer(Uploading):
    """The widgets: each choice of the reader makes a new `View`, and everything shown is drawn from it."""

    def __init__(self, model: ViT, own: Tensor | None = None):
        super().__init__(shelf() if own is None else {"yours": lambda: own, **shelf()})
        kit = widgets()
        self.model = model
        style, wide = {"description_width": "80px"}, kit.Layout(width="420px", max_width="100%")
        c = model.config

        def menu(name: str, whole: str, count: int) -> Any:
            # -1 and not None, which a menu may take for "nothing is chosen"
            options = [(whole, -1), *((f"{name.lower()} {i}", i) for i in range(count))]
            return kit.Dropdown(description=name, options=options, style=style, layout=wide)

        self.block, self.head = menu("Block", ROLLOUT, c.depth), menu("Head", MEAN, c.heads)
        self.token = kit.IntSlider(
            min=-1, max=c.grid.tokens - 1, value=-1, description="Patch", style=style, layout=wide
        )
        self.token.add_class("mv-knob")
        self.hint = kit.HTML(f"-1: {'the class token' if c.prefix else 'all tokens together'}")
        self.words, self.said = kit.HTML(), kit.HTML()
        self.shown = [kit.Image(format="png", layout=kit.Layout(max_width="100%", width="420px")) for _ in range(2)]
        self.picture = self.pictures[self.choice.value]()
        for control in (self.choice, self.block, self.head, self.token):
            control.observe(self._changed, "value")
        self._refresh()
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="4px 16px", align_items="flex-start")
        rows = [[self.choice, self.upload_box], [self.block, self.head], [self.token, self.hint], self.shown]
        boxes = [kit.HBox(row, layout=wrap) for row in rows]
        self.box = kit.VBox([kit.HTML(LOOK), *boxes[:3], self.message, boxes[3], self.words, self.said])
        self.box.add_class("minivit-explorer")

    @property
    def view(self) -> View:
        chosen = (control.value for control in (self.block, self.head, self.token))
        return View(self.model, self.picture, *(None if value < 0 else value for value in chosen))

    def _changed(self, change: Any) -> None:
        if self._busy:
            return
        if change["owner"] is self.choice:
            try:
                self.picture = self.pictures[self.choice.value]()
            except (ImportError, OSError, ValueError) as error:
                self.message.value = complaint(self.choice.value, error)
                return
        self.message.value = ""
        self._refresh()

    def _refresh(self) -> None:
        view = self.view
        for image, pixels in zip(self.shown, draw(view), strict=True):
            image.value = png(pixels)
        self.words.value, self.said.value = words(view), answers(view)


@styled
def still() -> Any:
    """The explorer without a kernel, as a matplotlib figure: what the class token reads, block by block."""
    picture, model = panel(PANELS[0]), trained()
    figure, axes = pyplot().subplots(1, 4, figsize=(WIDE, 2.1))
    last = model.config.depth - 1
    paint(axes[0], images.to_uint8(fitted(model, picture)), "the panel")
    for place, block, title in zip(axes[1:], (0, last, None), ("block 0", f"block {last}", "all blocks"), strict=True):
        paint(place, torch.from_numpy(draw(View(model, picture, block))[1]).permute(2, 0, 1), title)
    return figure


def explore(model: ViT | None = None, picture: Any = None) -> None:
    """Shows the explorer for `model`, the shipped inspector unless told; `picture` is a path or pixels (3, H, W).

    A file of more than 10 MB must come this way: JupyterLab drops larger uploads without a word. Raises ValueError or
    OSError for what is no picture. While MINIVIT_STILLS=1 the still is shown instead of widgets.
    """
    own = None if picture is None else picture_of(picture)
    if stills():
        show_still(still(), ALT)
        return
    from IPython.display import display

    display(Explorer(model or trained(), own).box)
