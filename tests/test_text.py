"""The laws of the text tower: who reads whom, which token is read out, and the twins that get a family wrong."""

import copy
import pickle

import pytest
import tokenizer_files
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minivit.attention import causal
from minivit.text import TEXTS, FirstEnd, MeanOfReal, TextConfig, TextTower, last_position
from minivit.tokenizers import Bytes, Pretrained, Words

SMALL = {"vocabulary": 23, "length": 9, "width": 12, "depth": 2, "heads": 3, "hidden": 20}
END, PAD = 21, 0
ROWS = [[1, 5, 6, END, 0, 0, 0, 0, 0], [1, 7, END, 0, 0, 0, 0, 0, 0], [1, 5, 6, 7, 8, END, 0, 0, 0]]
READERS = {"first end": FirstEnd(END), "last": last_position, "mean": MeanOfReal(PAD)}


def tower(read="first end", head=None, hide=None, seed=0, **changes):
    """A tower whose weights are all away from zero and one."""
    torch.manual_seed(seed)
    reader = READERS[read] if isinstance(read, str) else read
    made = TextTower(TextConfig(**{**SMALL, **changes}), reader, head, hide=hide)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return made.double()


def ids(rows=ROWS):
    return torch.tensor(rows)


def far(one, other):
    return ((one - other).abs().amax(dim=-1) > 1e-3).all()


def close(one, other, atol=1e-12):
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


# Shapes and the inside


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("backwards", [True, False])
def test_every_intermediate_has_its_shape_and_the_last_is_the_output(read, backwards):
    model = tower(read, nn.Linear(12, 7, bias=False), causal=backwards)
    seen = model.features(ids(), weights=True)
    assert seen.tokens.shape == (3, 9, 12) and seen.pooled.shape == (3, 12) and model(ids()).shape == (3, 7)
    assert [b.shape for b in seen.blocks] == [(3, 9, 12)] * 2 and [w.shape for w in seen.weights] == [(3, 3, 9, 9)] * 2
    close(model.head(seen.pooled), model(ids()))
    close(model.encoder.norm(seen.blocks[-1]), seen.tokens, 0)
    assert model.features(ids()).weights == ()
    model.head = None
    close(model(ids()), seen.pooled)


def test_the_stream_begins_with_the_id_and_its_place():
    model = tower(depth=0)
    expected = model.embed.weight[ids()] + model.positions
    close(model.features(ids()).tokens, model.encoder.norm(expected))


