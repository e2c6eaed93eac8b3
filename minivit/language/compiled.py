"""A token's whole way as one piece of machine code: what does it cost when nothing stands between its sums?

Legend: D width, V vocabulary, L places that there is room for, S those up to the new token, heads, kv_heads, head_dim.
One text, so a token is a row.

The product of a row with a matrix is one pass over the matrix, and a loop says that as well as a library does. numba
makes machine code of the loops below, when the first step is made, which then takes seconds. The sums are those of
`plain_step` in another order; a test holds them equal. Several texts are served better by torch: there a weight, once
fetched, is used for all of them.
"""

import weakref
from collections.abc import Iterator
from math import log

import numpy as np
import torch
from torch import Tensor

from minivit.language.cache import Cache
from minivit.language.model import CausalBlock, Language, LanguageConfig
from minivit.language.stepping import Step, is_own

try:
    from numba import njit
except ImportError as error:
    raise ImportError("the compiled step needs numba: pip install 'minivit[fast]'") from error

__all__ = ["compiled_step"]

# sums may be taken in any order, so that many of their terms are added at a time
compiled = njit(fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
LN2 = log(2)


@compiled
def tokens(asked, table, valid, cos, sin, blocks, keys, values, norm, head, eps, powers):
    """Token after token, (V,) each: of the id, at the index, with the place that are in `asked` when one is wanted.

    Arrays are handed over once, and made once; at every token either would take as long as many of its sums. A token's
    keys and values join those that are kept. It ends, and lets go of all arrays, when the id that is asked for is -1.
    """
    row, found, shares = np.empty_like(norm), np.empty_like(norm), np.empty(len(valid), norm.dtype)
    parts, both = np.empty(len(blocks[0][1]), norm.dtype), np.empty(len(blocks[0][4]), norm.dtype)
    while asked[0] >= 0:
        at, place, x = asked[1], asked[2], table[asked[0]].copy()  # (D,)
        for n in range(len(blocks)):
            norm1, qkv, out, norm2, gate_up, down = blocks[n]
            product(qkv, normed(x, norm1, eps, row), parts)
            attended(parts, at, valid, cos[place], sin[place], keys[n], values[n], found, shares[: at + 1], powers)
            x += product(out, found, row)
            product(gate_up, normed(x, norm2, eps, row), both)
            x += product(down, gated(both, powers), row)
        yield product(head, normed(x, norm, eps, row), np.empty(len(head), x.dtype))


@compiled
def product(weight, x, out):
    """(rows, columns) by (columns,) -> out (rows,)."""
    for row in range(len(weight)):
        total = x.dtype.type(0)
        for i in range(len(x)):
            total += weight[row, i] * x[i]
        out[row] = total
    return out


@compiled
def normed(x, weight, eps, out):
    """(D,) -> out (D,): `rms_norm`."""
    number = x.dtype.type
    total = number(0)
    for value in x:
        total += value * value
    scale = number(1) / np.sqrt(total / number(len(x)) + eps)
    for i in range(len(x)):
        out[i] = scale * x[i] * weight[i]
    return out


@compiled
def gated(both, powers):
    """(2 hidden,) -> (hidden,), written over the first half: silu of it, times the second."""
    gate, up = both[: len(both) // 2], both[len(both) // 2 :]
    up *= gate
    exponential(gate, -1, powers)
    for i in range(len(gate)):
        gate[i] = up[i] / (gate.dtype.type(1) + gate[i])
    return gate


@compiled
def attended(parts, at, real, cos, sin, keys, values, out, shares, powers):
    """Queries, keys and values of all heads in a row -> out (D,), what the heads found in the places up to `at`."""
    kv_heads, _, head_dim = keys.shape
    rows, found = parts.reshape(-1, head_dim), out.reshape(-1, head_dim)
    heads = len(found)
    turn(rows[: heads + kv_heads], cos, sin)
    keys[:, at], values[:, at] = rows[heads : heads + kv_heads], rows[heads + kv_heads :]
    for h in range(heads):
        kv = h // (heads // kv_heads)
        scored(rows[h], keys[kv], real, shares)
        softmax(shares, powers)
        mixed(shares, values[kv], found[h])


@compiled
def turn(rows, cos, sin):
    """(heads, head_dim), turned where they are."""
    half = len(cos) // 2
    for row in rows:
        for i in range(half):
            a, b = row[i], row[half + i]
            row[i], row[half + i] = a * cos[i] + b * sin[i], b * cos[half + i] + a * sin[half + i]


@compiled
def scored(q, keys, real, out):
    """(head_dim,), (L, head_dim), (L,) -> out (S,): q k / sqrt(head_dim), -inf where nothing is real.

    A head's rows are short, and adding up the lanes of a register takes longer than such a product: four at a time.
    """
    number, four = q.dtype.type, len(out) // 4 * 4
    scale = number(1) / np.sqrt(number(len(q)))
    for s in range(0, four, 4):
        a, b, c, d = number(0), number(0), number(0), number(0)
        for i in range(len(q)):
            a, b = a + keys[s, i] * q[i], b + keys[s + 1, i] * q[i]
            c, d = c + keys[s + 2, i] * q[i], d + keys[s + 3, i] * q[i]
        out[s], out[s + 1], out[s + 2], out[s + 3] = a, b, c, d
    product(keys[four : len(out)], q, out[four:])
    for s in range(len(out)):
        out[s] = scale * out[s] if real[s] else number(-np.inf)


@compiled
def softmax(x, powers):
    """(S,), where it is."""
    most = x[0]
    for value in x:
        most = max(most, value)
    x -= most
    exponential(x, 1, powers)
    x /= x.sum()


@compiled
def mixed(shares, values, out):
    """(S,), (L, head_dim) -> out (head_dim,): sum of shares times values."""
    four = len(shares) // 4 * 4
    out[:] = 0
    for s in range(0, four, 4):
        a, b, c, d = shares[s], shares[s + 1], shares[s + 2], shares[s + 3]
        for i in range(len(out)):
            out[i] += a * values[s, i] + b * values[s + 1, i] + c * values[s + 2, i] + d * values[s + 3, i]
    for s in range(four, len(shares)):
        for i in range(len(out)):
            out[i] += shares[s] * values[s, i]


@compiled
def exponential(x, sign, powers):
    """e^(sign x), where it is: 2^n e^r with whole n and |r| at most half of ln 2, for many numbers at a time.

    A library's call takes them one by one. Beyond what a number can hold the result stays at the last that it can.
    """
    number = x.dtype.type
    mantissa, bias, most = (23, 127, 87) if x.itemsize == 4 else (52, 1023, 708)
    for i in range(len(x)):
        value = min(max(number(sign) * x[i], number(-most)), number(most))
        n = np.rint(value * number(1 / LN2))
        r = value - n * number(LN2)
        square = r * r
        even = number(665280) + square * (number(75600) + square * (number(840) + square))
        odd = r * (number(332640) + square * (number(10080) + square * number(42)))
        x[i] = (even + odd) / (even - odd)  # Pade's fraction of order 6
        powers[i] = (np.int64(n) + bias) << mantissa  # the bits of 2^n
    x *= powers[: len(x)].view(x.dtype)


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
    c, shapes = model.config, [array.shape for array in (rows, norm, head, *keys, *values, *sum(blocks, ()))]
    if shapes != _sizes(c, len(rows), len(head), cache.length):
        raise ValueError("weights and cache must be of the sizes that the config says (see `Cache.of`)")
    cos, sin = (_array(t.to(table.dtype)) for t in cache.turns)
    eps, valid, asked = rows.dtype.type(c.eps), _array(cache.valid[0]), np.zeros(3, np.int64)
    powers = np.empty(max(c.hidden, cache.length), f"i{rows.itemsize}")
    told = tokens(asked, rows, valid, cos, sin, blocks, keys, values, norm, head, eps, powers)

    def step(ids: Tensor) -> Tensor:
        token, at = int(ids), cache.filled
        if not 0 <= token < len(rows) or at >= cache.length:  # machine code would not notice
            raise ValueError(f"ids are 0 to {len(rows) - 1}, and places 0 to {cache.length - 1}; got {token} at {at}")
        asked[0], asked[1], asked[2] = token, at, int(valid[: at + 1].sum()) - 1 if cache.padded else at
        logits = torch.from_numpy(next(told)[None])
        cache.advance(1)
        return logits

    weakref.finalize(step, _end, asked, told).atexit = False
    return step


def _end(asked: np.ndarray, told: Iterator[np.ndarray]) -> None:
    """A generator of machine code that is merely dropped keeps its arrays for good."""
    asked[0] = -1
    next(told, None)


def _weights(block: CausalBlock) -> tuple[np.ndarray, ...]:
    attention, mlp = block.attention, block.mlp
    parts = block.norm1, attention.qkv, attention.out, block.norm2, mlp.gate_up, mlp.down
    return tuple(_array(part.weight) for part in parts)


def _sizes(c: LanguageConfig, table: int, head: int, length: int) -> list[tuple[int, ...]]:
    """Of table, last norm and head, of all keys and values, and of the blocks' weights."""
    width, lines = c.width, (c.heads + 2 * c.kv_heads) * c.head_dim
    block = [(width,), (lines, width), (width, width), (width,), (2 * c.hidden, width), (width, c.hidden)]
    kept = (c.kv_heads, length, c.head_dim)
    return [(table, width), (width,), (head, width), *[kept] * (2 * c.depth), *block * c.depth]


def _array(t: Tensor) -> np.ndarray:
    """The same memory."""
    return t.detach().numpy()
