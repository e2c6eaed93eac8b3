"""The laws of the whole ViT: shapes, prefix tokens, sizes, masks, order, precision, and which parts it refuses."""

import copy

import pytest
import torch
from torch import nn

from minivit.patches import ConvPatchEmbed, Grid, PatchEmbed
from minivit.pooling import AttentionPool, mean_pool
from minivit.positions import TRANSFORMERS, LearnedPositions, NoPositions, Rotary2D, SinCosPositions
from minivit.vit import SIZES, ConvStem, ViT, ViTConfig, vit_config

SMALL = {"size": (6, 10), "patch": 2, "channels": 4, "width": 16, "depth": 3, "heads": 2, "hidden": 20}
GRID = Grid(3, 5)


def config(**changes):
    return ViTConfig(**{**SMALL, **changes})


def pixels(batch=2, channels=4, height=6, width=10, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64).to(dtype)


def built(seed=0, **parts):
    torch.manual_seed(seed)
    options = {name: parts.pop(name) for name in list(parts) if name in ViTConfig.__dataclass_fields__}
    return ViT(config(**options), **parts).double()


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("rotary", [False, True])
def test_every_intermediate_has_its_shape_and_the_last_is_the_output(prefix, rotary):
    turn = Rotary2D(8) if rotary else None
    model = built(prefix=prefix, pool=mean_pool, rotary=turn, head=nn.Linear(16, 7))
    seen = model.features(pixels(), weights=True)
    assert seen.grid == GRID and len(seen.blocks) == len(seen.weights) == 3
    assert all(block.shape == (2, prefix + 15, 16) for block in seen.blocks)
    assert all(weights.shape == (2, 2, prefix + 15, prefix + 15) for weights in seen.weights)
    assert seen.prefix.shape == (2, prefix, 16) and seen.patches.shape == (2, 15, 16)
    assert torch.equal(torch.cat([seen.prefix, seen.patches], dim=1), seen.tokens)
    assert torch.equal(model.head(seen.pooled), model(pixels())) and model(pixels()).shape == (2, 7)
    torch.testing.assert_close(model.encoder.norm(seen.blocks[-1]), seen.tokens, rtol=0, atol=0)


def test_without_a_pool_all_tokens_come_out():
    model = built(pool=None, prefix=5)
    assert model(pixels()).shape == (2, 20, 16) and model.features(pixels()).pooled is None
    assert torch.equal(model(pixels()), model.features(pixels()).tokens)


def test_the_class_token_is_the_first_prefix_token():
    model = built(prefix=5)
    assert torch.equal(model(pixels()), model.features(pixels()).tokens[:, 0])


