"""Files, bytes and arrays become exact upright pictures, or one ValueError (or OSError) says why not."""

import functools
import io
import os
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFile

from minivit.images import decoding
from minivit.images.decoding import decode, from_array, load

AVIF = "AVIF" in Image.registered_extensions().values() and "AVIF" in Image.SAVE


def random_pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def smooth(height: int = 37, width: int = 53) -> np.ndarray:
    """(height, width, 3): an uneven ramp, which lossy formats keep nearly."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 6 % 256, x * 4, 255 - y * 3 - x], axis=-1).astype(np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(array, -1, 0).copy())


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises a size and whose body holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


# What goes in comes out

sizes = st.tuples(st.integers(1, 20), st.integers(1, 20))


@given(pixels=sizes.flatmap(lambda size: arrays(np.uint8, (*size, 3))))
def test_lossless_files_of_any_size_decode_exactly(pixels):
    for kind, options in {"PNG": {}, "BMP": {}, "PPM": {}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
        image = decode(encoded(pixels, kind, **options))
        assert image.dtype == torch.uint8 and image.is_contiguous()
        assert torch.equal(image, tensor(pixels)), kind


@given(pixels=sizes.flatmap(lambda size: arrays(np.uint8, size)))
def test_grey_files_give_three_equal_channels_or_one(pixels):
    data = encoded(pixels)
    assert torch.equal(decode(data, grey=True), torch.from_numpy(pixels)[None])
    assert torch.equal(decode(data), torch.from_numpy(pixels)[None].repeat(3, 1, 1))


def test_colour_becomes_grey_by_luma():
    pixels = random_pixels(7, 11, 3)
    grey = decode(encoded(pixels), grey=True)
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    assert grey.shape == (1, 7, 11)
    assert np.abs(grey[0].numpy() - luma).max() <= 1


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", *(["AVIF"] if AVIF else [])])
def test_lossy_files_come_close(kind):
    pixels = np.repeat(np.repeat(smooth(12, 16), 8, axis=0), 8, axis=1)  # blocks, so that no format has to guess
    image = decode(encoded(pixels, kind, quality=95))
    assert image.shape == (3, 96, 128)
    assert (image.float() - tensor(pixels).float()).abs().mean() < 4


def test_bytearray_and_memoryview_will_do():
    data = encoded(random_pixels(4, 6, 3))
    assert torch.equal(decode(bytearray(data)), decode(data))
    assert torch.equal(decode(memoryview(data)), decode(data))


# Orientation


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The rows as a camera held that way stores them, by the EXIF standard: which side row 0 and column 0 show."""
    return {
        1: upright,  # row 0 top, column 0 left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: upright.transpose(1, 0, 2),  # left, top
        6: upright.transpose(1, 0, 2)[::-1],  # right, top
        7: upright.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: upright.transpose(1, 0, 2)[:, ::-1],  # left, bottom
    }[orientation]


