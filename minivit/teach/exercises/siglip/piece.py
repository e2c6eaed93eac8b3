"""Exercise 08.piece: the loss of one rectangle of the table, wherever it lies."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.teach.exercises import Exercise, Twin


def piece(logits: Tensor, top: int, left: int) -> Tensor:
    """(n, m) logits whose first row is image `top` and whose first column is text `left` -> (): the sum of losses."""
    rows, columns = (torch.arange(size) for size in logits.shape)
    yes = (rows + top)[:, None] == columns + left
    return F.softplus(torch.where(yes, -logits, logits)).sum()


def cases() -> list[tuple[Tensor, int, int]]:
    """On the diagonal; beside it; a rectangle that the diagonal crosses at an angle; a whole small table."""
    draw = torch.Generator().manual_seed(18)

    def random(*shape: int) -> Tensor:
        return 2 * torch.randn(shape, generator=draw, dtype=torch.float64) - 1

    return [
        (random(3, 3), 6, 6),
        (random(3, 3), 0, 3),
        (random(2, 5), 4, 1),
        (random(4, 3), 2, 3),
        (random(4, 4), 0, 0),
    ]


def tell(args: tuple) -> str:
    logits, top, left = args
    n, m = logits.shape
    return f"for images {top} to {top + n - 1} and texts {left} to {left + m - 1}"


def row(args: tuple, value: Any) -> list | None:
    """The sum, and how many of the piece's pairs belong together."""
    if not isinstance(value, (float, Tensor)) or (isinstance(value, Tensor) and value.numel() != 1):
        return None
    (n, m), top, left = args[0].shape, args[1], args[2]
    pairs = len(set(range(top, top + n)) & set(range(left, left + m)))
    return [("sum, nats", "pairs that belong together"), [f"{float(value):.4f}", str(pairs)]]


def version(yes: Callable, ends: Callable = lambda losses: losses.sum()) -> Callable:
    """`piece` with another idea of who belongs together, or another end."""

    def answer(logits: Tensor, top: int, left: int) -> Tensor:
        rows, columns = (torch.arange(size) for size in logits.shape)
        return ends(F.softplus(torch.where(yes(rows[:, None], columns, top, left), -logits, logits)))

    return answer


def right(rows: Tensor, columns: Tensor, top: int, left: int) -> Tensor:
    return rows + top == columns + left


PIECE = Exercise(
    reference=piece,
    cases=cases,
    tell=tell,
    picture=row,
    learnt="A piece needs to know where it lies and nothing else. That is why the table can be taken apart anywhere.",
    twins=(
        Twin(
            "own-diagonal",
            "the diagonal of the piece counts as a yes.",
            "who belongs together is for the whole table to say: image top + r, text left + c.",
            version(lambda rows, columns, top, left: rows == columns),
        ),
        Twin(
            "offsets-swapped",
            "the piece is looked for on the other side of the diagonal.",
            "rows start at `top`, columns at `left`: compare r + top with c + left.",
            version(lambda rows, columns, top, left: rows + left == columns + top),
        ),
        Twin(
            "all-noes",
            "nobody belongs together.",
            "where the piece crosses the table's diagonal the answer is yes, and costs softplus(-z).",
            version(lambda rows, columns, top, left: torch.zeros_like(rows == columns)),
        ),
        Twin(
            "square-only",
            "a piece counts as one beside the diagonal unless it starts on it.",
            "a rectangle can start beside the diagonal and still cross it: compare every place.",
            version(lambda rows, columns, top, left: (rows == columns) & (top == left)),
        ),
        Twin(
            "signs-swapped",
            "yes and no have changed places.",
            "a yes costs softplus(-z), a no costs softplus(z).",
            version(lambda rows, columns, top, left: ~right(rows, columns, top, left)),
        ),
        Twin(
            "mean",
            "the losses were averaged over the piece.",
            "pieces of different sizes can only be added up as sums; what divides them comes at the very end.",
            version(right, lambda losses: losses.mean()),
        ),
        Twin(
            "per-row",
            "the sum was divided by the rows of the piece.",
            "a piece does not know how many images there are in all: give the sum.",
            version(right, lambda losses: losses.sum() / len(losses)),
        ),
    ),
)
