"""Attention: every token asks, every token answers, and each takes a weighted mean of what it may read.

Legend: B images, N tokens that ask, M tokens that are read (N = M in an encoder), D width, heads and
head_dim = D / heads. A mask is boolean, True where a token may be read, and broadcasts to (B, heads, N, M).

Source: Vaswani et al. 2017, section 3.2, equation 1. `attend` is that equation; `attend_fast` is equal to it in value
and gradient and takes whichever way is quicker.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attended(NamedTuple):
    """What attention gives, and how it came about."""

    output: Tensor  # (B, heads, N, head_dim) from `attend`, (B, N, D) from `Attention`
    weights: Tensor  # (B, heads, N, M), each row sums to 1, or to 0 where nothing may be read


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Attended:
    """softmax(q k^T / sqrt(head_dim)) v: q (B, heads, N, head_dim), k and v (B, heads, M, head_dim).

    A query that may read nothing gets zeros, and passes no gradient back.
    """
    _belong_together(q, k, v)
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:  # the lowest number instead of -inf, so that a row of nothing is no NaN; then nothing is made of it
        hidden = ~_readable(mask, scores.shape)
        weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(dim=-1).masked_fill(hidden, 0)
    return Attended(weights.to(v.dtype) @ v, weights)


def attend_fast(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """The output of `attend`, (B, heads, N, head_dim), the quick way."""
    _belong_together(q, k, v)
    if mask is not None:
        _readable(mask, (*q.shape[:-1], k.shape[-2]))
        mask = mask.flatten(0, -2) if mask.ndim > 2 and mask.shape[:-2].numel() == 1 else mask  # one for all
    if products_are_quicker(q, k, v) and (mask is None or (mask.ndim == 2 and mask.any(dim=-1).all())):
        batch = q.shape[:-2]
        q, k, v = (t.flatten(0, -3) for t in (q, k, v))  # (B heads, N or M, head_dim)
        # one call for product, scale and mask costs no second pass over the scores; beta=0: there is nothing to add
        hidden = q.new_empty(1) if mask is None else q.new_zeros(mask.shape).masked_fill(~mask, float("-inf"))
        options = {"beta": 0 if mask is None else 1, "alpha": q.shape[-1] ** -0.5}
        scores = torch.baddbmm(hidden, q, k.transpose(-2, -1), **options)
        return (scores.softmax(dim=-1) @ v).unflatten(0, batch)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def products_are_quicker(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether two plain matrix products beat the fused kernel, as they do in some cases on a CPU.

    The fused kernel saves the memory of the weights, which a few hundred tokens can spare, by working through small
    blocks. Large products serve the processor better for gradients in bfloat16, for all of bfloat16 without AMX, and
    for float32 at raised precision. The book's page on speed has the measurements.
    """
    if v.device.type != "cpu" or q.shape[-2] * k.shape[-2] > 640**2:
        return False
    if v.dtype == torch.bfloat16:
        return (v.requires_grad and torch.is_grad_enabled()) or not torch.cpu._is_amx_tile_supported()
    return v.dtype == torch.float32 and torch.get_float32_matmul_precision() == "medium"


class Attention(nn.Module):
    """Self-attention with several heads: (B, N, D) -> (B, N, D).

    Each head attends within its own head_dim numbers of query, key and value; one linear map mixes what they found.
    `rotate`, if given, turns queries and keys by their places (see `positions.Rotary2D`).
    Raises ValueError when the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, bias: bool = True):
        super().__init__()
        if min(width, heads) < 1 or width % heads:
            fitting = [n for n in range(1, width + 1) if width % n == 0]
            raise ValueError(f"{heads} heads do not divide the width {width}; these do: {fitting}")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, x: Tensor, mask: Tensor | None = None, rotate: Callable | None = None) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        q, k, v = self.queries_keys_values(x, rotate)
        return self.out(_side_by_side(attend_fast(q, k, v, mask)))

    def attended(self, x: Tensor, mask: Tensor | None = None, rotate: Callable | None = None) -> Attended:
        """(B, N, D) -> the same output, by the plain form, and the weights (B, heads, N, N)."""
        output, weights = attend(*self.queries_keys_values(x, rotate), mask)
        return Attended(self.out(_side_by_side(output)), weights)

    def queries_keys_values(self, x: Tensor, rotate: Callable | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) -> three times (B, heads, N, head_dim)."""
        if x.ndim != 3 or x.shape[-1] != self.qkv.in_features:
            raise ValueError(f"expected tokens (B, N, {self.qkv.in_features}); got shape {tuple(x.shape)}")
        # no einops pattern here: 48 of them took a hundredth of a small CLIP's forward
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, heads, N, head_dim)
        return (q, k, v) if rotate is None else (rotate(q), rotate(k), v)


def full(count: int, device: torch.device | str | None = None) -> Tensor:
    """-> (N, N): every token may read every token, as in an image encoder."""
    return torch.ones(count, count, dtype=torch.bool, device=device)


def causal(count: int, device: torch.device | str | None = None) -> Tensor:
    """-> (N, N): a token may read itself and those before it, as in a language model that writes left to right."""
    return full(count, device).tril()


def padding(valid: Tensor) -> Tensor:
    """(B, N) -> (B, 1, 1, N): real tokens may be read, padding may not. What padding itself reads is of no account.

    Padding must hold finite numbers: it is weighted by 0, and 0 times NaN is NaN.
    """
    _masks(valid, "valid", torch.bool)
    return valid[:, None, None, :]


def packing(segments: Tensor) -> Tensor:
    """(B, N) whole numbers -> (B, 1, N, N): tokens read their own segment only, so several images share a sequence.

    A negative number marks padding, which reads nothing and is not read. Source: Dehghani et al. 2023, section 2.2.
    """
    _masks(segments, "segments", None)
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, None, :])[:, None]


def _side_by_side(output: Tensor) -> Tensor:
    """(B, heads, N, head_dim) -> (B, N, D): what the heads found, one beside the other."""
    return output.transpose(1, 2).flatten(2)


def _masks(value: Tensor, name: str, dtype: torch.dtype | None) -> None:
    whole = not value.is_floating_point() and value.dtype != torch.bool if dtype is None else value.dtype == dtype
    if value.ndim != 2 or not whole:
        kind = "whole numbers" if dtype is None else "True and False"
        raise ValueError(f"{name} is (B, N) of {kind}; got {value.dtype} of shape {tuple(value.shape)}")


def _belong_together(q: Tensor, k: Tensor, v: Tensor) -> None:
    """ValueError unless every key has its value: torch's fused form answers without a word."""
    same = q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    if not same or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (q, k, v))
        raise ValueError(f"q is (B, heads, N, head_dim) and k and v are (B, heads, M, head_dim); got {shapes}")


def _readable(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The mask itself, if it is boolean and broadcasts to the scores (B, heads, N, M)."""
    if mask.dtype != torch.bool:
        raise ValueError(f"a mask is boolean, True where a token may be read; got {mask.dtype}")
    fits = mask.ndim <= len(shape) and all(a in (1, b) for a, b in zip(mask.shape[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"a mask of shape {tuple(mask.shape)} does not broadcast to the scores {tuple(shape)}")
    return mask
