"""What a resumed run must share with the one that was stopped, and how two runs differ, in words."""

import json
import re

from torch import Tensor, nn
from torch.optim import Optimizer


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, those too that a state_dict leaves out; shared ones once."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def described(model: nn.Module) -> dict:
    """What a model must share to take the weights: names, shapes and types, and its parts as printed."""
    shapes = {name: f"{tuple(value.shape)} {value.dtype}" for name, value in weights_of(model).items()}
    return {**shapes, "parts": re.sub(r" at 0x[0-9a-f]+", "", repr(model)).splitlines()}


def held(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's weights in its own order, by their names in the model."""
    names = {weight: name for name, weight in model.named_parameters()}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if strange := sum(weight not in names for weight in weights):
        raise ValueError(f"the optimizer holds {strange} weights that are not the model's: make them part of the model")
    return {names[weight]: weight for weight in weights}


def grouped(model: nn.Module, optimizer: Optimizer) -> dict:
    """An optimizer's kind and groups; rates are the recipe's, as the schedule changes them."""
    names = {weight: name for name, weight in model.named_parameters()}
    held(model, optimizer)
    groups = [
        {
            key: [names[weight] for weight in value] if key == "params" else value
            for key, value in group.items()
            if key not in ("lr", "param_names")
        }
        for group in optimizer.param_groups
    ]
    return json.loads(json.dumps({"kind": type(optimizer).__name__, "groups": groups}, default=str))


def differences(where: str, saved: object, here: object) -> list[str]:
    """Every leaf in which two JSON values differ, in words."""
    if isinstance(saved, dict) and isinstance(here, dict):
        names = list(saved) + [name for name in here if name not in saved]
        pairs = [(f"{where}{name} ", saved.get(name, "missing"), here.get(name, "missing")) for name in names]
    elif isinstance(saved, list) and isinstance(here, list) and len(saved) == len(here):
        pairs = [(where, *pair) for pair in zip(saved, here, strict=True)]
    else:
        return [] if saved == here else [f"{where}was {_short(saved)}, is {_short(here)}"]
    return [text for pair in pairs for text in differences(*pair)]


def _short(value: object) -> str:
    return f"{len(value)} entries" if isinstance(value, (list, dict)) else str(value).strip()
