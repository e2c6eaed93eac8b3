"""What a classifier's answers are worth: how many are right, what is taken for what, and how sure it may be of them.

Legend: B pictures, K classes. Logits are (B, K), labels (B,) int64 from 0 to K - 1.

An answer comes with a confidence, the largest probability. It is calibrated if, of the answers given with 80%, 80% are
right. Source: Guo et al. 2017, section 2.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from minivit.evaluate.classify import _check_labels
from minivit.evaluate.intervals import Score
from minivit.patches import _tensor, _whole


class Judged(NamedTuple):
    """A classifier's answers, counted."""

    accuracy: Score  # the share of pictures whose largest logit is their label's; chance is 1 / K
    majority: float  # what always naming the most frequent class would score
    confusion: Tensor  # (K, K) int64: row i, column j counts the pictures of class i that were taken for j
    logits: Tensor  # (B, K)

    @property
    def answers(self) -> Tensor:
        """(B,): the class of the largest logit, the first of equal ones."""
        return self.logits.argmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """(B, K): the softmax of the logits."""
        return self.logits.softmax(dim=1)


def judge(logits: Tensor, labels: Tensor) -> Judged:
    """(B, K), (B,) -> accuracy beside both chance levels, and the confusion matrix.

    A model that gives all classes one logit always names the first, and so scores at most `majority`. Raises ValueError
    for shapes that do not fit, a label that is no class, or logits that are NaN.
    """
    logits, labels = _ready(logits, labels, "logits")
    counts = confusion(logits.argmax(dim=1), labels, logits.shape[1])
    accuracy = Score(int(counts.trace()) / len(labels), 1 / len(counts), len(labels))
    return Judged(accuracy, int(counts.sum(dim=1).max()) / len(labels), counts, logits)


def confusion(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(B,), (B,) -> (K, K) int64: row i, column j counts the pictures of class i that were taken for j."""
    _whole(classes, "K", "classes")
    _check_labels(_tensor(answers, "answers"), _tensor(labels, "labels"), "answers")
    for name, given in (("answers", answers), ("labels", labels)):
        if given.dtype != torch.int64 or not 0 <= given.min() <= given.max() < classes:
            raise ValueError(
                f"{name} are int64 from 0 to {classes - 1}, one of {classes} classes; got {given.dtype} from "
                f"{given.min()} to {given.max()}"
            )
    return torch.bincount(labels.cpu() * classes + answers.cpu(), minlength=classes**2).view(classes, classes)


class Calibration(NamedTuple):
    """Answers sorted by their confidence into bins, and how far confidence is from what came true."""

    edges: Tensor  # (bins + 1,): bin i holds confidences above edges[i], up to edges[i + 1]
    counts: Tensor  # (bins,) int64
    confidences: Tensor  # (bins,): the mean of each bin; NaN where it is empty
    accuracies: Tensor  # (bins,): the share that was right; NaN where it is empty
    confidence: float  # the mean of all
    accuracy: Score
    error: float  # ECE: the mean distance of a bin's two numbers, every picture counted once
    luck: float  # the ECE that the same confidences would show in the mean if every one of them were true
    uniform: float  # the same for saying 1 / K always and guessing: calibrated, and it knows nothing


def calibration(probabilities: Tensor, labels: Tensor, bins: int = 15) -> Calibration:
    """(B, K), (B,) -> reliability bins of equal width and the expected calibration error (ECE).

    Where several classes share the largest probability, the answer is right by the share that guessing among them is.
    Few pictures show an error even if confidence is perfect: `luck` says how much, by the normal approximation. For a
    yes or no, as SigLIP gives, stack (1 - p, p). Source: Guo et al. 2017, equations 2 and 3.
    Raises ValueError for shapes that do not fit, or rows that are no probabilities.
    """
    probabilities, labels = _ready(probabilities, labels, "probabilities")
    _whole(bins, "bins", "bins")
    probabilities = probabilities.double()
    wrong = (probabilities < 0).any(dim=1) | ((probabilities.sum(dim=1) - 1).abs() > 1e-3)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"row {row} of {len(labels)} has numbers from {probabilities[row].min():.4g} to "
            f"{probabilities[row].max():.4g} that sum to {probabilities[row].sum():.4g}: probabilities are 0 or more "
            f"and sum to 1; logits.softmax(dim=1) makes them of logits"
        )
    sure = probabilities.amax(dim=1).clamp(max=1)
    best = probabilities == probabilities.amax(dim=1, keepdim=True)
    right = best.gather(1, labels[:, None]).squeeze(1).double() / best.sum(dim=1)
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(sure, edges[1:-1])  # above the lower edge, up to the upper one
    counts = torch.bincount(place, minlength=bins)
    sums = torch.zeros(2, bins, dtype=torch.float64).index_add_(1, place, torch.stack([sure, right]))
    classes, count = probabilities.shape[1], len(labels)
    return Calibration(
        edges, counts, *(sums / counts),
        confidence=float(sure.mean()),
        accuracy=Score(float(right.mean()), 1 / classes, count),
        error=float((sums[0] - sums[1]).abs().sum() / count),
        luck=_luck(sure, place, bins),
        uniform=_luck(torch.full_like(sure, 1 / classes), torch.zeros_like(place), 1),
    )  # fmt: skip


def _luck(sure: Tensor, place: Tensor, bins: int) -> float:
    """The mean ECE if each answer were right with exactly its confidence: |a normal number| is 0.8 deviations."""
    variances = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, sure * (1 - sure))
    return math.sqrt(2 / math.pi) * float(variances.clamp(min=0).sqrt().sum()) / len(sure)


def _ready(scores: Tensor, labels: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Scores and labels on the CPU, checked."""
    if _tensor(scores, name).ndim != 2 or not scores.is_floating_point() or scores.shape[1] < 1:
        raise ValueError(f"{name} are floating (B, K); got {scores.dtype} of shape {tuple(scores.shape)}")
    _check_labels(scores, _tensor(labels, "labels"), f"rows of {name}")
    if (nan := scores.isnan().any(dim=1)).any():
        raise ValueError(f"row {int(nan.nonzero()[0])} of {len(scores)} {name} holds NaN: a weight or a pixel is NaN")
    if not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise ValueError(
            f"labels are classes, 0 to {scores.shape[1] - 1} as there are {scores.shape[1]}; got {labels.min()} to "
            f"{labels.max()}"
        )
    return scores.detach().cpu(), labels.detach().cpu()
