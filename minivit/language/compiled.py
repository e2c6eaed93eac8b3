"""A token's whole way as one piece of machine code: what does it cost when nothing stands between its sums?

Legend: D width, V vocabulary, S places up to the new token, heads, kv_heads, head_dim. One text, so a token is a row.

The product of a row with a matrix is one pass over the matrix, and a loop says that as well as a library does. numba
makes machine code of the loops below, at the first token, in a few seconds. The sums are those of `plain_step` in
another order; a test holds them equal. Several texts are served better by torch: there a weight, once fetched, is used
for all of them.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from minivit.language.cache import Cache
from minivit.language.model import CausalBlock, Language
from minivit.language.stepping import Step, is_own

try:
    from numba import njit
except ImportError as error:
    raise ImportError("the compiled step needs numba: pip install 'minivit[fast]'") from error

__all__ = ["compiled_step"]

# sums may be taken in any order, so that many of their terms are added at a time
compiled = njit(fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")


class Weights(NamedTuple):
    """A block's, as arrays that share their memory with the model's."""

    norm1: np.ndarray  # (D,)
    qkv: np.ndarray  # ((heads + 2 kv_heads) head_dim, D)
    out: np.ndarray  # (D, D)
    norm2: np.ndarray  # (D,)
    gate_up: np.ndarray  # (2 hidden, D)
    down: np.ndarray  # (D, hidden)


@compiled
def token(x, at, real, cos, sin, blocks, keys, values, norm, head, eps):
    """The token at `at` reads what is `real` (S,): (D,) -> (V,). Its keys and values join those that are kept."""
    for n in range(len(blocks)):
        block = blocks[n]
        parts = product(block.qkv, normed(x, block.norm1, eps))
        x = x + product(block.out, attended(parts, at, real, cos, sin, keys[n], values[n]))
        x = x + product(block.down, gated(product(block.gate_up, normed(x, block.norm2, eps))))
    return product(head, normed(x, norm, eps))


@compiled
def product(weight, x):
    """(rows, columns) by (columns,) -> (rows,)."""
    out = np.empty(len(weight), x.dtype)
    for row in range(len(weight)):
        total = x.dtype.type(0)
        for i in range(len(x)):
            total += weight[row, i] * x[i]
        out[row] = total
    return out


@compiled
def normed(x, weight, eps):
    """(D,) -> (D,): `rms_norm`."""
    total = x.dtype.type(0)
    for value in x:
        total += value * value
    return x / np.sqrt(total / x.dtype.type(len(x)) + eps) * weight


@compiled
def gated(both):
    """(2 hidden,) -> (hidden,): silu of the one half, times the other."""
    gate, up = both[: len(both) // 2], both[len(both) // 2 :]
    return gate / (1 + np.exp(-gate)) * up


@compiled
def attended(parts, at, real, cos, sin, keys, values):
    """Queries, keys and values of all heads in a row -> (D,), what the heads found in the places up to `at`."""
    kv_heads, _, head_dim = keys.shape
    rows = parts.reshape(-1, head_dim)
    heads = len(rows) - 2 * kv_heads
    turn(rows[: heads + kv_heads], cos, sin)
    keys[:, at], values[:, at] = rows[heads : heads + kv_heads], rows[heads + kv_heads :]
    found = np.empty((heads, head_dim), parts.dtype)
    for h in range(heads):
        kv = h // (heads // kv_heads)
        attend(rows[h], keys[kv, : at + 1], values[kv, : at + 1], real, found[h])
    return found.ravel()


@compiled
def turn(rows, cos, sin):
    """(heads, head_dim), turned where they are."""
    half = len(cos) // 2
    for row in rows:
        for i in range(half):
            a, b = row[i], row[half + i]
            row[i], row[half + i] = a * cos[i] + b * sin[i], b * cos[half + i] + a * sin[half + i]


@compiled
def attend(q, keys, values, real, out):
    """(head_dim,), twice (S, head_dim), (S,): softmax(q k / sqrt(head_dim)) v is written to out (head_dim,)."""
    scores = np.where(real, product(keys, q) * q.dtype.type(len(q) ** -0.5), q.dtype.type(-np.inf))
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    out[:] = 0
    for s in range(len(values)):
        for i in range(len(out)):
            out[i] += shares[s] * values[s, i]


def compiled_step(model: Language, cache: Cache) -> Step:
    """`plain_step` for one text, as machine code: pass it to `stream` or `generate` as `stepping`.

    The weights stay where they are. Raises ValueError for more texts than one, for other numbers than float32 and
    float64 on a CPU, and for a model whose parts were exchanged or are listened to, by LoRA or a hook for instance.
    """
    table = model.table.weight
    fits = table.device.type == "cpu" and table.dtype in (torch.float32, torch.float64)
    if not fits or torch.is_autocast_enabled("cpu"):
        raise ValueError(
            f"the compiled step computes in float32 or float64 on a CPU, without autocast; got {table.dtype} on "
            f"{table.device}: leave out `stepping`"
        )
    if len(cache.valid) != 1:
        raise ValueError(f"the compiled step writes one text; got {len(cache.valid)}: leave out `stepping`")
    if not is_own(model):
        raise ValueError(
            "the compiled step knows the parts of a plain `Language` alone: merge LoRA (`merge_lora`), remove hooks, "
            "or leave out `stepping`"
        )
    blocks = tuple(map(_weights, model.blocks))
    keys, values = (tuple(_array(t[0]) for t in kept) for kept in (cache.keys, cache.values))
    rows, norm, head = map(_array, (table, model.norm.weight, model.head.weight))
    cos, sin = (_array(t.to(table.dtype)) for t in cache.turns)
    eps, valid = rows.dtype.type(model.config.eps), _array(cache.valid[0])

    def step(ids: Tensor) -> Tensor:
        at = cache.filled
        real = valid[: at + 1]
        place = int(real.sum()) - 1 if cache.padded else at
        logits = token(rows[int(ids)], at, real, cos[place], sin[place], blocks, keys, values, norm, head, eps)
        cache.advance(1)
        return torch.from_numpy(logits)[None]

    return step


def _weights(block: CausalBlock) -> Weights:
    attention, mlp = block.attention, block.mlp
    parts = block.norm1, attention.qkv, attention.out, block.norm2, mlp.gate_up, mlp.down
    return Weights(*(_array(part.weight) for part in parts))


def _array(t: Tensor) -> np.ndarray:
    """The same memory."""
    return t.detach().numpy()
