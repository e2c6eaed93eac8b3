"""The order of the data: endless shuffled batches, and a place in them that can be written down.

Every epoch's order and every batch's augmentation are drawn from generators seeded with the seed and a counter. So the
place is one number, the count of batches taken, and going back to it needs no generator's inner state.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Generator, Tensor

from minivit.train.finite import refuse_not_finite

Augment = Callable[[Generator, Tensor], Tensor]


@runtime_checkable
class Resumable(Protocol):
    """Batches whose place can be written down and taken up again."""

    def state(self) -> dict:
        """The place: numbers and words by name."""

    def restore(self, state: dict) -> None:
        """Go to the place; ValueError if it is a place in other data."""


class Shuffled:
    """Tensors (M, ...) of equal length M -> an endless row of tuples (batch, ...), shuffled anew every epoch.

    Every picture comes once an epoch; a batch may hold the end of one epoch and the beginning of the next, so k batches
    in a row are one batch of k times the size. `augment(generator, images)` changes the first tensor of each batch.
    Raises ValueError for lengths that differ, for a batch larger than M, and for NaN or infinity, with the index.
    """

    def __init__(self, *tensors: Tensor, batch: int, seed: int, augment: Augment | None = None):
        _check(tensors, batch, seed)
        self.tensors, self.batch, self.seed, self.augment = tensors, batch, seed, augment
        self.taken = 0  # batches taken so far
        self._orders: dict[int, Tensor] = {}

    def __iter__(self) -> "Shuffled":
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        chosen = self.indices(self.taken)
        images, *rest = (tensor[chosen.to(tensor.device)] for tensor in self.tensors)
        if self.augment is not None:
            images = self.augment(_generator(self.seed, 1, self.taken), images)
        self.taken += 1
        return images, *rest

    def indices(self, number: int) -> Tensor:
        """The pictures of batch `number`, counted from 0: (batch,) int64."""
        count = len(self.tensors[0])
        epoch, first = divmod(number * self.batch, count)
        chosen = self._order(epoch)[first : first + self.batch]
        missing = self.batch - len(chosen)
        return torch.cat([chosen, self._order(epoch + 1)[:missing]]) if missing else chosen

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            generator = _generator(self.seed, 0, epoch)
            self._orders = {old: self._orders[old] for old in self._orders if old == epoch - 1}
            self._orders[epoch] = torch.randperm(len(self.tensors[0]), generator=generator)
        return self._orders[epoch]

    def _data(self) -> dict:
        shapes = [list(tensor.shape) for tensor in self.tensors]
        return {"seed": self.seed, "batch": self.batch, "shapes": shapes, "augmented": self.augment is not None}

    def state(self) -> dict:
        """The place: how many batches were taken, and of what data."""
        return {"taken": self.taken, **self._data()}

    def restore(self, state: dict) -> None:
        """Go to the place. Raises ValueError if it was taken in other data, with what differs."""
        here = self._data()
        differ = [f"{name} was {state.get(name)!r}, is {now!r}" for name, now in here.items() if state.get(name) != now]
        if differ:
            raise ValueError(f"this place belongs to other data: {'; '.join(differ)}")
        self.taken = state["taken"]


def _generator(seed: int, stream: int, counter: int) -> Generator:
    # torch's generator on the CPU reads only the lower 32 bits of a seed, so the three numbers are mixed into 32.
    mixed = np.random.SeedSequence([seed, stream, counter]).generate_state(1)[0]
    return Generator().manual_seed(int(mixed))


def _check(tensors: tuple[Tensor, ...], batch: int, seed: int) -> None:
    if not tensors or not all(isinstance(tensor, Tensor) and tensor.ndim for tensor in tensors):
        raise ValueError("Shuffled needs tensors (M, ...), for instance images and labels")
    lengths = [len(tensor) for tensor in tensors]
    if len(set(lengths)) > 1:
        raise ValueError(f"the tensors must be equally long; their lengths are {lengths}")
    if not isinstance(batch, int) or isinstance(batch, bool) or not 1 <= batch <= lengths[0]:
        raise ValueError(f"a batch must be a whole number from 1 to the {lengths[0]} pictures there are; got {batch!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"a seed must be a whole number, 0 or more; got {seed!r}")
    for tensor in tensors:
        refuse_not_finite(tensor, "the data")
