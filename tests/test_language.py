"""The language model: what it may read, its cache, its places, its choices, its writing."""

import gc
import importlib
import math
import os
import re
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from minivit.attention import attend, causal
from minivit.language import (
    Cache,
    CausalAttention,
    Language,
    LanguageConfig,
    RMSNorm,
    Sampler,
    compiled,
    compiled_prompt,
    compiled_token,
    generate,
    greedy,
    left_padded,
    rms_norm,
    rotary,
    stream,
    writing,
)
from minivit.language.compiled import compiled_step
from minivit.language.model import attend_one
from minivit.language.stepping import fast_step, plain_step, stepping
from minivit.lora import add_lora, merge_lora

CONFIG = LanguageConfig(
    vocabulary=37, context=48, width=24, depth=3, heads=6, kv_heads=2, hidden=40, eps=1e-6, theta=100.0
)


@pytest.fixture(params=[(6, 2), (6, 6), (2, 1)], ids=["grouped", "as many", "one"])
def model(request):
    torch.manual_seed(0)
    heads, kv_heads = request.param
    return shaken(Language(replace(CONFIG, heads=heads, kv_heads=kv_heads))).double().eval()


def shaken(model):
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


def ids(batch, count, seed=0):
    return torch.randint(0, CONFIG.vocabulary, (batch, count), generator=torch.Generator().manual_seed(seed))


# Parts


def test_rms_norm_keeps_the_mean_and_is_torchs():
    x, weight = torch.randn(2, 5, 24, dtype=torch.float64) + 3, torch.rand(24, dtype=torch.float64)
    ours = rms_norm(x, weight, 1e-6)
    assert torch.allclose(ours, F.rms_norm(x, (24,), weight, 1e-6), atol=1e-12)
    norm = RMSNorm(24, 1e-6).double()
    norm.weight.data = weight
    assert torch.allclose(norm(x), ours, atol=1e-12)
    assert torch.allclose(rms_norm(x, torch.ones(24)).square().mean(-1), torch.ones(2, 5).double(), atol=1e-5)
    twin = F.layer_norm(x, (24,), weight, None, 1e-6)  # takes the mean away
    assert not torch.allclose(twin, ours, atol=0.1)


def test_rms_norm_computes_in_float32_whatever_comes():
    x = (torch.randn(3, 24) * 300).bfloat16()
    assert rms_norm(x, torch.ones(24, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert torch.allclose(rms_norm(x, torch.ones(24)).float(), rms_norm(x.float(), torch.ones(24)), atol=0.02)


def test_scores_see_differences_of_places_only():
    q, k = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64)

    def score(i, j):
        return (rotary(torch.tensor([i]), 8, 100.0)(q) * rotary(torch.tensor([j]), 8, 100.0)(k)).sum()

    assert torch.allclose(score(3, 1), score(13, 11), atol=1e-5)
    assert not torch.allclose(score(3, 1), score(3, 2), atol=1e-3)
    assert torch.allclose(score(7, 7), (q * k).sum(), atol=1e-5)


def test_a_pair_is_half_a_head_apart():
    x = torch.zeros(1, 1, 1, 8)
    x[..., 1] = 1  # the second pair's first number
    angle = 5 / 100 ** (2 / 8)
    turned = rotary(torch.tensor([5]), 8, 100.0)(x)[0, 0, 0]
    expected = torch.zeros(8)
    expected[1], expected[5] = math.cos(angle), math.sin(angle)
    assert torch.allclose(turned, expected, atol=1e-6)


def test_grouped_queries_are_heads_whose_keys_are_repeated():
    attention = CausalAttention(24, 6, 2).double()
    q = torch.randn(3, 6, 5, 4, dtype=torch.float64)
    k, v = torch.randn(2, 3, 2, 7, 4, dtype=torch.float64)
    mask = torch.rand(3, 1, 5, 7) < 0.7
    mask[..., 0] = True
    repeated = [t.repeat_interleave(3, dim=1) for t in (k, v)]
    expected = F.scaled_dot_product_attention(q, *repeated, attn_mask=mask)
    assert torch.allclose(attention.grouped(q, k, v, mask), expected, atol=1e-12)
    assert torch.allclose(attention.grouped(q[:, :, :1], k, v, None),
                          F.scaled_dot_product_attention(q[:, :, :1], *repeated), atol=1e-12)  # fmt: skip
    twin = [t.repeat(1, 3, 1, 1) for t in (k, v)]  # 0 1 0 1 0 1 instead of 0 0 0 1 1 1
    assert not torch.allclose(F.scaled_dot_product_attention(q, *twin, attn_mask=mask), expected, atol=1e-3)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.bfloat16, 0.02)])
@pytest.mark.parametrize("kv_heads", [6, 2])
def test_without_a_mask_order_alone_hides(dtype, close, kv_heads):
    attention, x = CausalAttention(24, 6, kv_heads).to(dtype), torch.randn(3, 7, 24).to(dtype)
    turn, mask = rotary(torch.arange(7), 4).to(dtype), causal(7)[None, None]
    for asking in (slice(None), slice(-1, None), slice(2, 5)):
        told = attention(x, turn, None, asking=asking)
        assert torch.allclose(told, attention(x, turn, mask, asking=asking), atol=close)
        blind = attention(x, turn, torch.ones_like(mask), asking=asking)  # the twin that sees what comes
        assert (asking == slice(-1, None)) == torch.allclose(told, blind, atol=2 * close)


# The whole model


