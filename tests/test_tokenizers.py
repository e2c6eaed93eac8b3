"""The laws of tokenizers: there and back, equal lengths, each family's habits, and what is refused."""

import subprocess
import sys
import unicodedata

import pytest
import tokenizer_files
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from minivit.panels import all_captions
from minivit.tokenizers import FAMILIES, Bytes, Pretrained, Words, _words

SCRIPTS = ["größe", "кошка", "猫が二匹", "قطة", "बिल्ली", "🐈‍⬛", "a\u0301", "İstanbul", "ΑΣ", "a\x00b", "  ", "ﬁ"]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # all but half letters


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    made = {}
    for family, make in tokenizer_files.MAKERS.items():
        made[family] = make(tmp_path_factory.mktemp(family))
    return made


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


# There and back


@given(batch=st.lists(texts, max_size=4))
@example(batch=SCRIPTS)
def test_bytes_come_back_as_the_very_text(batch):
    tokenizer = Bytes(60)
    ids = tokenizer(batch)
    assert ids.shape == (len(batch), 60) and ids.dtype == torch.int64
    assert tokenizer.decode(ids) == batch


@given(text=texts, length=st.integers(3, 20))
def test_truncated_bytes_keep_their_end(text, length):
    tokenizer = Bytes(length, truncate=True)
    row = tokenizer([text])[0].tolist()
    assert row.count(258) == 1 and row[0] == 257
    assert bytes(i for i in row if i < 256) == text.encode()[: length - 2]
    assert text.startswith(tokenizer.decode(torch.tensor([row]))[0].rstrip("\ufffd")) or "\ufffd" in text


@given(batch=st.lists(texts, min_size=1, max_size=4))
@example(batch=SCRIPTS)
def test_words_come_back_as_words_that_stay(batch):
    tokenizer = Words.of(batch, 40)
    ids = tokenizer(batch)
    back = tokenizer.decode(ids)
    assert back == [" ".join(_words(text)) for text in batch]
    assert torch.equal(tokenizer(back), ids)
    assert torch.equal(Words(tokenizer.words, 40)(batch), ids)  # the words alone are the tokenizer


def test_the_row_of_a_text_is_start_pieces_end_padding():
    words = Words.of(["a cat, a dog"], 8)
    assert words.words == (",", "a", "cat", "dog") and words.vocabulary == 8
    assert words(["A dog", ""]).tolist() == [[1, 4, 6, 7, 0, 0, 0, 0], [1, 7, 0, 0, 0, 0, 0, 0]]
    assert (words.pad, words.start, words.end) == (0, 1, 7)
    assert Bytes(5)(["ab", ""]).tolist() == [[257, 97, 98, 258, 256], [257, 258, 256, 256, 256]]


def test_the_end_is_the_highest_id():
    """So reading at the highest id, as CLIP's first code does, is reading at the end."""
    for tokenizer in (Bytes(60), Words.of(["a cat"], 60)):
        assert tokenizer.end == tokenizer.vocabulary - 1
        ids = tokenizer(["a cat", "cat"])
        assert torch.equal(ids.argmax(dim=1), (ids == tokenizer.end).int().argmax(dim=1))


def test_words_know_all_captions_of_the_panels():
    tokenizer = Words.of(all_captions(0), 24)
    assert len(set(map(tuple, tokenizer(all_captions(0)).tolist()))) == 576
    with pytest.raises(ValueError, match="has the word 'photo'"):
        tokenizer(all_captions(3))


def test_the_order_of_the_texts_makes_no_difference():
    batch = ["two dogs", "a cat", "a red cat"]
    assert Words.of(batch, 9).words == Words.of(batch[::-1], 9).words


def test_letters_written_in_two_ways_are_one():
    tokenizer = Words.of(["café"], 4)
    assert torch.equal(tokenizer([unicodedata.normalize("NFD", "CAFÉ")]), tokenizer(["café"]))
    assert unicodedata.normalize("NFD", "café") != "café"


