"""The text tower equals transformers', weights carried both ways, and the tokenizers give the same rows."""

import ast
import json
import re
import string
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import carrying  # noqa: E402
import tokenizer_files  # noqa: E402

from benchmarks import peers  # noqa: E402
from minivit.text import TEXTS, FirstEnd, TextConfig, TextTower, last_position  # noqa: E402
from minivit.tokenizers import Pretrained  # noqa: E402

precise = pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
VOCABULARY, LENGTH, WIDTH, DEPTH, EMBED = 30, 11, 24, 3, 10
NUMBERS = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": LENGTH,
    "hidden_size": WIDTH,
    "intermediate_size": 40,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": 3,
    "attn_implementation": "sdpa",
}
OURS = {"vocabulary": VOCABULARY, "length": LENGTH, "width": WIDTH, "depth": DEPTH, "heads": 3, "hidden": 40}


def clip(end, dtype):
    """transformers' CLIP text model with its projection, and ours with its weights."""
    library = peers.load("transformers")
    config = library.CLIPTextConfig(**NUMBERS, projection_dim=EMBED, eos_token_id=end, bos_token_id=4)
    assert (config.hidden_act, config.layer_norm_eps) == ("quick_gelu", TEXTS["clip"].eps)
    theirs = carrying.shaken(library.CLIPTextModelWithProjection(config)).to(dtype)
    read = FirstEnd(VOCABULARY - 1 if end == 2 else end)
    ours = TextTower(TextConfig(**OURS), read, nn.Linear(WIDTH, EMBED, bias=False)).to(dtype)
    table = carrying.text(DEPTH, "text_model.", "text_projection", "weight")
    carrying.carry(ours, theirs, table)
    return ours, theirs, table


def siglip(kind, dtype):
    """transformers' SigLIP or SigLIP 2 text model, and ours with its weights."""
    library = peers.load("transformers")
    config = getattr(library, f"{kind}TextConfig")(**NUMBERS, projection_size=EMBED)
    assert (config.hidden_act, config.layer_norm_eps) == ("gelu_pytorch_tanh", TEXTS["siglip"].eps)
    theirs = carrying.shaken(getattr(library, f"{kind}TextModel")(config)).to(dtype)
    config = TextConfig(**OURS, eps=1e-6, activation="gelu_tanh", causal=False)
    ours = TextTower(config, last_position, nn.Linear(WIDTH, EMBED)).to(dtype)
    table = carrying.text(DEPTH, "", "head")
    carrying.carry(ours, theirs, table)
    return ours, theirs, table


def rows(end, pad, batch=4, seed=0):
    """Texts of different lengths; ids above the end's among them, but no second end unless it is the padding."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(6, VOCABULARY, (batch, LENGTH), generator=generator)
    ids[ids == end] = 7
    ends = torch.tensor([3, LENGTH - 3, 1, 6])[:batch]
    after = torch.arange(LENGTH) > ends[:, None]
    ids[torch.arange(batch), ends] = end
    return ids.masked_fill(after, pad)


def close(ours, theirs, atol):
    torch.testing.assert_close(ours, theirs, rtol=atol, atol=atol)


def same_gradients(ours, theirs, table, atol):
    expected = carrying.carried({name: weight.grad for name, weight in theirs.named_parameters()}, table)
    for name, weight in ours.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=atol, atol=10 * atol)


@precise
@pytest.mark.parametrize("end", [9, 2], ids=["first end", "highest id, the older configs"])
@pytest.mark.parametrize("pad", ["end", 0])
def test_clips_text_model(end, pad, dtype, atol):
    ours, theirs, table = clip(end, dtype)
    stands = ours.read.end
    ids = rows(stands, stands if pad == "end" else pad)
    expected = theirs(ids)
    close(ours.features(ids).tokens, expected.last_hidden_state, atol)
    close(ours(ids), expected.text_embeds, atol)
    for output in (ours(ids), theirs(ids).text_embeds):
        (output * torch.linspace(-1, 2, EMBED, dtype=dtype)).sum().backward()
    same_gradients(ours, theirs, table, atol)


def test_clips_attention_mask_makes_no_difference():
    """So it is no loss that our tokenizers hand out none."""
    ours, theirs, _ = clip(9, torch.float64)
    ids = rows(9, 0)
    close(ours(ids), theirs(ids, attention_mask=(ids != 0).long()).text_embeds, 1e-10)


def test_clip_read_elsewhere_or_both_ways_is_not_theirs():
    ours, theirs, _ = clip(9, torch.float64)
    ids = rows(9, 0)
    assert (ids.argmax(dim=1) != (ids == 9).int().argmax(dim=1)).all()  # ids above the end's stand in every row
    expected = theirs(ids).text_embeds
    highest = ours.features(ids).tokens[torch.arange(4), ids.argmax(dim=1)]
    last = ours.features(ids).tokens[:, -1]
    both = TextTower(TextConfig(**OURS, causal=False), ours.read, ours.head).double()
    both.load_state_dict(ours.state_dict())
    for wrong in (ours.head(highest), ours.head(last), both(ids)):
        assert ((wrong - expected).abs().amax(dim=1) > 1e-3).all()


@precise
@pytest.mark.parametrize("kind", ["Siglip", "Siglip2"])
def test_siglips_text_models(kind, dtype, atol):
    ours, theirs, table = siglip(kind, dtype)
    ids = rows(1, {"Siglip": 1, "Siglip2": 0}[kind])
    expected = theirs(ids)
    close(ours.features(ids).tokens, expected.last_hidden_state, atol)
    close(ours(ids), expected.pooler_output, atol)
    for output in (ours(ids), theirs(ids).pooler_output):
        (output * torch.linspace(-1, 2, EMBED, dtype=dtype)).sum().backward()
    same_gradients(ours, theirs, table, atol)


@pytest.mark.parametrize("kind", ["Siglip", "Siglip2"])
def test_siglips_attention_mask_would_make_a_difference(kind):
    """A tokenizer of transformers may hand one out; the models were trained without."""
    ours, theirs, _ = siglip(kind, torch.float64)
    ids = rows(1, 0)
    masked = theirs(ids, attention_mask=(ids != 0).long()).pooler_output
    assert ((masked - ours(ids)).abs().amax(dim=1) > 1e-3).all()
    hidden = TextTower(ours.config, last_position, ours.head, hide=0).double()
    hidden.load_state_dict(ours.state_dict())
    close(hidden(ids), masked, 1e-10)  # what `hide` does is what their mask does


# Tokenizers


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in tokenizer_files.MAKERS.items()}


def told(path, **options):
    """What stands beside a released tokenizer.json."""
    path.with_name("tokenizer_config.json").write_text(json.dumps(options))
    return path.parent


TEXTS_OF_ALL_KINDS = [
    "a photo of a cat",
    "Two DOGS",
    "",
    "it's a cat, isn't it?",
    "größe 42",
    "猫が二匹",
    "  a\tcat \n",
]
texts = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=20), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def clips(files):
    library = peers.load("transformers")
    ends = {"unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": 77}
    theirs = library.CLIPTokenizerFast.from_pretrained(told(files["clip"], tokenizer_class="CLIPTokenizer", **ends))
    return Pretrained(files["clip"], "clip", truncate=True), theirs


@given(batch=texts)
@example(batch=TEXTS_OF_ALL_KINDS)
@example(batch=["a cat " * 60])
@example(batch=["a cat <|endoftext|> a dog"])
def test_clips_tokenizer(clips, batch):
    ours, theirs = clips
    expected = theirs(batch, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    assert torch.equal(ours(batch), expected["input_ids"])


def test_clips_text_comes_back_as_theirs(clips):
    ours, theirs = clips
    ids = ours(TEXTS_OF_ALL_KINDS)
    assert ours.decode(ids) == theirs.batch_decode(ids, skip_special_tokens=True)


@pytest.fixture(scope="module")
def siglips(files):
    """SigLIP's rows as its processor makes them: cleaned text, the file, padded to 64, the attention mask dropped."""
    library = peers.load("transformers")
    ends = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>", "model_max_length": 64}
    theirs = library.PreTrainedTokenizerFast(tokenizer_file=str(files["siglip"]), **ends)
    return Pretrained(files["siglip"], "siglip", truncate=True), theirs


