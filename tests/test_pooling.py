"""The laws of pooling: masks cut the sequence, order does not matter, and nothing to pool is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minivit.pooling import AttentionPool, class_pool, max_pool, mean_pool


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def attention_pool():
    torch.manual_seed(0)
    return AttentionPool(12, 3, 20).double()


POOLS = {"class": class_pool, "mean": mean_pool, "max": max_pool, "attention": attention_pool()}
pools = pytest.mark.parametrize("pool", [pytest.param(pool, id=name) for name, pool in POOLS.items()])
EMPTY = torch.zeros(2, 0, 12, dtype=torch.float64)


def lengths(*counts, of):
    """(B, N): the first so many of N tokens are real."""
    return torch.arange(of) < torch.tensor(counts)[:, None]


def test_the_class_token_is_the_first_prefix_token():
    prefix = random(2, 5, 12)
    assert torch.equal(class_pool(random(2, 7, 12), prefix), prefix[:, 0])


@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_the_mean_is_of_patches_alone(prefix):
    patches = random(2, 7, 12)
    assert torch.equal(mean_pool(patches, random(2, prefix, 12, seed=1)), patches.mean(dim=1))


@given(
    counts=st.tuples(st.integers(1, 7), st.integers(1, 7)), garbage=st.sampled_from([0.0, 1e6, torch.nan, torch.inf])
)
def test_a_masked_mean_is_the_mean_of_the_cut_sequence_whatever_lies_behind(counts, garbage):
    patches, mask = random(2, 7, 12), lengths(*counts, of=7)
    pooled = mean_pool(patches.masked_fill(~mask[..., None], garbage), EMPTY, mask)
    for i, count in enumerate(counts):
        torch.testing.assert_close(pooled[i], patches[i, :count].mean(dim=0), rtol=0, atol=1e-12)


@given(
    counts=st.tuples(st.integers(1, 7), st.integers(1, 7)), garbage=st.sampled_from([0.0, 1e6, torch.nan, torch.inf])
)
def test_a_masked_maximum_is_that_of_the_cut_sequence_whatever_lies_behind(counts, garbage):
    patches, mask = random(2, 7, 12), lengths(*counts, of=7)
    pooled = max_pool(patches.masked_fill(~mask[..., None], garbage), EMPTY, mask)
    for i, count in enumerate(counts):
        assert torch.equal(pooled[i], patches[i, :count].amax(dim=0))


def test_a_maximum_hears_one_patch_of_many_where_a_mean_hears_a_share():
    patches = torch.zeros(1, 64, 3)
    patches[0, 17, 1] = 1
    assert max_pool(patches, EMPTY).tolist() == [[0, 1, 0]]
    assert mean_pool(patches, EMPTY).tolist() == [[0, 1 / 64, 0]]


@given(counts=st.tuples(st.integers(1, 7), st.integers(1, 7)), garbage=st.sampled_from([0.0, 1e6]))
def test_masked_attention_pooling_is_that_of_the_cut_sequence(counts, garbage):
    pool, patches, mask = POOLS["attention"], random(2, 7, 12), lengths(*counts, of=7)
    pooled = pool(patches.masked_fill(~mask[..., None], garbage), EMPTY, mask)
    for i, count in enumerate(counts):
        alone = pool(patches[i : i + 1, :count], EMPTY[:1])
        torch.testing.assert_close(pooled[i : i + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "attention"])
def test_padding_that_is_pooled_is_seen(name):
    patches, mask = random(2, 7, 12), lengths(3, 7, of=7)
    unmasked, masked = POOLS[name](patches, EMPTY), POOLS[name](patches, EMPTY, mask)
    assert (unmasked[0] - masked[0]).abs().max() > 1e-3
    torch.testing.assert_close(unmasked[1], masked[1], rtol=0, atol=1e-12)
    divided_by_all = (patches * mask[..., None]).mean(dim=1)  # the twin that divides by N
    assert (divided_by_all[0] - mean_pool(patches, EMPTY, mask)[0]).abs().max() > 0.1


@pools
def test_the_order_of_patches_does_not_matter(pool):
    patches, prefix, mask = random(2, 7, 12), random(2, 2, 12, seed=1), lengths(3, 7, of=7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        pool(patches[:, order], prefix, mask[:, order]), pool(patches, prefix, mask), rtol=0, atol=1e-12
    )


def test_attention_pooling_is_torchs_with_the_probe_as_query():
    """SigLIP's head: attention, then x + MLP(norm(x)); the probe is not added back."""
    ours = attention_pool()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).double()
    weights = {
        "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
        "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
        "out_proj.weight": ours.out.weight,
        "out_proj.bias": ours.out.bias,
    }
    theirs.load_state_dict(weights, strict=True)
    patches, mask = random(2, 7, 12), lengths(3, 7, of=7)
    probe = ours.probe.expand(2, 1, 12)
    read = theirs(probe, patches, patches, key_padding_mask=~mask)[0]
    expected = (read + ours.mlp(ours.norm(read)))[:, 0]
    torch.testing.assert_close(ours(patches, EMPTY, mask), expected, rtol=0, atol=1e-10)
    added_back = ((read + probe) + ours.mlp(ours.norm(read + probe)))[:, 0]
    assert (added_back - expected).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["mean", "attention"])
