"""Lesson 6's figures: what one token sees, what a shift costs, what pictures buy.

Legend: B pictures, C H W pixels. A record is `minivit/teach/runs/scale.json`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from minivit.teach.figures import BLUE, GOLD, GREEN, GREY, INK, ORANGE, PAPER, WIDE, bare, paint, pyplot, styled

COLOURS, MARKS = {"cnn": BLUE, "vit": ORANGE}, {"cnn": "o", "vit": "s"}
SAID = {"cnn": "ResNet", "vit": "ViT"}
GUESS = {"damage": "damage, 4 answers", "lamps": "lamps lit, 5 answers", "agree": "levels agree, 2 answers"}


def of(runs: Sequence[dict], kind: str | None = None, size: int | None = None, start: str | None = None) -> list[dict]:
    """The runs with these values, None for any. ValueError if there is none."""
    asked = {"kind": kind, "size": size, "start": start}
    wanted = {name: value for name, value in asked.items() if value is not None}
    found = [run for run in runs if all(run[name] == value for name, value in wanted.items())]
    if not found:
        raise ValueError(f"no run was recorded with {wanted}")
    return found


def end(run: dict, name: str) -> float:
    """The share at the end of a run; a curve's last number."""
    return run[name][-1] if isinstance(run[name], list) else run[name]


def sizes(runs: Sequence[dict]) -> list[int]:
    """The training sizes of these runs, growing."""
    return sorted({run["size"] for run in runs})


def band(runs: Sequence[dict], name: str, kind: str | None = None, size: int | None = None) -> tuple[float, float]:
    """The lowest and the highest share at the end, over the seeds. ValueError if there are none."""
    ends = [end(run, name) for run in of(runs, kind, size)]
    return min(ends), max(ends)


def means(runs: Sequence[dict], kind: str, name: str) -> list[float]:
    """The mean share over the seeds, for each size in turn."""
    return [float(np.mean([end(run, name) for run in of(runs, kind=kind, size=size)])) for size in sizes(runs)]