def test_unknown_words_if_asked():
    tokenizer = Words(["a", "cat"], 6, unknown=True)
    ids = tokenizer(["a strange cat", "猫"])
    assert ids.tolist() == [[1, 3, 2, 4, 5, 0], [1, 2, 5, 0, 0, 0]]
    assert tokenizer.decode(ids) == ["a \ufffd cat", "\ufffd"]
    assert torch.equal(tokenizer(tokenizer.decode(ids)), ids)


# Released files


def test_a_familys_row(files, family):
    tokenizer, habits = Pretrained(files[family], family), FAMILIES[family]
    ids = tokenizer(["a cat", "", "a photo of a cat"])
    assert ids.shape == (3, {"clip": 77, "siglip": 64, "siglip2": 64}[family]) and ids.dtype == torch.int64
    assert 0 <= ids.min() <= ids.max() < tokenizer.vocabulary
    assert {"clip": tokenizer.end, "siglip": 1, "siglip2": 0}[family] == tokenizer.pad
    for row in ids.tolist():
        end = row.index(tokenizer.end)
        assert set(row[end + 1 :]) == {tokenizer.pad}  # on the right
        assert (row[0] == tokenizer.start) == (habits.start is not None)
    lengths = [row.index(tokenizer.end) for row in ids.tolist()]
    assert lengths[0] == {"clip": 3, "siglip": 2, "siglip2": 2}[family]
    assert lengths[1] == (family == "clip") and lengths[2] > 5 - (family == "siglip")


def test_the_file_may_cut_and_pad_but_the_family_decides(files, family):
    """The files made here cut at 5 and pad to 7 with another id."""
    tokenizer = Pretrained(files[family], family)
    assert (tokenizer(["a photo of a cat and a dog"]) != tokenizer.pad).sum() > 7


def test_case_makes_no_difference_and_would_without_the_family(files, family):
    from tokenizers import Tokenizer

    tokenizer = Pretrained(files[family], family)
    assert torch.equal(tokenizer(["A CAT"]), tokenizer(["a cat"]))
    raw = Tokenizer.from_file(str(files[family]))
    same = raw.encode("A CAT").ids == raw.encode("a cat").ids
    assert same == (family == "clip")  # CLIP's file says so itself; the others leave it to the caller


def test_siglip_takes_punctuation_away_and_the_others_keep_it(files):
    for family, same in (("siglip", True), ("clip", False), ("siglip2", False)):
        tokenizer = Pretrained(files[family], family)
        assert torch.equal(tokenizer(["it's  a cat."]), tokenizer(["its a cat"])) == same


@given(batch=st.lists(texts, max_size=3))
@example(batch=SCRIPTS)
def test_any_text_works_with_any_family(files, batch):
    for family, path in files.items():
        tokenizer = Pretrained(path, family, truncate=True)
        ids = tokenizer(batch)
        assert ids.shape == (len(batch), tokenizer.length) and (ids == tokenizer.end).any(dim=1).all()
        assert len(tokenizer.decode(ids)) == len(batch)


def test_released_pieces_come_back(files):
    for family, text in (
        ("clip", "a photo of 2 dogs , größe"),
        ("siglip", "a photo of a cat"),
        ("siglip2", "a cat 猫"),
    ):
        tokenizer = Pretrained(files[family], family)
        assert tokenizer.decode(tokenizer([text, ""])) == [text, ""]


@pytest.mark.parametrize("length", [16, 5])
def test_another_length(files, family, length):
    tokenizer = Pretrained(files[family], family, length, truncate=True)
    row = tokenizer(["a photo of a cat and a dog"])[0]
    assert len(row) == length
    full = Pretrained(files[family], family)(["a photo of a cat and a dog"])[0]
    if length == 5:
        assert torch.equal(row[:-1], full[:4]) and row[-1] == tokenizer.end


def test_a_text_that_says_end_ends(files):
    """As in the released tokenizers: what stands after it is never read by CLIP."""
    tokenizer = Pretrained(files["clip"], "clip")
    ids = tokenizer(["a cat <|endoftext|> a dog", "a cat"])
    assert tokenizer.decode(ids) == ["a cat", "a cat"] and not torch.equal(ids[0], ids[1])


# What is refused

BATCH_OF = "put a single text into a list"


