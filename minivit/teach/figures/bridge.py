"""Lesson 12's figures: one line of words and slots, what a bridge learns, what each merger carries, which weights move.

Legend: B texts, L places in a line.
"""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from minivit.bridge import Spliced
from minivit.teach.figures import BLUE, GOLD, GREEN, GREY, INK, ORANGE, PAPER, WIDE, bare, pyplot, styled

CHANCE = {"color": GREY, "linestyle": (0, (2, 1)), "linewidth": 1.3}
CARRIED = {"colour": ORANGE, "badge": BLUE, "damage": GREEN, "hazard": GOLD, "mount": INK}


@styled
def lines(spliced: Spliced, said: Sequence[Sequence[str]], mark: int) -> None:
    """Every place of every text as a box: words, slots, padding; what is learnt is framed. `said` (B, L) in words."""
    plt = pyplot()
    rows, length = spliced.ids.shape
    _, axes = plt.subplots(figsize=(WIDE, 0.5 + 0.62 * rows))
    for row in range(rows):
        for place in range(length):
            slot, real = spliced.ids[row, place] == mark, spliced.valid[row, place]
            colour = PAPER if not real else BLUE if slot else "#e8dfc8"
            learnt = bool(spliced.learn[row, place])
            axes.add_patch(
                plt.Rectangle(
                    (place + 0.05, -row + 0.08), 0.9, 0.84, facecolor=colour, edgecolor=ORANGE if learnt else GREY,
                    linewidth=2.4 if learnt else 0.8, linestyle="-" if real else ":",
                )
            )  # fmt: skip
            axes.text(
                place + 0.5, -row + 0.5, said[row][place] if real else "pad", ha="center", va="center",
                fontsize=min(9, 80 / length), color=GREY if not real else PAPER if slot else INK,
            )  # fmt: skip
    axes.set_xlim(0, length)
    axes.set_ylim(-rows + 1, 1)
    axes.set_xlabel("places of the line, the framed ones are learnt")
    bare(axes)


@styled
def learning(record: dict, live: Mapping[str, Sequence[tuple[int, float]]], blind: Mapping[str, float]) -> None:
    """Colour and badge over the steps: the live run, the band of the recorded seeds, and the shuffled baseline."""
    found = of(record, record["live"])
    _, axes = pyplot().subplots(1, len(live), figsize=(WIDE, 3.0), sharey=True)
    for place, (topic, points) in zip(axes, live.items(), strict=True):
        curves = np.array([run[topic] for run in found])
        place.fill_between(
            found[0]["at"], curves.min(0), curves.max(0), color=BLUE, alpha=0.25, label=f"{len(found)} recorded seeds"
        )
        place.plot(*zip(*points, strict=True), "o-", color=ORANGE, markersize=5, label="live")
        place.axhline(blind[topic], color=GREY, linestyle=(0, (2, 2)), linewidth=1.4, label="another's picture")
        place.set_title(topic)
        place.set_xlabel("steps")
        place.set_ylim(0, 1.03)
        place.grid(axis="y")
        place.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes[0].set_ylabel("answers wholly right")
    axes[-1].legend(loc="lower right")


@styled
def topics(record: dict, captioned: Sequence[str]) -> None:
    """Every topic: the recorded seeds of the live recipe beside chance, what the tower was told of first."""
    found = of(record, record["live"])
    order = [*captioned, *(topic for topic in found[0]["topics"] if topic not in captioned)]
    _, axes = pyplot().subplots(figsize=(WIDE, 3.3))
    for at, topic in enumerate(order):
        colour = ORANGE if topic in captioned else BLUE
        values = [run["topics"][topic] for run in found]
        axes.plot([at] * len(values), values, "o", color=colour, markerfacecolor=PAPER, markersize=6)
        axes.plot([at - 0.28, at + 0.28], [np.mean(values)] * 2, color=colour)
        axes.plot([at - 0.28, at + 0.28], [record["chance"][topic]] * 2, **CHANCE)
    axes.plot([], [], color=ORANGE, label="named in the tower's captions")
    axes.plot([], [], color=BLUE, label="never told to the tower")
    axes.plot([], [], **CHANCE, label="the most frequent answer")
    axes.set_xticks(range(len(order)), order, rotation=40, ha="right")
    axes.set_ylabel("answers wholly right")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel(f"the live recipe, {record['live']} slots; dots: seeds")
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)


