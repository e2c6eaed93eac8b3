"""A folder of the reader's own pictures: the good ones decoded, the broken ones named.

Legend: B images, C channels, H W pixels.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from minivit.images.decoding import load
from minivit.images.pixels import fit

# What `folder` takes for a picture. The last three cannot be decoded, but their owner should hear so.
SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".avif", ".heic", ".heif", ".jp2",
)  # fmt: skip


class Skipped(NamedTuple):
    """A file that could not be decoded, and why."""

    name: str
    reason: str


class Folder(NamedTuple):
    """The pictures of a folder, sorted by name."""

    images: list[Tensor] | Tensor  # each uint8 (3, H, W); with a size one tensor (B, 3, height, width)
    names: list[str]
    skipped: list[Skipped]


def folder(path: str | Path, *, size: tuple[int, int] | None = None) -> Folder:
    """Your own pictures -> `Folder` of uint8 (3, H, W), or of one (B, 3, height, width) with `size=(height, width)`.

    Takes the files in the folder itself whose ending says picture, sorted by name; folders inside it, hidden files and
    other files are passed over. With a size each is cut and scaled by `fit`, and only the small ones stay in memory.
    Broken pictures are left out, listed in `skipped` and named in a warning. Raises OSError if there is no such
    folder, ValueError if it holds no picture or only broken ones.
    """
    if not isinstance(path, str | Path):
        raise ValueError(f"folder takes a path, got {type(path).__name__}")
    if size is not None and not (isinstance(size, tuple | list) and len(size) == 2):
        raise ValueError(f"size is (height, width), two whole numbers of pixels; got {size!r}")
    path = Path(path)
    if not path.is_dir():
        if path.exists():
            raise ValueError(f"{path} is a file, not a folder; read one picture with load(path)")
        raise FileNotFoundError(f"there is no folder {path} in {path.absolute().parent}; check its name")
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES and file.name[0] != "."]
    images, names, skipped = [], [], []
    for file in files:
        if file.is_dir():
            continue
        try:
            picture = load(file)
        except (ValueError, OSError) as error:
            skipped.append(Skipped(file.name, str(error)))
            continue
        images.append(picture if size is None else fit(picture, *size))
        names.append(file.name)
    reasons = "".join(f"\n  {broken.name}: {broken.reason}" for broken in skipped[:10])
    reasons += f"\n  and {len(skipped) - 10} more" if len(skipped) > 10 else ""
    if not images and not skipped:
        raise ValueError(f"no pictures in {path}; put files with one of these endings there: {' '.join(SUFFIXES)}")
    if not images:
        raise ValueError(f"none of the {len(skipped)} pictures in {path} can be read:{reasons}")
    if skipped:
        warnings.warn(f"left out {len(skipped)} of {len(images) + len(skipped)} pictures:{reasons}", stacklevel=2)
    return Folder(images if size is None else torch.stack(images), names, skipped)
