"""Wrong answers to lesson 2's exercises."""

WRONG = {
    "02.sincos": [
        (
            "axes-exchanged",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** -(torch.arange(m) / (m - 1))
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    y, x = y.flatten()[:, None] * w, x.flatten()[:, None] * w
    return torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], 1)
""",
        ),
        (
            "last-missing",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 1 / 10000.0 ** (torch.arange(m) / m)
    y = torch.arange(rows).repeat_interleave(cols)[:, None] * w
    x = torch.arange(cols).repeat(rows)[:, None] * w
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)
""",
        ),
        (
            "column-major",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** -(torch.arange(m) / (m - 1))
    out = []
    for x in range(cols):
        for y in range(rows):
            out.append(torch.cat([(x * w).sin(), (x * w).cos(), (y * w).sin(), (y * w).cos()]))
    return torch.stack(out)
""",
        ),
        (
            "one-axis",
            """
def sincos(rows, cols, width):
    m = width // 2
    w = 10000.0 ** -(torch.arange(m) / (m - 1))
    angle = torch.arange(rows * cols)[:, None] * w
    return torch.cat([angle.sin(), angle.cos()], dim=1)
""",
        ),
        (
            "woven",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** -(torch.arange(m) / (m - 1))
    out = torch.zeros(rows * cols, width)
    for n in range(rows * cols):
        y, x = divmod(n, cols)
        out[n, 0:2 * m:2], out[n, 1:2 * m:2] = torch.sin(x * w), torch.cos(x * w)
        out[n, 2 * m::2], out[n, 2 * m + 1::2] = torch.sin(y * w), torch.cos(y * w)
    return out
""",
        ),
        (
            "growing",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** (torch.arange(m) / (m - 1))
    y = torch.arange(rows).repeat_interleave(cols)[:, None] * w
    x = torch.arange(cols).repeat(rows)[:, None] * w
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)
""",
        ),
        (
            "from-one",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** -(torch.arange(m) / (m - 1))
    y = torch.arange(1, rows + 1).repeat_interleave(cols)[:, None] * w
    x = torch.arange(1, cols + 1).repeat(rows)[:, None] * w
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)
""",
        ),
        (
            "dtype",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** -(torch.arange(m, dtype=torch.float64) / (m - 1))
    y = torch.arange(rows).repeat_interleave(cols)[:, None] * w
    x = torch.arange(cols).repeat(rows)[:, None] * w
    return torch.cat([x.sin(), x.cos(), y.sin(), y.cos()], 1)
""",
        ),
        (
            "shape",
            """
def sincos(rows, cols, width):
    m = width // 4
    w = 10000.0 ** -(torch.arange(m) / (m - 1))
    y = torch.arange(rows).repeat_interleave(cols)[:, None] * w
    x = torch.arange(cols).repeat(rows)[:, None] * w
    return torch.cat([x.sin(), y.sin()], 1)
""",
        ),
    ],
    "02.resample": [
        (
            "line",
            """
def resample(table, old, new, prefix):
    slots = table[prefix:].T[None]
    slots = F.interpolate(slots, size=new[0] * new[1], mode="linear", align_corners=False)
    return torch.cat([table[:prefix], slots[0].T])
""",
        ),
        (
            "same-count",
            """
def resample(table, old, new, prefix):
    if len(table) == prefix + new[0] * new[1]:
        return table
    x = table[prefix:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    x = F.interpolate(x, size=new, mode="bicubic")
    return torch.cat([table[:prefix], x.permute(0, 2, 3, 1).flatten(0, 2)])
""",
        ),
        (
            "square-assumed",
            """
def resample(table, old, new, prefix):
    side = int((len(table) - prefix) ** 0.5)
    x = table[prefix:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    x = F.interpolate(x, size=new, mode="bicubic")
    return torch.cat([table[:prefix], x.permute(0, 2, 3, 1).flatten(0, 2)])
""",
        ),
        (
            "old-exchanged",
            """
from einops import rearrange
def resample(table, old, new, prefix):
    x = rearrange(table[prefix:], "(w h) d -> 1 d w h", h=old[0], w=old[1])
    x = F.interpolate(x, size=new, mode="bicubic")
    return torch.cat([table[:prefix], rearrange(x, "1 d h w -> (h w) d")])
""",
        ),
        (
            "new-exchanged",
            """
from einops import rearrange
def resample(table, old, new, prefix):
    x = rearrange(table[prefix:], "(h w) d -> 1 d h w", h=old[0], w=old[1])
    x = F.interpolate(x, size=(new[1], new[0]), mode="bicubic")
    return torch.cat([table[:prefix], rearrange(x, "1 d h w -> (h w) d")])
""",
        ),
        (
            "not-turned",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].view(1, table.shape[1], old[0], old[1])
    x = F.interpolate(x, size=new, mode="bicubic")
    return torch.cat([table[:prefix], x.flatten(2)[0].T])
""",
        ),
        (
            "not-turned-back",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].T.reshape(1, -1, *old)
    x = F.interpolate(x, size=new, mode="bicubic")
    return torch.cat([table[:prefix], x.view(-1, table.shape[1])])
""",
        ),
        (
            "prefix-fixed",
            """
def resample(table, old, new, prefix):
    x = table[1:].T.reshape(1, -1, *old)
    x = F.interpolate(x, size=new, mode="bicubic")
    return torch.cat([table[:1], x.flatten(2)[0].T])
""",
        ),
        (
            "prefix-lost",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].T.reshape(1, -1, *old)
    return F.interpolate(x, size=new, mode="bicubic").flatten(2)[0].T
""",
        ),
        (
            "corners",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].T.reshape(1, -1, *old)
    x = F.interpolate(x, size=new, mode="bicubic", align_corners=True)
    return torch.cat([table[:prefix], x.flatten(2)[0].T])
""",
        ),
        (
            "bilinear",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].T.reshape(1, -1, *old)
    x = F.interpolate(x, size=new, mode="bilinear")
    return torch.cat([table[:prefix], x.flatten(2)[0].T])
""",
        ),
        (
            "antialias",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].T.reshape(1, -1, *old)
    x = F.interpolate(x, size=new, mode="bicubic", antialias=True)
    return torch.cat([table[:prefix], x.flatten(2)[0].T])
