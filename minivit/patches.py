"""Patches: an image becomes a sequence of tokens, and back.

Legend: B images, C channels, H W pixels, P patch side, (rows, cols) the grid of patches, N = rows * cols tokens,
D width. Order is always (rows, cols), (y, x), H before W. A flat patch lists its values in the order
(row, column, channel).

Three numbers are easily confused: the token count N = (H / P)(W / P), the raw width P * P * C of one flat patch, and
the width D to which every patch is projected. Source: Dosovitskiy et al. 2021, section 3.1, equation 1.
"""

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn


class Grid(NamedTuple):
    """How many patches lie below and beside each other: a pair, never a count."""

    rows: int
    cols: int

    @property
    def tokens(self) -> int:
        """N = rows * cols."""
        return self.rows * self.cols

    @classmethod
    def of(cls, height: int, width: int, patch: int) -> "Grid":
        """The grid of an H x W image cut into patches of P x P pixels.

        Raises ValueError when P does not divide a side, with the nearest sizes that it does divide.
        """
        return cls(_count(height, patch, "height"), _count(width, patch, "width"))


def _count(side: int, patch: int, name: str) -> int:
    if _whole(side, f"the {name}", "pixels", least=0) < 1:
        raise ValueError(f"the image is empty: its {name} is {side} pixels")
    count, over = divmod(side, _whole(patch, "the patch side", "pixels"))
    if over:
        sizes = f"{count * patch} or {(count + 1) * patch}" if count else f"{patch}"
        raise ValueError(
            f"the {name}, {side} pixels, is not divisible by the patch side {patch}: {count} patches, "
            f"remainder {over}. Crop or resize it to {sizes}, or choose a patch side that divides {side}"
        )
    return count


def _whole(number: int, name: str, unit: str, least: int = 1) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise ValueError(f"{name} must be a whole number of {unit}, at least {least}; got {number!r}")
    return number


def _tensor(value: Tensor, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a tensor; got {type(value).__name__}. minivit.images reads files and arrays")
    return value


def patchify(image: Tensor, patch: int) -> Tensor:
    """(..., C, H, W) -> (..., N, P*P*C): cut into patches in raster order, each flattened as (row, column, channel).

    Values are only moved, never changed, so any dtype works and `unpatchify` undoes it exactly. Raises ValueError when
    P does not divide H and W.
    """
    if _tensor(image, "an image").ndim < 3:
        raise ValueError(f"an image is (..., C, H, W), three axes or more; got shape {tuple(image.shape)}")
    Grid.of(image.shape[-2], image.shape[-1], patch)
    return rearrange(image, "... c (rows y) (cols x) -> ... (rows cols) (y x c)", y=patch, x=patch)


def unpatchify(tokens: Tensor, grid: Grid, patch: int) -> Tensor:
    """(..., N, P*P*C) -> (..., C, H, W): the exact inverse of `patchify`.

    The grid must be told: 12 tokens may be 3 x 4 or 4 x 3 patches. Raises ValueError when the tokens do not fill it.
    """
    _whole(patch, "the patch side", "pixels")
    if not isinstance(grid, tuple) or len(grid) != 2:
        raise ValueError(f"a grid is a pair, Grid(rows, cols); got {grid!r}")
    rows, cols = (_whole(count, name, "patches") for count, name in zip(grid, ("rows", "cols"), strict=True))
    if _tensor(tokens, "tokens").ndim < 2 or tokens.shape[-2] != rows * cols:
        raise ValueError(
            f"a grid of {rows} x {cols} needs tokens (..., {rows * cols}, P*P*C); got {tuple(tokens.shape)}"
        )
    if tokens.shape[-1] == 0 or tokens.shape[-1] % (patch * patch):
        raise ValueError(
            f"a flat patch of side {patch} has {patch * patch} values a channel; {tokens.shape[-1]} do not fit"
        )
    return rearrange(
        tokens, "... (rows cols) (y x c) -> ... c (rows y) (cols x)", rows=rows, cols=cols, y=patch, x=patch
    )


class PatchEmbed(nn.Module):
    """Cut, then one linear map that all patches share: (B, C, H, W) -> (B, N, D)."""

    def __init__(self, patch: int, width: int, channels: int = 3):
        super().__init__()
        _check_sizes(patch, width, channels)
        self.patch, self.channels = patch, channels
        self.projection = nn.Linear(patch * patch * channels, width)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) floating -> (B, N, D)."""
        _check_pixels(images, self.channels, self.projection.weight.dtype)
        return self.projection(patchify(images, self.patch))


class ConvPatchEmbed(nn.Module):
    """The same map as one convolution with kernel P and stride P: (B, C, H, W) -> (B, N, D)."""

    def __init__(self, patch: int, width: int, channels: int = 3):
        super().__init__()
        _check_sizes(patch, width, channels)
        self.patch, self.channels = patch, channels
        self.projection = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) floating -> (B, N, D)."""
        _check_pixels(images, self.channels, self.projection.weight.dtype)
        Grid.of(images.shape[-2], images.shape[-1], self.patch)  # a convolution would drop the rest without a word
        return rearrange(self.projection(images), "b d rows cols -> b (rows cols) d")


