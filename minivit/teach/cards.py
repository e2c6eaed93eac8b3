"""The card on which a checker answers: a sentence, a hint, and pictures side by side, as one piece of HTML.

It brings its own paper and ink, so that it reads alike on light and dark pages, and needs no script and no style sheet.
"""

import base64
import html
import io
import re
from typing import Any

import torch
from torch import Tensor

from minivit.teach.figures import GOLD, GREEN, GREY, INK, ORANGE, PAPER

HEADS = {"not yet": ("Not yet:", GOLD), "wrong": ("Not right:", ORANGE), "right": ("Right.", GREEN)}


def card(status: str, wrong: str, hint: str = "", pictures: tuple = ()) -> str:
    """HTML for one verdict; `pictures` holds (title, (C, H, W) tensor, list of rows, or words)."""
    head, colour = HEADS[status]
    body = f'<p style="margin:0"><strong>{head}</strong> {prose(wrong)}</p>'
    if hint:
        body += f'<p style="margin:.5em 0 0"><strong>Hint:</strong> {prose(hint)}</p>'
    if pictures:
        frames = "".join(_frame(title, picture) for title, picture in pictures)
        body += f'<div style="display:flex;flex-wrap:wrap;gap:1em;margin-top:.8em">{frames}</div>'
    return (
        f'<div style="background:{PAPER};color:{INK};border-left:5px solid {colour};border-radius:4px;'
        f'padding:.8em 1em;max-width:44em;line-height:1.45">{body}</div>'
    )


def prose(text: str) -> str:
    """Escapes everything, then turns `back-ticked` words into code."""
    code = f'<code style="background:transparent;color:{INK};border:0;padding:0;white-space:pre-wrap">\\1</code>'
    return re.sub(r"`([^`]+)`", code, html.escape(text))


def _frame(title: str, picture: Any) -> str:
    caption = f'<figcaption style="color:{INK};margin:0 0 .3em">{html.escape(title)}</figcaption>'
    if isinstance(picture, str):
        style = f"border:1px dashed {GREY};padding:1.5em 1em;margin:0;text-align:center"
        return f'<figure style="margin:0">{caption}<p style="{style}">{html.escape(picture)}</p></figure>'
    if not isinstance(picture, Tensor):
        return f'<figure style="margin:0">{caption}{_table(picture)}</figure>'
    style = "display:block;image-rendering:pixelated;max-width:100%"
    return f'<figure style="margin:0">{caption}<img src="{png(picture)}" alt="{title}" style="{style}"></figure>'


def _table(rows: Any) -> str:
    style = f"border:1px solid {GREY};padding:.15em .6em;text-align:right;background:{PAPER};color:{INK}"
    cells = [[f'<td style="{style}">{html.escape(str(value))}</td>' for value in row] for row in rows]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f'<table style="border-collapse:collapse;margin:0">{body}</table>'


def png(pixels: Tensor, side: int = 220) -> str:
    """(C, H, W) -> a data address; uint8, or floating in [0, 1]. Small pictures are enlarged in whole pixels."""
    from PIL import Image

    pixels = pixels.detach().cpu()
    if pixels.is_floating_point():
        pixels = (pixels.nan_to_num(0).clamp(0, 1) * 255).round()
    array = pixels.to(torch.uint8).expand(3, *pixels.shape[1:]).permute(1, 2, 0).numpy()
    times = max(1, side // max(array.shape[:2]))
    picture = Image.fromarray(array).resize((array.shape[1] * times, array.shape[0] * times), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