def stored_with_tag(upright: np.ndarray, orientation: int, kind: str, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(np.ascontiguousarray(stored(upright, orientation)), kind, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_every_orientation_gives_the_same_upright_picture(orientation, kind):
    upright = random_pixels(5, 8, 3)
    options = {"lossless": True} if kind == "WEBP" else {}
    assert torch.equal(decode(stored_with_tag(upright, orientation, kind, **options)), tensor(upright))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("grey", [False, True])
def test_every_orientation_of_a_photograph(orientation, grey):
    upright = np.zeros((48, 80, 3), np.uint8)
    upright[:16, :16] = 255  # a white corner, top left
    upright[32:, :16] = 130
    image = decode(stored_with_tag(upright, orientation, "JPEG", quality=95), grey=grey)
    assert image.shape == (1 if grey else 3, 48, 80)
    assert (image[0].float() - torch.from_numpy(upright[..., 0]).float()).abs().max() < 25


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_unknown_orientation_leaves_the_rows_as_stored(orientation):
    pixels = random_pixels(5, 8, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert torch.equal(decode(encoded(pixels, exif=exif)), tensor(pixels))


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\0" * 9])
def test_garbled_exif_does_not_spoil_a_good_picture(exif):
    pixels = random_pixels(16, 24, 3)
    assert torch.equal(decode(encoded(pixels, "WEBP", lossless=True, exif=exif)), tensor(pixels))
    assert decode(encoded(pixels, "JPEG", exif=exif)).shape == (3, 16, 24)


# Transparency, palettes, inks


@given(pixels=sizes.flatmap(lambda size: arrays(np.uint8, (*size, 4))))
def test_opacity_is_laid_on_white(pixels):
    image = decode(encoded(pixels)).numpy().astype(int)
    colour, opacity = pixels[..., :3].astype(float), pixels[..., 3:] / 255
    expected = np.moveaxis(colour * opacity + 255 * (1 - opacity), -1, 0)
    assert np.abs(image - expected).max() <= 1
    assert (image[:, pixels[..., 3] == 0] == 255).all()
    opaque = pixels[..., 3] == 255
    assert (image[:, opaque] == np.moveaxis(pixels[..., :3], -1, 0)[:, opaque]).all()


def test_grey_with_opacity():
    pixels = np.array([[[0, 255], [0, 0], [90, 255]]], np.uint8)
    image = Image.merge("LA", [Image.fromarray(np.ascontiguousarray(pixels[..., k])) for k in (0, 1)])
    assert decode(encoded(image), grey=True).tolist() == [[[0, 255, 90]]]
    assert decode(encoded(image)).tolist() == [[[0, 255, 90]]] * 3


def palette_picture() -> Image.Image:
    image = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8)).convert("P")
    image.putdata([0, 1, 2, 2, 1, 0])
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return image


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(kind):
    image = decode(encoded(palette_picture(), kind))
    assert image[:, 0].T.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert image[:, 1].T.tolist() == [[0, 0, 255], [0, 255, 0], [255, 0, 0]]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_one_transparent_colour(kind):
    image = decode(encoded(palette_picture(), kind, transparency=1))
    assert image[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_palette_with_opacities():
    image = decode(encoded(palette_picture(), transparency=bytes([255, 128, 0])))
    assert image[:, 0].T.tolist() == [[255, 0, 0], [127, 255, 127], [255, 255, 255]]


def test_a_transparent_colour_in_grey_and_in_colour():
    assert decode(encoded(np.array([[7, 8, 9]], np.uint8), transparency=8)).tolist() == [[[7, 255, 9]]] * 3
    colours = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert decode(encoded(colours, transparency=(4, 5, 6)))[:, 0].T.tolist() == [[1, 2, 3], [255, 255, 255]]


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk(kind):
    inks = {(0, 0, 0, 0): (255, 255, 255), (0, 0, 0, 255): (0, 0, 0), (0, 255, 255, 0): (255, 0, 0)}
    for ink, colour in inks.items():
        image = decode(encoded(Image.new("CMYK", (16, 24), ink), kind))
        assert image.shape == (3, 24, 16)
        assert (image.float() - torch.tensor(colour)[:, None, None]).abs().max() < 12, (ink, image[:, 0, 0])


def test_one_bit():
    image = Image.fromarray(np.array([[0, 255, 255], [255, 0, 0]], np.uint8)).convert("1")
    for kind in ("PNG", "TIFF", "BMP", "PPM"):
        assert decode(encoded(image, kind), grey=True).tolist() == [[[0, 255, 255], [255, 0, 0]]], kind


@pytest.mark.parametrize("mode", ["LAB", "RGBX"])
def test_other_colour_spaces_work(mode):
    white = {"LAB": (255, 128, 128), "RGBX": (255, 255, 255, 0)}[mode]
    image = decode(encoded(Image.new(mode, (5, 4), white), "TIFF"))
    assert image.shape == (3, 4, 5) and image.min() >= 250


# More than 8 bits


@given(values=arrays(np.uint16, (3, 5)))
def test_sixteen_bits_are_scaled_not_clipped(values):
    values[0, 0], values[2, 4] = 0, 65535
    for data in (encoded(values), encoded(values, "TIFF"), b"P5 5 3 65535\n" + values.astype(">u2").tobytes()):
        grey = decode(data, grey=True)[0].numpy()
        assert (grey == np.round(values / 257)).all()
        assert grey[0, 0] == 0 and grey[2, 4] == 255
        order = np.argsort(values.ravel(), kind="stable")
        assert (np.diff(grey.ravel()[order].astype(int)) >= 0).all()
        assert torch.equal(decode(data), decode(data, grey=True).repeat(3, 1, 1))


def test_big_endian_sixteen_bits():
    image = Image.new("I;16B", (3, 1))
    for x, value in enumerate((0, 257 * 100, 65535)):
        image.putpixel((x, 0), value)
    assert decode(encoded(image, "TIFF"), grey=True).tolist() == [[[0, 100, 255]]]


def test_sixteen_bits_turn_upright_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    values = np.array([[0, 257, 514], [771, 1028, 1285]], np.uint16)
    expected = np.rot90(values // 257, -1)
    assert decode(encoded(values, "PNG", exif=exif), grey=True)[0].tolist() == expected.tolist()


@pytest.mark.parametrize("transparent, expected", [(3000, [0, 255, 255]), (3001, [0, 12, 255])])
def test_a_transparent_level_among_sixteen_bits(transparent, expected):
    data = encoded(np.array([[0, 3000, 65535]], np.uint16))
    mark = b"tRNS" + struct.pack(">H", transparent)
    place = data.index(b"IDAT") - 4
    data = data[:place] + struct.pack(">I", 2) + mark + struct.pack(">I", zlib.crc32(mark)) + data[place:]
    assert decode(data, grey=True).tolist() == [[expected]]


def test_float_files_are_read_from_0_to_1():
    values = np.array([[0, 0.25, 0.5], [0.75, 1, 0.1]], np.float32)
    assert decode(encoded(values, "TIFF"), grey=True)[0].tolist() == np.round(values * 255).tolist()
    with pytest.raises(ValueError, match=r"from 0 to 255, outside \[0, 1\]"):
        decode(encoded(values * 255, "TIFF"))
    values[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"1 of 6 values NaN or infinite, the first at index \(1, 2\)"):
        decode(encoded(values, "TIFF"))


def test_whole_numbers_of_32_bits_are_refused_with_their_range():
    with pytest.raises(ValueError, match=r"32-bit whole numbers, -4 to 70000.*from_array"):
        decode(encoded(Image.fromarray(np.array([[-4, 70000]], np.int32)), "TIFF"))


# Several frames


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO", *(["AVIF"] if AVIF else [])])
def test_the_first_frame_is_taken(kind):
    first, second = Image.new("RGB", (32, 16), (200, 10, 10)), Image.new("RGB", (32, 16), (10, 10, 200))
    image = decode(encoded(first, kind, save_all=True, append_images=[second]))
    assert image.shape == (3, 16, 32)
    assert image[0].min() > 180 and image[2].max() < 40


# Broken files


@functools.cache
def broken_cases() -> dict[str, bytes]:
    pixels, animation = smooth(), {"save_all": True, "append_images": [Image.fromarray(smooth()[::-1])]}
    cases = {
        "png": encoded(pixels),
        "png-opacity": encoded(Image.fromarray(pixels).convert("RGBA")),
        "png-16": encoded((np.arange(37 * 53).reshape(37, 53) * 33).astype(np.uint16)),
        "apng": encoded(pixels, **animation),
        "jpeg": encoded(pixels, "JPEG"),
        "jpeg-progressive": encoded(pixels, "JPEG", progressive=True),
        "jpeg-cmyk": encoded(Image.fromarray(pixels).convert("CMYK"), "JPEG"),
        "mpo": encoded(pixels, "MPO", **animation),
        "gif": encoded(Image.fromarray(pixels).quantize(), "GIF"),
        "bmp": encoded(pixels, "BMP"),
        "ppm": encoded(pixels, "PPM"),
        "tiff": encoded(pixels, "TIFF"),
        "webp": encoded(pixels, "WEBP"),
        "webp-animated": encoded(pixels, "WEBP", **animation),
    }
    return cases | ({"avif": encoded(pixels, "AVIF")} if AVIF else {})


@pytest.mark.parametrize("kind", broken_cases())
def test_a_file_cut_short_is_refused_or_was_whole_already(kind):
    data = broken_cases()[kind]
    whole = decode(data)
    refused = 0
    for length in sorted({*range(1, 40), *range(40, len(data), 37), *range(len(data) - 30, len(data))}):
        try:
            image = decode(data[:length])
        except ValueError:
            refused += 1
        else:  # what was missing was not needed: an end mark, a second frame
            assert torch.equal(image, whole), length
    assert refused > 39
    with pytest.raises(ValueError, match=r"cut short|not a picture"):
        decode(data[: len(data) // 3])


def test_a_file_cut_short_is_refused_even_where_pillow_was_told_to_be_lenient(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = encoded(smooth(), "JPEG")
    with pytest.raises(ValueError, match=r"\(JPEG, 37 x 53 pixels\) is broken or cut short: .*; copy or export"):
        decode(data[:-40])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True  # and the setting is left as it was


@given(kind=st.sampled_from(sorted(set(broken_cases()) - {"tiff"})), data=st.data())
def test_flipped_bits_give_a_picture_or_a_value_error(kind, data):
    """libtiff writes to the terminal by itself, so TIFF is left out here."""
    file = bytearray(broken_cases()[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, len(file) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        image = decode(bytes(file))
    except ValueError:
        return
    assert image.dtype == torch.uint8 and image.ndim == 3 and image.shape[0] == 3


@given(st.binary(max_size=200))
def test_random_bytes_give_a_value_error(data):
    with pytest.raises(ValueError, match="empty" if not data else "not a picture|broken"):
        decode(data)


def test_nothing_and_zeros_and_text():
    with pytest.raises(ValueError, match=r"empty \(0 bytes\)"):
        decode(b"")
    for data in (b"\0", bytes(1000), b"hello, I am no photograph", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(ValueError, match=r"not a picture that can be read .*export it as PNG or JPEG"):
            decode(data)


def test_formats_that_run_programs_or_hide_their_size_stay_shut():
    for kind in ("EPS", "ICO", "PDF", "JPEG2000"):
        with pytest.raises(ValueError, match="not a picture that can be read"):
            decode(encoded(smooth(16, 16), kind))


def test_the_wrong_argument():
    for wrong in ("photo.jpg", None, 3, ["bytes"], np.zeros(3, np.uint8)):
        with pytest.raises(ValueError, match=f"decode takes the bytes.*{type(wrong).__name__}.*load"):
            decode(wrong)


# Size


def test_a_bomb_is_refused_before_it_unfolds():
    for width, height in ((8193, 8192), (10_000, 12_000), (65_000, 65_000), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(ValueError, match=f"{width * height:,} pixels, and at most 67,108,864 are decoded; make it"):
            decode(png_of_size(width, height))


def test_one_below_the_limit_is_not_called_a_bomb():
    with pytest.raises(ValueError, match="8192 x 8192 pixels\\) is broken or cut short"):
        decode(png_of_size(8192, 8192))


def test_pillows_limit_is_neither_needed_nor_changed(monkeypatch):
    data = png_of_size(20_000, 20_000)
    for limit in (None, 1, 10**12, Image.MAX_IMAGE_PIXELS):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"400,000,000 pixels, and at most [\d,]+ are decoded"):
            decode(data)
        assert limit == Image.MAX_IMAGE_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # somebody else's lower limit is respected, and said
    with pytest.raises(ValueError, match="48 pixels, and at most 20 are decoded"):
        decode(encoded(random_pixels(6, 8, 3)))


@pytest.mark.parametrize("shape", [(20_000, 3, 3), (3, 20_000, 3), (1, 1, 3)])
def test_extreme_shapes_work(shape):
    pixels = random_pixels(*shape)
    assert torch.equal(decode(encoded(pixels)), tensor(pixels))


# Files


def test_load_is_decode_of_the_file_whatever_its_name(tmp_path):
    pixels = random_pixels(6, 9, 3)
    for name in ("a.png", "a.jpg", "nothing", "grüße 你好.txt"):
        (tmp_path / name).write_bytes(encoded(pixels))
        assert torch.equal(load(tmp_path / name), tensor(pixels))
        assert torch.equal(load(str(tmp_path / name)), tensor(pixels))
    assert load(tmp_path / "a.png", grey=True).shape == (1, 6, 9)


def test_load_names_the_file_in_every_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.png"):
        load(tmp_path / "gone.png")
    with pytest.raises(ValueError, match=r"is a folder, not a picture; .*folder\(path\)"):
        load(tmp_path)
    for name, content, message in (
        ("text.jpg", b"dear reader", r"text\.jpg is not a picture"),
        ("empty.png", b"", r"empty\.png is empty \(0 bytes\)"),
        ("half.png", encoded(smooth())[:90], r"half\.png \(PNG, 37 x 53 pixels\) is broken or cut short"),
        ("bomb.png", png_of_size(70_000, 1000), r"bomb\.png has 70,000,000 pixels"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load(tmp_path / name)
    for wrong in (b"bytes", None, 3):
        with pytest.raises(ValueError, match=r"load takes a path.*decode\(data\)"):
            load(wrong)
    with pytest.raises(FileNotFoundError):
        load("a name with a zero \0 in it")


def test_what_never_ends_is_not_read(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match="not an ordinary file"):
        load(tmp_path / "pipe.png")


def test_files_are_closed_after_success_and_failure(tmp_path):
    """An unclosed file would raise a ResourceWarning, which is an error here."""
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encoded(smooth()))
    bad.write_bytes(encoded(smooth())[:90])
    load(good)
    with pytest.raises(ValueError):
        load(bad)
    good.rename(tmp_path / "moved.png")
    bad.unlink()


# Warnings and threads


def test_no_warning_leaks_and_the_filters_stay():
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        inside = list(warnings.filters)
        decode(encoded(palette_picture(), transparency=bytes([255, 128, 0])))
        with pytest.raises(ValueError):
            decode(png_of_size(10_000, 10_000))
        assert warnings.filters == inside
    assert not seen
    assert warnings.filters == before


def test_threads_leave_the_filters_as_they_were():
    """Two threads that save and restore the filters in turn would leave the wrong ones behind."""
    before, data, failed = list(warnings.filters), encoded(smooth(200, 85)), []

    def work():
        try:
            for _ in range(20):
                decode(data)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert not failed
    assert warnings.filters == before


# Arrays


@given(pixels=sizes.flatmap(lambda size: arrays(np.uint8, (*size, 3))))
def test_an_array_equals_its_file(pixels):
    assert torch.equal(from_array(pixels), tensor(pixels))
    assert torch.equal(from_array(pixels[..., 0]), tensor(pixels[..., :1]).repeat(3, 1, 1))
    assert torch.equal(from_array(pixels[..., :1]), tensor(pixels[..., :1]).repeat(3, 1, 1))
    with_opacity = np.concatenate([pixels, pixels[..., :1]], axis=-1)
    assert torch.equal(from_array(with_opacity), decode(encoded(with_opacity)))


def test_arrays_of_other_types():
    assert from_array(np.array([[False, True]]))[0].tolist() == [[0, 255]]
    for order in ("<u2", ">u2"):
        assert from_array(np.array([[0, 25700, 65535]], order))[1].tolist() == [[0, 100, 255]]
    for kind in (np.float16, np.float32, np.float64):
        assert from_array(np.array([[0, 0.5, 1]], kind))[2].tolist() == [[0, 128, 255]]
    assert from_array(np.ma.masked_array(np.array([[7, 9]], np.uint8), [[True, False]]))[0].tolist() == [[7, 9]]
    assert from_array(np.array([[[1.0, 0.0, 0.0, 0.5]]]))[:, 0, 0].tolist() == [255, 127, 127]


def test_views_and_locked_arrays_work_and_stay_apart():
    pixels = random_pixels(6, 9, 3)
    view = pixels[::-1, ::2, ::-1]
    view.flags.writeable = False
    image = from_array(view)
    assert torch.equal(image, tensor(view))
    image.zero_()
    assert pixels.any()


@pytest.mark.parametrize("shape", [(), (5,), (0, 4), (4, 0, 3), (4, 5, 2), (4, 5, 5), (2, 4, 5, 3)])
def test_arrays_of_no_picture_are_refused(shape):
    with pytest.raises(ValueError, match="got " + str(shape).replace("(", r"\(").replace(")", r"\)")):
        from_array(np.zeros(shape, np.uint8))


def test_channels_first_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"\(3, 40, 50\); put the channels last with numpy.moveaxis\(array, 0, -1\)"):
        from_array(np.zeros((3, 40, 50), np.uint8))


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint32, np.complex64, object, "U3"])
def test_other_array_types_are_refused(kind):
    with pytest.raises(ValueError, match="from_array takes uint8"):
        from_array(np.zeros((4, 5), kind))


def test_nan_in_an_array_is_counted():
    array = np.zeros((4, 5, 3))
    array[2, 3, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 of 60 values NaN or infinite, the first at index \(2, 3, 1\)"):
        from_array(array)
    for high, text in ((200.0, "200"), (1e300, r"1e\+300")):
        with pytest.raises(ValueError, match=rf"from 0 to {text}, outside \[0, 1\]"):
            from_array(np.array([[0.0, high]]))
    for wrong in (torch.zeros(3, 4, 4), [[1]], None):
        with pytest.raises(ValueError, match="takes a numpy array"):
            from_array(wrong)


def test_the_list_of_formats_is_what_pillow_knows():
    Image.init()
    assert set(decoding.FORMATS) - set(Image.OPEN) <= {"AVIF"}
