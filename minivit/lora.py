"""Low-rank adaptation: a trained map stays as it is, and a thin pair of maps beside it learns.

Legend: I inputs, O outputs, R rank. y = W x + (alpha / R) B A x with A (R, I) random and B (O, R) zero, so the model
starts as what it was, and W + (alpha / R) B A is one map again at the end.

Source: Hu et al. 2021 (LoRA), section 4.1, equation 3.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minivit.patches import _whole


class LoRA(nn.Module):
    """A frozen linear map with a pair of thin ones beside it that learn: (..., I) -> (..., O).

    Raises ValueError for a rank that is not below both I and O: such a pair would not be thin.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float | None = None):
        super().__init__()
        if not isinstance(linear, nn.Linear):
            raise ValueError(f"LoRA stands beside an nn.Linear; got {type(linear).__name__}")
        if _whole(rank, "the rank R", "numbers") >= min(linear.in_features, linear.out_features):
            raise ValueError(
                f"a rank of {rank} saves nothing beside a map of {linear.in_features} to {linear.out_features}: choose "
                f"one below {min(linear.in_features, linear.out_features)}, or train the map itself"
            )
        self.linear, self.scale = linear.requires_grad_(False), (rank if alpha is None else alpha) / rank
        weight = linear.weight
        self.down = nn.Parameter(weight.new_empty(rank, linear.in_features))
        self.up = nn.Parameter(weight.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self.linear(x) + F.linear(F.linear(x, self.down), self.up) * self.scale

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The one map that does the same; it learns again."""
        self.linear.weight += self.scale * self.up @ self.down
        return self.linear.requires_grad_(True)


def add_lora(model: nn.Module, rank: int = 8, alpha: float | None = None) -> nn.Module:
    """Freeze a model and put a pair beside every linear map inside it, in place -> the model.

    The last map of a language model, to its vocabulary, and tables stay frozen without a pair. Raises ValueError where
    there is a pair already, or no linear map to stand beside.
    """
    if any(isinstance(module, LoRA) for module in model.modules()):
        raise ValueError("this model has LoRA already: merge_lora first")
    found = [(parent, name) for parent, name, _ in _linears(model) if name != "head"]
    if not found:
        raise ValueError("there is no linear map inside this model to stand beside")
    model.requires_grad_(False)
    for parent, name in found:
        setattr(parent, name, LoRA(getattr(parent, name), rank, alpha))
    return model


def merge_lora(model: nn.Module) -> nn.Module:
    """Every pair becomes part of its map again, in place -> the model, all of whose weights learn; outputs stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, LoRA):
                setattr(parent, name, child.merged())
    return model.requires_grad_(True)


def _linears(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                yield parent, name, child