""",
        ),
        (
            "mutates",
            """
def resample(table, old, new, prefix):
    x = table[prefix:].T.reshape(1, -1, *old)
    x = F.interpolate(x, size=new, mode="bicubic")
    out = torch.cat([table[:prefix], x.flatten(2)[0].T])
    table.zero_()
    return out
""",
        ),
    ],
    "02.rotate": [
        (
            "other-way",
            """
def rotate(x, places, speeds):
    a, b, c, d = x.chunk(4, dim=1)
    v, u = places[:, :1] * speeds, places[:, 1:] * speeds
    return torch.cat([a * v.cos() + b * v.sin(), b * v.cos() - a * v.sin(),
                      c * u.cos() + d * u.sin(), d * u.cos() - c * u.sin()], 1)
""",
        ),
        (
            "no-sign",
            """
def rotate(x, places, speeds):
    a, b, c, d = x.chunk(4, dim=1)
    v, u = places[:, :1] * speeds, places[:, 1:] * speeds
    angle = torch.cat([v, v, u, u], 1)
    return x * angle.cos() + torch.cat([b, a, d, c], 1) * angle.sin()
""",
        ),
        (
            "axes-exchanged",
            """
def rotate(x, places, speeds):
    a, b, c, d = x.chunk(4, dim=1)
    u, v = places[:, :1] * speeds, places[:, 1:] * speeds
    angle = torch.cat([v, v, u, u], 1)
    return x * angle.cos() + torch.cat([-b, a, -d, c], 1) * angle.sin()
""",
        ),
        (
            "one-axis",
            """
def rotate(x, places, speeds):
    a, b, c, d = x.chunk(4, dim=1)
    v = places[:, :1] * speeds
    angle = torch.cat([v, v, v, v], 1)
    return x * angle.cos() + torch.cat([-b, a, -d, c], 1) * angle.sin()
""",
        ),
        (
            "neighbours",
            """
def rotate(x, places, speeds):
    angle = torch.cat([places[:, :1] * speeds, places[:, 1:] * speeds], 1)
    even, odd = x[:, 0::2], x[:, 1::2]
    out = torch.empty_like(x)
    out[:, 0::2] = even * angle.cos() - odd * angle.sin()
    out[:, 1::2] = odd * angle.cos() + even * angle.sin()
    return out
""",
        ),
        (
            "halves-apart",
            """
def rotate(x, places, speeds):
    first, second = x.chunk(2, dim=1)
    angle = torch.cat([places[:, :1] * speeds, places[:, 1:] * speeds], 1)
    return torch.cat([first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()], 1)
""",
        ),
        (
            "scaled",
            """
def rotate(x, places, speeds):
    v, u = places[:, :1] * speeds, places[:, 1:] * speeds
    return x * torch.cat([v, v, u, u], 1).cos()
""",
        ),
        (
            "shape",
            """
def rotate(x, places, speeds):
    a, b, c, d = x.chunk(4, dim=1)
    v = places[:, :1] * speeds
    return torch.cat([a * v.cos() - b * v.sin(), b * v.cos() + a * v.sin()], 1)
""",
        ),
    ],
}
