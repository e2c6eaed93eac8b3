"""How well pictures are told apart: by a model's own head, by the nearest neighbours of its features, by a linear map.

Legend: B images, M training and Q test feature vectors, D width. Features are (M, D), labels (M,) int64 from 0.

A head may be strong where features are weak, and the other way round. kNN trains nothing and asks whether neighbours
in feature space share a class; the probe asks whether flat cuts through that space separate the classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.train import mode
from minivit.train import precision as computing


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch: int = 256, precision: str = "fp32") -> float:
    """(B, C, H, W), (B,) int64 -> the share, from 0 to 1, of pictures whose largest logit is their label's.

    The model is put in evaluation mode and afterwards back as it was. `precision` is as in `train`, but float32 unless
    told: a score should not depend on the machine. Raises ValueError for other shapes or types, or logits that are NaN.
    """
    _check_labels(images, labels, "images")
    if not isinstance(batch, int) or batch < 1:
        raise ValueError(f"a batch must be a whole number, at least 1; got {batch!r}")
    device, right = next(model.parameters()).device, 0
    with computing(precision, device), mode(model, training=False):
        for first in range(0, len(images), batch):
            logits = model(images[first : first + batch].to(device))
            if logits.ndim != 2:
                raise ValueError(
                    f"accuracy needs logits (B, classes); got {tuple(logits.shape)}. Give the model a head"
                )
            if (nan := logits.isnan().any(dim=1)).any():
                raise ValueError(f"picture {first + int(nan.nonzero()[0])} has NaN logits: a weight or a pixel is NaN")
            right += int((logits.argmax(dim=1).cpu() == labels[first : first + batch].cpu()).sum())
    return right / len(images)


def knn(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, k: int = 20, temperature: float = 0.07
) -> Tensor:
    """(M, D), (M,), (Q, D) -> (Q,) int64: the class for which the k nearest training vectors vote.

    Near is a large cosine; a neighbour's vote weighs exp(cosine / temperature). As in the evaluation of Wu et al. 2018,
    section 3.4, and of DINO (Caron et al. 2021), whose k and temperature are the defaults. Raises ValueError for shapes
    that do not fit, NaN, a vector of zeros (it has no direction), or a k above M.
    """
    _check_features(train_features, train_labels, test_features)
    if not isinstance(k, int) or not 1 <= k <= len(train_features):
        raise ValueError(f"k must be a whole number from 1 to the {len(train_features)} training vectors; got {k!r}")
    if not temperature > 0:
        raise ValueError(f"the temperature must be above 0; got {temperature!r}")
    train, classes = _directions(train_features, "training"), int(train_labels.max()) + 1
    chosen = []
    for block in _directions(test_features, "test").split(1024):  # all similarities at once might not fit
        cosines, nearest = (block @ train.T).topk(k, dim=1)
        # Dividing all weights of a row by the largest changes no vote and keeps exp from overflowing.
        weights = ((cosines - cosines[:, :1]) / temperature).exp()
        votes = weights.new_zeros(len(block), classes).scatter_add_(1, train_labels[nearest], weights)
        chosen.append(votes.argmax(dim=1))
    return torch.cat(chosen)


def linear_probe(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, l2: float = 1e-3, steps: int = 1000
) -> Tensor:
    """(M, D), (M,), (Q, D) -> (Q,) int64: the classes that a linear map, fitted to the training features, gives.

    Multinomial logistic regression: the map with the least mean cross-entropy plus l2 / 2 times its squared weights,
    biases not counted. Features are first brought to mean 0 and variance 1 by the training set's own numbers. The
    problem is convex and is solved by L-BFGS in float64 from zeros, so the answer is one and the same every time.
    Raises ValueError for shapes that do not fit, NaN, an l2 that is not above 0, or too few steps to get there.
    """
    _check_features(train_features, train_labels, test_features)
    if not l2 > 0:
        raise ValueError(f"l2 must be above 0: without it, weights that separate the classes grow for ever; got {l2!r}")
    train, test = train_features.detach().double(), test_features.detach().double()
    mean, spread = train.mean(dim=0), train.std(dim=0, correction=0)
    spread = torch.where(spread > 0, spread, 1.0)  # a number that never changes says nothing, and stays 0
    train, test = (train - mean) / spread, (test - mean) / spread
    weight, bias = _fitted(train, train_labels, l2, steps)
    return (test @ weight.T + bias).argmax(dim=1)


@torch.enable_grad()
def _fitted(features: Tensor, labels: Tensor, l2: float, steps: int) -> tuple[Tensor, Tensor]:
    classes = int(labels.max()) + 1
    weight = features.new_zeros(classes, features.shape[1], requires_grad=True)
    bias = features.new_zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=steps, history_size=20, tolerance_grad=1e-8, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def objective() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(features @ weight.T + bias, labels) + l2 / 2 * weight.square().sum()
        value.backward()
        return value

    solver.step(objective)
    objective()
    left = max(float(weight.grad.abs().max()), float(bias.grad.abs().max()))
    if left > 1e-5:
        raise ValueError(f"after {steps} steps the probe's gradient is still {left:.1e}: give it more steps or more l2")
    return weight.detach(), bias.detach()


def _directions(features: Tensor, name: str) -> Tensor:
    if (still := ~features.any(dim=1)).any():
        raise ValueError(f"{name} vector {int(still.nonzero()[0])} is all zeros and has no direction")
    return F.normalize(features.detach().to(torch.promote_types(features.dtype, torch.float32)), dim=1)


def _check_features(train: Tensor, labels: Tensor, test: Tensor) -> None:
    for features, name in ((train, "training"), (test, "test")):
        if features.ndim != 2 or not features.is_floating_point() or not len(features):
            raise ValueError(f"{name} features are floating (M, D); got {tuple(features.shape)} of {features.dtype}")
        if (bad := ~features.isfinite().all(dim=1)).any():
            raise ValueError(f"{name} vector {int(bad.nonzero()[0])} holds NaN or infinity")
    if train.shape[1] != test.shape[1]:
        raise ValueError(f"training vectors have {train.shape[1]} numbers, test vectors {test.shape[1]}: D must agree")
    _check_labels(train, labels, "training vectors")
    if labels.min() < 0:
        raise ValueError(f"labels count from 0; the least is {int(labels.min())}")


def _check_labels(things: Tensor, labels: Tensor, name: str) -> None:
    if not len(things) or labels.shape != (len(things),) or labels.dtype != torch.int64:
        raise ValueError(
            f"{len(things)} {name} need as many labels, (M,) of int64; got {tuple(labels.shape)} of {labels.dtype}"
        )
