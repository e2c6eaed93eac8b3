"""Draws the front page's picture: a photograph, its patches, their tokens, the words. Run: python book/_make/front.py

Writes book/_static/front.jpg and book/_make/front.html, which book/intro.md takes in. The tokens are real: 16 patches
of 100 x 100 pixels through one random linear map to 8 numbers each. Which token serves which word is drawn by hand.
"""

import io
from pathlib import Path

import torch
from PIL import Image

from minivit.patches import PatchEmbed

BOOK = Path(__file__).resolve().parents[1]
SIDE, ROWS, WIDTH = 400, 4, 8  # pixels of the square photograph, patches a side, numbers a token
PHOTO, CELL, PITCH = 256, 30, 50  # units of the drawing: the photograph, a token's cell, from token to token
LEFT, APART, ROW_TOP, COLUMN_TOP, CELL_HEIGHT = 64, 560, 344, 382, 13
WORDS = {
    "a": (), "red": (5, 8, 13, 14), "cup": (1, 2, 5, 6), "of": (), "coffee": (5, 6, 9), "on": (), "a ": (),
    "wooden": (0, 3, 12, 15), "table": (3, 7, 11, 15),
}  # fmt: skip
TOLD = (
    "A photograph of a red coffee cup is cut into sixteen square patches. The patches line up in reading order, each "
    "becomes a token, drawn as a column of eight coloured numbers, and from the tokens come the words: a red cup of "
    "coffee on a wooden table."
)


def photograph() -> Image.Image:
    """The coffee cup that ships in scikit-image (CC0, Rachel Michetti), cropped to a square."""
    from skimage import data

    return Image.fromarray(data.coffee()[:, 70 : 70 + SIDE])


def tokens(image: Image.Image) -> torch.Tensor:
    """-> (16, 8), from -1 to 1: one random projection of the real patches."""
    torch.manual_seed(5)
    pixels = (
        torch.tensor(list(image.tobytes()), dtype=torch.float32).reshape(1, SIDE, SIDE, 3).permute(0, 3, 1, 2) / 255
    )
    with torch.no_grad():
        found = PatchEmbed(SIDE // ROWS, WIDTH)(pixels)[0]
    found = (found - found.mean(0)) / found.std(0)
    return (found / 2).clamp(-1, 1)


def tile(index: int, x: float, y: float, side: float, came_from: tuple[float, float, float], css: str) -> str:
    """One patch of the photograph, and from where it flies there: (x, y, side)."""
    row, col = divmod(index, ROWS)
    part = PHOTO // ROWS
    from_x, from_y, from_side = came_from
    flight = f"--dx:{from_x - x:g}px;--dy:{from_y - y:g}px;--k:{from_side / side:.3g};transform-origin:{x:g}px {y:g}px"
    style = f"--i:{index};{flight}"
    return (
        f'<g class="{css}" style="{style}"><svg x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" '
        f'viewBox="{col * part} {row * part} {part} {part}"><use href="#front-photo"/></svg></g>'
    )


def column(index: int, values: list[float], x: float) -> str:
    """A token: eight cells, blue below zero and orange above it."""
    cells = []
    for step, value in enumerate(values):
        shade = "minus" if value < 0 else "plus"
        y = COLUMN_TOP + step * CELL_HEIGHT
        cells.append(
            f'<rect class="{shade}" x="{x:g}" y="{y}" width="{CELL}" height="{CELL_HEIGHT - 1}" '
            f'fill-opacity="{abs(value):.2f}"/>'
        )
    frame = f'<rect class="frame" x="{x:g}" y="{COLUMN_TOP - 1}" width="{CELL}" height="{WIDTH * CELL_HEIGHT + 1}"/>'
    return f'<g class="front-token" style="--i:{index};transform-origin:0 {COLUMN_TOP}px">{frame}{"".join(cells)}</g>'


def threads(centres: list[float], word: int, uses: tuple[int, ...], x: float, bottom: float, top: float) -> str:
    paths = []
    for index in uses:
        start, middle = centres[index], (bottom + top) / 2
        paths.append(f"M{start:g} {bottom:g}C{start:g} {middle:g} {x:.0f} {middle:g} {x:.0f} {top:g}")
    return f'<path class="front-thread" style="--i:{word}" d="{"".join(paths)}"/>' if paths else ""


def drawing(values: torch.Tensor) -> str:
    part, apart = PHOTO / ROWS, 58
    gap = (PHOTO - ROWS * apart) / (ROWS - 1)
    lines, loose, lined_up, columns, centres = [], [], [], [], []
    for step in range(1, ROWS):
        at = LEFT + step * part
        lines.append(f"M{at:g} 40v{PHOTO}M{LEFT} {40 + step * part:g}h{PHOTO}")
    for index in range(ROWS * ROWS):
        row, col = divmod(index, ROWS)
        home = (LEFT + col * part, 40 + row * part, part)
        x, y = APART + col * (apart + gap), 40 + row * (apart + gap)
        loose.append(tile(index, x, y, apart, home, "front-patch"))
        row_x = 50 + index * PITCH
        lined_up.append(tile(index, row_x, ROW_TOP, CELL, (x, y, apart), "front-tile"))
        columns.append(column(index, values[index].tolist(), row_x))
        centres.append(row_x + CELL / 2)

    bottom, top = COLUMN_TOP + WIDTH * CELL_HEIGHT + 3, 592
    text, paths, letter = [], [], 17.1
    length = sum(len(word.strip()) + 1 for word in WORDS) - 1
    x = 440 - length * letter / 2
    for number, (word, uses) in enumerate(WORDS.items()):
        word = word.strip()
        paths.append(threads(centres, number, uses, x + len(word) * letter / 2, bottom, top))
        text.append(f'<tspan style="--i:{number}">{word}</tspan>')
        x += (len(word) + 1) * letter
    labels = [
        (LEFT + PHOTO / 2, 24, "an image"),
        (APART + PHOTO / 2, 24, "its patches"),
        (440, 330, "tokens, one after another"),
        (440, 676, "words"),
    ]
    captions = "".join(f'<text class="front-label" x="{x:g}" y="{y}">{label}</text>' for x, y, label in labels)
    return f"""<figure class="front">
<input type="checkbox" class="front-replay" id="front-replay"><label for="front-replay">Play again</label>
<svg viewBox="40 0 800 690" role="img" aria-labelledby="front-title front-words">
<title id="front-title">From an image to words</title>
<desc id="front-words">{TOLD}</desc>
<defs><image id="front-photo" href="../_static/front.jpg" width="{PHOTO}" height="{PHOTO}"/></defs>
<use href="#front-photo" x="{LEFT}" y="40"/><path class="front-cut" d="{"".join(lines)}"/>
<path class="front-arrow" d="M{LEFT + PHOTO + 70} 168h92m-9 -8l9 8l-9 8"/>
{"".join(loose)}
{"".join(lined_up)}
{"".join(columns)}
<g>{"".join(paths)}</g>
<text class="front-words" x="440" y="634">{" ".join(text)}</text>
{captions}
</svg>
</figure>
"""


def main() -> None:
    image = photograph()
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=84, optimize=True)
    for path, data in (
        (BOOK / "_static/front.jpg", jpeg.getvalue()),
        (BOOK / "_make/front.html", drawing(tokens(image)).encode()),
    ):
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)


if __name__ == "__main__":
    main()
