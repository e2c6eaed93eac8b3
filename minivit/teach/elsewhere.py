"""Hugging Face transformers, for the lessons that compare with it: imported so that it works beside any build of torch.

transformers imports torchvision where it is installed. PyPI's torchvision is built for CUDA; beside a CPU build of
torch its binary does not load, and its Python then stops at operators that nobody declared. No ViT calls them.
"""

import importlib
import importlib.util
from types import ModuleType

import torch

_KEPT: list[torch.library.Library] = []  # an operator lives as long as the library that declared it


def transformers() -> ModuleType:
    """The package transformers; ImportError that names the extra where it is missing."""
    if importlib.util.find_spec("transformers") is None:
        raise ImportError("the comparison needs transformers: pip install 'minivit[lessons]'")
    torchvision()
    return importlib.import_module("transformers")


def torchvision() -> None:
    """Import torchvision if it is installed, so that whoever imports it later finds it whole."""
    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(declared)
        importlib.import_module("torchvision")