@pytest.mark.parametrize("name", ["bytes", "words", *FAMILIES])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("a cat", BATCH_OF),
        (7, BATCH_OF),
        (None, BATCH_OF),
        (["a cat", 7], "text 1 of 2 is not a string but int: 7"),
        (["a cat", None, "a"], "text 1 of 3 is not a string but NoneType"),
        ([float("nan")], "text 0 of 1 is not a string but float: nan"),
        ([["a cat"]], "text 0 of 1 is not a string but list"),
        (["a", "ab\ud83d"], "text 1 of 2 has half a letter.*at place 2"),
        (["a " * 80], r"text 0, 'a a a.*\.\.\.', has \d+ tokens and \d+ fit in a length of \d+"),
        (["a", "a " * 80, "a" + " a" * 80], r"2 of 3 texts are too long.*truncate=True"),
    ],
)
def test_texts_that_no_tokenizer_takes(files, name, given, says):
    own = {"bytes": lambda: Bytes(64), "words": lambda: Words.of(["a cat"], 64)}
    tokenizer = own[name]() if name in own else Pretrained(files[name], name)
    with pytest.raises(ValueError, match=says):
        tokenizer(given)


def test_the_length_that_is_advised_is_the_least_that_fits():
    batch = ["a b c", "a b c d e"]
    with pytest.raises(ValueError, match=r"text 0, 'a b c', has 3 tokens and 2 fit in a length of 4.*length=7"):
        Words.of(batch, 4)(batch)
    assert (Words.of(batch, 7)(batch) != 0).all(dim=1).tolist() == [False, True]


@pytest.mark.parametrize("length", [2, 1, 0, -1, 2.5, None, True])
def test_lengths_without_room(length):
    with pytest.raises(ValueError, match=r"no room beside start and end: take 3 or more|whole number of tokens"):
        Bytes(length)


def test_no_texts_are_no_rows(files, family):
    for tokenizer in (Bytes(9), Words([], 9), Pretrained(files[family], family)):
        ids = tokenizer([])
        assert ids.shape == (0, tokenizer.length) and tokenizer.decode(ids) == []


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Words.of(["a dog"], 8)(["fine"]), "the word 'fine', which is not among the 2 known:"),
        (lambda: Words.of(["a panel"], 8)(["a", "a pannel"]), r"text 1.*'pannel'.*\(close to it: 'panel'\)"),
        (lambda: Words(["Cat"], 8), r"in lower case.*\['Cat'\]"),
        (lambda: Words(["a cat"], 8), r"without spaces.*\['a cat'\]"),
        (lambda: Words(["cat", "cat"], 8), "repeated"),
        (lambda: Words([""], 8), "without spaces"),
        (lambda: Words("cat", 8), BATCH_OF),
        (lambda: Bytes(8).decode(torch.tensor([259, 3])), r"ids are \(B, T\).*shape \(2,\)"),
        (lambda: Bytes(8).decode(torch.tensor([[259, 3]])), "ids go from 0 to 258; got 3 to 259"),
        (lambda: Bytes(8).decode(torch.tensor([[-1, 3]])), "got -1 to 3"),
        (lambda: Bytes(8).decode(torch.rand(2, 3)), "got torch.float32"),
        (lambda: Bytes(8).decode([[1, 2]]), "must be a tensor; got list"),
        (lambda: Pretrained("tokenizer.json", "bert"), "no family 'bert'; there are clip, siglip, siglip2"),
        (lambda: Pretrained("nowhere/tokenizer.json", "clip"), "there is no file nowhere"),
        (lambda: Pretrained(__file__, "clip"), "is not a tokenizer.json that the library"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_remedy(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_the_file_of_another_family_is_refused(files):
    for family in FAMILIES:
        for other in set(FAMILIES) - {family}:
            with pytest.raises(ValueError, match=f"which {other} needs: it is another family's file"):
                Pretrained(files[family], other)


def test_without_the_library_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "from minivit.tokenizers import Bytes, Pretrained\n"
        "print(Bytes(4)(['a']).tolist())\n"
        "try: Pretrained('tokenizer.json', 'clip')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[0] == "[[257, 97, 258, 256]]"
    assert "need the library tokenizers: pip install 'minivit[lessons]'" in done.stdout
