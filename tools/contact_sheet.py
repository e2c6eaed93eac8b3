"""Draw the contact sheet of the panel world into the book: `python tools/contact_sheet.py`.

Above, one scene four ways: picture, parts, depth, and the same panel with another damage and light.
Below, eighteen scenes of the training split.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from minivit.panels import draw, draw_parts, sample_scene

TARGET = Path(__file__).resolve().parents[1] / "book/_static/panels.webp"
PAPER, GAP = (251, 248, 241), 8
SEGMENT_COLOURS = np.array(
    # background, bare panel, badge, icon, code, label, lamps, damage
    [
        (232, 226, 212),
        (138, 148, 160),
        (58, 125, 68),
        (201, 151, 28),
        (31, 111, 139),
        (245, 242, 235),
        (96, 70, 128),
        (217, 98, 43),
    ],
    np.uint8,
)


def picture(pixels: torch.Tensor) -> Image.Image:
    """A picture as Pillow has it: (3, H, W) uint8 -> RGB, W x H pixels."""
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def shades(depth: torch.Tensor) -> Image.Image:
    """A depth map in greys and blues: (H, W) metres -> RGB, W x H pixels; near is light."""
    near = 1 - ((depth - depth.min()) / (depth.max() - depth.min())).numpy()[..., None]
    dark, light = np.array((20, 40, 62)), np.array((250, 243, 225))
    return Image.fromarray((dark + near**1.3 * (light - dark)).astype(np.uint8))


def sheet(first: int = 4, size: int = 244, small: int = 160, cols: int = 6, rows: int = 3) -> Image.Image:
    """Seed `first` four ways, `size` pixels each, then the next `rows` x `cols` seeds, `small` pixels each."""
    scene = sample_scene(first)
    parts = draw_parts(scene, size)
    other = replace(scene, damage="crack", severity="major", light="warm", badge="fault", yaw=-scene.yaw)
    above = [picture(parts.image), Image.fromarray(SEGMENT_COLOURS[parts.segments.numpy()]), shades(parts.depth)]
    above.append(picture(draw(other, size)))
    width = cols * small + (cols + 1) * GAP
    page = Image.new("RGB", (width, size + rows * small + (rows + 2) * GAP), PAPER)
    step = (width - 2 * GAP - size) / (len(above) - 1)
    for at, tile in enumerate(above):
        page.paste(tile, (GAP + round(at * step), GAP))
    for number in range(rows * cols):
        row, col = divmod(number, cols)
        tile = picture(draw(sample_scene(first + 1 + number), small))
        page.paste(tile, (GAP + col * (small + GAP), size + 2 * GAP + row * (small + GAP)))
    return page


def main() -> None:
    partial = TARGET.with_suffix(".partial.webp")
    sheet().save(partial, quality=90, method=6)
    os.replace(partial, TARGET)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
