"""The laws of attention: the equation, torch's own layers, no leak through any mask, and the fast form equal to it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from minivit.attention import Attention, attend, attend_fast, causal, full, packing, padding

PRECISE = [(torch.float32, 1e-5), (torch.float64, 1e-10)]


def random(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def inputs(batch=2, heads=3, asks=5, read=7, head_dim=4, dtype=torch.float64, seed=0):
    """q, k, v of which gradients are wanted."""
    shapes = [(batch, heads, n, head_dim) for n in (asks, read, read)]
    return [random(*shape, dtype=dtype, seed=seed + i).requires_grad_() for i, shape in enumerate(shapes)]


def with_gradients(form, tensors, mask=None):
    """The output of a form of attention, and the gradients of q, k and v for one given direction."""
    output = form(*tensors, mask)
    return [output.detach(), *torch.autograd.grad((output * random(*output.shape, seed=9).to(output)).sum(), tensors)]


def plain(q, k, v, mask=None):
    return attend(q, k, v, mask).output


def masks(batch, heads, asks, read, seed=0):
    """One of every kind, and some where a query sees nothing."""
    coin = torch.rand(batch, heads, asks, read, generator=torch.Generator().manual_seed(seed)) > 0.5
    valid = coin[:, 0, 0] | (torch.arange(read) == 0)
    blind = coin.clone()
    blind[0, :, 0] = False
    kinds = {
        "none": None,
        "everything": torch.ones(asks, read, dtype=torch.bool),
        "padding": padding(valid),
        "one key": (torch.arange(read) == read // 2)[None],
        "each its own": coin,
        "of one head": coin[:, :1],
        "for all pictures": coin[0, 0],
        "a blind query": blind,
        "a blind picture": torch.zeros(batch, 1, 1, 1, dtype=torch.bool)
        | (torch.arange(batch) > 0)[:, None, None, None],
        "nothing": torch.zeros(1, 1, asks, read, dtype=torch.bool),
    }
    if asks == read:
        kinds |= {
            "full": full(asks),
            "causal": causal(asks),
            "causal and padding": causal(asks) & padding(valid),
            "packing": packing(torch.arange(asks).expand(batch, -1) // 3 - 1),
            "causal within packing": causal(asks) & packing(torch.arange(asks).expand(batch, -1) // 2),
        }
    return kinds


KINDS = list(masks(1, 1, 3, 3))


# The equation


def test_the_equation_written_out():
    q, k, v = inputs(1, 1)
    for n in range(5):
        powers = [torch.exp((q[0, 0, n] * k[0, 0, m]).sum() / 2) for m in range(7)]  # 2 = sqrt(head_dim)
        expected = sum(p * v[0, 0, m] for m, p in enumerate(powers)) / sum(powers)
        torch.testing.assert_close(plain(q, k, v)[0, 0, n], expected, rtol=0, atol=1e-12)


def unscaled(q, k, v, mask=None):
    return plain(q * q.shape[-1] ** 0.5, k, v, mask)


def over_queries(q, k, v, mask=None):
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-2) @ v


def inverted(q, k, v, mask=None):
    return plain(q, k, v, None if mask is None else ~mask)


def padding_read(q, k, v, mask=None):
    return plain(q, k, v, None)


def left_causal(q, k, v, mask=None):
    return plain(q, k, v, torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril())


def torchs(q, k, v, mask=None):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@pytest.mark.parametrize(("dtype", "atol"), PRECISE)
@pytest.mark.parametrize("form", [plain, attend_fast])
def test_torch_computes_the_same_with_the_same_gradients(form, dtype, atol):
    tensors, mask = inputs(dtype=dtype), masks(2, 3, 5, 7)["padding"]
    for told in (None, mask):
        for ours, theirs in zip(*(with_gradients(f, tensors, told) for f in (form, torchs)), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("twin", [unscaled, over_queries, inverted, padding_read, left_causal])
def test_wrong_attention_has_the_right_shape_and_differs(twin):
    tensors, mask = inputs(), masks(2, 3, 5, 7)["padding"]
    wrong, right = twin(*tensors, mask), torchs(*tensors, mask)
    assert wrong.shape == right.shape and (wrong - right).abs().max() > 0.1


@given(batch=st.integers(1, 3), asks=st.integers(1, 6), read=st.integers(1, 6), seed=st.integers(0, 99))
def test_weights_are_shares_of_what_may_be_read(batch, asks, read, seed):
    for kind, mask in masks(batch, 2, asks, read, seed).items():
        weights = attend(*inputs(batch, 2, asks, read, seed=seed), mask).weights
        seen = torch.ones_like(weights, dtype=torch.bool) if mask is None else mask.expand(weights.shape)
        assert (weights >= 0).all() and (weights[~seen] == 0).all(), kind
        torch.testing.assert_close(weights.sum(dim=-1), seen.any(dim=-1).double(), rtol=0, atol=1e-12)


# The fast form against the plain one


def agree(batch, heads, asks, read, head_dim, dtype, atol, seed, kinds=KINDS):
    """Both forms near the truth in float64, in value and in all gradients; nothing anywhere is not a number."""
    tensors = inputs(batch, heads, asks, read, head_dim, dtype, seed)
    truth = [t.detach().double().requires_grad_() for t in tensors]
    for kind, mask in masks(batch, heads, asks, read, seed).items():
        if kind not in kinds:
            continue
        expected = with_gradients(plain, truth, mask)
        scale = max(1.0, *(part.abs().max().item() for part in expected))  # of what is added up, not of what is left
        for form in (plain, attend_fast):
            for name, ours, right in zip("oqkv", with_gradients(form, tensors, mask), expected, strict=True):
                assert ours.dtype == dtype and ours.isfinite().all(), (form.__name__, kind, name)
                error = (ours - right).abs().max().item()
                assert error <= atol * scale, f"{form.__name__}, {kind}, {name}: {error} against {atol} * {scale}"


ACCURACY = st.sampled_from([(torch.float32, 1e-5), (torch.float64, 1e-10), (torch.bfloat16, 0.04)])


@settings(max_examples=25)
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    asks=st.integers(1, 9),
    read=st.integers(1, 9),
    head_dim=st.sampled_from([1, 3, 8, 64]),
    accuracy=ACCURACY,
    seed=st.integers(0, 99),
)
def test_the_fast_form_is_the_plain_form(batch, heads, asks, read, head_dim, accuracy, seed):
    agree(batch, heads, asks, read, head_dim, *accuracy, seed)


@pytest.mark.parametrize(("asks", "read"), [(33, 33), (65, 65), (197, 197), (1, 260), (260, 31), (288, 288)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fast_form_is_the_plain_form_at_sizes_of_pictures(asks, read, dtype):
    kinds = ["none", "padding", "a blind query", "causal"]
    agree(2, 3, asks, read, 8, dtype, {torch.float32: 1e-5, torch.bfloat16: 0.04}[dtype], 0, kinds)


@pytest.mark.full
@pytest.mark.parametrize("count", [512, 640, 641, 1025])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10), (torch.bfloat16, 0.04)])
def test_the_fast_form_is_the_plain_form_at_many_tokens(count, dtype, atol):
    agree(1, 2, count, count, 64, dtype, atol, 0)


@pytest.mark.parametrize(("asks", "read"), [(197, 197), (5, 40), (641, 640)])
def test_at_reduced_matrix_precision_the_forms_still_agree(asks, read):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        agree(1, 2, asks, read, 8, torch.float32, 0.04, 0, ["none", "padding", "a blind query"])
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("blind", [True, False])
@pytest.mark.parametrize("count", [5, 77])
def test_one_mask_for_all_is_the_plain_form_in_half_precision(blind, count):
    """Value and gradient, whichever way is taken: where a query may read nothing, it is the fused kernel's."""
    mask = causal(count)
    mask[2] &= not blind
    tensors = inputs(2, 3, count, count, 8, dtype=torch.bfloat16)
    fast, exact = with_gradients(attend_fast, tensors, mask), with_gradients(plain, [t.double() for t in tensors], mask)
    for one, other in zip(fast, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=0, atol=0.06)
    assert (fast[0][..., 2, :] == 0).all() == blind


