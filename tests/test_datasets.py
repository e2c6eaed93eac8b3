"""Digits and CIFAR-10: the right pictures with the right labels, honest splits, downloads whole or not at all."""

import http.server
import io
import os
import socket
import sys
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from minivit.images import cifar
from minivit.images.cifar import CIFAR10_NAMES, cifar10
from minivit.images.handwriting import DIGIT_FORMS, digits, digits_by_writer, digits_split
from minivit.images.labelled import Labelled

# Digits


def test_digits_are_the_sources_sixteenths():
    from sklearn.datasets import load_digits

    data, source = digits(), load_digits()
    assert data.images.shape == (1797, 1, 8, 8) and data.images.dtype == torch.float32
    assert data.labels.shape == (1797,) and data.labels.dtype == torch.int64
    assert (data.images[:, 0].numpy() * 16 == source.images).all()
    assert (data.labels.numpy() == source.target).all()
    assert data.names == tuple("0123456789")
    assert data.images.min() == 0 and data.images.max() == 1


def rows(images: torch.Tensor) -> list[bytes]:
    return [image.numpy().tobytes() for image in images]


@pytest.mark.parametrize("test", [1, 450, 899, 1796])
def test_the_split_has_every_digit_once_and_every_class_in_proportion(test):
    data, split = digits(), digits_split(test, seed=3)
    assert len(split.test.labels) == len(split.test.images) == test
    assert len(split.train.labels) == len(split.train.images) == 1797 - test
    assert sorted(rows(split.train.images) + rows(split.test.images)) == sorted(rows(data.images))
    by_picture = dict(zip(rows(data.images), data.labels.tolist(), strict=True))
    assert len(by_picture) == 1797  # no two digits are the same picture, so a label can be traced
    for part in split:
        assert [by_picture[row] for row in rows(part.images)] == part.labels.tolist()
    share = torch.bincount(data.labels).double() * test / 1797
    assert (torch.bincount(split.test.labels, minlength=10) - share).abs().max() < 1


def test_the_split_is_1347_to_450_shuffled_and_seeded():
    split = digits_split()
    assert (len(split.train.labels), len(split.test.labels)) == (1347, 450)
    again, other = digits_split(seed=0), digits_split(seed=1)
    assert torch.equal(split.test.images, again.test.images) and torch.equal(split.train.labels, again.train.labels)
    assert not torch.equal(split.test.images, other.test.images)
    assert split.train.labels[:100].unique().numel() == split.test.labels[:100].unique().numel() == 10
    assert split.test.labels[:12].tolist() == [3, 1, 0, 6, 7, 5, 8, 2, 8, 9, 1, 8]  # the same everywhere


@pytest.mark.parametrize("test", [0, -1, 1797, 5000, 0.25, 450.0])
def test_an_impossible_split_is_refused(test):
    with pytest.raises(ValueError, match=f"1 to 1796; got {test}"):
        digits_split(test)


def test_the_labels_run_fourteen_times_through_one_form():
    labels = digits().labels.tolist()
    ends = [*DIGIT_FORMS[1:], 1797]
    forms = [labels[start:end] for start, end in zip(DIGIT_FORMS, ends, strict=True)]
    whole = forms[0]
    assert sum(form == whole for form in forms) == 7 and len(whole) == 130
    for form in forms:  # the others are the same list with a few left out or added
        assert form[:17] == whole[:17]
        left = iter(whole + whole[:10])
        assert sum(any(digit == other for other in left) for digit in form) >= 0.8 * len(form)


def test_no_form_is_on_both_sides_of_the_split_by_writer():
    data, split = digits(), digits_by_writer()
    assert torch.equal(split.test.images, data.images[-450:]) and torch.equal(split.test.labels, data.labels[-450:])
    count = len(split.train.labels)
    assert count == 1287 and torch.equal(split.train.images, data.images[:count])
    assert torch.equal(split.train.labels, data.labels[:count])
    form = np.searchsorted(DIGIT_FORMS, np.arange(1797), side="right")
    assert not set(form[:count]) & set(form[-450:])
    assert set(split.test.labels.tolist()) == set(range(10))


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r"scikit-learn: pip install 'minivit\[lessons\]'"):
        digits()
    with pytest.raises(ImportError, match=r"pyarrow: pip install 'minivit\[lessons\]'"):
        cifar10("train", path="anywhere")


# CIFAR-10 from files


