"""Exercise 05.tokens: the shapes of one picture on its way through a ViT with prefix tokens."""

from collections.abc import Callable
from typing import Any

from minivit.teach.exercises import Exercise, Twin

NAMES = ("raw patches", "into the blocks", "weights of a block")


def tokens(height: int, width: int, patch: int, D: int, heads: int, prefix: int) -> tuple:
    """((N, P*P*3), (K + N, D), (heads, K + N, K + N))."""
    count = (height // patch) * (width // patch)
    return (count, 3 * patch * patch), (prefix + count, D), (heads, prefix + count, prefix + count)


def version(
    count: Callable = lambda h, w, p: (h // p) * (w // p),
    raw: Callable = lambda p, D: 3 * p * p,
    inside: Callable = lambda n, k: n + k,
    pairs: Callable = lambda n, k: (n + k, n + k),
    split: Callable = lambda D, heads: D,
    before: Callable = lambda n, k: n,
) -> Callable:
    """`tokens` with single decisions exchanged."""

    def answer(height: int, width: int, patch: int, D: int, heads: int, prefix: int) -> Any:
        n = count(height, width, patch)
        return (before(n, prefix), raw(patch, D)), (inside(n, prefix), split(D, heads)), (heads, *pairs(n, prefix))

    return answer


def rows(args: tuple, value: Any) -> list | None:
    """The three shapes as a small table."""
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        return None
    return [NAMES, [str(shape)[:40] for shape in value]]


TOKENS = Exercise(
    reference=tokens,
    cases=lambda: [(224, 224, 16, 768, 12, 1), (96, 160, 8, 192, 3, 5), (48, 32, 16, 64, 4, 0)],
    tell=lambda args: f"for tokens{args}",
    picture=rows,
    learnt="Prefix tokens are tokens like others inside the blocks: they ask, they are asked, and they are counted.",
    twins=(
        Twin(
            "no-prefix",
            "the prefix tokens are missing inside the blocks.",
            "K more tokens are put in front of the N patches: K + N go into the blocks.",
            version(inside=lambda n, k: n, pairs=lambda n, k: (n, n)),
        ),
        Twin(
            "one-prefix",
            "there is always one prefix token here.",
            "the last argument says how many there are: none, a class token, or a class token and registers.",
            version(inside=lambda n, k: n + 1, pairs=lambda n, k: (n + 1, n + 1)),
        ),
        Twin(
            "patches-attend",
            "the weights of a block are counted for patches only.",
            "attention does not know which token is a prefix: K + N ask, and K + N are read.",
            version(pairs=lambda n, k: (n, n)),
        ),
        Twin(
            "asked-only",
            "the prefix tokens ask, but nobody can read them.",
            "in an encoder everybody reads everybody: the table of weights is square.",
            version(pairs=lambda n, k: (n + k, n)),
        ),
        Twin(
            "prefix-cut-out",
            "the prefix tokens are counted among the raw patches.",
            "no pixels belong to them: they join after the projection.",
            version(before=lambda n, k: n + k),
        ),
        Twin(
            "raw-as-width",
            "the raw width is given as D.",
            "a flat patch has P * P * 3 values; the projection takes them to D.",
            version(raw=lambda p, D: D),
        ),
        Twin(
            "head-dim",
            "the stream is given the width of one head.",
            "heads cut D in pieces inside attention only; between the blocks a token has all D numbers.",
            version(split=lambda D, heads: D // heads),
        ),
        Twin(
            "square-assumed",
            "the patches are counted as if the picture were a square.",
            "(height // patch) * (width // patch).",
            version(count=lambda h, w, p: (h // p) ** 2),
        ),
    ),
)
