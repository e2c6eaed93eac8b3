"""A token's whole way as one piece of machine code: what does it cost when nothing stands between its sums?

Legend: D width, V vocabulary, L places that there is room for, S those up to the new token, heads, kv_heads, head_dim.
One text, so a token is a row.

The product of a row with a matrix is one pass over the matrix, and a loop says that as well as a library does. numba
makes machine code of the loops below, when they are first run, which then takes seconds.
"""

from math import log

import numpy as np

try:
    from numba import njit
except ImportError as error:
    raise ImportError("the compiled step needs numba: pip install 'minivit[fast]'") from error

# sums may be taken in any order, so that many of their terms are added at a time
compiled = njit(fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
LN2 = log(2)


@compiled
def tokens(asked, told, ends, begun, table, valid, cos, sin, blocks, keys, values, norm, head, eps, powers):
    """Token after token: the first id in `told`, then what is most likely behind it, and so on -> logits (V,).

    Whenever logits are wanted, `asked` says for how many tokens at most, then the index and the place of the first.
    Afterwards it says how many there were, and `told` holds one id more: the loop stops at one that `ends`. An id of -1
    stands for the vector in `begun` (D,). Keys and values join those that are kept.

    Arrays are handed over once, and made once; at every token either would take as long as many of its sums. It ends,
    and lets go of all arrays, when no token is asked for.
    """
    room = made(blocks[0], norm, len(valid))
    while asked[0] > 0:
        at, place = asked[1], asked[2]
        for n in range(asked[0]):
            x = begun.copy() if told[n] < 0 else table[told[n]].copy()  # (D,)
            turns = cos[place + n], sin[place + n]
            for i in range(len(blocks)):
                block(x, blocks[i], at + n, valid, turns, keys[i], values[i], eps, room, powers)
            logits = product(head, normed(x, norm, eps, room[0]), np.empty(len(head), x.dtype))
            told[n + 1] = np.argmax(logits)
            asked[0] = n + 1
            if ends[told[n + 1]]:
                break
        yield logits


@compiled
def made(weights, norm, length):
    """Room for what a token is on its way through a block: two times (D,), its parts, both halves of the MLP, (L,)."""
    kind = norm.dtype
    parts, both = np.empty(len(weights[1]), kind), np.empty(len(weights[4]), kind)
    return np.empty_like(norm), np.empty_like(norm), parts, both, np.empty(length, kind)


@compiled
def block(x, weights, at, valid, turns, keys, values, eps, room, powers):
    """(D,), where it is: `CausalBlock`."""
    norm1, qkv, out, norm2, gate_up, down = weights
    row, found, parts, both, shares = room
    product(qkv, normed(x, norm1, eps, row), parts)
    attended(parts, at, valid, turns, keys, values, found, shares[: at + 1], powers)
    x += product(out, found, row)
    product(gate_up, normed(x, norm2, eps, row), both)
    gate, up = both[: len(both) // 2], both[len(both) // 2 :]
    x += product(down, gated(gate, up, powers), row)


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
def gated(gate, up, powers):
    """Twice (hidden,) -> (hidden,), written over the first: silu of it, times the second."""
    up *= gate
    exponential(gate, -1, powers)
    for i in range(len(gate)):
        gate[i] = up[i] / (gate.dtype.type(1) + gate[i])
    return gate


@compiled
def attended(parts, at, real, turns, keys, values, out, shares, powers):
    """Queries, keys and values of all heads in a row -> out (D,), what the heads found in the places up to `at`."""
    kv_heads, _, head_dim = keys.shape
    rows, found = parts.reshape(-1, head_dim), out.reshape(-1, head_dim)
    heads = len(found)
    turned(rows[: heads + kv_heads], turns)
    for h in range(kv_heads):
        for i in range(head_dim):
            keys[h, at, i], values[h, at, i] = rows[heads + h, i], rows[heads + kv_heads + h, i]
    for h in range(heads):
        kv = h // (heads // kv_heads)
        scored(rows[h], keys[kv], real, shares)
        softmax(shares, powers)
        mixed(shares, values[kv], found[h])


@compiled
def turned(rows, turns):
    """(heads, head_dim), turned where they are."""
    (cos, sin), half = turns, rows.shape[1] // 2
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