@styled
def seen(picture: Tensor, maps: Mapping[str, Tensor]) -> None:
    """(3, H, W); words -> (H, W): how strongly each pixel moves one token, a map each, as shares of its largest."""
    figure, axes = pyplot().subplots(1, len(maps) + 1, figsize=(WIDE, 2.1))
    paint(axes[0], picture, "shown")
    for axis, (words, values) in zip(axes[1:], maps.items(), strict=True):
        drawn = axis.imshow((values / values.max()).numpy(), vmin=0, vmax=1, cmap="cividis")
        axis.set_title(words)
        bare(axis)
    bar = figure.colorbar(drawn, ax=axes, ticks=(0, 1), aspect=15, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("moves the token")


@styled
def commutes(gaps: Mapping[str, Sequence[float]]) -> None:
    """For each map, by how much "move, then map" and "map, then move" differ, at shifts of 0, 1, 2, ... pixels."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.0))
    for (words, values), colour, mark in zip(gaps.items(), (GREEN, GOLD, ORANGE, BLUE, INK), "o^sDv", strict=False):
        axes.plot(range(len(values)), values, mark + "-", color=colour, label=words, markersize=5)
    axes.set_xlabel("pixels moved")
    axes.set_ylabel("difference, as a share")
    axes.set_ylim(-0.08, None)
    axes.grid(axis="y")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


@styled
def curves(record: dict, live: Mapping[str, Mapping[str, float]] | None = None, size: int | None = None) -> None:
    """Shares by training size, a band over the seeds: three questions on panels; stars are the live runs at `size`."""
    _, axes = pyplot().subplots(1, 3, figsize=(WIDE, 3.3), sharey=True)
    for place, (name, words) in zip(axes, GUESS.items(), strict=True):
        _bands(place, record["panels"], name)
        place.axhline(record["most frequent"][name], color=GREY, linewidth=1.2, linestyle=":")
        for kind, shares in (live or {}).items():
            place.plot(size, shares[name], "*", color=COLOURS[kind], markersize=13, markeredgecolor=PAPER)
        place.set_title(words)
        place.set_ylim(0.15, 1.02)
    axes[1].set_xlabel("pictures to learn from (dotted: the most frequent answer)")
    axes[0].set_ylabel("unseen panels told rightly")
    axes[0].legend(loc="upper left")


@styled
def real(record: dict) -> None:
    """CIFAR-10: shares by training size, a band over the seeds."""
    _, axes = pyplot().subplots(figsize=(WIDE * 0.75, 3.2))
    _bands(axes, record["cifar"], "accuracy")
    axes.axhline(0.1, color=GREY, linewidth=1.2, linestyle=":")
    axes.set_xlabel("pictures to learn from (dotted: guessing)")
    axes.set_ylabel("unseen pictures told rightly")
    axes.set_title("CIFAR-10, re-encoded as JPEG")
    axes.legend(loc="upper left")


def _bands(axes, runs: Sequence[dict], name: str) -> None:
    """Two bands on axes whose sizes grow by factors; a size that one kind never met is left out for it."""
    for kind in ("cnn", "vit"):
        mine = of(runs, kind=kind)
        known = sizes(mine)
        low, high = zip(*(band(mine, name, size=size) for size in known), strict=True)
        axes.fill_between(known, low, high, color=COLOURS[kind], alpha=0.3, linewidth=0)
        axes.plot(
            known, means(mine, kind, name), MARKS[kind] + "-", color=COLOURS[kind], markersize=4, label=SAID[kind]
        )
    axes.set_xscale("log")
    axes.set_xticks(known, [f"{size:,}" if size < 1_000 else f"{size / 1_000:g}k" for size in known])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="y")


@styled
def shift(record: dict) -> None:
    """Shares on pictures moved sideways by ever more pixels, at the largest training size: a band over the seeds."""
    asked = [("panels", name, words) for name, words in GUESS.items()]
    asked += [("cifar", "accuracy", "CIFAR-10")] if record["cifar"] else []
    _, axes = pyplot().subplots(1, len(asked), figsize=(WIDE, 2.9), sharey=True)
    for place, (part, name, words) in zip(axes, asked, strict=True):
        for kind in ("cnn", "vit"):
            runs = [run["shifted"] for run in of(record[part], kind=kind) if "shifted" in run]
            pixels = [at["pixels"] for at in runs[0]]
            shares = np.array([[at[name] for at in run] for run in runs])
            place.fill_between(pixels, shares.min(0), shares.max(0), color=COLOURS[kind], alpha=0.3, linewidth=0)
            style = {"color": COLOURS[kind], "markersize": 4, "label": SAID[kind]}
            place.plot(pixels, shares.mean(0), MARKS[kind] + "-", **style)
        place.set_title(words.split(",")[0])
        place.set_ylim(0, 1.02)
        place.grid(axis="y")
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].set_ylabel("told rightly")
    axes[0].legend(loc="lower left")
    axes[len(asked) // 2].set_xlabel("pixels moved sideways")


@styled
def transfer(record: dict) -> None:
    """Damage learnt from few pictures: every run, from scratch and from a reader of other questions."""
    runs = record["transfer"]
    _, axes = pyplot().subplots(1, 2, figsize=(WIDE, 3.0), sharey=True)
    for place, kind in zip(axes, ("cnn", "vit"), strict=True):
        for colour, start, hollow in ((GREY, "scratch", True), (COLOURS[kind], "pretrained", False)):
            for at, size in enumerate(sizes(runs)):
                ends = [end(run, "damage") for run in of(runs, kind=kind, start=start, size=size)]
                where = at + (0.15 if start == "pretrained" else -0.15)
                face = PAPER if hollow else colour
                label = None if at else start
                place.plot([where] * len(ends), ends, MARKS[kind], color=colour, markerfacecolor=face, label=label)
                place.plot([where - 0.1, where + 0.1], [np.mean(ends)] * 2, color=colour)
        place.axhline(record["most frequent"]["damage"], color=GREY, linewidth=1.2, linestyle=":")
        place.set_xticks(range(len(sizes(runs))), [f"{size} pictures" for size in sizes(runs)])
        place.set_xlim(-0.5, len(sizes(runs)) - 0.5)
        place.set_title(SAID[kind])
        place.grid(axis="y")
        place.legend(loc="upper left")
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].set_ylabel("damage told rightly")


@styled
def tables(pictures: Mapping[str, Tensor]) -> None:
    """words -> (rows, cols): how like the vector of one slot those of all slots are, a map each."""
    figure, axes = pyplot().subplots(1, len(pictures), figsize=(WIDE, 2.5))
    for axis, (words, values) in zip(axes, pictures.items(), strict=True):
        drawn = axis.imshow(values.numpy(), vmin=-1, vmax=1, cmap="cividis")
        axis.set_title(words)
        bare(axis)
    bar = figure.colorbar(drawn, ax=axes, ticks=(-1, 0, 1), aspect=15, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("cosine")


@styled
def resolution(runs: Sequence[dict], name: str) -> None:
    """One question at other resolutions: every run, by what was done to the positions."""
    ways = [("cnn", "as it is"), ("vit", "resampled"), ("vit", "flat line"), ("vit", "no positions")]
    largest = [run for run in runs if "resized" in run]
    pixels = sorted({way["pixels"] for run in largest for way in run["resized"]})
    _, axes = pyplot().subplots(1, len(pixels), figsize=(WIDE, 2.9), sharey=True)
    for place, side in zip(axes, pixels, strict=True):
        for at, (kind, words) in enumerate(ways):
            mine = of(largest, kind=kind)
            ends = [
                way[name]
                for run in mine
                for way in run["resized"]
                if (way["pixels"], way["positions"]) == (side, words)
            ]
            place.plot([at] * len(ends), ends, MARKS[kind], color=COLOURS[kind], markerfacecolor=PAPER)
            before = float(np.mean([end(run, name) for run in mine]))
            place.plot([at - 0.3, at + 0.3], [before] * 2, color=GREY, linewidth=1.2, linestyle=":")
        place.set_xticks(range(len(ways)), ["ResNet", "ViT,\nresampled", "ViT,\nflat line", "ViT, no\npositions"])
        place.set_xlim(-0.5, len(ways) - 0.5)
        place.set_title(f"{side} x {side} pixels (dotted: at 64)")
        place.grid(axis="y")
    axes[0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].set_ylabel(f"{name} told rightly")
