"""Exercise 12.answers: the loss of the words that are to be learnt, and of no others."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.teach.exercises import Exercise, Twin


def answers(logits: Tensor, ids: Tensor, learn: Tensor) -> Tensor:
    """(B, L, V), (B, L), (B, L) bool -> (): the mean over the words to learn of what each costs, foretold before it."""
    chosen = learn[:, 1:]
    return F.cross_entropy(logits[:, :-1][chosen], ids[:, 1:][chosen])


def cases() -> list[tuple[Tensor, Tensor, Tensor]]:
    """A question and an answer; two texts whose answers are of unequal length; a text with two answers."""
    draw = torch.Generator().manual_seed(22)
    learnt = [
        ["...++"],
        ["..+...", "...+++"],
        [".++..++."],
        [".....+", ".++...", "...++."],
    ]
    found = []
    for rows in learnt:
        learn = torch.tensor([[sign == "+" for sign in row] for row in rows])
        shape = learn.shape
        logits = 2 * torch.randn(*shape, 7, generator=draw, dtype=torch.float64)
        found.append((logits, torch.randint(7, shape, generator=draw), learn))
    return found


def tell(args: tuple) -> str:
    rows = [" ".join("+" if one else "." for one in row) for row in args[2].tolist()]
    return f"for words to learn at + in {' and '.join(rows)}"


def row(args: tuple, value: Any) -> list | None:
    """The loss, beside that of a model that knows nothing."""
    if not isinstance(value, (float, Tensor)) or (isinstance(value, Tensor) and value.numel() != 1):
        return None
    blind = torch.tensor(float(args[0].shape[-1])).log()
    return [("loss, nats", "knowing nothing"), [f"{float(value):.4f}", f"{blind:.4f}"]]


def costs(logits: Tensor, ids: Tensor) -> Tensor:
    """(B, n, V), (B, n) -> (B, n)."""
    return F.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none").reshape(ids.shape)


def version(before: Callable, ends: Callable) -> Callable:
    """What each word costs by `before`, and how costs (B, n) and learn (B, n) become one number."""

    def answer(logits: Tensor, ids: Tensor, learn: Tensor) -> Tensor:
        return ends(*before(logits, ids, learn))

    return answer


def right(logits: Tensor, ids: Tensor, learn: Tensor) -> tuple[Tensor, Tensor]:
    return costs(logits[:, :-1], ids[:, 1:]), learn[:, 1:]


def own_place(logits: Tensor, ids: Tensor, learn: Tensor) -> tuple[Tensor, Tensor]:
    return costs(logits, ids), learn


def backwards(logits: Tensor, ids: Tensor, learn: Tensor) -> tuple[Tensor, Tensor]:
    return costs(logits[:, 1:], ids[:, :-1]), learn[:, :-1]


def mask_of_the_place(logits: Tensor, ids: Tensor, learn: Tensor) -> tuple[Tensor, Tensor]:
    return costs(logits[:, :-1], ids[:, 1:]), learn[:, :-1]


def mean(found: Tensor, learn: Tensor) -> Tensor:
    return found[learn].mean()


def by_text(found: Tensor, learn: Tensor) -> Tensor:
    return ((found * learn).sum(1) / learn.sum(1)).mean()


ANSWERS = Exercise(
    reference=answers,
    cases=cases,
    tell=tell,
    picture=row,
    learnt="A word is foretold one place before it stands, and the question, its picture's slots and padding cost "
    "nothing.",
    twins=(
        Twin(
            "not-shifted",
            "each word is foretold at its own place, where the model has already read it.",
            "logits at place t are about the word at t + 1: logits[:, :-1] with ids[:, 1:].",
            version(own_place, mean),
        ),
        Twin(
            "shifted-back",
            "the shift goes the wrong way: logits are compared with the word before.",
            "drop the last of the logits and the first of the ids.",
            version(backwards, mean),
        ),
        Twin(
            "mask-not-shifted",
            "the mask was cut like the logits.",
            "`learn` speaks of words, so it is cut like the ids: learn[:, 1:].",
            version(mask_of_the_place, mean),
        ),
        Twin(
            "question-too",
            "the question is learnt as well.",
            "count only where `learn` is True.",
            version(right, lambda found, learn: found.mean()),
        ),
        Twin(
            "question-only",
            "the question is learnt and the answer is not.",
            "`learn` is True at what is to be learnt; masked_fill and ignore_index want its opposite.",
            version(right, lambda found, learn: found[~learn].mean()),
        ),
        Twin(
            "summed",
            "the costs are added up.",
            "divide by the number of words that are learnt.",
            version(right, lambda found, learn: found[learn].sum()),
        ),
        Twin(
            "over-all-places",
            "the sum was divided by all places, learnt or not.",
            "a long question would make the loss small: divide by learn[:, 1:].sum().",
            version(right, lambda found, learn: (found * learn).mean()),
        ),
        Twin(
            "mean-of-texts",
            "each text has the same weight.",
            "every word has: take one mean over the words of all texts.",
            version(right, by_text),
        ),
    ),
)
