"""Type and size of pictures: what goes there comes back, and what is no picture is refused with its numbers."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from minivit.images import pixels
from minivit.images.pixels import fit, resize, to_float, to_uint8

ALL_LEVELS = torch.arange(256, dtype=torch.uint8)
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def picture(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


# Type


def test_float_is_the_level_over_255():
    levels = to_float(ALL_LEVELS)
    assert levels.dtype == torch.float32
    torch.testing.assert_close(levels.double(), ALL_LEVELS.double() / 255, rtol=0, atol=1e-7)
    assert levels[0] == 0 and levels[255] == 1 and (levels.diff() > 0).all()


def test_back_to_uint8_is_exact_for_every_level_and_rounds_in_between():
    assert torch.equal(to_uint8(to_float(ALL_LEVELS)), ALL_LEVELS)
    assert torch.equal(to_uint8(to_float(ALL_LEVELS).double()), ALL_LEVELS)
    assert to_uint8(torch.tensor([0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255])).tolist() == [0, 1, 254, 255]


def test_floats_and_uint8_pass_through_unchanged():
    image = torch.rand(3, 5, 7, dtype=torch.float64)
    assert to_float(image) is image
    assert to_uint8(ALL_LEVELS) is ALL_LEVELS


def test_a_hair_outside_is_rounding_and_stays_in_range():
    assert to_uint8(torch.tensor([-1e-6, 1 + 1e-6])).tolist() == [0, 255]


def test_gradient_flows_through_to_float():
    image = torch.rand(3, 4, 5, requires_grad=True)
    to_float(image).sum().backward()
    assert torch.equal(image.grad, torch.ones(3, 4, 5))


@pytest.mark.parametrize("function", [to_float, to_uint8])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_are_counted_and_the_first_is_named(function, value, dtype):
    image = torch.full((3, 5, 7), 0.5, dtype=dtype)
    image[1, 4, 6] = image[2, 0, 3] = value
    message = r"2 of 105 values NaN or infinite, the first at index \(1, 4, 6\).*nan_to_num"
    with pytest.raises(ValueError, match=message):
        function(image)


@pytest.mark.parametrize("function", [to_float, to_uint8])
def test_floats_that_go_to_255_are_refused(function):
    with pytest.raises(ValueError, match=r"from 0 to 255, outside \[0, 1\]; divide"):
        function(ALL_LEVELS.float())
    with pytest.raises(ValueError, match=r"from -0.5 to 1, outside"):
        function(torch.tensor([-0.5, 1.0]))


@pytest.mark.parametrize("function", [to_float, to_uint8])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int16, torch.bool, torch.complex64])
def test_other_types_are_refused(function, dtype):
    with pytest.raises(ValueError, match=str(dtype)):
        function(torch.ones(3, 2, 2).to(dtype))


@pytest.mark.parametrize("function", [to_float, to_uint8])
def test_what_is_no_tensor_is_refused(function):
    for other in (np.zeros((4, 5, 3), np.uint8), [[1, 2]], None, 3):
        with pytest.raises(ValueError, match=type(other).__name__):
            function(other)


# Size


@pytest.mark.parametrize("lead", [(), (2,), (2, 5)])
@pytest.mark.parametrize("dtype", [torch.uint8, *FLOATS])
def test_resize_keeps_type_channels_and_leading_axes(lead, dtype):
    image = picture(*lead, 3, 11, 17)
    image = image if dtype == torch.uint8 else to_float(image).to(dtype)
    small = resize(image, 7, 5)
    assert small.shape == (*lead, 3, 7, 5) and small.dtype == dtype and small.is_contiguous()


@given(height=st.integers(1, 40), width=st.integers(1, 40), new=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_a_flat_picture_stays_flat_and_no_value_leaves_its_range(height, width, new):
    assert (resize(torch.full((3, height, width), 201, dtype=torch.uint8), *new) == 201).all()
    image = picture(2, height, width, seed=height)
    resized = resize(image, *new)
    assert resized.shape == (2, *new)
    assert image.min() <= resized.min() and resized.max() <= image.max()


@given(height=st.integers(1, 30), width=st.integers(1, 30), new=st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_resize_commutes_with_transposing_and_mirroring(height, width, new):
    image = to_float(picture(2, height, width, seed=width)).double()
    resized = resize(image, *new)
    torch.testing.assert_close(resize(image.mT, new[1], new[0]).mT, resized, rtol=0, atol=1e-12)
    torch.testing.assert_close(resize(image.flip(-1), *new).flip(-1), resized, rtol=0, atol=1e-12)
    torch.testing.assert_close(resize(image.flip(-2), *new).flip(-2), resized, rtol=0, atol=1e-12)


def test_same_size_changes_nothing():
    image = picture(3, 6, 9)
    assert torch.equal(resize(image, 6, 9), image)


def test_a_batch_is_resized_like_each_picture_alone():
    batch = picture(4, 3, 13, 8)
    assert torch.equal(resize(batch, 5, 21), torch.stack([resize(image, 5, 21) for image in batch]))


def tent(old: int, new: int) -> torch.Tensor:
    """(new, old): bilinear weights as they are defined, widened by the shrinking factor; every row sums to one."""
    step = old / new
    centres = (torch.arange(new, dtype=torch.float64)[:, None] + 0.5) * step
    weights = (1 - (torch.arange(old) + 0.5 - centres).abs() / max(1, step)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


@pytest.mark.parametrize("height", [1, 2, 3, 8])
@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_resize_is_its_definition(height, width):
    image = to_float(picture(2, height, width)).double()
    for new in itertools.product((1, 2, 5, 9), repeat=2):
        expected = tent(height, new[0]) @ image @ tent(width, new[1]).mT
        torch.testing.assert_close(resize(image, *new), expected, rtol=0, atol=1e-6)
        torch.testing.assert_close(resize(image.float(), *new), expected.float(), rtol=0, atol=1e-5)
        torch.testing.assert_close(resize(image.mT.contiguous().mT, *new), expected, rtol=0, atol=1e-6)


def test_shrinking_lets_every_column_count():
    """Without averaging most of these lines would fall between the samples and vanish."""
    for column in range(42):
        line = torch.zeros(1, 30, 42)
        line[..., column] = 1
        assert resize(line, 5, 6).sum(-1).min() > 0.05


@pytest.mark.parametrize("new", [(10, 7), (5, 30), (64, 90), (1, 1)])
def test_resize_agrees_with_pillow(new):
    image = picture(3, 31, 45)
    reference = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((new[1], new[0]), Image.Resampling.BILINEAR)
    difference = resize(image, *new).int() - torch.from_numpy(np.array(reference)).permute(2, 0, 1).int()
    assert difference.abs().max() <= 1


@given(old=st.tuples(st.integers(1, 60), st.integers(1, 60)), new=st.tuples(st.integers(1, 60), st.integers(1, 60)))
def test_fit_reaches_any_size(old, new):
    assert fit(picture(3, *old), *new).shape == (3, *new)


def test_fit_cuts_the_middle_and_keeps_proportions():
    image = torch.zeros(1, 20, 60, dtype=torch.uint8)
    image[:, :, 20:40] = 255  # the middle third
    assert torch.equal(fit(image, 20, 20), torch.full((1, 20, 20), 255, dtype=torch.uint8))
    assert torch.equal(fit(image.mT, 20, 20), torch.full((1, 20, 20), 255, dtype=torch.uint8))
    assert torch.equal(fit(image, 10, 30), resize(image, 10, 30))  # the proportions fit: nothing is cut


def test_twenty_thousand_by_three_works():
    image = picture(3, 20_000, 3)
    assert resize(image, 224, 224).shape == fit(image, 224, 224).shape == (3, 224, 224)
    assert resize(image.mT, 16, 48).shape == (3, 16, 48)


@pytest.mark.parametrize("function", [resize, fit])
@pytest.mark.parametrize("size", [(0, 4), (4, -1), (4.0, 4), ("4", 4), (None, 4), (np.float64(4), 4)])
def test_impossible_sizes_are_refused(function, size):
    with pytest.raises(ValueError, match=r"whole pixels, 1 or more"):
        function(picture(3, 5, 6), *size)


@pytest.mark.parametrize("function", [resize, fit])
def test_whole_numbers_of_numpy_and_torch_are_sizes_too(function):
    image = picture(3, 5, 6)
    assert torch.equal(function(image, np.int64(4), torch.tensor(7)), function(image, 4, 7))


@pytest.mark.parametrize("function", [resize, fit])
def test_impossible_pictures_are_refused(function, monkeypatch):
    with pytest.raises(ValueError, match=r"\(5, 6\); add the channel axis"):
        function(picture(5, 6), 3, 4)
    with pytest.raises(ValueError, match=r"none of them 0, got \(3, 0, 6\); leave empty pictures out"):
        function(picture(3, 0, 6), 3, 4)
    with pytest.raises(ValueError, match=r"torch.int64"):
        function(picture(3, 5, 6).long(), 3, 4)
    monkeypatch.setattr(pixels, "MAX_PIXELS", 2**10)
    with pytest.raises(ValueError, match=r"33 x 32 makes 1,056 pixels; ask for at most 1,024"):
        function(picture(3, 5, 6), 33, 32)
