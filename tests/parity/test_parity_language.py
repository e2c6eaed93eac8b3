"""transformers' Llama and our language model with its weights: the same logits, the same words.

transformers' norm computes in float32 always. For the tests in float64 it is told not to, so that 1e-10 can be asked.
"""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import carrying  # noqa: E402

from benchmarks import peers  # noqa: E402
from minivit.language import Language, LanguageConfig, Sampler, generate, left_padded  # noqa: E402

SIZES = {
    "vocab_size": 53,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "max_position_embeddings": 64,
}
HEADS = {"grouped": (6, 2), "as many": (6, 6), "one": (2, 1)}
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.fixture(autouse=True)
def norms_in_their_own_type(monkeypatch):
    norm = peers.load("transformers.models.llama.modeling_llama").LlamaRMSNorm
    plain = norm.forward

    def forward(self, x):
        if x.dtype != torch.float64:
            return plain(self, x)
        return F.rms_norm(x, self.weight.shape, self.weight, self.variance_epsilon)

    monkeypatch.setattr(norm, "forward", forward)


def llama(kind="grouped", dtype=torch.float64, tied=False):
    library = peers.load("transformers")
    heads, kv_heads = HEADS[kind]
    torch.manual_seed(0)
    config = library.LlamaConfig(
        **SIZES, num_attention_heads=heads, num_key_value_heads=kv_heads, rms_norm_eps=1e-5, tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0}, eos_token_id=None, bos_token_id=None,
    )  # fmt: skip
    theirs = carrying.shaken(library.LlamaForCausalLM(config)).to(dtype)
    ours = Language(LanguageConfig(53, 64, 24, 3, heads, kv_heads, 40, 1e-5, 500.0, tied)).to(dtype).eval()
    carrying.carry(ours, theirs, carrying.llama(3, heads, kv_heads, tied))
    return ours, theirs


def ids(batch, count):
    return torch.randint(0, 53, (batch, count), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("kind", HEADS)
def test_the_same_logits(kind, dtype):
    ours, theirs = llama(kind, dtype)
    with torch.no_grad():
        assert torch.allclose(ours(ids(2, 60)), theirs(ids(2, 60)).logits, atol=CLOSE[dtype])


def test_tied_weights_too():
    ours, theirs = llama(tied=True)
    assert torch.allclose(ours(ids(2, 9)), theirs(ids(2, 9)).logits, atol=1e-10)


def test_the_same_gradients():
    ours, theirs = llama()
    ours(ids(2, 9)).square().mean().backward()
    theirs(ids(2, 9)).logits.square().mean().backward()
    table = carrying.llama(3, 6, 2, False)
    grads = {name: weight.grad for name, weight in theirs.named_parameters()}
    for name, grad in carrying.carried(grads, table).items():
        assert torch.allclose(ours.get_parameter(name).grad, grad, atol=1e-10), name


def test_padded_prompts_too():
    ours, theirs = llama()
    padded, valid = left_padded([[3, 4, 5], [7, 8, 9, 10, 11, 12]])
    places = (valid.cumsum(1) - 1).clamp(min=0)
    expected = theirs(padded, attention_mask=valid.long(), position_ids=places).logits
    assert torch.allclose(ours(padded, valid)[valid], expected[valid], atol=1e-10)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("kind", HEADS)
def test_the_same_words(kind, cache):
    ours, theirs = llama(kind)
    padded, valid = left_padded([[3, 4, 5], [7, 8, 9, 10, 11, 12]])
    expected = theirs.generate(
        padded, attention_mask=valid.long(), max_new_tokens=20, do_sample=False, pad_token_id=0
    )[:, 6:]  # fmt: skip
    assert torch.equal(generate(ours, padded, limit=20, valid=valid, cache=cache).ids, expected)


@pytest.mark.parametrize("numbers", [{"top_k": 5}, {"top_p": 0.7}, {"temperature": 0.6, "top_k": 9, "top_p": 0.8}])
def test_the_same_shares(numbers):
    peers.load("transformers")
    warpers = peers.load("transformers.generation.logits_process")
    logits = torch.randn(7, 53, generator=torch.Generator().manual_seed(2)) * 3
    theirs = logits
    for name, warper in (
        ("temperature", warpers.TemperatureLogitsWarper), ("top_k", warpers.TopKLogitsWarper),
        ("top_p", warpers.TopPLogitsWarper),
    ):  # fmt: skip
        if name in numbers:
            theirs = warper(numbers[name])(None, theirs)
    assert torch.allclose(Sampler(**numbers).shares(logits), theirs.softmax(-1), atol=1e-6)
