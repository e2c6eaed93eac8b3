"""CIFAR-10 from the hub's parquet files: a local copy, or downloaded once.

Legend: B pictures, C channels, H W pixels; images (B, C, H, W), labels (B,).
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

import torch
from torch import Tensor

from minivit.images.decoding import decode_file, quiet
from minivit.images.labelled import Labelled

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
    if not isinstance(path, str | Path | None):
        raise ValueError(f"cifar10 takes a path, got {type(path).__name__}")
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