@pytest.mark.parametrize("positions", [SinCosPositions(16), LearnedPositions(GRID, 16, TRANSFORMERS), NoPositions()])
@pytest.mark.parametrize(("height", "width"), [(10, 6), (2, 2), (8, 14), (6, 10)])
def test_pictures_of_other_sizes(positions, height, width):
    model = built(positions=copy.deepcopy(positions), rotary=Rotary2D(8), pool=None)
    seen = model.features(pixels(height=height, width=width))
    assert seen.grid == (height // 2, width // 2) and seen.patches.shape == (2, seen.grid.tokens, 16)


def test_a_batch_is_its_pictures():
    model = built(rotary=Rotary2D(8))
    alone = torch.cat([model(picture[None]) for picture in pixels(3)])
    torch.testing.assert_close(model(pixels(3)), alone, rtol=0, atol=1e-12)
    assert model(pixels(0)).shape == (0, 16)


# Order


def shuffled(images, order):
    """The same patches in another order."""
    patches = images.unfold(2, 2, 2).unfold(3, 2, 2).flatten(2, 3)[:, :, order]
    return patches.unflatten(2, (3, 5)).permute(0, 1, 2, 4, 3, 5).reshape(images.shape)


def test_without_positions_the_class_token_sees_a_bag_of_patches():
    order, images = torch.randperm(15, generator=torch.Generator().manual_seed(0)), pixels()
    bag, placed = built(positions=NoPositions()), built()
    torch.testing.assert_close(bag(shuffled(images, order)), bag(images), rtol=0, atol=1e-12)
    assert (placed(shuffled(images, order)) - placed(images)).abs().max() > 1e-4
    turned = built(positions=NoPositions(), rotary=Rotary2D(8))
    assert (turned(shuffled(images, order)) - turned(images)).abs().max() > 1e-6


class OnePlace(nn.Module):
    """The wrong twin of shape (B, 1, D): it broadcasts, so every patch is told the same place."""

    def forward(self, coordinates, grid):
        return coordinates.new_ones(1, 1, 16)


class Exchanged(SinCosPositions):
    def forward(self, coordinates, grid):
        return super().forward(coordinates.flip(-1), grid)


def test_wrong_positions_are_refused_or_seen():
    with pytest.raises(ValueError, match=r"positions \(15, 16\).*\(1, 1, 16\)"):
        built(positions=OnePlace())(pixels())
    right, wrong = built(positions=SinCosPositions(16)), built(positions=Exchanged(16))
    assert (right(pixels()) - wrong(pixels())).abs().max() > 1e-3


def test_a_table_of_another_grid_with_as_many_slots_is_refused():
    with pytest.raises(ValueError, match="3 x 5 patches and the picture has 5 x 3"):
        built()(pixels(height=10, width=6))


# Masks

REAL = torch.arange(15) < torch.tensor([[9], [15]])


def garbage(images, real, value):
    """Other pixels in the patches that are not real."""
    hidden = ~real.reshape(-1, 1, 3, 5).repeat_interleave(2, 2).repeat_interleave(2, 3)
    return images.masked_fill(hidden, value)


@pytest.mark.parametrize("pool", ["class", "mean", "attention"])
@pytest.mark.parametrize("prefix", [1, 5])
def test_padded_patches_change_nothing_at_real_tokens(pool, prefix):
    torch.manual_seed(0)
    parts = {"class": {}, "mean": {"pool": mean_pool}, "attention": {"pool": AttentionPool(16, 2)}}[pool]
    model, images = built(prefix=prefix, rotary=Rotary2D(8), **parts), pixels()
    clean, dirty = (model.features(garbage(images, REAL, value), REAL) for value in (0.0, 100.0))
    assert torch.equal(clean.pooled, dirty.pooled) and torch.equal(clean.prefix, dirty.prefix)
    assert torch.equal(clean.patches[REAL], dirty.patches[REAL])
    assert not torch.equal(model(garbage(images, REAL, 0.0)), model(garbage(images, REAL, 100.0)))
    torch.testing.assert_close(model(images, torch.ones_like(REAL)), model(images), rtol=0, atol=1e-12)


def test_nothing_real_is_refused_by_a_mean_and_survived_by_a_class_token():
    images, nothing = pixels(), REAL & torch.tensor([[True], [False]])
    with pytest.raises(ValueError, match="picture 1 of 2"):
        built(pool=mean_pool)(images, nothing)
    alone = built()(images, nothing)
    assert alone.isfinite().all() and torch.equal(alone[1:], built()(pixels(seed=1), nothing)[1:])
    assert built(prefix=0, pool=None)(images, nothing).isfinite().all()


# Precision, copies, devices


def models():
    return {
        "learned": built(head=nn.Linear(16, 7)),
        "sincos": built(positions=SinCosPositions(16), rotary=Rotary2D(8), pool=mean_pool, prefix=0),
        "none": built(positions=NoPositions(), layer_scale=0.1, pool=AttentionPool(16, 2), prefix=5),
    }


@pytest.mark.parametrize("name", models())
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_whole_model_in_one_precision(name, dtype):
    model = models()[name]
    exact = model(pixels(), REAL)
    output = model.to(dtype)(pixels(dtype=dtype), REAL)
    output.square().sum().backward()
    assert output.dtype == dtype and all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    atol = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    torch.testing.assert_close(output.double(), exact, rtol=0, atol=atol)


@pytest.mark.parametrize("name", models())
def test_training_under_autocast(name):
    model = models()[name].float()
    exact = model(pixels(dtype=torch.float32), REAL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(pixels(dtype=torch.float32), REAL)
    torch.testing.assert_close(output.float(), exact, rtol=0, atol=0.1)
    output.float().square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key
        assert parameter.grad.dtype == torch.float32


@pytest.mark.parametrize("name", models())
def test_copies_and_saved_states_are_the_model(name):
    model = models()[name]
    again = copy.deepcopy(model)
    other = models()[name]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    other.load_state_dict(model.state_dict(), strict=True)
    for twin in (again, other):
        assert torch.equal(twin(pixels()), model(pixels()))
    assert set(model.state_dict()) == {key for key, _ in model.named_parameters()}


def test_an_evaluated_model_answers_the_same_twice_and_drop_path_does_not():
    model = built(drop_path=0.9, depth=6)
    images = pixels(8)
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


# In millions: Dosovitskiy et al. 2021, table 1 (its L is 1% above the count); Ti, S: Touvron et al. 2021, table 1
PUBLISHED = {"Ti/16": 5, "S/16": 22, "B/16": 86, "L/16": 307, "H/14": 632}


@pytest.mark.parametrize("name", [*PUBLISHED, "So400m/14"])
def test_the_sizes_weigh_what_was_published(name):
    with torch.device("meta"):
        model = ViT(vit_config(name), head=nn.Linear(vit_config(name).width, 1000))
        logits = model(torch.zeros(2, 3, 224, 224))
    count = sum(p.numel() for p in model.parameters())
    c, table = model.config, model.config.grid.tokens
    by_hand = c.patch**2 * 3 * c.width + c.width + (1 + table) * c.width + 2 * c.width
    by_hand += 1000 * c.width + 1000
    by_hand += c.depth * (4 * c.width**2 + 2 * c.width * c.hidden + 9 * c.width + c.hidden)
    assert count == by_hand and logits.shape == (2, 1000)
    if name in PUBLISHED:
        assert abs(count / 1e6 - PUBLISHED[name]) < max(1, 0.01 * PUBLISHED[name]), count
    else:
        assert 400e6 < count < 440e6


def test_hidden_is_four_times_the_width_except_where_a_size_says_otherwise():
    assert ViTConfig(width=48, heads=2).hidden == 192 and config().hidden == 20
    assert vit_config("So400m/14").hidden == SIZES["So400m"][3] == 4304
    assert vit_config("B/32", (64, 96), prefix=5) == ViTConfig((64, 96), 32, prefix=5)
    assert ViTConfig(32, 8).size == (32, 32) and ViTConfig([32, 16], 8).grid == Grid(4, 2) and config().head_dim == 8


# Stems


@pytest.mark.parametrize("patch", [2, 4, 8])
def test_a_convolutional_stem_fits_where_a_patch_projection_does(patch):
    model = built(patch=patch, size=(24, 40), stem=ConvStem(patch, 16, 4)).eval()
    tokens = model.stem(pixels(height=24, width=40))
    assert tokens.shape == (2, 960 // patch**2, 16)
    assert model(pixels(height=24, width=40)).shape == (2, 16)


def test_token_i_of_a_stem_lies_at_its_row_and_column():
    """A bright pixel moves the tokens around its own place, and none far from it."""
    torch.manual_seed(0)
    stem, dark = ConvStem(4, 16, 3).eval(), torch.zeros(1, 3, 24, 40)
    bright = dark.clone()
    bright[:, :, 4 * 2 + 1, 4 * 7 + 1] = 1
    moved = (stem(bright) - stem(dark)).abs().sum(dim=-1)[0].reshape(6, 10)
    assert moved[2, 7] > 0 and moved[4:].sum() == 0 and moved[:, :6].sum() == 0 and moved[:1].sum() == 0


def test_a_convolution_serves_as_a_stem():
    model = built(stem=ConvPatchEmbed(2, 16, 4))
    assert model(pixels()).shape == (2, 16)


# Bad input

NONSENSE = [1.5, True, False, -1, 0, "8", None, float("nan"), float("inf"), [], (1, 2), [1], {"a": 1}, b"8", 1j]
FINE = {
    "depth": [0],
    "prefix": [0],
    "hidden": [None],
    "eps": [1.5],
    "layer_scale": [1.5, 0, None],
    "drop_path": [0],
    "size": [],
}


@pytest.mark.parametrize("field", ViTConfig.__dataclass_fields__)
def test_nonsense_in_a_config_is_refused_and_named(field):
    for value in NONSENSE:
        if any(value is fine for fine in FINE.get(field, [])):
            config(**{field: value})
            continue
        with pytest.raises(ValueError) as refused:
            config(**{field: value})
        assert repr(value) in str(refused.value) or "pixels" in str(refused.value), (field, value, refused.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"heads": 3}, r"3 heads do not divide the width 16; these do: \[1, 2, 4, 8, 16\]"),
        ({"size": (7, 10)}, "height, 7 pixels.*6 or 8"),
        ({"size": (6, 10, 4)}, r"\(height, width\)"),
        ({"size": (6.0, 10)}, "height must be a whole number"),
        ({"size": {6, 10}}, r"\(height, width\)"),
        ({"size": "66"}, r"\(height, width\)"),
        ({"patch": 4}, "height, 6 pixels"),
        ({"activation": "relu"}, "gelu, gelu_tanh, quick_gelu"),
        ({"drop_path": 1.0}, "to below 1"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_with_the_remedy(changes, says):
    with pytest.raises(ValueError, match=says):
        config(**changes)


@pytest.mark.parametrize("name", ["B", "B/", "b/16", "B/16/2", "B/-2", "B/1.5", None, 16, ("B", 16)])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="size/patch, for example B/16, with a size of Ti, S, B, L, H, So400m"):
        vit_config(name)


MODEL = ViT(config())


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(4, 6, 10), r"\(B, 4, H, W\); got shape \(4, 6, 10\)"),
        (torch.zeros(10), r"got shape \(10,\)"),
        (torch.zeros(2, 3, 6, 10), r"\(B, 4, H, W\); got shape \(2, 3, 6, 10\)"),
        (torch.zeros(2, 6, 10, 4), r"\(B, 4, H, W\)"),
        (torch.zeros(2, 4, 6, 10, dtype=torch.uint8), "to_float"),
        (torch.zeros(2, 4, 6, 10, dtype=torch.float64), "float64 and the weights torch.float32"),
        (torch.zeros(2, 4, 7, 10), "height, 7 pixels, is not divisible by the patch side 2"),
        (torch.zeros(2, 4, 10, 6), "3 x 5 patches and the picture has 5 x 3"),
        (torch.zeros(2, 4, 0, 10), "empty: its height is 0"),
        ([[0.0]], "must be a tensor; got list"),
        (None, "must be a tensor; got NoneType"),
    ],
)
@pytest.mark.parametrize("call", [MODEL, MODEL.features])
def test_wrong_pictures_are_refused(call, images, says):
    with pytest.raises(ValueError, match=says):
        call(images)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (torch.ones(2, 15), r"boolean \(B, N\) = \(2, 15\).*float32"),
        (torch.ones(2, 16, dtype=torch.bool), r"\(2, 15\).*\(2, 16\)"),
        (torch.ones(15, dtype=torch.bool), r"\(15,\)"),
        (torch.ones(1, 15, dtype=torch.bool), r"\(2, 15\).*\(1, 15\)"),
        ([[True] * 15] * 2, "must be a tensor"),
    ],
)
@pytest.mark.parametrize("call", [MODEL, MODEL.features])
def test_wrong_masks_are_refused(call, mask, says):
    with pytest.raises(ValueError, match=says):
        call(torch.zeros(2, 4, 6, 10), mask)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"stem": PatchEmbed(1, 16, 4)}, r"stem that gives \(B, 15, 16\).*got \(2, 60, 16\)"),
        ({"stem": PatchEmbed(2, 8, 4)}, r"got \(2, 15, 8\)"),
        ({"positions": LearnedPositions(GRID, 8)}, r"positions \(15, 16\).*\(15, 8\)"),
        ({"positions": LearnedPositions(Grid(5, 3), 16)}, "5 x 3 patches and the picture has 3 x 5"),
        ({"rotary": Rotary2D(4)}, r"or more, 4\); got shape \(2, 2, 16, 8\)"),
        ({"config": config(prefix=0)}, "no class token.*prefix=1"),
        ({"config": SMALL}, "built from a ViTConfig"),
        ({"pool": None, "head": nn.Linear(16, 7)}, "pass a pool, or no head"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(parts, says):
    with pytest.raises(ValueError, match=says):
        ViT(parts.pop("config", config()), **parts)(torch.zeros(2, 4, 6, 10))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ConvStem(3, 16), "P must be 2, 4, 8.*got 3"),
        (lambda: ConvStem(1, 16), "got 1"),
        (lambda: ConvStem(4.0, 16), "patch side"),
        (lambda: ConvStem(4, 0), "width D"),
        (lambda: ConvStem(4, 16)(torch.zeros(2, 4, 8, 8)), r"\(B, 3, H, W\)"),
        (lambda: ConvStem(4, 16)(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)), "to_float"),
        (lambda: ConvStem(4, 16)(torch.zeros(2, 3, 8, 8).double()), "float64 and the weights"),
        (lambda: ConvStem(4, 16)(torch.zeros(2, 3, 9, 8)), "not divisible"),
    ],
)
def test_stems_refuse_what_does_not_fit(call, says):
    with pytest.raises(ValueError, match=says):
        call()
