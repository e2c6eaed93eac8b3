"""Lesson 7's explorer: prompts of the reader's own, ranked for a picture; the temperature as a slider.

`explore()` asks the zoo's CLIP of the panels, `explore(model, tokenizer)` any two towers. A view becomes scores and
words by plain functions; the widgets come after them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from html import escape
from typing import Any, NamedTuple

from torch import Tensor

from minivit import images, zoo
from minivit.clip import TwoTowers
from minivit.evaluate import embed_images, embed_texts
from minivit.teach.explorers import LOOK, complaint, picture_of, png, show_still, stills, widgets
from minivit.teach.explorers.cutting import enlarge
from minivit.teach.explorers.uploading import Uploading
from minivit.teach.figures import WIDE, paint, pyplot, styled
from minivit.tokenizers import Tokenizer

PANELS = (5, 16, 1)  # seeds
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "china", "flower", "retina")
SIDE, MOST = 320, 20  # pixels on the screen; prompts at a time
PROMPTS = (
    "a yellow panel in a rack, sign for rotor, status fault, a burn",
    "a yellow panel in a rack, sign for rotor, status fault, a crack",
    "a yellow panel in a rack, sign for heat, status fault, a burn",
    "a yellow panel on a wall, sign for rotor, status ok, a burn",
    "a red panel on a wall, sign for heat, status fault, a burn",
)
ALT = (
    "A burnt yellow panel, and below it the portrait of an astronaut, each beside the same five captions with bars for "
    "their shares of the softmax. The panel's own caption gets all; for the astronaut a red panel with a burn gets all."
)


@dataclass(frozen=True, eq=False)
class View:
    """What the reader has chosen; everything shown follows from it."""

    model: TwoTowers
    tokenizer: Tokenizer
    picture: Tensor  # uint8 (3, h, w), as it came
    prompts: tuple[str, ...]
    scale: float


class Ranked(NamedTuple):
    """One prompt and what it got."""

    prompt: str
    cosine: float
    share: float  # of the softmax over the prompts


def lines(text: str) -> tuple[str, ...]:
    """What was typed -> the prompts, one a line, none twice. Raises ValueError for none or more than 20."""
    prompts = tuple(dict.fromkeys(" ".join(line.lower().replace(",", ", ").split()) for line in text.splitlines()))
    prompts = tuple(prompt for prompt in prompts if prompt)
    if not 1 <= len(prompts) <= MOST:
        raise ValueError(f"write 1 to {MOST} prompts, one a line; there are {len(prompts)}")
    return prompts


def fitted(model: TwoTowers, picture: Tensor) -> Tensor:
    """uint8 (3, h, w) -> float (3, H, W): the middle square at the size that the model reads."""
    height, width = model.image_tower.config.size
    side = min(picture.shape[-2:])
    top, left = (picture.shape[-2] - side) // 2, (picture.shape[-1] - side) // 2
    return images.to_float(images.resize(picture[:, top : top + side, left : left + side], height, width))


def ranked(view: View) -> list[Ranked]:
    """The prompts, the nearest first. Raises ValueError for a word that the tokenizer does not know."""
    image = embed_images(view.model, fitted(view.model, view.picture)[None])
    cosines = (image @ embed_texts(view.model, view.tokenizer, list(view.prompts)).T)[0]
    shares = (view.scale * cosines).softmax(0)
    found = [Ranked(*one) for one in zip(view.prompts, cosines.tolist(), shares.tolist(), strict=True)]
    return sorted(found, key=lambda one: -one.cosine)


def table(view: View) -> str:
    """The ranking as HTML: a bar, the share, the cosine, the prompt."""
    rows = "".join(
        f'<tr><td><div style="width:{max(1, round(120 * one.share))}px;height:12px;background:#1f6f8b"></div></td>'
        f"<td>{one.share:.1%}</td><td>{one.cosine:.3f}</td><td style='text-align:left'>{escape(one.prompt)}</td></tr>"
        for one in ranked(view)
    )
    head = "<tr><th></th><th>share</th><th>cosine</th><th style='text-align:left'>prompt</th></tr>"
    return f'<table class="mv"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def words(view: View) -> str:
    """What to make of it, in a sentence or two."""
    best, count = ranked(view)[0], len(view.prompts)
    if count == 1:
        return "One prompt alone gets 100% of any softmax: look at the cosine, and add another."
    return (
        f"&ldquo;{escape(best.prompt)}&rdquo; gets {best.share:.1%} of {count} prompts at a scale of {view.scale:.0f}; "
        f"an even split would be {1 / count:.0%}. The shares say which of these fits best, not whether any fits."
    )


@lru_cache(maxsize=1)
def trained() -> zoo.Trained:
    """The zoo's CLIP of the panels, read once."""
    return zoo.load("clip-panels")


