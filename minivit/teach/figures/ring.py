"""Lesson 8's ring: the messages that processes counted, as stills side by side and as a film.

Legend: W processes. Process r holds the images I_r and the texts T_r; a block of texts travels, or its gradient.
"""

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minivit.distributed import Message, Traffic
from minivit.teach.figures import BLUE, GREEN, INK, ORANGE, PAPER, WIDE, bare, pyplot, styled

BEND = 0.28  # how far an arrow bends to one side, as a share of its length
STEPS, MOVE, REST = 8, 110, 1_400  # frames of a journey; milliseconds a frame of it stays, and where all are at rest
PLAYS = 2


class Still(NamedTuple):
    """A moment of the ring: what is under way, and which images have met which texts by its end."""

    title: str
    messages: list[Message]
    met: set[tuple[int, int]]  # (process, owner of the texts)


def stills(traffic: Sequence[Traffic]) -> list[Still]:
    """What every process sent -> the ring's moments: at home, after each hop, and the gradients' way home."""
    count = len(traffic)
    sent = [message for one in traffic for message in one.messages]
    hops: dict[int, list[Message]] = {}
    for message in (one for one in sent if one.kind == "block"):
        way = 1 if (message.target - message.source) % count == 1 else -1
        hops.setdefault((message.target - message.owner) * way % count, []).append(message)
    met = {(rank, rank) for rank in range(count)}
    found = [Still("at home", [], set(met))]
    for hop in sorted(hops):
        met |= {(message.target, message.owner) for message in hops[hop]}
        found.append(Still(f"hop {hop}", hops[hop], set(met)))
    return [*found, Still("gradients go home", [one for one in sent if one.kind == "gradient"], set(met))]


@styled
def ring(traffic: Sequence[Traffic]) -> None:
    """The ring's moments from its counted messages: above who sends whose texts to whom, below the table's blocks."""
    count, moments = len(traffic), stills(traffic)
    _, axes = pyplot().subplots(2, len(moments), figsize=(WIDE, 4.0), height_ratios=(1.35, 1))
    before: set[tuple[int, int]] = set()
    for (above, below), moment in zip(axes.T, moments, strict=True):
        for message in moment.messages:
            _arrow(above, places(count), message)
        _processes(above, count)
        above.set_title(moment.title)
        _table(below, count, moment.met, before)
        before = moment.met
    axes[1][0].set_ylabel("images of")


@styled
def film(traffic: Sequence[Traffic]) -> bytes:
    """The same moments as a moving PNG: each message travels, the table fills; it plays twice and rests at its end."""
    from PIL import Image

    count, moments = len(traffic), stills(traffic)
    frames, stays, met = [], [], set()
    for moment in moments:
        for step in range(1, STEPS + 1) if moment.messages else ():
            frames.append(_frame(count, moment, met, met, step / STEPS))
            stays.append(MOVE)
        frames.append(_frame(count, moment, moment.met, met, None))
        stays.append(REST)
        met = moment.met
    packed = io.BytesIO()
    palette = Image.fromarray(np.concatenate(frames)).quantize(32)
    first, *others = (Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    first.save(packed, "PNG", save_all=True, append_images=others, duration=stays, loop=PLAYS)
    return packed.getvalue()


def play(traffic: Sequence[Traffic], alt: str) -> None:
    """Shows the film; `alt` says in words what is seen."""
    from IPython.display import display

    display({"image/png": film(traffic), "text/plain": alt}, raw=True)


def places(count: int) -> list[tuple[float, float]]:
    """Where each process stands on a circle of radius 1, process 0 at the top, then clockwise."""
    angles = [math.pi / 2 - 2 * math.pi * rank / count for rank in range(count)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def on_the_way(start: tuple[float, float], end: tuple[float, float], share: float) -> tuple[float, float]:
    """The point after this share of a way that bends to its left: a quadratic curve, as the arrows are."""
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2 - BEND * (y1 - y0), (y0 + y1) / 2 + BEND * (x1 - x0)
    left, centre, right = (1 - share) ** 2, 2 * share * (1 - share), share**2
    return left * x0 + centre * middle[0] + right * x1, left * y0 + centre * middle[1] + right * y1


def _frame(
    count: int, moment: Still, met: set[tuple[int, int]], before: set[tuple[int, int]], share: float | None
) -> np.ndarray:
    """(height, width, 3) uint8: the messages after this share of their way, or arrived where it is None.

    A block of texts is called T, its gradient ∇T, each with the process that it belongs to.
    """
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDE, 3.0), width_ratios=(1.5, 1))
    for message in moment.messages if share is not None else ():
        start, end = places(count)[message.source], places(count)[message.target]
        left.plot(*zip(*(on_the_way(start, end, k / 20) for k in range(21)), strict=True), color=INK, lw=0.5, alpha=0.3)
        x, y = on_the_way(start, end, share)
        box = {"boxstyle": "round,pad=0.25", "facecolor": _colour(count, message), "edgecolor": PAPER}
        words = f"{'∇' if message.kind == 'gradient' else ''}T{message.owner}"
        left.text(x, y, words, color=PAPER, ha="center", va="center", fontsize=8, bbox=box)
    _processes(left, count)
    left.set(xlim=(-1.45, 1.45), ylim=(-1.25, 1.25), title=moment.title)
    _table(right, count, met, before)
    right.set_ylabel("images of")
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
    plt.close(figure)
    return pixels


def _processes(axes, count: int) -> None:
    for rank, (x, y) in enumerate(places(count)):
        axes.plot([x], [y], "o", color=INK, markersize=15)
        axes.text(x, y, str(rank), color=PAPER, ha="center", va="center", fontsize=9)
    axes.set(xlim=(-1.75, 1.75), ylim=(-1.75, 1.75), aspect="equal")
    bare(axes)


def _table(axes, count: int, met: set[tuple[int, int]], before: set[tuple[int, int]]) -> None:
    """Which images have met which texts: what is new dark, what is older light."""
    from matplotlib.colors import ListedColormap

    table = np.zeros((count, count))
    for rank, owner in met:
        table[rank, owner] = 1 if (rank, owner) in before else 2
    colours = ListedColormap(["#e8e2d3", "#9fbcc6", BLUE])
    axes.pcolormesh(table, cmap=colours, vmin=0, vmax=2, edgecolors=PAPER, linewidth=2)
    axes.invert_yaxis()
    axes.set(aspect="equal", xticks=np.arange(count) + 0.5, yticks=np.arange(count) + 0.5)
    axes.set_xticklabels(range(count))
    axes.set_yticklabels(range(count))
    axes.set_xlabel("texts of")


def _colour(count: int, message: Message) -> str:
    right = (message.target - message.source) % count == 1
    return GREEN if message.kind == "gradient" else BLUE if right else ORANGE


def _arrow(axes, points: Sequence[tuple[float, float]], message: Message) -> None:
    """A message from process to process, bent to one side, with the owner of what it carries."""
    colour = _colour(len(points), message)
    (x0, y0), (x1, y1) = points[message.source], points[message.target]
    style = {"arrowstyle": "-|>", "color": colour, "connectionstyle": f"arc3,rad={-BEND}", "shrinkA": 9, "shrinkB": 9}
    axes.annotate("", (x1, y1), (x0, y0), arrowprops=style)
    if message.kind == "block":
        # a quadratic curve's middle lies half of its bend beside the chord
        side = BEND / 2 + 0.13
        x, y = (x0 + x1) / 2 - side * (y1 - y0), (y0 + y1) / 2 + side * (x1 - x0)
        axes.text(x, y, f"T{message.owner}", color=colour, ha="center", va="center", fontsize=8)
