"""Lesson 1's view: the reader's choices, and the pictures and words that follow from them. No widgets here."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from minivit.patches import Grid, PatchCost, cost, patchify
from minivit.teach.explorers import cutting

PATCHES = (4, 8, 14, 16, 28, 32, 56)
SIZES = (96, 224, 336, 448)
NUMBERS = (3, 12, 48, 192, 768)


@dataclass(frozen=True, eq=False)
class View:
    """What the reader has chosen; everything shown follows from it."""

    picture: Tensor  # uint8 (3, h, w), as it came
    size: int = 224  # the longer side that the model sees
    patch: int = 16
    numbers: int = 48  # D: the numbers that a token keeps
    whole: bool = False  # the whole picture, or its middle square
    focus: tuple[float, float] = (0.5, 0.5)  # (y, x) in 0..1: the place looked at closely

    @property
    def sides(self) -> tuple[int, int]:
        """H and W of what the model would see; P divides both."""
        return cutting.target(*self.picture.shape[-2:], self.size, self.patch, self.whole)

    @property
    def image(self) -> Tensor:
        """What the model would see: uint8 (3, H, W)."""
        return cutting.fit(self.picture, self.size, self.patch, self.whole)[0]

    @property
    def note(self) -> str:
        """How the picture became that."""
        return cutting.fit(self.picture, self.size, self.patch, self.whole)[1]

    @property
    def grid(self) -> Grid:
        return Grid.of(*self.sides, self.patch)

    @property
    def token(self) -> int:
        """The index, in raster order, of the patch that holds the focus."""
        rows, cols = self.grid
        row, col = (min(int(part * count), count - 1) for part, count in zip(self.focus, (rows, cols), strict=True))
        return row * cols + col

    @property
    def cost(self) -> PatchCost:
        return cost(*self.sides, self.patch)

    def at(self, token: int) -> "View":
        """The same view looking at another token."""
        row, col = divmod(token, self.grid.cols)
        return replace(self, focus=((row + 0.5) / self.grid.rows, (col + 0.5) / self.grid.cols))


class Drawing(NamedTuple):
    """The pictures of a view, all uint8."""

    cut: np.ndarray  # (h, w, 3) patches pulled apart, the chosen one framed
    kept: Tensor  # (3, h, w) what D numbers a token keep
    token: Tensor  # (3, h, w) the chosen patch, enlarged
    before: Tensor  # (3, h, w) around the focus, as the model gets it
    after: Tensor  # (3, h, w) the same, as the tokens keep it


def draw(view: View) -> Drawing:
    """All pictures of a view."""
    image, patch = view.image, view.patch
    row, col = divmod(view.token, view.grid.cols)
    one = image[:, row * patch : (row + 1) * patch, col * patch : (col + 1) * patch]
    kept = cutting.keep(image, patch, view.numbers)
    times = cutting.SIDE / max(image.shape[-2:])
    large = [max(1, round(side * times)) for side in image.shape[-2:]]
    return Drawing(
        cut=cutting.exploded(image, patch, view.token),
        kept=cutting.enlarge(kept, *large),
        token=cutting.enlarge(one, *[patch * max(1, 168 // patch)] * 2),
        before=cutting.window(image, view.focus),
        after=cutting.window(kept, view.focus),
    )


def tiles(view: View) -> str:
    """The four numbers, as HTML."""
    price, patch = view.cost, view.patch
    shown = [
        (f"{price.tokens:,} tokens", f"{view.grid.rows} rows × {view.grid.cols} columns"),
        (f"{price.raw_width:,} values", f"raw width of a token, {patch} × {patch} × 3"),
        (f"{price.pairs:,} pairs", f"of tokens, {price.tokens:,} × {price.tokens:,}"),
        (f"{price.flops / 1e9:,.1f} GFLOPs", "one image through ViT-Base"),
    ]
    return '<div class="mv-tiles">' + "".join(f"<div><b>{big}</b>{small}</div>" for big, small in shown) + "</div>"


def token_words(view: View) -> str:
    """Where the chosen token stands and how its raw vector begins."""
    row, col = divmod(view.token, view.grid.cols)
    values = patchify(view.image, view.patch)[view.token]
    first = " ".join(str(int(value)) for value in values[:9])
    return (
        f"Token {view.token}: row {row}, column {col}, for {row} × {view.grid.cols} + {col} = {view.token}.<br>"
        f"As numbers: <code>{first} …</code> {len(values):,} in all."
    )


def kept_words(view: View) -> str:
    """How much of a token the chosen numbers are."""
    raw, tokens = view.cost.raw_width, view.cost.tokens
    if view.numbers >= raw:
        return f"A token has {raw:,} values and may keep D = {view.numbers:,} numbers: nothing is lost."
    return (
        f"Each token keeps D = {view.numbers:,} numbers of {raw:,}: the slowest cosine waves, by one fixed linear map. "
        f"The picture is told in {tokens:,} × {view.numbers:,} = {tokens * view.numbers:,} numbers."
    )


def table(view: View) -> str:
    """Every patch size beside the chosen one, as an HTML table."""
    head = "".join(f"<th>{name}</th>" for name in ("P", "image", "tokens", "raw width", "pairs", "GFLOPs, ViT-Base"))
    lines = []
    for patch in PATCHES:
        other = replace(view, patch=patch)
        price, (height, width) = other.cost, other.sides
        counts = "".join(f"<td>{count:,}</td>" for count in price[:3])
        now = ' class="mv-now"' if patch == view.patch else ""
        lines.append(
            f"<tr{now}><th>{patch}</th><td>{height} × {width}</td>{counts}<td>{price.flops / 1e9:,.1f}</td></tr>"
        )
    return f'<table class="mv"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
