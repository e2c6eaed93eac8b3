"""Lesson 7's figures: a table of cosines that fills its diagonal, a run beside recorded ones, and where CLIP fails.

Legend: B pairs, C H W pixels. Shares run from 0 to 1 and stand beside their chance.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from minivit.evaluate import Score
from minivit.teach.figures import BLUE, GOLD, GREEN, GREY, INK, ORANGE, PAPER, WIDE, paint, pyplot, styled


def of(record: dict, name: str) -> list[dict]:
    """The runs of a record with this name; ValueError if there is none."""
    found = [run for run in record["runs"] if run["name"] == name]
    if not found:
        known = ", ".join(dict.fromkeys(run["name"] for run in record["runs"]))
        raise ValueError(f"no run was recorded as {name!r}; there are {known}")
    return found


@styled
def captioned(pictures: Tensor, texts: Sequence[str]) -> None:
    """(B, 3, H, W), B texts: pictures side by side, each over its caption."""
    _, axes = pyplot().subplots(1, len(pictures), figsize=(WIDE, WIDE / len(pictures) + 0.75))
    for place, picture, text in zip(axes, pictures, texts, strict=True):
        paint(place, picture)
        place.set_xlabel(text.replace(", ", ",\n"), fontsize=8)


@styled
def matrices(tables: Mapping[str, Tensor]) -> None:
    """Words -> (B, B) cosines: one table a moment of the training, pictures down and captions across, one scale."""
    figure, axes = pyplot().subplots(1, len(tables), figsize=(WIDE, WIDE / len(tables) + 0.35), sharey=True)
    for place, (words, table) in zip(axes, tables.items(), strict=True):
        image = place.imshow(table.numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
        place.set_title(words)
        place.set_xticks([])
        place.set_yticks([])
        place.set_xlabel("captions")
    axes[0].set_ylabel("pictures")
    figure.colorbar(image, ax=list(axes), label="cosine", shrink=0.8)


@styled
def learning(record: dict, live: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Recall and damage over the steps: the live run, the band of the recorded seeds, and chance."""
    runs = of(record, "the recipe")
    names = {"recall": "own caption first, of 576", "damage": "damage named, of 4"}
    _, axes = pyplot().subplots(1, 2, figsize=(WIDE, 3.0), sharey=True)
    for place, (key, words) in zip(axes, names.items(), strict=True):
        curves = np.array([run[key] for run in runs])
        place.fill_between(
            runs[0]["steps"], curves.min(0), curves.max(0), color=BLUE, alpha=0.35, linewidth=0,
            label=f"{len(runs)} recorded seeds",
        )  # fmt: skip
        place.plot(*zip(*live[key], strict=True), "o-", color=ORANGE, markersize=5, label="live")
        place.axhline(record["chance"][key], color=GREY, linestyle=(0, (2, 2)), linewidth=1.2, label="chance")
        place.set_title(words)
        place.set_xlabel("steps")
        place.set_ylim(0, 1.03)
        place.grid(axis="y")
        place.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].legend(loc="upper left")


@styled
def taken_back(record: dict) -> None:
    """Each recorded way of training, a dot a seed: the share of pictures whose own caption comes first at the end."""
    names = list(dict.fromkeys(run["name"] for run in record["runs"]))
    names.sort(key=lambda name: -np.mean([run["recall"][-1] for run in of(record, name)]))
    _, axes = pyplot().subplots(figsize=(WIDE, 0.36 * len(names) + 0.8))
    for place, name in enumerate(names):
        ends = [run["recall"][-1] for run in of(record, name)]
        colour = ORANGE if name == "the recipe" else BLUE
        axes.plot(ends, [place] * len(ends), "o", color=colour, markerfacecolor=PAPER, markersize=6)
        axes.plot([np.mean(ends)] * 2, [place - 0.28, place + 0.28], color=colour)
    axes.axvline(record["chance"]["recall"], color=GREY, linestyle=(0, (2, 2)), linewidth=1.2, label="chance, 1 of 576")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("unseen combinations: own caption first, of 576")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="x")
    axes.legend(loc="lower right")


@styled
def spread(shares: Mapping[str, Mapping[str, float]]) -> None:
    """Reader -> attribute -> share of the captions' scatter that this attribute makes."""
    _, axes = pyplot().subplots(figsize=(WIDE, 2.6))
    names, width = list(next(iter(shares.values()))), 0.8 / len(shares)
    for at, ((reader, told), colour) in enumerate(zip(shares.items(), (GREY, BLUE, ORANGE, GOLD), strict=False)):
        places = np.arange(len(names)) + (at - (len(shares) - 1) / 2) * width
        axes.bar(places, [told[name] for name in names], width=width * 0.92, color=colour, label=reader)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("share of the scatter")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend()


@styled
def tour(scores: Mapping[str, Score]) -> None:
    """Words -> score: bars with their chance as a dark mark; one colour for one panel, one for two, one for swapped."""
    _, axes = pyplot().subplots(figsize=(WIDE, 0.34 * len(scores) + 0.8))
    for place, (words, score) in enumerate(scores.items()):
        colour = ORANGE if words.startswith("swapped") else GREEN if words.endswith("of two") else BLUE
        axes.barh(place, score.value, height=0.62, color=colour)
        axes.plot([score.chance] * 2, [place - 0.42, place + 0.42], color=INK, label=None if place else "chance")
    axes.set_yticks(range(len(scores)), list(scores))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.01)
    axes.set_xlabel("the true caption scores higher")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0))


@styled
def ranked(pictures: Sequence[Tensor], texts: Sequence[Sequence[str]], shares: Sequence[Sequence[float]]) -> None:
    """Each picture (3, H, W) beside its candidates, best first, with their shares of the softmax."""
    _, axes = pyplot().subplots(
        len(pictures), 2, figsize=(WIDE, 1.45 * len(pictures)), width_ratios=(1, 3.4), squeeze=False
    )
    for (left, right), picture, words, values in zip(axes, pictures, texts, shares, strict=True):
        paint(left, picture)
        right.barh(range(len(words)), values, height=0.55, color=BLUE)
        for place, word in enumerate(words):
            right.text(0.01, place - 0.38, word, va="bottom", ha="left", fontsize=8)
        right.set_ylim(len(words) - 0.6, -0.85)
        right.set_xlim(0, 1)
        right.set_yticks([])
        right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        right.spines["left"].set_visible(False)
    axes[-1][1].set_xlabel("share of the softmax")