def tiny(count: int, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (count, 32, 32, 3)).astype(np.uint8), [int(k) for k in random.randint(0, 10, count)]


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def table(pixels: np.ndarray, labels: list, *, nested: bool = True) -> pa.Table:
    files, paths = [png(picture) for picture in pixels], [f"{k}.png" for k in range(len(pixels))]
    if nested:
        pictures = [{"bytes": data, "path": path} for data, path in zip(files, paths, strict=True)]
        return pa.table({"img": pictures, "label": pa.array(labels, pa.int64())})
    return pa.table({"img.bytes": files, "img.path": paths, "label": pa.array(labels, pa.int64())})


def expect(data: Labelled, pixels: np.ndarray, labels: list[int]) -> None:
    assert data.images.dtype == torch.uint8 and data.labels.dtype == torch.int64
    assert torch.equal(data.images, torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))
    assert data.labels.tolist() == labels
    assert data.names == CIFAR10_NAMES and len(CIFAR10_NAMES) == 10


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        "test.parquet",
        "test-00000-of-00001.parquet",
        "plain_text/test-00000-of-00001.parquet",
        "plain_text/test/0000.parquet",
    ],
)
def test_both_layouts_under_every_file_name(tmp_path, nested, place):
    pixels, labels = tiny(7)
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table(pixels, labels, nested=nested), file, row_group_size=3)
    parquet.write_table(table(*tiny(3, seed=1)), tmp_path / "train.parquet")
    expect(cifar10("test", path=tmp_path), pixels, labels)
    expect(cifar10("test", path=str(file)), pixels, labels)


def test_several_files_are_joined_in_order_and_a_missing_one_is_noticed(tmp_path):
    pixels, labels = tiny(12)
    for part in (2, 0, 1):
        rows = slice(4 * part, 4 * part + 4)
        parquet.write_table(table(pixels[rows], labels[rows]), tmp_path / f"train-0000{part}-of-00003.parquet")
    expect(cifar10("train", path=tmp_path), pixels, labels)
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(FileNotFoundError, match="has 2 of the 3 files of train"):
        cifar10("train", path=tmp_path)


def test_the_variable_names_the_folder_and_an_argument_goes_before_it(tmp_path, monkeypatch):
    pixels, labels = tiny(5)
    parquet.write_table(table(pixels, labels), tmp_path / "test.parquet")
    monkeypatch.setenv("MINIVIT_CIFAR10", str(tmp_path))
    expect(cifar10("test"), pixels, labels)
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        cifar10("test", path=tmp_path / "elsewhere")


def test_what_is_not_there_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ValueError, match=r'"train" and "test", not \'val\''):
        cifar10("val", path=tmp_path)
    with pytest.raises(ValueError, match="not None"):
        cifar10(None, path=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"looked for train.parquet and train-00000-of-00001.*get it from"):
        cifar10("train", path=tmp_path)


def test_files_that_hold_something_else_are_refused(tmp_path):
    file = tmp_path / "train.parquet"
    pixels, labels = tiny(4)

    def refuses(message: str) -> None:
        with pytest.raises(ValueError, match=message):
            cifar10("train", path=tmp_path)

    file.write_bytes(b"")
    refuses(r"train\.parquet is not a whole parquet file")
    file.write_bytes(b"PAR1 hello PAR1")
    refuses("not a whole parquet file .* delete it and get it again")
    parquet.write_table(table(pixels, labels), file)
    file.write_bytes(file.read_bytes()[:-20])
    refuses("not a whole parquet file")
    parquet.write_table(pa.table({"picture": [b"x"], "label": [1]}), file)
    refuses("has the columns picture, label; CIFAR-10 has img")
    parquet.write_table(table(pixels[:0], []).cast(table(pixels, labels).schema), file)
    refuses("holds no rows")
    parquet.write_table(table(pixels, [1, 2, 10, 3]), file)
    refuses("row 2 of .* has a picture and label 10, not 0 to 9")
    parquet.write_table(table(pixels, [1, None, 2, 3]), file)
    refuses("row 1 of .* label None")
    good = table(pixels, labels)
    for row, data, message in (
        (3, None, "row 3 of .* has no picture"),
        (1, b"", r"the picture in row 1 is empty \(0 bytes\)"),
        (2, png(pixels[2])[:500], r"the picture in row 2 \(PNG, 32 x 32 pixels\) is broken or cut short"),
        (0, png(pixels[0, :, :31]), "the picture in row 0 has 32 x 31 pixels, and CIFAR-10 32 x 32"),
    ):
        pictures = good["img"].to_pylist()
        pictures[row]["bytes"] = data
        parquet.write_table(pa.table({"img": pictures, "label": labels}), file)
        refuses(message)


