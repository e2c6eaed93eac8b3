"""A small residual network: convolutions all the way, to be compared with a ViT.

Legend: B images, C channels, H W pixels, P pixels from one token to the next, (rows, cols) the grid, N = rows * cols
tokens, D width. The last map of a ResNet is read as tokens, one a place, so that pools and heads serve both kinds.

A convolution slides one small window over the picture. Two things are thereby known before the first picture is seen:
what belongs together lies close together, and a thing stays itself when it moves. A ViT has to learn both.

Sources: He et al. 2016, section 3.3 (blocks, projections on the way around) and section 4.2 (the small ones); Ioffe and
Szegedy 2015 (batch norm); He et al. 2015 (the size of the first weights).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.patches import Grid, _check_pixels, _whole
from minivit.pooling import mean_pool


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """(kernel side, stride) of each convolution, first to last -> the side in pixels of what one output looks at.

    A window of k reaches k - 1 steps further than one point does, and a step is as long as all strides before it
    together. Raises ValueError for a kernel or a stride that is no whole number, at least 1.
    """
    side, step = 1, 1
    for kernel, stride in layers:
        side += (_whole(kernel, "the kernel side", "pixels") - 1) * step
        step *= _whole(stride, "the stride", "pixels")
    return side


@dataclass(frozen=True)
class ResNetConfig:
    """The numbers of a ResNet; the 20 layers of He et al. 2016, section 4.2, unless told. ValueError for nonsense."""

    widths: tuple[int, ...] = (16, 32, 64)  # channels of each stage; every stage but the first halves the picture
    depths: tuple[int, ...] | int = 3  # blocks in each stage, two convolutions each; one number for all
    stride: int = 1  # pixels from one window of the stem to the next
    channels: int = 3
    eps: float = 1e-5

    def __post_init__(self):
        if not isinstance(self.widths, tuple | list) or not self.widths:
            raise ValueError(f"widths are the channels of each stage, for example (16, 32, 64); got {self.widths!r}")
        depths = self.depths if isinstance(self.depths, tuple | list) else (self.depths,) * len(self.widths)
        for depth in depths:
            _whole(depth, "a stage's depth", "blocks")
        if len(depths) != len(self.widths):
            raise ValueError(f"{len(self.widths)} widths need as many depths, or one number for all; got {depths}")
        for width in self.widths:
            _whole(width, "a stage's width", "channels")
        _whole(self.stride, "the stem's stride", "pixels")
        _whole(self.channels, "channels", "colours")
        if isinstance(self.eps, bool) or not isinstance(self.eps, int | float) or not 0 < self.eps < float("inf"):
            raise ValueError(f"eps must be a number above 0; got {self.eps!r}")
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "depths", tuple(depths))

    @property
    def width(self) -> int:
        """D, the channels of the last stage."""
        return self.widths[-1]

    @property
    def patch(self) -> int:
        """P: all strides together. It must divide the sides of a picture, as a patch must."""
        return self.stride * 2 ** (len(self.widths) - 1)

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride of each block, in order."""
        return tuple(
            2 if stage and not block else 1 for stage, depth in enumerate(self.depths) for block in range(depth)
        )

    @property
    def field(self) -> int:
        """The side in pixels of what one token looks at, with the stem of 3 x 3. A ViT's looks at everything."""
        return receptive_field([(3, self.stride), *((3, s) for stride in self.strides for s in (stride, 1))])


class Convolution(nn.Module):
    """One window for all places, then batch norm: (B, C, H, W) -> (B, D, H / stride, W / stride).

    Zeros are put around the picture, so that a window at its border has something to look at. Batch norm brings every
    channel to mean 0 and variance 1 over all pictures and places of a batch, and when it is evaluated by the averages
    that it kept; a bias before it would be taken out again.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, eps: float = 1e-5):
        super().__init__()
        self.weights = nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(width, eps=eps)
        # The sum over a window of k * k * D outputs keeps its size on the way back, half of it lost to ReLU.
        nn.init.kaiming_normal_(self.weights.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H / stride, W / stride)."""
        return self.norm(self.weights(x))


