"""The whole ViT equals the peers' whole models: their own configs, random weights, pictures that are not square."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import carrying  # noqa: E402

from benchmarks import peers  # noqa: E402
from minivit.patches import Grid, patchify  # noqa: E402
from minivit.pooling import AttentionPool, class_pool, mean_pool  # noqa: E402
from minivit.positions import Rotary2D, SinCosPositions, coordinates  # noqa: E402
from minivit.vit import ViT, ViTConfig  # noqa: E402

peers.load("timm")  # with it comes a torchvision that loads, which transformers' models ask for

PRECISE = [(torch.float32, 1e-5), (torch.float64, 1e-10)]
precise = pytest.mark.parametrize(("dtype", "atol"), PRECISE)
WIDTH, DEPTH, PATCH = 24, 3, 2
NUMBERS = {
    "hidden_size": WIDTH,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 3,
    "patch_size": PATCH,
    "num_channels": 4,
    "attn_implementation": "sdpa",
}
OURS = {"patch": PATCH, "channels": 4, "width": WIDTH, "depth": DEPTH, "heads": 3}


def pixels(dtype, height=6, width=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 4, height, width, generator=generator, dtype=torch.float64).to(dtype)


def close(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


def transformers_classifier(dtype, eps=1e-12, activation="gelu"):
    """transformers' ViTForImageClassification and ours with its weights."""
    library = peers.load("transformers")
    numbers = {**NUMBERS, "image_size": (6, 10), "intermediate_size": 40, "layer_norm_eps": eps, "num_labels": 7}
    torch.manual_seed(0)
    theirs = library.ViTForImageClassification(library.ViTConfig(**numbers, hidden_act=activation))
    theirs = carrying.shaken(theirs).to(dtype)
    told = {"gelu": "gelu", "gelu_new": "gelu_tanh", "quick_gelu": "quick_gelu"}[activation]
    ours = ViT(ViTConfig((6, 10), hidden=40, eps=eps, activation=told, **OURS), head=nn.Linear(WIDTH, 7)).to(dtype)
    table = [*carrying.transformers_vit(DEPTH, PATCH, "vit."), *carrying.linear("head", "classifier")]
    carrying.carry(ours, theirs, table)
    return ours, theirs, table


@precise
@pytest.mark.parametrize(("eps", "activation"), [(1e-12, "gelu"), (1e-6, "gelu_new"), (0.1, "quick_gelu")])
def test_transformers_vit(eps, activation, dtype, atol):
    ours, theirs, _ = transformers_classifier(dtype, eps, activation)
    images = pixels(dtype)
    expected = theirs(images, output_hidden_states=True)
    seen = ours.features(images)
    close(ours(images), expected.logits, atol)
    close(seen.tokens, theirs.vit(images).last_hidden_state, atol)
    assert len(expected.hidden_states) == DEPTH + 1
    for block, stream in zip(seen.blocks, expected.hidden_states[1:], strict=True):
        close(block, stream, atol)


@precise
def test_transformers_vit_in_every_gradient(dtype, atol):
    ours, theirs, table = transformers_classifier(dtype)
    a, b = pixels(dtype).requires_grad_(), pixels(dtype).requires_grad_()
    for output in (ours(a), theirs(b).logits):
        output.square().sum().backward()
    close(a.grad, b.grad, 10 * atol)
    mine = {name: parameter.grad for name, parameter in ours.named_parameters()}
    for row in table:
        if row.ours == ("prefix", "positions.table"):  # two tensors of theirs that are always added have one gradient
            told, token = (theirs.get_parameter(name).grad for name in row.theirs)
            close(told[0, :1], token[0], atol)
            expected = (token[0], told[0, 1:])
        else:
            expected = row.here(*(theirs.get_parameter(name).grad for name in row.theirs))
        for name, right in zip(row.ours, expected, strict=True):
            torch.testing.assert_close(mine.pop(name), right, rtol=10 * atol, atol=100 * atol)
    assert not mine


