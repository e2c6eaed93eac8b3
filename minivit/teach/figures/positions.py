"""Lesson 2's figures: a bag of patches, where digits lie, what a table has learned, what a new grid does to it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.patches import Grid, patchify
from minivit.positions import coordinates
from minivit.teach.figures import BLUE, CYCLE, GREY, INK, ORANGE, PAPER, WIDE, bare, paint, pyplot, styled
from minivit.teach.figures.patches import mosaic


def similarity(table: Tensor) -> Tensor:
    """(N, D) -> (N, N): the cosine between the vectors of every two places."""
    vectors = F.normalize(table.detach().cpu().double(), dim=-1)
    return vectors @ vectors.T


def relations(table: Tensor, grid: Grid) -> dict[str, float]:
    """(N, D) -> the mean similarity of two slots in one row, of two in one column, and of all other pairs."""
    cosines, places = similarity(table), coordinates(grid)
    row, col = ((places[:, None] - places[None])[..., axis] == 0 for axis in (0, 1))
    kinds = {"same row": row & ~col, "same column": col & ~row, "neither": ~row & ~col}
    return {name: cosines[where].mean().item() for name, where in kinds.items()}


def by_difference(table: Tensor, grid: Grid) -> Tensor:
    """(N, D) -> (2 rows - 1, 2 cols - 1): the mean similarity of slots so far below and right of each other."""
    cosines, places = similarity(table), coordinates(grid).long()
    dy, dx = (places[:, None] - places[None]).unbind(-1)
    sums, counts = torch.zeros(2, 2 * grid.rows - 1, 2 * grid.cols - 1, dtype=torch.float64)
    for target, values in ((sums, cosines), (counts, torch.ones_like(cosines))):
        target.index_put_((dy + grid.rows - 1, dx + grid.cols - 1), values, accumulate=True)
    return sums / counts


@styled
def bag(picture: Tensor, patch: int, order: Tensor) -> None:
    """(C, H, W), (N): a picture and the same patches in another order."""
    tokens, grid = patchify(picture, patch), Grid.of(*picture.shape[-2:], patch)
    _, axes = pyplot().subplots(1, 2, figsize=(WIDE, 2.6))
    for place, title, some in zip(axes, ("a picture", "the same bag of patches"), (tokens, tokens[order]), strict=True):
        paint(place, mosaic(some, grid, patch, gap=2), title)


@styled
def pages(pictures: Tensor, places: Tensor) -> None:
    """(B, 1, H, W), (B, 2): pages with a digit each, the sixteen fields drawn over them."""
    _, axes = pyplot().subplots(1, len(pictures), figsize=(WIDE, WIDE / len(pictures) + 0.35))
    for place, picture, (row, col) in zip(axes, pictures, places.tolist(), strict=True):
        paint(place, 1 - picture, f"row {row}, column {col}")
        height, width = picture.shape[-2:]
        for quarter in range(5):
            style = {"color": ORANGE, "linewidth": 0.8}
            place.plot((-0.5, width - 0.5), [quarter * height / 4 - 0.5] * 2, **style)
            place.plot([quarter * width / 4 - 0.5] * 2, (-0.5, height - 0.5), **style)


@styled
def emerged(before: Tensor, after: Tensor, grid: Grid) -> None:
    """(N, D) twice: a map of similarities for each slot, before and after training; right, their mean by difference."""
    _, axes = pyplot().subplots(1, 3, figsize=(WIDE, 2.75))
    shared = {"cmap": "cividis", "vmin": -0.5, "vmax": 1}
    for place, title, table in zip(axes, ("before training", "after training"), (before, after), strict=False):
        maps = similarity(table).reshape(*grid, *grid)  # (rows, cols) of maps (rows, cols)
        sheet = torch.full((grid.rows, grid.rows + 1, grid.cols, grid.cols + 1), torch.nan, dtype=torch.float64)
        sheet[:, : grid.rows, :, : grid.cols] = maps.permute(0, 2, 1, 3)
        place.imshow(sheet.reshape(grid.rows * (grid.rows + 1), -1)[:-1, :-1].numpy(), **shared)
        place.set_title(title)
        bare(place)
    reach = (-grid.cols + 0.5, grid.cols - 0.5, grid.rows - 0.5, -grid.rows + 0.5)
    drawn = axes[2].imshow(by_difference(after, grid).numpy(), extent=reach, **shared)
    axes[2].set_title("after, by difference")
    axes[2].set_xlabel("columns apart")
    axes[2].set_ylabel("rows apart", labelpad=-2)
    axes[2].set_xticks((-6, 0, 6))
    axes[2].set_yticks((-6, 0, 6))
    pyplot().colorbar(drawn, ax=axes[2], shrink=0.62, ticks=(-0.5, 0, 0.5, 1))


@styled
def fixed(maps: Mapping[str, Tensor]) -> None:
    """(rows, cols) each: similarities of one place with all others, from each map's own lowest, dark, to 1."""
    _, axes = pyplot().subplots(1, len(maps), figsize=(WIDE, WIDE / len(maps) * 0.85))
    for place, (title, values) in zip(axes, maps.items(), strict=True):
        place.imshow(values.numpy(), cmap="cividis", vmin=values.min().item(), vmax=1)
        place.set_title(f"{title}: {values.min():.2f} to 1")
        bare(place)


