"""Lesson 3's figures: masks, what a far patch changes, who influences whom, and what every patch knows in the end."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from minivit.patches import Grid
from minivit.teach.figures import BLUE, CYCLE, GREEN, GREY, INK, ORANGE, PAPER, WIDE, bare, paint, pyplot, styled

KINDS = (  # the recorded runs as the lesson draws them: mask, what is read out, in words
    ("full", "class token"),
    ("full", "mean"),
    ("full", "every patch"),
    ("causal", "mean"),
    ("causal", "every patch"),
    ("causal", "class token"),
    ("alone", "every patch"),
)


def runs_of(record: dict, mask: str, readout: str) -> list[dict]:
    """The runs of the record with this mask and readout, one a seed. ValueError if there is none."""
    found = [run for run in record["runs"] if (run["mask"], run["readout"]) == (mask, readout)]
    if not found:
        known = sorted({(run["mask"], run["readout"]) for run in record["runs"]})
        raise ValueError(f"no run was recorded with {mask}, {readout}; there are {', '.join(map(' and '.join, known))}")
    return found


def band(record: dict, mask: str, readout: str) -> tuple[float, float]:
    """The lowest and highest mean share of right answers over the seeds."""
    ends = [sum(run["right"]) / len(run["right"]) for run in runs_of(record, mask, readout)]
    return min(ends), max(ends)


@styled
def masks(some: Mapping[str, Tensor]) -> None:
    """(N, N) bool each: blue where row i may read column j."""
    plt = pyplot()
    colours = plt.matplotlib.colors.ListedColormap([PAPER, BLUE])
    _, axes = plt.subplots(1, len(some), figsize=(WIDE, 2.35))
    for place, (title, mask) in zip(axes, some.items(), strict=True):
        count = len(mask)
        place.imshow(mask.numpy(), cmap=colours, vmin=0, vmax=1)
        for line in range(count + 1):
            place.plot((-0.5, count - 0.5), (line - 0.5, line - 0.5), color=GREY, linewidth=0.5)
            place.plot((line - 0.5, line - 0.5), (-0.5, count - 0.5), color=GREY, linewidth=0.5)
        bare(place)
        place.set_title(title)
        place.set_xlabel("is read")
    axes[0].set_ylabel("reads")


@styled
def follow(pictures: Sequence[Tensor], grid: Grid, read: int, changed: Tensor, moved: Mapping[str, Tensor]) -> None:
    """Two pictures (C, H, W) with one patch framed, `changed` (N,) marked; and how far its vector moved, by layer."""
    plt = pyplot()
    _, axes = plt.subplots(1, 3, figsize=(WIDE, 2.7), width_ratios=(1, 1, 1.35))
    patch = pictures[0].shape[-1] // grid.cols
    for place, picture, title in zip(axes, pictures, ("before", "after"), strict=False):
        paint(place, picture, title)
        for token, colour in [(read, BLUE), *((int(at), INK) for at in changed.nonzero()[:, 0])]:
            row, col = divmod(token, grid.cols)
            place.add_patch(plt.Rectangle((col * patch - 0.5, row * patch - 0.5), patch, patch, fill=False,
                                          edgecolor=colour, linewidth=2))  # fmt: skip
    for (name, distance), colour, style in zip(moved.items(), CYCLE, ("-", "--", ":"), strict=False):
        axes[2].plot(range(len(distance)), distance * 100, style, marker="o", markersize=4, color=colour, label=name)
    axes[2].set_xticks(range(len(distance)))
    axes[2].set_xlabel("layers")
    axes[2].set_title("blue patch: vector moved by")
    axes[2].yaxis.set_major_formatter(lambda value, _: f"{value:.1f}%")
    axes[2].legend()


@styled
def influence(maps: Mapping[str, Tensor]) -> None:
    """(N, N) each, 0 or more: how strongly output i answers to input j, dark is strong, white is exactly nothing."""
    plt = pyplot()
    colours = plt.get_cmap("Blues").with_extremes(bad=PAPER)
    figure, axes = plt.subplots(1, len(maps), figsize=(WIDE, 3.6), sharey=True)
    high = max(float(one.max()) for one in maps.values())
    low = min(float(one[one > 0].min()) for one in maps.values())
    norm = plt.matplotlib.colors.LogNorm(low, high)
    for place, (title, one) in zip(axes, maps.items(), strict=True):
        shown = place.imshow(one.masked_fill(one == 0, float("nan")).numpy(), cmap=colours, norm=norm)
        place.set_title(title)
        place.set_xlabel("input patch j")
    axes[0].set_ylabel("output patch i")
    axes[0].set_yticks(range(0, len(one), 5))
    bar = figure.colorbar(shown, ax=axes, shrink=0.85, pad=0.02)
    bar.set_label("length of d output i / d input j")


@styled
def by_patch(grid: Grid, picture: Tensor, right: Mapping[str, Tensor]) -> None:
    """(C, H, W) cut by its grid, and (N,) shares each: how often every patch names the digit, written on its place."""
    _, axes = pyplot().subplots(1, 1 + len(right), figsize=(WIDE, 2.75))
    paint(axes[0], picture, "a digit, and its patches")
    patch = picture.shape[-1] // grid.cols
    for line in range(1, grid.cols):
        axes[0].axvline(line * patch - 0.5, color=ORANGE, linewidth=1)
    for line in range(1, grid.rows):
        axes[0].axhline(line * patch - 0.5, color=ORANGE, linewidth=1)
    for place, (title, shares) in zip(axes[1:], right.items(), strict=True):
        place.imshow(shares.reshape(grid).numpy(), cmap="Blues", vmin=0, vmax=1.15)
        for token, share in enumerate(shares.tolist()):
            row, col = divmod(token, grid.cols)
            place.text(col, row, f"{share:.0%}", ha="center", va="center", color=PAPER if share > 0.6 else INK)
        bare(place)
        place.set_title(title)


@styled
def readouts(record: dict, live: Mapping[str, float]) -> None:
    """Every recorded run as a dot, by mask and readout, the live ones as crosses, chance as a line."""
    _, axes = pyplot().subplots(figsize=(WIDE, 3.3))
    colours = {"full": BLUE, "causal": ORANGE, "alone": GREEN}
    for place, (mask, readout) in enumerate(KINDS):
        ends = [sum(run["right"]) / len(run["right"]) for run in runs_of(record, mask, readout)]
        axes.plot(ends, [place] * len(ends), "o", color=colours[mask], markerfacecolor=PAPER, markersize=7)
        if readout == "every patch" and mask in live:
            axes.plot(live[mask], place, "x", color=INK, markersize=8, markeredgewidth=2)
    axes.axvline(record["chance"], color=GREY, linestyle=":")
    axes.text(record["chance"] + 0.01, -0.65, "always the commonest digit", color=INK, fontsize=9, va="center")
    axes.plot([], [], "x", color=INK, markeredgewidth=2, label="live, this machine")
    axes.plot([], [], "o", color=INK, markerfacecolor=PAPER, label="recorded, a seed each")
    axes.legend(loc="lower right")
    axes.set_yticks(range(len(KINDS)), [f"{mask}, {readout}" for mask, readout in KINDS])
    axes.set_ylim(len(KINDS) - 0.5, -1)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("unseen digits named right")
    axes.grid(axis="x")


def of_layers(before: Tensor, after: Tensor, token: int) -> Tensor:
    """(layers, N, D) twice -> (layers,): how far a token's vector moved, as a share of its length."""
    return torch.linalg.vector_norm((after - before)[:, token], dim=-1) / torch.linalg.vector_norm(
        before[:, token], dim=-1
    )
