"""Pictures with a class each, and a split of them: what every data set here gives.

Legend: B pictures, C channels, H W pixels.
"""

from typing import NamedTuple

from torch import Tensor


class Labelled(NamedTuple):
    """Pictures with a class each."""

    images: Tensor  # (B, C, H, W)
    labels: Tensor  # (B,) int64, an index into names
    names: tuple[str, ...]


class Split(NamedTuple):
    """What to learn from, and what to be judged on."""

    train: Labelled
    test: Labelled