def ends(record: dict, kind: str, way: str = "same grid") -> list[float]:
    """How often the digit is found at the end, one number a seed; `way` is how a new grid was met."""
    found = [run["end"][way] for run in record["runs"] if run["kind"] == kind and way in run["end"]]
    if not found:
        known = sorted({f"{run['kind']}: {way}" for run in record["runs"] for way in run["end"]})
        raise ValueError(f"nothing was recorded for {kind}: {way}; there are {'; '.join(known)}")
    return found


@styled
def finding(record: dict, live: Sequence[tuple[int, float]], kinds: Sequence[str]) -> None:
    """Left: the live run over the recorded band. Right: the end of every recorded run, by kind of position."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.2), width_ratios=(1.1, 1))
    seeds = [run for run in record["runs"] if run["kind"] == "learned"]
    curves = np.array([run["found"] for run in seeds])
    left.fill_between(seeds[0]["steps"], curves.min(0), curves.max(0), color=BLUE, alpha=0.3, linewidth=0,
                      label=f"recorded, {len(seeds)} seeds")  # fmt: skip
    left.plot(*zip(*live, strict=True), color=ORANGE, label="live, this machine")
    left.set_xlabel("steps")
    left.set_ylabel("digits found")
    left.set_title("a learned table")
    left.legend(loc="center right")
    for place, kind in enumerate(kinds):
        values = ends(record, kind)
        right.barh(place, np.mean(values), color=GREY if place < 2 else BLUE, height=0.6)
        right.plot(values, [place] * len(values), "o", color=INK, markersize=4)
    chance(right, "v")
    right.set_yticks(range(len(kinds)), kinds)
    right.invert_yaxis()
    right.set_title("recorded, at the end")
    right.set_xlim(0, 1)
    left.set_ylim(0, 1)
    chance(left, "h")
    for axis in (left.yaxis, right.xaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")


def chance(axes, direction: str) -> None:
    """A dashed line at one in sixteen."""
    draw = axes.axvline if direction == "v" else axes.axhline
    draw(1 / 16, color=INK, linestyle=(0, (3, 3)), linewidth=1)


@styled
def carried(record: dict, bars: Sequence[tuple[str, str, str]]) -> None:
    """The end of every recorded run on a new grid; a bar is (kind, way, words)."""
    _, axes = pyplot().subplots(figsize=(WIDE, 0.42 * len(bars) + 0.7))
    for place, (kind, way, _) in enumerate(bars):
        values = ends(record, kind, way)
        axes.barh(place, np.mean(values), color=CYCLE[("learned", "sine-cosine", "rotary").index(kind)], height=0.62)
        axes.plot(values, [place] * len(values), "o", color=INK, markerfacecolor=PAPER, markersize=4)
    chance(axes, "v")
    axes.set_yticks(range(len(bars)), [words for *_, words in bars])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("digits found on pages of 48 x 40, learned on 32 x 32")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
