"""Reading a code with a real OCR engine: Tesseract, through pytesseract, where both are installed.

Legend: C channels, H W pixels of a crop that shows a code plate.

An engine of this kind was made for lines of print on paper. A plate on a panel is small and tilted, it has a frame, and
it lies in the shade. So four large marks are looked for near the middle of the crop, the row in which they stand is
laid level, and everything around the row is made white. The engine is asked for one line of letters and digits, and
what it answers counts only if it has the form of an asset code.
"""

import re
import shutil
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from minivit import images
from minivit.panels import rules

LEVEL = 64  # the crop is brought to this height, in pixels, before marks are looked for
TALL, MARGIN = 32, 16  # pixels: a character in the line that the engine sees, and the white around it
SETTINGS = f"--psm 7 -c tessedit_char_whitelist={rules.LETTERS}0123456789-"  # 7: the picture is one line of text
INSTALL = "pip install 'minivit[ocr]', and the engine: apt-get install tesseract-ocr on Debian, brew install tesseract"
SECONDS = 20  # the engine is stopped after this time


class Reading(NamedTuple):
    """A code as the engine read it."""

    text: str
    confidence: float  # 0 to 1, the engine's own opinion: not calibrated


def missing() -> str:
    """What is not installed, and how to install it; "" when the engine can be asked."""
    try:
        import pytesseract.pytesseract as bridge
    except ImportError:
        return f"pytesseract is not installed: {INSTALL}"
    found = shutil.which(bridge.tesseract_cmd)
    return "" if found else f"there is no program {bridge.tesseract_cmd} on this computer: {INSTALL}"


def available() -> bool:
    """Whether the engine can be asked; `missing` says why not."""
    return not missing()


def read_code(crop: Tensor) -> Reading | None:
    """(C, H, W), uint8 or in [0, 1], C 1 or 3: the code on the plate, or None where the answer is no asset code.

    The crop shows the plate and little else. Raises ValueError for another shape or a crop below 8 x 8 pixels,
    ImportError where `missing` says that something is, and RuntimeError where the engine fails or takes 20 s.
    """
    line = level(grey(crop))
    if reason := missing():
        raise ImportError(reason)
    import pytesseract

    found = pytesseract.image_to_data(line, lang="eng", config=SETTINGS, timeout=SECONDS, output_type="dict")
    words = [(word, sure) for word, sure in zip(found["text"], found["conf"], strict=True) if word.strip()]
    text = "".join(word.strip() for word, _ in words)
    if not re.fullmatch(rules.CODE, text):
        return None
    return Reading(text, min(max(float(sure), 0.0) for _, sure in words) / 100)


def grey(crop: Tensor) -> Tensor:
    """(C, H, W) -> (64, W') in [0, 1]: brightness, each place divided by the brightest near it, so that shade goes.

    Raises ValueError for a shape that is no picture, or sides below 8 pixels: enlarging adds no strokes.
    """
    if not isinstance(crop, Tensor) or crop.ndim != 3 or crop.shape[0] not in (1, 3) or min(crop.shape[1:]) < 8:
        got = tuple(crop.shape) if isinstance(crop, Tensor) else type(crop).__name__
        raise ValueError(f"a crop is (C, H, W) with 1 or 3 channels and sides of 8 pixels or more; got {got}")
    height, width = crop.shape[1:]
    size = LEVEL, max(8, min(16 * LEVEL, round(width * LEVEL / height)))
    plain = images.resize(images.to_float(crop).float().mean(dim=0, keepdim=True), *size)[None]
    light = F.adaptive_max_pool2d(F.avg_pool2d(plain, 5, stride=1, padding=2), (4, 6))
    light = F.interpolate(light, size, mode="bilinear", align_corners=False)
    return (plain / light.clamp(min=0.02)).clamp(0, 1)[0, 0]


