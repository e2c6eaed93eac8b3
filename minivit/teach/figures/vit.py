"""Lesson 5's figures: digits learnt by two optimizers, three poolings, and what a token reads, laid over its picture.

Legend: C H W pixels, (rows, cols) the grid, N = rows * cols patches, heads.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from minivit import images
from minivit.patches import Grid
from minivit.teach.figures import BLUE, GOLD, GREEN, GREY, ORANGE, PAPER, WIDE, paint, pyplot, styled
from minivit.teach.inspector import POOLINGS, QUESTIONS

DIM = 0.3  # a place that is not read keeps no colour, and this share of its light


def of(
    record: dict, *, optimizer: str | None = None, split: str | None = None, pooling: str | None = None
) -> list[dict]:
    """The runs of a record with this optimizer, split and pooling; ValueError if there is none."""
    named = {"optimizer": optimizer, "split": split, "pooling": pooling}
    wanted = {name: value for name, value in named.items() if value is not None}
    found = [run for run in record["runs"] if all(run[name] == value for name, value in wanted.items())]
    if not found:
        raise ValueError(f"no run was recorded with {wanted}")
    return found


@styled
def jolted(before: Tensor, after: Tensor) -> None:
    """(B, 1, 8, 8), (B, 1, 8, 8): digits as they are, and below as one step of training sees them."""
    _, axes = pyplot().subplots(2, len(before), figsize=(WIDE, 2.0))
    for column, pair in enumerate(zip(before, after, strict=True)):
        for row, picture in enumerate(pair):
            paint(axes[row, column], 1 - picture)
    for place, words in zip(axes[:, 0], ("as it is", "jolted"), strict=True):
        place.set_ylabel(words)


@styled
def learning(record: dict, live: Sequence[tuple[int, float]]) -> None:
    """Left: accuracy over the steps, two optimizers and the live run. Right: where each recorded run ended."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.4), width_ratios=(1.5, 1))
    ways = [("muon", "stratified", BLUE, "Muon"), ("adamw", "stratified", GOLD, "AdamW"),
            ("muon", "writers", GREEN, "Muon,\nother writers")]  # fmt: skip
    for place, (optimizer, split, colour, words) in enumerate(ways):
        runs = of(record, optimizer=optimizer, split=split)
        curves = np.array([run["accuracy"] for run in runs])
        if split == "stratified":
            left.fill_between(
                runs[0]["steps"], curves.min(0), curves.max(0), color=colour, alpha=0.35, linewidth=0,
                label=f"{words}, {len(runs)} seeds",
            )  # fmt: skip
        right.plot([place] * len(runs), curves[:, -1], "o", color=colour, markerfacecolor=PAPER, markersize=6)
        right.plot([place - 0.25, place + 0.25], [curves[:, -1].mean()] * 2, color=colour)
    left.plot(*zip(*live, strict=True), color=ORANGE, label="live, Muon")
    left.set_xlabel("steps")
    left.set_title("unseen digits read, known writers")
    left.set_ylim(0.6, 1.005)
    left.legend(loc="lower right")
    right.set_xticks(range(len(ways)), [words for *_, words in ways])
    right.set_xlim(-0.5, len(ways) - 0.5)
    right.set_title("at the end, every run")
    for axes, digits in ((left, 0), (right, 1)):
        axes.yaxis.set_major_formatter(lambda value, _, digits=digits: f"{value:.{digits}%}")
        axes.grid(axis="y")


@styled
def pools(record: dict) -> None:
    """For each question a plot: every recorded run by pooling, and what can be said without looking."""
    _, axes = pyplot().subplots(1, len(QUESTIONS), figsize=(WIDE, 3.2), sharey=True)
    for place, question in zip(axes, QUESTIONS, strict=True):
        for at, (pooling, colour) in enumerate(zip(POOLINGS, (BLUE, ORANGE, GREEN), strict=True)):
            ends = [run[question][-1] for run in of(record, pooling=pooling)]
            place.plot([at] * len(ends), ends, "o", color=colour, markerfacecolor=PAPER, markersize=6)
            place.plot([at - 0.3, at + 0.3], [np.mean(ends)] * 2, color=colour)
        for (words, guess), style in zip(record["blind"].items(), ((0, (2, 2)), "-"), strict=True):
            place.axhline(guess[question], color=GREY, linestyle=style, linewidth=1.2, label=words)
        place.set_title(f"{question}, {len(QUESTIONS[question])} answers")
        place.set_xticks(range(len(POOLINGS)), [name.replace("attention", "attent.") for name in POOLINGS])
        place.set_xlim(-0.5, len(POOLINGS) - 0.5)
        place.set_ylim(0, 1.03)
        place.grid(axis="y")
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].legend(loc="center left", title="without looking", bbox_to_anchor=(0, 0.45))


def overlay(picture: Tensor, weights: Tensor, grid: Grid) -> Tensor:
    """(3, H, W), (N) -> (3, H, W) in [0, 1]: in colour where much is read, grey and dark where little is."""
    pixels = picture if picture.is_floating_point() else images.to_float(picture)
    height, width = pixels.shape[-2:]
    light = (weights.float() / weights.max().clamp_min(1e-9)).reshape(1, *grid)
    light = light.repeat_interleave(height // grid.rows, 1).repeat_interleave(width // grid.cols, 2)
    dim = pixels.mean(0, keepdim=True) * DIM
    return pixels * light + dim * (1 - light)


@styled
def reads(pictures: Tensor, maps: Mapping[str, Tensor], grid: Grid, titles: Sequence[str]) -> None:
    """(B, 3, H, W); words -> (B, N): a picture a row, beside it what is read of it, one map after another."""
    rows, columns = len(pictures), len(maps) + 1
    size = WIDE, rows * (WIDE / columns * pictures.shape[-2] / pictures.shape[-1] + 0.12) + 0.25
    _, axes = pyplot().subplots(rows, columns, figsize=size, squeeze=False)
    for at, (row, picture) in enumerate(zip(axes, pictures, strict=True)):
        paint(row[0], picture, "" if at else "shown")
        row[0].set_ylabel(titles[at])
        for place, (words, weights) in zip(row[1:], maps.items(), strict=True):
            paint(place, overlay(picture, weights[at], grid), "" if at else words)


@styled
def bars(shares: Mapping[str, tuple[float, float]]) -> None:
    """A slip -> (accuracy, mean confidence): what is right, and how sure the model says it is."""
    _, axes = pyplot().subplots(figsize=(WIDE, 0.42 * len(shares) + 0.9))
    for place, (right, sure) in enumerate(shares.values()):
        axes.barh(place - 0.19, right, height=0.36, color=BLUE, label="right" if not place else None)
        axes.barh(place + 0.19, sure, height=0.36, color=ORANGE, alpha=0.6, label="sure" if not place else None)
    axes.set_yticks(range(len(shares)), list(shares))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="lower right", ncols=2, bbox_to_anchor=(1, 1.0))
    axes.axvline(0.1, color=GREY, linestyle=(0, (2, 2)), linewidth=1.2)
