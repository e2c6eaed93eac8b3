"""The shelf: a name -> trained weights that ship with the package, the model they fit, its tokenizer, and a card.

Weights are safetensors in bfloat16, computed with in float32; the card beside them says how they came about and how
good they are, and holds the file's checksum. A file that was cut or changed is refused before it is read.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import nn

from minivit.language import Pieces
from minivit.tokenizers import Tokenizer
from minivit.zoo import matching

SHELF = Path(__file__).with_name("weights")


def _panels_language(told: dict) -> tuple[nn.Module, Pieces]:
    from minivit.zoo import speaking  # here, for what is said of panels needs pydantic

    pieces = Pieces(told["pieces"])
    return speaking.language(pieces), pieces


def _assistant(told: dict) -> tuple[nn.Module, Pieces]:
    from minivit.zoo import assisting

    pieces = Pieces(told["pieces"])
    return assisting.assistant(pieces, least=told["thresholds"]["least"]), pieces


BUILDERS: dict[str, Callable[[dict], tuple[nn.Module, Tokenizer | Pieces]]] = {  # a card -> what its weights fit
    "clip-panels": lambda told: (matching.towers(), matching.words()),
    "panels-language": _panels_language,
    "panels-assistant": _assistant,
}


class Trained(NamedTuple):
    """What `load` takes off the shelf."""

    model: nn.Module  # in evaluation mode, float32, on the CPU
    tokenizer: Tokenizer | Pieces
    card: dict  # what, recipe, data, steps, seconds, hardware, scores (value, chance, count), weights, bytes, sha256;
    # the assistant's too: thresholds, of each claim the least probability with which it holds


def names() -> list[str]:
    """What is on the shelf."""
    return sorted(BUILDERS)


def card(name: str) -> dict:
    """What is known of a trained model. Raises ValueError for a name that is not on the shelf."""
    if name not in BUILDERS:
        raise ValueError(f"the zoo has no {name!r}; it has {', '.join(names())}")
    return json.loads((SHELF / f"{name}.json").read_text(encoding="utf-8"))


def load(name: str) -> Trained:
    """The trained model of this name, its tokenizer and its card.

    Raises ValueError for a name that is not on the shelf, and for a file that is not the one the card describes, with
    both checksums; FileNotFoundError where the file is missing.
    """
    told, path = card(name), SHELF / f"{name}.safetensors"
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != told["sha256"]:
        raise ValueError(
            f"{path.name} is not the file of its card: {len(content)} bytes and sha256 {found[:16]}..., the card says "
            f"{told['bytes']} bytes and {told['sha256'][:16]}.... Install minivit again, or run make zoo"
        )
    model, tokenizer = BUILDERS[name](told)
    stored = from_bytes(content)
    model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in stored.items()})
    return Trained(model.eval(), tokenizer, told)


def keep(
    name: str, model: nn.Module, told: dict, scores: Callable[[nn.Module], dict],
    thresholds: Callable[[nn.Module], dict] | None = None,
) -> dict:  # fmt: skip
    """Put a trained model on the shelf -> its card: `told` (what, recipe, data, ...) with scores, size and checksum.

    Weights are rounded to bfloat16 first; `scores` and, where there are some, `thresholds` are asked about the model as
    it will be loaded.
    """
    state = {key: value.detach().cpu() for key, value in model.state_dict().items()}
    rounded = {key: value.bfloat16() if value.is_floating_point() else value for key, value in state.items()}
    content = to_bytes({key: value.contiguous() for key, value in rounded.items()})
    model.load_state_dict({key: rounded[key].to(value.dtype) for key, value in state.items()})
    measured = {"scores": scores(model.eval())} | ({} if thresholds is None else {"thresholds": thresholds(model)})
    full = told | measured | {
        "weights": sum(weight.numel() for weight in model.parameters()),
        "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    SHELF.mkdir(exist_ok=True)
    _write(SHELF / f"{name}.safetensors", content)
    _write(SHELF / f"{name}.json", (json.dumps(full, indent=1) + "\n").encode())
    return full


def _write(path: Path, content: bytes) -> None:
    """The file appears under its name complete."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)