@pytest.mark.parametrize("read", READERS)
def test_a_batch_is_its_rows(read):
    for backwards in (True, False):
        model = tower(read, causal=backwards)
        close(model(ids()), torch.cat([model(row[None]) for row in ids()]))
        assert model(ids()[:0]).shape == (0, 12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions(dtype):
    model = tower()
    expected = model(ids())
    output = model.to(dtype)(ids())
    output.float().sum().backward()
    assert output.dtype == dtype and all(p.grad.isfinite().all() for p in model.parameters())
    close(output.double(), expected, 0.1)


def test_autocast_carries_the_whole_stream_in_half_precision():
    model = tower().float()
    expected = model(ids())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = model.features(ids())
    assert {block.dtype for block in seen.blocks} == {torch.bfloat16}
    close(seen.pooled.float(), expected, 0.1)
    assert model.features(ids()).tokens.dtype == torch.float32


def test_ids_may_be_32_bits():
    close(tower()(ids().int()), tower()(ids()), 0)


@pytest.mark.parametrize("read", [FirstEnd(3), MeanOfReal(3), last_position])
def test_a_tower_can_be_sent_to_another_process(read):
    model, rows = tower(read), torch.tensor([[1, 5, 3, 4]])
    close(pickle.loads(pickle.dumps(model))(rows), model(rows), 0)


# Who reads whom


def reads(model):
    """(T, T): whose input each token's output depends on, exactly."""
    placed = model._placed(ids())[:1].detach()
    mask = model._mask(ids()[:1])
    jacobian = torch.autograd.functional.jacobian(lambda x: model.encoder(x, mask), placed)
    return jacobian.abs().sum(dim=(0, 2, 3, 5)) != 0


def test_a_causal_tower_reads_backwards_only_and_the_other_everything():
    assert torch.equal(reads(tower()), causal(9)) and reads(tower(causal=False)).all()


@pytest.mark.parametrize("backwards", [True, False])
def test_hidden_padding_is_read_by_itself_alone_at_most(backwards):
    seen = reads(tower("mean", hide=PAD, causal=backwards))
    real = ids()[0] != PAD
    assert not (seen & ~real & ~torch.eye(9, dtype=torch.bool)).any()
    assert torch.equal(seen[real][:, real], causal(4) if backwards else torch.ones(4, 4, dtype=torch.bool))


def longer(rows, by):
    return torch.cat([ids(rows), torch.full((len(rows), by), PAD)], dim=1)


@pytest.mark.parametrize(("read", "hide", "backwards", "free"), [
    ("first end", None, True, True),  # CLIP
    ("mean", PAD, False, True),
    ("first end", PAD, False, True),
    ("last", None, False, False),  # SigLIP: its length belongs to it
    ("first end", None, False, False),
    ("mean", None, False, False),
])  # fmt: skip
def test_more_padding_changes_nothing_unless_it_is_read(read, hide, backwards, free):
    model = tower(read, hide=hide, causal=backwards)
    short = [row[:6] for row in ROWS]
    one, other = model(longer(short, 0)), model(longer(short, 3))
    if free:
        close(one, other)
    else:
        assert far(one, other)


# The padding that all rows share is left out where nobody reads it


def whole(model):
    """The plain form: all T tokens are worked on."""
    model._needed = lambda ids: ids
    return model


@given(seed=st.integers(0, 30), ends=st.lists(st.integers(0, 8), min_size=1, max_size=4))
def test_leaving_out_shared_padding_changes_no_value_and_no_gradient(seed, ends):
    rows = torch.randint(1, END, (len(ends), 9), generator=torch.Generator().manual_seed(seed))
    rows[torch.arange(len(ends)), ends] = END
    fast = tower(seed=seed)
    plain = whole(copy.deepcopy(fast))
    assert fast._needed(rows).shape[1] == max(ends) + 1
    outputs = fast(rows), plain(rows)
    close(*outputs)
    for output in outputs:
        (output * torch.linspace(-1, 2, 12, dtype=torch.float64)).sum().backward()
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        close(one.grad, other.grad)


def test_nothing_is_left_out_where_it_is_read():
    for read, backwards in (("last", True), ("mean", True), ("first end", False), ("last", False)):
        model = tower(read, causal=backwards)
        assert model._needed(ids()).shape[1] == 9
        if (read, backwards) != ("mean", True):  # which reads no padding at all, only not by this rule
            assert far(model(ids()[:, :8]), model(ids()))  # the twin that leaves it out


# CLIP's habits, and the twins


def test_clip_reads_the_first_end():
    model, tokens = tower(), tower().features(ids()).tokens
    close(model(ids()), tokens[torch.arange(3), torch.tensor([3, 2, 5])])


def test_clips_padding_may_be_anything_even_the_end():
    """OpenAI's code pads with 0, transformers with the end token: one output."""
    model = tower()
    others = [torch.where(ids() == PAD, filling, ids()) for filling in (END, 1, 22)]
    for padded in others:
        close(model(padded), model(ids()))


def last_end(tokens, ids):
    return tokens[torch.arange(len(ids)), ids.shape[1] - 1 - (ids == END).int().flip(1).argmax(dim=1)]


def highest_id(tokens, ids):
    return tokens[torch.arange(len(ids)), ids.argmax(dim=1)]


def before_the_end(tokens, ids):
    return tokens[torch.arange(len(ids)), (ids == END).int().argmax(dim=1) - 1]


@pytest.mark.parametrize("twin", [last_end, highest_id, before_the_end, last_position, MeanOfReal(END)])
def test_reading_another_place_is_another_vector(twin):
    padded = torch.where(ids() == PAD, END, ids())
    padded[:, 1] = 22  # an id added after the end's: the highest id is no longer the end
    assert far(tower(twin)(padded), tower()(padded))


def test_reading_the_highest_id_was_right_while_the_end_had_it():
    close(tower(highest_id)(ids()), tower()(ids()))


def test_a_bidirectional_clip_is_another_model():
    assert far(tower(causal=False)(ids()), tower()(ids()))


def test_the_case_of_clips_text_matters_to_the_tower():
    """Bytes keep the case, as a CLIP tokenizer must not."""
    tokenizer = Bytes(12)
    model = tower(FirstEnd(tokenizer.end), vocabulary=259, length=12)
    assert far(model(tokenizer(["A CAT"])), model(tokenizer(["a cat"])))
    words = Words.of(["a cat"], 12)
    model = tower(FirstEnd(words.end), length=12)
    close(model(words(["A CAT"])), model(words(["a cat"])), 0)


# SigLIP's habits, and the twins: from the text to the vector


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in tokenizer_files.MAKERS.items()}


def family(files, name):
    tokenizer = Pretrained(files[name], name)
    read = FirstEnd(tokenizer.end) if name == "clip" else last_position
    return tokenizer, tower(read, vocabulary=tokenizer.vocabulary, length=tokenizer.length, causal=name == "clip")


CAPTIONS = ["a photo of a cat", "two dogs"]


@pytest.mark.parametrize("name", ["siglip", "siglip2"])
def test_siglip_reads_the_last_position_which_is_padding(files, name):
    tokenizer, model = family(files, name)
    rows = tokenizer(CAPTIONS)
    assert (rows[:, -1] == tokenizer.pad).all()
    close(model(rows), model.features(rows).tokens[:, -1])


def another_pad(rows, tokenizer):
    padding = (rows == tokenizer.end).cumsum(dim=1) > 0
    padding[torch.arange(len(rows)), (rows == tokenizer.end).int().argmax(dim=1)] = False
    return torch.where(padding, {0: 1, 1: 0}[tokenizer.pad], rows)


def on_the_left(rows, tokenizer):
    return torch.stack([row.roll(len(row) - 1 - (row == tokenizer.end).int().argmax().item()) for row in rows])


