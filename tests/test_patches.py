"""The laws of patches: inverse, equality of both embeddings, wrong twins that fail."""

import pytest
import torch
from einops import rearrange
from hypothesis import given, settings
from hypothesis import strategies as st

from minivit.patches import (
    ConvPatchEmbed,
    Grid,
    PatchEmbed,
    conv_from_linear,
    cost,
    linear_from_conv,
    patchify,
    unpatchify,
)

sides = st.integers(1, 6)
dtypes = st.sampled_from([torch.uint8, torch.float32, torch.float64, torch.bfloat16, torch.bool])


def pixels(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 255).to(dtype)


@given(
    batch=st.integers(0, 3), channels=st.integers(1, 4), rows=sides, cols=sides, patch=st.integers(1, 5), dtype=dtypes
)
def test_round_trip_is_exact_for_any_size(batch, channels, rows, cols, patch, dtype):
    images = pixels(batch, channels, rows * patch, cols * patch, dtype=dtype)
    grid = Grid.of(*images.shape[-2:], patch)
    tokens = patchify(images, patch)
    assert grid == (rows, cols) and tokens.shape == (batch, grid.tokens, patch * patch * channels)
    assert tokens.dtype == dtype and torch.equal(unpatchify(tokens, grid, patch), images)


@given(rows=sides, cols=sides, patch=st.integers(1, 5))
def test_token_i_is_the_patch_at_its_row_and_column(rows, cols, patch):
    image = pixels(3, rows * patch, cols * patch)
    tokens = patchify(image, patch)
    for i in range(rows * cols):
        y, x = patch * (i // cols), patch * (i % cols)
        block = image[:, y : y + patch, x : x + patch]
        assert torch.equal(tokens[i], block.permute(1, 2, 0).reshape(-1))


def test_nan_is_moved_like_any_value():
    image = pixels(3, 4, 6)
    image[1, 2, 3] = torch.nan
    assert torch.equal(unpatchify(patchify(image, 2), Grid(2, 3), 2).isnan(), image.isnan())


def swapped_grid(image, patch):
    return rearrange(image, "... c (rows y) (cols x) -> ... (cols rows) (y x c)", y=patch, x=patch)


def channel_first(image, patch):
    return rearrange(image, "... c (rows y) (cols x) -> ... (rows cols) (c y x)", y=patch, x=patch)


def only_reshaped(image, patch):
    *batch, _, height, width = image.shape
    return image.reshape(*batch, (height // patch) * (width // patch), -1)


def swapped_inside(image, patch):
    return rearrange(image, "... c (rows y) (cols x) -> ... (rows cols) (x y c)", y=patch, x=patch)


@pytest.mark.parametrize("twin", [swapped_grid, channel_first, only_reshaped, swapped_inside])
def test_wrong_permutations_have_the_right_shape_and_break_the_law(twin):
    image = pixels(3, 6, 8)
    wrong = twin(image, 2)
    assert wrong.shape == patchify(image, 2).shape
    assert not torch.equal(unpatchify(wrong, Grid(3, 4), 2), image)


def test_transposed_grid_is_another_picture():
    image = pixels(3, 6, 8)
    assert unpatchify(patchify(image, 2), Grid(4, 3), 2).shape == (3, 8, 6)


@settings(deadline=None)
@given(channels=st.integers(1, 4), rows=sides, cols=sides, patch=st.integers(1, 5), width=st.integers(1, 9))
def test_convolution_and_linear_are_one_map(channels, rows, cols, patch, width):
    torch.manual_seed(0)
    conv = ConvPatchEmbed(patch, width, channels).double()
    linear = PatchEmbed(patch, width, channels).double()
    images = pixels(2, channels, rows * patch, cols * patch).div(255)
    with torch.no_grad():
        linear.projection.weight.copy_(linear_from_conv(conv.projection.weight))
        linear.projection.bias.copy_(conv.projection.bias)
    torch.testing.assert_close(linear(images), conv(images), rtol=0, atol=1e-12)


def test_the_twin_that_forgets_the_permutation_differs():
    torch.manual_seed(0)
    conv, linear = ConvPatchEmbed(4, 5).double(), PatchEmbed(4, 5).double()
    images = pixels(2, 3, 8, 12).div(255)
    with torch.no_grad():
        linear.projection.weight.copy_(conv.projection.weight.flatten(1))
        linear.projection.bias.copy_(conv.projection.bias)
    assert (linear(images) - conv(images)).abs().max() > 1e-2


@given(channels=st.integers(1, 4), patch=st.integers(1, 5), width=st.integers(1, 9))
def test_weights_carry_both_ways(channels, patch, width):
    weight = pixels(width, channels, patch, patch)
    assert torch.equal(conv_from_linear(linear_from_conv(weight), patch), weight)


def test_gradients_of_both_embeddings_agree():
    torch.manual_seed(0)
    conv, linear = ConvPatchEmbed(2, 5).double(), PatchEmbed(2, 5).double()
    with torch.no_grad():
        conv.projection.weight.copy_(conv_from_linear(linear.projection.weight, 2))
        conv.projection.bias.copy_(linear.projection.bias)
    images = pixels(2, 3, 4, 6).div(255)
    for model in (conv, linear):
        model(images).square().sum().backward()
    torch.testing.assert_close(linear_from_conv(conv.projection.weight.grad), linear.projection.weight.grad)


@pytest.mark.gpu
@pytest.mark.parametrize("embed", [PatchEmbed, ConvPatchEmbed])
def test_the_gpu_gives_what_the_cpu_gives(embed):
    torch.manual_seed(0)
    model, images = embed(4, 5), pixels(2, 3, 8, 12, dtype=torch.float32).div(255)
    torch.testing.assert_close(model.cuda()(images.cuda()).cpu(), model.cpu()(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("patch", "tokens"), [(32, 49), (16, 196), (14, 256), (8, 784)])
def test_tokens_at_224(patch, tokens):
    assert cost(224, 224, patch).tokens == tokens


def test_cost_of_vit_base():
    base = cost(224, 224, 16)
    assert (base.raw_width, base.pairs) == (768, 196**2)
    assert cost(224, 224, 8).pairs == 16 * base.pairs
    assert base.embed_flops == 2 * 196 * 768 * 768
    assert base.flops == base.embed_flops + 12 * (24 * 196 * 768**2 + 4 * 196**2 * 768)


@pytest.mark.parametrize(
    ("height", "width", "patch", "says"),
    [
        (225, 224, 16, "height, 225 pixels.*16: 14 patches, remainder 1.*224 or 240"),
        (224, 10, 16, "width, 10 pixels.*to 16"),
        (0, 16, 16, "empty: its height is 0"),
        (16, 16, 0, "at least 1; got 0"),
        (16, 16, 4.0, "whole number"),
        (16, 16, True, "whole number"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_the_numbers(height, width, patch, says):
    with pytest.raises(ValueError, match=says):
        Grid.of(height, width, patch)
    with pytest.raises(ValueError, match=says):
        patchify(torch.zeros(3, height, width), patch)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: patchify(torch.zeros(4, 4), 2), "three axes"),
        (lambda: unpatchify(torch.zeros(5, 12), Grid(2, 3), 2), "needs tokens"),
        (lambda: unpatchify(torch.zeros(6, 13), Grid(2, 3), 2), "13 do not fit"),
        (lambda: PatchEmbed(2, 5)(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)), "to_float"),
        (lambda: PatchEmbed(2, 5)(torch.zeros(1, 1, 4, 4)), r"\(B, 3, H, W\)"),
        (lambda: ConvPatchEmbed(4, 5)(torch.zeros(1, 3, 6, 8)), "not divisible"),
        (lambda: linear_from_conv(torch.zeros(2, 3, 4, 5)), r"\(D, C, P, P\)"),
        (lambda: conv_from_linear(torch.zeros(2, 10), 2), "patches of side 2"),
        (lambda: conv_from_linear(torch.zeros(2, 12), 0), "at least 1; got 0"),
        (lambda: conv_from_linear([[1.0]], 1), "must be a tensor; got list"),
        (lambda: patchify([[1]], 2), "must be a tensor; got list"),
        (lambda: unpatchify(torch.zeros(6, 12), Grid(2, 3), -2), "at least 1; got -2"),
        (lambda: unpatchify(torch.zeros(6, 12), Grid(2, 3), 2.0), "whole number"),
        (lambda: unpatchify(torch.zeros(6, 12), 6, 2), "a grid is a pair"),
        (lambda: unpatchify(torch.zeros(6, 12), Grid(-2, -3), 2), "rows must be a whole number of patches"),
        (lambda: PatchEmbed(2.0, 5), "patch side"),
        (lambda: PatchEmbed(0, 5), "patch side"),
        (lambda: ConvPatchEmbed(4, -1), "width D must be a whole number of values, at least 1; got -1"),
        (lambda: ConvPatchEmbed(4, 5, channels=0), "channels"),
        (
            lambda: PatchEmbed(2, 5)(torch.zeros(1, 3, 4, 4, dtype=torch.float64)),
            "float64 and the weights torch.float32",
        ),
        (lambda: Grid.of(224.0, 224, 16), "height must be a whole number of pixels"),
        (lambda: Grid.of(224, "224", 16), "width must be a whole number of pixels"),
        (lambda: cost(224, 224, 16, layers=-1), "layers"),
        (lambda: cost(224, 224, 16, model_width=0), "model_width"),
    ],
)
def test_wrong_shapes_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_autocast_takes_float32_pixels():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert PatchEmbed(2, 5)(torch.zeros(1, 3, 4, 6)).dtype == torch.bfloat16


def test_one_pixel_and_a_long_strip_work():
    assert patchify(pixels(3, 1, 1), 1).shape == (1, 3)
    assert patchify(pixels(3, 20_000, 3), 1).shape == (60_000, 3)
