"""A prompt's whole way as one piece of machine code: many tokens at a time, side by side.

Legend: D width, T tokens, W lanes, T rounded up to what a processor takes at once, L places that there is
room for, S those up to the last token, heads, kv_heads, head_dim. One text.

Here the token is the last axis, (D, W) and not (T, D): what a loop does, it does for neighbours, as many at once as a
register holds, and nothing is added up across it. Lanes without a token hold zeros on arrival, and nobody reads them.
"""

import numpy as np

from minivit.language.compiled_token import compiled, exponential, gated

LANES, LINE = 16, 64  # float32 numbers in the widest register, and their bytes


@compiled
def prompt(vectors, at, places, valid, cos, sin, blocks, keys, values, eps, powers):
    """(T, D), read at the indices from `at` on: keys and values join those that are kept.

    What the last block would make of these tokens nobody asks.
    """
    count, last = len(vectors), len(blocks) - 1
    lanes = (count + LANES - 1) // LANES * LANES
    x, turns = beside(vectors, np.arange(count), lanes), (beside(cos, places, lanes), beside(sin, places, lanes))
    rows, found, scores = grid(len(x), lanes, x), grid(len(x), lanes, x), grid(at + count, lanes, x)
    parts, both = grid(len(blocks[0][1]), lanes, x), grid(len(blocks[0][4]), lanes, x)
    for n in range(len(blocks)):
        norm1, qkv, out, norm2, gate_up, down = blocks[n]
        first = len(x) if n == last else 0  # of the parts that are wanted: queries, then keys, then values
        products(qkv[first:], norms(x, norm1, eps, rows), parts[first:])
        keep(parts[len(x) :], at, count, turns, keys[n], values[n])
        if n == last:
            return
        attention(parts[: len(x)], at, valid, turns, keys[n], values[n], scores, found, powers)
        x += products(out, found, rows)
        products(gate_up, norms(x, norm2, eps, rows), both)
        gate, up = both[: len(both) // 2], both[len(both) // 2 :]
        for i in range(len(gate)):
            gated(gate[i], up[i], powers)
        x += products(down, gate, rows)


@compiled
def grid(rows, lanes, like):
    """Room for (rows, W), rows beginning where lines of memory do: what lies across two of these is fetched twice."""
    room = np.empty(rows * lanes + LINE // like.itemsize, like.dtype)
    first = -room.ctypes.data % LINE // like.itemsize
    return room[first : first + rows * lanes].reshape(rows, lanes)


@compiled
def beside(table, places, lanes):
    """(L, n), (T,) -> (n, W), the rows at these places, zeros behind."""
    out = grid(table.shape[1], lanes, table)
    for row in range(len(out)):
        for t in range(lanes):
            out[row, t] = table[places[t], row] if t < len(places) else 0
    return out


@compiled
def norms(x, weight, eps, out):
    """(D, W) -> out (D, W): `rms_norm` of every column."""
    number, scale = x.dtype.type, np.zeros(x.shape[1], x.dtype)
    for row in x:
        scale += row * row
    for t in range(len(scale)):
        scale[t] = number(1) / np.sqrt(scale[t] / number(len(x)) + eps)
    for i in range(len(x)):
        for t in range(len(scale)):
            out[i, t] = scale[t] * x[i, t] * weight[i]
    return out


@compiled
def keep(parts, at, count, turns, keys, values):
    """The keys, then the values of all heads below each other, (2 kv_heads head_dim, W): turned and put away."""
    kv_heads, _, head_dim = keys.shape
    for h in range(kv_heads):
        key, value = parts[h * head_dim : (h + 1) * head_dim], parts[(kv_heads + h) * head_dim :]
        turned(key, turns)
        for t in range(count):
            for i in range(head_dim):
                keys[h, at + t, i], values[h, at + t, i] = key[i, t], value[i, t]


@compiled
def turned(x, turns):
    """(head_dim, W), turned where it is."""
    (cos, sin), half = turns, len(x) // 2
    for i in range(half):
        for t in range(x.shape[1]):
            a, b = x[i, t], x[half + i, t]
            x[i, t], x[half + i, t] = a * cos[i, t] + b * sin[i, t], b * cos[half + i, t] + a * sin[half + i, t]


@compiled
def attention(queries, at, real, turns, keys, values, scores, out, powers):
    """Queries of all heads below each other, (D, W) -> out (D, W), what the heads found in what came before."""
    head_dim = keys.shape[2]
    number, groups = queries.dtype.type, len(queries) // head_dim // len(keys)
    scale = number(1) / np.sqrt(number(head_dim))
    for row in range(0, len(queries), head_dim):
        q, kv = queries[row : row + head_dim], row // head_dim // groups
        turned(q, turns)
        q *= scale
        total = shares(products(keys[kv, : len(scores)], q, scores), at, real, powers)
        found = products(values[kv, : len(scores)].T, scores, out[row : row + head_dim])
        found /= total


@compiled
def shares(scores, at, real, powers):
    """(S, W), where it is: e^score by the largest one of its column, 0 where it may not be read; -> (W,), their sums.

    A column may read the places up to its own, `at` and what it stands behind.
    """
    number = scores.dtype.type
    most, total = np.full(scores.shape[1], number(-np.inf)), np.full(scores.shape[1], np.finfo(scores.dtype).tiny)
    for s in range(len(scores)):
        for t in range(max(0, s - at) if real[s] else len(most), len(most)):
            most[t] = max(most[t], scores[s, t])
    for s in range(len(scores)):
        first = max(0, s - at) if real[s] else len(most)
        lane = first // LANES * LANES  # whole registers, so that no number of a row is taken alone
        row = scores[s, lane:]
        row -= most[lane:]
        exponential(row, 1, powers)
        scores[s, :first] = 0
        total[lane:] += row
    return total


@compiled
def products(weight, x, out):
    """(rows, columns) by (columns, W) -> out (rows, W), four rows and columns at a time: once fetched, used for all."""
    rows, columns = len(weight) // 4 * 4, len(x) // 4 * 4
    for r in range(0, rows, 4):
        a, b, c, d = out[r], out[r + 1], out[r + 2], out[r + 3]
        a[:], b[:], c[:], d[:] = 0, 0, 0, 0
        for i in range(0, columns, 4):
            j, k, m = i + 1, i + 2, i + 3
            a0, a1, a2, a3 = weight[r, i], weight[r, j], weight[r, k], weight[r, m]
            b0, b1, b2, b3 = weight[r + 1, i], weight[r + 1, j], weight[r + 1, k], weight[r + 1, m]
            c0, c1, c2, c3 = weight[r + 2, i], weight[r + 2, j], weight[r + 2, k], weight[r + 2, m]
            d0, d1, d2, d3 = weight[r + 3, i], weight[r + 3, j], weight[r + 3, k], weight[r + 3, m]
            x0, x1, x2, x3 = x[i], x[j], x[k], x[m]
            for t in range(len(a)):
                p, q, u, v = x0[t], x1[t], x2[t], x3[t]
                first, second = a[t] + a0 * p + a1 * q + a2 * u + a3 * v, b[t] + b0 * p + b1 * q + b2 * u + b3 * v
                third, fourth = c[t] + c0 * p + c1 * q + c2 * u + c3 * v, d[t] + d0 * p + d1 * q + d2 * u + d3 * v
                a[t], b[t], c[t], d[t] = first, second, third, fourth
        more(weight[r : r + 4], x, out[r : r + 4], columns)
    out[rows:] = 0
    more(weight[rows:], x, out[rows:], 0)
    return out


@compiled
def more(weight, x, out, first):
    """Adds the products from the column `first` on."""
    for r in range(len(weight)):
        for i in range(first, len(x)):
            for t in range(x.shape[1]):
                out[r, t] += weight[r, i] * x[i, t]
