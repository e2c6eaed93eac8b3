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
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import safetensors
import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from minivit.train.history import History
from minivit.train.order import Resumable
from minivit.train.randomness import random_states, restore_random
from minivit.train.recipe import described, differences, grouped, held, weights_of

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
    tensors = {f"model/{name}": value for name, value in weights_of(model).items()}
    small = {}
    for number, optimizer in enumerate(optimizers):
        for name, weight in held(model, optimizer).items():
            for key, value in optimizer.state.get(weight, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{number}/{name}/{key}"] = value
                elif value is None or isinstance(value, (bool, int, float, str)):
                    small[f"optimizer/{number}/{name}/{key}"] = value
                else:
                    raise ValueError(f"{type(optimizer).__name__} keeps a {type(value).__name__}: not to be written")
    sources, words = random_states()
    tensors |= sources
    header = {
        "format": FORMAT, "step": place.step, "history": place.history._asdict(), "pending": place.pending,
        "data": batches.state(), "small": small, "random": words, "recipe": recipe or {},
        "model": described(model), "optimizers": [grouped(model, optimizer) for optimizer in optimizers],
    }  # fmt: skip
    # A copy each: safetensors takes no two tensors that share memory.
    copies = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
    content = to_bytes(copies, {"minivit": json.dumps(header)})
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
    differ = differences("", header["recipe"], json.loads(json.dumps(recipe or {})))
    differ += differences("model: ", header["model"], described(model))
    differ += differences("optimizer: ", header["optimizers"], [grouped(model, one) for one in optimizers])
    if differ:
        more = f"; and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise ValueError(
            f"{path} belongs to another run: {'; '.join(differ[:4])}{more}. Give this run "
            f"another path, or delete the file"
        )
    batches.restore(header["data"])
    for number, optimizer in enumerate(optimizers):
        _restore_optimizer(optimizer, held(model, optimizer), f"optimizer/{number}/", tensors, header["small"])
    with torch.no_grad():
        for name, weight in weights_of(model).items():
            weight.copy_(tensors[f"model/{name}"])
    restore_random(tensors, header["random"])
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
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} is not a minivit checkpoint: its format is {header.get('format')!r}, not {FORMAT!r}")
    return header, tensors


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
