"""Lesson 1's figures: a picture cut apart, the three numbers, what a patch size costs, what it leaves of small text."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from minivit.patches import Grid, PatchCost
from minivit.teach.figures import BLUE, CYCLE, GREEN, INK, ORANGE, PAPER, WIDE, bare, paint, pyplot, styled
from minivit.teach.runs import band, runs_of  # noqa: F401  the lesson asks here for the numbers beside its figure

Box = tuple[float, float, float, float]  # (y0, x0, y1, x1), fractions of a picture


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
    """(N, P*P*C): the patches in their grid, and below them a piece of the sequence that the transformer reads."""
    plt = pyplot()
    figure = plt.figure(figsize=(6.8, 4.5))
    upper, lower = figure.subfigures(2, 1, height_ratios=(3.4, 1))
    axes = upper.subplots()
    paint(axes, mosaic(tokens, grid, patch))
    row, col = divmod(first, grid.cols)
    step = patch + 3
    frame = plt.Rectangle(
        (col * step - 2, row * step - 2), count * step + 1, step + 1, fill=False, edgecolor=ORANGE, linewidth=2.5
    )
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
    """(P*P*C), (D): one patch, its flat values, the shared matrix and the token that comes out, to one scale."""
    plt = pyplot()
    raw, width = len(token), len(vector)
    _, axes = plt.subplots(figsize=(WIDE, 3.9))
    side, strip = 400, 70
    x0, x1 = side + 190, side + 190 + strip + 40  # where the flat patch and the matrix begin
    square = token.reshape(patch, patch, -1)
    axes.imshow(_opaque(square), extent=(0, side, 0, side), zorder=2)
    for line in range(patch + 1):
        axes.plot([line * side / patch] * 2, (0, side), color=PAPER, linewidth=0.4, zorder=3)
        axes.plot((0, side), [line * side / patch] * 2, color=PAPER, linewidth=0.4, zorder=3)
    axes.text(
        side / 2,
        -25,
        f"one of N = {count} patches\nP x P x C = {patch} x {patch} x {square.shape[-1]}",
        ha="center",
        va="top",
    )
    axes.imshow(_opaque(square).reshape(-1, 1, square.shape[-1]), extent=(x0, x0 + strip, 0, raw), aspect="auto")
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


@styled
def side_by_side_kept(pictures: Tensor, kept: Sequence[tuple[int, int, Tensor]]) -> None:
    """(B, C, H, W): first row a picture, cut; below pictures as the tokens keep them. `kept` has (P, D, pictures)."""
    rows = len(pictures)
    _, axes = pyplot().subplots(rows + 1, len(kept), figsize=(WIDE, 0.78 * (rows + 1) + 0.35))
    for column, (patch, width, after) in enumerate(kept):
        paint(axes[0, column], pictures[0], f"P = {patch}\nD = {width}")
        grid_lines(axes[0, column], pictures[0], patch)
        for row in range(rows):
            paint(axes[row + 1, column], after[row])
    axes[0, 0].set_ylabel("cut", rotation=0, ha="right", va="center")
    axes[1, 0].set_ylabel("kept", rotation=0, ha="right", va="center")


def around(picture: Tensor, box: Box, height: int, width: int) -> tuple[Tensor, tuple[int, int]]:
    """(C, H, W) -> (C, height, width): the part around the middle of a box, and where it begins, (y, x)."""
    tall, wide = picture.shape[-2:]
    y = min(max(round(tall * (box[0] + box[2]) / 2) - height // 2, 0), tall - height)
    x = min(max(round(wide * (box[1] + box[3]) / 2) - width // 2, 0), wide - width)
    return picture[:, y : y + height, x : x + width], (y, x)


@styled
def same_budget(box: Box, ways: Sequence[tuple[str, Tensor, int, int, tuple[int, int]]]) -> None:
    """(C, H, W) each: pictures cut out around a box and drawn equally wide, under their grids.

    A way is (words, picture, P, side of the whole picture in pixels, where in it this one begins).
    """
    _, axes = pyplot().subplots(len(ways), 2, figsize=(WIDE, 1.5 * len(ways)), width_ratios=(1, 1.9))
    for (left, right), (words, picture, patch, side, (top, start)) in zip(axes, ways, strict=True):
        y0, x0, y1, x1 = (edge * side for edge in box)
        tokens, squares = Grid.of(*picture.shape[-2:], patch).tokens, (y1 - y0) * (x1 - x0) / patch**2
        bare(left)
        said = f"{words}, P = {patch}\n{tokens} tokens\n{squares:.0f} squares on the plate"
        left.text(0, 0.5, said, va="center", transform=left.transAxes, linespacing=1.5)
        paint(right, picture)
        grid_lines(right, picture, patch)
        y, x, half = (y0 + y1) / 2 - top, (x0 + x1) / 2 - start, (x1 - x0) * 0.55
        right.set_xlim(x - half, x + half)
        right.set_ylim(y + half * 0.29, y - half * 0.29)


def grid_lines(axes, picture: Tensor, patch: int) -> None:
    """(C, H, W): the cuts, drawn over a picture."""
    height, width = picture.shape[-2:]
    style = {"color": ORANGE, "linewidth": 0.7}
    for y in range(0, height + 1, patch):
        axes.plot((-0.5, width - 0.5), (y - 0.5, y - 0.5), **style)
    for x in range(0, width + 1, patch):
        axes.plot((x - 0.5, x - 0.5), (-0.5, height - 0.5), **style)


@styled
def reading(record: dict, live: Sequence[tuple[int, float, float]]) -> None:
    """Left: the live run over the recorded band. Right: the end of every recorded run, by patch side."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.5), width_ratios=(1, 1.15))
    seeds = runs_of(record, 8, 32)
    curves = np.array([run["read"] for run in seeds])
    left.fill_between(
        seeds[0]["steps"],
        curves.min(0),
        curves.max(0),
        color=BLUE,
        alpha=0.3,
        linewidth=0,
        label=f"recorded, {len(seeds)} seeds",
    )
    left.plot([step for step, _, _ in live], [read for _, _, read in live], color=ORANGE, label="live, this machine")
    left.set_xlabel("steps")
    left.set_ylabel("unseen codes read whole")
    left.set_title("P = 8, D = 32")
    left.legend(loc="lower right")
    lines = [("32 for every token", BLUE, "o", ((2, 32), (4, 32), (8, 32), (16, 32), (32, 32))),
             ("1024 for all tokens together", GREEN, "s", ((4, 8), (8, 32), (16, 128), (32, 512)))]  # fmt: skip
    for label, colour, mark, points in lines:
        ends = [[run["read"][-1] for run in runs_of(record, *point)] for point in points]
        sides = np.log2([patch for patch, _ in points])
        right.plot(sides, [np.mean(end) for end in ends], color=colour, label=label)
        for side, end in zip(sides, ends, strict=True):
            right.plot([side] * len(end), end, mark, color=colour, markersize=5, markerfacecolor=PAPER)
    right.set_xticks(range(1, 6), [2**power for power in range(1, 6)])
    right.set_xlabel("patch side P in pixels")
    right.set_title("recorded, by patch side")
    right.legend(title="numbers", loc="lower left", alignment="left")
    for axes in (left, right):
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.grid(axis="y")


