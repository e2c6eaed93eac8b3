"""The laws of blocks: torch's own encoder, the norm written out, drop path's mean, no leak through a whole stack."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from minivit.attention import causal, packing, padding
from minivit.blocks import ACTIVATIONS, MLP, Block, DropPath, Encoder, LayerScale, layer_norm
from minivit.patches import Grid
from minivit.positions import Rotary2D, coordinates

PRECISE = [(torch.float32, 1e-5), (torch.float64, 1e-10)]


def random(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def shaken(model, seed=0):
    """No weight at a special value: biases that are zero and scales that are one hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator).to(parameter) * 0.2)
    return model


# Layer norm


@given(batch=st.integers(1, 3), width=st.integers(1, 9), eps=st.sampled_from([1e-12, 1e-6, 1e-5, 0.1]))
def test_layer_norm_is_torchs(batch, width, eps):
    x, weight, bias = (random(*shape, seed=i) for i, shape in enumerate([(batch, 4, width), (width,), (width,)]))
    expected = F.layer_norm(x, (width,), weight, bias, eps)
    torch.testing.assert_close(layer_norm(x, weight, bias, eps), expected, rtol=0, atol=1e-10)


def unbiased(x, weight, bias, eps):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True) + eps) * weight + bias


def eps_outside(x, weight, bias, eps):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0).sqrt() + eps) * weight + bias


def over_tokens(x, weight, bias, eps):
    x = x - x.mean(-2, keepdim=True)
    return x / torch.sqrt(x.square().mean(-2, keepdim=True) + eps) * weight + bias


@pytest.mark.parametrize("twin", [unbiased, eps_outside, over_tokens])
def test_wrong_norms_have_the_right_shape_and_differ(twin):
    x, weight, bias, eps = random(2, 5, 8) * 0.01, random(8, seed=1), random(8, seed=2), 1e-6
    wrong, right = twin(x, weight, bias, eps), layer_norm(x, weight, bias, eps)
    assert wrong.shape == right.shape and (wrong - right).abs().max() > 1e-3


# Against torch's encoder layer

LAYER = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.qkv": "self_attn.in_proj_",
    "attention.out": "self_attn.out_proj",
    "mlp.up": "linear1",
    "mlp.down": "linear2",
}


def torch_name(name):
    """norm1.weight -> norm1.weight, attention.qkv.weight -> self_attn.in_proj_weight."""
    part, kind = name.rsplit(".", 1)
    return LAYER[part] + ("" if LAYER[part].endswith("_") else ".") + kind


def torchs_layer(width, heads, hidden, eps, activation="gelu"):
    options = {"activation": ACTIVATIONS[activation], "batch_first": True, "norm_first": True}
    return nn.TransformerEncoderLayer(width, heads, hidden, dropout=0, layer_norm_eps=eps, **options)


def masks():
    valid = torch.arange(6) < torch.tensor([[4], [6]])
    return {
        "none": (None, {}),
        "padding": (padding(valid), {"src_key_padding_mask": ~valid}),  # torch's True means hidden
        "causal": (causal(6), {"mask": ~causal(6)}),
        "both": (causal(6) & padding(valid), {"mask": ~causal(6), "src_key_padding_mask": ~valid}),
    }


def compare(ours, theirs, names, x, mask, told, atol):
    """Values, the gradient of the input, and the gradient of every weight, by the table of names."""
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    mine, other = ours(a, mask), theirs(b, **told)
    torch.testing.assert_close(mine, other, rtol=0, atol=atol)
    for output in (mine, other):
        (output * random(*output.shape, dtype=x.dtype, seed=9)).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=atol, atol=10 * atol)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(names(name)).grad, rtol=atol, atol=10 * atol)


@pytest.mark.parametrize(("dtype", "atol"), PRECISE)
@pytest.mark.parametrize("kind", masks())
@pytest.mark.parametrize(("eps", "activation"), [(1e-6, "gelu"), (1e-2, "gelu_tanh"), (1e-12, "quick_gelu")])
def test_a_block_is_torchs_layer(kind, eps, activation, dtype, atol):
    ours = shaken(Block(12, 3, 20, eps=eps, activation=activation)).to(dtype)
    theirs = torchs_layer(12, 3, 20, eps, activation).to(dtype)
    theirs.load_state_dict({torch_name(name): value for name, value in ours.state_dict().items()}, strict=True)
    mask, told = masks()[kind]
    told = {"src_mask" if name == "mask" else name: value for name, value in told.items()}
    compare(ours, theirs, torch_name, random(2, 6, 12, dtype=dtype), mask, told, atol)


