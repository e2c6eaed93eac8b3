"""Optimizers: AdamW for everything, or Muon for the matrices inside blocks and AdamW for the rest.

Muon replaces the momentum of a matrix by its nearest semi-orthogonal matrix, so that every direction moves equally
far, the rare ones too. That makes sense for a matrix that maps a hidden vector to a hidden vector. It makes none for a
table of positions, whose rows are separate vectors, or for a bias; pixels enter and classes leave by maps whose scale
matters, and those stay with AdamW too.

Sources: AdamW, Loshchilov & Hutter 2019 (decay apart from the gradient); Muon, Keller Jordan 2024
(kellerjordan.github.io/posts/muon), here as `torch.optim.Muon`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from minivit.blocks import Block
from minivit.language import CausalBlock


def adamw(
    model: nn.Module,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    betas: tuple[float, float] = (0.9, 0.95),
    without: Sequence[nn.Module] = (),
) -> torch.optim.AdamW:
    """AdamW for all weights that learn; only the weights of linear maps and convolutions decay.

    The weights of the parts in `without` are left to another optimizer, for example one with another rate. Raises
    ValueError for a rate, a decay or betas that make no sense, a part that is not the model's, or a model in which
    nothing learns.
    """
    kinds = _kept(model, without)
    decaying = {name for name, kind in kinds.items() if kind != "no decay"}
    return _adamw(_named(model, kinds), decaying, lr, weight_decay, betas)


def muon(
    model: nn.Module,
    lr: float = 0.02,
    rest: float = 2e-3,
    weight_decay: float = 0.05,
    without: Sequence[nn.Module] = (),
) -> tuple[torch.optim.Optimizer, ...]:
    """(Muon for the matrices inside blocks at rate `lr`, AdamW for all else at rate `rest`): pass both to `train`.

    Momentum 0.95 with Nesterov's look ahead, five Newton-Schulz steps. `without` is as in `adamw`. Raises ValueError
    as `adamw` does, and for a model without blocks.
    """
    kinds = _kept(model, without)
    named = _named(model, kinds)
    matrices = {name: weight for name, weight in named.items() if kinds[name] == "muon"}
    if not matrices:
        raise ValueError(
            "Muon is for the matrices inside blocks, a Block or a CausalBlock, and this model has none: use adamw"
        )
    _check(lr, weight_decay)
    # "original" is Keller Jordan's own scaling, to which his rate of 0.02 belongs: a matrix of A rows and B columns
    # moves by sqrt(max(1, A / B)) times the rate. The other choice, match_rms_adamw, wants a rate as AdamW's.
    first = torch.optim.Muon(
        list(matrices.items()), lr=lr, momentum=0.95, nesterov=True, ns_steps=5, weight_decay=weight_decay,
        adjust_lr_fn="original",
    )  # fmt: skip
    others = {name: weight for name, weight in named.items() if name not in matrices}
    if not others:
        return (first,)
    return first, _adamw(others, {name for name in others if kinds[name] == "decay"}, rest, weight_decay, (0.9, 0.95))


def sorted_parameters(model: nn.Module) -> dict[str, str]:
    """The name of every weight that learns -> "muon", "decay" or "no decay".

    "muon": matrices inside blocks. "decay": the other weights of linear maps and convolutions. "no decay": norms,
    biases, scales, class tokens, registers, tables of positions and other embeddings. `adamw` lets the first two decay.
    """
    blocks = [module for module in model.modules() if isinstance(module, Block | CausalBlock)]
    inside = {module for block in blocks for module in block.modules()}
    kinds: dict[str, str] = {}
    known: set[Tensor] = set()  # a weight that two modules share counts once, under its first name
    for prefix, module in model.named_modules():
        for name, weight in module.named_parameters(prefix, recurse=False):
            if weight.requires_grad and weight not in known:
                kinds[name] = _kind(module, name.rpartition(".")[2], weight, module in inside)
                known.add(weight)
    return kinds


def _kept(model: nn.Module, without: Sequence[nn.Module]) -> dict[str, str]:
    """`sorted_parameters`, but for those of the parts that are left to others."""
    parts, known = (without,) if isinstance(without, nn.Module) else tuple(without), set(model.modules())
    for number, part in enumerate(parts):
        if part not in known:
            raise ValueError(f"part {number} of `without`, a {type(part).__name__}, is no part of this model")
    left = {weight for part in parts for weight in part.parameters()}
    named = dict(model.named_parameters())
    return {name: kind for name, kind in sorted_parameters(model).items() if named[name] not in left}


def _kind(module: nn.Module, name: str, weight: Tensor, in_block: bool) -> str:
    if in_block and weight.ndim == 2:
        return "muon"
    return "decay" if name == "weight" and weight.ndim >= 2 and not isinstance(module, nn.Embedding) else "no decay"


def _named(model: nn.Module, kinds: dict[str, str]) -> dict[str, Tensor]:
    if not kinds:
        raise ValueError("nothing in this model learns: it has no parameter that requires a gradient")
    return {name: weight for name, weight in model.named_parameters() if name in kinds}


def _adamw(
    named: dict[str, Tensor], decaying: set[str], lr: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.AdamW:
    _check(lr, weight_decay)
    if not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"both betas must lie from 0 to below 1; got {betas}")
    decay = [(name, weight) for name, weight in named.items() if name in decaying]
    others = [(name, weight) for name, weight in named.items() if name not in decaying]
    groups = [{"params": decay, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    # One kernel for the whole update instead of a dozen small ones; it exists for these devices and real types only.
    fused = all(weight.device.type in ("cpu", "cuda") and weight.is_floating_point() for weight in named.values())
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, betas=betas, fused=fused)


def _check(lr: float, weight_decay: float) -> None:
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"a learning rate must be above 0 and finite; got {lr}")
    if not (math.isfinite(weight_decay) and weight_decay >= 0):
        raise ValueError(f"a weight decay must be 0 or more and finite; got {weight_decay}")
