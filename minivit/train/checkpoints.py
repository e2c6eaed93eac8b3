"""Checkpoints: all that a run needs to go on as if nothing had happened, in one safetensors file.

Tensors are stored as such; all else is JSON in the file's header. One file, so that one rename puts the weights and
the numbers that belong to them in place together. Before the rename the old checkpoint stands, after it the new one;
at no moment is there half of one under its name. Nothing is pickled, so reading a stranger's file runs no code.

    model/<name>                     parameters and buffers
    optimizer/<number>/<name>/<key>  what each optimizer keeps for each weight
    random/<source>                  torch on the CPU and on every GPU in use, numpy, Python
    header: step, history, place in the data, recipe, small states
"""

import contextlib
import json
import os
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minivit.train.history import History
from minivit.train.order import Resumable

FORMAT = "minivit checkpoint 1"


class Place(NamedTuple):
    """Where a run stands between two steps."""

    step: int  # steps done
    history: History
    pending: list[float]  # losses since the last report


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    batches: Resumable,
    place: Place,
    recipe: dict | None = None,
) -> None:
    """Write the run's whole state to the file `path`, which until the last moment keeps what it held.

    `recipe` holds what a resumed run must share, as JSON can hold it. Raises OSError if the disk is full or the file
    cannot be written; the old checkpoint and the model in memory are then as they were. Raises ValueError for an
    optimizer that holds weights which are not the model's, or a state that is neither tensors nor numbers.
    """
    tensors = {f"model/{name}": value for name, value in _weights(model).items()}
    small = {}
    for number, optimizer in enumerate(optimizers):
        for name, weight in _held(model, optimizer).items():
            for key, value in optimizer.state.get(weight, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{number}/{name}/{key}"] = value
                elif value is None or isinstance(value, (bool, int, float, str)):
                    small[f"optimizer/{number}/{name}/{key}"] = value
                else:
                    raise ValueError(f"{type(optimizer).__name__} keeps a {type(value).__name__}: not to be written")
    sources, words = _random_states()
    tensors |= sources
    header = {
        "format": FORMAT, "step": place.step, "history": place.history._asdict(), "pending": place.pending,
        "data": batches.state(), "small": small, "random": words, "recipe": recipe or {},
        "model": _described(model), "optimizers": [_grouped(model, optimizer) for optimizer in optimizers],
    }  # fmt: skip
    # A copy each: safetensors takes no two tensors that share memory.
    copies = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    content = safetensors.torch.save(copies, {"minivit": json.dumps(header)})
    try:
        _replace(Path(path), content)
    except OSError as error:
        raise OSError(
            error.errno,
            f"the checkpoint of step {place.step} ({len(content) / 1e6:.1f} MB) could not be written: "
            f"{error.strerror}. An earlier checkpoint is kept, and the trained weights are still in the model: make "
            f"room, then call save_checkpoint",
            str(path),
        ) from error


def load_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizers: Sequence[Optimizer],
    batches: Resumable,
    recipe: dict | None = None,
) -> Place:
    """Put the model, the optimizers, every random state and the data where the file `path` has them -> the place.

    Everything is compared first: ValueError if the file is no checkpoint, or if the model, an optimizer, the data or
    the recipe is another, with what differs; nothing is changed then. FileNotFoundError if there is no file.
    """
    header, tensors = _read(Path(path))
    differ = _differences("", header["recipe"], json.loads(json.dumps(recipe or {})))
    differ += _differences("model: ", header["model"], _described(model))
    differ += _differences("optimizer: ", header["optimizers"], [_grouped(model, one) for one in optimizers])
    if differ:
        more = f"; and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise ValueError(
            f"{path} belongs to another run: {'; '.join(differ[:4])}{more}. Give this run "
            f"another path, or delete the file"
        )
    batches.restore(header["data"])
    for number, optimizer in enumerate(optimizers):
        _restore_optimizer(optimizer, _held(model, optimizer), f"optimizer/{number}/", tensors, header["small"])
    with torch.no_grad():
        for name, weight in _weights(model).items():
            weight.copy_(tensors[f"model/{name}"])
    _restore_random(tensors, header["random"])
    return Place(header["step"], History(**header["history"]), header["pending"])


