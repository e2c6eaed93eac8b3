"""Letters: the font that Pillow brings along, drawn large once and averaged down to the size needed.

Nothing depends on the fonts of a machine. A glyph is a coverage map, (h, w) float32 from 0 to 1.
"""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_EM = 160  # pixels to an em in the large drawing


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size=_EM)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise OSError(
            "this Pillow was built without FreeType and has no scalable font; install the pillow wheel from PyPI"
        )
    return font


@lru_cache(maxsize=64)
def _large(text: str, bold: float) -> Image.Image:
    """The text drawn large, from the top of its capitals to its base line, with no margin at the sides."""
    font, stroke = _font(), round(bold * _EM)
    _, top, _, bottom = font.getbbox("H", stroke_width=stroke)
    left, _, right, _ = font.getbbox(text, stroke_width=stroke)
    sheet = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(sheet).text((-left, -top), text, fill=255, font=font, stroke_width=stroke)
    return sheet


@lru_cache(maxsize=1024)
def lettering(text: str, height: float, width: float | None = None, bold: float = 0.02) -> np.ndarray:
    """(round(height), w) float32, 0 to 1: coverage of a text whose capitals are `height` pixels tall.

    With `width`, at most that many pixels wide: a wider text is set narrower.
    """
    large = _large(text, bold)
    rows = max(1, round(height))
    cols = max(1, round(large.width * rows / large.height))
    if width is not None:
        cols = min(cols, max(1, int(width)))
    small = large.resize((cols, rows), Image.Resampling.BOX if rows < large.height / 3 else Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32) / 255
