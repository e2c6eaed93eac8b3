"""Files, bytes and arrays -> pictures, safely.

    C channels (RGB first), H W pixels; a picture is uint8 (C, H, W)

Whatever a file holds, it becomes such a picture, or one ValueError says why not, with the numbers and the remedy.
"""

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageFile
from torch import Tensor

from minivit.images.pixels import MAX_PIXELS, expect_unit, to_uint8

# Only these of Pillow's formats: others start programs (EPS), hide their size until they are decoded (ICO), or pass
# off a file cut short as a black picture (JPEG 2000).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")

_ORIENTATION = 0x0112  # the EXIF tag, and what sets each of its values upright
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LOCK = threading.RLock()


def decode(data: bytes, *, grey: bool = False) -> Tensor:
    """The bytes of a picture file -> uint8 (3, H, W), or (1, H, W) with `grey=True`.

    Reads PNG, JPEG, WebP, GIF, BMP, TIFF, PPM, and AVIF where Pillow can. The picture is turned upright by
    its EXIF orientation. What is transparent shows white. Of an animation or a file of several pages the first is
    taken. 16-bit grey becomes 8-bit by rounding v / 257 (of 16-bit colour Pillow keeps the high byte); float pixels
    must lie in [0, 1]. CMYK is converted plainly, and colour profiles are ignored. Raises ValueError if the bytes are
    empty, no picture, broken or cut short, or hold more than `MAX_PIXELS` pixels.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        given = type(data).__name__
        raise ValueError(f"decode takes the bytes of a picture file, got {given}; for a path use load(path)")
    with quiet():
        return decode_file(BytesIO(data), "this picture", grey)


def load(path: str | Path, *, grey: bool = False) -> Tensor:
    """A picture file -> uint8 (3, H, W), or (1, H, W) with `grey=True`; see `decode` for what it understands.

    Raises OSError if the file is missing or may not be read, ValueError if it is no picture (see `decode`).
    """
    if not isinstance(path, str | Path):
        given = type(path).__name__
        raise ValueError(f"load takes a path, got {given}; for the bytes of a file use decode(data)")
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a picture; read all its pictures with folder(path)")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path} in {path.absolute().parent}; check its name and folder")
    if not path.is_file():
        raise ValueError(f"{path} is not an ordinary file; give the path of a picture file")
    with path.open("rb") as source, quiet():
        return decode_file(source, str(path), grey)


def from_array(array: np.ndarray) -> Tensor:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) numpy -> uint8 (3, H, W), as `decode` gives it.

    uint8 is taken as it is, bool as black and white, uint16 by rounding v / 257, floats must lie in [0, 1]. The fourth
    channel is opacity, and what is transparent shows white. Raises ValueError for any other shape or type.
    """
    if not isinstance(array, np.ndarray):
        given = type(array).__name__
        raise ValueError(f"from_array takes a numpy array, got {given}; convert it with numpy.asarray")
    array = np.asarray(array)  # drops subclasses, such as masked arrays
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))):
        planes_first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        remedy = "put the channels last with numpy.moveaxis(array, 0, -1)" if planes_first else "give one whole picture"
        raise ValueError(f"from_array takes (H, W) or (H, W, C) with C 1, 3 or 4, got {array.shape}; {remedy}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif array.dtype.kind == "f" or (array.dtype.kind == "u" and array.dtype.itemsize == 2):
        array = _eight_bits(array, "this array")
    elif array.dtype != np.uint8:
        raise ValueError(
            f"from_array takes uint8, uint16, bool or floats in [0, 1], got {array.dtype}; "
            "if the values lie in 0..255, use array.astype(numpy.uint8)"
        )
    squeezed = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return _tensor(np.array(_flat(Image.fromarray(np.ascontiguousarray(squeezed)), grey=False)))


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow's warnings off, and files cut short refused; both belong to the whole process, so one thread at a time."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def decode_file(source: BinaryIO, name: str, grey: bool = False) -> Tensor:
    """An open file -> uint8 (C, H, W). Call it inside `quiet`."""
    if not source.read(1):
        raise ValueError(f"{name} is empty (0 bytes); copy or export it again")
    source.seek(0)
    Image.init()
    try:
        picture = Image.open(source, formats=[known for known in FORMATS if known in Image.OPEN])
    except Image.DecompressionBombError as error:  # Pillow's own limit, met before it tells us the size
        pixels, limit = (int(number) for number in re.findall(r"\d+", str(error))[:2])
        raise _too_large(name, pixels, min(limit, MAX_PIXELS)) from error
    except Exception as error:  # a decoder may raise anything on bytes it does not understand
        raise ValueError(
            f"{name} is not a picture that can be read (PNG, JPEG, WebP, GIF, BMP, TIFF, PPM), whatever its name "
            "says; open it in a picture viewer and export it as PNG or JPEG"
        ) from error
    with picture:
        width, height = picture.size
        if height * width > MAX_PIXELS:
            raise _too_large(name, height * width, MAX_PIXELS)
        try:
            picture.load()
            upright = _upright(picture)
            deep = upright.mode.startswith(("I", "F"))  # 16 or 32 bits a pixel, always grey
            values = np.array(upright if deep else _flat(upright, grey))
        except Exception as error:
            raise ValueError(
                f"{name} ({picture.format}, {height} x {width} pixels) is broken or cut short: "
                f"{error or type(error).__name__}; copy or export it again"
            ) from error
        if upright.mode == "I" and picture.format not in ("PNG", "PPM"):  # in those two it is how 16 bits are read
            raise ValueError(
                f"{name} holds 32-bit whole numbers, {values.min()} to {values.max()}, and does not say which is "
                "white; scale them to 0..255 and use from_array"
            )
        if deep:
            levels = _eight_bits(values, name)
            levels[values == picture.info.get("transparency", -1)] = 255
            values = levels if grey else np.stack([levels] * 3, axis=-1)
    return _tensor(values)


def _too_large(name: str, pixels: int, limit: int) -> ValueError:
    return ValueError(
        f"{name} has {pixels:,} pixels, and at most {limit:,} are decoded; make it smaller first, or, if you trust it, "
        "read it with Pillow yourself and use from_array"
    )


def _upright(picture: Image.Image) -> Image.Image:
    try:
        orientation = picture.getexif().get(_ORIENTATION)
    except Exception:  # garbled EXIF says nothing about the pixels, so they stay as stored
        orientation = None
    return picture.transpose(_TURN[orientation]) if orientation in _TURN else picture


def _flat(picture: Image.Image, grey: bool) -> Image.Image:
    """Any 8-bit mode -> L or RGB, on white."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    if picture.mode != "L":
        picture = picture.convert("RGB")
    return picture.convert("L" if grey else "RGB")


def _eight_bits(values: np.ndarray, name: str) -> np.ndarray:
    """16-bit whole numbers, or floats in [0, 1] -> uint8, rounded."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            floats = torch.from_numpy(values.astype(np.float32 if values.itemsize <= 4 else np.float64))
        return to_uint8(expect_unit(name, floats)).numpy()
    return ((values.astype(np.int32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257


def _tensor(values: np.ndarray) -> Tensor:
    """(H, W) or (H, W, C) -> (C, H, W)"""
    values = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return torch.from_numpy(np.array(values, order="C"))