def to_the_longest(rows, tokenizer):
    return rows[:, : (rows == tokenizer.end).int().argmax(dim=1).max() + 1]


def to_16(rows, tokenizer):
    return rows[:, :16]


def without_the_end(rows, tokenizer):
    ends = (rows == tokenizer.end).int().argmax(dim=1)
    return torch.stack([torch.cat([row[:i], row[i + 1 :], row[-1:]]) for row, i in zip(rows, ends, strict=True)])


def with_a_start(rows, tokenizer):
    return torch.cat([torch.full_like(rows[:, :1], 2), rows[:, :-1]], dim=1)


@pytest.mark.parametrize("name", ["siglip", "siglip2"])
@pytest.mark.parametrize("twin", [another_pad, on_the_left, to_the_longest, to_16, without_the_end, with_a_start])
def test_rows_made_another_way_are_other_vectors(files, name, twin):
    tokenizer, model = family(files, name)
    rows = tokenizer(CAPTIONS)
    wrong = twin(rows, tokenizer)
    if name == "siglip" and twin is without_the_end:
        assert torch.equal(wrong, rows)  # its padding is its end
        return
    assert far(model(wrong), model(rows))


@pytest.mark.parametrize("name", ["siglip", "siglip2"])
def test_a_siglip_tower_built_another_way_is_another_model(files, name):
    tokenizer, model = family(files, name)
    rows, options = tokenizer(CAPTIONS), {"vocabulary": tokenizer.vocabulary, "length": 64}
    wrong = {
        "the attention mask passed on": tower("last", hide=tokenizer.pad, causal=False, **options),
        "causal": tower("last", **options),
        "read at the first end": tower(FirstEnd(tokenizer.end), causal=False, **options),
        "the mean": tower(MeanOfReal(tokenizer.pad), causal=False, **options),
    }
    for other in wrong.values():
        assert far(other(rows), model(rows))


def test_clip_is_indifferent_to_what_siglip_is_not(files):
    tokenizer, model = family(files, "clip")
    rows = tokenizer(CAPTIONS)
    close(model(to_the_longest(rows, tokenizer)), model(rows))
    close(model(rows[:, :16]), model(rows))
    ends = (rows == tokenizer.end).cumsum(dim=1) > 1
    close(model(torch.where(ends, 0, rows)), model(rows))
    model.hide = 0
    close(model(torch.where(ends, 0, rows)), model(rows))  # even the attention mask makes no difference


@pytest.mark.parametrize("name", ["clip", "siglip", "siglip2"])
def test_the_case_makes_no_difference_behind_the_familys_tokenizer(files, name):
    tokenizer, model = family(files, name)
    close(model(tokenizer([text.upper() for text in CAPTIONS])), model(tokenizer(CAPTIONS)), 0)


def test_the_released_sizes():
    assert [(c.vocabulary, c.length, c.causal) for c in TEXTS.values()] == [
        (49408, 77, True),
        (32000, 64, False),
        (256000, 64, False),
    ]
    assert TEXTS["clip"].hidden == 2048 and TEXTS["siglip"].hidden == 3072


# What is refused


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: TextConfig(vocabulary=0), "vocabulary must be a whole number of ids.*got 0"),
        (lambda: TextConfig(length=7.5), "length must be a whole number of tokens.*got 7.5"),
        (lambda: TextConfig(width=10, heads=4), r"4 heads do not divide the width 10; these do: \[1, 2, 5, 10\]"),
        (lambda: TextConfig(depth=-1), "depth must be"),
        (lambda: TextConfig(hidden=0), "hidden must be"),
        (lambda: TextConfig(eps=0), "eps must be a number above 0; got 0"),
        (lambda: TextConfig(eps=float("nan")), "above 0; got nan"),
        (lambda: TextConfig(activation="relu"), "no activation 'relu'"),
        (lambda: TextConfig(causal=1), "causal is True or False; got 1"),
        (lambda: TextTower(SMALL, last_position), "built from a TextConfig"),
        (lambda: TextTower(TextConfig(**SMALL), 3), "read gives one vector.*got 3"),
        (lambda: tower()([[1, 2]]), "ids must be a tensor; got list"),
        (lambda: tower()(ids().float()), r"int64; got torch.float32 of shape \(3, 9\)"),
        (lambda: tower()(ids()[0]), r"\(B, T\).*shape \(9,\)"),
        (lambda: tower()(longer(ROWS, 1)), "positions for 1 to 9 tokens; got texts of 10"),
        (lambda: tower()(ids()[:, :0]), "1 to 9 tokens; got texts of 0"),
        (lambda: tower()(ids() + 2), "ids 0 to 22; got 2 to 23.*tokenizer"),
        (lambda: tower()(ids() - 1), "ids 0 to 22; got -1 to 20"),
        (lambda: tower()(ids()[:, :5]), r"row 2 of 3 has no end token \(id 21\)"),
        (lambda: tower().features(ids()[:, :5]), "row 2 of 3 has no end token"),
        (lambda: tower("mean")(ids([[1, 2], [0, 0]])), r"row 1 of 2 is padding alone \(id 0\)"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=says):
        call()
