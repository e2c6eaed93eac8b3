"""Lesson 4's figures: tokens that become alike, gradients by depth, what training makes of stacks with a part gone."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from minivit.teach.figures import BLUE, CYCLE, GOLD, GREEN, GREY, INK, ORANGE, PAPER, WIDE, bare, pyplot, styled

COLOURS = {"whole": BLUE, "no_residual": ORANGE, "no_norm": GOLD, "no_mlp": GREEN, "post_norm": INK}
MARKS = {"whole": "o", "no_residual": "s", "no_norm": "^", "no_mlp": "D", "post_norm": "v"}
SAID = {name: name.replace("_", " ") for name in COLOURS} | {"post_norm": "post-norm", "no_mlp": "no MLP"}


def runs_of(record: dict, rule: str, depth: int) -> list[dict]:
    """The runs of a record with this rule and depth, one a seed. ValueError if there is none."""
    found = [run for run in record["runs"] if (run["rule"], run["depth"]) == (rule, depth)]
    if not found:
        known = "; ".join(sorted({f"{run['rule']} at depth {run['depth']}" for run in record["runs"]}))
        raise ValueError(f"no run was recorded of {rule} at depth {depth}; there are {known}")
    return found


def band(record: dict, rule: str, depth: int) -> tuple[float, float]:
    """The lowest and the highest accuracy at the end, over the seeds. ValueError if there are none."""
    ends = [run["accuracy"][-1] for run in runs_of(record, rule, depth)]
    return min(ends), max(ends)


@styled
def alike(maps: Mapping[str, Sequence[Tensor]], depths: Sequence[int], place: tuple[int, int]) -> None:
    """(rows, cols) each: how like one token, at `place`, all tokens are, by stack (down) and by depth (across)."""
    figure, axes = pyplot().subplots(len(maps), len(depths), figsize=(WIDE, 0.64 * len(maps) + 0.4))
    for line, (name, row) in enumerate(maps.items()):
        for column, (depth, values) in enumerate(zip(depths, row, strict=True)):
            axis = axes[line, column]
            shown = axis.imshow(values.numpy(), vmin=0, vmax=1, cmap="cividis")
            axis.plot(place[1], place[0], "s", color=ORANGE, markersize=4)
            bare(axis)
            if line == 0:
                axis.set_title({0: "at first", 1: "1 block"}.get(depth, f"{depth} blocks"))
        axes[line, 0].set_ylabel(name, rotation=0, ha="right", va="center")
    bar = figure.colorbar(shown, ax=axes, ticks=(0, 0.5, 1), aspect=25, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("cosine")


@styled
def collapse(spread: Mapping[str, Sequence[float]]) -> None:
    """How much of the tokens is not their mean, by depth, for several stacks; below 1e-15 there is only rounding."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.3))
    for (name, values), colour, mark in zip(spread.items(), CYCLE, "os^D", strict=False):
        axes.plot(range(len(values)), values, mark + "-", color=colour, label=name, markersize=4)
    axes.axhspan(1e-17, 1e-15, color=GREY, alpha=0.25, linewidth=0)
    axes.text(0.99, 0.02, "rounding in float64", transform=axes.transAxes, ha="right", va="bottom", fontsize=9)
    axes.set_yscale("log")
    axes.set_ylim(1e-17, 3)
    axes.set_xlabel("blocks")
    axes.set_ylabel("share that is not the mean token")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.58))


@styled
def gradients(norms: Mapping[str, Sequence[float]]) -> None:
    """The length of the gradient at every place of the stream, as a share of that at the end."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.3))
    for name, values in norms.items():
        style = {"color": COLOURS.get(name, GREY), "marker": MARKS.get(name, "x")}
        axes.plot(range(len(values)), np.array(values) / values[-1], label=SAID.get(name, name), markersize=4, **style)
    axes.set_yscale("log")
    axes.set_xlabel("block: the gradient travels from right to left")
    axes.set_ylabel("gradient, times that at the end")
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


@styled
def depth_curves(record: dict, live: Mapping[str, tuple[Sequence[int], Sequence[float]]], depth: int) -> None:
    """Left: the live runs over the recorded bands. Right: the end of every recorded run, by depth and by rule."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.6), width_ratios=(1, 1.15))
    for name, (steps, accuracy) in live.items():
        seeds = runs_of(record, name, depth)
        curves = np.array([run["accuracy"] for run in seeds])
        colour = COLOURS[name]
        left.fill_between(seeds[0]["steps"], curves.min(0), curves.max(0), color=colour, alpha=0.3, linewidth=0)
        left.plot(steps, accuracy, color=colour, label=f"{SAID[name]}, live")
    left.set_xlabel("steps")
    left.set_ylabel("test digits read")
    left.set_title(f"{depth} blocks (bands: recorded)")
    left.legend(loc="center right", bbox_to_anchor=(1, 0.38))
    depths = sorted({run["depth"] for run in record["runs"]})
    for shift, name in enumerate(COLOURS):
        ends = [[run["accuracy"][-1] for run in runs_of(record, name, count)] for count in depths]
        at = np.arange(len(depths)) + (shift - 2) * 0.05
        right.plot(at, [np.mean(end) for end in ends], color=COLOURS[name], label=SAID[name], linewidth=1.5)
        for place, end in zip(at, ends, strict=True):
            right.plot([place] * len(end), end, MARKS[name], color=COLOURS[name], markersize=4, markerfacecolor=PAPER)
    right.set_xticks(range(len(depths)), depths)
    right.set_xlabel("blocks")
    right.set_title("recorded, by depth")
    right.legend(loc="lower left", bbox_to_anchor=(0, 0.12))
    for axes in (left, right):
        axes.axhline(0.1, color=GREY, linewidth=1, linestyle=":")
        axes.text(1, 0.1, "chance ", color=INK, fontsize=8, ha="right", va="bottom",
                  transform=axes.get_yaxis_transform())  # fmt: skip
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


@styled
def bends(x: Tensor, curves: Mapping[str, Tensor]) -> None:
    """(M) each: activations, and how far each is from the first."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 2.7))
    exact = next(iter(curves.values()))
    for (name, values), colour, style in zip(curves.items(), CYCLE, ("-", "--", ":"), strict=False):
        left.plot(x, values, style, color=colour, label=name)
        if values is not exact:
            right.plot(x, values - exact, style, color=colour)
    left.legend(loc="upper left")
    right.set_title("distance from the exact one")
    right.grid(axis="y")
