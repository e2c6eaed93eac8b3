"""Lesson 1's figures: a picture cut apart, the three numbers, what a patch size costs, what it leaves of small text."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from minivit.patches import Grid, PatchCost
from minivit.teach.figures import BLUE, CYCLE, GOLD, GREEN, GREY, INK, MARKS, ORANGE, PAPER, WIDE, bare, paint, pyplot, styled


def mosaic(tokens: Tensor, grid: Grid, patch: int, gap: int = 3) -> Tensor:
    """(N, P*P*C) -> (C, H + gaps, W + gaps): every token as a P x P square of (row, column, channel), on paper."""
    rows, cols = grid
    channels = tokens.shape[-1] // patch**2
    tiles = tokens.reshape(rows, cols, patch, patch, channels).permute(4, 0, 2, 1, 3)
    ground = torch.tensor([int(PAPER[i : i + 2], 16) for i in (1, 3, 5)], dtype=tiles.dtype)
    ground = ground / 255 if tiles.is_floating_point() else ground
    sheet = ground[:, None, None, None, None].repeat(1, rows, patch + gap, cols, patch + gap)
    sheet[:, :, :patch, :, :patch] = tiles
    return sheet.reshape(3, rows * (patch + gap), cols * (patch + gap))[:, :-gap, :-gap]


@styled
def picture_to_sequence(tokens: Tensor, grid: Grid, patch: int, first: int, count: int = 9) -> None:
    """The patches in their grid, and below them a piece of the sequence that the transformer reads."""
    plt = pyplot()
    figure = plt.figure(figsize=(6.8, 4.5))
    upper, lower = figure.subfigures(2, 1, height_ratios=(3.4, 1))
    axes = upper.subplots()
    paint(axes, mosaic(tokens, grid, patch))
    row, col = divmod(first, grid.cols)
    step = patch + 3
    frame = plt.Rectangle((col * step - 2, row * step - 2), count * step + 1, step + 1, fill=False, edgecolor=ORANGE, linewidth=2.5)
    axes.add_patch(frame)
    axes.set_title(f"{grid.rows} rows x {grid.cols} columns of patches, each {patch} x {patch} pixels")
    places = lower.subplots(1, count + 2)
    for place, title in ((places[0], "0, 1, 2,"), (places[-1], f"{grid.tokens - 1}")):
        bare(place)
        place.text(0.5, 0.5, "...", ha="center", va="center", fontsize=16)
        place.set_xlabel(title)
    for number, place in enumerate(places[1:-1], start=first):
        paint(place, tokens[number].reshape(patch, patch, -1).permute(2, 0, 1))
        place.set_xlabel(f"{number}", color=ORANGE)
    lower.suptitle(f"... and as the transformer meets them: one sequence of {grid.tokens} tokens", fontsize=10)


@styled
def three_numbers(token: Tensor, vector: Tensor, patch: int, count: int) -> None:
    """One patch, its flat values, the shared matrix and the vector that comes out, all lengths to one scale."""
    plt = pyplot()
    raw, width = len(token), len(vector)
    figure, axes = plt.subplots(figsize=(WIDE, 3.9))
    side, strip = 400, 70
    x0, x1 = side + 190, side + 190 + strip + 40  # where the flat patch and the matrix begin
    square = token.reshape(patch, patch, -1)
    axes.imshow(_opaque(square), extent=(0, side, 0, side), zorder=2)
    for line in range(patch + 1):
        axes.plot([line * side / patch] * 2, (0, side), color=PAPER, linewidth=0.4, zorder=3)
        axes.plot((0, side), [line * side / patch] * 2, color=PAPER, linewidth=0.4, zorder=3)
    axes.text(side / 2, -25, f"one of N = {count} patches\nP x P x C = {patch} x {patch} x {square.shape[-1]}", ha="center", va="top")
    channels = torch.eye(3)[torch.arange(raw) % 3] * _opaque(square).reshape(-1, 1)
    axes.imshow(channels[:, None], extent=(x0, x0 + strip, 0, raw), aspect="auto")
    axes.text(x0 + strip / 2, raw + 25, f"raw width\n{raw}", ha="center", va="bottom")
    axes.annotate("", (x0 - 25, side / 2), (side + 25, side / 2), arrowprops={"arrowstyle": "-|>", "color": INK})
    axes.text((side + x0) / 2, side / 2 + 20, "flatten", ha="center", va="bottom", fontsize=9)
    axes.add_patch(plt.Rectangle((x1, 0), width, raw, facecolor=BLUE))
    axes.text(x1 + width / 2, raw / 2, f"one linear map\n{raw} x {width} weights,\nshared by all {count} patches",
              ha="center", va="center", color=PAPER, fontsize=11)  # fmt: skip
    axes.imshow(vector[None], extent=(x1, x1 + width, -strip - 40, -40), aspect="auto", cmap="cividis")
    axes.text(x1 + width / 2, -strip - 65, f"the token, D = {width}", ha="center", va="top")
    axes.set_xlim(-20, x1 + width + 20)
    axes.set_ylim(-strip - 150, raw + 130)
    axes.set_aspect("equal")
    bare(axes)


@styled
def pairs_to_scale(costs: Mapping[int, PatchCost]) -> None:
    """The table of attention scores for each patch size, all drawn to one scale: the area counts pairs of tokens."""
    plt = pyplot()
    _, axes = plt.subplots(figsize=(WIDE, 3.5))
    left = 0
    for (patch, cost), colour in zip(sorted(costs.items(), reverse=True), CYCLE, strict=True):
        axes.add_patch(plt.Rectangle((left, 0), cost.tokens, cost.tokens, facecolor=colour))
        axes.text(left, -25, f"P = {patch}\n{cost.tokens} tokens\n{cost.pairs:,} pairs", va="top", fontsize=9)
        left += max(cost.tokens, 230) + 60
    axes.set_xlim(-10, left - 50)
    axes.set_ylim(-200, max(cost.tokens for cost in costs.values()) + 10)
    axes.set_aspect("equal")
    bare(axes)


def _opaque(values: Tensor) -> Tensor:
    """Values of either kind of pixel, in [0, 1]."""
    return values.clamp(0, 1) if values.is_floating_point() else values / 255