def clear_leftovers(path: str | Path) -> None:
    """Delete what killed saves to `path` left behind; such files are never read."""
    for leftover in Path(path).parent.glob(f".{Path(path).name}.*.partial"):
        leftover.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """The file appears under its name complete and safely on the disk, or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    if os.name == "posix":  # the new name, too, must survive a power cut
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> tuple[dict, dict[str, Tensor]]:
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("minivit", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} is not a minivit checkpoint: its format is {header.get('format')!r}, not {FORMAT!r}")
    return header, tensors


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, those too that a state_dict leaves out; shared ones once."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def _described(model: nn.Module) -> dict:
    """What a model must share to take the weights: names, shapes and types, and its parts as printed."""
    shapes = {name: f"{tuple(value.shape)} {value.dtype}" for name, value in _weights(model).items()}
    return {**shapes, "parts": re.sub(r" at 0x[0-9a-f]+", "", repr(model)).splitlines()}


def _held(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's weights in its own order, by their names in the model."""
    names = {weight: name for name, weight in model.named_parameters()}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if strange := sum(weight not in names for weight in weights):
        raise ValueError(f"the optimizer holds {strange} weights that are not the model's: make them part of the model")
    return {names[weight]: weight for weight in weights}


def _grouped(model: nn.Module, optimizer: Optimizer) -> dict:
    """An optimizer's kind and groups; rates are the recipe's, as the schedule changes them."""
    names = {weight: name for name, weight in model.named_parameters()}
    _held(model, optimizer)
    groups = [
        {
            key: [names[weight] for weight in value] if key == "params" else value
            for key, value in group.items()
            if key not in ("lr", "param_names")
        }
        for group in optimizer.param_groups
    ]
    return json.loads(json.dumps({"kind": type(optimizer).__name__, "groups": groups}, default=str))


def _differences(where: str, saved: object, here: object) -> list[str]:
    """Every leaf in which two JSON values differ, in words."""
    if isinstance(saved, dict) and isinstance(here, dict):
        names = list(saved) + [name for name in here if name not in saved]
        pairs = [(f"{where}{name} ", saved.get(name, "missing"), here.get(name, "missing")) for name in names]
    elif isinstance(saved, list) and isinstance(here, list) and len(saved) == len(here):
        pairs = [(where, *pair) for pair in zip(saved, here, strict=True)]
    else:
        return [] if saved == here else [f"{where}was {_short(saved)}, is {_short(here)}"]
    return [text for pair in pairs for text in _differences(*pair)]


def _short(value: object) -> str:
    return f"{len(value)} entries" if isinstance(value, (list, dict)) else str(value).strip()


def _restore_optimizer(
    optimizer: Optimizer, held: dict[str, Tensor], prefix: str, tensors: dict[str, Tensor], small: dict
) -> None:
    state: dict[int, dict] = {}
    for number, name in enumerate(held):
        stem = f"{prefix}{name}/"
        kept = {key[len(stem) :]: value for key, value in {**tensors, **small}.items() if key.startswith(stem)}
        if kept:
            state[number] = kept
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _random_states() -> tuple[dict[str, Tensor], dict]:
    """Every global source of random numbers: (tensors, the few words and numbers beside them)."""
    version, numbers, python_gauss = random.getstate()
    legacy = np.random.get_state(legacy=False)
    tensors = {
        "random/torch": torch.get_rng_state(),
        "random/python": torch.tensor(numbers, dtype=torch.int64),
        "random/numpy": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        tensors |= {f"random/cuda{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    words = {
        "python": [version, python_gauss],
        "numpy": [legacy["bit_generator"], legacy["state"]["pos"], legacy["has_gauss"], legacy["gauss"]],
    }
    return tensors, words


def _restore_random(tensors: dict[str, Tensor], words: dict) -> None:
    torch.set_rng_state(tensors["random/torch"])
    version, gauss = words["python"]
    random.setstate((version, tuple(tensors["random/python"].tolist()), gauss))
    kind, position, has_gauss, gauss = words["numpy"]
    np.random.set_state((kind, tensors["random/numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    gpus = [tensors[name] for name in sorted(tensors) if name.startswith("random/cuda")]
    if torch.cuda.is_available() and len(gpus) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(gpus)