def test_no_token_reads_a_later_one(model):
    x = ids(2, 9)
    changed = x.clone()
    changed[:, 6] = (x[:, 6] + 1) % CONFIG.vocabulary
    a, b = model(x), model(changed)
    assert torch.equal(a[:, :6], b[:, :6])
    assert not torch.allclose(a[:, 6:], b[:, 6:], atol=1e-3)


def test_order_counts(model):
    x = ids(1, 6)
    swapped = x[:, [1, 0, 2, 3, 4, 5]]
    assert not torch.allclose(model(x)[:, -1], model(swapped)[:, -1], atol=1e-4)


def test_padding_on_the_left_changes_nothing(model):
    x = ids(1, 5)
    alone = model(x)
    for pad in (0, 36):
        padded, valid = left_padded([x[0].tolist(), ids(1, 9, 1)[0].tolist()], pad)
        assert torch.allclose(model(padded, valid)[0, 4:], alone[0], atol=1e-10)
    assert not torch.allclose(model(padded)[0, 4:], alone[0], atol=1e-3)  # the twin without valid


def test_many_texts_are_begun_in_half_precision_too(model):
    with torch.no_grad():
        vectors = model.bfloat16().embed(ids(9, 5))
        told, right = model.read(vectors, asking=slice(-1, None)), model.read(vectors)[:, -1:]
    assert told.shape == right.shape and float((told - right).abs().max() / right.abs().max()) < 0.05
    generate(model, ids(9, 5), limit=3)


@pytest.mark.parametrize("asking", [slice(-1, None), slice(2, 5), slice(0, 1)])
def test_who_asks_for_some_tokens_gets_what_all_would_tell_of_them(model, asking):
    prompt, valid = left_padded([ids(1, n, n)[0].tolist() for n in (3, 7)])
    for padded in (None, valid):
        caches = [Cache.of(model, 2, 9) for _ in range(2)]
        told = model.read(model.embed(prompt), padded, caches[0], asking=asking)
        assert torch.allclose(told, model.read(model.embed(prompt), padded, caches[1])[:, asking], atol=1e-10)
        assert [cache.filled for cache in caches] == [7, 7]
        for one, other in zip(caches[0].keys + caches[0].values, caches[1].keys + caches[1].values, strict=True):
            assert torch.equal(one[:, :, :7], other[:, :, :7])
    assert torch.allclose(model.read(model.embed(prompt), asking=asking), model.read(model.embed(prompt))[:, asking])


def test_tied_weights_are_one():
    tied = Language(replace(CONFIG, tied=True))
    assert tied.head.weight is tied.table.weight
    parameters = sum(weight.numel() for weight in Language(CONFIG).parameters())
    assert parameters - sum(weight.numel() for weight in tied.parameters()) == 37 * 24


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_the_cache_changes_nothing(model, cut):
    x = ids(2, 9)
    cache = Cache.of(model, 2, 9)
    parts = [model(x[:, :cut], cache=cache), *(model(x[:, i : i + 1], cache=cache) for i in range(cut, 9))]
    assert torch.allclose(torch.cat(parts, dim=1), model(x), atol=1e-10)
    assert cache.filled == 9


def test_the_cache_remembers_padding_of_every_turn(model):
    """Two texts of unequal length, a second turn of unequal length behind them: as if each were alone."""
    first, valid = left_padded([ids(1, 3, 1)[0].tolist(), ids(1, 5, 2)[0].tolist()], 9)
    second, valid2 = left_padded([ids(1, 4, 3)[0].tolist(), ids(1, 2, 4)[0].tolist()], 9)
    cache = Cache.of(model, 2, 20)
    model(first, valid, cache)
    told = model(second, valid2, cache)
    for row in range(2):
        whole = torch.cat([first[row][valid[row]], second[row][valid2[row]]])[None]
        assert torch.allclose(told[row, -1], model(whole)[0, -1], atol=1e-10)


def test_cache_bytes_are_what_the_config_says(model):
    cache = Cache.of(model, 2, 11)
    assert cache.bytes == model.config.cache_bytes(2, 11, each=8)


# One token more


@pytest.mark.parametrize("padded", [False, True])
def test_the_quick_step_is_the_plain_one(model, padded):
    prompt, valid = left_padded([ids(1, n, n)[0].tolist() for n in ((3, 7) if padded else (7, 7))])
    caches = [Cache.of(model, 2, 11) for _ in range(2)]
    with torch.no_grad():
        for cache in caches:
            model(prompt, valid, cache)
        plain, fast = plain_step(model, caches[0]), fast_step(model, caches[1])
        for n in range(4):
            token = ids(2, 1, 20 + n)[:, 0]
            assert torch.allclose(fast(token), plain(token), atol=1e-10)
    assert [cache.filled for cache in caches] == [11, 11]
    for one, other in zip(caches[0].keys + caches[0].values, caches[1].keys + caches[1].values, strict=True):
        assert torch.allclose(one, other, atol=1e-10)


def test_the_quick_step_knows_small_vectors_too(model):
    """Where a vector is so short that eps counts, a norm without it is another."""
    model.table.weight.data *= 1e-4
    cache, other = Cache.of(model, 2, 5), Cache.of(model, 2, 5)
    with torch.no_grad():
        told, expected = fast_step(model, cache)(torch.tensor([3, 4])), plain_step(model, other)(torch.tensor([3, 4]))
        assert torch.allclose(told, expected, atol=1e-10)
        model.config = replace(model.config, eps=1e-12)
        cache.filled = 0
        assert not torch.allclose(fast_step(model, cache)(torch.tensor([3, 4])), expected, atol=1e-3)


