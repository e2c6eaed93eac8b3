"""From a scene to a picture: stamp the parts on a flat canvas, photograph it, let the light fall on it.

The flat canvas is the panel seen straight on, finer than the picture. `draw` gives the picture;
`draw_parts` gives also what a picture alone cannot tell: which pixel belongs to what, and how far it is.
"""

from typing import NamedTuple

import numpy as np
import torch

from minivit.panels import sprites, surfaces
from minivit.panels.camera import VIEW, Camera, camera, depth_of, panel_points, photograph, project
from minivit.panels.damage import bounds
from minivit.panels.layout import BOARD
from minivit.panels.light import develop, shadow
from minivit.panels.scene import Scene
from minivit.panels.surfaces import EARS, EDGE, VARIANTS, place
from minivit.panels.wounds import paint

PARTS = ("panel", "badge", "icon", "code", "label", "lamps", "damage")
MIN_SIZE, MAX_SIZE = 32, 2048
_RELIEF = {
    "badge": 0.06,
    "icon": 0.05,
    "code": 0.03,
    "label": 0.005,
    "lamps": 0.08,
    "damage": -0.04,
}  # cells over the panel
THICKNESS = 0.4  # cells from the wall to the face of the panel


class Parts(NamedTuple):
    """A picture with everything known about it; H = W = size."""

    image: torch.Tensor  # (3, H, W) uint8
    masks: torch.Tensor  # (7, H, W) bool, one a part in the order of PARTS; the panel's includes all that is on it
    segments: torch.Tensor  # (H, W) uint8, 0 background, 1 bare panel, 2.. the parts after it in PARTS
    depth: torch.Tensor  # (H, W) float32, metres from the camera


def draw(scene: Scene, size: int = 96) -> torch.Tensor:
    """(3, size, size) uint8: the picture of a scene; the same scene gives the same bytes.

    ValueError unless `size` is a whole number of pixels from 32 to 2048.
    """
    cell = _cell(scene, size)
    canvas, _ = _flat(scene, cell, parts=False)
    return _expose(canvas, scene, camera(scene), size)


def draw_parts(scene: Scene, size: int = 96) -> Parts:
    """(3, H, W) picture, (7, H, W) masks, (H, W) segments, (H, W) depth in metres; H = W = size pixels, as in draw."""
    cell = _cell(scene, size)
    canvas, solids = _flat(scene, cell, parts=True)
    view = camera(scene)
    shares = photograph(solids, view, size)
    masks = torch.from_numpy(shares > 0.5)
    segments = torch.zeros(size, size, dtype=torch.uint8)
    for number, mask in enumerate(masks, start=1):
        segments.masked_fill_(mask, number)
    x, y = panel_points(view, size)
    height = -THICKNESS * (1 - shares[0])
    for share, part in zip(shares[1:], PARTS[1:], strict=True):
        height += share * _RELIEF[part]
    return Parts(_expose(canvas, scene, view, size), masks, segments, torch.from_numpy(depth_of(view, x, y, height)))


def regions(scene: Scene) -> dict[str, tuple[float, float, float, float]]:
    """(y0, x0, y1, x1) of each part, as fractions of the picture; without damage there is no "damage"."""
    boxes = {"panel": (-EARS, -EDGE, BOARD + EARS, BOARD + EDGE)}  # x0, y0, x1, y1 in cells
    slots = scene.slots
    for part, (half_x, half_y) in {"badge": sprites.BADGE_HALF[scene.badge_shape], **sprites.HALF}.items():
        slot = slots[part]
        if slot.rows > slot.cols:
            half_x, half_y = half_y, half_x
        x, y = slot.x + slot.cols / 2, slot.y + slot.rows / 2
        boxes[part] = (x - half_x, y - half_y, x + half_x, y + half_y)
    hurt = bounds(scene)
    if hurt is not None:
        boxes["damage"] = hurt
    corners = np.array(list(boxes.values()))[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].reshape(-1, 2)
    v, u = project(camera(scene), corners).reshape(2, -1, 4)
    edges = np.stack([v.min(1), u.min(1), v.max(1), u.max(1)], axis=1).clip(0, 1).tolist()
    return dict(zip(boxes, map(tuple, edges), strict=True))


def _cell(scene: Scene, size: int) -> int:
    """Pixels to a cell of the flat canvas: 1.75 times the picture's, in tens so that edges fall on pixels."""
    if not isinstance(scene, Scene):
        raise ValueError(f"draw wants a Scene, not {type(scene).__name__}; get one from sample_scene(seed)")
    if isinstance(size, bool) or not isinstance(size, int) or not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size {size!r}: give a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}, such as 96")
    return 10 * max(1, round(1.75 * size / VIEW / 10))


def _flat(scene: Scene, cell: int, parts: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The panel seen straight on: canvas (3, F, F), and with `parts` the coverage of each part (7, F, F)."""
    grain, n = scene.grain, surfaces.canvas_pixels(cell)
    canvas = surfaces.background(scene.mount, grain % VARIANTS, cell) * shadow(scene, cell)
    face = surfaces.face(scene.colour, scene.material, grain // VARIANTS % VARIANTS, cell)
    top, left = place(-EDGE, cell), place(-EARS, cell)
    face.stamp(canvas, top, left)
    solids = None
    if parts:
        height, width = face.solid.shape
        solids = np.zeros((len(PARTS), n, n), np.float32)
        solids[0, top : top + height, left : left + width] = face.solid
    for name, slot in scene.slots.items():
        if name == "damage":
            continue
        sprite = _sprite(scene, name, cell)
        y, x = place(slot.y, cell), place(slot.x, cell)
        sprite.stamp(canvas, y, x)
        if parts and name in PARTS:
            height, width = sprite.solid.shape
            solids[PARTS.index(name), y : y + height, x : x + width] = sprite.solid
    hurt = paint(canvas, scene, cell)
    if parts and hurt is not None:
        window, share = hurt
        solids[PARTS.index("damage")][window] = share
    return canvas, solids


def _sprite(scene: Scene, name: str, cell: int) -> sprites.Sprite:
    if name == "badge":
        return sprites.badge(scene.badge, scene.badge_shape, cell)
    if name == "icon":
        return sprites.icon(scene.hazard, scene.icon_level, cell)
    if name == "code":
        return sprites.code_plate(scene.code, cell)
    if name == "label":
        return sprites.label(scene.label, scene.label_print, scene.grain % 16, cell)
    if name == "lamps":
        return sprites.lamps(scene.lamps, cell)
    spare = int(name.removeprefix("spare"))  # three neighbours of a ring of five, so that no two are alike
    return sprites.fitting(sprites.FITTINGS[(scene.grain // 16 + spare) % len(sprites.FITTINGS)], cell)


def _expose(canvas: np.ndarray, scene: Scene, view: Camera, size: int) -> torch.Tensor:
    """Photograph the canvas and light it: (3, size, size) uint8."""
    return torch.from_numpy(develop(photograph(canvas, view, size), scene, *panel_points(view, size)))