@pytest.mark.parametrize("gradients", [True, False])
def test_with_and_without_gradients_the_answer_is_the_same(gradients):
    tensors = [t.requires_grad_(gradients) for t in inputs(asks=40, read=50, dtype=torch.bfloat16)]
    exact = plain(*(t.double() for t in tensors))
    torch.testing.assert_close(attend_fast(*tensors).double(), exact, rtol=0, atol=0.02)


@pytest.mark.parametrize("form", [plain, attend_fast])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("count", [4, 33, 260])
def test_a_blind_query_gets_zeros_and_gives_no_gradient(form, dtype, count):
    tensors, mask = inputs(2, 3, count, count, dtype=dtype), torch.ones(2, 1, count, count, dtype=torch.bool)
    mask[1, :, 2] = False
    output, q, _, _ = with_gradients(form, tensors, mask)
    assert (output[1, :, 2] == 0).all() and (q[1, :, 2] == 0).all() and (output[0, :, 2] != 0).all()
    for part in with_gradients(form, tensors, torch.zeros(count, count, dtype=torch.bool)):
        assert (part == 0).all()


@pytest.mark.parametrize("form", [plain, attend_fast])
def test_scores_that_overflow_a_plain_exponential_stay_finite(form):
    tensors = [t.detach().mul(1e3).requires_grad_() for t in inputs(dtype=torch.float32)]
    for kind, mask in masks(2, 3, 5, 7).items():
        assert all(part.isfinite().all() for part in with_gradients(form, tensors, mask)), kind


