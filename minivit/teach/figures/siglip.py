"""Lesson 8's figures: what a bias costs at the start, two losses side by side, yes and no, and what memory is spent.

Legend: B pairs. The ring's stills are in `ring`.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from minivit.teach.figures import BLUE, GOLD, GREEN, GREY, INK, ORANGE, PAPER, WIDE, pyplot, styled

COLOURS = {"softmax": BLUE, "sigmoid": ORANGE}


@styled
def starts(counts: Sequence[int], chosen: float) -> None:
    """The loss before training by the bias, a curve for each B with its lowest point; `chosen` is SigLIP's bias."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.4))
    bias = np.linspace(-14, 2, 400)
    for count, colour in zip(counts, (GREY, GREEN, BLUE, GOLD), strict=True):
        axes.plot(
            bias, np.log1p(np.exp(-bias)) + (count - 1) * np.log1p(np.exp(bias)), color=colour, label=f"B = {count:,}"
        )
        best = -math.log(count - 1)
        least = math.log1p(math.exp(-best)) + (count - 1) * math.log1p(math.exp(best))
        axes.plot([best], [least], "o", color=colour, markerfacecolor=PAPER, markersize=7)
    axes.axvline(chosen, color=INK, linestyle=(0, (2, 2)), linewidth=1.2)
    axes.text(chosen + 0.12, 1.25, "SigLIP's bias", ha="left", va="bottom", fontsize=9)
    axes.set_yscale("log")
    axes.set_ylim(1, 3e4)
    axes.set_xlabel("bias, which is every logit where all cosines are 0")
    axes.set_ylabel("loss, nats for each image")
    axes.grid(axis="y")
    axes.legend(loc="upper left")


