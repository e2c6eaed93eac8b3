"""Wrong answers to lesson 5's exercises."""

WRONG = {
    "05.tokens": [
        (
            "no-prefix",
            """
def tokens(height, width, patch, D, heads, prefix):
    N = height // patch * (width // patch)
    return (N, patch * patch * 3), (N, D), (heads, N, N)
""",
        ),
        (
            "one-prefix",
            """
def tokens(height, width, patch, D, heads, prefix):
    N = height // patch * (width // patch)
    return (N, patch ** 2 * 3), (N + 1, D), (heads, N + 1, N + 1)
""",
        ),
        (
            "patches-attend",
            """
def tokens(height, width, patch, D, heads, prefix):
    rows, cols = height // patch, width // patch
    return (rows * cols, patch ** 2 * 3), (rows * cols + prefix, D), (heads, rows * cols, rows * cols)
""",
        ),
        (
            "raw-as-width",
            """
def tokens(height, width, patch, D, heads, prefix):
    N = height // patch * (width // patch)
    M = N + prefix
    return (N, D), (M, D), (heads, M, M)
""",
        ),
        (
            "head-dim",
            """
def tokens(height, width, patch, D, heads, prefix):
    N = height // patch * (width // patch)
    M = N + prefix
    return (N, patch ** 2 * 3), (M, D // heads), (heads, M, M)
""",
        ),
        (
            "square-assumed",
            """
def tokens(height, width, patch, D, heads, prefix):
    N = (height // patch) ** 2
    M = N + prefix
    return (N, patch ** 2 * 3), (M, D), (heads, M, M)
""",
        ),
        (
            "prefix-cut-out",
            """
def tokens(height, width, patch, D, heads, prefix):
    M = height // patch * (width // patch) + prefix
    return (M, patch ** 2 * 3), (M, D), (heads, M, M)
""",
        ),
        (
            "type",
            """
def tokens(height, width, patch, D, heads, prefix):
    N = height // patch * (width // patch)
    M = N + prefix
    return [(N, patch ** 2 * 3), (M, D), (heads, M, M)]
""",
        ),
    ],
    "05.masked_mean": [
        (
            "divided-by-N",
            """
def masked_mean(tokens, prefix, mask):
    if not mask.any(dim=1).all():
        raise ValueError("a picture without patches")
    return (tokens[:, prefix:] * mask[..., None]).mean(dim=1)
""",
        ),
        (
            "one-count",
            """
def masked_mean(tokens, prefix, mask):
    if not mask.any(dim=1).all():
        raise ValueError("a picture without patches")
    total = torch.einsum("bnd,bn->bd", tokens[:, prefix:], mask.to(tokens.dtype))
    return total / mask.sum() * len(mask)
""",
        ),
        (
            "mask-ignored",
            """
def masked_mean(tokens, prefix, mask):
    for i, row in enumerate(mask):
        if not row.any():
            raise ValueError(f"picture {i}")
    return tokens[:, prefix:].mean(dim=1)
""",
        ),
        (
            "prefix-included",
            """
def masked_mean(tokens, prefix, mask):
    if not mask.any(dim=1).all():
        raise ValueError("a picture without patches")
    real = F.pad(mask, (prefix, 0), value=True)
    return torch.stack([t[m].mean(0) for t, m in zip(tokens, real)])
""",
        ),
        (
            "first-N",
            """
def masked_mean(tokens, prefix, mask):
    if not mask.any(dim=1).all():
        raise ValueError("a picture without patches")
    patches = tokens[:, :mask.shape[1]]
    return torch.stack([t[m].mean(0) for t, m in zip(patches, mask)])
""",
        ),
        (
            "inverted",
            """
def masked_mean(tokens, prefix, mask):
    patches = tokens[:, prefix:].masked_fill(mask[..., None], 0)
    return patches.sum(dim=1) / (~mask).sum(dim=1, keepdim=True)
""",
        ),
        (
            "raises",
            """
def masked_mean(tokens, prefix, mask):
    if not mask.any(dim=1).all():
        raise ValueError("a picture without patches")
    return (tokens[:, prefix:] * mask).sum(dim=1) / mask.sum(dim=1, keepdim=True)
""",
        ),
        (
            "should-raise",
            """
def masked_mean(tokens, prefix, mask):
    return torch.stack([t[m].mean(dim=0) for t, m in zip(tokens[:, prefix:], mask)])
""",
        ),
        (
            "should-raise",
            """
def masked_mean(tokens, prefix, mask):
    patches = tokens[:, prefix:] * mask.unsqueeze(-1)
    return patches.sum(dim=1) / mask.sum(dim=1).clamp_min(1).unsqueeze(-1)
""",
        ),
    ],
    "05.carry": [
        (
            "order",
            """
def carry(q, k, v, token, positions):
    return torch.cat((k, q, v)), token[0] + positions[0, :1], positions[0, 1:]
""",
        ),
        (
            "transposed",
            """
def carry(q, k, v, token, positions):
    qkv = torch.cat([m.transpose(0, 1) for m in (q, k, v)], dim=0)
    return qkv, token[0] + positions[0, :1], positions[0, 1:]
""",
        ),
        (
            "beside",
            """
def carry(q, k, v, token, positions):
    return torch.hstack((q, k, v)), token[0] + positions[0, :1], positions[0, 1:]
""",
        ),
        (
            "interleaved",
            """
def carry(q, k, v, token, positions):
    qkv = torch.stack((q, k, v), dim=1).reshape(-1, q.shape[1])
    return qkv, token[0] + positions[0, :1], positions[0, 1:]
""",
        ),
        (
            "class-position-lost",
            """
def carry(q, k, v, token, positions):
    return torch.cat((q, k, v)), token.squeeze(0), positions[0, 1:]
""",
        ),
        (
            "table-with-class",
            """
def carry(q, k, v, token, positions):
    return torch.cat((q, k, v)), token[0] + positions[0, :1], positions.squeeze(0)
""",
        ),
        (
            "last-row-lost",
            """
def carry(q, k, v, token, positions):
    return torch.cat((q, k, v)), token[0] + positions[0, :1], positions[0, :-1]
""",
        ),
        (
            "mutates",
            """
def carry(q, k, v, token, positions):
    token += positions[:, :1]
    return torch.cat((q, k, v)), token[0], positions[0, 1:]
""",
        ),
    ],
    "05.parameters": [
        (
            "no-biases",
            """
def parameters(width, depth, patch, tokens):
    block = 4 * width * width + 8 * width * width + 4 * width
    return (patch * patch * 3 + 1) * width + (tokens + 1) * width + depth * block + 2 * width
""",
        ),
        (
            "no-norms",
            """
def parameters(width, depth, patch, tokens):
    attention = 4 * (width * width + width)
    mlp = width * 4 * width + 4 * width + 4 * width * width + width
    return (patch * patch * 3 + 1) * width + (tokens + 1) * width + depth * (attention + mlp) + 2 * width
""",
        ),
        (
            "no-final-norm",
            """
def parameters(width, depth, patch, tokens):
    return (patch * patch * 3 + 1) * width + (tokens + 1) * width + depth * (12 * width ** 2 + 13 * width)
""",
        ),
        (
            "no-class-token",
            """
def parameters(width, depth, patch, tokens):
    return (patch * patch * 3 + 1) * width + tokens * width + depth * (12 * width ** 2 + 13 * width) + 2 * width
""",
        ),
        (
            "class-position",
            """
def parameters(width, depth, patch, tokens):
    embed = (patch * patch * 3 + 1) * width
    return embed + width + (1 + tokens) * width + depth * (12 * width ** 2 + 13 * width) + 2 * width
""",
        ),
        (
            "no-positions",
            """
def parameters(width, depth, patch, tokens):
    return (patch * patch * 3 + 1) * width + width + depth * (12 * width ** 2 + 13 * width) + 2 * width
""",
        ),
        (
            "grey",
            """
def parameters(width, depth, patch, tokens):
    return (patch ** 2 + 1) * width + (tokens + 1) * width + depth * (12 * width ** 2 + 13 * width) + 2 * width
""",
        ),
        (
            "narrow-mlp",
            """
def parameters(width, depth, patch, tokens):
    block = 6 * (width * width + width) + 4 * width
    return (patch * patch * 3 + 1) * width + (tokens + 1) * width + depth * block + 2 * width
""",
        ),
        (
            "type",
            """
def parameters(width, depth, patch, tokens):
    block = 12 * width ** 2 + 13 * width
    return float((patch * patch * 3 + 1) * width + (tokens + 1) * width + depth * block + 2 * width)
""",
        ),
    ],
}
