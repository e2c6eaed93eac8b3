"""A loss is a function of the model and a batch; here is the first one, and what the loop asks of all."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[..., Tensor]  # loss(model, *batch) -> one number to make small


def classify(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """(B, C, H, W) floating, (B,) int64 -> the mean cross-entropy in nats: a loss for `train`.

    Raises ValueError for labels that are not (B,) whole numbers below the number of classes, with the first one.
    """
    logits = model(images)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(
            f"classify needs logits (B, classes) and labels (B,) of int64; got {tuple(logits.shape)} and "
            f"{tuple(labels.shape)} of {labels.dtype}. A model for classes needs a head, say nn.Linear(width, 10)"
        )
    wrong = (labels < 0) | (labels >= logits.shape[1])
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise ValueError(f"label {first} is {int(labels[first])}; this model's classes are 0 to {logits.shape[1] - 1}")
    # The sum of exponentials is taken in float32 at least.
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), labels)


def check_loss(value: object) -> None:
    if not isinstance(value, Tensor) or value.ndim:
        shape = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"a loss is one number, a tensor of no axes; got {shape}. Take its mean")
    if not value.requires_grad:
        raise ValueError("the loss depends on no weight that learns: compute it from the model, with gradients")
