"""Lesson 13's figures: both views, reading by steps and by size, claims on the picture, cards, stages, refusals."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from minivit.inspection import claims
from minivit.inspection.agent import Inspection
from minivit.reports import Box
from minivit.teach.figures import BLUE, GOLD, GREEN, GREY, INK, ORANGE, PAPER, WIDE, bare, paint, pyplot, styled

COLUMNS = {
    "assistant": (ORANGE, "o"),
    "another's picture": (BLUE, "s"),
    "no picture": (GREEN, "^"),
    "the usual report": (GREY, "D"),
}
LOWER = {"code error rate": "code error rate (low is good)"}
CLAIMS = {"code": ORANGE, "badge": BLUE, "icon": GREEN, "damage": GOLD}


@styled
def views(whole: Tensor, near: Tensor, codes: Sequence[str]) -> None:
    """(B, 3, 64, 64), (B, 3, 32, 96): each picture as the tower sees it whole, and the crop of its plate below."""
    _, axes = pyplot().subplots(2, len(whole), figsize=(WIDE, 3.6), height_ratios=(2, 1))
    for far, close, picture, plate, code in zip(*axes, whole, near, codes, strict=True):
        paint(far, picture)
        paint(close, plate, code)


@styled
def reading(record: dict, live: Sequence[tuple[int, float]] = ()) -> None:
    """Codes read over the steps: the live reader, the recorded seeds of the crop, and those of the whole picture."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.0))
    for view, colour, words in (("near", BLUE, "crop of the plate"), ("whole", GREY, "whole picture")):
        for number, run in enumerate(readers(record, view)):
            label = f"{words}, recorded seeds" if not number else None
            axes.plot(run["steps"], run["read"], "o-", color=colour, markerfacecolor=PAPER, linewidth=1, label=label)
    if live:
        axes.plot(*zip(*live, strict=True), "o-", color=ORANGE, label="crop of the plate, live")
    axes.set_xlabel("steps of 64 plates")
    axes.set_ylabel("codes read without a fault")
    _shares(axes)
    axes.legend(loc="center right")


def readers(record: dict, view: str, size: int = 128) -> list[dict]:
    """The recorded readers of this view and size of picture; ValueError if there is none."""
    found = [run for run in record["readers"] if (run["view"], run["size"]) == (view, size)]
    if not found:
        known = sorted({(run["view"], run["size"]) for run in record["readers"]})
        raise ValueError(f"no reader was recorded of {view} at {size}; there are {known}")
    return found


@styled
def by_size(record: dict) -> None:
    """Codes read by the size of the picture that the crop is cut from: small readers, the assistant, tesseract."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.2))
    sizes = sorted({run["size"] for run in record["readers"] if run["view"] == "near"})
    for number, size in enumerate(sizes):
        ends = [run["read"][-1] for run in readers(record, "near", size)]
        label = "readers of this size, one a seed" if not number else None
        axes.plot([size] * len(ends), ends, "o", color=BLUE, markerfacecolor=PAPER, markersize=7, label=label)
    for name, words, colour in (("sizes", "the assistant", ORANGE), ("engine", "tesseract, true place", GREEN)):
        read = [row["read"] for row in record[name]]
        axes.plot(sizes, read, "s-", color=colour, markersize=5, label=words)
    axes.set_xticks(sizes)
    axes.set_xlabel("side of the picture, pixels")
    axes.set_ylabel("codes read without a fault")
    _shares(axes)
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.45), fontsize=8)


@styled
def claimed(picture: Tensor, found: Inspection) -> None:
    """(3, H, W): the picture with the region of every claim, and what is claimed there, with how sure."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.5), width_ratios=(1, 1.05))
    paint(left, picture)
    height, width = picture.shape[1:]
    bare(right)
    right.set_xlim(0, 1)
    right.set_ylim(0, 1)
    for at, (claim, colour) in enumerate(CLAIMS.items()):
        edges = claims.region(found.report, claim)
        if edges != claims.WHOLE:
            _box(left, edges, height, width, colour)
        y = 0.9 - 0.17 * at
        right.add_patch(pyplot().Rectangle((0, y - 0.03), 0.05, 0.08, color=colour))
        right.text(0.09, y, f"{claim}: {claims.words(found.report, claim)}", fontsize=9)
        right.text(0.09, y - 0.07, f"{found.confidence[claim]:.3f} sure", fontsize=8, color=GREY)
    right.text(0, 0.16, f"action: {found.action}" + (" (refused)" if found.refused else ""), fontsize=10)
    right.text(0, 0.02, _folded(found.answer or found.refused or "", 46), fontsize=8, va="bottom")


