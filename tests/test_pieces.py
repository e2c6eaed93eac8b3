"""Pieces and dialogues: no text is unknown, the way back is exact, only answers are learnt."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivit.language import Exchange, Pieces, dialogue

PIECES = Pieces(["panel", " panel", "pan", "0.55", '":"', "né"])


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back(text):
    ids = PIECES.ids(text)
    assert PIECES.text(ids) == text
    assert all(5 <= token < PIECES.vocabulary for token in ids)


def test_the_longest_piece_wins_and_bytes_do_the_rest():
    first = 5 + 256
    assert PIECES.vocabulary == first + 6
    assert PIECES.ids("panel") == [first] != PIECES.ids(" panel") == [first + 1]
    assert PIECES.ids("pane") == [first + 2, 5 + ord("e")]
    assert PIECES.ids("A7-39") == [5 + ord(letter) for letter in "A7-39"]
    assert PIECES.ids("né") == [first + 5] and len(PIECES.ids("é")) == 2


def test_pieces_of_texts_are_words_signs_and_frames():
    found = Pieces.of(["a crack, at 0.55", '{"code":{"text":"A7-39","box":[0.5]}}'], also=["0.55"]).pieces
    assert found[-1] == "0.55"
    assert {" crack", " at", '{"code":{"', "text", '":"', '","box":['} <= set(found)
    assert not any(piece.strip() in {"a", "A"} or any(map(str.isdigit, piece)) for piece in found[:-1])
    assert list(found[:-1]) == sorted(found[:-1])


@pytest.mark.parametrize("wrong", [["a"], [""], ["two", "two"], [3], ["ok", None]])
def test_what_is_no_piece_is_refused(wrong):
    with pytest.raises(ValueError, match="two bytes or more"):
        Pieces(wrong)


def test_half_a_letter_and_foreign_ids_are_told():
    with pytest.raises(ValueError, match="half a letter stands at place 2"):
        PIECES.ids("ab\ud800")
    assert PIECES.text([5 + 0xC3]) == "\N{REPLACEMENT CHARACTER}"
    for wrong in ([PIECES.vocabulary], [-1, 7]):
        with pytest.raises(ValueError, match=f"0 to {PIECES.vocabulary - 1}"):
            PIECES.text(wrong)


def test_a_dialogue_learns_answers_and_their_ends():
    told = dialogue(PIECES, [Exchange("Is it?", "yes", images=2), Exchange("So", None)])
    p = PIECES
    asked, so = p.ids("Is it?"), p.ids("So")
    assert told.ids.tolist() == [p.start, p.image, p.image, *asked, p.line, *p.ids("yes"), p.end, *so, p.line]
    assert [PIECES.text(told.ids[told.learn]), told.ids[told.learn][-1].item()] == ["yes", p.end]
    assert told.learn.sum() == 4 and told.ids.dtype == torch.int64


def test_only_the_last_answer_may_be_open():
    with pytest.raises(ValueError, match="only the last answer"):
        dialogue(PIECES, [Exchange("a", None), Exchange("b", "c")])