def level(plate: Tensor) -> Image.Image:
    """(H, W) in [0, 1] -> one dark line on white, its characters 32 pixels tall; without four marks, all of the plate.

    Tones half way between ink and paper become lighter: where blur thickens the strokes, a 5 closes up to a 6.
    """
    found = marks(plate)
    if not found:
        return _picture(plate)
    middles = np.array([((x0 + x1) / 2, (y0 + y1) / 2) for y0, x0, y1, x1 in found])
    slope, start = np.polyfit(middles[:, 0], middles[:, 1], 1)
    step = float(np.median([y1 - y0 for y0, _, y1, _ in found])) / TALL  # pixels of the plate to one of the line
    left, right = found[0][1], found[-1][3]
    size = round((right - left) / step) + 2 * MARGIN, TALL + 2 * MARGIN
    x = left - MARGIN * step
    along = (step, 0, x, slope * step, step, slope * x + start - size[1] / 2 * step)
    line = _picture(plate).transform(size, Image.Transform.AFFINE, along, Image.Resampling.BICUBIC, fillcolor=255)
    tone = np.asarray(line, np.float32)
    ink, paper = np.percentile(tone[MARGIN:-MARGIN, MARGIN:-MARGIN], (5, 70))
    tone = np.clip(((tone - ink) / max(paper - ink, 1) - 0.35) * 1.5 + 0.5, 0, 1)
    edge = 2 * MARGIN // 3
    white = np.ones_like(tone)
    white[edge:-edge, edge:-edge] = tone[edge:-edge, edge:-edge]
    return _picture(torch.from_numpy(white))


def marks(plate: Tensor) -> list[tuple[int, int, int, int]]:
    """(H, W) in [0, 1] -> the boxes (y0, x0, y1, x1) of the four characters, left to right; [] unless there are four.

    Marks are dark and hang together. A character's height is a fifth to four fifths of the crop's; of those alike in
    height, the four nearest to the middle count, and so the frame and what stands beside the plate do not.
    """
    middle = (plate.shape[0] / 2, plate.shape[1] / 2)
    boxes = [box for box in _dark(plate < threshold(plate)) if _like_a_character(box, plate.shape[0])]
    if len(boxes) < 4:
        return []
    usual = float(np.median([y1 - y0 for y0, _, y1, _ in boxes]))
    boxes = [box for box in boxes if 0.75 * usual <= box[2] - box[0] <= 1.3 * usual]

    def away(box) -> float:
        y0, x0, y1, x1 = box
        return ((y0 + y1) / 2 - middle[0]) ** 2 + (((x0 + x1) / 2 - middle[1]) / 3) ** 2

    nearest = sorted(boxes, key=away)[:4]
    return sorted(nearest, key=lambda box: box[1]) if len(nearest) == 4 else []


def threshold(plate: Tensor) -> float:
    """(H, W) in [0, 1] -> the brightness that parts dark from light: their means lie farthest apart (Otsu 1979)."""
    counts = torch.histc(plate, 64, 0, 1)
    level = (torch.arange(64) + 0.5) / 64
    dark, bright = counts.cumsum(0), (counts * level).cumsum(0)
    apart = (bright[-1] * dark - counts.sum() * bright) ** 2 / (dark * (counts.sum() - dark)).clamp(min=1e-6)
    return (int(apart.argmax()) + 1) / 64


def _like_a_character(box: tuple[int, int, int, int], height: int) -> bool:
    y0, x0, y1, x1 = box
    return 0.2 * height < y1 - y0 < 0.8 * height and 0.15 < (x1 - x0) / (y1 - y0) < 1.2


def _dark(ink: Tensor) -> list[tuple[int, int, int, int]]:
    """(H, W) bool -> the box of each part that hangs together: the largest number in it spreads through all of it."""
    parts = torch.arange(1, ink.numel() + 1, dtype=torch.float32).view(ink.shape) * ink
    while not torch.equal(parts, wider := F.max_pool2d(parts[None, None], 3, stride=1, padding=1)[0, 0] * ink):
        parts = wider
    found = []
    for number in parts.unique()[1:] if not ink.all() else []:  # the first is 0, what is light
        y, x = (parts == number).nonzero().T
        found.append((int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1))
    return found


def _picture(plate: Tensor) -> Image.Image:
    return Image.fromarray(images.to_uint8(plate.clamp(0, 1)).numpy())