def _box(axes, edges: Box, height: int, width: int, colour: str) -> None:
    y0, x0, y1, x1 = edges
    corner = (x0 * width - 0.5, y0 * height - 0.5)
    size = ((x1 - x0) * width, (y1 - y0) * height)
    axes.add_patch(pyplot().Rectangle(corner, *size, fill=False, edgecolor=PAPER, linewidth=4))
    axes.add_patch(pyplot().Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=2))


def _folded(text: str, width: int) -> str:
    rows = [""]
    for word in text.split():
        if len(rows[-1]) + len(word) > width:
            rows.append("")
        rows[-1] += f"{word} "
    return "\n".join(rows)


@styled
def cards(columns: Mapping[str, Mapping[str, float]], lines: Mapping[str, Sequence[str]]) -> None:
    """The three scorecards, a row a line of them, with a mark for the assistant and one for each who sees nothing."""
    named = [line for card in lines.values() for line in card]
    _, axes = pyplot().subplots(figsize=(WIDE, 0.27 * len(named) + 1.1))
    for name, (colour, mark) in COLUMNS.items():
        if name in columns:
            values = [columns[name][line] for line in named]
            style = {"markerfacecolor": colour if name == "assistant" else "none", "zorder": 3}
            axes.plot(values, range(len(named)), mark, color=colour, markersize=7, label=name, **style)
    end = -0.5
    for card in list(lines.values())[:-1]:
        end += len(card)
        axes.axhline(end, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(named)), [LOWER.get(line, line) for line in named])
    axes.invert_yaxis()
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(axis="both")
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4, fontsize=8)


@styled
def stages(shares: Mapping[str, float]) -> None:
    """The waterfall: reports right in code and action as they are, with one stage made perfect, with all."""
    _, axes = pyplot().subplots(figsize=(WIDE, 2.6))
    names = list(shares)
    wrong = [1 - shares[name] for name in names]
    colours = [ORANGE, *[BLUE] * (len(names) - 2), GREY]
    axes.barh(range(len(names)), wrong, color=colours)
    for at, value in enumerate(wrong):
        axes.text(value, at, f" {value:.1%}", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.01, *wrong) * 1.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("reports wrong in code or action")


@styled
def refusing(curves: Mapping[str, Sequence[tuple[float, float, float]]], wanted: float = 0.99) -> None:
    """Claim -> (threshold, share answered, share right): the first two, and the last two with what is `wanted`."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.1))
    for claim, curve in curves.items():
        least, answered, share = np.array(curve).T
        start = np.concatenate([[0.0], least]), np.concatenate([answered[:1], answered])
        left.step(*start, where="pre", color=CLAIMS[claim], label=claim)
        right.plot(answered, share, color=CLAIMS[claim], label=claim)
        right.plot(answered[:1], share[:1], "o", color=CLAIMS[claim], markerfacecolor=PAPER, clip_on=False)
    left.set_xlabel("threshold")
    left.set_ylabel("share answered")
    right.set_xlabel("share answered")
    right.set_ylabel("share right of the answered (cut)")
    for place in (left, right):
        _shares(place)
        place.set_xlim(0, 1.03)
    least = min(share for curve in curves.values() for _, _, share in curve)
    right.set_ylim(max(0.0, least - 0.03), 1.005)
    right.axhline(wanted, color=GREY, linestyle=(0, (2, 2)), linewidth=1.2)
    right.text(0.02, wanted - 0.003, f"{wanted:.0%} wanted", fontsize=8, color=GREY, va="top")
    right.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    left.legend(loc="lower left")


@styled
def photograph(picture: Tensor, found: Inspection, others: Sequence[float], panels: Sequence[float]) -> None:
    """A photograph with what is claimed of it; beside it, how sure the weakest claim is, of photographs and panels."""
    _, (left, right) = pyplot().subplots(1, 2, figsize=(WIDE, 3.2))
    paint(left, picture)
    height, width = picture.shape[1:]
    for claim, colour in CLAIMS.items():
        edges = claims.region(found.report, claim)
        if edges != claims.WHOLE:
            _box(left, edges, height, width, colour)
    edges = np.linspace(0, 1, 21)
    for values, colour, words in ((panels, BLUE, "panels"), (others, ORANGE, "photographs")):
        weights = np.full(len(values), 1 / len(values))
        right.hist(np.array(values), edges, weights=weights, color=colour, alpha=0.65, label=words)
    right.set_xlabel("confidence of the least sure claim")
    right.set_ylabel("share of the pictures")
    right.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    right.legend(loc="upper center")


def _shares(axes) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    axes.grid(axis="y")