def another_eps(model):
    for block in model.encoder.blocks:
        block.norm1.eps = 1e-3


def another_gelu(model):
    for block in model.encoder.blocks:
        block.mlp.activation = nn.GELU(approximate="tanh")


def channel_first(model):
    weight = model.stem.projection.weight.data
    weight.copy_(weight.unflatten(1, (PATCH, PATCH, 4)).permute(0, 3, 1, 2).flatten(1))


def columns_first(model):
    table = model.positions.table.data
    table.copy_(table.unflatten(0, (5, 3)).transpose(0, 1).flatten(0, 1))


def class_token_without_a_place(model):
    model.prefix.data[0, :5] += 0.01  # not to all of it: a layer norm takes the mean out


def heads_interleaved(model):
    for block in model.encoder.blocks:
        weight = block.attention.qkv.weight.data
        weight.copy_(weight.unflatten(0, (3, 3, 8)).transpose(0, 1).flatten(0, 2))


@pytest.mark.parametrize(
    "mistake",
    [another_eps, another_gelu, channel_first, columns_first, class_token_without_a_place, heads_interleaved],
)
def test_mistakes_in_carrying_are_seen(mistake):
    ours, theirs, _ = transformers_classifier(torch.float64)
    wrong = copy.deepcopy(ours)
    mistake(wrong)
    images = pixels(torch.float64)
    close(ours(images), theirs(images).logits, 1e-10)
    assert (wrong(images) - ours(images)).abs().max() > 1e-5


def test_a_table_is_strict_both_ways():
    ours, theirs, table = transformers_classifier(torch.float32)
    with pytest.raises(KeyError, match=r"vit.layernorm.weight"):
        carrying.carried(theirs.state_dict(), [row for row in table if "encoder.norm.weight" not in row.ours])
    with pytest.raises(KeyError, match=r"no row names.*extra"):
        carrying.carried(ours.state_dict() | {"extra": torch.zeros(1)}, table, back=True)
    with pytest.raises(KeyError, match="absent"):
        carrying.carried(theirs.state_dict(), [*table, *carrying.linear("absent", "absent")])


@precise
def test_transformers_dinov2_with_registers(dtype, atol):
    library = peers.load("transformers")
    torch.manual_seed(0)
    config = library.Dinov2WithRegistersConfig(
        **NUMBERS, image_size=6, mlp_ratio=2, num_register_tokens=4, layer_norm_eps=1e-6
    )
    theirs = carrying.shaken(library.Dinov2WithRegistersModel(config)).to(dtype)
    ours = ViT(ViTConfig(6, hidden=48, prefix=5, layer_scale=1.0, **OURS), pool=None).to(dtype)
    unused = carrying.Row((), ("embeddings.mask_token",), lambda _: (), lambda: (torch.zeros(1, WIDTH, dtype=dtype),))
    carrying.carry(ours, theirs, [*carrying.dinov2(DEPTH, PATCH), unused])
    images = pixels(dtype, 6, 6)
    close(ours(images), theirs(images).last_hidden_state, atol)


@precise
def test_transformers_siglip(dtype, atol):
    library = peers.load("transformers")
    torch.manual_seed(0)
    config = library.SiglipVisionConfig(**NUMBERS, image_size=6, intermediate_size=40)
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu_pytorch_tanh", 1e-6)
    theirs = carrying.shaken(library.SiglipVisionModel(config)).to(dtype)
    pool = AttentionPool(WIDTH, 3, 40, activation="gelu_tanh")
    ours = ViT(ViTConfig(6, hidden=40, prefix=0, activation="gelu_tanh", **OURS), pool=pool).to(dtype)
    carrying.carry(ours, theirs, carrying.siglip(DEPTH, PATCH, WIDTH))
    images = pixels(dtype, 6, 6)
    expected = theirs(images)
    close(ours.features(images).tokens, expected.last_hidden_state, atol)
    close(ours(images), expected.pooler_output, atol)


