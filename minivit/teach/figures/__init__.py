"""The house style of all figures: warm paper, dark ink, colours that a colour-blind reader can tell apart.

Figures bring their own paper, so they read alike on light and dark pages. Functions in the lessons' files draw and
leave `plt.show()` to the cell, where the reader sees that a picture is made.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

INK, PAPER, GREY = "#1f2933", "#fbf8f1", "#8a94a0"
BLUE, ORANGE, GREEN, GOLD = "#1f6f8b", "#d9622b", "#3a7d44", "#c9971c"
CYCLE = (BLUE, ORANGE, GREEN, GOLD)

WIDE = 7.0  # inches at 100 dots each: the width of the book's column

_RC = {
    "figure.facecolor": PAPER, "figure.edgecolor": PAPER, "savefig.facecolor": PAPER, "axes.facecolor": PAPER,
    "figure.dpi": 100, "savefig.dpi": 100, "figure.constrained_layout.use": True,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.titlecolor": INK, "font.family": "DejaVu Sans", "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": False, "grid.color": GREY, "grid.alpha": 0.35,
    "lines.linewidth": 2, "image.interpolation": "nearest",
}  # fmt: skip


def styled(draw: Callable) -> Callable:
    """Makes a drawing function use the house style, whatever style the reader has chosen."""
    return house_style()(draw)


@contextmanager
def house_style() -> Iterator[None]:
    """The house style while the context lasts, then the reader's own again."""
    plt = pyplot()
    with plt.rc_context(_RC):
        plt.rcParams["axes.prop_cycle"] = plt.cycler(color=CYCLE)
        yield


def pyplot():
    """matplotlib.pyplot; ImportError that names the extra where it is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError("the figures need matplotlib: pip install 'minivit[lessons]'") from None
    return plt


def paint(axes, picture: Tensor, title: str = "") -> None:
    """(C, H, W): a picture, uint8 or floating in [0, 1], on axes without ticks."""
    pixels = picture.detach().cpu()
    if pixels.is_floating_point():
        pixels = pixels.clamp(0, 1)
    axes.imshow(pixels.permute(1, 2, 0).expand(-1, -1, 3).numpy())
    axes.set_title(title)
    bare(axes)


def bare(axes) -> None:
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
