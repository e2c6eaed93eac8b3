"""The door to pictures: the shipped samples with their terms, folders with broken files among the good."""

import importlib.util
import io
import os
import socket
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from minivit import images
from minivit.images import cifar, decoding, handwriting, labelled, pixels


def png(*shape: int, seed: int = 0) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


# One door


def test_the_names_of_the_rooms_behind_are_here_too():
    for room, names in (
        (decoding, ("decode", "load", "from_array")),
        (pixels, ("to_float", "to_uint8", "resize", "fit", "MAX_PIXELS")),
        (handwriting, ("digits", "digits_split", "digits_by_writer")),
        (cifar, ("cifar10",)),
        (labelled, ("Labelled", "Split")),
    ):
        for name in names:
            assert getattr(images, name) is getattr(room, name)
            assert name in images.__all__


# Samples


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", images.samples())
def test_every_sample_is_in_its_package_and_loads_without_a_network(name, no_network):
    image = images.sample(name)
    assert image.dtype == torch.uint8 and image.shape[0] == 3 and min(image.shape[1:]) > 100
    assert int(image.max()) - int(image.min()) > 50  # a picture, not a blank
    described = images.samples()[name]
    assert described.name == name
    grey = torch.equal(image[0], image[1]) and torch.equal(image[0], image[2])
    assert grey == ("grey" in described.shows or name == "horse")


def test_samples_equal_what_their_packages_load():
    import skimage.data
    from sklearn.datasets import load_sample_image

    for name in ("astronaut", "coffee", "rocket"):
        loaded = getattr(skimage.data, name)()
        assert torch.equal(images.sample(name), torch.from_numpy(loaded.transpose(2, 0, 1).copy()))
    assert torch.equal(images.sample("camera")[1], torch.from_numpy(skimage.data.camera().copy()))
    left, right, _ = skimage.data.stereo_motorcycle()
    assert torch.equal(images.sample("motorcycle_left"), torch.from_numpy(left.transpose(2, 0, 1).copy()))
    assert torch.equal(images.sample("motorcycle_right"), torch.from_numpy(right.transpose(2, 0, 1).copy()))
    for name in ("china", "flower"):
        loaded = load_sample_image(f"{name}.jpg")
        assert torch.equal(images.sample(name), torch.from_numpy(loaded.transpose(2, 0, 1).copy()))


def test_the_stated_terms_stand_in_the_packages_own_words():
    """Each licence is what the docstring or the README beside the file says; where they say nothing, so do we."""
    import skimage.data

    words = {
        "CC0 1.0": ("CC0",),
        "public domain": ("public domain",),
        "public domain, disputed": ("public domain",),
        "no known copyright restrictions": ("No known copyright restrictions",),
    }
    functions = {"motorcycle_left": "stereo_motorcycle", "motorcycle_right": "stereo_motorcycle"}
    for sample in images.samples().values():
        if sample.package == "scikit-image":
            text = getattr(skimage.data, functions.get(sample.name, sample.name)).__doc__
            if sample.licence == "not stated":
                assert not any(word in text for group in words.values() for word in group), sample.name
            else:
                assert any(word in text for word in words[sample.licence]), sample.name
    readme = importlib.util.find_spec("sklearn").submodule_search_locations[0] + "/datasets/images/README.txt"
    with open(readme) as file:
        text = file.read()
    for name, author in (("china", "danielbuechele/6061409035"), ("flower", "vultilion/6056698931")):
        sample = images.samples()[name]
        assert sample.package == "scikit-learn" and sample.licence == "CC BY 2.0" and sample.source.endswith(author)
        assert f"Image: {name}.jpg" in text and author in text
    assert "creativecommons.org/licenses/by/2.0" in text


def test_samples_are_sorted_described_and_a_copy():
    described = images.samples()
    assert list(described) == sorted(described)
    assert all(all(sample) for sample in described.values())
    described.clear()
    assert images.samples()


def test_an_unknown_sample_lists_the_known():
    with pytest.raises(ValueError, match=r"no sample 'lena'; choose one of astronaut, brick, .*text"):
        images.sample("lena")
    for wrong in (None, 3, ["coffee"]):
        with pytest.raises(ValueError, match="no sample"):
            images.sample(wrong)


@pytest.mark.parametrize("name, package", [("coffee", "skimage"), ("china", "sklearn")])
def test_a_sample_whose_package_is_missing_names_the_extra(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"'{name}' needs scikit-.*: pip install 'minivit\[lessons\]'"):
        images.sample(name)


def test_a_version_without_the_file_is_an_os_error(monkeypatch, tmp_path):
    (tmp_path / "skimage").mkdir()
    (tmp_path / "skimage" / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "skimage", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"this scikit-image ships no .*coffee\.png; install the version"):
        images.sample("coffee")


