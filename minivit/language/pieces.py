"""Pieces: a text is cut into the longest pieces that a list knows, and where it knows none, into bytes.

Legend: V vocabulary, T tokens. Ids: 0 padding, 1 start, 2 end, 3 the mark of an image, 4 the break between question and
answer, then the 256 bytes, then the pieces. No text is unknown, and `text(ids(text))` is the very text.

A released model learnt its pieces by counting (byte pair encoding). Here they are listed: words, the keys of a report,
numbers. What is to be spelled, such as an asset code, is left to bytes on purpose.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

SPECIAL = ("pad", "start", "end", "image", "break")


class Pieces:
    """Texts to ids and back. Raises ValueError for pieces that are no strings, of one byte or none, or repeated."""

    pad, start, end, image, line = range(len(SPECIAL))

    def __init__(self, pieces: Iterable[str]):
        self.pieces = tuple(pieces)
        wrong = [piece for piece in self.pieces if not isinstance(piece, str) or len(piece.encode()) < 2]
        if wrong or len(set(self.pieces)) < len(self.pieces):
            raise ValueError(f"a piece is a string of two bytes or more, listed once; got {wrong or 'repeated ones'}")
        self._first = len(SPECIAL) + 256
        self._ids = {piece.encode(): i for i, piece in enumerate(self.pieces, start=self._first)}
        self._longest = max(map(len, self._ids), default=1)

    @classmethod
    def of(cls, texts: Iterable[str], also: Iterable[str] = ()) -> "Pieces":
        """The words of these texts, with and without a space before them, and their runs of signs; and `also` these.

        Of JSON, what stands between two values is one piece, keys and all. Digits are no pieces unless `also` has them,
        and neither are words of one letter, so what is made of both is spelled. In alphabetical order.
        """
        kinds = r'(?:[\]\[{}",:]*"\w+":[\[{"]*)+| ?[^\W\d]+|[^\w\s]+'
        found = {piece for text in texts for piece in re.findall(kinds, text)}
        also = tuple(also)
        return cls([*sorted(piece for piece in found - set(also) if len(piece.strip().encode()) > 1), *also])

    @property
    def vocabulary(self) -> int:
        """V, one more than the highest id."""
        return self._first + len(self.pieces)

    def ids(self, text: str) -> list[int]:
        """A text -> its ids, without start and end. Raises ValueError for half a letter."""
        try:
            left = text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"half a letter stands at place {error.start}: the text was cut or misread") from None
        found, at = [], 0
        while at < len(left):
            sizes = range(min(self._longest, len(left) - at), 1, -1)
            known = next(((i, size) for size in sizes if (i := self._ids.get(left[at : at + size])) is not None), None)
            token, size = known or (len(SPECIAL) + left[at], 1)
            found.append(token)
            at += size
        return found

    def bytes(self, token: int) -> bytes:
        """What a token stands for; nothing for padding, start, end, image and break."""
        if token < len(SPECIAL):
            return b""
        return bytes([token - len(SPECIAL)]) if token < self._first else self.pieces[token - self._first].encode()

    def text(self, ids: Iterable[int] | Tensor) -> str:
        """Ids -> the text. Half a letter at a cut becomes a question mark in a lozenge."""
        row = ids.tolist() if isinstance(ids, Tensor) else list(ids)
        if row and not 0 <= min(row) <= max(row) < self.vocabulary:
            raise ValueError(f"ids go from 0 to {self.vocabulary - 1}; got {min(row)} to {max(row)}")
        return b"".join(map(self.bytes, row)).decode(errors="replace")


class Exchange(NamedTuple):
    """One question and its answer; the marks of its images stand before it. An answer of None is to be written."""

    question: str
    answer: str | None = None
    images: int = 0


class Dialogue(NamedTuple):
    """Turns in one line."""

    ids: Tensor  # (T,) int64
    learn: Tensor  # (T,) bool, True at the answers and at the end of each


def dialogue(pieces: Pieces, turns: Iterable[Exchange]) -> Dialogue:
    """start, then for every turn: image marks, question, break, answer, end. Ends in a break where None is to come.

    Raises ValueError for an answer of None that is not the last.
    """
    ids, learn, open_turn = [pieces.start], [False], False
    for turn in turns:
        if open_turn:
            raise ValueError("a turn stands behind one without an answer: only the last answer can be left open")
        asked = [*[pieces.image] * turn.images, *pieces.ids(turn.question), pieces.line]
        open_turn = turn.answer is None
        said = [] if turn.answer is None else [*pieces.ids(turn.answer), pieces.end]
        ids += asked + said
        learn += [False] * len(asked) + [True] * len(said)
    return Dialogue(torch.tensor(ids), torch.tensor(learn))
