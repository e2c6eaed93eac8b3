"""Wrong answers to lesson 1's exercises."""

WRONG = {
    "01.cut": [
        (
            "reshape-only",
            """
def cut(image, patch):
    channels, height, width = image.shape
    n = (height // patch) * (width // patch)
    return image.reshape(n, patch * patch * channels)
""",
        ),
        (
            "strips",
            """
def cut(image, patch):
    return image.permute(1, 2, 0).reshape(-1, patch * patch * image.shape[0])
""",
        ),
        (
            "phases",
            """
from einops import rearrange
def cut(image, patch):
    return rearrange(image, "c (p1 h) (p2 w) -> (h w) (p1 p2 c)", p1=patch, p2=patch)
""",
        ),
        (
            "channel-first",
            """
def cut(image, patch):
    c, h, w = image.shape
    tokens = []
    for i in range(h // patch):
        for j in range(w // patch):
            tokens.append(image[:, i * patch:(i + 1) * patch, j * patch:(j + 1) * patch].flatten())
    return torch.stack(tokens)
""",
        ),
        (
            "transposed-inside",
            """
from einops import rearrange
def cut(image, patch):
    return rearrange(image, "c (h p1) (w p2) -> (h w) (p2 p1 c)", p1=patch, p2=patch)
""",
        ),
        (
            "column-major",
            """
def cut(image, patch):
    c, h, w = image.shape
    return torch.stack([image[:, i:i + patch, j:j + patch].permute(1, 2, 0).flatten()
                        for j in range(0, w, patch) for i in range(0, h, patch)])
""",
        ),
        (
            "transposed",
            """
def cut(image, patch):
    c, w, h = image.shape
    x = image.transpose(1, 2)
    x = x.reshape(c, h // patch, patch, w // patch, patch)
    return x.permute(1, 3, 2, 4, 0).reshape(-1, c * patch * patch)
""",
        ),
        (
            "hw-exchanged",
            """
def cut(image, patch):
    c, w, h = image.shape
    x = image.reshape(c, h // patch, patch, w // patch, patch)
    return x.permute(1, 3, 2, 4, 0).reshape(-1, c * patch * patch)
""",
        ),
        (
            "square-assumed",
            """
from einops import rearrange
def cut(image, patch):
    g = image.shape[-1] // patch
    return rearrange(image, "c (h p1) (w p2) -> (h w) (p1 p2 c)", h=g, w=g, p1=patch)
""",
        ),
        (
            "patch-fixed",
            """
from einops import rearrange
def cut(image, patch):
    return rearrange(image, "c (h p1) (w p2) -> (h w) (p1 p2 c)", p1=16, p2=16)
""",
        ),
        (
            "channels-fixed",
            """
def cut(image, patch):
    _, h, w = image.shape
    x = image.reshape(3, h // patch, patch, w // patch, patch)
    return x.permute(1, 3, 2, 4, 0).reshape(-1, 3 * patch * patch)
""",
        ),
        (
            "not-flattened",
            """
def cut(image, patch):
    c, h, w = image.shape
    x = image.unfold(1, patch, patch).unfold(2, patch, patch)
    return x.permute(1, 2, 3, 4, 0).reshape(-1, patch, patch, c)
""",
        ),
        (
            "one-patch-a-column",
            """
def cut(image, patch):
    kind = image.dtype
    return torch.nn.functional.unfold(image.float()[None], patch, stride=patch)[0].to(kind)
""",
        ),
        (
            "dtype",
            """
def cut(image, patch):
    c, h, w = image.shape
    tokens = torch.zeros((h // patch) * (w // patch), patch * patch * c)
    n = 0
    for i in range(0, h, patch):
        for j in range(0, w, patch):
            tokens[n] = image[:, i:i + patch, j:j + patch].permute(1, 2, 0).flatten()
            n += 1
    return tokens
""",
        ),
        (
            "not-a-tensor",
            """
def cut(image, patch):
    c, h, w = image.shape
    return [image[:, i:i + patch, j:j + patch].permute(1, 2, 0).flatten()
            for i in range(0, h, patch) for j in range(0, w, patch)]
""",
        ),
        (
            "no-return",
            """
def cut(image, patch):
    c, h, w = image.shape
    x = image.reshape(c, h // patch, patch, w // patch, patch).permute(1, 3, 2, 4, 0).flatten(2).flatten(0, 1)
""",
        ),
        (
            "mutates",
            """
def cut(image, patch):
    c, h, w = image.shape
    x = image.reshape(c, h // patch, patch, w // patch, patch).permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * c)
    image.zero_()
    return x
""",
        ),
        (
            "raises",
            """
def cut(image, patch):
    rows = image.shape[1] / patch
    return image.reshape(-1, rows, patch)
""",
        ),
        (
            "shape",
            """
def cut(image, patch):
    return image.reshape(image.shape[0], -1)
""",
        ),
        (
            "values",
            """
def cut(image, patch):
    c, h, w = image.shape
    x = image.reshape(c, h // patch, patch, w // patch, patch).permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * c)
    return x - x.min()
""",
        ),
        (
            "order",
            """
def cut(image, patch):
    c, h, w = image.shape
    x = image.reshape(c, h // patch, patch, w // patch, patch).permute(1, 3, 2, 0, 4).reshape(-1, patch * patch * c)
    return x
""",
        ),
        (
            "signature",
            """
def cut(image):
    return image
""",
        ),
        (
            "not-a-function",
            """
cut = torch.zeros(3, 4)
""",
        ),
    ],
    "01.stitch": [
        (
            "reshape-only",
            """
def stitch(tokens, rows, cols, patch):
    c = tokens.shape[1] // (patch * patch)
    return tokens.reshape(c, rows * patch, cols * patch)
""",
        ),
        (
            "no-regroup",
            """
def stitch(tokens, rows, cols, patch):
    x = tokens.reshape(rows, cols, patch, patch, -1).permute(4, 0, 1, 2, 3)
    return x.reshape(-1, rows * patch, cols * patch)
""",
        ),
        (
            "interleaved",
            """
from einops import rearrange
def stitch(tokens, rows, cols, patch):
    return rearrange(tokens, "(r c) (p1 p2 k) -> k (p1 r) (p2 c)", r=rows, p1=patch, p2=patch)
""",
        ),
        (
            "exchanged",
            """
from einops import rearrange
def stitch(tokens, rows, cols, patch):
    return rearrange(tokens, "(r c) (p1 p2 k) -> k (r p1) (c p2)", r=cols, c=rows, p1=patch, p2=patch)
""",
        ),
        (
            "column-major",
            """
from einops import rearrange
def stitch(tokens, rows, cols, patch):
    return rearrange(tokens, "(c r) (p1 p2 k) -> k (r p1) (c p2)", r=rows, c=cols, p1=patch, p2=patch)
""",
        ),
        (
            "square-assumed",
            """
def stitch(tokens, rows, cols, patch):
    side = int(tokens.shape[0] ** 0.5)
    x = tokens.reshape(side, side, patch, patch, -1)
    return x.permute(4, 0, 2, 1, 3).reshape(-1, side * patch, side * patch)
""",
        ),
        (
            "channel-first",
            """
def stitch(tokens, rows, cols, patch):
    c = tokens.shape[1] // patch ** 2
    out = torch.empty(c, rows * patch, cols * patch, dtype=tokens.dtype)
    for n, token in enumerate(tokens):
        i, j = n // cols * patch, n % cols * patch
        out[:, i:i + patch, j:j + patch] = token.reshape(c, patch, patch)
    return out
""",
        ),
        (
            "transposed-inside",
            """
def stitch(tokens, rows, cols, patch):
    x = tokens.reshape(rows, cols, patch, patch, -1)
    return x.permute(4, 0, 3, 1, 2).reshape(-1, rows * patch, cols * patch)
""",
        ),
        (
            "channels-last",
            """
def stitch(tokens, rows, cols, patch):
    x = tokens.reshape(rows, cols, patch, patch, -1)
    return x.permute(0, 2, 1, 3, 4).reshape(rows * patch, cols * patch, -1)
""",
        ),
        (
            "channels-fixed",
            """
def stitch(tokens, rows, cols, patch):
    x = tokens.reshape(rows, cols, patch, patch, 3)
    return x.permute(4, 0, 2, 1, 3).reshape(3, rows * patch, cols * patch)
""",
        ),
        (
            "patch-fixed",
            """
def stitch(tokens, rows, cols, patch):
    x = tokens.reshape(rows, cols, 16, 16, -1)
    return x.permute(4, 0, 2, 1, 3).reshape(-1, rows * 16, cols * 16)
""",
        ),
        (
            "dtype",
            """
def stitch(tokens, rows, cols, patch):
    x = tokens.float().reshape(rows, cols, patch, patch, -1)
    return x.permute(4, 0, 2, 1, 3).reshape(-1, rows * patch, cols * patch)
""",
        ),
    ],
    "01.carry": [
        (
            "channel-first",
            """
def carry(weight):
    return weight.reshape(weight.shape[0], -1)
""",
        ),
        (
            "channel-first",
            """
def carry(weight):
    d, c, p, _ = weight.shape
    return weight.reshape(d, p, p, c).reshape(d, p * p * c)
""",
        ),
        (
            "transposed-inside",
            """
from einops import rearrange
def carry(weight):
    return rearrange(weight, "d c y x -> d (x y c)")
""",
        ),
        (
            "middle",
            """
def carry(weight):
    return weight.transpose(1, 2).flatten(1)
""",
        ),
        (
            "flipped",
            """
def carry(weight):
    return torch.flip(weight, (2, 3)).permute(0, 2, 3, 1).flatten(1)
""",
        ),
        (
            "turned",
            """
from einops import rearrange
def carry(weight):
    return rearrange(weight, "d c y x -> (y x c) d")
""",
        ),
        (
            "not-flattened",
            """
def carry(weight):
    return weight.movedim(1, -1)
""",
        ),
        (
            "output-swept-up",
            """
def carry(weight):
    return weight.permute(2, 3, 1, 0).reshape(weight.shape[0], -1)
""",
        ),
        (
            "dtype",
            """
def carry(weight):
    return weight.permute(0, 2, 3, 1).flatten(1).float()
""",
        ),
        (
            "mutates",
            """
def carry(weight):
    out = weight.permute(0, 2, 3, 1).flatten(1).clone()
    weight *= 0
    return out
""",
        ),
        (
            "values",
            """
def carry(weight):
    return weight.permute(0, 2, 3, 1).flatten(1) / weight[0].numel()
""",
        ),
    ],
    "01.budget": [
        (
            "strict",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        if height % p or width % p:
            continue
        n = height // p * (width // p)
        if n < limit:
            return p, n, 3 * p * p, n * n
    raise ValueError("nothing fits")
""",
        ),
        (
            "largest",
            """
def budget(height, width, limit):
    best = None
    for p in (4, 8, 14, 16, 32):
        n = height // p * (width // p)
        if height % p == width % p == 0 and n <= limit:
            best = p, n, 3 * p * p, n * n
    if best is None:
        raise ValueError("nothing fits")
    return best
""",
        ),
        (
            "indivisible",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if n <= limit:
            return p, n, p * p * 3, n ** 2
    raise ValueError("nothing fits")
""",
        ),
        (
            "one-side",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if n <= limit and height % p == 0:
            return p, n, p * p * 3, n ** 2
    raise ValueError("nothing fits")
""",
        ),
        (
            "square-assumed",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) ** 2
        if height % p == 0 and width % p == 0 and n <= limit:
            return p, n, p * p * 3, n ** 2
    raise ValueError("nothing fits")
""",
        ),
        (
            "no-channels",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if height % p == 0 and width % p == 0 and n <= limit:
            return p, n, p ** 2, n ** 2
    raise ValueError("nothing fits")
""",
        ),
        (
            "half-pairs",
            """
from math import comb
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if height % p == 0 and width % p == 0 and n <= limit:
            return p, n, p * p * 3, comb(n, 2)
    raise ValueError("nothing fits")
""",
        ),
        (
            "float",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = height / p * (width / p)
        if height % p == 0 and width % p == 0 and n <= limit:
            return p, n, p * p * 3, n * n
    raise ValueError("nothing fits")
""",
        ),
        (
            "should-raise",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if height % p == 0 and width % p == 0 and n <= limit:
            return p, n, p * p * 3, n * n
""",
        ),
        (
            "should-raise",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if height % p == 0 and width % p == 0 and n <= limit:
            break
    return p, n, p * p * 3, n * n
""",
        ),
        (
            "type",
            """
def budget(height, width, limit):
    for p in (4, 8, 14, 16, 32):
        n = (height // p) * (width // p)
        if height % p == 0 and width % p == 0 and n <= limit:
            return [p, n, p * p * 3, n * n]
    raise ValueError("nothing fits")
""",
        ),
    ],
}