@styled
def first_steps(record: dict) -> None:
    """The recorded first steps, a curve for each bias at the start: the loss, and where the bias went."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.2))
    for told, colour in zip(record["biases"], (INK, BLUE, GREEN, ORANGE, GOLD), strict=True):
        label = f"{told['start']:g}".replace("-", "−")
        left.plot(range(1, len(told["losses"]) + 1), told["losses"], color=colour, label=label)
        right.plot(range(1, len(told["bias"]) + 1), np.array(told["bias"]) - told["start"], color=colour)
    left.set_yscale("log")
    left.set_ylim(2, 1_200)
    left.set_ylabel("loss, nats for each image")
    left.legend(title="bias at the start", fontsize=8, title_fontsize=8, ncols=3, loc="upper right")
    right.set_ylabel("bias, against its start")
    for place in (left, right):
        place.set_xlabel("steps")
        place.grid(axis="y")


@styled
def learning(record: dict, live: Mapping[str, Sequence[tuple[int, float]]], batch: int = 64) -> None:
    """Recall and damage over the steps: the live run, the recorded seeds of the sigmoid at this batch, and chance."""
    runs = of(record, "sigmoid", batch)
    names = {"recall": "own caption first, of 576", "damage": "damage named, of 4"}
    _, axes = pyplot().subplots(1, 2, figsize=(WIDE, 3.0), sharey=True)
    for place, (key, words) in zip(axes, names.items(), strict=True):
        at = [len(runs[0][key]) - 1 - back for back in reversed(range(len(runs[0][key])))]
        steps = [runs[0]["steps"] * (k + 1) // len(at) for k in at]
        for number, run in enumerate(runs):
            label = None if number else f"{len(runs)} recorded seeds"
            place.plot(steps, run[key], "o", color=BLUE, markerfacecolor=PAPER, markersize=7, label=label)
        place.plot(*zip(*live[key], strict=True), "o-", color=ORANGE, markersize=5, label="live")
        place.axhline(record["chance"][key], color=GREY, linestyle=(0, (2, 2)), linewidth=1.2, label="chance")
        place.set_title(words)
        place.set_xlabel("steps")
        place.set_ylim(0, 1.03)
        place.grid(axis="y")
        place.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[1].legend(loc="center right", bbox_to_anchor=(1.0, 0.42))


def of(record: dict, loss: str, batch: int) -> list[dict]:
    """The recorded runs of this loss and batch; ValueError if there is none."""
    found = [run for run in record["runs"] if (run["loss"], run["batch"]) == (loss, batch)]
    if not found:
        known = sorted({(run["loss"], run["batch"]) for run in record["runs"]})
        raise ValueError(f"no run was recorded of {loss} at batch {batch}; there are {known}")
    return found


@styled
def compared(record: dict) -> None:
    """Both losses at every batch size, a dot a seed and a bar for the mean: recall, damage and hazard."""
    names = {"recall": "own caption first, of 576", "damage": "damage, of 4", "hazard": "warning sign, of 4"}
    batches = sorted({run["batch"] for run in record["runs"]})
    _, axes = pyplot().subplots(1, 3, figsize=(WIDE, 3.0), sharey=True)
    for place, (key, words) in zip(axes, names.items(), strict=True):
        for side, (loss, colour) in zip((-0.17, 0.17), COLOURS.items(), strict=True):
            for at, batch in enumerate(batches):
                ends = [run[key][-1] for run in of(record, loss, batch)]
                place.plot([at + side] * len(ends), ends, "o", color=colour, markerfacecolor=PAPER, markersize=6)
                label = loss if not at else None
                place.plot([at + side - 0.14, at + side + 0.14], [np.mean(ends)] * 2, color=colour, label=label)
        place.axhline(record["chance"][key], color=GREY, linestyle=(0, (2, 2)), linewidth=1.2, label="chance")
        place.set_xticks(range(len(batches)), batches)
        place.set_xlabel("pairs in a batch")
        place.set_title(words)
        place.set_ylim(0, 1.03)
        place.grid(axis="y")
        place.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[1].legend(loc="center")


@styled
def answers(logits: Mapping[str, Tensor]) -> None:
    """Words -> logits of any number: how they are spread, as shares, on the axis where 0 is an even yes or no."""
    _, axes = pyplot().subplots(figsize=(WIDE, 2.9))
    ends = [float(value) for values in logits.values() for value in (values.min(), values.max())]
    edges = np.linspace(min(ends), max(ends), 60)
    for (words, values), colour in zip(logits.items(), (BLUE, GREY, ORANGE), strict=True):
        weights = np.full(values.numel(), 1 / values.numel())
        axes.hist(values.numpy(), edges, weights=weights, color=colour, alpha=0.65, label=words)
    axes.axvline(0, color=INK, linestyle=(0, (2, 2)), linewidth=1.2)
    axes.set_xlabel("logit: below 0 a no, above 0 a yes")
    axes.set_ylabel("share of the answers")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend()


@styled
def memory(record: dict) -> None:
    """The benchmark's record: the peak memory of a forward and backward by the batch, for each loss and library."""
    kinds = {"minivit": ORANGE, "plain": GREY, "open_clip": BLUE}
    _, axes = pyplot().subplots(1, 2, figsize=(WIDE, 3.0), sharey=True)
    for place, loss in zip(axes, ("sigmoid", "softmax"), strict=True):
        cells = [c for c in record["cells"] if c["loss"] == loss and c["precision"] == "default" and not c["steep"]]
        for name, colour in kinds.items():
            label = {"minivit": "minivit, in chunks", "plain": "the formula as it stands"}.get(name, name)
            values = [cell["memory"][name] / 2**20 for cell in cells]
            place.plot([cell["batch"] for cell in cells], values, "o-", color=colour, markersize=5, label=label)
        place.set_xscale("log", base=2)
        place.set_yscale("log")
        place.set_xticks([cell["batch"] for cell in cells], [f"{cell['batch']:,}" for cell in cells])
        place.set_xlabel("pairs in a batch")
        place.set_title(loss)
        place.grid(axis="y")
    axes[0].set_ylabel("peak memory, MiB")
    axes[0].legend(loc="upper left")