def test_the_quick_step_is_taken_where_it_fits(model):
    prompt = ids(2, 5)

    def taken() -> bool:
        return stepping(model, Cache.of(model, 2, 9)).__qualname__.startswith("fast_step")

    assert taken()
    with torch.autocast("cpu", torch.bfloat16):
        assert not taken()
    heard = []
    listening = model.blocks[1].register_forward_hook(lambda *_: heard.append(1))
    assert not taken()
    generate(model, prompt, limit=4)
    assert len(heard) == 4
    listening.remove()
    assert taken()
    model.head.bias = torch.nn.Parameter(torch.ones(CONFIG.vocabulary).double())
    assert not taken()
    model.head.bias = None
    shaken(add_lora(model, 1))
    assert not taken()
    assert torch.equal(generate(model, prompt, limit=4).ids, generate(model, prompt, limit=4, cache=False).ids)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("padded", [False, True])
def test_the_compiled_step_is_the_plain_one(model, dtype, close, padded):
    model.to(dtype)
    prompt, valid = ids(1, 7), (torch.arange(7) >= 3)[None] if padded else None
    caches = [Cache.of(model, 1, 11) for _ in range(2)]
    with torch.no_grad():
        for cache in caches:
            model(prompt, valid, cache)
        plain, quick = plain_step(model, caches[0]), compiled_step(model, caches[1])
        for n in range(4):
            token = ids(1, 1, 20 + n)[:, 0]
            right, told = plain(token), quick(token)
            assert told.dtype == dtype and told.shape == right.shape
            assert float((told - right).abs().max() / right.abs().max()) < close
    assert [cache.filled for cache in caches] == [11, 11]
    for one, other in zip(caches[0].keys + caches[0].values, caches[1].keys + caches[1].values, strict=True):
        assert torch.allclose(one, other, atol=close)


def test_the_compiled_step_computes_in_the_models_type(model):
    """A whole number among numbers of 32 bits makes them 64 bits wide, and the step half as quick, unseen."""
    generate(model.float(), ids(1, 3), limit=2, stepping=compiled_step)
    for part in (*vars(compiled_token).values(), *vars(compiled_prompt).values()):
        if not isinstance(part, type(compiled_token.tokens)):
            continue
        codes = [code for kind, code in part.inspect_llvm().items() if "float32" in str(kind)]
        wide = [sum_ for code in codes for sum_ in re.findall(r"= f(?:mul|add|sub|div) .*double.*", code)]
        assert codes and not wide, (part, wide[:3])


def test_the_compiled_step_writes_what_the_others_write(model):
    prompt = ids(1, 5)
    right = generate(model, prompt, limit=9, stop=[3]).ids
    assert torch.equal(generate(model, prompt, limit=9, stop=[3], stepping=compiled_step).ids, right)
    cache, more = Cache.of(model, 1, 30), ids(1, 4, 5)
    first = generate(model, prompt, limit=5, cache=cache, stepping=compiled_step).ids
    told = generate(model, torch.cat([first[:, -1:], more], dim=1), limit=5, cache=cache, stepping=compiled_step).ids
    assert torch.equal(told, generate(model, torch.cat([prompt, first, more], dim=1), limit=5).ids)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 2e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("at_once", [3, 256])
def test_the_compiled_step_reads_prompts_as_the_model_does(model, monkeypatch, dtype, close, padded, at_once):
    """One prompt and another behind it, whole and in parts, beside what the model reads."""
    monkeypatch.setattr(compiled, "AT_ONCE", at_once)
    model.to(dtype)
    for count in (1, 2, 7, 16, 21):
        caches = [Cache.of(model, 1, 2 * count) for _ in range(2)]
        step = compiled_step(model, caches[1])
        for turn in range(2):
            vectors = model.table(ids(1, count, turn)).detach()
            valid = (torch.arange(count) >= (count - 1 if turn else count // 3))[None] if padded else None
            with torch.inference_mode():
                right, told = model(ids(1, count, turn), valid, caches[0])[:, -1], step.prefill(vectors, valid)
            assert told.dtype == dtype and told.shape == right.shape
            assert float((told - right).abs().max() / right.abs().max()) < close
            assert torch.equal(caches[0].valid, caches[1].valid) and caches[0].filled == caches[1].filled
        real = caches[0].valid[0, : caches[0].filled]
        for one, other in zip(caches[0].keys + caches[0].values, caches[1].keys + caches[1].values, strict=True):
            assert torch.allclose(one[0, :, real], other[0, :, real], atol=close)


@pytest.mark.slow
def test_the_compiled_step_stays_within_its_arrays():
    """Machine code would not notice; numba can make it check every index."""

    def checked(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, Path(__file__).with_name("within_bounds.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NUMBA_BOUNDSCHECK": "1"})

    right, short = checked(), checked("short")
    assert right.returncode == 0, right.stderr
    assert short.returncode and "IndexError: index is out of bounds" in short.stderr


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (4, 4), (7, 5), (8, 10)])
def test_products_of_all_sizes_are_products(shape):
    weight, x = np.random.default_rng(0).normal(size=shape), np.random.default_rng(1).normal(size=(shape[1], 16))
    out = np.full((shape[0], 16), np.nan)
    compiled_prompt.products(weight, x, out)
    assert np.allclose(out, weight @ x)