# CIFAR-10 from the network, played by a server on this machine


class Hub:
    """Answers every request with `body`, or as `behave` says; counts the requests."""

    def __init__(self):
        self.body, self.behave, self.paths = b"", "well", []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hub.paths.append(self.path)
                if hub.behave == "missing":
                    return self.send_error(404)
                if hub.behave == "redirect" and not self.path.startswith("/moved"):
                    self.send_response(302)
                    self.send_header("Location", "/moved" + self.path)
                    return self.end_headers()
                self.send_response(200)
                if hub.behave == "chunked break":
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"%x\r\n" % len(hub.body) + hub.body[:1000])
                else:
                    if hub.behave != "no length, break":
                        self.send_header("Content-Length", str(len(hub.body)))
                    self.end_headers()
                    whole = hub.behave in ("well", "redirect")
                    self.wfile.write(hub.body if whole else hub.body[: len(hub.body) // 2])
                self.wfile.flush()
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})


@pytest.fixture
def hub(tmp_path, monkeypatch):
    played = Hub()
    monkeypatch.setattr(cifar, "CIFAR10_ADDRESS", played.address + cifar.CIFAR10_FILE)
    monkeypatch.setattr(cifar, "CIFAR10_ROWS", {"train": 9, "test": 6})
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINIVIT_CIFAR10", raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    pixels, labels = tiny(6)
    parquet.write_table(table(pixels, labels), tmp_path / "source.parquet")
    played.body = (tmp_path / "source.parquet").read_bytes()
    played.thread.start()
    yield played
    played.server.shutdown()
    played.server.server_close()
    played.thread.join()


def kept(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


@pytest.mark.parametrize("behave", ["well", "redirect"])
def test_a_file_is_downloaded_once_and_kept_under_its_own_name(hub, tmp_path, behave):
    hub.behave = behave
    expect(cifar10("test"), *tiny(6))
    assert kept(tmp_path) == ["test-00000-of-00001.parquet"]
    asked = len(hub.paths)
    assert hub.paths[0] == "/test-00000-of-00001.parquet"
    expect(cifar10("test"), *tiny(6))
    assert len(hub.paths) == asked


@pytest.mark.parametrize("behave", ["length, break", "no length, break", "chunked break", "missing"])
def test_a_broken_download_leaves_nothing_behind_and_the_next_try_works(hub, tmp_path, behave):
    hub.behave = behave
    with pytest.raises(OSError, match=r"could not be downloaded from http://127.*path=.*MINIVIT_CIFAR10"):
        cifar10("test")
    if behave == "length, break":
        with pytest.raises(OSError, match=r"of [\d,]+ bytes came|IncompleteRead"):
            cifar10("test")
    assert kept(tmp_path) == []
    hub.behave = "well"
    expect(cifar10("test"), *tiny(6))


def test_a_download_with_other_rows_or_of_another_kind_is_refused(hub, tmp_path):
    with pytest.raises(OSError, match="it has 6 rows instead of 9"):
        cifar10("train")
    hub.body = b"<html>please log in</html>"
    with pytest.raises(OSError, match="could not be downloaded"):
        cifar10("test")
    assert kept(tmp_path) == []


def test_an_interrupted_download_leaves_nothing_behind(hub, tmp_path, monkeypatch):
    def interrupt(source, target):
        target.write(source.read(100))
        raise KeyboardInterrupt

    monkeypatch.setattr(cifar.shutil, "copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cifar10("test")
    assert kept(tmp_path) == []


def test_without_a_network_the_address_and_the_way_out_are_named(hub, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(cifar, "CIFAR10_ADDRESS", f"http://127.0.0.1:{port}/" + cifar.CIFAR10_FILE)
    with pytest.raises(OSError, match=rf"127.0.0.1:{port}/train-00000-of-00001.parquet .*Connect to the network, or"):
        cifar10("train")


def test_a_cache_that_cannot_be_written_is_an_os_error(hub, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"in the way")
    monkeypatch.setenv("MINIVIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"could not be downloaded .* to .*file"):
        cifar10("test")


def test_the_real_address_is_the_hubs():
    assert cifar.CIFAR10_ADDRESS.format(split="train") == (
        "https://huggingface.co/datasets/uoft-cs/cifar10/resolve/main/plain_text/train-00000-of-00001.parquet"
    )
    assert cifar.CIFAR10_ROWS == {"train": 50_000, "test": 10_000}