class ResidualBlock(nn.Module):
    """Two convolutions of 3 x 3 and a way around them: (B, C, H, W) -> (B, D, H / stride, W / stride).

    The way around is the picture itself, or a convolution of 1 x 1 where the shape changes.
    """

    def __init__(self, channels: int, width: int, stride: int = 1, eps: float = 1e-5):
        super().__init__()
        self.first = Convolution(channels, width, 3, stride, eps)
        self.second = Convolution(width, width, 3, 1, eps)
        same = channels == width and stride == 1
        self.around = nn.Identity() if same else Convolution(channels, width, 1, stride, eps)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H / stride, W / stride)."""
        return F.relu(self.around(x) + self.second(F.relu(self.first(x))))


class ConvFeatures(NamedTuple):
    """What a ResNet saw, from the inside; what a ViT's Features has too is called as there."""

    tokens: Tensor  # (B, N, D), the last map, in raster order
    prefix: Tensor  # (B, 0, D): there are none
    patches: Tensor  # (B, N, D), the same as the tokens
    pooled: Tensor | None  # (B, D), None for a model without a pool
    grid: Grid  # rows * cols = N
    maps: tuple[Tensor, ...]  # (B, channels, height, width): the stem's map, then each block's


class ResNet(nn.Module):
    """(B, C, H, W) -> (B, classes) with a pool and a head, (B, D) with a pool, (B, N, D) with pool=None.

    As with a ViT the parts are passed in. `stem` takes pictures to (B, widths[0], H / stride, W / stride) and is a
    convolution of 3 x 3 unless told; `pool` reads one vector out of all tokens; `head` works on that vector. There are
    no positions, no prefix tokens and no mask: a window next to padding would read it.
    """

    def __init__(
        self,
        config: ResNetConfig,
        *,
        stem: nn.Module | None = None,
        pool: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = mean_pool,
        head: nn.Module | None = None,
    ):
        super().__init__()
        if not isinstance(config, ResNetConfig):
            raise ValueError(f"a ResNet is built from a ResNetConfig, for example ResNetConfig(); got {config!r}")
        if pool is None and head is not None:
            raise ValueError("a head works on the pooled vector, and pool=None gives none: pass a pool, or no head")
        if stem is None and config.stride > 3:
            raise ValueError(f"a window of 3 x 3 with a stride of {config.stride} would skip pixels: pass a wider stem")
        c = self.config = config
        first = Convolution(c.channels, c.widths[0], 3, c.stride, c.eps)
        self.stem = nn.Sequential(first, nn.ReLU()) if stem is None else stem
        after = [width for width, depth in zip(c.widths, c.depths, strict=True) for _ in range(depth)]
        sizes = zip(pairwise([c.widths[0], *after]), c.strides, strict=True)
        self.blocks = nn.ModuleList(ResidualBlock(*pair, stride, c.eps) for pair, stride in sizes)
        self.pool, self.head = pool, head
        self.to(memory_format=torch.channels_last)  # a place's channels lie together: quicker on a CPU

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> what the class says."""
        tokens = _tokens(self.maps(images)[-1])
        return tokens if self.pool is None else self.read_out(tokens)

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) -> the stem's map and each block's, the last (B, D, rows, cols)."""
        _check_pixels(images, self.config.channels, self.blocks[0].first.weights.weight.dtype)
        grid = Grid.of(images.shape[-2], images.shape[-1], self.config.patch)
        maps = [self.stem(images)]
        self._check_stem(maps[0], images)
        for block in self.blocks:
            maps.append(block(maps[-1]))
        assert maps[-1].shape[1:] == (self.config.width, *grid)
        return tuple(maps)

    def read_out(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, D), or what the head makes of it."""
        pooled = self.pool(tokens, tokens[:, :0], None)
        return pooled if self.head is None else self.head(pooled)

    def features(self, images: Tensor) -> ConvFeatures:
        """(B, C, H, W) -> every intermediate."""
        maps = self.maps(images)
        tokens, grid = _tokens(maps[-1]), Grid(*maps[-1].shape[-2:])
        pooled = None if self.pool is None else self.pool(tokens, tokens[:, :0], None)
        return ConvFeatures(tokens, tokens[:, :0], tokens, pooled, grid, maps)

    def _check_stem(self, first: Tensor, images: Tensor) -> None:
        """ValueError where the stem passed in does not belong to the config."""
        height, width = (side // self.config.stride for side in images.shape[-2:])
        expected = (len(images), self.config.widths[0], height, width)
        if first.shape != expected:
            raise ValueError(
                f"these pictures need a stem that gives (B, {self.config.widths[0]}, {height}, {width}); got "
                f"{tuple(first.shape)}"
            )


def _tokens(last: Tensor) -> Tensor:
    return rearrange(last, "b d rows cols -> b (rows cols) d")
