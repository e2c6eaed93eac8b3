"""The numbers of a picture: its type and its size.

    B images, C channels (RGB first), H W pixels; a picture is (C, H, W), a batch is (B, C, H, W)

A picture is uint8, 0 to 255, as it was decoded or drawn. `to_float` makes it float32 in [0, 1], which is what models
read; `to_uint8` goes back.
"""

import operator

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_PIXELS = 2**26  # 8,192 x 8,192; decoding takes about ten bytes a pixel, so this stays below 0.7 GB


def to_float(pixels: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [0, 1] of the same shape, value / 255.

    Floats come back as they are once they pass the check: ValueError if any is NaN, infinite or outside [0, 1], with
    how many and where the first stands, or if the type is another.
    """
    expect_tensor("to_float", pixels)
    return pixels.to(torch.float32) / 255 if pixels.dtype == torch.uint8 else expect_unit("this picture", pixels)


def to_uint8(pixels: Tensor) -> Tensor:
    """Floats in [0, 1] of any shape -> uint8 of the same shape, rounded; undoes `to_float` exactly.

    uint8 comes back as it is. Raises ValueError like `to_float`.
    """
    expect_tensor("to_uint8", pixels)
    if pixels.dtype == torch.uint8:
        return pixels
    return (expect_unit("this picture", pixels).to(torch.float32) * 255).round().clamp(0, 255).to(torch.uint8)


def resize(image: Tensor, height: int, width: int) -> Tensor:
    """(..., C, H, W) -> (..., C, height, width), uint8 or float, type kept: bilinear, and averaged where it shrinks.

    The picture is stretched to the new shape; `fit` keeps its proportions. Averaging (antialiasing) lets every old
    pixel count, so thin lines fade instead of vanishing. Raises ValueError for a size below 1 or too few axes.
    """
    height, width = _expect_picture("resize", image, height, width)
    if image.shape[-2:] == (height, width):
        return image
    if width == 1 and height > 1:  # torch 2.13's antialiasing repeats the first row where the result is one pixel wide
        return resize(image.mT, 1, height).mT.contiguous()
    exact = image if image.dtype in (torch.float32, torch.float64) else image.to(torch.float32)
    batch = exact.reshape(-1, *exact.shape[-3:])
    resized = F.interpolate(batch, (height, width), mode="bilinear", align_corners=False, antialias=True)
    resized = resized.reshape(*image.shape[:-2], height, width)
    return (resized if image.is_floating_point() else resized.round().clamp(0, 255)).to(image.dtype)


def fit(image: Tensor, height: int, width: int) -> Tensor:
    """(..., C, H, W) -> (..., C, height, width): the largest middle part of those proportions, then `resize`.

    Use it to give any picture a size that the patch side divides. Raises ValueError like `resize`.
    """
    height, width = _expect_picture("fit", image, height, width)
    old_height, old_width = image.shape[-2:]
    scale = min(old_height / height, old_width / width)
    keep_height = max(1, min(old_height, round(scale * height)))
    keep_width = max(1, min(old_width, round(scale * width)))
    top, left = (old_height - keep_height) // 2, (old_width - keep_width) // 2
    return resize(image[..., top : top + keep_height, left : left + keep_width], height, width)


def expect_tensor(function: str, pixels: Tensor) -> None:
    """ValueError unless it is a tensor."""
    if not isinstance(pixels, Tensor):
        given = type(pixels).__name__
        raise ValueError(f"{function} takes a tensor, got {given}; make one of a numpy array with images.from_array")


def expect_unit(name: str, pixels: Tensor) -> Tensor:
    """Floats -> the same floats, or ValueError if they are no pixels. A hair outside [0, 1] is rounding and passes."""
    if not pixels.is_floating_point():
        raise ValueError(
            f"{name} has type {pixels.dtype}; pixels are uint8 (0 to 255) or floats in [0, 1]: convert it first"
        )
    bad = ~torch.isfinite(pixels)
    if bad.any():
        first = tuple(bad.nonzero()[0].tolist())
        raise ValueError(
            f"{name} has {int(bad.sum())} of {pixels.numel()} values NaN or infinite, the first at index {first}; "
            "mend them where they arise, or replace them (torch.nan_to_num)"
        )
    plain = pixels.detach()
    low, high = (float(plain.min()), float(plain.max())) if plain.numel() else (0.0, 1.0)
    if low < -1e-3 or high > 1 + 1e-3:
        raise ValueError(
            f"{name} has float values from {low:.6g} to {high:.6g}, outside [0, 1]; divide by the value that means "
            "white (often 255), or clamp(0, 1)"
        )
    return pixels


def _expect_picture(function: str, image: Tensor, height: int, width: int) -> tuple[int, int]:
    expect_tensor(function, image)
    asked = f"{height!r} and {width!r}"
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"{function} takes uint8 or float pixels, got {image.dtype}; convert it first")
    if image.ndim < 3 or 0 in image.shape:
        remedy = "leave empty pictures out" if image.ndim >= 3 else "add the channel axis"
        raise ValueError(f"{function} takes (..., C, H, W), none of them 0, got {tuple(image.shape)}; {remedy}")
    try:
        height, width = operator.index(height), operator.index(width)  # whole numbers of numpy and torch will do
    except TypeError:
        height, width = 0, 0
    if height < 1 or width < 1:
        raise ValueError(f"{function} takes a height and a width in whole pixels, 1 or more, got {asked}")
    if height * width > MAX_PIXELS:
        made = height * width
        raise ValueError(f"{function} to {height} x {width} makes {made:,} pixels; ask for at most {MAX_PIXELS:,}")
    return height, width
