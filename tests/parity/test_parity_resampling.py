"""A position table at another size, equal to each source's own code: random weights, grids that are not square."""

import sys
from pathlib import Path

import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import peers
from minivit.patches import Grid
from minivit.positions import BIG_VISION, DINOV2, DINOV2_REGISTERS, NAFLEX, TIMM, TRANSFORMERS, Resampling

peers.load("timm")  # with it comes a torchvision that loads, which transformers' models ask for

NEW = [Grid(3, 7), Grid(9, 2), Grid(4, 5), Grid(1, 6), Grid(16, 11)]
news = pytest.mark.parametrize("new", NEW, ids=str)
WIDTH = 6
ALL = {
    "BIG_VISION": BIG_VISION,
    "TRANSFORMERS": TRANSFORMERS,
    "TIMM": TIMM,
    "DINOV2": DINOV2,
    "NAFLEX": NAFLEX,
}


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def embeddings(name, prefix):
    """The embeddings of transformers' models, for 4 x 4 patches of 2 pixels; `prefix` of their rows are no patches."""
    folder, module, config = {
        "ViT": ("vit", "ViTEmbeddings", "ViTConfig"),
        "CLIP": ("clip", "CLIPVisionEmbeddings", "CLIPVisionConfig"),
        "SigLIP": ("siglip", "SiglipVisionEmbeddings", "SiglipVisionConfig"),
        "DINOv2": ("dinov2", "Dinov2Embeddings", "Dinov2Config"),
        "registers": ("dinov2_with_registers", "Dinov2WithRegistersEmbeddings", "Dinov2WithRegistersConfig"),
    }[name]
    numbers = getattr(peers.load("transformers"), config)(
        hidden_size=WIDTH, num_attention_heads=2, image_size=8, patch_size=2
    )
    theirs = getattr(peers.load(f"transformers.models.{folder}.modeling_{folder}"), module)(numbers)
    table = random(prefix + 16, WIDTH)
    with torch.no_grad():
        for key, parameter in theirs.named_parameters():
            if "position_embedding" in key:
                parameter.copy_(table.reshape(parameter.shape))
    return theirs, table


@news
@pytest.mark.parametrize(
    ("name", "prefix", "resampling"),
    [
        ("ViT", 1, TRANSFORMERS),
        ("CLIP", 1, TRANSFORMERS),
        ("SigLIP", 0, TRANSFORMERS),
        ("DINOv2", 1, TRANSFORMERS),
        ("registers", 1, DINOV2_REGISTERS),
    ],
)
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_transformers(name, prefix, resampling, new, dtype, atol):
    theirs, table = embeddings(name, prefix)
    theirs.to(dtype)
    tokens = torch.zeros(1, prefix + new.tokens, WIDTH, dtype=dtype)
    expected = theirs.interpolate_pos_encoding(tokens, 2 * new.rows, 2 * new.cols)[0]
    table = table.float().to(dtype)  # their parameters were float32
    interpolates_in_float32 = name in ("DINOv2", "registers")
    close(resampling(table, Grid(4, 4), new, prefix), expected, 1e-5 if interpolates_in_float32 else atol)


@news
@pytest.mark.parametrize("old", [Grid(4, 4), Grid(5, 3), Grid(2, 8)], ids=str)
@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_timm(old, new, prefix):
    resample = peers.load("timm.layers.pos_embed").resample_abs_pos_embed
    table = random(1, prefix + old.tokens, WIDTH).float()
    expected = resample(table, list(new), list(old), num_prefix_tokens=prefix)
    close(TIMM(table, old, new, prefix), expected, 1e-5)