@styled
def kernels(weight: Tensor, columns: int = 16) -> None:
    """(D, C, P, P): every row of the projection as the patch it answers to most, each stretched to its own range."""
    low, high = weight.amin((1, 2, 3), keepdim=True), weight.amax((1, 2, 3), keepdim=True)
    rows = len(weight) // columns
    tiles = mosaic(
        ((weight - low) / (high - low)).permute(0, 2, 3, 1).flatten(1), Grid(rows, columns), weight.shape[-1], gap=1
    )
    _, axes = pyplot().subplots(figsize=(WIDE, WIDE * rows / columns + 0.1))
    paint(axes, tiles)


@styled
def close_up(cuts: Mapping[str, Tensor], grid: Grid, patch: int, rows: slice, cols: slice) -> None:
    """(N, P*P*C) each: the same places of several sequences, each token drawn as the square that it should be."""
    _, axes = pyplot().subplots(1, len(cuts), figsize=(WIDE, 1.95))
    for place, (title, tokens) in zip(axes, cuts.items(), strict=True):
        some = tokens.unflatten(0, grid)[rows, cols]
        paint(place, mosaic(some.flatten(0, 1), Grid(*some.shape[:2]), patch, gap=1), title)


@styled
def quiet_losses(record: dict, cuts: Sequence[str]) -> None:
    """Left: training losses, which all fall. Right: what the readers can do."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.1), width_ratios=(1.25, 1))
    for place, (cut, colour) in enumerate(zip(cuts, CYCLE, strict=False)):
        seeds = runs_of(record, 8, 32, cut)
        losses = np.array([run["loss"] for run in seeds])
        left.plot(seeds[0]["steps"], losses.mean(0), color=colour, label=cut)
        left.fill_between(seeds[0]["steps"], losses.min(0), losses.max(0), color=colour, alpha=0.2, linewidth=0)
        ends = [run["read"][-1] for run in seeds]
        right.barh(place, np.mean(ends), color=colour, height=0.6)
        right.plot(ends, [place] * len(ends), "o", color=INK, markersize=4)
    left.set_ylim(0)
    left.set_xlabel("steps")
    left.set_title("training loss")
    left.legend()
    right.set_yticks(range(len(cuts)), cuts)
    right.invert_yaxis()
    right.set_xlim(0, 1)
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.set_title("unseen codes read whole")


def _opaque(values: Tensor) -> Tensor:
    """(...) -> (...): values of either kind of pixel, in [0, 1]."""
    return values.clamp(0, 1) if values.is_floating_point() else values / 255
