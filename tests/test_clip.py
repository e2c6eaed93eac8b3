"""The laws of CLIP's loss and towers: chunks change nothing but memory, the clamp lets go, bad pairs are named."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from minivit.clip import CLIP, Pairs, clip_loss, clip_loss_chunked, clip_loss_gathered, clip_objective
from minivit.text import FirstEnd, TextConfig, TextTower
from minivit.train import adamw, train
from minivit.vit import ViT, ViTConfig

LOSSES = [clip_loss, clip_loss_chunked, clip_loss_gathered]
losses = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)


def vectors(count, width, seed=0, dtype=torch.float64):
    drawn = torch.randn(2, count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=-1).to(dtype).unbind()


def found(loss, image, text, *numbers, autocast=False, **options):
    """(value, gradients by image, text and numbers). As in training, backward runs outside of autocast."""
    leaves = [part.detach().clone().requires_grad_() for part in (image, text, *numbers)]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value = loss(*leaves, **options)
    return value.detach(), *torch.autograd.grad(value, leaves)


def number(value, dtype=torch.float64):
    return torch.tensor(value, dtype=dtype)


class Sizes(TorchDispatchMode):
    """The largest tensor that any operation makes, and how many products make a block of logits."""

    def __init__(self, *blocks):
        super().__init__()
        self.blocks, self.largest, self.products = blocks, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.numel())
            self.products += "mm" in str(function) and result.shape in self.blocks
        return result


@given(count=st.integers(2, 13), width=st.integers(1, 7), chunk=st.integers(1, 15), scale=st.floats(0.01, 100))
def test_chunks_change_neither_value_nor_gradient(count, width, chunk, scale):
    image, text = vectors(count, width)
    plain = found(clip_loss, image, text, number(scale))
    chunked = found(clip_loss_chunked, image, text, number(scale), chunk=chunk)
    for a, b in zip(plain, chunked, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("scale", [73.0, 78.0, 100.0])  # on both sides of where float32 needs the largest taken off
@pytest.mark.parametrize("worst", [1.0, -1.0])
def test_chunks_survive_large_scales_in_float32(worst, scale):
    """Own pairs at cosine -1, all others at +1 (or the other way): logits up to 200 apart."""
    image = torch.eye(6)[:1].expand(7, 6)
    text = image * torch.tensor([worst] * 6 + [-worst])[:, None]
    plain = found(clip_loss, image, text, number(scale, torch.float32))
    chunked = found(clip_loss_chunked, image, text, number(scale, torch.float32), chunk=3)
    for a, b in zip(plain, chunked, strict=True):
        assert torch.isfinite(b).all()
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)  # a logit of 100 has 5 digits behind the point


def test_chunks_hold_no_matrix_of_all_logits_and_build_each_block_twice():
    image, text = vectors(96, 5)
    with Sizes((16, 16)) as seen:
        found(clip_loss_chunked, image, text, number(9.0), chunk=16)
    assert seen.largest <= 96 * 5
    assert seen.products == 2 * 6 * 6
    with Sizes((16, 16)) as seen:  # as for logits too large for the short cut
        found(clip_loss_chunked, image, text, number(99.0), chunk=16)
    assert (seen.largest <= 96 * 5, seen.products) == (True, 2 * 6 * 6)
    with Sizes((96, 96)) as seen:
        found(clip_loss, image, text, number(9.0))
    assert seen.largest == 96 * 96


def test_it_is_the_cross_entropy_of_both_directions():
    image, text = vectors(5, 4)
    logits = 3 * image @ text.T
    picks_text = -logits.log_softmax(dim=1).diagonal().mean()
    picks_image = -logits.log_softmax(dim=0).diagonal().mean()
    torch.testing.assert_close(clip_loss(image, text, 3.0), (picks_text + picks_image) / 2)
    assert (clip_loss(image, text, 3.0) - picks_text).abs() > 1e-3  # the twin with one direction only


@pytest.mark.parametrize(("width", "more"), [(512, 0.2), (64, 1.6)])
def test_at_the_start_it_is_the_logarithm_of_the_batch_and_a_little(width, more):
    """Random vectors: ln B + scale^2 / (2 E), which is +0.2 at E = 512 and +1.6 at E = 64."""
    image, text = vectors(2000, width)
    assert clip_loss(image, text, 1 / 0.07).item() == pytest.approx(math.log(2000) + more, abs=0.1)


@losses
def test_a_batch_in_another_order_is_the_same_batch(loss):
    image, text = vectors(7, 5)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(image[order], text[order], 5.0), loss(image, text, 5.0))
    torch.testing.assert_close(loss(text, image, 5.0), loss(image, text, 5.0))
    assert (loss(image[order], text, 5.0) - loss(image, text, 5.0)).abs() > 0.1


@losses
def test_autocast_takes_no_bits_from_it(loss):
    image, text = vectors(64, 16, dtype=torch.float32)
    scale = number(50.0, torch.float32)
    expected = found(loss, image, text, scale)
    got = found(loss, image, text, scale, autocast=True)
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))
    rounded = loss(image.bfloat16(), text.bfloat16(), scale)
    assert rounded.dtype == torch.float32 and (rounded - expected[0]).abs() < 0.1


@losses
def test_gradients_can_be_asked_for_twice_and_of_one_tower(loss):
    image, text = vectors(5, 4)
    image.requires_grad_()
    value = loss(image, text, 5.0) * 3
    (first,) = torch.autograd.grad(value, image, retain_graph=True)
    (second,) = torch.autograd.grad(value, image)
    assert torch.equal(first, second)
    (once,) = torch.autograd.grad(loss(image, text, 5.0), image)
    torch.testing.assert_close(first, 3 * once)


def bad(image, text, kind):
    image, text = image.clone(), text.clone()
    if kind == "NaN":
        image[2, 1] = torch.nan
    if kind == "infinity":
        text[3, 0] = torch.inf
    if kind == "length":
        text[1] *= 3
    if kind == "zero":
        image[4] = 0
    return image, text


@losses
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("NaN", "the image vector of pair 2 holds NaN"),
        ("infinity", "the text vector of pair 3 holds an infinite"),
        ("length", r"the text vector of pair 1 has length 3.*F.normalize"),
        ("zero", "the image vector of pair 4 has length 0"),
    ],
)
def test_a_bad_pair_is_named_by_its_index(loss, kind, says):
    with pytest.raises(ValueError, match=says):
        loss(*bad(*vectors(5, 4), kind), 5.0)


@losses
def test_what_are_no_pairs_is_refused(loss):
    image, text = vectors(5, 4)
    with pytest.raises(ValueError, match="4 images and 5 texts are no pairs, row i with row i"):
        loss(image[:4], text, 5.0)
    with pytest.raises(ValueError, match=r"share one width.*\(5, 3\) and \(5, 4\)"):
        loss(F.normalize(image[:, :3], dim=1), text, 5.0)
    with pytest.raises(ValueError, match="one pair alone"):
        loss(image[:1], text[:1], 5.0)
    with pytest.raises(ValueError, match="one pair at least"):
        loss(image[:0], text[:0], 5.0)
    with pytest.raises(ValueError, match=r"images are vectors \(B, E\).*int64"):
        loss(torch.ones(5, 4, dtype=torch.int64), text, 5.0)
    for scale in (math.inf, math.nan, 0.0, -1.0):
        with pytest.raises(ValueError, match="the scale is finite and above 0"):
            loss(image, text, scale)


def test_a_chunk_is_a_number_of_rows():
    with pytest.raises(ValueError, match="a chunk must be a whole number"):
        clip_loss_chunked(*vectors(5, 4), 5.0, chunk=0)


# The model


def clip(width=6, classes=None):
    torch.manual_seed(0)
    image_tower = ViT(ViTConfig(size=(4, 6), patch=2, channels=2, width=12, depth=1, heads=3))
    text_tower = TextTower(TextConfig(vocabulary=9, length=5, width=8, depth=1, heads=2), FirstEnd(8))
    return CLIP(image_tower, text_tower, 12, 8, width)


def batch(count=7):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 2, 4, 6, generator=generator)
    ids = torch.randint(0, 8, (count, 5), generator=generator)
    ids[:, -1] = 8
    return images, ids


def test_a_clip_gives_unit_vectors_and_its_scale():
    model, (images, ids) = clip(), batch()
    pairs = model(images, ids)
    assert isinstance(pairs, Pairs) and pairs.bias is None
    assert pairs.image.shape == pairs.text.shape == (7, 6)
    torch.testing.assert_close(pairs.image.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(pairs.scale, torch.tensor(1 / 0.07))
    torch.testing.assert_close(pairs.logits, pairs.scale * model.encode_images(images) @ model.encode_texts(ids).T)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(images, ids).image.dtype == torch.float32


def test_the_scale_stops_at_100_and_can_come_back():
    model, (images, ids) = clip(), batch()
    for started in (4.7, 1000.0):
        model.log_scale.data.fill_(started)
        loss = clip_objective(model, images, ids)
        assert model.scale.item() == pytest.approx(100)
        assert torch.isfinite(loss)
        loss.backward()
        assert model.log_scale.grad.abs() > 0
    weight = torch.tensor(4.7, requires_grad=True)  # the twin that clamps the value never comes back
    clip_loss(*vectors(5, 4), weight.clamp(max=math.log(100)).exp()).backward()
    assert weight.grad == 0


def test_towers_of_one_width_are_compared_as_they_are():
    model = CLIP(nn.Flatten(), nn.Identity(), 4, 4, None)
    assert [name for name, _ in model.named_parameters()] == ["log_scale"]
    image = torch.randn(3, 2, 2)
    torch.testing.assert_close(model.encode_images(image), F.normalize(image.flatten(1), dim=1))


def test_widths_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="widths 12 and 8, which cannot be compared: pass a width"):
        CLIP(nn.Identity(), nn.Identity(), 12, 8, None)
    with pytest.raises(ValueError, match="the shared width E must be a whole number"):
        CLIP(nn.Identity(), nn.Identity(), 12, 8, 0)


def test_it_learns_one_batch():
    model, pairs = clip(), batch()

    def forever():
        while True:
            yield pairs

    history = train(model, forever(), clip_objective, steps=150, optimizer=adamw(model, 1e-2), progress=False)
    assert history.losses[0] > 1.5 and history.losses[-1] < 0.1