def test_rows_begin_where_lines_of_memory_do():
    for like in (np.zeros(1, np.float32), np.zeros(1)):
        for rows in (1, 3, 50):
            room = compiled_prompt.grid(rows, 16, like)
            assert room.shape == (rows, 16) and room.dtype == like.dtype and room.ctypes.data % 64 == 0


def test_a_long_prompt_of_a_large_model_is_left_to_torch(model, monkeypatch):
    vectors = model.table(ids(1, 9)).detach()

    def asked(most: int, threads: int) -> bool:
        heard = []
        monkeypatch.setattr(compiled, "MOST", most)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        monkeypatch.setattr(compiled, "prompt", lambda *_: heard.append(1))
        compiled_step(model, Cache.of(model, 1, 9)).prefill(vectors)
        return not heard

    sums = 9 * sum(weight.numel() for block in model.blocks for weight in block.parameters())
    assert [asked(sums, 2), asked(sums - 1, 2), asked(sums - 1, 1)] == [False, True, False]
    monkeypatch.undo()
    monkeypatch.setattr(compiled, "MOST", 0)
    caches = [Cache.of(model, 1, 9) for _ in range(2)]
    with torch.no_grad():
        told, right = compiled_step(model, caches[0]).prefill(vectors), model(ids(1, 9), None, caches[1])[:, -1]
    assert torch.allclose(told, right, atol=1e-10) and caches[0].filled == 9


def test_a_prompt_that_the_model_cannot_read_is_refused_as_the_model_does(model):
    step = compiled_step(model, Cache.of(model, 1, 5))
    with pytest.raises(ValueError, match="6 tokens after 0 are 1 more than the 5"):
        step.prefill(model.table(ids(1, 6)))
    with pytest.raises(ValueError, match="cache is for 1 texts; got 2"):
        step.prefill(model.table(ids(2, 3)))
    with pytest.raises(ValueError, match=r"expected vectors \(B, T, 24\)"):
        step.prefill(torch.zeros(1, 3, 8).double())
    with pytest.raises(RuntimeError, match="dtype"):
        step.prefill(model.table(ids(1, 3)).float())
    assert step.cache.filled == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("padded", [False, True])
