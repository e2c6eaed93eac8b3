"""The laws of the small ResNet: by hand, how far a token sees, what a shift does, sizes, precision, what it refuses."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from minivit.convnet import Convolution, ResidualBlock, ResNet, ResNetConfig, receptive_field
from minivit.patches import Grid
from minivit.pooling import AttentionPool, class_pool
from minivit.vit import ViT, ViTConfig

SMALL = {"widths": (6, 8, 10), "depths": (1, 2, 1), "channels": 4}


def config(**changes):
    return ResNetConfig(**{**SMALL, **changes})


def pixels(batch=2, channels=4, height=12, width=20, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64).to(dtype)


def shaken(model, seed=0):
    """No number at a special value, batch norm's averages neither: means of 0 and variances of 1 hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator).to(tensor) * 0.1
                tensor.add_(noise.abs() if name.endswith("running_var") else noise)
    return model.eval()


def built(seed=0, **parts):
    torch.manual_seed(seed)
    options = {name: parts.pop(name) for name in list(parts) if name in ResNetConfig.__dataclass_fields__}
    return shaken(ResNet(config(**options), **parts).double())


# Shapes, and the whole written out


@pytest.mark.parametrize("stride", [1, 2])
def test_every_intermediate_has_its_shape_and_the_last_is_the_output(stride):
    model = built(stride=stride, head=nn.Linear(10, 7))
    images = pixels(height=24, width=40)
    seen, p = model.features(images), 4 * stride
    assert model.config.patch == p and seen.grid == Grid(24 // p, 40 // p) and model.config.width == 10
    sides = [(24 // step, 40 // step) for step in (stride, stride, 2 * stride, 2 * stride, p)]
    assert [one.shape for one in seen.maps] == [(2, d, *side) for d, side in zip((6, 6, 8, 8, 10), sides, strict=True)]
    assert seen.tokens.shape == (2, seen.grid.tokens, 10) and seen.prefix.shape == (2, 0, 10)
    assert torch.equal(seen.patches, seen.tokens)
    assert torch.equal(seen.tokens[:, seen.grid.cols + 2], seen.maps[-1][:, :, 1, 2])
    assert torch.equal(model.head(seen.pooled), model(images)) and model(images).shape == (2, 7)
    torch.testing.assert_close(seen.pooled, seen.maps[-1].mean((2, 3)), rtol=0, atol=1e-12)


def test_without_a_pool_all_tokens_come_out():
    model = built(pool=None)
    assert model(pixels()).shape == (2, 15, 10) and model.features(pixels()).pooled is None
    assert torch.equal(model(pixels()), model.features(pixels()).tokens)


def test_it_stands_where_a_vit_stands():
    """The same calls, the same shapes, for whoever passes either in."""
    torch.manual_seed(0)
    net, vit = built(), ViT(ViTConfig((12, 20), 4, 4, 10, 2, 2)).double()
    assert net(pixels()).shape == vit(pixels()).shape == (2, 10) and net.config.width == vit.config.width
    mine, other = net.features(pixels()), vit.features(pixels())
    for name in ("patches", "pooled"):
        assert getattr(mine, name).shape == getattr(other, name).shape
    assert mine.grid == other.grid
    torch.manual_seed(0)
    assert built(pool=AttentionPool(10, 2))(pixels()).shape == (2, 10)


def by_hand(x, state, strides):
    """The whole network out of torch's functions and the names of the weights."""

    def convolved(x, name, stride=1):
        weight = state[f"{name}.weights.weight"]
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        mean, variance, scale, shift = (
            state[f"{name}.norm.{kind}"][:, None, None] for kind in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    x = convolved(x, "stem.0").relu()
    for i, stride in enumerate(strides):
        inner = convolved(convolved(x, f"blocks.{i}.first", stride).relu(), f"blocks.{i}.second")
        around = convolved(x, f"blocks.{i}.around", stride) if f"blocks.{i}.around.weights.weight" in state else x
        x = (around + inner).relu()
    return x.mean((2, 3))


def test_by_hand():
    model = built()
    assert model.config.strides == (1, 2, 1, 2)
    torch.testing.assert_close(model(pixels()), by_hand(pixels(), model.state_dict(), (1, 2, 1, 2)), rtol=0, atol=1e-12)
    assert (by_hand(pixels().flip(-1), model.state_dict(), (1, 2, 1, 2)) - model(pixels())).abs().max() > 1e-6


def test_a_block_whose_shape_stays_goes_around_by_nothing():
    same, wider, shorter = ResidualBlock(6, 6), ResidualBlock(6, 8), ResidualBlock(6, 6, stride=2)
    assert isinstance(same.around, nn.Identity) and wider.around.weights.kernel_size == (1, 1)
    assert shorter.around.weights.stride == (2, 2)
    with torch.no_grad():
        same.second.norm.weight.zero_()
    images = pixels(channels=6).float()
    assert torch.equal(same.eval()(images), images)  # a block that adds nothing passes on what is not negative


def test_batch_norm_couples_a_batch_while_training_and_not_after():
    model = built()
    alone = torch.cat([model(picture[None]) for picture in pixels(3)])
    torch.testing.assert_close(model(pixels(3)), alone, rtol=0, atol=1e-12)
    assert model(pixels(0)).shape == (0, 10)
    model.train()
    together = model(pixels(3))
    assert (together[:1] - model(pixels(3)[:1])).abs().max() > 1e-3


def test_batch_norm_is_its_formula_while_training():
    torch.manual_seed(0)
    layer, images = Convolution(4, 5, 3, eps=1e-3).double(), pixels()
    x = F.conv2d(images, layer.weights.weight, padding=1)
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
    torch.testing.assert_close(layer(images), (x - mean) / torch.sqrt(variance + 1e-3), rtol=0, atol=1e-12)


# How far a token sees


def looked_at(model, images, row, col):
    """(H, W) bool: the pixels on which a token depends, over all its numbers."""
    images = images.clone().requires_grad_()
    model.maps(images)[-1][:, :, row, col].sum().backward()
    return images.grad.abs().sum((0, 1)) > 0


@pytest.mark.parametrize(("depths", "stride"), [((1, 1), 1), ((2, 1), 1), ((1, 1), 2), ((1, 1, 1), 1)])
def test_a_token_looks_at_its_field_and_no_further(depths, stride):
    model = built(widths=(6, 8, 10)[: len(depths)], depths=depths, stride=stride)
    field, p = model.config.field, model.config.patch
    side = p * (-(-2 * field // p) + 2)
    row, col = side // p // 2, side // p // 2 - 1
    seen = looked_at(model, pixels(height=side, width=side), row, col)
    rows, cols = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
    assert len(rows) == len(cols) == rows[-1] - rows[0] + 1 == field
    assert rows[0] <= row * p <= rows[-1] and cols[0] <= col * p <= cols[-1] and rows[0] > cols[0]


def test_a_vit_looks_at_everything():
    torch.manual_seed(0)
    vit = ViT(ViTConfig((12, 20), 4, 4, 16, 1, 2), pool=None).double()
    images = pixels().requires_grad_()
    vit(images)[:, 1, 0].sum().backward()  # one number: after a norm the sum of all is the same for every picture
    assert bool((images.grad != 0).all())


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4))
def test_a_receptive_field_walked_back_step_by_step(layers):
    """From one output to the outputs below it that it needs: (n - 1) * stride + kernel, layer by layer."""
    needed = 1
    for kernel, stride in reversed(layers):
        needed = (needed - 1) * stride + kernel
    assert receptive_field(layers) == needed


def test_known_fields_and_their_wrong_twins():
    assert receptive_field([(3, 1)] * 3) == 7 and receptive_field([(7, 2), (3, 2)]) == 11 and receptive_field([]) == 1
    # 3, six windows of 2, one of 2 and five of 4, one of 4 and five of 8: more than a picture of CIFAR-10
    assert ResNetConfig().field == 3 + 12 + 22 + 44 == 81

    def own_stride_first(layers):
        side = step = 1
        for kernel, stride in layers:
            step *= stride
            side += (kernel - 1) * step
        return side

    def no_strides(layers):
        return 1 + sum(kernel - 1 for kernel, _ in layers)

    assert all(twin([(7, 2), (3, 2)]) != 11 for twin in (own_stride_first, no_strides))


# What a shift does


def inner(tokens, border):
    """(B, D, rows, cols) -> the tokens that see no border of the picture."""
    return tokens[:, :, border:-border, border:-border]


def shift(images, pixels_):
    return torch.roll(images, (pixels_, pixels_), (2, 3))


def test_a_shift_by_whole_tokens_shifts_the_tokens_away_from_the_border():
    model = built(widths=(6, 8), depths=(1, 1))
    p, border = model.config.patch, model.config.field // 2 // model.config.patch + 2
    images = pixels(height=40, width=48)
    here, there = model.maps(images)[-1], model.maps(shift(images, p))[-1]
    torch.testing.assert_close(inner(shift(here, 1), border), inner(there, border), rtol=0, atol=1e-12)
    assert (shift(here, 1) - there).abs().max() > 1e-3, "at the border there are zeros beside a window"


def test_a_shift_by_half_a_token_is_another_picture():
    model = built(widths=(6, 8), depths=(1, 1))
    images = pixels(height=40, width=48)
    here, there = model.maps(images)[-1], model.maps(shift(images, model.config.patch // 2))[-1]
    assert min((inner(shift(here, by), 5) - inner(there, 5)).abs().max() for by in (0, 1)) > 1e-3


def test_a_vit_with_positions_has_no_such_law():
    torch.manual_seed(0)
    vit = ViT(ViTConfig((24, 40), 4, 4, 16, 2, 2, prefix=0), pool=None).double()
    images = pixels(height=24, width=40)
    here, there = (vit(x).reshape(2, 6, 10, 16).permute(0, 3, 1, 2) for x in (images, shift(images, 4)))
    assert (inner(shift(here, 1), 2) - inner(there, 2)).abs().max() > 1e-3


# Sizes


@pytest.mark.parametrize(("n", "millions"), [(3, 0.27), (5, 0.46), (7, 0.66), (9, 0.85), (18, 1.7)])
def test_the_sizes_weigh_what_was_published(n, millions):
    """He et al. 2016, table 6: 6n + 2 layers. Theirs go around without weights; our two maps there weigh 0.003."""
    with torch.device("meta"):
        model = ResNet(ResNetConfig(depths=n), head=nn.Linear(64, 10))
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    count = sum(p.numel() for p in model.parameters())
    around = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    by_hand = 27 * 16 + 2 * 16 + around + 64 * 10 + 10
    for before, width, blocks in ((16, 16, n), (16, 32, n), (32, 64, n)):
        by_hand += 9 * before * width + (2 * blocks - 1) * 9 * width * width + blocks * 4 * width
    assert count == by_hand and round((count - around) / 1e6, 2 if millions < 1 else 1) == millions
    convolutions = [m for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and "around" not in name]
    assert len(convolutions) + 1 == 6 * n + 2


def test_one_depth_is_meant_for_all_stages():
    assert ResNetConfig(depths=2) == ResNetConfig(depths=(2, 2, 2)) == ResNetConfig([16, 32, 64], [2, 2, 2])
    assert ResNetConfig((8, 12), (1, 3), stride=2).patch == 4


# Precision, copies, memory


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_whole_model_in_one_precision(dtype):
    model = built(head=nn.Linear(10, 7))
    exact = model(pixels())
    output = model.to(dtype)(pixels(dtype=dtype))
    output.square().sum().backward()
    assert output.dtype == dtype and all(p.grad.isfinite().all() for p in model.parameters())
    atol = {torch.float64: 1e-12, torch.float32: 1e-4, torch.bfloat16: 0.05}[dtype] * exact.abs().max().item()
    torch.testing.assert_close(output.double(), exact, rtol=0, atol=max(atol, 1e-12))


def test_training_under_autocast():
    model = built(head=nn.Linear(10, 7)).float()
    exact = model(pixels(dtype=torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(pixels(dtype=torch.float32))
    torch.testing.assert_close(output.float(), exact, rtol=0, atol=0.05 * exact.abs().max().item())
    output.float().square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.dtype == torch.float32


def test_copies_and_saved_states_are_the_model():
    model = built(head=nn.Linear(10, 7))
    again, other = copy.deepcopy(model), built(seed=1, head=nn.Linear(10, 7))
    assert not torch.equal(other(pixels()), model(pixels()))
    other.load_state_dict(model.state_dict(), strict=True)
    for twin in (again, other):
        assert torch.equal(twin(pixels()), model(pixels()))


def test_the_channels_of_a_place_lie_together_and_nothing_else_changes():
    model = built()
    weights = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert weights and all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
    assert model.maps(pixels())[-1].is_contiguous(memory_format=torch.channels_last)
    twin = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(twin(pixels()), model(pixels()), rtol=0, atol=1e-12)


def test_it_learns_a_batch_by_heart():
    torch.manual_seed(0)
    model = ResNet(config(), head=nn.Linear(10, 4))
    images, labels = pixels(16, dtype=torch.float32), torch.arange(16) % 4
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert bool((model(images).argmax(1) == labels).all())


# Bad input

NONSENSE = [1.5, True, False, -1, 0, "8", None, float("nan"), float("inf"), [], (1, 2), [1], {"a": 1}, b"8", 1j]
FINE = {"eps": [1.5]}


@pytest.mark.parametrize("field", ResNetConfig.__dataclass_fields__)
def test_nonsense_in_a_config_is_refused(field):
    for value in NONSENSE:
        if any(value is fine for fine in FINE.get(field, [])):
            config(**{field: value})
            continue
        if field == "widths" and value == (1, 2):
            assert config(widths=value, depths=1).widths == (1, 2)
            continue
        with pytest.raises(ValueError) as refused:
            config(**{field: value})
        said = str(refused.value)
        assert repr(value) in said or "depths, or one number" in said, (field, value, said)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"widths": ()}, r"for example \(16, 32, 64\); got \(\)"),
        ({"widths": (6, 0, 8)}, "a stage's width.*got 0"),
        ({"depths": (1, 1)}, r"3 widths need as many depths, or one number for all; got \(1, 1\)"),
        ({"depths": (1, 0, 1)}, "a stage's depth.*got 0"),
        ({"eps": 0.0}, "above 0"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_with_the_remedy(changes, says):
    with pytest.raises(ValueError, match=says):
        config(**changes)


MODEL = ResNet(config()).eval()


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(4, 12, 20), r"\(B, 4, H, W\); got shape \(4, 12, 20\)"),
        (torch.zeros(2, 3, 12, 20), r"\(B, 4, H, W\); got shape \(2, 3, 12, 20\)"),
        (torch.zeros(2, 4, 12, 20, dtype=torch.uint8), "to_float"),
        (torch.zeros(2, 4, 12, 20, dtype=torch.float64), "float64 and the weights torch.float32"),
        (torch.zeros(2, 4, 12, 18), "width, 18 pixels, is not divisible by the patch side 4.*16 or 20"),
        (torch.zeros(2, 4, 0, 20), "empty: its height is 0"),
        ([[0.0]], "must be a tensor; got list"),
    ],
)
@pytest.mark.parametrize("call", [MODEL, MODEL.features])
def test_wrong_pictures_are_refused(call, images, says):
    with pytest.raises(ValueError, match=says):
        call(images)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"config": SMALL}, "built from a ResNetConfig"),
        ({"config": config(stride=4)}, "stride of 4 would skip pixels"),
        ({"pool": None, "head": nn.Linear(10, 7)}, "pass a pool, or no head"),
        ({"pool": class_pool}, "no class token"),
        ({"stem": nn.Conv2d(4, 5, 3, padding=1)}, r"\(B, 6, 12, 20\); got \(2, 5, 12, 20\)"),
        ({"stem": nn.Conv2d(4, 6, 3, stride=2, padding=1)}, r"\(B, 6, 12, 20\); got \(2, 6, 6, 10\)"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(parts, says):
    with pytest.raises(ValueError, match=says):
        ResNet(parts.pop("config", config()), **parts)(torch.zeros(2, 4, 12, 20))


@pytest.mark.parametrize("layers", [[(0, 1)], [(3, 0)], [(3.0, 1)], [(3, True)]])
def test_windows_that_make_no_sense_are_refused(layers):
    with pytest.raises(ValueError, match="whole number of pixels, at least 1"):
        receptive_field(layers)
