"""Finding by likeness: the text for a picture, the pictures for a text, the right caption beside a wrong one.

Legend: M images, N texts, E shared embedding width, k how many are looked at. Likeness is the cosine; vectors of any
length will do. Every score stands beside its chance level.

Ties are no luck: cosines that differ by less than TIE count as equal, and among equals the right one stands last. A
model that gives everything one vector finds nothing.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from minivit.evaluate.intervals import Score
from minivit.patches import _tensor, _whole

TIE = 1e-6  # what rounding in float32 does to a cosine; less is not the model's opinion
_BLOCK = 1024


class Recall(NamedTuple):
    """How often the right one is among the k nearest, for each k, both ways."""

    image_to_text: dict[int, Score]  # for each image its text among N
    text_to_image: dict[int, Score]  # for each text that has images, any of them among M
    left_out: int  # texts without an image: wrong answers for every image, but nothing to look for

    def __str__(self) -> str:
        ways = zip(("image to text", "text to image"), self, strict=False)
        return "\n".join(f"{way} @{k}: {score}" for way, found in ways for k, score in found.items())


def recall(images: Tensor, texts: Tensor, right: Tensor, at: Sequence[int] = (1, 5, 10)) -> Recall:
    """(M, E), (N, E), (M,) int64 -> recall at each k in `at`: `right` is the index of each image's text.

    Several images may share a text; a text finds if any of its images is among the k. Among equals the right one stands
    last. Chance is exact: k of N, and for a text with r of M images the chance that k drawn without putting back hold
    one of them. Cosines are compared in float64, in blocks: M * N of them are never held at once. Raises ValueError for
    shapes that do not fit, vectors without direction, or a k beyond M or N.
    """
    images, texts = directions(images, "image"), directions(texts, "text")
    count, others = len(images), len(texts)
    right = _indices(images, texts, right)
    for k in at:
        if _whole(k, "k in `at`", "candidates") > min(count, others):
            raise ValueError(
                f"among the {k} nearest of {count} images and {others} texts everything is found: leave {k} out of at"
            )
    likeness = torch.linalg.vecdot(images, texts[right])  # (M,), of each image and its text
    best = likeness.new_full((others,), -torch.inf).scatter_reduce(0, right, likeness, "amax")
    before_text, before_image = right.new_zeros(count), right.new_zeros(others)  # wrong ones that stand before
    for rows, columns, cosines in _blocks(images, texts):
        wrong = right[rows, None] != torch.arange(others, device=right.device)[columns]
        before_text[rows] += (wrong & (cosines > likeness[rows, None] - TIE)).sum(dim=1)
        before_image[columns] += (wrong & (cosines > best[columns] - TIE)).sum(dim=0)
    owned = right.bincount(minlength=others)
    asked = owned > 0
    shares = _histogram(owned[asked])
    chances = {k: math.fsum(_chance(count, r, k) * n for r, n in shares) / int(asked.sum()) for k in at}
    return Recall(
        {k: _share(before_text < k, k / others) for k in at},
        {k: _share(before_image[asked] < k, chances[k]) for k in at},
        int((~asked).sum()),
    )


def preference(images: Tensor, right: Tensor, wrong: Tensor) -> Score:
    """(M, E), (M, E), (M, E) -> the share of images that are more like the right text than the wrong one; chance 0.5.

    Row i of `right` and of `wrong` are the two texts for image i, for instance a caption and the same words swapped.
    A tie counts half. Raises ValueError for shapes that do not fit or vectors without direction.
    """
    images, right, wrong = (directions(v, n) for v, n in ((images, "image"), (right, "right"), (wrong, "wrong")))
    if not images.shape == right.shape == wrong.shape:
        raise ValueError(
            f"every image needs one right and one wrong text: got images {tuple(images.shape)}, right "
            f"{tuple(right.shape)}, wrong {tuple(wrong.shape)}; repeat an image for each of its wrong texts"
        )
    ahead = torch.linalg.vecdot(images, right) - torch.linalg.vecdot(images, wrong)
    wins, ties = int((ahead >= TIE).sum()), int((ahead.abs() < TIE).sum())
    return Score((wins + ties / 2) / len(images), 0.5, len(images))


def auroc(known: Tensor, foreign: Tensor) -> Score:
    """(M,), (Q,) -> the share of all M * Q pairs in which the known picture has the higher value; chance 0.5.

    The values say how familiar a picture looks: its largest cosine or its largest probability. 1 means that a threshold
    parts known pictures from foreign ones without an error, below 0.5 that the foreign look more familiar. Equal values
    count half. Source: Hendrycks and Gimpel 2017, section 2. Raises ValueError for no values, other shapes, or NaN.
    """
    for name, values in (("known", known), ("foreign", foreign)):
        if _tensor(values, name).ndim != 1 or not len(values) or values.isnan().any():
            raise ValueError(f"{name} is one value for each picture, (M,), none NaN; got {tuple(values.shape)}")
    known, ordered = known.detach().double(), foreign.detach().double().sort().values
    below, not_above = (torch.searchsorted(ordered, known, right=side) for side in (False, True))
    pairs = len(known) * len(ordered)
    return Score(int((below + not_above).sum()) / (2 * pairs), 0.5, len(known) + len(ordered))


def directions(vectors: Tensor, name: str) -> Tensor:
    """(M, E) -> (M, E) float64 of length 1. Raises ValueError for other shapes, NaN, or a vector of zeros."""
    if _tensor(vectors, f"{name} vectors").ndim != 2 or not vectors.is_floating_point() or not len(vectors):
        raise ValueError(
            f"{name} vectors are floating (M, E), one row each; got {vectors.dtype} of shape {tuple(vectors.shape)}"
        )
    for bad, what in (
        (~vectors.isfinite().all(dim=1), "holds NaN or infinity"),
        (~vectors.any(dim=1), "is all zeros and has no direction"),
    ):
        if bad.any():
            raise ValueError(f"{name} vector {int(bad.nonzero()[0])} of {len(vectors)} {what}")
    return F.normalize(vectors.detach().double(), dim=1, eps=0)


def _indices(images: Tensor, texts: Tensor, right: Tensor) -> Tensor:
    if images.shape[1] != texts.shape[1]:
        raise ValueError(f"images have vectors of {images.shape[1]} numbers, texts of {texts.shape[1]}: E must agree")
    if _tensor(right, "right").shape != (len(images),) or right.dtype != torch.int64:
        raise ValueError(
            f"right is the index of each image's text, ({len(images)},) int64; got {right.dtype} of shape "
            f"{tuple(right.shape)}"
        )
    if not 0 <= right.min() <= right.max() < len(texts):
        raise ValueError(f"texts are 0 to {len(texts) - 1}; right goes from {right.min()} to {right.max()}")
    return right.to(images.device)


def _blocks(images: Tensor, texts: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Every block of the cosines: its rows, its columns, its values."""
    for i in range(0, len(images), _BLOCK):
        for j in range(0, len(texts), _BLOCK):
            rows, columns = slice(i, i + _BLOCK), slice(j, j + _BLOCK)
            yield rows, columns, images[rows] @ texts[columns].T


def _share(hits: Tensor, chance: float) -> Score:
    return Score(int(hits.sum()) / len(hits), chance, len(hits))


def _histogram(numbers: Tensor) -> list[tuple[int, int]]:
    """Which numbers there are, and how often each."""
    values, counts = numbers.unique(return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def _chance(count: int, right: int, k: int) -> float:
    """That k of `count`, drawn without putting back, hold at least one of the `right`."""
    return 1 - math.comb(count - right, k) / math.comb(count, k)