@styled
def mergers(record: dict) -> None:
    """Left what each merger carries, a dot a seed; right what an answer costs with each, as a share of all slots."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.6), width_ratios=(8, 5))
    names = by_slots(record)
    for at, name in enumerate(names):
        for side, (topic, colour) in zip((-0.3, -0.15, 0, 0.15, 0.3), CARRIED.items(), strict=True):
            values = [run["ends"]["own"][topic] for run in of(record, name)]
            left.plot([at + side] * len(values), values, "o", color=colour, markerfacecolor=PAPER, markersize=4)
            left.plot([at + side], [np.mean(values)], "_", color=colour, markersize=11, markeredgewidth=2,
                      label=None if at else topic)  # fmt: skip
            left.plot([at + side - 0.07, at + side + 0.07], [record["chance"][topic]] * 2, **CHANCE)
    left.set_xticks(range(len(names)), [name.replace(" ", "\n", 1).replace(", ", ",\n") for name in names], fontsize=7)
    left.plot([], [], **CHANCE, label="guess")
    left.set_ylabel("answers wholly right")
    left.set_xlabel("dots: seeds; bars: their mean")
    left.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    left.set_ylim(0, 1.03)
    left.grid(axis="y")
    left.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3, fontsize=8, columnspacing=1, handlelength=1.2)
    cells = timed(record)
    for language, colour in zip(dict.fromkeys(one for one, _, _ in cells), (BLUE, ORANGE), strict=True):
        for what, words, marker in (("reading", "first word", "o"), ("answering", "eight words", "s")):
            shares = [cells[language, name, what]["share"] for name in names]
            filled = colour if what == "reading" else PAPER
            right.plot(shares, range(len(names)), marker, color=colour, markerfacecolor=filled, markersize=5,
                       label=f"{language}: {words}")  # fmt: skip
    right.set_yticks(range(len(names)), [name.replace(", ", ",\n") for name in names], fontsize=7)
    right.invert_yaxis()
    right.set_xlabel("time of an answer,\nof that with all slots")
    right.set_xlim(left=0)
    right.grid(axis="x")
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.legend(loc="lower center", fontsize=6.5, bbox_to_anchor=(0.3, 1.0))


@styled
def stages(record: dict, captioned: Sequence[str]) -> None:
    """Left what is answered from pictures and from notes after each way to go on; right which weights moved how far."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.4))
    ways = list(dict.fromkeys(told["way"] for told in record["second"]))
    others = [topic for topic in record["chance"] if topic not in captioned]
    kinds = {
        "captioned": lambda told: np.mean([told["topics"][topic] for topic in captioned]),
        "never\ntold": lambda told: np.mean([told["topics"][topic] for topic in others]),
        "notes\nin words": lambda told: np.mean(list(told["notes"].values())),
    }
    for side, (words, way_colour) in zip((-0.22, 0, 0.22), zip(ways, (GREY, BLUE, ORANGE), strict=True), strict=True):
        found = [told for told in record["second"] if told["way"] == words]
        for at, mean in enumerate(kinds.values()):
            values = [mean(told) for told in found]
            left.plot([at + side] * len(values), values, "o", color=way_colour, markerfacecolor=PAPER, markersize=5)
            left.plot([at + side], [np.mean(values)], "_", color=way_colour, markersize=15, markeredgewidth=2,
                      label=None if at else words)  # fmt: skip
        parts = list(found[0]["moved"])
        moved = np.mean([[told["moved"][part] for part in parts] for told in found], axis=0)
        right.barh(np.arange(len(parts)) + side, moved, height=0.2, color=way_colour)
        right.set_yticks(range(len(parts)), parts)
    for at, asked in enumerate((captioned, others, captioned)):
        guess = np.mean([record["chance"][topic] for topic in asked])
        left.plot([at - 0.35, at + 0.35], [guess] * 2, **CHANCE, label=None if at else "the most frequent answers")
    left.set_xticks(range(len(kinds)), kinds)
    left.set_ylim(0, 1.03)
    left.set_ylabel("answers wholly right")
    left.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    left.grid(axis="y")
    left.legend(loc="lower left", fontsize=8)
    right.invert_yaxis()
    right.set_xlabel("change / length of the weights, same colours")
    right.grid(axis="x")


def by_slots(record: dict) -> list[str]:
    """The recorded mergers, those with the most slots first."""
    names = dict.fromkeys(run["merger"] for run in record["runs"])
    return sorted(names, key=lambda name: -of(record, name)[0]["slots"])


def timed(record: dict) -> dict[tuple[str, str, str], dict]:
    """(language model, merger, "reading" or "answering") -> what was measured; ValueError if a merger was left out."""
    cells = {(cell["language"], cell.get("merger"), cell["what"]): cell for cell in record["latency"]}
    names, known = by_slots(record), [cell.get("merger") for cell in record["latency"]]
    if not cells or set(cells) != set(product({one for one, _, _ in cells}, names, ("reading", "answering"))):
        raise ValueError(f"each of {names} is timed; recorded are {known}: run tools/runs/bridge.py latency")
    return cells


def of(record: dict, merger: str) -> list[dict]:
    """The recorded runs of this merger; ValueError if there is none."""
    found = [run for run in record["runs"] if run["merger"] == merger]
    if not found:
        known = sorted({run["merger"] for run in record["runs"]})
        raise ValueError(f"no run was recorded of {merger!r}; there are {known}")
    return found
