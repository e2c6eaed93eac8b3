"""Wrong answers to lesson 4's exercises."""

WRONG = {
    "04.layer_norm": [
        (
            "unbiased",
            """
def layer_norm(x, weight, bias, eps):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(x.var(-1, keepdim=True) + eps) * weight + bias
""",
        ),
        (
            "eps-outside",
            """
def layer_norm(x, weight, bias, eps):
    mean = x.mean(-1, keepdim=True)
    std = ((x - mean) ** 2).mean(-1, keepdim=True) ** 0.5
    return (x - mean) / (std + eps) * weight + bias
""",
        ),
        (
            "unbiased-and-outside",
            """
def layer_norm(x, weight, bias, eps):
    mean = x.mean(-1, keepdim=True)
    std = x.std(-1, keepdim=True)
    return weight * (x - mean) / (std + eps) + bias
""",
        ),
        (
            "no-eps",
            """
def layer_norm(x, weight, bias, eps):
    x = x - x.mean(-1, keepdim=True)
    return x / x.std(-1, keepdim=True, correction=0) * weight + bias
""",
        ),
        (
            "no-root",
            """
def layer_norm(x, weight, bias, eps):
    var, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
    return (x - mean) / (var + eps) * weight + bias
""",
        ),
        (
            "wrong-axis",
            """
def layer_norm(x, weight, bias, eps):
    var, mean = torch.var_mean(x, 0, keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias
""",
        ),
        (
            "wrong-axis",
            """
def layer_norm(x, weight, bias, eps):
    var, mean = torch.var_mean(x, -2, keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias
""",
        ),
        (
            "wrong-axis",
            """
def layer_norm(x, weight, bias, eps):
    return (x - x.mean()) / torch.sqrt(x.var(correction=0) + eps) * weight + bias
""",
        ),
        (
            "wrong-axis",
            """
def layer_norm(x, weight, bias, eps):
    var, mean = torch.var_mean(x, (-2, -1), keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias
""",
        ),
        (
            "not-centred",
            """
def layer_norm(x, weight, bias, eps):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * weight + bias
""",
        ),
        (
            "no-affine",
            """
def layer_norm(x, weight, bias, eps):
    var, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(var + eps)
""",
        ),
        (
            "shift-first",
            """
def layer_norm(x, weight, bias, eps):
    var, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
    return ((x - mean) / torch.sqrt(var + eps) + bias) * weight
""",
        ),
        (
            "mutates",
            """
def layer_norm(x, weight, bias, eps):
    x -= x.mean(-1, keepdim=True)
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight + bias
""",
        ),
    ],
    "04.block": [
        (
            "normed-stream",
            """
def block(x, norm1, attention, norm2, mlp):
    x = norm1(x)
    x = x + attention(x)
    x = norm2(x)
    return x + mlp(x)
""",
        ),
        (
            "normed-stream",
            """
def block(x, norm1, attention, norm2, mlp):
    x = x + attention(norm1(x))
    x = norm2(x)
    return x + mlp(x)
""",
        ),
        (
            "post-norm",
            """
def block(x, norm1, attention, norm2, mlp):
    x = norm1(x + attention(x))
    return norm2(x + mlp(x))
""",
        ),
        (
            "one-norm",
            """
def block(x, norm1, attention, norm2, mlp):
    x = x + attention(norm1(x))
    x = x + mlp(x)
    return x
""",
        ),
        (
            "same-norm",
            """
def block(x, norm1, attention, norm2, mlp):
    for part in (attention, mlp):
        x = x + part(norm1(x))
    return x
""",
        ),
        (
            "parallel",
            """
def block(x, norm1, attention, norm2, mlp):
    return x + attention(norm1(x)) + mlp(norm2(x))
""",
        ),
        (
            "no-residual",
            """
def block(x, norm1, attention, norm2, mlp):
    x = attention(norm1(x))
    return mlp(norm2(x))
""",
        ),
        (
            "no-residual",
            """
def block(x, norm1, attention, norm2, mlp):
    x = attention(norm1(x)) + x
    return mlp(norm2(x))
""",
        ),
        (
            "no-norm",
            """
def block(x, norm1, attention, norm2, mlp):
    x = x + attention(x)
    return x + mlp(x)
""",
        ),
        (
            "mutates",
            """
def block(x, norm1, attention, norm2, mlp):
    x += attention(norm1(x))
    return x + mlp(norm2(x))
""",
        ),
    ],
    "04.drop_path": [
        (
            "not-rescaled",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch
    return branch * (rand(branch.shape[0], 1, 1) >= rate)
""",
        ),
        (
            "rescaled-when-judged",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch * (1 - rate)
    return branch * (rand(len(branch))[:, None, None] >= rate)
""",
        ),
        (
            "divided-by-rate",
            """
def drop_path(branch, rate, training, rand):
    if not training or rate == 0:
        return branch
    return branch * (rand(len(branch), 1, 1) >= rate) / rate
""",
        ),
        (
            "per-token",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch
    B, N, D = branch.shape
    return branch * (rand(B, N, 1) >= rate) / (1 - rate)
""",
        ),
        (
            "per-number",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch
    return branch * (rand(*branch.shape) >= rate) / (1 - rate)
""",
        ),
        (
            "per-batch",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch
    return branch * (rand(1) >= rate) / (1 - rate)
""",
        ),
        (
            "always",
            """
def drop_path(branch, rate, training, rand):
    return branch * (rand(len(branch), 1, 1) >= rate) / (1 - rate)
""",
        ),
        (
            "swapped",
            """
def drop_path(branch, rate, training, rand):
    if training:
        return branch
    return branch * (rand(len(branch), 1, 1) >= rate) / (1 - rate)
""",
        ),
        (
            "complement",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch
    keep = (rand(len(branch), 1, 1) < rate).float()
    return branch * keep / (1 - rate)
""",
        ),
        (
            "other-side",
            """
def drop_path(branch, rate, training, rand):
    if not training:
        return branch
    keep = rand(len(branch), 1, 1) < 1 - rate
    return branch * keep / (1 - rate)
""",
        ),
    ],
}
