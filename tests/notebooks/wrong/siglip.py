"""Wrong answers to lesson 8's exercises."""

_UNIT = """
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
"""
_HEAD = "def loss(image, text, scale, bias):" + _UNIT
_ENDS = """
    signs = 2 * torch.eye(len(image)) - 1
    return -F.logsigmoid(signs * logits).sum() / len(image)
"""
_PLACES = """
def piece(logits, top, left):
    r, c = torch.arange(logits.shape[0])[:, None], torch.arange(logits.shape[1])
"""

WRONG = {
    "08.loss": [
        (
            "mean-of-pairs",
            _HEAD + "    logits = scale * image @ text.T + bias\n" + _ENDS.replace(".sum() / len(image)", ".mean()"),
        ),
        ("summed", _HEAD + "    logits = scale * image @ text.T + bias\n" + _ENDS.replace(" / len(image)\n", "\n")),
        (
            "softmax",
            _HEAD
            + """
    logits, right = scale * image @ text.T + bias, torch.arange(len(image))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
""",
        ),
        ("no-bias", _HEAD + "    logits = scale * image @ text.T\n" + _ENDS),
        ("bias-subtracted", _HEAD + "    logits = scale * image @ text.T - bias\n" + _ENDS),
        ("bias-scaled", _HEAD + "    logits = scale * (image @ text.T + bias)\n" + _ENDS),
        ("divided", _HEAD + "    logits = image @ text.T / scale + bias\n" + _ENDS),
        (
            "not-normalised",
            "def loss(image, text, scale, bias):\n    logits = scale * image @ text.T + bias\n" + _ENDS,
        ),
        (
            "all-yes",
            _HEAD + "    return -F.logsigmoid(scale * image @ text.T + bias).sum() / len(image)\n",
        ),
        (
            "signs-swapped",
            _HEAD + "    logits = scale * image @ text.T + bias\n" + _ENDS.replace("(signs", "(-signs"),
        ),
        (
            "diagonal-only",
            _HEAD + "    return -F.logsigmoid(scale * (image * text).sum(-1) + bias).mean()\n",
        ),
    ],
    "08.start": [
        (
            "mean-of-pairs",
            """
def start(count, bias):
    total = math.log(1 + math.exp(-bias)) + (count - 1) * math.log(1 + math.exp(bias))
    return total / count
""",
        ),
        (
            "all-images",
            """
def start(count, bias):
    logits = torch.full((count, count), bias, dtype=torch.float64)
    return F.softplus(torch.where(torch.eye(count, dtype=torch.bool), -logits, logits)).sum().item()
""",
        ),
        (
            "b-noes",
            """
def start(count, bias):
    return math.log(1 + math.exp(-bias)) + count * math.log(1 + math.exp(bias))
""",
        ),
        (
            "signs-swapped",
            """
def start(count, bias):
    return math.log(1 + math.exp(bias)) + (count - 1) * math.log(1 + math.exp(-bias))
""",
        ),
        ("all-noes", "def start(count, bias):\n    return count * math.log(1 + math.exp(bias))\n"),
        ("all-yes", "def start(count, bias):\n    return count * math.log(1 + math.exp(-bias))\n"),
        ("yes-only", "def start(count, bias):\n    return math.log(1 + math.exp(-bias))\n"),
        (
            "one-no",
            "def start(count, bias):\n    return math.log(1 + math.exp(-bias)) + math.log(1 + math.exp(bias))\n",
        ),
        ("softmax", "def start(count, bias):\n    return math.log(count)\n"),
    ],
    "08.piece": [
        ("own-diagonal", _PLACES + "    return F.softplus(torch.where(r == c, -logits, logits)).sum()\n"),
        (
            "offsets-swapped",
            _PLACES + "    return F.softplus(torch.where(r + left == c + top, -logits, logits)).sum()\n",
        ),
        ("all-noes", "def piece(logits, top, left):\n    return F.softplus(logits).sum()\n"),
        (
            "square-only",
            _PLACES
            + """
    if top != left:
        return F.softplus(logits).sum()
    return F.softplus(torch.where(r == c, -logits, logits)).sum()
""",
        ),
        (
            "signs-swapped",
            _PLACES + "    return F.softplus(torch.where(r + top == c + left, logits, -logits)).sum()\n",
        ),
        ("mean", _PLACES + "    return F.softplus(torch.where(r + top == c + left, -logits, logits)).mean()\n"),
        (
            "per-row",
            _PLACES + "    return F.softplus(torch.where(r + top == c + left, -logits, logits)).sum() / len(logits)\n",
        ),
    ],
}