# Folders


def test_a_folder_is_read_in_order_without_what_is_no_picture(tmp_path):
    shapes = {"b.png": (4, 6, 3), "A.JPG": (9, 5, 3), "c.webp": (2, 8, 4), "10.tiff": (3, 7)}
    for seed, (name, shape) in enumerate(shapes.items()):
        (tmp_path / name).write_bytes(png(*shape, seed=seed))
    for name in ("notes.txt", ".hidden.png", "._b.png", "Thumbs.db", "no-ending"):
        (tmp_path / name).write_bytes(b"not a picture")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inside.png").write_bytes(png(3, 3))
    read = images.folder(tmp_path)
    assert read.names == ["10.tiff", "A.JPG", "b.png", "c.webp"] and read.skipped == []
    for name, image in zip(read.names, read.images, strict=True):
        assert image.shape == (3, *shapes[name][:2])
        assert torch.equal(image, images.load(tmp_path / name))
    assert images.folder(str(tmp_path)).names == read.names


def test_with_a_size_a_folder_is_one_batch(tmp_path):
    for seed, shape in enumerate([(40, 60, 3), (33, 21), (8, 50, 4)]):
        (tmp_path / f"{seed}.png").write_bytes(png(*shape, seed=seed))
    batch = images.folder(tmp_path, size=(16, 24)).images
    assert batch.shape == (3, 3, 16, 24) and batch.dtype == torch.uint8
    for image, whole in zip(batch, images.folder(tmp_path).images, strict=True):
        assert torch.equal(image, images.fit(whole, 16, 24))
    for size in (16, (16,), (16, 0), (16, 24, 3), "ab", {16, 24}):
        with pytest.raises(ValueError, match=r"size is \(height, width\)|a height and a width"):
            images.folder(tmp_path, size=size)


def test_broken_pictures_among_good_ones_are_left_out_and_named(tmp_path):
    (tmp_path / "good.png").write_bytes(png(5, 7, 3))
    (tmp_path / "half.png").write_bytes(png(50, 70, 3)[:5000])
    (tmp_path / "letter.jpg").write_text("dear reader")
    (tmp_path / "empty.gif").touch()
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.warns(UserWarning, match=r"left out 4 of 5 pictures:(\n.*)*half\.png") as seen:
        read = images.folder(tmp_path)
    assert len(seen) == 1 and seen[0].filename == __file__
    assert read.names == ["good.png"] and torch.equal(read.images[0], images.load(tmp_path / "good.png"))
    assert [broken.name for broken in read.skipped] == ["empty.gif", "half.png", "letter.jpg", "phone.HEIC"]
    reasons = [broken.reason for broken in read.skipped]
    for reason, words in zip(reasons, ("0 bytes", "cut short", "not a picture", "export it as"), strict=True):
        assert words in reason
        assert reason in str(seen[0].message)


def test_a_link_to_nowhere_is_a_broken_picture(tmp_path):
    (tmp_path / "good.png").write_bytes(png(5, 7, 3))
    try:
        (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    except OSError:
        pytest.skip("no links here")
    with pytest.warns(UserWarning, match="there is no file"):
        assert [broken.name for broken in images.folder(tmp_path).skipped] == ["gone.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_picture_that_may_not_be_read_is_left_out(tmp_path):
    (tmp_path / "good.png").write_bytes(png(5, 7, 3))
    (tmp_path / "locked.png").write_bytes(png(5, 7, 3))
    (tmp_path / "locked.png").chmod(0)
    with pytest.warns(UserWarning, match=r"locked\.png"):
        assert images.folder(tmp_path).names == ["good.png"]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no pictures in .*; put files with one of these endings there: \.png"):
        images.folder(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="no pictures in"):
        images.folder(tmp_path)


def test_a_folder_of_broken_pictures_is_refused_with_reasons(tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.png").write_bytes(b"x" * number)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"none of the 12 pictures in .*:\n  00\.png: .*empty") as caught:
            images.folder(tmp_path)
    assert "09.png" in str(caught.value) and "10.png" not in str(caught.value)
    assert str(caught.value).endswith("and 2 more")


def test_no_folder_and_a_file_instead_of_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        images.folder(tmp_path / "nowhere")
    (tmp_path / "a.png").write_bytes(png(3, 3))
    with pytest.raises(ValueError, match=r"is a file, not a folder; read one picture with load\(path\)"):
        images.folder(tmp_path / "a.png")
    for wrong in (None, 3, b"folder"):
        with pytest.raises(ValueError, match="folder takes a path"):
            images.folder(wrong)
