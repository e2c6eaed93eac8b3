"""Lesson 13's explorer: a talk with the inspection assistant, and what each of its words read of the picture.

`explore()` asks the zoo's assistant, `explore(assistant)` any other. `asking` holds the talk, `lighting` makes pixels
and sentences of it, both without widgets; here are the widgets and the still.
"""

from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from minivit import zoo
from minivit.inspection.assistant import Assistant
from minivit.teach.explorers import LOOK, complaint, picture_of, png, show_still, stills, widgets
from minivit.teach.explorers.asking import CODE, Talk, kinds, nearest, understood
from minivit.teach.explorers.lighting import TIMES, Entry, View, chat, draw, refusal, state, words
from minivit.teach.explorers.uploading import Uploading
from minivit.teach.figures import WIDE, bare, paint, pyplot, styled

NUMBER = 5  # the first panel shown
DRAWN = 128  # pixels of a panel's side, of which the tower sees 64
PANEL = "a panel by its number"
STILL = ("What damage is there?", CODE)
NOTE = (
    "In colour: where attention took numbers from when the answer was\n"
    "written, the mean over blocks and heads. It is no explanation.\n"
    "The code is read in a second, nearer view, that of the framed plate."
)
ALT = (
    "A burnt yellow panel three times: as it is drawn; lit for the answer burn, the brightest cell on the burn, "
    "and more light along the upper edge, where nothing is burnt; and nearly dark for the answer B6-16, whose "
    "light is in a nearer view of the plate, mostly in its upper half."
)


@lru_cache(maxsize=1)
def trained() -> Assistant:
    """The zoo's assistant, read once."""
    return zoo.load("panels-assistant").model


def panel(number: int) -> Tensor:
    """(3, 128, 128) uint8: a panel of a combination that no training has seen."""
    from minivit import panels

    return panels.draw(panels.sample_scene(number, "test"), DRAWN)


class Explorer(Uploading):
    """The widgets: each word that is written makes a new `View`, and everything shown is drawn from it."""

    def __init__(self, model: Assistant, own: Tensor | None = None):
        panels = {PANEL: lambda: panel(self.number.value)}
        super().__init__(panels if own is None else {"yours": lambda: own, **panels})
        kit = widgets()
        self.model = model
        style, wide = {"description_width": "80px"}, kit.Layout(width="420px", max_width="100%")
        self.number = kit.BoundedIntText(
            value=NUMBER, min=0, max=9_999, description="Number", style=style, layout=kit.Layout(width="180px")
        )
        self.menu = kit.Dropdown(
            description="It knows", options=[("choose a question", ""), *((kind, kind) for kind in kinds())],
            style=style, layout=wide,
        )  # fmt: skip
        self.text = kit.Text(
            description="You", placeholder="or write one, and press Enter", continuous_update=False, style=style,
            layout=wide,
        )  # fmt: skip
        self.anew = kit.Button(description="Begin anew", layout=kit.Layout(width="auto"))
        self.word = kit.IntSlider(min=-1, max=0, value=-1, description="Word", style=style, layout=wide)
        self.word.add_class("mv-knob")
        self.offers, self.log, self.words, self.state = kit.HBox([]), kit.HTML(), kit.HTML(), kit.HTML()
        self.shown = [kit.Image(format="png", layout=kit.Layout(max_width="100%")) for _ in TIMES]
        self.said, self.chosen = [], None
        self._changed(None)
        self.menu.observe(self._picked, "value")
        self.text.observe(self._picked, "value")
        self.word.observe(self._refresh, "value")
        self.anew.on_click(self._changed)
        for control in (self.choice, self.number):
            control.observe(self._changed, "value")
        wrap = kit.Layout(flex_flow="row wrap", grid_gap="4px 16px", align_items="flex-start")
        self.offers.layout = wrap
        seen = kit.VBox([*self.shown])
        talk = kit.VBox([self.log, self.state], layout=kit.Layout(width="420px", max_width="100%"))
        rows = [[self.choice, self.number, self.upload_box], [self.menu], [self.text, self.anew], [seen, talk],
                [self.word, kit.HTML("-1: the whole answer")]]  # fmt: skip
        boxes = [kit.HBox(row, layout=wrap) for row in rows]
        self.box = kit.VBox([kit.HTML(LOOK), *boxes[:3], self.message, self.offers, *boxes[3:], self.words])
        self.box.add_class("minivit-explorer")

    @property
    def view(self) -> View:
        turn = self.said[-1].turns[-1] if self.said and self.said[-1].turns else None
        at = self.word.value
        chosen = self.chosen if turn is None or not 0 <= at < len(turn.words) else range(at, at + 1)
        return View(self.model, self.talk.picture, self.talk.box, turn, chosen)

    def ask(self, text: str) -> None:
        """Answers what was typed or chosen, word by word, or says that it cannot and offers what it can."""
        kind = understood(text)
        self.message.value, self.offers.children = "", ()
        if kind is None:
            self.message.value = f'<div class="mv-complaint" role="alert">{refusal(text)}</div>'
            self.offers.children = [self._offer(other) for other in nearest(text)]
            return
        self.said.append(Entry(kind))
        try:
            for turn in self.talk.ask(kind):
                self.said[-1] = self.said[-1].grown(turn)
                self._look(range(max(0, len(turn.words) - 1), len(turn.words)))  # the last word alone
        except ValueError as error:
            self.message.value = complaint("the answer", error)
        self._look(self.said[-1].spelled)

    def _offer(self, kind: str) -> Any:
        kit = widgets()
        button = kit.Button(description=kind, layout=kit.Layout(width="auto"))
        button.on_click(lambda _: self.ask(kind))
        return button

    def _picked(self, change: Any) -> None:
        """A question was chosen or typed; its control is emptied, so that it can be asked again."""
        if self._busy or not change["new"]:
            return
        self._quietly(change["owner"], "")
        self.ask(change["new"])

    def _changed(self, change: Any) -> None:
        """Another picture, or a wish to begin anew."""
        if self._busy:
            return
        if isinstance(change, dict) and change["owner"] is self.number:
            self._quietly(self.choice, PANEL)
        self.talk = Talk(self.model, self.pictures[self.choice.value]())
        self.said = []
        self.message.value, self.offers.children = "", ()
        self._look()

    def _look(self, chosen: range | None = None) -> None:
        """Draws everything anew; the slider reaches to the last word, and stands at no word."""
        self.chosen = chosen
        turn = self.view.turn
        self._busy = True
        self.word.value, self.word.max = -1, max(0, len(turn.words) - 1 if turn else 0)
        self._busy = False
        self._refresh()

    def _refresh(self, change: Any = None) -> None:
        if self._busy:
            return
        view = self.view
        drawn = draw(view)
        for image, pixels in zip(self.shown, drawn, strict=False):
            image.value = png(pixels)
        self.shown[1].layout.display = "" if len(drawn) > 1 else "none"
        self.log.value, self.words.value = chat(self.said, view.chosen), words(view)
        self.state.value = state(self.talk, own=self.choice.value != PANEL)

    def _quietly(self, control: Any, value: Any) -> None:
        self._busy = True
        control.value = value
        self._busy = False