def test_nothing_to_read_gives_zeros():
    q, k, v = inputs(read=0)
    assert (plain(q, k, v) == 0).all() and (attend_fast(q, k, v) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_the_forms_agree(kind):
    torch.manual_seed(0)
    layer, x = Attention(24, 3), random(2, 33, 24, dtype=torch.float32)
    mask = masks(2, 3, 33, 33)[kind]
    exact = layer(x, mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast, slow = layer(x, mask), layer.attended(x, mask)
        fast.square().mean().backward()
    for output in (fast, slow.output):
        torch.testing.assert_close(output.float(), exact, rtol=0, atol=0.03)
    assert all(p.grad.isfinite().all() and p.grad.dtype == torch.float32 for p in layer.parameters())


# What a mask must hide


def reads(form, mask, count=6):
    """(N, M): whether the gradient of any number of output n by any number of input m is other than exactly zero."""
    q, k, v = inputs(1, 2, count, count)
    jacobian = torch.autograd.functional.jacobian(lambda k, v: form(q.detach(), k, v, mask), (k.detach(), v.detach()))
    return sum(part[0].abs().sum(dim=(0, 2, 3, 4, 6)) for part in jacobian) != 0


@pytest.mark.parametrize("form", [plain, attend_fast])
def test_the_jacobian_is_zero_exactly_where_the_mask_is_false(form):
    valid = torch.tensor([[True, False, True, True, False, True]])
    segments = torch.tensor([[0, 0, 1, 1, 1, -1]])
    for mask in (causal(6), padding(valid), packing(segments), causal(6) & padding(valid), full(6)):
        assert torch.equal(reads(form, mask), mask.expand(1, 1, 6, 6)[0, 0])
    assert not torch.equal(reads(left_causal, full(6)), full(6))  # a causal mask left on
    assert not torch.equal(reads(inverted, causal(6)), causal(6))
    assert not torch.equal(reads(padding_read, padding(valid)), padding(valid).expand(1, 1, 6, 6)[0, 0])


def test_masks_written_out():
    assert causal(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert padding(torch.tensor([[True, False]])).tolist() == [[[[True, False]]]]
    rows = packing(torch.tensor([[4, 4, 2, -1]]))[0, 0].tolist()
    assert rows == [[True, True, False, False]] * 2 + [[False, False, True, False]] + [[False] * 4]


@pytest.mark.parametrize("garbage", [1e4, -3.0])
def test_what_lies_in_padding_changes_nothing(garbage):
    torch.manual_seed(0)
    layer, x = Attention(12, 3).double(), random(2, 7, 12)
    valid = torch.arange(7) < torch.tensor([[4], [6]])
    dirty = x.masked_fill(~valid[..., None], garbage)
    for form in (layer, lambda *given: layer.attended(*given).output):
        clean, soiled = form(x, padding(valid)), form(dirty, padding(valid))
        assert torch.equal(clean[valid], soiled[valid])
        assert not torch.equal(form(x)[valid], form(dirty)[valid])  # padded tokens attended to


@pytest.mark.parametrize("form", [plain, attend_fast])
def test_padding_that_is_no_number_is_not_hidden(form):
    """0 times NaN is NaN, in torch's form too: padding must be finite."""
    tensors, valid = inputs(read=7), torch.arange(7) < torch.tensor([[4], [7]])
    dirty = [tensors[0], *(t.masked_fill(~valid[:, None, :, None], torch.nan) for t in tensors[1:])]
    output = form(*dirty, padding(valid))
    assert output[0].isnan().all() and output[1].isfinite().all()


@pytest.mark.parametrize("lengths", [(3, 4), (1, 6), (20, 17)])
def test_images_packed_into_one_sequence_are_as_alone(lengths):
    torch.manual_seed(0)
    layer = Attention(12, 3).double()
    images = [random(1, n, 12, seed=n) for n in lengths]
    segments = torch.cat([torch.full((1, n), i) for i, n in enumerate(lengths)] + [torch.full((1, 2), -1)], dim=1)
    together = layer(torch.cat([*images, random(1, 2, 12)], dim=1), packing(segments))
    for alone, part in zip(images, together.split([*lengths, 2], dim=1), strict=False):
        torch.testing.assert_close(layer(alone), part, rtol=0, atol=1e-12)


@given(count=st.integers(2, 9), seed=st.integers(0, 99))
def test_without_positions_the_order_of_tokens_is_unknown(count, seed):
    torch.manual_seed(seed)
    layer, x, order = Attention(6, 2).double(), random(2, count, 6, seed=seed), torch.randperm(count)
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order], rtol=0, atol=1e-12)


def test_a_causal_mask_knows_the_order():
    torch.manual_seed(0)
    layer, x = Attention(6, 2).double(), random(2, 5, 6)
    assert (layer(x.flip(1), causal(5)) - layer(x, causal(5)).flip(1)).abs().max() > 1e-2


# The layer against torch's


def twins(width, heads, dtype, bias=True):
    """minivit's layer and torch's with the same weights: the table is the conversion."""
    torch.manual_seed(0)
    ours, theirs = (
        Attention(width, heads, bias).to(dtype),
        nn.MultiheadAttention(width, heads, bias=bias, batch_first=True),
    )
    table = {"qkv.weight": "in_proj_weight", "out.weight": "out_proj.weight"}
    table |= {"qkv.bias": "in_proj_bias", "out.bias": "out_proj.bias"} if bias else {}
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    theirs.to(dtype).load_state_dict({table[name]: value for name, value in ours.state_dict().items()}, strict=True)
    return ours, theirs, table


@pytest.mark.parametrize(("dtype", "atol"), PRECISE)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["none", "padding", "causal", "causal and padding"])
def test_multi_head_attention_is_torchs(kind, bias, dtype, atol):
    ours, theirs, table = twins(12, 3, dtype, bias)
    mask, x = masks(2, 3, 7, 7)[kind], random(2, 7, 12, dtype=dtype)
    hidden = None if mask is None else ~mask.expand(2, 3, 7, 7).reshape(6, 7, 7)  # torch's True means hidden
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected, weights = theirs(b, b, b, attn_mask=hidden, average_attn_weights=False)
    attended = ours.attended(a.detach(), mask)
    for given_, right in ((ours(a, mask), expected), (attended.output, expected), (attended.weights, weights)):
        torch.testing.assert_close(given_, right, rtol=0, atol=atol)
    direction = random(2, 7, 12, seed=9, dtype=dtype)
    for output in (ours(a, mask), expected):
        (output * direction).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=atol * 10)
    for name, other in table.items():
        right = theirs.get_parameter(other).grad
        torch.testing.assert_close(ours.get_parameter(name).grad, right, rtol=atol, atol=atol * 10)


