"""Exercise 07.recall: how often a picture's text is among the k nearest."""

from typing import Any

import torch
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin


def recall(likeness: Tensor, right: Tensor, k: int) -> float:
    """(M, N), (M,), k -> the share of pictures with fewer than k other texts at least as near as their own."""
    own = likeness.gather(1, right[:, None])
    ahead = (likeness >= own).sum(dim=1) - 1  # its own text is as near as itself
    return (ahead < k).double().mean().item()


def cases() -> list[tuple[Tensor, Tensor, int]]:
    """Pictures that share texts, five nearest of many, as many texts as pictures in another order, and a dull model."""
    draw = torch.Generator().manual_seed(9)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    mixed = torch.tensor([3, 0, 3, 5, 1, 2, 2, 4])
    some = random(8, 6) + 1.5 * torch.eye(6, dtype=torch.float64)[mixed]
    many = torch.randint(40, (24,), generator=draw)
    turned = torch.randperm(7, generator=draw)
    return [
        (some, mixed, 1),
        (random(24, 40) + 1.2 * torch.eye(40, dtype=torch.float64)[many], many, 5),
        (random(7, 7) + torch.eye(7, dtype=torch.float64)[turned], turned, 2),
        (torch.ones(4, 5, dtype=torch.float64), torch.tensor([0, 1, 2, 3]), 2),
    ]


def tell(args: tuple) -> str:
    likeness, _, k = args
    tied = ", all equally like," if (likeness == likeness[0, 0]).all() else ""
    return f"for {likeness.shape[0]} pictures and {likeness.shape[1]} texts{tied} and k = {k}"


def row(args: tuple, value: Any) -> list | None:
    """The share beside that of guessing."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return [("recall", "chance"), [f"{value:.4f}"[:40], f"{args[2] / args[0].shape[1]:.4f}"]]


def lucky(likeness: Tensor, right: Tensor, k: int) -> float:
    ahead = (likeness > likeness.gather(1, right[:, None])).sum(dim=1)
    return (ahead < k).double().mean().item()


def nearest(likeness: Tensor, right: Tensor, k: int) -> float:
    return recall(likeness, right, 1)


def one_more(likeness: Tensor, right: Tensor, k: int) -> float:
    return recall(likeness, right, k + 1)


def one_less(likeness: Tensor, right: Tensor, k: int) -> float:
    return recall(likeness, right, k - 1)


def backwards(likeness: Tensor, right: Tensor, k: int) -> float:
    own = likeness.gather(1, right[:, None])[:, 0]
    ahead = (likeness[:, right] >= own).sum(dim=0) - 1
    return (ahead < k).double().mean().item()


def diagonal(likeness: Tensor, right: Tensor, k: int) -> float:
    return recall(likeness, torch.arange(len(likeness)) % likeness.shape[1], k)


def farthest(likeness: Tensor, right: Tensor, k: int) -> float:
    return recall(-likeness, right, k)


def percent(likeness: Tensor, right: Tensor, k: int) -> float:
    return 100 * recall(likeness, right, k)


def counted(likeness: Tensor, right: Tensor, k: int) -> float:
    return recall(likeness, right, k) * len(likeness)


RECALL = Exercise(
    reference=recall,
    cases=cases,
    tell=tell,
    picture=row,
    learnt="Count who stands before the right text, and let equals stand before it: a dull model must find nothing.",
    twins=(
        Twin(
            "lucky-ties",
            "a model that gives every text the same likeness finds everything.",
            "count the other texts that are at least as near, not only the nearer ones.",
            lucky,
        ),
        Twin(
            "k-ignored",
            "only the nearest text counts.",
            "the right text may stand at any of the first k places.",
            nearest,
        ),
        Twin(
            "one-more",
            "one place too many counts.",
            "fewer than k others may stand before the right text. It is at least as near as itself: take it off.",
            one_more,
        ),
        Twin(
            "one-less",
            "one place too few counts.",
            "the right text itself is no competitor: take it off before you compare with k.",
            one_less,
        ),
        Twin(
            "other-way",
            "this ranks pictures for each text.",
            "a row is a picture and all texts: compare along dim=1.",
            backwards,
        ),
        Twin(
            "diagonal",
            "picture i was given text i.",
            "several pictures may share a text: which is its own stands in `right`.",
            diagonal,
        ),
        Twin(
            "farthest",
            "the farthest texts come first.",
            "likeness is a cosine: the largest is the nearest.",
            farthest,
        ),
        Twin("percent", "this is a percentage.", "give a share from 0 to 1.", percent),
        Twin("counted", "this counts pictures.", "divide by the number of pictures.", counted),
    ),
)