@pytest.fixture(scope="module")
def cleaned():
    """transformers' own cleaning: two methods, taken out of a file that is not imported without sentencepiece."""
    models = Path(peers.load("transformers").__file__).parent / "models"
    tree = ast.parse((models / "siglip" / "tokenization_siglip.py").read_text())
    names = ("remove_punctuation", "canonicalize_text")
    methods = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names]
    parts = {"re": re, "string": string}
    exec(compile(ast.Module(methods, []), "tokenization_siglip", "exec"), parts)
    bare = type("Bare", (), {"do_lower_case": True, **{name: parts[name] for name in names}})()
    return bare.canonicalize_text


@given(batch=texts)
@example(batch=TEXTS_OF_ALL_KINDS)
@example(batch=["a cat " * 60])
def test_siglips_tokenizer(siglips, cleaned, batch):
    ours, theirs = siglips
    options = {"padding": "max_length", "max_length": 64, "truncation": True, "return_tensors": "pt"}
    assert torch.equal(ours(batch), theirs([cleaned(text) for text in batch], **options)["input_ids"])


@pytest.fixture(scope="module")
def siglip2s(files):
    library = peers.load("transformers")
    made = json.loads(files["siglip2"].read_text())
    theirs = library.Siglip2Tokenizer(
        vocab=made["model"]["vocab"], merges=[tuple(pair) for pair in made["model"]["merges"]], padding_side="right"
    )
    theirs.backend_tokenizer.post_processor = (
        peers.load("tokenizers").Tokenizer.from_file(str(files["siglip2"])).post_processor
    )
    return Pretrained(files["siglip2"], "siglip2", truncate=True), theirs


@given(batch=texts)
@example(batch=TEXTS_OF_ALL_KINDS)
@example(batch=["a cat " * 60])
def test_siglip_2s_tokenizer(siglip2s, batch):
    ours, theirs = siglip2s
    options = {"padding": "max_length", "max_length": 64, "truncation": True, "return_tensors": "pt"}
    assert torch.equal(ours(batch), theirs(batch, **options)["input_ids"])


def test_siglip_2_padded_on_the_left_as_its_class_does_unless_told_is_another_row(files, siglip2s):
    ours, theirs = siglip2s
    options = {"padding": "max_length", "max_length": 64, "return_tensors": "pt"}
    left = theirs(["a cat"], padding_side="left", **options)["input_ids"]
    assert type(theirs).padding_side == "left" and left[0, 0] == 0
    assert not torch.equal(left, ours(["a cat"])) and sorted(left[0].tolist()) == sorted(ours(["a cat"])[0].tolist())