def shelf() -> dict[str, Callable[[], Tensor]]:
    """What can be looked at without an upload."""
    from minivit.panels import sample_scene

    known = images.samples()
    panels = {f"inspection panel {sample_scene(seed, 'test').code}": partial(panel, seed) for seed in PANELS}
    return panels | {known[name].shows: partial(images.sample, name) for name in PHOTOGRAPHS}


def panel(seed: int) -> Tensor:
    """(3, 64, 64) uint8: a panel of a combination that no training has seen, drawn at the model's size."""
    from minivit import panels

    return panels.draw(panels.sample_scene(seed, "test"), 64)


class Explorer(Uploading):
    """The widgets: each choice of the reader makes a new `View`, and everything shown is drawn from it."""

    def __init__(self, model: TwoTowers, tokenizer: Tokenizer, own: Tensor | None = None):
        super().__init__(shelf() if own is None else {"yours": lambda: own, **shelf()})
        kit = widgets()
        self.model, self.tokenizer = model, tokenizer
        style, wide = {"description_width": "80px"}, kit.Layout(width="420px", max_width="100%")
        self.prompts = kit.Textarea(
            value="\n".join(PROMPTS), description="Prompts", style=style, continuous_update=False,
            layout=kit.Layout(width="420px", max_width="100%", height="120px"),
        )  # fmt: skip
        learnt = float(model.scale.detach())
        self.scale = kit.FloatLogSlider(
            base=10, min=0, max=2, step=0.02, value=min(100.0, max(1.0, learnt)), description="Scale", style=style,
            layout=wide, readout_format=".1f",
        )  # fmt: skip
        self.scale.add_class("mv-knob")
        self.hint = kit.HTML(f"1 / temperature; the model learnt {learnt:.1f}")
        self.ranking, self.words = kit.HTML(), kit.HTML()
        self.shown = kit.Image(format="png", layout=kit.Layout(max_width="100%", width=f"{SIDE}px"))
        self.picture = self.pictures[self.choice.value]()
        for control in (self.choice, self.prompts, self.scale):
            control.observe(self._changed, "value")
        self._refresh()
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="4px 16px", align_items="flex-start")
        rows = [[self.choice, self.upload_box], [self.prompts], [self.scale, self.hint], [self.shown, self.ranking]]
        boxes = [kit.HBox(row, layout=wrap) for row in rows]
        self.box = kit.VBox([kit.HTML(LOOK), *boxes[:3], self.message, boxes[3], self.words])
        self.box.add_class("minivit-explorer")

    @property
    def view(self) -> View:
        return View(self.model, self.tokenizer, self.picture, lines(self.prompts.value), self.scale.value)

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
        shown = images.to_uint8(fitted(self.model, self.picture))
        self.shown.value = png(enlarge(shown, SIDE, SIDE).permute(1, 2, 0).contiguous().numpy())
        try:
            view = self.view
            self.ranking.value, self.words.value = table(view), words(view)
        except ValueError as error:  # no prompt, or a word that the tokenizer does not know: the last ranking stays
            self.message.value = complaint("the prompts", error)


@styled
def still() -> Any:
    """The explorer without a kernel, as a matplotlib figure: a panel and a photograph, ranked."""
    model, tokenizer, _ = trained()
    figure, axes = pyplot().subplots(2, 2, figsize=(WIDE, 3.6), width_ratios=(1, 2.6))
    for (left, right), picture in zip(axes, (panel(PANELS[0]), images.sample("astronaut")), strict=True):
        found = ranked(View(model, tokenizer, picture, PROMPTS, float(model.scale.detach())))
        paint(left, fitted(model, picture))
        right.barh(range(len(found)), [one.share for one in found], height=0.4)
        for place, one in enumerate(found):
            right.text(0.005, place - 0.28, one.prompt, va="bottom", fontsize=8)
        right.set_ylim(len(found) - 0.5, -0.9)
        right.set_xlim(0, 1)
        right.set_yticks([])
        right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[1][1].set_xlabel("share of the softmax")
    return figure


def explore(model: TwoTowers | None = None, tokenizer: Tokenizer | None = None, picture: Any = None) -> None:
    """Shows the explorer for two towers and their tokenizer, those of the zoo unless told.

    `picture` is a path or pixels (3, H, W); a file of more than 10 MB must come this way, as JupyterLab drops larger
    uploads without a word. Raises ValueError for a model without its tokenizer, ValueError or OSError for what is no
    picture. While MINIVIT_STILLS=1 the still is shown instead of widgets.
    """
    if (model is None) != (tokenizer is None):
        raise ValueError("a model reads with its own tokenizer: pass both, or neither for the zoo's")
    own = None if picture is None else picture_of(picture)
    if stills():
        show_still(still(), ALT)
        return
    from IPython.display import display

    pair = (model, tokenizer) if model is not None else trained()[:2]
    display(Explorer(*pair, own).box)