TIMM = {
    "as it comes": ({}, {"prefix": 1}, class_pool),
    "registers with places": ({"reg_tokens": 4}, {"prefix": 5}, class_pool),
    "registers without places": ({"reg_tokens": 4, "no_embed_class": True}, {"prefix": 5}, class_pool),
    "layer scale": ({"init_values": 0.3}, {"prefix": 1, "layer_scale": 0.3}, class_pool),
    "tanh": ({"act_layer": "gelu_tanh"}, {"prefix": 1, "activation": "gelu_tanh"}, class_pool),
    "mean, norm before": ({"global_pool": "avg", "fc_norm": False}, {"prefix": 1}, mean_pool),
    "no pool": ({"global_pool": "", "num_classes": 0}, {"prefix": 1}, None),
}


@precise
@pytest.mark.parametrize("name", TIMM)
def test_timm_vision_transformer(name, dtype, atol):
    options, changes, pool = TIMM[name]
    torch.manual_seed(0)
    options = {"num_classes": 7, **options}
    theirs = peers.load("timm.models.vision_transformer").VisionTransformer(
        img_size=(6, 10),
        patch_size=PATCH,
        in_chans=4,
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=3,
        mlp_ratio=2,
        **options,
    )
    theirs = carrying.shaken(theirs).to(dtype)
    assert theirs.blocks[0].norm1.eps == 1e-6
    head = nn.Linear(WIDTH, 7) if pool else None
    ours = ViT(ViTConfig((6, 10), hidden=48, **OURS, **changes), pool=pool, head=head).to(dtype)
    registers, scales = options.get("reg_tokens", 0), "layer_scale" in changes
    placed = 0 if options.get("no_embed_class") else 1 + registers
    table = carrying.timm(DEPTH, PATCH, registers=registers, placed=placed, scales=scales)
    carrying.carry(ours, theirs, [*table, *(carrying.linear("head", "head") if head else [])])
    images = pixels(dtype)
    close(ours(images), theirs(images), atol)


def test_timms_own_mean_norms_after_pooling_and_is_another_map():
    """Its fc_norm is the default with global_pool="avg": the norm of a mean is not the mean of norms."""
    torch.manual_seed(0)
    theirs = peers.load("timm.models.vision_transformer").VisionTransformer(
        img_size=(6, 10), patch_size=PATCH, in_chans=4, embed_dim=WIDTH, depth=DEPTH, num_heads=3, mlp_ratio=2,
        num_classes=7, global_pool="avg",
    )  # fmt: skip
    theirs = carrying.shaken(theirs).double()
    ours = ViT(ViTConfig((6, 10), hidden=48, **OURS), pool=mean_pool, head=nn.Linear(WIDTH, 7)).double()
    table = carrying.timm(DEPTH, PATCH, registers=0, placed=1, scales=False, norm="fc_norm")
    carrying.carry(ours, theirs, [*table, *carrying.linear("head", "head")])
    images = pixels(torch.float64)
    assert (ours(images) - theirs(images)).abs().max() > 1e-3
    stream = ours.features(images).blocks[-1][:, 1:]
    close(ours.head(ours.encoder.norm(stream.mean(dim=1))), theirs(images), 1e-10)


def test_vit_pytorchs_simple_vit_has_the_same_sines_and_cosines():
    """The order is (sin x, cos x, sin y, cos y), x first, as in big_vision."""
    theirs = peers.load("vit_pytorch.simple_vit").posemb_sincos_2d(3, 5, 16)
    ours = SinCosPositions(16)(coordinates(Grid(3, 5)), Grid(3, 5))
    close(ours, theirs, 1e-6)
    y_first = ours.roll(8, dims=-1)
    assert (y_first - theirs).abs().max() > 0.1