@news
@pytest.mark.parametrize("old", [Grid(4, 4), Grid(5, 3), Grid(2, 8)], ids=str)
@pytest.mark.parametrize("prefix", [0, 1])
def test_big_vision(old, new, prefix):
    """Its resample_posemb: scipy's zoom of order 1 over (rows, cols, D), the prefix row kept."""
    table = random(prefix + old.tokens, WIDTH)
    image = table[prefix:].reshape(*old, WIDTH).numpy()
    zoomed = ndimage.zoom(image, (new.rows / old.rows, new.cols / old.cols, 1), order=1)
    expected = torch.cat([table[:prefix], torch.from_numpy(zoomed).reshape(new.tokens, WIDTH)])
    close(BIG_VISION(table, old, new, prefix), expected, 1e-10)
    close(BIG_VISION(table.float(), old, new, prefix), expected.float(), 1e-5)


@news
@pytest.mark.parametrize("old", [Grid(4, 4), Grid(5, 3), Grid(2, 8)], ids=str)
def test_naflex(old, new):
    module = peers.load("transformers.models.siglip2.modeling_siglip2").Siglip2VisionEmbeddings
    table = random(old.tokens, WIDTH).float()
    shapes = torch.tensor([tuple(new)])
    expected = module.resize_positional_embeddings(table.reshape(*old, WIDTH), shapes, new.tokens)
    close(NAFLEX(table, old, new), expected[0], 1e-5)
    half = module.resize_positional_embeddings(table.bfloat16().reshape(*old, WIDTH), shapes, new.tokens)
    assert torch.equal(NAFLEX(table.bfloat16(), old, new), half[0])


def hub(table, old, new, offset):
    """dinov2's hub code: (1, 1 + N, D), the class row kept, sizes divided by the old side after adding the offset."""
    scale = tuple((n + offset) / o for n, o in zip(new, old, strict=True))
    image = table[:, 1:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    image = F.interpolate(image, mode="bicubic", antialias=False, scale_factor=scale)
    return torch.cat([table[:, :1], image.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


LOSES = [(14, n) for n in (61, 115, 122)] + [(37, n) for n in (39, 43, 78, 86, 115, 123)]


@pytest.mark.parametrize(("old", "new"), [*LOSES, (14, 16), (37, 16), (37, 90)])
def test_dinov2s_hub_code_and_the_sizes_that_rounding_breaks(old, new):
    start, table = Grid(old, old), random(1, 1 + old * old, WIDTH)
    for grid in (Grid(new, new), Grid(new, 20), Grid(15, new)):
        close(DINOV2(table, start, grid, prefix=1), hub(table, start, grid, 0.1), 1e-10)
        close(DINOV2(table.float(), start, grid, prefix=1), hub(table.float(), start, grid, 0.1), 1e-5)
    without = hub(table, start, Grid(new, new), 0.0)  # the twin without an offset
    assert (without.shape[1] == 1 + (new - 1) ** 2) == ((old, new) in LOSES)
    if (old, new) in LOSES:
        with pytest.raises(
            ValueError, match=f"{old} x {old} to {new} x {new} .* {new - 1} x {new - 1}: take an offset"
        ):
            Resampling("bicubic", offset=1e-15)(table, start, Grid(new, new), prefix=1)


@pytest.mark.parametrize("one", ALL)
@pytest.mark.parametrize("other", ALL)
def test_no_two_sources_agree_where_a_grid_grows_and_shrinks(one, other):
    table, old, new = random(30, WIDTH), Grid(6, 5), Grid(4, 8)
    differ = (ALL[one](table, old, new) - ALL[other](table, old, new)).abs().max() > 1e-3
    assert differ == (one != other)


@pytest.mark.parametrize("name", ALL)
def test_rows_and_columns_are_not_exchanged(name):
    table = random(16, WIDTH)
    right = ALL[name](table, Grid(2, 8), Grid(4, 6))
    transposed = table.unflatten(0, (2, 8)).transpose(0, 1).flatten(0, 1)
    back = ALL[name](transposed, Grid(8, 2), Grid(6, 4)).unflatten(0, (6, 4)).transpose(0, 1).flatten(0, 1)
    close(right, back, 1e-12)
    assert (right - ALL[name](table, Grid(8, 2), Grid(4, 6))).abs().max() > 0.1
