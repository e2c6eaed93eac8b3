"""Wrong answers to lesson 3's exercises."""

WRONG = {
    "03.read": [
        (
            "no-scaling",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1)
    scores = scores.masked_fill(~mask, -1e9)
    return (scores.softmax(-1) * mask) @ v
""",
        ),
        (
            "scaled-by-d",
            """
def read(q, k, v, mask):
    scores = torch.einsum("bhnd,bhmd->bhnm", q, k) / q.shape[-1]
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1).nan_to_num(0)
    return weights @ v
""",
        ),
        (
            "scaled-by-count",
            """
def read(q, k, v, mask):
    scores = q @ k.mT / len(q[0, 0]) ** 0.5
    return scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num(0) @ v
""",
        ),
        (
            "reshaped-keys",
            """
def read(q, k, v, mask):
    b, h, m, d = k.shape
    scores = q @ k.reshape(b, h, d, m) / d ** 0.5
    return scores.masked_fill(~mask, -1e9).softmax(-1).masked_fill(~mask, 0) @ v
""",
        ),
        (
            "raises",
            """
def read(q, k, v, mask):
    scores = q @ k / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ v
""",
        ),
        (
            "wrong-axis",
            """
def read(q, k, v, mask):
    scores = (q @ k.transpose(2, 3)) / q.shape[3] ** 0.5
    weights = torch.softmax(scores.masked_fill(~mask, -1e9), dim=2)
    return weights @ v
""",
        ),
        (
            "wrong-axis",
            """
def read(q, k, v, mask):
    scores = (q @ k.transpose(2, 3)) / q.shape[3] ** 0.5
    weights = torch.nn.functional.softmax(scores.masked_fill(~mask, -1e9), dim=1) * mask
    return weights @ v
""",
        ),
        (
            "no-mask",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.softmax(-1) @ v
""",
        ),
        (
            "mask-after",
            """
def read(q, k, v, mask):
    weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
    return (weights * mask) @ v
""",
        ),
        (
            "zero-scores",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return torch.where(mask, scores, 0.0).softmax(-1) @ v
""",
        ),
        (
            "inverted",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    return scores.masked_fill(mask, float("-inf")).softmax(-1) @ v
""",
        ),
        (
            "inverted",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    return scores.masked_fill(mask, -1e9).softmax(-1) @ v
""",
        ),
        (
            "nan",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    bias = torch.zeros_like(scores).masked_fill(~mask, float("-inf"))
    return (scores + bias).softmax(-1) @ v
""",
        ),
        (
            "uniform",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    return scores.masked_fill(~mask, -1e9).softmax(-1) @ v
""",
        ),
        (
            "no-return",
            """
def read(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    scores.softmax(-1) @ v
""",
        ),
        (
            "mutates",
            """
def read(q, k, v, mask):
    q /= q.shape[-1] ** 0.5
    scores = (q @ k.transpose(-2, -1)).masked_fill(~mask, -1e9)
    return (scores.softmax(-1) * mask) @ v
""",
        ),
    ],
    "03.split": [
        (
            "reshape-only",
            """
def split(x, heads):
    b, n, d = x.shape
    return x.view(b, heads, n, d // heads)
""",
        ),
        (
            "interleaved",
            """
def split(x, heads):
    b, n, d = x.shape
    return x.reshape(b, n, d // heads, heads).permute(0, 3, 1, 2)
""",
        ),
        (
            "not-exchanged",
            """
def split(x, heads):
    return x.reshape(*x.shape[:2], heads, -1)
""",
        ),
        (
            "head-width",
            """
def split(x, heads):
    b, n, d = x.shape
    return x.reshape(b, n, -1, heads).transpose(1, 2)
""",
        ),
        (
            "turned",
            """
def split(x, heads):
    b, n, d = x.shape
    return x.reshape(b, n, heads, d // heads).permute(0, 2, 3, 1)
""",
        ),
        (
            "heads-first",
            """
def split(x, heads):
    return torch.stack(x.chunk(heads, dim=-1))
""",
        ),
    ],
    "03.merge": [
        (
            "reshape-only",
            """
def merge(x):
    b, h, n, d = x.shape
    return x.reshape(b, n, h * d)
""",
        ),
        (
            "interleaved",
            """
def merge(x):
    return x.permute(0, 2, 3, 1).flatten(2)
""",
        ),
        (
            "not-joined",
            """
def merge(x):
    return x.permute(0, 2, 1, 3)
""",
        ),
        (
            "averaged",
            """
def merge(x):
    return sum(x.unbind(1)) / x.shape[1]
""",
        ),
        (
            "summed",
            """
def merge(x):
    return x.sum(dim=1)
""",
        ),
        (
            "turned",
            """
def merge(x):
    return x.transpose(2, 3).flatten(1, 2)
""",
        ),
        (
            "raises",
            """
def merge(x):
    b, h, n, d = x.shape
    return x.transpose(1, 2).view(b, n, h * d)
""",
        ),
    ],
    "03.mask": [
        (
            "inverted",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    later = torch.ones_like(same).triu(1)
    return (~same | later | (segments < 0)[:, None, :])[:, None]
""",
        ),
        (
            "strict",
            """
def allowed(segments):
    n = segments.shape[1]
    place = torch.arange(n)
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, None] & (place < place[:, None]))[:, None]
""",
        ),
        (
            "future",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, None, :]).triu()[:, None]
""",
        ),
        (
            "not-causal",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, None, :])[:, None]
""",
        ),
        (
            "not-packed",
            """
def allowed(segments):
    b, n = segments.shape
    valid = (segments >= 0)[:, None, None, :]
    return valid & torch.ones(n, n).tril().bool()
""",
        ),
        (
            "padding-read",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    return same.tril().unsqueeze(1)
""",
        ),
        (
            "no-head-axis",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, None, :]).tril()
""",
        ),
        (
            "numbers",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    return (same & (segments >= 0)[:, None, :]).float().tril()[:, None]
""",
        ),
        (
            "added",
            """
def allowed(segments):
    same = segments[:, :, None] == segments[:, None, :]
    may = (same & (segments >= 0)[:, None, :]).tril()[:, None]
    return torch.where(may, 0.0, -torch.inf)
""",
        ),
        (
            "shape",
            """
def allowed(segments):
    n = segments.shape[1]
    return torch.ones(n, n, dtype=torch.bool).tril()
""",
        ),
    ],
}
