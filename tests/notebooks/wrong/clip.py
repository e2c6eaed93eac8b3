"""Wrong answers to lesson 7's exercises."""

_TAIL = """
    right = torch.arange(len(image))
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
"""

WRONG = {
    "07.loss": [
        (
            "rows-only",
            """
def loss(image, text, scale):
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    return F.cross_entropy(scale * image @ text.T, torch.arange(len(image)))
""",
        ),
        (
            "columns-only",
            """
def loss(image, text, scale):
    image, text = F.normalize(image, dim=-1), F.normalize(text, dim=-1)
    return F.cross_entropy(scale * text @ image.T, torch.arange(len(text)))
""",
        ),
        (
            "not-halved",
            """
def loss(image, text, scale):
    logits = scale * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T
    right = torch.arange(len(image))
    return F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)
""",
        ),
        ("not-normalised", "def loss(image, text, scale):\n    logits = scale * image @ text.T" + _TAIL),
        (
            "one-normalised",
            "def loss(image, text, scale):\n    logits = scale * image / image.norm(dim=1, keepdim=True) @ text.T"
            + _TAIL,
        ),
        (
            "wrong-axis",
            "def loss(image, text, scale):\n    logits = scale * F.normalize(image, dim=0) @ F.normalize(text, dim=0).T"
            + _TAIL,
        ),
        (
            "divided",
            "def loss(image, text, scale):\n    logits = F.normalize(image) @ F.normalize(text).T / scale" + _TAIL,
        ),
        ("no-scale", "def loss(image, text, scale):\n    logits = F.normalize(image) @ F.normalize(text).T" + _TAIL),
        (
            "soft-targets",
            """
def loss(image, text, scale):
    image, text = F.normalize(image, dim=1), F.normalize(text, dim=1)
    logits = scale * image @ text.T
    targets = F.softmax((image @ image.T + text @ text.T) / 2 * scale, dim=-1)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets.T)) / 2
""",
        ),
        (
            "summed",
            """
def loss(image, text, scale):
    logits = scale * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T
    rows, columns = logits.log_softmax(1), logits.log_softmax(0)
    return -(rows.diagonal().sum() + columns.diagonal().sum()) / 2
""",
        ),
    ],
    "07.prompts": [
        (
            "not-renormalised",
            "def classes(prompts):\n    return F.normalize(prompts, dim=-1).mean(dim=1)\n",
        ),
        ("normalised-after", "def classes(prompts):\n    return F.normalize(prompts.mean(dim=1), dim=-1)\n"),
        ("never-normalised", "def classes(prompts):\n    return prompts.mean(1)\n"),
        (
            "over-classes",
            "def classes(prompts):\n    return F.normalize(F.normalize(prompts, dim=-1).mean(dim=0), dim=-1)\n",
        ),
        ("first-only", "def classes(prompts):\n    return F.normalize(prompts[:, 0], dim=-1)\n"),
        ("wrong-axis", "def classes(prompts):\n    return F.normalize(F.normalize(prompts, dim=-1).mean(1), dim=0)\n"),
        ("prompts-across", "def classes(prompts):\n    return F.normalize(F.normalize(prompts).mean(1), dim=-1)\n"),
        ("summed", "def classes(prompts):\n    return F.normalize(prompts, dim=-1).sum(dim=1)\n"),
    ],
    "07.recall": [
        (
            "lucky-ties",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return ((likeness > own[:, None]).sum(1) < k).double().mean().item()
""",
        ),
        (
            "k-ignored",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return ((likeness >= own[:, None]).sum(1) == 1).double().mean().item()
""",
        ),
        (
            "one-more",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return ((likeness >= own[:, None]).sum(1) - 1 <= k).double().mean().item()
""",
        ),
        (
            "one-less",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return ((likeness >= own[:, None]).sum(1) < k).double().mean().item()
""",
        ),
        (
            "diagonal",
            """
def recall(likeness, right, k):
    rows = torch.arange(len(likeness))
    own = likeness[rows, rows % likeness.shape[1]]
    return ((likeness >= own[:, None]).sum(1) <= k).double().mean().item()
""",
        ),
        (
            "farthest",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return ((likeness <= own[:, None]).sum(1) <= k).double().mean().item()
""",
        ),
        (
            "percent",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return 100 * ((likeness >= own[:, None]).sum(1) <= k).double().mean().item()
""",
        ),
        (
            "counted",
            """
def recall(likeness, right, k):
    own = likeness[torch.arange(len(right)), right]
    return ((likeness >= own[:, None]).sum(1) <= k).double().sum().item()
""",
        ),
    ],
}