@pytest.mark.parametrize(("dtype", "atol"), PRECISE)
@pytest.mark.parametrize("kind", masks())
def test_an_encoder_is_torchs(kind, dtype, atol):
    def name_of(name):
        if name.startswith("norm."):
            return name
        _, index, rest = name.split(".", 2)
        return f"layers.{index}.{torch_name(rest)}"

    ours = shaken(Encoder(12, 3, 2, 20, eps=1e-3)).to(dtype)
    layer = torchs_layer(12, 2, 20, 1e-3)
    theirs = nn.TransformerEncoder(layer, 3, nn.LayerNorm(12, eps=1e-3), enable_nested_tensor=False).to(dtype)
    theirs.load_state_dict({name_of(name): value for name, value in ours.state_dict().items()}, strict=True)
    compare(ours, theirs, name_of, random(2, 6, 12, dtype=dtype), *masks()[kind], atol)


def another_eps(block):
    block.norm1.eps = 1e-2


def another_bend(block):
    block.mlp.activation = F.relu


def post_norm(block):
    block.forward = lambda x, mask=None, rotate=None: block.norm2(
        block.norm1(x + block.attention(x, mask, rotate)) + block.mlp(x)
    )


def no_shortcut(block):
    block.forward = lambda x, mask=None, rotate=None: block.mlp(block.norm2(x + block.attention(block.norm1(x), mask)))


def causal_left_on(block):
    attention = block.attention.forward
    block.attention.forward = lambda x, mask=None, rotate=None: attention(x, causal(x.shape[1]), rotate)


@pytest.mark.parametrize("mistake", [another_eps, another_bend, post_norm, no_shortcut, causal_left_on])
def test_wrong_blocks_fail_the_comparison(mistake):
    ours = shaken(Block(12, 3, 20)).double()
    theirs = torchs_layer(12, 3, 20, 1e-6).double()
    theirs.load_state_dict({torch_name(name): value for name, value in ours.state_dict().items()}, strict=True)
    mistake(ours)
    with pytest.raises(AssertionError, match="not close"):
        compare(ours, theirs, torch_name, random(2, 6, 12), None, {}, 1e-5)


# Parts


def test_activations_at_one():
    values = {name: bend(torch.tensor(1.0, dtype=torch.float64)).item() for name, bend in ACTIVATIONS.items()}
    assert values == pytest.approx({"gelu": 0.841345, "gelu_tanh": 0.841192, "quick_gelu": 0.845796}, abs=1e-6)


def test_layer_scale_of_zero_makes_a_block_the_identity():
    x = random(2, 5, 12)
    assert torch.equal(Block(12, 3, layer_scale=0.0).double()(x), x)
    assert not torch.equal(Block(12, 3).double()(x), x)