def test_a_text_that_is_written_at_once_is_the_text_that_is_written_word_by_word(model, dtype, padded):
    """Two turns, with ends in the middle, at the first word, and nowhere."""
    model.to(dtype)
    valid = (torch.arange(5) >= 2)[None] if padded else None
    for limit in (1, 2, 12):
        words = generate(model, ids(1, 5), limit=limit, valid=valid).ids[0].tolist()
        for stop in ((), (words[0],), (words[limit // 2],), (-1, 99), (words[-1], words[-1], 99)):
            caches, texts = [Cache.of(model, 1, 40) for _ in range(3)], [[], [], []]
            for turn in range(2):
                options = {"limit": limit, "stop": stop, "valid": valid}
                prompt = ids(1, 5, turn)
                texts[0].append(generate(model, prompt, cache=caches[0], **options))
                texts[1].append(generate(model, prompt, cache=caches[1], stepping=compiled_step, **options))
                told = stream(model, prompt, cache=caches[2], stepping=compiled_step, **options)
                texts[2].append(torch.stack(list(told), dim=1))
            for one, other, ids_ in zip(*texts, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
                assert torch.equal(ids_, one.ids)
            assert len({cache.filled for cache in caches}) == 1


def test_equal_logits_and_no_numbers_are_chosen_as_elsewhere(model):
    with torch.no_grad():
        model.head.weight.zero_()
    assert generate(model, ids(1, 3), limit=4, stepping=compiled_step).ids.tolist() == [[0, 0, 0, 0]]
    with torch.no_grad():
        model.head.weight[7:9] = float("nan")
    right = generate(model, ids(1, 3), limit=4).ids
    assert torch.equal(generate(model, ids(1, 3), limit=4, stepping=compiled_step).ids, right) and right[0, 0] == 7


def test_only_greedy_writing_without_rules_is_left_to_the_machine(model, monkeypatch):
    """Who chooses otherwise, or says what may follow, is asked at every token."""
    monkeypatch.setattr(compiled.CompiledStep, "decode", lambda *_: pytest.fail("asked"))
    with pytest.raises(pytest.fail.Exception, match="asked"):
        generate(model, ids(1, 4), limit=5, stepping=compiled_step)
    even = (torch.arange(CONFIG.vocabulary) % 2 == 0)[None]
    for options in ({"allowed": lambda written: even}, {"choose": lambda logits: logits.argmin(dim=-1)}):
        right = generate(model, ids(1, 4), limit=5, **options).ids
        assert torch.equal(generate(model, ids(1, 4), limit=5, stepping=compiled_step, **options).ids, right)


def test_the_compiled_step_stays_within_its_memory(model):
    cache = Cache.of(model, 1, 2)
    step = compiled_step(model, cache)
    for wrong in (-1, CONFIG.vocabulary):
        with pytest.raises(ValueError, match=f"ids are 0 to 36, and places 0 to 1; got {wrong} at 0"):
            step(torch.tensor([wrong]))
    kept = [step(torch.tensor([3])).clone(), step(torch.tensor([4])).clone()]
    with pytest.raises(ValueError, match="got 5 at 2"):
        step(torch.tensor([5]))
    likely = torch.zeros(1, CONFIG.vocabulary).index_fill(1, torch.tensor([5]), 1)
    with pytest.raises(ValueError, match="places 0 to 1; got 5 at 2, and 2 behind it"):
        step.decode(likely, 4)
    assert step.decode(likely, 1).tolist() == [[5]]
    with pytest.raises(ValueError, match="the limit"):
        step.decode(likely, 0)
    assert cache.filled == 2
    with torch.no_grad():
        assert torch.allclose(torch.stack(kept, 1), model(torch.tensor([[3, 4]])), atol=1e-10)


def test_the_compiled_step_refuses_parts_of_other_sizes(model):
    """Machine code reads and writes beyond the end of an array without a word."""
    wider = torch.nn.Linear(CONFIG.width, 2 * CONFIG.hidden + 64, bias=False).double()
    narrow, model.blocks[1].mlp.gate_up = model.blocks[1].mlp.gate_up, wider
    with pytest.raises(ValueError, match="of the sizes that the config says"):
        compiled_step(model, Cache.of(model, 1, 9))
    model.blocks[1].mlp.gate_up = narrow
    other = Language(replace(model.config, kv_heads=3, heads=3)).double()
    with pytest.raises(ValueError, match="of the sizes that the config says"):
        compiled_step(model, Cache.of(other, 1, 9))
    compiled_step(model, Cache.of(model, 1, 9))
    model.head.weight = torch.nn.Parameter(torch.zeros(40, CONFIG.width).double())
    with pytest.raises(ValueError, match="of the sizes that the config says"):
        compiled_step(model, Cache.of(model, 1, 9))


def test_the_compiled_step_refuses_numbers_of_two_kinds(model):
    cache = Cache.of(model, 1, 9)
    model.float()
    with pytest.raises(ValueError, match=r"all of them torch.float32 on cpu.*make its cache afterwards"):
        compiled_step(model, cache)
    cache, model.norm.weight = Cache.of(model, 1, 9), torch.nn.Parameter(torch.ones(CONFIG.width).bfloat16())
    with pytest.raises(ValueError, match="give the model one type"):
        compiled_step(model, cache)
    model.float().blocks[1].attention.out.weight.data = torch.zeros(CONFIG.width, CONFIG.width).T
    with pytest.raises(ValueError, match="must be contiguous"):
        compiled_step(model, cache)


def test_the_compiled_step_reads_more_places_than_its_mlp_is_wide():
    torch.manual_seed(0)
    model = shaken(Language(replace(CONFIG, hidden=8))).double().eval()
    prompt = ids(1, 3)
    told = generate(model, prompt, limit=CONFIG.context - 3, stepping=compiled_step).ids
    assert torch.equal(told, generate(model, prompt, limit=CONFIG.context - 3).ids)


def test_a_compiled_step_that_is_dropped_keeps_nothing(model, monkeypatch):
    made, array = [], compiled._array

    def noted(t):
        found = array(t)
        made.append(weakref.ref(found))
        return found

    def kept() -> int:
        gc.collect()
        return sum(one() is not None for one in made)

    monkeypatch.setattr(compiled, "_array", noted)
    for limit in (1, 2, 5):  # never stepped, once, some times
        generate(model, ids(1, 3), limit=limit, stepping=compiled_step)
        assert made and not kept()
    step = compiled_step(model, Cache.of(model, 1, 4))
    step(torch.tensor([3]))
    assert kept() > 6 * len(model.blocks)  # what is in use is counted
    del step
    assert not kept()


@pytest.mark.parametrize(("kind", "ends"), [("float32", 87.0), ("float64", 708.0)])
def test_the_compiled_exponential_is_as_exact_as_what_it_is_given(kind, ends):
    x = np.concatenate([np.linspace(-ends, ends, 10_001), np.linspace(-1, 1, 2_001)]).astype(kind)
    told, powers = x.copy(), np.empty(len(x), f"i{x.itemsize}")
    compiled_token.exponential(told, 1, powers)
    wrong = np.abs(told / np.exp(x.astype(np.longdouble)) - 1)
    assert told.dtype == x.dtype and (wrong < np.finfo(kind).eps * (2 + np.abs(x))).all()
    beyond = np.array([-np.inf, -2 * ends, 2 * ends, np.inf], kind)
    compiled_token.exponential(beyond, -1, powers)
    assert np.isfinite(beyond).all() and (beyond[:2] > 1e37).all() and ((beyond[2:] > 0) & (beyond[2:] < 1e-37)).all()


def test_the_compiled_step_sees_weights_that_were_changed(model):
    cache = Cache.of(model, 1, 9)
    step = compiled_step(model, cache)
    with torch.no_grad():
        before = step(torch.tensor([3]))
        kept = before.clone()
        model.head.weight.mul_(2)
        cache.filled = 0
        assert torch.allclose(step(torch.tensor([3])), 2 * kept)
    assert torch.equal(before, kept)  # logits that were given are left alone


def test_what_the_compiled_step_cannot_do_is_told_before_anything_is_read(model):
    cache = Cache.of(model, 2, 20)
    with pytest.raises(ValueError, match="writes one text; got 2: leave out `stepping`"):
        generate(model, ids(2, 4), limit=3, cache=cache, stepping=compiled_step)
    assert cache.filled == 0
    with pytest.raises(ValueError, match="without autocast"), torch.autocast("cpu", torch.bfloat16):
        compiled_step(model.float(), Cache.of(model, 1, 9))
    with pytest.raises(ValueError, match=r"float32 or float64 on a CPU.*got torch.bfloat16 on cpu"):
        compiled_step(model.bfloat16(), Cache.of(model, 1, 9))
    add_lora(model.double(), 1)
    with pytest.raises(ValueError, match="merge_lora"):
        compiled_step(model, Cache.of(model, 1, 9))
    right = generate(merge_lora(model), ids(1, 4), limit=5).ids
    assert torch.equal(generate(model, ids(1, 4), limit=5, stepping=compiled_step).ids, right)


def test_without_numba_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("compiled", "compiled_prompt", "compiled_token"):
        monkeypatch.delitem(sys.modules, f"minivit.language.{name}")
    with pytest.raises(ImportError, match=r"minivit\[fast\]"):
        importlib.import_module("minivit.language.compiled")


@pytest.mark.parametrize("masks", [0, 1, 6])
def test_one_token_attends_in_half_precision_as_in_full(masks):
    q, k, v = torch.randn(6, 2, 3, 8), torch.randn(6, 2, 11, 8), torch.randn(6, 2, 11, 8)
    mask = torch.arange(11) >= 4 + torch.arange(masks)[:, None, None, None] if masks else None
    q, k, v = (t.bfloat16() for t in (q, k, v))
    told, right = attend_one(q, k, v, mask), attend(q.double(), k.double(), v.double(), mask).output
    assert told.dtype == torch.bfloat16 and told.shape == right.shape
    assert torch.allclose(told.double(), right, atol=0, rtol=2**-8)
    if masks:
        assert not torch.allclose(attend_one(q, k, v).double(), right, atol=0.05)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_the_quick_step_computes_in_the_models_type(model, dtype, close):
    prompt = ids(2, 6)
    with torch.no_grad():
        right = model.to(dtype).double()(prompt)[:, -1]  # weights are rounded once, sums are not
        cache = Cache.of(model.to(dtype), 2, 6)
        model(prompt[:, :5], cache=cache)
        told, plain = fast_step(model, cache)(prompt[:, 5]), model(prompt)[:, -1]
    assert told.dtype == dtype
    for logits in (told, plain):
        assert float((logits - right).abs().max() / right.abs().max()) < close


# Choosing


def test_top_k_and_top_p_leave_what_they_say():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -2.0]])
    shares = logits.softmax(-1)
    assert torch.allclose(Sampler().shares(logits), shares)
    assert torch.allclose(Sampler(temperature=0.5).shares(logits), (2 * logits).softmax(-1))
    assert (Sampler(top_k=2).shares(logits) > 0).sum() == 2
    assert torch.allclose(Sampler(top_k=2).shares(logits)[0, :2], shares[0, :2] / shares[0, :2].sum())
    # 0.64, 0.23, 0.09, 0.03, 0.01: two of them hold 0.8, and one holds 0.6
    assert [(Sampler(top_p=p).shares(logits) > 0).sum().item() for p in (0.6, 0.8, 0.9, 1.0)] == [1, 2, 3, 5]
    assert torch.allclose(Sampler(top_k=3, top_p=0.9).shares(logits).sum(), torch.tensor(1.0))


def test_draws_follow_the_shares_and_the_seed():
    logits = torch.tensor([[1.0, 0.0, -1.0]]).expand(20_000, -1)
    drawn = Sampler(seed=3)(logits)
    assert torch.allclose(drawn.bincount(minlength=3) / 20_000, logits[0].softmax(-1), atol=0.015)
    assert torch.equal(drawn, Sampler(seed=3)(logits)) and not torch.equal(drawn, Sampler(seed=4)(logits))
    sampler = Sampler(seed=3)
    assert not torch.equal(sampler(logits), sampler(logits)), "a sampler that starts anew at every token repeats itself"


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0}, {"temperature": -1.0}, {"top_k": 0}, {"top_k": 1.5}, {"top_p": 0}, {"top_p": 1.1}]
)
def test_nonsense_is_no_sampler(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("_", ".")):
        Sampler(**wrong)


