"""Labelled pictures to train on: scikit-learn's handwritten digits, and CIFAR-10.

B pictures, C channels, H W pixels; images (B, C, H, W), labels (B,)
"""

import os
import re
import shutil
import tempfile
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from minivit.images.decoding import decode_file, quiet


class Labelled(NamedTuple):
    """Pictures with a class each."""

    images: Tensor  # (B, C, H, W)
    labels: Tensor  # (B,) int64, an index into names
    names: tuple[str, ...]


class Split(NamedTuple):
    """What to learn from, and what to be judged on."""

    train: Labelled
    test: Labelled


# Handwritten digits

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
    if not isinstance(test, int) or not 1 <= test < len(data.labels):
        raise ValueError(f"test is the number of digits kept for judging, 1 to {len(data.labels) - 1}; got {test}")
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


# CIFAR-10

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR10_ROWS = {"train": 50_000, "test": 10_000}
CIFAR10_FILE = "{split}-00000-of-00001.parquet"
CIFAR10_ADDRESS = "https://huggingface.co/datasets/uoft-cs/cifar10/resolve/main/plain_text/" + CIFAR10_FILE


def cifar10(split: str, *, path: str | Path | None = None) -> Labelled:
    """ "train" or "test" -> images uint8 (50000 or 10000, 3, 32, 32), labels (50000 or 10000,): CIFAR-10.

    `path` is a parquet file of the Hugging Face hub's uoft-cs/cifar10, or a folder with train.parquet and test.parquet
    or with the hub's own file names; a part of the rows will do. Without it the folder in the environment variable
    MINIVIT_CIFAR10 is taken, or else the file is downloaded once (120 MB and 24 MB) to ~/.cache/minivit, or to the
    folder in MINIVIT_CACHE. CIFAR-10 is by A. Krizhevsky, 2009; the hub states no licence. Raises OSError if there is
    no file or no network, ValueError if the file holds something else.
    """
    if split not in tuple(CIFAR10_ROWS):
        raise ValueError(f'CIFAR-10 has the splits "train" and "test", not {split!r}')
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError("CIFAR-10 needs pyarrow: pip install 'minivit[lessons]'") from error
    path = path or os.environ.get("MINIVIT_CIFAR10")
    rows = []
    for file in _local(Path(path), split) if path else [_downloaded(split)]:
        try:
            table = parquet.read_table(file)
        except ValueError as error:  # pyarrow's own errors are ValueErrors, and name no remedy
            raise ValueError(f"{file} is not a whole parquet file ({error}); delete it and get it again") from error
        rows += _rows(table, file)
    if not rows:
        raise ValueError(f"{path} holds no rows; get the file again")
    images = torch.empty(len(rows), 3, 32, 32, dtype=torch.uint8)
    with quiet():  # one thread: a picture this small spends its time in Python, and several threads take longer
        for row, (data, _) in enumerate(rows):
            images[row] = _picture(data, f"the picture in row {row}")
    return Labelled(images, torch.tensor([label for _, label in rows]), CIFAR10_NAMES)


def _rows(table, file: Path) -> list[tuple[bytes, int]]:
    """A table with the columns label and img, or label and img.bytes -> pairs of a picture's bytes and its class."""
    names = table.column_names
    if "img.bytes" not in names and "img" in names:
        table = table.flatten()
    if not {"img.bytes", "label"} <= set(table.column_names):
        raise ValueError(f"{file} has the columns {', '.join(names)}; CIFAR-10 has img (with bytes) and label")
    rows = list(zip(table["img.bytes"].to_pylist(), table["label"].to_pylist(), strict=True))
    for row, (data, label) in enumerate(rows):
        if not isinstance(data, bytes) or label not in range(10):
            has = "a" if isinstance(data, bytes) else "no"
            raise ValueError(f"row {row} of {file} has {has} picture and label {label}, not 0 to 9; get the file again")
    return rows


def _picture(data: bytes, name: str) -> Tensor:
    image = decode_file(BytesIO(data), name)
    if image.shape != (3, 32, 32):
        raise ValueError(f"{name} has {image.shape[1]} x {image.shape[2]} pixels, and CIFAR-10 32 x 32; check the file")
    return image


def _local(path: Path, split: str) -> Sequence[Path]:
    """A file, or the files of a split in a folder, in order."""
    if path.is_file():
        return [path]
    patterns = (f"{split}.parquet", f"{split}-*-of-*.parquet", f"{split}/*.parquet", f"cifar10-{split}.parquet")
    for pattern in (*patterns, *(f"plain_text/{pattern}" for pattern in patterns)):
        if files := sorted(path.glob(pattern)):
            parts = re.search(r"-of-(\d+)\.parquet$", files[0].name)
            if parts and int(parts[1]) != len(files):
                whole = int(parts[1])
                raise FileNotFoundError(f"{path} has {len(files)} of the {whole} files of {split}; add the others")
            return files
    raise FileNotFoundError(
        f"no CIFAR-10 {split} file at {path}: looked for {split}.parquet and {CIFAR10_FILE.format(split=split)}; "
        f"get it from {CIFAR10_ADDRESS.format(split=split)}"
    )


def _downloaded(split: str) -> Path:
    """The cached file, downloaded if it is not there yet. It gets its name only when it is whole."""
    import pyarrow.parquet as parquet

    address = CIFAR10_ADDRESS.format(split=split)
    cache = Path(os.environ.get("MINIVIT_CACHE") or Path.home() / ".cache" / "minivit") / "cifar10"
    target = cache / CIFAR10_FILE.format(split=split)
    if target.exists():
        return target
    partial = None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        request = urllib.request.Request(address, headers={"User-Agent": "minivit"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            with tempfile.NamedTemporaryFile(dir=cache, prefix=target.name, suffix=".part", delete=False) as file:
                partial = Path(file.name)
                shutil.copyfileobj(answer, file)
            promised = answer.headers.get("Content-Length")
        if promised and int(promised) != partial.stat().st_size:
            raise OSError(f"{partial.stat().st_size:,} of {int(promised):,} bytes came")
        if (rows := parquet.read_metadata(partial).num_rows) != CIFAR10_ROWS[split]:
            raise OSError(f"it has {rows:,} rows instead of {CIFAR10_ROWS[split]:,}")
        os.replace(partial, target)
    except (OSError, HTTPException, ValueError) as error:  # HTTPException and pyarrow's errors are no OSErrors
        raise OSError(
            f"CIFAR-10 {split} could not be downloaded from {address} to {cache} ({error}). Connect to the network, or "
            "get the file another way and give it, or its folder, as path=... or in the variable MINIVIT_CIFAR10"
        ) from error
    finally:
        if partial:
            partial.unlink(missing_ok=True)
    return target