def _check_sizes(patch: int, width: int, channels: int) -> None:
    _whole(patch, "the patch side", "pixels")
    _whole(width, "the width D", "values")
    _whole(channels, "channels", "colours")


def _check_pixels(images: Tensor, channels: int, dtype: torch.dtype) -> None:
    if _tensor(images, "images").ndim != 4 or images.shape[1] != channels:
        raise ValueError(f"expected images (B, {channels}, H, W); got shape {tuple(images.shape)}")
    if not images.is_floating_point():
        raise ValueError(f"expected floating pixels, got {images.dtype}: call minivit.images.to_float on them first")
    if images.dtype != dtype and not torch.is_autocast_enabled(images.device.type):
        raise ValueError(f"the pixels are {images.dtype} and the weights {dtype}: convert one of them with .to(...)")


def linear_from_conv(weight: Tensor) -> Tensor:
    """(D, C, P, P) -> (D, P*P*C): a convolution's weight, reordered for flat patches of (row, column, channel)."""
    if _tensor(weight, "a weight").ndim != 4 or weight.shape[-2] != weight.shape[-1]:
        raise ValueError(f"a patch convolution's weight is (D, C, P, P); got shape {tuple(weight.shape)}")
    return rearrange(weight, "d c y x -> d (y x c)")


def conv_from_linear(weight: Tensor, patch: int) -> Tensor:
    """(D, P*P*C) -> (D, C, P, P): the inverse of `linear_from_conv`."""
    _whole(patch, "the patch side", "pixels")
    if _tensor(weight, "a weight").ndim != 2 or weight.shape[1] == 0 or weight.shape[1] % (patch * patch):
        raise ValueError(
            f"a weight for patches of side {patch} is (D, {patch * patch} * C); got shape {tuple(weight.shape)}"
        )
    return rearrange(weight, "d (y x c) -> d c y x", y=patch, x=patch)


class PatchCost(NamedTuple):
    """What a patch size costs, for one image, forward.

    FLOPs count two per multiply-accumulate; norms, biases, softmax and the head are left out.
    """

    tokens: int  # N
    raw_width: int  # P*P*C values in a flat patch
    pairs: int  # N*N scores that one attention head computes
    embed_flops: int  # the patch projection
    linear_flops: int  # query, key, value, output and MLP maps of all layers
    attention_flops: int  # scores and weighted sums of all layers

    @property
    def flops(self) -> int:
        """All three together."""
        return self.embed_flops + self.linear_flops + self.attention_flops


def cost(
    height: int, width: int, patch: int, *, channels: int = 3, model_width: int = 768, layers: int = 12
) -> PatchCost:
    """Tokens, raw width, pairs and FLOPs of an encoder with MLP ratio 4 on an H x W image; ViT-Base unless told.

    A layer multiplies by 4 D*D weights in attention and 8 D*D in the MLP: 24 N D*D FLOPs. Scores and weighted sums take
    2 N*N*D each. No class token is counted.
    """
    for number, name in ((channels, "channels"), (model_width, "model_width"), (layers, "layers")):
        _whole(number, name, "units", least=0 if name == "layers" else 1)
    tokens, raw_width = Grid.of(height, width, patch).tokens, patch * patch * channels
    return PatchCost(
        tokens=tokens,
        raw_width=raw_width,
        pairs=tokens * tokens,
        embed_flops=2 * tokens * raw_width * model_width,
        linear_flops=24 * tokens * model_width * model_width * layers,
        attention_flops=4 * tokens * tokens * model_width * layers,
    )
