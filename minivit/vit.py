"""The whole vision transformer: pixels in, contextual tokens or one vector out.

Legend: B images, C channels, H W pixels, P patch side, (rows, cols) the grid, N = rows * cols patch tokens, K prefix
tokens (the class token first, then registers), D width, heads. Patchify, project, give positions, encode, choose what
to read out.

Source: Dosovitskiy et al. 2021, section 3.1; registers: Darcet et al. 2024; a stem of convolutions: Xiao et al. 2021.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from minivit.attention import padding
from minivit.blocks import ACTIVATIONS, Encoder
from minivit.patches import Grid, PatchEmbed, _check_pixels, _check_sizes, _tensor, _whole
from minivit.pooling import class_pool
from minivit.positions import LearnedPositions, coordinates


@dataclass(frozen=True)
class ViTConfig:
    """The numbers of a ViT; ViT-Base/16 at 224 unless told. Raises ValueError for nonsense, with the remedy."""

    size: tuple[int, int] | int = (224, 224)  # pixels, (height, width); one number means a square
    patch: int = 16
    channels: int = 3
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int | None = None  # the MLP's inner width; None means 4 * width
    prefix: int = 1  # class token and registers
    eps: float = 1e-6
    activation: str = "gelu"
    layer_scale: float | None = None
    drop_path: float = 0.0

    def __post_init__(self):
        size = (self.size, self.size) if isinstance(self.size, int) else self.size
        if not isinstance(size, tuple | list) or len(size) != 2:
            raise ValueError(f"size is (height, width) in pixels, or one number for a square; got {self.size!r}")
        object.__setattr__(self, "size", tuple(size))
        _whole(self.width, "width", "values")
        object.__setattr__(self, "hidden", 4 * self.width if self.hidden is None else self.hidden)
        for name, unit in (("hidden", "values"), ("channels", "colours"), ("heads", "heads")):
            _whole(getattr(self, name), name, unit)
        for name, unit in (("depth", "blocks"), ("prefix", "tokens")):
            _whole(getattr(self, name), name, unit, least=0)
        scale = 0.0 if self.layer_scale is None else self.layer_scale
        for name, value in (("eps", self.eps), ("drop_path", self.drop_path), ("layer_scale", scale)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be a number, 0 or above; got {value!r}")
        Grid.of(*size, self.patch)
        if self.width % self.heads:
            fitting = [n for n in range(1, self.width + 1) if self.width % n == 0]
            raise ValueError(f"{self.heads} heads do not divide the width {self.width}; these do: {fitting}")
        if self.activation not in tuple(ACTIVATIONS):
            raise ValueError(f"there is no activation {self.activation!r}; there are {', '.join(ACTIVATIONS)}")
        if not self.eps > 0 or not self.drop_path < 1:
            raise ValueError(f"eps must be above 0 and drop_path from 0 to below 1; got {self.eps}, {self.drop_path}")

    @property
    def grid(self) -> Grid:
        """How many patches lie below and beside each other at this size."""
        return Grid.of(*self.size, self.patch)

    @property
    def head_dim(self) -> int:
        """The numbers that each head works in, D / heads."""
        return self.width // self.heads


SIZES = {  # width, depth, heads, MLP width
    "Ti": (192, 12, 3, 768),  # Touvron et al. 2021 (DeiT), table 1
    "S": (384, 12, 6, 1536),  # the same
    "B": (768, 12, 12, 3072),  # Dosovitskiy et al. 2021, table 1
    "L": (1024, 24, 16, 4096),  # the same
    "H": (1280, 32, 16, 5120),  # the same
    "So400m": (1152, 27, 16, 4304),  # Alabdulmohsin et al. 2023
}


def vit_config(name: str, size: tuple[int, int] | int = 224, prefix: int = 1) -> ViTConfig:
    """The config called, for example, "B/16" or "H/14": a size of `SIZES` and a patch side, for pictures of `size`."""
    letters, _, patch = str(name).partition("/")
    if letters not in SIZES or not patch.isdecimal():
        raise ValueError(
            f"a ViT is called size/patch, for example B/16, with a size of {', '.join(SIZES)}; got {name!r}"
        )
    width, depth, heads, hidden = SIZES[letters]
    return ViTConfig(size, int(patch), 3, width, depth, heads, hidden, prefix)


class Features(NamedTuple):
    """What a ViT saw, from the inside."""

    tokens: Tensor  # (B, K + N, D), after the final norm
    prefix: Tensor  # (B, K, D), the first K of them
    patches: Tensor  # (B, N, D), the others, in raster order
    pooled: Tensor | None  # (B, D), None for a model without a pool
    grid: Grid  # rows * cols = N
    blocks: tuple[Tensor, ...]  # depth times (B, K + N, D): the stream after each block, not normed
    weights: tuple[Tensor, ...]  # depth times (B, heads, K + N, K + N) on request, else ()


class ViT(nn.Module):
    """(B, C, H, W) -> (B, classes) with a pool and a head, (B, D) with a pool, (B, K + N, D) with pool=None.

    The parts are passed in. `stem` takes pictures (B, C, H, W) to tokens (B, N, D) and is a PatchEmbed unless told;
    `positions` gives what is added to them, one learned vector a slot unless told; `rotary` what turns queries and
    keys; `before` works on all tokens before the first block, as a layer norm does in CLIP; `pool` reads one vector out
    of all tokens; `head` works on that vector, for example nn.Linear(D, classes).

    Prefix tokens have no place. The original adds a position to its class token too; two learned vectors that are
    always added are one vector, so here there is one.
    """

    def __init__(
        self,
        config: ViTConfig,
        *,
        stem: nn.Module | None = None,
        positions: nn.Module | None = None,
        rotary: nn.Module | None = None,
        before: nn.Module | None = None,
        pool: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = class_pool,
        head: nn.Module | None = None,
    ):
        super().__init__()
        if not isinstance(config, ViTConfig):
            raise ValueError(f"a ViT is built from a ViTConfig, for example vit_config('B/16'); got {config!r}")
        if pool is None and head is not None:
            raise ValueError("a head works on the pooled vector, and pool=None gives none: pass a pool, or no head")
        c = self.config = config
        self.stem = PatchEmbed(c.patch, c.width, c.channels) if stem is None else stem
        self.positions = LearnedPositions(c.grid, c.width) if positions is None else positions
        self.prefix = nn.Parameter(torch.randn(c.prefix, c.width) * 0.02)
        self.rotary, self.before = rotary, before
        options = {"activation": c.activation, "layer_scale": c.layer_scale, "drop_path": c.drop_path}
        self.encoder = Encoder(c.width, c.depth, c.heads, c.hidden, eps=c.eps, **options)
        self.pool, self.head = pool, head
        self.encoder.apply(_initialise)

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> what the class says; `mask` (B, N) is True at real patches and None where all are."""
        tokens, places = self.embed(images)
        tokens = self.encoder(tokens, self._attention_mask(mask, tokens), places)
        return tokens if self.pool is None else self.read_out(tokens, mask)

    def embed(self, images: Tensor) -> tuple[Tensor, Callable | None]:
        """(B, C, H, W) -> what goes into the blocks, (B, K + N, D), and what turns queries and keys, or None."""
        patches = self.stem(images)
        grid = Grid.of(images.shape[-2], images.shape[-1], self.config.patch)
        where = coordinates(grid, images.device).to(torch.promote_types(self.prefix.dtype, torch.float32))
        # the stem's dtype: under autocast the whole stream is then in half precision, which is quicker
        places = self.positions(where, grid).to(patches.dtype)
        self._check_parts(patches, places, grid)
        patches = patches + places
        prefix = self.prefix.to(patches.dtype).expand(len(patches), -1, -1)
        rotate = None if self.rotary is None else self.rotary(where, grid)
        tokens = torch.cat([prefix, patches], dim=1)
        return tokens if self.before is None else self.before(tokens), rotate

    def read_out(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, K + N, D) -> (B, D), or what the head makes of it. Raises ValueError where there is nothing to pool."""
        pooled = self.pool(tokens[:, self.config.prefix :], tokens[:, : self.config.prefix], mask)
        return pooled if self.head is None else self.head(pooled)

    def features(self, images: Tensor, mask: Tensor | None = None, weights: bool = False) -> Features:
        """(B, C, H, W) -> every intermediate; with `weights` also who read whom in every block and head."""
        tokens, places = self.embed(images)
        trace = self.encoder.trace(tokens, self._attention_mask(mask, tokens), places, weights)
        prefix, patches = trace.output[:, : self.config.prefix], trace.output[:, self.config.prefix :]
        pooled = None if self.pool is None else self.pool(patches, prefix, mask)
        grid = Grid.of(images.shape[-2], images.shape[-1], self.config.patch)
        return Features(trace.output, prefix, patches, pooled, grid, trace.blocks, trace.weights)

    def _check_parts(self, patches: Tensor, places: Tensor, grid: Grid) -> None:
        """A stem for another patch side, or one vector for all places, would spread over the tokens unnoticed."""
        count, width = grid.tokens, self.config.width
        if patches.shape[1:] != (count, width) or places.shape[-2:] not in ((count, width), (count, 1)):
            raise ValueError(
                f"{grid.rows} x {grid.cols} patches of {self.config.patch} pixels at width {width} need a stem that "
                f"gives (B, {count}, {width}) and positions ({count}, {width}); got {tuple(patches.shape)} and "
                f"{tuple(places.shape)}: build both with the numbers of the config"
            )

    def _attention_mask(self, mask: Tensor | None, tokens: Tensor) -> Tensor | None:
        """(B, N) -> (B, 1, 1, K + N): prefix tokens may always be read."""
        if mask is None:
            return None
        expected = (tokens.shape[0], tokens.shape[1] - self.config.prefix)
        if _tensor(mask, "a mask").dtype != torch.bool or mask.shape != expected:
            raise ValueError(
                f"a mask is boolean (B, N) = {expected}, True at real patches; got {mask.dtype}, {tuple(mask.shape)}"
            )
        return padding(torch.cat([mask.new_ones(len(mask), self.config.prefix), mask], dim=1))


class ConvStem(nn.Module):
    """Convolutions of 3 x 3 that halve the picture until P pixels are one token: (B, C, H, W) -> (B, N, D).

    Each is followed by batch norm and ReLU, and doubles the channels; a convolution of 1 x 1 ends at D. Neighbouring
    patches overlap here, which makes small models train faster. P must be a power of 2. Source: Xiao et al. 2021.
    """

    def __init__(self, patch: int, width: int, channels: int = 3):
        super().__init__()
        _check_sizes(patch, width, channels)
        if patch < 2 or patch & (patch - 1):
            raise ValueError(
                f"the stem halves the picture until a patch is a pixel: P must be 2, 4, 8, ...; got {patch}"
            )
        self.patch, self.channels = patch, channels
        halvings = patch.bit_length() - 1
        inner = [max(width >> (halvings - i), 8) for i in range(1, halvings + 1)]
        layers: list[nn.Module] = []
        for before, after in zip([channels, *inner[:-1]], inner, strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(inner[-1], width, 1)).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) floating -> (B, N, D)."""
        _check_pixels(images, self.channels, self.layers[-1].weight.dtype)
        Grid.of(images.shape[-2], images.shape[-1], self.patch)
        return rearrange(self.layers(images), "b d rows cols -> b (rows cols) d")


def _initialise(module: nn.Module) -> None:
    """Linear maps that keep the size of what passes through them (Glorot and Bengio 2010), and no offsets."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