def test_layer_scale_multiplies_each_number_of_the_branch():
    block = shaken(Block(12, 3, layer_scale=0.1)).double()
    bare = copy.deepcopy(block)
    bare.scale1, bare.scale2 = nn.Identity(), nn.Identity()
    x = random(2, 5, 12)
    middle = x + block.scale1.weight * bare.attention(bare.norm1(x))
    expected = middle + block.scale2.weight * bare.mlp(bare.norm2(middle))
    torch.testing.assert_close(block(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_drop_path_keeps_the_mean_and_drops_whole_pictures(rate):
    torch.manual_seed(0)
    count, x = 20_000, torch.ones(20_000, 2, 3)
    dropped = DropPath(rate)(x)
    assert torch.equal(dropped, dropped[:, :1, :1].expand_as(x))
    values = torch.tensor([0.0, 1 / (1 - rate)])
    torch.testing.assert_close(dropped.unique(), values)
    spread = (rate / (1 - rate) / count) ** 0.5
    assert (dropped.mean() - 1).abs() < 4 * spread
    unscaled = (dropped > 0).float().mean()  # the twin that does not divide
    assert (unscaled - 1).abs() > 4 * spread


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_drop_path_rests_in_evaluation_and_at_rate_zero(dtype):
    x = random(4, 5, 6, dtype=dtype)
    assert torch.equal(DropPath(0.9).eval()(x), x) and torch.equal(DropPath(0.0)(x), x)
    assert DropPath(0.5)(x).dtype == dtype


def test_drop_path_grows_with_depth():
    rates = [block.drop.rate for block in Encoder(8, 5, 2, drop_path=0.2).blocks]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    assert [block.drop.rate for block in Encoder(8, 1, 2, drop_path=0.2).blocks] == [0]


# The whole stack


def stacks(seed=0):
    return shaken(Encoder(12, 3, 2, 20), seed).double()


def test_the_trace_ends_in_the_output():
    encoder, x, mask = stacks(), random(2, 6, 12), masks()["both"][0]
    for told in (None, mask):
        trace = encoder.trace(x, told, weights=True)
        torch.testing.assert_close(trace.output, encoder(x, told), rtol=0, atol=1e-12)
        torch.testing.assert_close(encoder.norm(trace.blocks[-1]), trace.output, rtol=0, atol=1e-12)
        assert [tuple(b.shape) for b in trace.blocks] == [(2, 6, 12)] * 3
        assert [tuple(w.shape) for w in trace.weights] == [(2, 2, 6, 6)] * 3
        for i, weights in enumerate(trace.weights):
            before = x if i == 0 else trace.blocks[i - 1]
            block = encoder.blocks[i]
            assert torch.equal(weights, block.attention.attended(block.norm1(before), told).weights)
    assert encoder.trace(x).weights == ()


def test_without_a_final_norm_and_without_blocks():
    x = random(2, 6, 12)
    assert torch.equal(Encoder(12, 0, 2, final_norm=False).double()(x), x)
    encoder = Encoder(12, 2, 2, final_norm=False).double()
    assert torch.equal(encoder(x), encoder.trace(x).blocks[-1])


def test_no_leak_from_later_tokens_through_a_causal_stack():
    """The Jacobian, (N, M): exactly zero above the diagonal, and nowhere else."""
    encoder, x = stacks(), random(1, 5, 12)

    def reads(mask):
        jacobian = torch.autograd.functional.jacobian(lambda x: encoder(x, mask), x)
        return jacobian.abs().sum(dim=(0, 2, 3, 5)) != 0

    assert torch.equal(reads(causal(5)), causal(5))
    assert reads(None).all()


def test_padding_and_packing_hold_through_the_stack():
    encoder, short, long = stacks(), random(1, 3, 12), random(1, 4, 12, seed=1)
    padded = torch.cat([torch.cat([short, random(1, 1, 12, seed=2) * 100], dim=1), long])
    valid = torch.tensor([[True] * 3 + [False], [True] * 4])
    batch = encoder(padded, padding(valid))
    row = encoder(torch.cat([short, long], dim=1), packing(torch.tensor([[0] * 3 + [1] * 4])))
    for alone, together in ((short, batch[:1, :3]), (long, batch[1:]), (short, row[:, :3]), (long, row[:, 3:])):
        torch.testing.assert_close(encoder(alone), together, rtol=0, atol=1e-12)
    assert (encoder(padded)[:1, :3] - encoder(short)).abs().max() > 1e-3  # padded tokens attended to


@given(seed=st.integers(0, 20))
def test_a_stack_without_positions_does_not_know_the_order(seed):
    torch.manual_seed(seed)
    encoder, x, order = stacks(seed), random(2, 6, 12, seed=seed), torch.randperm(6)
    torch.testing.assert_close(encoder(x[:, order]), encoder(x)[:, order], rtol=0, atol=1e-11)


def test_rotary_tells_the_order():
    encoder, x, grid = shaken(Encoder(16, 2, 2)).double(), random(2, 6, 16), Grid(2, 3)
    rotate = Rotary2D(8)(coordinates(grid).double(), grid)
    assert (encoder(x.flip(1), None, rotate) - encoder(x, None, rotate).flip(1)).abs().max() > 1e-3
    torch.testing.assert_close(encoder.trace(x, None, rotate).output, encoder(x, None, rotate), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_stack_works_in_other_precisions(dtype):
    encoder, x = stacks().to(dtype), random(2, 6, 12, dtype=dtype)
    output = encoder(x, causal(6))
    output.float().sum().backward()
    assert output.dtype == dtype and all(p.grad.isfinite().all() for p in encoder.parameters())
    encoder.double()
    torch.testing.assert_close(output.double(), encoder(x.double(), causal(6)), rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MLP(8, 0), "hidden, must be a whole number.*got 0"),
        (lambda: MLP(8, 2.5), "got 2.5"),
        (lambda: MLP(8, 8, "relu"), "no activation 'relu'; there are gelu, gelu_tanh, quick_gelu"),
        (lambda: MLP(8, 8, ["gelu"]), "no activation"),
        (lambda: Block(8, 2, 0), "got 0"),
        (lambda: Block(8, 3), "3 heads do not divide the width 8"),
        (lambda: Block(8, 2, layer_scale=float("nan")), "starts at a number.*nan"),
        (lambda: LayerScale(8, "1e-4"), "starts at a number"),
        (lambda: Block(8, 2, drop_path=1.0), "less than 1; got 1.0"),
        (lambda: DropPath(-0.1), "0 or more"),
        (lambda: DropPath(float("nan")), "got nan"),
        (lambda: DropPath("0.1"), "got '0.1'"),
        (lambda: Encoder(8, -1, 2), "depth must be a whole number.*got -1"),
        (lambda: Encoder(8, 2.0, 2), "depth must be a whole number"),
        (lambda: Encoder(8, 2, 2, drop_path=1.5), "less than 1; got 1.5"),
        (lambda: Block(8, 2)(torch.zeros(5, 8)), r"\(B, N, 8\); got shape \(5, 8\)"),
        (lambda: Encoder(8, 1, 2)(torch.zeros(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)), "does not broadcast"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=says):
        call()
