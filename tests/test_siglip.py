"""The laws of SigLIP's loss: chunks change nothing but memory, the divisor is named, bad pairs are named."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_clip import Sizes, bad, batch, found, number, vectors
from torch import nn
from torch.nn import functional as F

from minivit.siglip import SigLIP, siglip_loss, siglip_loss_chunked, siglip_loss_ring, siglip_objective
from minivit.text import TextConfig, TextTower, last_position
from minivit.train import adamw, train
from minivit.vit import ViT, ViTConfig

LOSSES = [siglip_loss, siglip_loss_chunked, siglip_loss_ring]
losses = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
means = st.sampled_from(["images", "pairs"])


def by_hand():
    """Vectors whose logits at scale 5 and bias 0 are 2, -1 and -0.4, 1.7."""
    image = torch.eye(4, dtype=torch.float64)[:2]
    text = torch.zeros(2, 4, dtype=torch.float64)
    text[:, :2] = torch.tensor([[2.0, -0.4], [-1.0, 1.7]]) / 5
    for row in (0, 1):
        text[row, 2 + row] = (1 - text[row].square().sum()).sqrt()
    return image, text


@losses
def test_by_hand(loss):
    """Four answers of 0.127, 0.313, 0.513 and 0.168: 0.28 a pair, 0.56 an image."""
    image, text = by_hand()
    torch.testing.assert_close(5 * image @ text.T, torch.tensor([[2.0, -1.0], [-0.4, 1.7]], dtype=torch.float64))
    right = [math.log1p(math.exp(z)) for z in (-2, -1, -0.4, -1.7)]
    assert [round(one, 3) for one in right] == [0.127, 0.313, 0.513, 0.168]
    assert loss(image, text, 5.0, 0.0, mean="pairs").item() == pytest.approx(sum(right) / 4)
    assert loss(image, text, 5.0, 0.0).item() == pytest.approx(sum(right) / 2)
    assert (round(sum(right) / 4, 2), round(sum(right) / 2, 2)) == (0.28, 0.56)


@pytest.mark.parametrize(("count", "without", "with_bias"), [(16, 11.09, 10.00), (256, 177, 10.01)])
def test_what_the_bias_does_at_the_start(count, without, with_bias):
    image, text = torch.eye(2 * count).chunk(2)  # every cosine is 0
    assert siglip_loss(image, text, 10.0, 0.0).item() == pytest.approx(without, rel=0.01)
    assert siglip_loss(image, text, 10.0, -10.0).item() == pytest.approx(with_bias, abs=0.006)


@given(
    count=st.integers(1, 13),
    width=st.integers(1, 7),
    chunk=st.integers(1, 15),
    scale=st.floats(0.01, 200),
    bias=st.floats(-100, 100),
    mean=means,
)
def test_chunks_change_neither_value_nor_gradient(count, width, chunk, scale, bias, mean):
    image, text = vectors(count, width)
    plain = found(siglip_loss, image, text, number(scale), number(bias), mean=mean)
    chunked = found(siglip_loss_chunked, image, text, number(scale), number(bias), mean=mean, chunk=chunk)
    for a, b in zip(plain, chunked, strict=True):
        # softplus is the identity from 20 on, and leaves out e^-20 = 2e-9; both forms do, their gradients differ by it
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8 * scale)


@pytest.mark.parametrize(("scale", "bias"), [(10.0, -10.0), (64.0, -13.0), (118.0, -12.9)])  # small, nearly, too large
def test_chunks_in_float32_are_as_exact_as_the_plain_form(scale, bias):
    image, text = vectors(300, 16)
    text[7] = image[8]  # others' pairs at cosine 1 and -1
    text[9] = -image[9]
    exact = found(siglip_loss, image, text, number(scale), number(bias))
    numbers = number(scale, torch.float32), number(bias, torch.float32)
    for loss in (siglip_loss, siglip_loss_chunked):
        got = found(loss, image.float(), text.float(), *numbers)
        for a, b in zip(exact, got, strict=True):
            assert (a - b).abs().max() < 1e-5 * (1 + a.abs().max())


def test_chunks_hold_no_matrix_of_all_logits_and_build_each_block_once():
    image, text = vectors(96, 5)
    with Sizes((16, 16)) as seen:
        found(siglip_loss_chunked, image, text, number(9.0), number(-3.0), chunk=16)
    assert seen.largest <= 96 * 5
    assert seen.products == 6 * 6
    with Sizes((96, 96)) as seen:
        found(siglip_loss, image, text, number(9.0), number(-3.0))
    assert seen.largest == 96 * 96


def test_without_a_wish_for_gradients_none_are_computed():
    image, text = vectors(32, 5)
    image.requires_grad_()
    with Sizes((32, 5)) as seen, torch.no_grad():
        value = siglip_loss_chunked(image, text, 9.0, -3.0)
    assert seen.products == 0 and not value.requires_grad
    torch.testing.assert_close(value, siglip_loss(image, text, 9.0, -3.0).detach())


def test_the_mean_over_pairs_is_b_times_smaller_and_its_twin_fails():
    image, text = vectors(8, 5)
    by_images, by_pairs = (siglip_loss(image, text, 9.0, -3.0, mean=mean) for mean in ("images", "pairs"))
    torch.testing.assert_close(by_images, 8 * by_pairs)
    with pytest.raises(ValueError, match='"images", the sum over B, or "pairs"'):
        siglip_loss(image, text, 9.0, -3.0, mean="batch")


@losses
def test_no_meeting_looks_at_another(loss):
    """The gradient between two blocks of a batch is the same whatever the others are."""
    image, text = vectors(7, 5)
    whole = loss(image, text, 9.0, -3.0, mean="pairs") * 49
    rows = (slice(4), slice(4, 7))
    parts = [loss(image[some], text[some], 9.0, -3.0, mean="pairs") * len(image[some]) ** 2 for some in rows]
    cross = F.softplus(9 * image[:4] @ text[4:].T - 3).sum() + F.softplus(9 * image[4:] @ text[:4].T - 3).sum()
    torch.testing.assert_close(whole, sum(parts) + cross)


@losses
def test_autocast_takes_no_bits_from_it(loss):
    image, text = vectors(64, 16, dtype=torch.float32)
    numbers = number(50.0, torch.float32), number(-10.0, torch.float32)
    expected = found(loss, image, text, *numbers)
    got = found(loss, image, text, *numbers, autocast=True)
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))


@losses
def test_gradients_can_be_asked_for_twice_and_of_one_tower(loss):
    image, text = vectors(5, 4)
    text.requires_grad_()
    value = loss(image, text, 5.0, -2.0) * 3
    (first,) = torch.autograd.grad(value, text, retain_graph=True)
    (second,) = torch.autograd.grad(value, text)
    assert torch.equal(first, second)
    (once,) = torch.autograd.grad(loss(image, text, 5.0, -2.0), text)
    torch.testing.assert_close(first, 3 * once)


@losses
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("NaN", "the image vector of pair 2 holds NaN"),
        ("infinity", "the text vector of pair 3 holds an infinite"),
        ("length", "the text vector of pair 1 has length 3"),
    ],
)
def test_a_bad_pair_is_named_by_its_index(loss, kind, says):
    with pytest.raises(ValueError, match=says):
        loss(*bad(*vectors(5, 4), kind), 5.0, -2.0)


@losses
def test_what_are_no_pairs_is_refused(loss):
    image, text = vectors(5, 4)
    with pytest.raises(ValueError, match="4 images and 5 texts are no pairs"):
        loss(image[:4], text, 5.0, -2.0)
    with pytest.raises(ValueError, match="one pair at least"):
        loss(image[:0], text[:0], 5.0, -2.0)
    for scale, bias in ((math.inf, 0.0), (math.nan, 0.0), (0.0, 0.0), (5.0, math.nan)):
        with pytest.raises(ValueError, match="the scale is finite and above 0, and a bias finite"):
            loss(image, text, scale, bias)


@losses
def test_one_pair_alone_still_has_its_own_answer(loss):
    image, text = vectors(1, 4)
    expected = F.softplus(-(5 * (image * text).sum() - 2))
    torch.testing.assert_close(loss(image, text, 5.0, -2.0), expected)


# The model


def siglip():
    torch.manual_seed(0)
    image_tower = ViT(ViTConfig(size=(4, 6), patch=2, channels=2, width=12, depth=1, heads=3))
    text = TextConfig(vocabulary=9, length=5, width=8, depth=1, heads=2, causal=False)
    return SigLIP(image_tower, TextTower(text, last_position), 12, 8, 6)


def test_a_siglip_gives_unit_vectors_its_scale_and_its_bias():
    model = siglip()
    pairs = model(*batch())
    assert pairs.image.shape == pairs.text.shape == (7, 6)
    assert (round(pairs.scale.item(), 4), pairs.bias.item()) == (10, -10)
    torch.testing.assert_close(pairs.logits, 10 * pairs.image @ pairs.text.T - 10)
    assert siglip_objective(model, *batch()).item() == siglip_loss(*pairs).item()
    assert SigLIP(nn.Identity(), nn.Identity(), 3, 3, None, bias=0).bias.item() == 0


def test_a_scale_that_overflows_is_told():
    model = siglip()
    model.log_scale.data.fill_(1000.0)
    with pytest.raises(ValueError, match=r"got inf, -10\. A scale that overflows was learnt too fast"):
        siglip_objective(model, *batch())


def test_it_learns_one_batch():
    model, pairs = siglip(), batch()

    def forever():
        while True:
            yield pairs

    history = train(model, forever(), siglip_objective, steps=200, optimizer=adamw(model, 1e-2), progress=False)
    assert history.losses[0] > 5 and history.losses[-1] < 1
