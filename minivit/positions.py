"""Positions: where a token lay, told to a model that cannot see it.

Legend: B images, (rows, cols) the grid of patches, N = rows * cols tokens, D width, K prefix tokens (class token,
registers), y the row and x the column of a patch. Order is always (rows, cols), (y, x).

Attention treats its tokens as a set, so a position must be put in by hand. Three ways: add a fixed vector of sines and
cosines, add a learned vector for each slot of the grid, or rotate queries and keys by an angle that grows with the
position. All of them are called with coordinates (N, 2) and the grid in which these count, never with a bare count:
12 tokens may be 3 x 4 or 4 x 3.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.patches import Grid, _tensor, _whole


def coordinates(grid: Grid, device: torch.device | str | None = None) -> Tensor:
    """Grid -> (N, 2): (y, x) of every patch in raster order, in patches: (0, 0) up to (rows - 1, cols - 1), float32."""
    grid = _grid(grid, "a grid")
    y, x = torch.arange(grid.rows, device=device), torch.arange(grid.cols, device=device)
    return torch.cartesian_prod(y, x).reshape(-1, 2).float()


class NoPositions(nn.Module):
    """Nothing is told: zeros. What a bag of patches can do is the baseline for all that follow."""

    def forward(self, coordinates: Tensor, grid: Grid) -> Tensor:
        """(..., N, 2) -> (..., N, 1), zeros: added to tokens of any width, they change nothing."""
        return torch.zeros_like(_pairs(coordinates)[..., :1])


class SinCosPositions(nn.Module):
    """Fixed sines and cosines of the column and of the row: (..., N, 2) -> (..., N, D).

    A quarter of the width each for sin x, cos x, sin y, cos y, at D / 4 frequencies from 1 down to 1 / temperature.
    It has no weights and knows every coordinate, so it goes with every grid. Source: Vaswani et al. 2017, section 3.5,
    in two dimensions as Beyer et al. 2022 use it. Raises ValueError when 4 does not divide D.
    """

    def __init__(self, width: int, temperature: float = 10_000.0):
        super().__init__()
        if not isinstance(width, int) or width < 8 or width % 4:
            raise ValueError(
                f"sines and cosines of x and y take a quarter of the width each: D must be a multiple of 4, at least "
                f"8; got {width!r}"
            )
        self.width, self.temperature = width, _temperature(temperature)

    def forward(self, coordinates: Tensor, grid: Grid) -> Tensor:
        """(..., N, 2) -> (..., N, D), as exact as the coordinates are. The grid makes no difference here."""
        frequencies = _frequencies(self.width // 4, self.temperature, coordinates, last=True)
        y, x = (_pairs(coordinates)[..., None] * frequencies).unbind(-2)  # (..., N, D / 4) each
        return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], dim=-1)


class LearnedPositions(nn.Module):
    """One learned vector for every slot of a grid: (..., N, 2) whole coordinates -> (..., N, D).

    The table is tied to its grid. For another one it is resampled if `resampling` says how, and refused otherwise.
    Source: Dosovitskiy et al. 2021, section 3.1, equation 1, without the class token's row (see `vit`).
    """

    def __init__(self, grid: Grid, width: int, resampling: "Resampling | None" = None):
        super().__init__()
        _whole(width, "the width D", "values")
        self.grid, self.resampling = _grid(grid, "the table's grid"), resampling
        self.table = nn.Parameter(torch.randn(self.grid.tokens, width) * 0.02)

    def forward(self, coordinates: Tensor, grid: Grid) -> Tensor:
        """(..., N, 2) -> (..., N, D). Raises ValueError for another grid without resampling, or a place outside it."""
        grid = _grid(grid, "the picture's grid")
        y, x = _slots(coordinates, grid)
        return self.table_for(grid)[y * grid.cols + x]

    def table_for(self, grid: Grid) -> Tensor:
        """The table (rows * cols, D) for a grid: its own as it is, another one resampled."""
        if grid == self.grid:
            return self.table
        if self.resampling is None:
            raise ValueError(
                f"the position table is for {self.grid.rows} x {self.grid.cols} patches and the picture has "
                f"{grid.rows} x {grid.cols}: resize the picture, or tell LearnedPositions how to resample, for example "
                f"resampling=positions.TRANSFORMERS"
            )
        return self.resampling(self.table, self.grid, grid)


@dataclass(frozen=True)
class Resampling:
    """How a position table is carried to another grid. Sources differ, so their outputs at a new size do too.

    `mode` is "bilinear" or "bicubic". With `align_corners` the outermost slots stay the outermost; otherwise slots are
    cells and their borders meet. `antialias` widens the filter when the grid shrinks. `offset`, in slots, is added to
    the new size before it is divided by the old one, and the ratio is then used as the step (DINOv2's first code).
    """

    mode: str
    align_corners: bool = False
    antialias: bool = False
    offset: float = 0.0

    def __post_init__(self):
        if self.mode not in ("bilinear", "bicubic"):
            raise ValueError(f"mode must be 'bilinear' or 'bicubic'; got {self.mode!r}")
        if (self.align_corners and (self.antialias or self.offset)) or (self.antialias and self.offset):
            raise ValueError("corners aligned, antialias and an offset exclude each other: choose one of the three")
        if not isinstance(self.offset, int | float) or not 0 <= self.offset < 1:
            raise ValueError(f"the offset is a part of a slot, from 0 to below 1; got {self.offset!r}")

    def __call__(self, table: Tensor, old: Grid, new: Grid, prefix: int = 0) -> Tensor:
        """(K + N, D) or (1, K + N, D) -> the same for the new grid; the K prefix rows are kept as they are.

        Interpolates in float32 at least, and gives the table's own dtype back. Raises ValueError when the table does
        not fill the old grid.
        """
        old, new = _grid(old, "the old grid"), _grid(new, "the new grid")
        _whole(prefix, "prefix", "tokens", least=0)
        if not _tensor(table, "a table").is_floating_point():
            raise ValueError(f"a position table is floating; got {table.dtype}: convert it with .float()")
        if table.ndim not in (2, 3) or (table.ndim == 3 and len(table) != 1) or table.shape[-2] != prefix + old.tokens:
            raise ValueError(
                f"a table for {prefix} prefix tokens and {old.rows} x {old.cols} patches is ({prefix + old.tokens}, D) "
                f"or (1, {prefix + old.tokens}, D); got {tuple(table.shape)}"
            )
        if old == new:
            return table
        kept, slots = table[..., :prefix, :], table[..., prefix:, :].reshape(old.tokens, -1)
        image = rearrange(slots, "(rows cols) d -> 1 d rows cols", rows=old.rows)
        image = image if image.dtype == torch.float64 else image.float()
        image = self._resized(image, old, new).to(table.dtype)
        slots = rearrange(image, "1 d rows cols -> (rows cols) d")
        return torch.cat([kept, slots.expand(*table.shape[:-2], -1, -1)], dim=-2)

    def _resized(self, image: Tensor, old: Grid, new: Grid) -> Tensor:
        """(1, D, rows, cols) -> the same on the new grid."""
        if self.offset:
            scale = tuple((n + self.offset) / o for n, o in zip(new, old, strict=True))
            resized = F.interpolate(image, scale_factor=scale, mode=self.mode)
            if resized.shape[-2:] != new:  # torch rounds old * scale down: without the offset it loses a row
                raise ValueError(
                    f"resampling {old.rows} x {old.cols} to {new.rows} x {new.cols} by a scale factor gives "
                    f"{resized.shape[-2]} x {resized.shape[-1]}: take an offset of 0.1, or resample by size"
                )
            return resized
        align = self.align_corners or None  # antialiasing refuses a plain False
        return F.interpolate(image, size=tuple(new), mode=self.mode, align_corners=align, antialias=self.antialias)


# Each read in its source; they agree on the table's own grid and nowhere else.
BIG_VISION = Resampling("bilinear", align_corners=True)  # big_vision, models/vit.py: scipy's zoom of order 1
TRANSFORMERS = Resampling("bicubic")  # transformers: ViT, CLIP, SigLIP, DINOv2
TIMM = Resampling("bicubic", antialias=True)  # timm, layers/pos_embed.py
DINOV2 = Resampling("bicubic", offset=0.1)  # dinov2's hub code
DINOV2_REGISTERS = Resampling("bicubic", antialias=True)  # dinov2's models with registers
NAFLEX = Resampling("bilinear", antialias=True)  # SigLIP 2 NaFlex, in float32


class Rotary2D(nn.Module):
    """Turns pairs of numbers in queries and keys by angles that grow with the place: scores then see differences only.

    The first half of a head turns with y, the second with x; pair i of a half is its numbers i and i + head_dim / 4 and
    turns by place * temperature^(-4 i / head_dim) radians. Source: Su et al. 2021, section 3.2, once for each axis.
    Raises ValueError when 4 does not divide head_dim.
    """

    def __init__(self, head_dim: int, temperature: float = 100.0):
        super().__init__()
        if not isinstance(head_dim, int) or head_dim < 4 or head_dim % 4:
            raise ValueError(f"y and x turn pairs of numbers: head_dim must be a multiple of 4; got {head_dim!r}")
        self.head_dim, self.temperature = head_dim, _temperature(temperature)

    def forward(self, coordinates: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
        """(N, 2) or (B, N, 2) -> rotate, which takes (B, heads, K + N, head_dim) to the same shape.

        The last N tokens turn; prefix tokens before them have no place and stay as they are.
        """
        frequencies = _frequencies(self.head_dim // 4, self.temperature, coordinates, last=False)
        angles = _pairs(coordinates)[..., None] * frequencies  # (..., N, 2, head_dim / 4)
        angles = angles.repeat(*[1] * (angles.ndim - 1), 2).flatten(-2)  # (..., N, head_dim): [y y x x]
        if angles.ndim == 3:
            angles = angles[:, None]  # one axis for the heads
        cos, sin = angles.cos(), angles.sin()
        return lambda tokens: _rotated(tokens, cos, sin)


def _rotated(tokens: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    count = cos.shape[-2]
    batch = cos.shape[0] if cos.ndim == 4 else 1
    fits = tokens.ndim == 4 and tokens.shape[-2] >= count and tokens.shape[-1] == cos.shape[-1]
    if not fits or batch not in (1, len(tokens)):
        raise ValueError(
            f"places of shape {(*cos.shape[:-3], count, 2)} turn tokens (B, heads, {count} or more, {cos.shape[-1]}); "
            f"got shape {tuple(tokens.shape)}"
        )
    prefix, patches = tokens.split([tokens.shape[-2] - count, count], dim=-2)
    a, b, c, d = patches.chunk(4, dim=-1)  # pairs (a, b) turn with y, (c, d) with x
    turned = patches * cos.to(tokens.dtype) + torch.cat([-b, a, -d, c], dim=-1) * sin.to(tokens.dtype)
    return torch.cat([prefix, turned], dim=-2)


def _frequencies(count: int, temperature: float, like: Tensor, last: bool) -> Tensor:
    """(count): from 1 down, geometrically, to 1 / temperature, which is reached only if it is to be the last.

    Made for each call and no buffer: `.to(torch.bfloat16)` would round a buffer, and far places would be lost.
    """
    steps = torch.arange(count, dtype=torch.float64) / (max(count - 1, 1) if last else count)
    return (1 / temperature**steps).to(_pairs(like).device, torch.promote_types(like.dtype, torch.float32))


def _temperature(value: float) -> float:
    if not isinstance(value, int | float) or not 1 < value < float("inf"):
        raise ValueError(f"the temperature must be a number above 1; got {value!r}")
    return value


def _pairs(coordinates: Tensor) -> Tensor:
    if _tensor(coordinates, "coordinates").ndim < 2 or coordinates.shape[-1] != 2:
        raise ValueError(f"coordinates are (..., N, 2), a (y, x) for each token; got shape {tuple(coordinates.shape)}")
    return coordinates


def _slots(coordinates: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """(..., N, 2) -> rows and columns (..., N) as whole numbers inside the grid."""
    slots = _pairs(coordinates).long()
    size = torch.tensor(grid, device=slots.device)
    if not slots.is_meta and not bool(((slots == coordinates) & (slots >= 0) & (slots < size)).all()):
        raise ValueError(
            f"a table of {grid.rows} x {grid.cols} has rows 0 to {grid.rows - 1} and columns 0 to {grid.cols - 1}, "
            f"whole numbers; the coordinates reach from {coordinates.min().item():g} to {coordinates.max().item():g}"
        )
    return slots.unbind(-1)


def _grid(grid: Grid, name: str) -> Grid:
    if not isinstance(grid, tuple) or len(grid) != 2 or not all(type(n) is int and n > 0 for n in grid):
        raise ValueError(f"{name} is a pair, Grid(rows, cols), of whole numbers from 1 on; got {grid!r}")
    return Grid(*grid)
