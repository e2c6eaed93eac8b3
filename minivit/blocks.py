"""Blocks: a stream of tokens that attention and an MLP read and add to, again and again.

Legend: B images, N tokens, D width, heads, head_dim = D / heads. Blocks are pre-norm: a copy of the stream is
normalised, worked on, and added back, so from the first layer to the last there is a path on which nothing multiplies.

Sources: Vaswani et al. 2017, section 3 (the block); Dosovitskiy et al. 2021, equations 2 and 3 (pre-norm in a ViT); Ba
et al. 2016 (layer norm); Touvron et al. 2021 (layer scale); Huang et al. 2016 (drop path).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.attention import Attention
from minivit.patches import _whole


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-6) -> Tensor:
    """(..., D) -> (..., D): every token to mean 0 and variance 1, then scaled and shifted.

    The plain form of nn.LayerNorm. The variance divides by D, not by D - 1, and eps stands inside the root.
    """
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return centred / torch.sqrt(variance + eps) * weight + bias


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x): the approximation that OpenAI's CLIP was trained with."""
    bent = 1.702 * x
    # silu(x) = x * sigmoid(x) keeps one tensor less for the way back; without a way back, sigmoid needs no new one
    return F.silu(bent) / 1.702 if bent.requires_grad else x * bent.sigmoid_()


# Released checkpoints differ here: see each one's config.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,  # x times the share of a normal distribution below x (Hendrycks and Gimpel 2016)
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "quick_gelu": quick_gelu,
}


class MLP(nn.Module):
    """Two linear maps and a bend between them, for every token by itself: (..., D) -> (..., D)."""

    def __init__(self, width: int, hidden: int, activation: str = "gelu", bias: bool = True):
        super().__init__()
        _whole(width, "the width D", "values")
        _whole(hidden, "the MLP's inner width, hidden,", "values")
        if activation not in tuple(ACTIVATIONS):
            raise ValueError(f"there is no activation {activation!r}; there are {', '.join(ACTIVATIONS)}")
        self.up, self.down = nn.Linear(width, hidden, bias=bias), nn.Linear(hidden, width, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return self.down(self.activation(self.up(x)))


class LayerScale(nn.Module):
    """A learned factor for each of the D numbers that a branch adds, small at the start: (..., D) -> (..., D)."""

    def __init__(self, width: int, start: float):
        super().__init__()
        if not isinstance(start, int | float) or not abs(start) < float("inf"):
            raise ValueError(f"layer scale starts at a number, for example 1e-4; got {start!r}")
        self.weight = nn.Parameter(torch.full((width,), float(start)))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        return x * self.weight


class DropPath(nn.Module):
    """While training, leaves out a branch for a share `rate` of the pictures: (B, N, D) -> (B, N, D).

    The branches that stay are divided by 1 - rate, so the mean over many draws is the branch itself.
    """

    def __init__(self, rate: float):
        super().__init__()
        if not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(f"drop path leaves out a share of 0 or more and less than 1; got {rate!r}")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        if not self.training or self.rate == 0:
            return x
        stay = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * (stay / (1 - self.rate)).to(x.dtype)


class Block(nn.Module):
    """Attention between tokens, then an MLP within each, both added to the stream: (B, N, D) -> (B, N, D).

    `hidden` is the MLP's inner width, 4 D unless told; `layer_scale` the start of its factors, None for none.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int | None = None,
        *,
        eps: float = 1e-6,
        activation: str = "gelu",
        layer_scale: float | None = None,
        drop_path: float = 0.0,
        bias: bool = True,
    ):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=eps), nn.LayerNorm(width, eps=eps)
        self.attention = Attention(width, heads, bias)
        self.mlp = MLP(width, 4 * width if hidden is None else hidden, activation, bias)
        scale = nn.Identity if layer_scale is None else partial(LayerScale, width, layer_scale)
        self.scale1, self.scale2, self.drop = scale(), scale(), DropPath(drop_path)

    def forward(self, x: Tensor, mask: Tensor | None = None, rotate: Callable | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.drop(self.scale1(self.attention(self.norm1(x), mask, rotate)))
        return x + self.drop(self.scale2(self.mlp(self.norm2(x))))


class Trace(NamedTuple):
    """Everything an encoder had on the way."""

    output: Tensor  # (B, N, D), after the final norm if there is one
    blocks: tuple[Tensor, ...]  # depth times (B, N, D): the stream after each block, not normed
    weights: tuple[Tensor, ...]  # depth times (B, heads, N, N) on request, else ()


class Encoder(nn.Module):
    """A stack of blocks and, as the stream itself is never normalised, one norm at its end: (B, N, D) -> (B, N, D).

    Drop path grows from 0 in the first block to `drop_path` in the last.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        hidden: int | None = None,
        *,
        eps: float = 1e-6,
        activation: str = "gelu",
        layer_scale: float | None = None,
        drop_path: float = 0.0,
        final_norm: bool = True,
    ):
        super().__init__()
        _whole(depth, "the depth", "blocks", least=0)
        rates = [DropPath(drop_path).rate * i / max(depth - 1, 1) for i in range(depth)]
        options = {"eps": eps, "activation": activation, "layer_scale": layer_scale}
        self.blocks = nn.ModuleList(Block(width, heads, hidden, drop_path=rate, **options) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=eps) if final_norm else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None, rotate: Callable | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        for block in self.blocks:
            x = block(x, mask, rotate)
        return self.norm(x)

    def trace(
        self, x: Tensor, mask: Tensor | None = None, rotate: Callable | None = None, weights: bool = False
    ) -> Trace:
        """(B, N, D) -> the output, the stream after every block and, on request, all attention weights."""
        streams, seen = [], []
        for block in self.blocks:
            if weights:
                seen.append(block.attention.attended(block.norm1(x), mask, rotate).weights)
            x = block(x, mask, rotate)
            streams.append(x)
        return Trace(self.norm(x), tuple(streams), tuple(seen))