class NormedStem(nn.Module):
    """Cut into patches, then norm, linear, norm."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(16), nn.Linear(16, WIDTH), nn.LayerNorm(WIDTH))

    def forward(self, images):
        return self.layers(patchify(images, PATCH))


@precise
def test_vit_pytorchs_simple_vit(dtype, atol):
    """It has no biases in attention, norms around its patch projection, and eps 1e-5."""
    torch.manual_seed(0)
    options = {"dim": WIDTH, "depth": DEPTH, "heads": 3, "dim_head": 8, "mlp_dim": 40, "channels": 4}
    theirs = peers.load("vit_pytorch").SimpleViT(image_size=(6, 10), patch_size=PATCH, num_classes=7, **options)
    theirs = carrying.shaken(theirs).to(dtype)
    config = ViTConfig((6, 10), hidden=40, prefix=0, eps=1e-5, **OURS)
    ours = ViT(config, stem=NormedStem(), positions=SinCosPositions(WIDTH), pool=mean_pool, head=nn.Linear(WIDTH, 7))
    ours.to(dtype)
    table = [row for n in range(3) for row in carrying.linear(f"stem.layers.{n}", f"to_patch_embedding.{n + 1}")]
    for i in range(DEPTH):
        block, layer = f"encoder.blocks.{i}", f"transformer.layers.{i}"
        for name, other in (("norm1", "0.norm"), ("norm2", "1.net.0"), ("mlp.up", "1.net.1"), ("mlp.down", "1.net.3")):
            table += carrying.linear(f"{block}.{name}", f"{layer}.{other}")
        for name, other in (("attention.qkv", "0.to_qkv"), ("attention.out", "0.to_out")):
            table += carrying.linear(f"{block}.{name}", f"{layer}.{other}", "weight")
            size = 3 * WIDTH if name.endswith("qkv") else WIDTH
            zeros = torch.zeros(size, dtype=dtype)
            table.append(carrying.Row((f"{block}.{name}.bias",), (), lambda zeros=zeros: (zeros,), lambda _: ()))
    table += [*carrying.linear("encoder.norm", "transformer.norm"), *carrying.linear("head", "linear_head")]
    table.append(carrying.Row(("prefix",), (), lambda: (torch.zeros(0, WIDTH, dtype=dtype),), lambda _: ()))
    carrying.carry(ours, theirs, table)
    if dtype == torch.float64:  # theirs is computed once, in float32
        theirs.pos_embedding = ours.positions(coordinates(Grid(3, 5)).double(), Grid(3, 5))
    close(ours(pixels(dtype)), theirs(pixels(dtype)), atol)


def test_dinov3s_rotary_is_ours_at_its_places_with_the_pairs_in_another_order():
    """It counts in half pictures from the centre, times 2 pi, and pairs number i with i + head_dim / 2."""
    module = peers.load("transformers.models.dinov3_vit.modeling_dinov3_vit")
    config = peers.load("transformers").DINOv3ViTConfig(
        hidden_size=32, num_attention_heads=2, patch_size=2, image_size=6
    )
    cos, sin = module.DINOv3ViTRopePositionEmbedding(config).eval()(torch.zeros(1, 3, 6, 10, dtype=torch.float64))
    tokens = torch.randn(2, 3, 4 + 15, 16, dtype=torch.float64)
    expected = module.apply_rotary_pos_emb(tokens, tokens, cos, sin)[0]
    grid = Grid(3, 5)
    where = 2 * torch.pi * (2 * (coordinates(grid).double() + 0.5) / torch.tensor([3, 5]) - 1)
    order = torch.arange(16).unflatten(0, (2, 2, 4)).transpose(0, 1).flatten()  # their [a c b d] as our [a b c d]
    ours = Rotary2D(16, config.rope_theta)(where, grid)(tokens[..., order])[..., order]
    close(ours, expected, 1e-5)  # theirs turns in float32
    exchanged = Rotary2D(16)(where.flip(-1), grid)(tokens[..., order])[..., order]
    assert (exchanged - expected).abs().max() > 0.1
