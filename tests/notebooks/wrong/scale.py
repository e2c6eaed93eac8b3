"""Wrong answers to lesson 6's exercises."""

WRONG = {
    "06.field": [
        (
            "strides-ignored",
            """
def field(layers):
    return 1 + sum(kernel - 1 for kernel, stride in layers)
""",
        ),
        (
            "own-stride-first",
            """
def field(layers):
    side = step = 1
    for kernel, stride in layers:
        step *= stride
        side += (kernel - 1) * step
    return side
""",
        ),
        (
            "product",
            """
def field(layers):
    return math.prod([kernel for kernel, stride in layers])
""",
        ),
        (
            "reversed",
            """
def field(layers):
    side = step = 1
    for kernel, stride in reversed(layers):
        side += (kernel - 1) * step
        step *= stride
    return side
""",
        ),
        (
            "strides-added",
            """
def field(layers):
    side, step = 1, 1
    for kernel, stride in layers:
        side += (kernel - 1) * step
        if stride > 1:
            step += stride - 1
    return side
""",
        ),
        (
            "whole-kernel",
            """
def field(layers):
    side, step = 1, 1
    for kernel, stride in layers:
        side += kernel * step
        step *= stride
    return side
""",
        ),
        (
            "starts-at-nothing",
            """
def field(layers):
    side, step = 0, 1
    for kernel, stride in layers:
        side, step = side + (kernel - 1) * step, step * stride
    return side
""",
        ),
        (
            "type",
            """
def field(layers):
    side, step = 1.0, 1
    for kernel, stride in layers:
        side += (kernel - 1) * step
        step *= stride
    return side
""",
        ),
    ],
    "06.shifted": [
        (
            "wraps",
            """
def shifted(picture, down, right):
    return torch.roll(picture, shifts=(down, right), dims=(1, 2))
""",
        ),
        (
            "axes-swapped",
            """
def shifted(picture, down, right):
    moved = torch.zeros_like(picture)
    _, height, width = picture.shape
    for y in range(height):
        for x in range(width):
            if 0 <= y - right < height and 0 <= x - down < width:
                moved[:, y, x] = picture[:, y - right, x - down]
    return moved
""",
        ),
        (
            "wrong-direction",
            """
def shifted(picture, down, right):
    _, height, width = picture.shape
    y, x = torch.arange(height) + down, torch.arange(width) + right
    known = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))
    return picture[:, y.clamp(0, height - 1)[:, None], x.clamp(0, width - 1)] * known.to(picture.dtype)
""",
        ),
        (
            "edge-repeated",
            """
def shifted(picture, down, right):
    _, height, width = picture.shape
    y = (torch.arange(height) - down).clamp(min=0, max=height - 1)
    x = (torch.arange(width) - right).clamp(min=0, max=width - 1)
    return picture[:, y][:, :, x]
""",
        ),
        (
            "one-way",
            """
def shifted(picture, down, right):
    down, right = max(down, 0), max(right, 0)
    _, height, width = picture.shape
    moved = torch.zeros_like(picture)
    moved[:, down:, right:] = picture[:, : height - down, : width - right]
    return moved
""",
        ),
        (
            "values",
            """
def shifted(picture, down, right):
    moved = torch.zeros_like(picture)
    moved[:, down:, right:] = picture[:, :-down, :-right]
    return moved
""",
        ),
        (
            "mutates",
            """
def shifted(picture, down, right):
    before = picture.clone()
    picture.zero_()
    _, height, width = picture.shape
    for y in range(max(down, 0), min(height, height + down)):
        for x in range(max(right, 0), min(width, width + right)):
            picture[:, y, x] = before[:, y - down, x - right]
    return picture
""",
        ),
    ],
    "06.needed": [
        (
            "linear",
            """
def needed(sizes, shares, target):
    if target < shares[0] or target > max(shares):
        raise ValueError(target)
    for i in range(len(sizes) - 1):
        if shares[i] <= target <= shares[i + 1]:
            part = (target - shares[i]) / (shares[i + 1] - shares[i])
            return round(sizes[i] + part * (sizes[i + 1] - sizes[i]))
""",
        ),
        (
            "next-point",
            """
def needed(sizes, shares, target):
    if target < shares[0]:
        raise ValueError(target)
    for size, share in zip(sizes, shares):
        if share >= target:
            return size
    raise ValueError(target)
""",
        ),
        (
            "last-crossing",
            """
def needed(sizes, shares, target):
    if not shares[0] <= target <= max(shares):
        raise ValueError(target)
    found = None
    for i in range(len(sizes) - 1):
        if shares[i] <= target <= shares[i + 1]:
            part = (target - shares[i]) / (shares[i + 1] - shares[i])
            logs = math.log(sizes[i]), math.log(sizes[i + 1])
            found = math.exp(logs[0] + part * (logs[1] - logs[0]))
    return round(found)
""",
        ),
        (
            "extrapolates",
            """
def needed(sizes, shares, target):
    if target < shares[0]:
        raise ValueError(target)
    for i in range(len(sizes) - 1):
        if shares[i] <= target <= shares[i + 1]:
            break
    part = (target - shares[i]) / (shares[i + 1] - shares[i])
    return round(sizes[i] * (sizes[i + 1] / sizes[i]) ** part)
""",
        ),
        (
            "clamps",
            """
def needed(sizes, shares, target):
    if target < shares[0]:
        raise ValueError(target)
    for i in range(len(sizes) - 1):
        if shares[i] <= target <= shares[i + 1]:
            part = (target - shares[i]) / (shares[i + 1] - shares[i])
            return round(sizes[i] * (sizes[i + 1] / sizes[i]) ** part)
    return sizes[-1]
""",
        ),
        (
            "first-size",
            """
def needed(sizes, shares, target):
    if target > max(shares):
        raise ValueError(target)
    if target <= shares[0]:
        return sizes[0]
    for i in range(len(sizes) - 1):
        if shares[i] <= target <= shares[i + 1]:
            part = (target - shares[i]) / (shares[i + 1] - shares[i])
            return round(sizes[i] * (sizes[i + 1] / sizes[i]) ** part)
""",
        ),
        (
            "type",
            """
def needed(sizes, shares, target):
    if not shares[0] <= target <= max(shares):
        raise ValueError(target)
    for i in range(len(sizes) - 1):
        if shares[i] <= target <= shares[i + 1]:
            part = (target - shares[i]) / (shares[i + 1] - shares[i])
            return sizes[i] * (sizes[i + 1] / sizes[i]) ** part
""",
        ),
    ],
}
