"""Pooling: many tokens become one vector for the picture.

Legend: B images, N patch tokens, K prefix tokens (the class token first, then registers), D width. A pool is called
pool(patches (B, N, D), prefix (B, K, D), mask) -> (B, D). The mask (B, N) is True at real patches, None where all are.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from minivit.attention import attend_fast, padding
from minivit.blocks import MLP
from minivit.patches import _whole


def class_pool(patches: Tensor, prefix: Tensor, mask: Tensor | None = None) -> Tensor:
    """(B, N, D), (B, K, D) -> (B, D): the class token, which has read the patches in every layer.

    Source: Dosovitskiy et al. 2021, equation 4. Raises ValueError when there is no prefix token.
    """
    if prefix.ndim != 3 or prefix.shape[1] == 0:
        raise ValueError(
            f"there is no class token to read in prefix tokens (B, K, D) of shape {tuple(prefix.shape)}: give the "
            f"model prefix=1, or pool with mean_pool"
        )
    return prefix[:, 0]


def mean_pool(patches: Tensor, prefix: Tensor, mask: Tensor | None = None) -> Tensor:
    """(B, N, D), (B, K, D) -> (B, D): the mean of the real patches; prefix tokens are left out.

    Raises ValueError, naming the picture, where there is no real patch.
    """
    _something(patches, mask)
    if mask is None:
        return patches.mean(dim=1)
    return patches.masked_fill(~mask[..., None], 0).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def max_pool(patches: Tensor, prefix: Tensor, mask: Tensor | None = None) -> Tensor:
    """(B, N, D), (B, K, D) -> (B, D): the largest of the real patches, number by number; prefix tokens are left out.

    One patch with something small to say is heard as well as all of them together, where a mean hears 1/N of it.
    Raises ValueError, naming the picture, where there is no real patch.
    """
    _something(patches, mask)
    if mask is None:
        return patches.amax(dim=1)
    return patches.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)


class AttentionPool(nn.Module):
    """A learned question put to all patches, then an MLP on the answer: (B, N, D), (B, K, D) -> (B, D).

    The question itself is not added back: x + MLP(norm(x)) is the only shortcut. Source: SigLIP's head, after Lee et
    al. 2019 (Set Transformer), section 3.2. Raises ValueError, naming the picture, where there is no real patch.
    """

    def __init__(
        self, width: int, heads: int, hidden: int | None = None, *, eps: float = 1e-6, activation: str = "gelu"
    ):
        super().__init__()
        if _whole(width, "the width D", "values") % _whole(heads, "heads", "heads"):
            raise ValueError(f"{heads} heads do not divide the width {width}: choose another number of heads")
        self.heads = heads
        self.probe = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, 4 * width if hidden is None else hidden, activation)

    def forward(self, patches: Tensor, prefix: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, N, D), (B, K, D) -> (B, D)."""
        _something(patches, mask)
        q = rearrange(self.query(self.probe.expand(len(patches), -1, -1)), "b n (h d) -> b h n d", h=self.heads)
        k, v = rearrange(self.key_value(patches), "b n (two h d) -> two b h n d", two=2, h=self.heads)
        read = attend_fast(q, k, v, None if mask is None else padding(mask))
        x = self.out(rearrange(read, "b h n d -> b n (h d)"))
        return (x + self.mlp(self.norm(x)))[:, 0]


def _something(patches: Tensor, mask: Tensor | None) -> None:
    """ValueError where a picture has nothing to pool, or the mask is not of its patches."""
    if patches.ndim != 3:
        raise ValueError(f"patches are (B, N, D); got shape {tuple(patches.shape)}")
    if patches.shape[1] == 0:
        raise ValueError("there is nothing to pool: the pictures have no patches")
    if mask is None:
        return
    if mask.dtype != torch.bool or mask.shape != patches.shape[:2]:
        raise ValueError(
            f"a mask is boolean (B, N) = {tuple(patches.shape[:2])}, True at real patches; got {mask.dtype} of shape "
            f"{tuple(mask.shape)}"
        )
    empty = (~mask.any(dim=1)).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(f"there is nothing to pool in picture {empty[0]} of {len(mask)}: all its patches are masked")
