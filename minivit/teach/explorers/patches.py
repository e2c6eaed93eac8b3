"""Lesson 1's explorer: patch size is the main knob, tokens against detail.

`explore()` cuts a picture into patches of P x P pixels and shows the tokens, what they cost, and what is left of the
picture when each token keeps only so many numbers. Pictures: inspection panels, photographs, the reader's own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from minivit import images
from minivit.teach.explorers import LOOK, complaint, picture_of, png, show_still, stills, widgets
from minivit.teach.explorers.uploading import Uploading
from minivit.teach.explorers.views import (
    NUMBERS,
    PATCHES,
    SIZES,
    Drawing,
    View,
    draw,
    kept_words,
    table,
    tiles,
    token_words,
)  # fmt: skip
from minivit.teach.figures import WIDE, bare, paint, pyplot, styled

PANELS = (16, 1, 5)  # seeds
PHOTOGRAPHS = ("astronaut", "china", "coffee", "chelsea", "flower", "retina", "clock", "text")
MIDDLE = (0.5, 0.5)
STILL_PATCHES = (8, 16, 32)
ALT = (
    "The same inspection panel cut three times, each token keeping 48 numbers. Patches of 8 pixels make 784 tokens and "
    "the asset code is clear; of 16 pixels, 196 tokens, and it is blurred; of 32 pixels, 49 tokens, and nobody can "
    "read it."
)

Place = tuple[float, float]  # (y, x) in 0..1


def shelf() -> dict[str, Callable[[], tuple[Tensor, Place]]]:
    """What can be looked at without an upload: a name -> a function that gives the picture and where to look first."""
    from minivit.panels import sample_scene

    known = images.samples()
    panels = {f"inspection panel {sample_scene(seed).code}": partial(panel, seed) for seed in PANELS}
    return panels | {known[name].shows: partial(_photograph, name) for name in PHOTOGRAPHS}


def _photograph(name: str) -> tuple[Tensor, Place]:
    return images.sample(name), MIDDLE


def panel(seed: int) -> tuple[Tensor, Place]:
    """An inspection panel, and the middle of its asset code."""
    from minivit import panels

    scene = panels.sample_scene(seed)
    y0, x0, y1, x1 = panels.regions(scene)["code"]
    return panels.draw(scene, size=max(SIZES)), ((y0 + y1) / 2, (x0 + x1) / 2)


class Explorer(Uploading):
    """The widgets: each choice of the reader makes a new `View`, and everything shown is drawn from it."""

    def __init__(self, own: Tensor | None = None):
        pictures = shelf() if own is None else {"yours": lambda: (own, MIDDLE), **shelf()}
        super().__init__(pictures, label=100, button="Your own picture")
        kit = widgets()

        def layout(width: int) -> Any:
            return kit.Layout(width=f"{width}px", max_width="100%")

        style = {"description_width": "100px"}

        def steps(name: str, options: tuple, value: int) -> Any:
            return kit.SelectionSlider(options=options, value=value, description=name, style=style, layout=layout(296))

        self.whole = kit.Dropdown(
            description="Part", options=[("middle square", False), ("whole", True)],
            style={"description_width": "40px"}, layout=layout(190),
        )  # fmt: skip
        self.patch = steps("Patch side P", PATCHES, 16)
        self.numbers = steps("Numbers kept", NUMBERS, 48)
        self.size = steps("Image side", SIZES, 224)
        self.token = kit.IntSlider(min=0, max=195, description="Token", style=style, layout=layout(616))
        self.patch.add_class("mv-knob")  # the main knob
        self.play = kit.Play(min=0, max=195, interval=200, show_repeat=False, layout=kit.Layout(width="auto"))
        self.tiles, self.note, self.table = kit.HTML(), kit.HTML(), kit.HTML()
        self.token_words, self.kept_words = kit.HTML(), kit.HTML()
        self.shown = Drawing(*(kit.Image(format="png", layout=kit.Layout(max_width="100%")) for _ in Drawing._fields))
        picture, focus = self.pictures[self.choice.value]()
        self.view = View(picture, focus=focus)
        for control in (self.choice, self.whole, self.size, self.patch, self.numbers):
            control.observe(self._changed, "value")
        self.token.observe(self._moved, "value")
        self.play.observe(self._played, "value")
        self._refresh()
        self.box = self._layout(kit)

    def _layout(self, kit: Any) -> Any:
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="4px 16px", align_items="flex-start")

        def row(*parts: Any) -> Any:
            return kit.HBox(parts, layout=wrap)

        def column(width: int, title: str, *parts: Any) -> Any:
            layout = kit.Layout(width=f"{width}px", max_width="100%", align_items="flex-start", overflow="hidden")
            return kit.VBox([kit.HTML(f"<b>{title}</b>"), *parts], layout=layout)

        shown = self.shown
        box = kit.VBox(
            [
                kit.HTML(LOOK),
                row(self.choice, self.whole, self.upload_box),
                row(self.patch, self.numbers, self.size),
                self.message,
                self.tiles,
                row(
                    column(456, "The picture, cut", shown.cut, self.note),
                    column(456, "What the tokens keep", shown.kept, self.kept_words),
                ),
                row(self.token, self.play),
                row(
                    column(300, "One token", shown.token, self.token_words),
                    column(300, "Around it", shown.before),
                    column(300, "Around it, as kept", shown.after),
                ),
                self.table,
            ]
        )
        box.add_class("minivit-explorer")
        return box

    def _add(self, name: str, picture: Tensor) -> None:
        super()._add(name, (picture, MIDDLE))

    def _changed(self, change: Any) -> None:
        """A control moved: the place looked at stays, unless the picture is another."""
        if self._busy:
            return
        picture, focus = self.view.picture, self.view.focus
        if change["owner"] is self.choice:
            try:
                picture, focus = self.pictures[self.choice.value]()
            except (ImportError, OSError, ValueError) as error:
                self.message.value = complaint(self.choice.value, error)
                return
        self.message.value = ""
        self.view = View(picture, self.size.value, self.patch.value, self.numbers.value, self.whole.value, focus)
        self._refresh()

    def _moved(self, change: Any) -> None:
        if not self._busy:
            self.view = self.view.at(change["new"])
            self._refresh()

    def _played(self, change: Any) -> None:
        if not self._busy:
            self.token.value = change["new"]

    def _refresh(self) -> None:
        """Draws the view, and sets the sliders that follow from it."""
        view = self.view
        self._busy = True
        for counter in (self.token, self.play):
            counter.max = max(view.grid.tokens - 1, 1)
            counter.value = view.token
        self._busy = False
        for image, pixels in zip(self.shown, draw(view), strict=True):
            image.value = png(pixels)
        self.tiles.value, self.table.value = tiles(view), table(view)
        self.note.value, self.token_words.value, self.kept_words.value = view.note, token_words(view), kept_words(view)


@styled
def still() -> Any:
    """The explorer without a kernel, as a matplotlib figure: three patch sizes side by side."""
    picture, focus = panel(PANELS[0])
    figure, axes = pyplot().subplots(2, len(STILL_PATCHES), figsize=(WIDE, 4.4), height_ratios=(2.4, 1.6))
    for (above, below), patch in zip(axes.T, STILL_PATCHES, strict=True):
        view = View(picture, patch=patch, focus=focus)
        drawn, price = draw(view), view.cost
        above.imshow(drawn.cut)
        above.set_title(f"P = {patch}: {price.tokens:,} tokens\n{price.pairs:,} pairs")
        paint(below, drawn.after, f"{view.numbers} of {price.raw_width:,} values kept")
        bare(above)
    return figure


def explore(picture: Any = None) -> None:
    """Shows the explorer; `picture` is a path or pixels (3, H, W) to begin with, in place of the panel.

    A file of more than 10 MB must come this way: JupyterLab drops larger uploads without a word.
    Raises ValueError or OSError for what is no picture. While MINIVIT_STILLS=1 the still is shown instead of widgets.
    """
    own = None if picture is None else picture_of(picture)
    if stills():
        show_still(still(), ALT)
        return
    from IPython.display import display

    display(Explorer(own).box)
