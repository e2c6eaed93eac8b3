"""Every global source of random numbers, read and put back."""

import random

import numpy as np
import torch
from torch import Tensor


def random_states() -> tuple[dict[str, Tensor], dict]:
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


def restore_random(tensors: dict[str, Tensor], words: dict) -> None:
    torch.set_rng_state(tensors["random/torch"])
    version, gauss = words["python"]
    random.setstate((version, tuple(tensors["random/python"].tolist()), gauss))
    kind, position, has_gauss, gauss = words["numpy"]
    np.random.set_state((kind, tensors["random/numpy"].numpy().astype(np.uint32), position, has_gauss, gauss))
    for i in range(torch.cuda.device_count()):
        if f"random/cuda{i}" in tensors:
            torch.cuda.set_rng_state(tensors[f"random/cuda{i}"], i)