def test_torchs_masks_have_the_other_sign():
    ours, theirs, _ = twins(12, 3, torch.float64)
    x, mask = random(2, 7, 12), causal(7)
    assert (ours(x, mask) - theirs(x, x, x, attn_mask=mask)[0])[:, :6].abs().max() > 0.01


@pytest.mark.parametrize("count", [5, 40, 210])
def test_rotate_turns_queries_and_keys_but_no_values(count):
    torch.manual_seed(0)
    layer, x = Attention(12, 3).double(), random(2, count, 12)
    q, k, v = layer.queries_keys_values(x)
    turned = layer.queries_keys_values(x, lambda t: 2 * t)
    assert torch.equal(turned[0], 2 * q) and torch.equal(turned[1], 2 * k) and torch.equal(turned[2], v)
    torch.testing.assert_close(layer(x, None, torch.neg), layer.attended(x).output, rtol=0, atol=1e-12)


# Bad input

VALID = torch.ones(2, 5, dtype=torch.bool)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (torch.ones(5, 5), "boolean.*float32"),
        (torch.ones(5, 5, dtype=torch.int64), "boolean.*int64"),
        (torch.ones(5, 4, dtype=torch.bool), r"\(5, 4\) does not broadcast to the scores \(2, 2, 5, 5\)"),
        (VALID, r"\(2, 5\) does not broadcast"),
        (VALID[:, None, None, None], r"\(2, 1, 1, 1, 5\) does not broadcast"),
        (torch.ones(3, 1, 5, 5, dtype=torch.bool), r"\(3, 1, 5, 5\)"),
    ],
)
def test_wrong_masks_are_refused_by_both_forms(mask, says):
    layer, x = Attention(8, 2), torch.zeros(2, 5, 8)
    for form in (layer, layer.attended):
        with pytest.raises(ValueError, match=says):
            form(x, mask)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Attention(8, 3), r"3 heads do not divide the width 8; these do: \[1, 2, 4, 8\]"),
        (lambda: Attention(8, 0), "0 heads do not divide"),
        (lambda: Attention(0, 1), "width 0"),
        (lambda: Attention(8, -2), "-2 heads"),
        (lambda: padding(torch.ones(2, 5)), "valid is .*True and False.*float32"),
        (lambda: padding(VALID[0]), r"shape \(5,\)"),
        (lambda: packing(torch.ones(2, 5)), "segments is .*whole numbers.*float32"),
        (lambda: packing(VALID), "segments is .*whole numbers.*bool"),
        (lambda: packing(torch.ones(5, dtype=torch.int64)), r"shape \(5,\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("form", [plain, attend_fast])
@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3, 5, 8), (2, 3, 4, 8)),  # fewer values than keys: torch's fused form answers all the same
        ((2, 3, 5, 7), (2, 3, 5, 8)),
        ((2, 2, 5, 8), (2, 2, 5, 8)),
        ((3, 3, 5, 8), (3, 3, 5, 8)),
        ((2, 3, 5, 8), (1, 3, 5, 8)),
    ],
)
def test_queries_keys_and_values_that_do_not_belong_together_are_refused(form, shapes):
    k, v = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=r"q.*\(2, 3, 4, 8\)"):
        form(torch.zeros(2, 3, 4, 8), k, v)


@pytest.mark.parametrize("shape", [(5, 8), (8,), (1, 2, 5, 8)])
def test_a_layer_wants_a_batch(shape):
    with pytest.raises(ValueError, match=r"\(B, N, 8\)"):
        Attention(8, 2)(torch.zeros(shape))