def test_masked_patches_get_no_gradient(name):
    patches, mask = random(2, 7, 12).requires_grad_(), lengths(3, 5, of=7)
    POOLS[name](patches, EMPTY, mask).square().sum().backward()
    assert torch.equal(patches.grad.abs().sum(dim=-1) > 0, mask)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", POOLS)
def test_other_precisions(name, dtype):
    pool = attention_pool().to(dtype) if name == "attention" else POOLS[name]
    patches, prefix, mask = random(2, 300, 12).to(dtype), random(2, 1, 12).to(dtype), lengths(257, 3, of=300)
    pooled = pool(patches, prefix, mask)
    exact = POOLS[name](patches.double(), prefix.double(), mask)
    assert pooled.dtype == dtype
    torch.testing.assert_close(pooled.double(), exact, rtol=0, atol=0.03 if dtype != torch.float32 else 1e-5)


@pytest.mark.parametrize("name", ["mean", "attention"])
def test_nothing_to_pool_is_refused_and_the_picture_named(name):
    pool, mask = POOLS[name], lengths(3, 0, of=7)
    with pytest.raises(ValueError, match="nothing to pool in picture 1 of 2"):
        pool(random(2, 7, 12), EMPTY, mask)
    with pytest.raises(ValueError, match="no patches"):
        pool(random(2, 0, 12), EMPTY)
    with pytest.raises(ValueError, match=r"boolean \(B, N\) = \(2, 7\).*float32"):
        pool(random(2, 7, 12), EMPTY, mask.float())
    with pytest.raises(ValueError, match=r"\(2, 7\).*\(2, 8\)"):
        pool(random(2, 7, 12), EMPTY, lengths(3, 4, of=8))
    with pytest.raises(ValueError, match=r"\(B, N, D\); got shape \(7, 12\)"):
        pool(random(7, 12), EMPTY[0])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: class_pool(random(2, 7, 12), EMPTY),
            r"no class token.*\(2, 0, 12\).*prefix=1, or pool with mean_pool",
        ),
        (lambda: class_pool(random(7, 12), random(1, 12)), r"no class token.*\(1, 12\)"),
        (lambda: AttentionPool(12, 5), "5 heads do not divide the width 12"),
        (lambda: AttentionPool(12, 0), "heads must be a whole number.*got 0"),
        (lambda: AttentionPool(-12, 3), "width D must be a whole number"),
        (lambda: AttentionPool(12, 3, 0), "got 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=says):
        call()
