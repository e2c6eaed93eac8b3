"""Explorers: small instruments beside the lessons, in JupyterLab and in Colab, made of ipywidgets 7 or 8.

Here is what they share: reading what the reader uploads, turning pixels into PNG, one look on light and dark pages,
and the still picture that stands in the book, where no kernel answers. An explorer keeps its pictures apart from its
widgets: a view (a frozen record of the choices) becomes pixels and words by plain functions.
"""

import html
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from minivit import images
from minivit.teach.figures import BLUE, GREY, INK, ORANGE, PAPER

STILLS = "MINIVIT_STILLS"  # set to 1 by the notebook runner: draw the still, show no widget


class Upload(NamedTuple):
    """A file that the reader chose in the browser."""

    name: str
    data: bytes


def uploads(value: Any) -> list[Upload]:
    """The files in a `FileUpload.value`: a dict by name in ipywidgets 7, a tuple of dicts in ipywidgets 8."""
    if isinstance(value, Mapping):
        return [Upload(str(name), bytes(file["content"])) for name, file in value.items()]
    return [Upload(str(file["name"]), bytes(file["content"])) for file in value]


def picture_of(source: Any) -> Tensor:
    """An upload, a path, a numpy array (H, W, C) or a tensor (C, H, W) -> uint8 (3, H, W).

    Raises ValueError or OSError with a sentence that can be shown to the reader, whatever is wrong with the picture.
    """
    if isinstance(source, Upload):
        return images.decode(source.data)
    if isinstance(source, str | Path):
        return images.load(source)
    if isinstance(source, np.ndarray):
        return images.from_array(source)
    if not isinstance(source, Tensor):
        raise ValueError(f"a picture is a path, a tensor (3, H, W) or an array (H, W, 3), not {type(source).__name__}")
    if source.ndim != 3 or source.shape[0] not in (1, 3) or 0 in source.shape:
        raise ValueError(f"a picture is a tensor (3, H, W) or (1, H, W), not empty; got shape {tuple(source.shape)}")
    return images.to_uint8(source.detach().cpu()).expand(3, -1, -1).contiguous()


def complaint(name: str, error: Exception) -> str:
    """One sentence, as HTML, about a file that cannot be shown."""
    reason = " ".join(str(error).split()) or type(error).__name__
    own = "this picture"  # what `decode` calls bytes that have no name
    reason = name + reason.removeprefix(own) if reason.startswith(own) else f"{name} cannot be shown: {reason}"
    return f'<div class="mv-complaint" role="alert">{html.escape(reason[:500])}.</div>'


def png(pixels: Tensor | np.ndarray) -> bytes:
    """uint8 (3, H, W) tensor or (H, W, 3) array -> a PNG, packed quickly rather than tightly."""
    from PIL import Image

    array = pixels.permute(1, 2, 0).numpy() if isinstance(pixels, Tensor) else pixels
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def stills() -> bool:
    """Whether a still is wanted in place of widgets: the notebook runner sets MINIVIT_STILLS=1."""
    return os.environ.get(STILLS, "0") not in ("", "0")


def show_still(figure: Any, alt: str) -> None:
    """Shows a matplotlib figure as a PNG of 256 colours whose text version is its description, and closes it."""
    import matplotlib.pyplot as plt
    from IPython.display import display
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", facecolor=PAPER)
    plt.close(figure)
    picture = Image.open(drawn).convert("RGB")
    palette = picture.quantize(
        256, Image.Quantize.FASTOCTREE
    )  # of Pillow's ways the one that keeps paper and signal colours
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(packed, "PNG", optimize=True)
    display({"image/png": packed.getvalue(), "text/plain": alt}, raw=True)


def widgets() -> Any:
    """ipywidgets, or an ImportError that names the extra."""
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError("the explorer needs ipywidgets: pip install 'minivit[lessons]'") from error
    return ipywidgets


# An explorer brings its own paper and ink, and gives them to the controls too: light or dark page, it reads alike.
LOOK = f"""<style>
.minivit-explorer {{ background: {PAPER}; color: {INK}; border: 1px solid {GREY}55; border-radius: 6px; padding: 12px;
  max-width: 960px; box-sizing: border-box; color-scheme: light; font-size: 14px;
  --jp-widgets-color: {INK}; --jp-widgets-label-color: {INK}; --jp-widgets-readout-color: {INK};
  --jp-widgets-input-color: {INK}; --jp-widgets-input-background-color: #ffffff;
  --jp-widgets-input-border-color: {GREY};
  --jp-widgets-input-focus-border-color: {BLUE}; --jp-widgets-slider-active-handle-color: {BLUE};
  --jp-content-font-color1: {INK}; --jp-ui-font-color0: {INK}; --jp-ui-font-color1: {INK}; --jp-ui-font-color2: {INK};
  --jp-layout-color0: {PAPER}; --jp-layout-color1: #ffffff; --jp-layout-color2: #ece7da; --jp-layout-color3: #d9d2c0;
  --jp-border-color1: {GREY}; --jp-border-color2: {GREY}; --jp-brand-color1: {BLUE}; --jp-brand-color2: {BLUE}; }}
.minivit-explorer .widget-html-content, .minivit-explorer .widget-label {{ color: {INK}; }}
.minivit-explorer .widget-html-content {{ line-height: 1.4; }}
.minivit-explorer .mv-tiles {{ display: flex; flex-wrap: wrap; gap: 6px 28px; margin: 4px 0; }}
.minivit-explorer .mv-tiles b {{ display: block; font-size: 24px; line-height: 1.2; font-weight: 650; }}
.minivit-explorer .mv-complaint {{ border-left: 4px solid {ORANGE}; padding: 4px 10px; overflow-wrap: anywhere; }}
.minivit-explorer table.mv {{ border-collapse: collapse; margin: 0; font-variant-numeric: tabular-nums; }}
.minivit-explorer table.mv :is(th, td) {{ text-align: right; padding: 2px 10px; color: {INK}; background: transparent;
  border: 0; }}
.minivit-explorer table.mv thead th {{ border-bottom: 1px solid {GREY}; font-weight: 600; }}
.minivit-explorer table.mv tr.mv-now :is(th, td) {{ background: {ORANGE}33; font-weight: 650; }}
.minivit-explorer img {{ max-width: 100%; }}
.minivit-explorer {{ --mv-handle: {BLUE}; }} .minivit-explorer .mv-knob {{ --mv-handle: {ORANGE}; }}
.minivit-explorer :is(.noUi-handle, .ui-slider-handle) {{ background: var(--mv-handle) !important;
  border-color: var(--mv-handle) !important; }}
</style>"""