# Writing


def test_greedy_writing_is_the_plain_loop(model):
    prompt = ids(2, 5)
    told = generate(model, prompt, limit=7)
    x = prompt
    for _ in range(7):
        x = torch.cat([x, model(x)[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(told.ids, x[:, 5:])
    assert torch.equal(generate(model, prompt, limit=7, cache=False).ids, told.ids)
    assert told.lengths.tolist() == [7, 7] and not told.stopped.any()
    vectors = generate(model, model.embed(prompt), limit=7)
    assert torch.equal(vectors.ids, told.ids)


def test_texts_of_unequal_length_are_written_as_if_alone(model):
    prompts = [ids(1, n, n)[0].tolist() for n in (2, 7, 4)]
    padded, valid = left_padded(prompts, 5)
    for cache in (True, False):
        together = generate(model, padded, limit=6, valid=valid, cache=cache).ids
        for row, prompt in enumerate(prompts):
            assert torch.equal(generate(model, torch.tensor([prompt]), limit=6).ids[0], together[row])


@pytest.mark.parametrize("padded", [False, True])
def test_a_large_batch_is_read_in_parts(model, padded, monkeypatch):
    rows = [ids(1, n, n)[0].tolist() for n in ((3, 7, 7, 7, 2) if padded else (7, 8, 9, 10, 11))]
    prompt, valid = left_padded([row[:7] for row in rows])
    seen, read = [], model.read
    monkeypatch.setattr(model, "read", lambda x, *args, **kinds: seen.append(len(x)) or read(x, *args, **kinds))
    caches = [Cache.of(model, 5, 20) for _ in range(2)]
    first, second = left_padded([row[:3] for row in rows])
    told = []
    for part, cache in zip((writing.PART, 2 * 7 * 8), caches, strict=True):  # two texts of seven tokens of eight bytes
        monkeypatch.setattr(writing, "PART", part)
        told += [
            generate(model, prompt, limit=4, valid=valid if padded else None, cache=cache).ids,
            generate(model, first, limit=3, valid=second if padded else None, cache=cache).ids,
        ]
    assert seen == [5, 5, 2, 2, 1, 4, 1]  # the second turn has shorter texts, so more of them at once
    assert torch.equal(told[0], told[2]) and torch.equal(told[1], told[3])
    assert torch.equal(caches[0].valid, caches[1].valid)
    assert [(cache.filled, cache.padded) for cache in caches] == [(15, padded)] * 2
    for one, other in zip(caches[0].keys + caches[0].values, caches[1].keys + caches[1].values, strict=True):
        assert torch.allclose(one[:, :, :15], other[:, :, :15], atol=1e-10)


def test_what_is_wrong_with_a_large_batch_is_told_as_of_a_small_one(model, monkeypatch):
    monkeypatch.setattr(writing, "PART", 1)
    with pytest.raises(ValueError, match="the cache is for 3 texts; got 4"):
        generate(model, ids(4, 5), limit=2, cache=Cache.of(model, 3, 9))
    for shape, dtype in (((3, 5), torch.bool), ((4, 6), torch.bool), ((), torch.bool), ((4, 5), torch.int64)):
        with pytest.raises(ValueError, match=r"valid is boolean \(B, T\) = \(4, 5\), True at real tokens; got"):
            generate(model, ids(4, 5), limit=2, valid=torch.ones(shape, dtype=dtype))


def test_a_large_batch_stays_whole_where_somebody_listens(model, monkeypatch):
    heard = []
    with model.blocks[0].register_forward_hook(lambda part, got, told: heard.append(len(told))):
        monkeypatch.setattr(writing, "PART", 1)
        told = generate(model, ids(3, 5), limit=2).ids
    assert heard == [3, 3]
    assert torch.equal(told, generate(model, ids(3, 5), limit=2).ids)


def test_a_row_stops_and_the_others_go_on(model):
    prompt = ids(3, 4)
    free = generate(model, prompt, limit=8).ids
    stop = int(free[1, 2])
    told = generate(model, prompt, limit=8, stop=[stop])
    for row in range(3):
        at = free[row].tolist().index(stop) if stop in free[row] else 8
        assert told.lengths[row] == min(at, told.ids.shape[1])
        assert torch.equal(told.ids[row, :at], free[row, : told.ids.shape[1]][:at])
        assert (told.ids[row, at:] == stop).all() and told.stopped[row] == (at < 8)
    alone = generate(model, prompt[1:2], limit=8, stop=[stop])
    assert alone.ids.shape[1] == free[1].tolist().index(stop) + 1  # and not all eight


def test_a_stream_gives_tokens_as_they_come(model):
    prompt = ids(1, 4)
    steps = stream(model, prompt, limit=5)
    first = next(steps)
    assert first.shape == (1,)
    assert [first.item(), *(token.item() for token in steps)] == generate(model, prompt, limit=5).ids[0].tolist()


def test_a_second_turn_goes_on_with_the_cache(model):
    prompt, more = ids(1, 4), ids(1, 3, 5)
    cache = Cache.of(model, 1, 30)
    first = generate(model, prompt, limit=5, cache=cache).ids
    # the last token written was not read yet, so the second turn begins with it
    second = generate(model, torch.cat([first[:, -1:], more], dim=1), limit=5, cache=cache).ids
    whole = generate(model, torch.cat([prompt, first, more], dim=1), limit=5).ids
    assert torch.equal(second, whole)


def test_a_second_turn_forgets_what_stopped_rows_wrote_for_company(model):
    """One row stops early and idles until the other is done: each one's second turn is as if it were alone."""
    prompt, more = ids(2, 4, 3), ids(2, 3, 5)
    plain = generate(model, prompt, limit=6).ids
    stop = next(token for token in plain[1, 1:4].tolist() if token not in plain[0].tolist())
    cache = Cache.of(model, 2, 30)
    first = generate(model, prompt, limit=6, stop=[stop], cache=cache)
    assert first.stopped.tolist() == [False, True] and first.lengths[1] < 4
    second = generate(model, torch.cat([first.ids[:, -1:], more], dim=1), limit=5, cache=cache).ids
    for row, said in enumerate((first.ids[0], first.ids[1, : first.lengths[1] + 1])):
        whole = torch.cat([prompt[row], said, more[row]])[None]
        assert torch.equal(second[row], generate(model, whole, limit=5).ids[0])


def test_who_stops_listening_leaves_a_cache_to_go_on_with(model):
    cache, tried = Cache.of(model, 2, 30), ((seed, generate(model, ids(2, 4, seed), limit=3).ids) for seed in range(20))
    seed, stop = next((seed, told[1, 0].item()) for seed, told in tried if told[1, 0] not in told[0])
    prompt = ids(2, 4, seed)
    steps = stream(model, prompt, limit=9, stop=[stop], cache=cache)
    told = torch.stack([next(steps) for _ in range(3)], dim=1)
    assert cache.valid[:, 4:6].tolist() == [[True, True], [False, False]] and cache.filled == 6
    second = generate(model, torch.cat([told[:, -1:], ids(2, 3, 5)], dim=1), limit=2, cache=cache).ids
    whole = torch.cat([prompt[1], told[1, :1], ids(2, 3, 5)[1]])[None]
    assert torch.equal(second[1], generate(model, whole, limit=2).ids[0])
    before = cache.valid.clone()
    steps.close()  # late: the cache has gone on without it
    assert torch.equal(cache.valid, before)


def test_only_what_is_allowed_is_written(model):
    prompt = ids(2, 4)
    seen = []

    def allowed(written):
        seen.append(written.shape[1])
        mask = torch.zeros(2, CONFIG.vocabulary, dtype=torch.bool)
        mask[:, 10 + written.shape[1]] = mask[:, 20] = True
        return mask

    told = generate(model, prompt, limit=4, allowed=allowed).ids
    assert seen == [0, 1, 2, 3]
    assert all(int(token) in (10 + n, 20) for row in told for n, token in enumerate(row))
    with pytest.raises(ValueError, match=r"no token may follow the 0 written in row 0"):
        generate(model, prompt, limit=2, allowed=lambda written: torch.zeros(2, CONFIG.vocabulary, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"allowed gives \(B, V\) = \(2, 37\)"):
        generate(model, prompt, limit=2, allowed=lambda written: torch.ones(2, 5, dtype=torch.bool))


def test_a_row_that_stopped_need_not_be_allowed_anything(model):
    def allowed(written):
        mask = torch.ones(2, CONFIG.vocabulary, dtype=torch.bool)
        mask[0] = torch.arange(CONFIG.vocabulary) == 3 if written.shape[1] == 0 else False
        mask[1, 3] = False
        return mask

    told = generate(model, ids(2, 4), limit=4, stop=[3], allowed=allowed)
    assert told.lengths.tolist() == [0, 4] and told.ids[0].tolist() == [3] * 4
    assert not bool((told.ids[1] == 3).any())


def test_greedy_takes_the_first_of_equals():
    assert greedy(torch.tensor([[0.0, 2.0, 2.0]])).tolist() == [1]


# Mistakes


def test_a_prompt_beyond_the_context_is_told_by_how_much(model):
    with pytest.raises(ValueError, match=r"45 tokens of prompt and 6 to .* 2 more .*\(48\): write at most 4"):
        generate(model, ids(1, 45), limit=6)
    assert generate(model, ids(1, 45), limit=4).ids.shape == (1, 4)
    with pytest.raises(ValueError, match=r"49 tokens after 0 are 1 more than the 48"):
        model(ids(1, 49))
    cache = Cache.of(model, 1, 10)
    model(ids(1, 8), cache=cache)
    with pytest.raises(ValueError, match=r"3 tokens after 8 are 1 more than the 10"):
        model(ids(1, 3), cache=cache)
    with pytest.raises(ValueError, match=r"11 tokens of prompt and 3 to be written need room for 13, 3 more than"):
        generate(model, ids(1, 3), limit=3, cache=cache)
    assert cache.filled == 8, "what is refused changes nothing"
    for way in (True, False):
        with pytest.raises(ValueError, match=r"45 tokens of prompt and 6 to be written need room for 50, 2 more than"):
            generate(model, ids(1, 45), limit=6, cache=way)
    with pytest.raises(ValueError, match="the cache is for 3 blocks, and the model has 2"):
        Language(replace(CONFIG, depth=2)).double()(ids(1, 3), cache=Cache.of(model, 1, 9))
    with pytest.raises(ValueError, match=r"valid is boolean \(B, T\) = \(1, 4\)"):
        generate(model, ids(1, 4), limit=2, valid=torch.ones(4, dtype=torch.bool))


def test_what_is_no_prompt_is_refused(model):
    with pytest.raises(ValueError, match="ids 0 to 36"):
        model(torch.tensor([[3, 37]]))
    with pytest.raises(ValueError, match=r"ids are \(B, T\)"):
        model(torch.tensor([3, 4]))
    with pytest.raises(ValueError, match=r"expected vectors \(B, T, 24\)"):
        model.read(torch.zeros(1, 3, 23))
    with pytest.raises(ValueError, match="prompt 1 of 2 is empty"):
        left_padded([[3], []])
    with pytest.raises(ValueError, match="there are no prompts"):
        left_padded([])
    with pytest.raises(ValueError, match="prompt 0 of 1 ends in padding"):
        generate(model, ids(1, 3), limit=2, valid=torch.tensor([[True, True, False]]))
    with pytest.raises(ValueError, match=r"valid is boolean \(B, T\) = \(1, 3\)"):
        model(ids(1, 3), torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="the limit"):
        generate(model, ids(1, 3), limit=0)
    with pytest.raises(ValueError, match="the cache is for 2 texts; got 1"):
        model(ids(1, 3), cache=Cache.of(model, 2, 9))
    with pytest.raises(ValueError, match="reads 48 tokens at most, and a cache for 49"):
        Cache.of(model, 1, 49)


@pytest.mark.parametrize(
    "wrong",
    [{"width": 25}, {"heads": 5}, {"kv_heads": 4}, {"eps": 0.0}, {"theta": 1}, {"depth": 0}, {"vocabulary": 2.5}],
)
def test_a_config_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError):
        replace(CONFIG, **wrong)


def test_real_sizes_build_without_memory():
    """LLaMA 7B: 6.74 billion weights (Touvron et al. 2023, table 2), and half a megabyte of cache a token."""
    with torch.device("meta"):
        model = Language(LanguageConfig())
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e9, 2) == 6.74
    assert model.config.cache_bytes(1, 1) == 512 * 1024
    assert model(torch.zeros(1, 5, dtype=torch.int64, device="meta")).shape == (1, 5, 32_000)
