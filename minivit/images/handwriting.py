"""Handwritten digits that ship inside scikit-learn, with two honest splits.

Legend: B pictures, C channels, H W pixels; images (B, C, H, W), labels (B,).
"""

import numpy as np
import torch

from minivit.images.labelled import Labelled, Split

# The labels run 14 times through the same form, nearly: here each of the 14 begins.
DIGIT_FORMS = (0, 130, 256, 386, 516, 646, 776, 915, 1029, 1157, 1287, 1415, 1545, 1667)


def digits() -> Labelled:
    """-> images float32 (1797, 1, 8, 8) in [0, 1], labels (1797,): the handwritten digits that ship in scikit-learn.

    A pixel counts the inked points of a 4 x 4 block, 0 to 16, and is divided by 16, which is exact. The pictures are
    the test part of the UCI data set "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, 1998.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the digits need scikit-learn: pip install 'minivit[lessons]'") from error
    source = load_digits()
    images = torch.from_numpy(source.images.astype(np.float32) / 16)[:, None]
    return Labelled(images, torch.from_numpy(source.target.astype(np.int64)), tuple("0123456789"))


def digits_split(test: int = 450, *, seed: int = 0) -> Split:
    """The digits, shuffled and split 1347 to 450 with every class in proportion; the same for a seed on every machine.

    Most writers are on both sides, so this asks for new drawings by known hands; see `digits_by_writer`.
    """
    data = digits()
    if not isinstance(test, int) or isinstance(test, bool) or not 1 <= test < len(data.labels):
        raise ValueError(f"test is the number of digits kept for judging, 1 to {len(data.labels) - 1}; got {test}")
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is a whole number from 0 to 2**32 - 1; got {seed!r}")
    random = np.random.RandomState(seed)  # its stream is frozen, unlike that of newer generators
    counts = np.bincount(data.labels.numpy())
    shares = counts * test / counts.sum()
    take = np.floor(shares).astype(int)
    take[np.argsort(take - shares, kind="stable")[: test - take.sum()]] += 1  # what is left goes to the largest rests
    chosen = [random.permutation(np.flatnonzero(data.labels == digit))[:n] for digit, n in enumerate(take)]
    judged = random.permutation(np.concatenate(chosen))
    return Split(_part(data, random.permutation(np.setdiff1d(np.arange(counts.sum()), judged))), _part(data, judged))


def digits_by_writer() -> Split:
    """The digits in their own order: trained on the first 1287, judged on the last 450, most likely by other hands.

    The data set says that 13 people wrote these digits, not who wrote which. But the labels run 14 times through one
    form, and nobody fills in half a form: so the cut lies between forms (one person filled in two, it seems). The form
    that the 450 begin in the middle of gives nothing to training; 60 digits belong to neither side.
    """
    data = digits()
    first = len(data.labels) - 450
    begun = max(start for start in DIGIT_FORMS if start <= first)
    return Split(_part(data, slice(0, begun)), _part(data, slice(first, None)))


def _part(data: Labelled, index: np.ndarray | slice) -> Labelled:
    return Labelled(data.images[index], data.labels[index], data.names)