def answered(model: Assistant, picture: Tensor, question: str) -> View:
    """A question about a picture -> what is looked at when it is answered."""
    talk, entry = Talk(model, picture), Entry(question)
    for turn in talk.ask(question):
        entry = entry.grown(turn)
    return View(model, talk.picture, talk.box, entry.turns[-1], entry.spelled)


@styled
def still(model: Assistant | None = None) -> Any:
    """The explorer without a kernel, as a matplotlib figure: a panel, two questions, what was read for the answers."""
    model, picture = trained() if model is None else model, panel(NUMBER)
    figure = pyplot().figure(figsize=(WIDE, 3.45))
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))
    places = figure.subplot_mosaic([["shown", *STILL], ["note", "note", "near"]], height_ratios=(3, 1))
    paint(places["shown"], picture, f"panel {NUMBER}\nas it is drawn")
    for question in STILL:
        view = answered(model, picture, question)
        whole, *near = [torch.from_numpy(pixels).permute(2, 0, 1) for pixels in draw(view)]
        share = prod(word.share for word in view.words)
        paint(places[question], whole, f"{question}\n{''.join(word.text for word in view.words)} ({share:.2f})")
    paint(places["near"], near[0])
    bare(places["note"])
    places["note"].text(1, 0.5, NOTE, ha="right", va="center", fontsize=9)
    return figure


def explore(model: Assistant | None = None, picture: Any = None) -> None:
    """Shows the explorer for an assistant, that of the zoo unless told.

    `picture` is a path or pixels (3, H, W); a file of more than 10 MB must come this way, as JupyterLab drops larger
    uploads without a word. Raises ValueError or OSError for what is no picture. While MINIVIT_STILLS=1 the still is
    shown instead of widgets.
    """
    own = None if picture is None else picture_of(picture)
    if stills():
        show_still(still(model), ALT)
        return
    from IPython.display import display

    display(Explorer(trained() if model is None else model, own).box)
