"""Tokenizers: texts become rows of whole numbers, all equally long, so that a model can look each number up.

Legend: B texts, T length, V vocabulary. A row is [start,] the pieces of the text, end, and padding up to T.

What a piece is, a tokenizer decides: a byte, a word, or what a released model learnt to cut. A text encoder knows the
tokenizer it was trained with and no other: another length, padding, case or end token gives it numbers it never saw in
that place, and no error says so. `Pretrained` holds these choices for CLIP, SigLIP and SigLIP 2.

Sources: Radford et al. 2021, section 2.4 (CLIP); Zhai et al. 2023 (SigLIP); Tschannen et al. 2025, section 2
(SigLIP 2); Kudo and Richardson 2018 (pieces out of raw text).
"""

import re
import string
import unicodedata
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from minivit.patches import _tensor, _whole


class Tokenizer:
    """What all tokenizers share: B texts -> (B, T) int64, and `decode` back.

    `vocabulary` is V, one more than the highest id; `start` is None where rows begin with the first piece. A text that
    does not fit raises ValueError, or with `truncate` loses its last pieces and keeps its end token.
    """

    def __init__(self, length: int, vocabulary: int, *, start: int | None, end: int, pad: int, truncate: bool = False):
        self.length, self.vocabulary, self.truncate = length, vocabulary, truncate
        self.start, self.end, self.pad = start, end, pad
        self.room = _whole(length, "the length T", "tokens") - len(self._first) - 1
        if self.room < 1:
            raise ValueError(
                f"a length of {length} has no room beside start and end: take {length - self.room + 1} or more"
            )

    def __call__(self, texts: Iterable[str]) -> Tensor:
        """B texts -> (B, T) int64. An empty text works and has no pieces. Raises ValueError, naming the text."""
        texts = _checked(texts)
        pieces = self._pieces(texts)
        if not self.truncate:
            self._all_fit(texts, pieces)
        rows = [[*self._first, *own[: self.room], self.end] for own in pieces]
        padded = [row + [self.pad] * (self.length - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.int64).reshape(len(texts), self.length)

    def decode(self, ids: Tensor) -> list[str]:
        """(B, T) -> B texts: what stands before each row's first end, without start and padding."""
        if _tensor(ids, "ids").ndim != 2 or ids.is_floating_point() or ids.dtype == torch.bool:
            raise ValueError(f"ids are (B, T) whole numbers; got {ids.dtype} of shape {tuple(ids.shape)}")
        if ids.numel() and not 0 <= ids.min() <= ids.max() < self.vocabulary:
            raise ValueError(f"ids go from 0 to {self.vocabulary - 1}; got {ids.min()} to {ids.max()}")
        rows = [row[: row.index(self.end)] if self.end in row else row for row in ids.tolist()]
        return [self._text([i for i in row if i not in (self.start, self.pad)]) for row in rows]

    @property
    def _first(self) -> list[int]:
        return [] if self.start is None else [self.start]

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        """B texts -> the ids of each one's pieces."""
        raise NotImplementedError

    def _text(self, ids: list[int]) -> str:
        """The pieces' ids -> the text."""
        raise NotImplementedError

    def _all_fit(self, texts: list[str], pieces: list[list[int]]) -> None:
        counts = [len(own) for own in pieces]
        over = [i for i, count in enumerate(counts) if count > self.room]
        if over:
            needed = max(counts) + self.length - self.room
            raise ValueError(
                f"text {over[0]}, {_shown(texts[over[0]])}, has {counts[over[0]]} tokens and {self.room} fit in a "
                f"length of {self.length} beside start and end ({len(over)} of {len(texts)} texts are too long): "
                f"shorten them, build the tokenizer with length={needed}, or with truncate=True"
            )


class Bytes(Tokenizer):
    """Every byte of the text in UTF-8 is a token: V = 259, nothing is unknown, and `decode` gives the very text back.

    Ids 0 to 255 are the bytes themselves, then padding, start and end. A letter outside English takes two to four.
    """

    def __init__(self, length: int, truncate: bool = False):
        super().__init__(length, 259, pad=256, start=257, end=258, truncate=truncate)

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        return [list(text.encode()) for text in texts]

    def _text(self, ids: list[int]) -> str:
        return bytes(ids).decode(errors="replace")  # a cut through a letter leaves half of it


class Words(Tokenizer):
    """Every word and every mark is a token, in lower case: short rows, for captions whose words are known beforehand.

    Ids: 0 padding, 1 start, 2 unknown, the `words` in their order, and last the end. A word that is not among them
    raises ValueError, or becomes the unknown id if `unknown` is True.
    """

    def __init__(self, words: Iterable[str], length: int, *, unknown: bool = False, truncate: bool = False):
        self.words = tuple(_checked(words))
        wrong = [word for word in self.words if _words(word) != [word]]
        if wrong or len(set(self.words)) < len(self.words):
            raise ValueError(
                f"each word or mark is listed once, in lower case, without spaces; got {wrong or 'repeated ones'}: "
                f"Words.of(texts, length) finds the words of texts"
            )
        self.unknown = unknown
        self._ids = {word: i for i, word in enumerate(self.words, start=3)}
        super().__init__(length, len(self.words) + 4, pad=0, start=1, end=len(self.words) + 3, truncate=truncate)

    @classmethod
    def of(cls, texts: Iterable[str], length: int, *, unknown: bool = False, truncate: bool = False) -> "Words":
        """The tokenizer that knows the words of these texts, in alphabetical order."""
        found = {word for text in _checked(texts) for word in _words(text)}
        return cls(sorted(found), length, unknown=unknown, truncate=truncate)

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        if self.unknown:
            return [[self._ids.get(word, 2) for word in _words(text)] for text in texts]
        return [[self._id(word, i, text) for word in _words(text)] for i, text in enumerate(texts)]

    def _id(self, word: str, i: int, text: str) -> int:
        if word not in self._ids:
            close = get_close_matches(word, self.words, n=1)
            meant = f" (close to it: {close[0]!r})" if close else ""
            raise ValueError(
                f"text {i}, {_shown(text)}, has the word {word!r}, which is not among the {len(self.words)} "
                f"known{meant}: say it with known words, or build the tokenizer with unknown=True"
            )
        return self._ids[word]

    def _text(self, ids: list[int]) -> str:
        return " ".join("\ufffd" if i == 2 else self.words[i - 3] for i in ids)


class Family(NamedTuple):
    """How the texts of a family of released models were prepared."""

    length: int
    start: str | None
    end: str
    pad: str
    clean: Callable[[str], str]  # before the file's own normalisation
    suffix: str = ""  # what closes a word in the pieces


def _as_it_is(text: str) -> str:
    return text


def _without_punctuation(text: str) -> str:
    """Lower case, no marks, single spaces."""
    kept = text.lower().translate(str.maketrans("", "", string.punctuation))
    return " ".join(kept.split())


FAMILIES = {
    # Pads with its end token, so the first end in a row is the text's; all ids after it are never read.
    "clip": Family(77, "<|startoftext|>", "<|endoftext|>", "<|endoftext|>", _as_it_is, "</w>"),
    # Pads with its end token too, id 1; the released model reads the last position, so the padding is read.
    "siglip": Family(64, None, "</s>", "</s>", _without_punctuation),
    # Gemma's pieces; trained on lower-cased text; pads with id 0, on the right.
    "siglip2": Family(64, None, "<eos>", "<pad>", _as_it_is),
}


class Pretrained(Tokenizer):
    """A released model's tokenizer, out of its tokenizer.json, with the habits of its `family`: one of FAMILIES.

    All three lower the case, whatever the file says. `length` is the family's unless told: 16 for SigLIP So400m/14 at
    224 pixels. There is no attention mask: SigLIP was trained without, and CLIP never reads what it would hide.
    Raises ImportError without the library `tokenizers`, ValueError for a file that is not one of this family.
    """

    def __init__(self, path: str | Path, family: str, length: int | None = None, truncate: bool = False):
        if family not in tuple(FAMILIES):
            raise ValueError(f"there is no family {family!r}; there are {', '.join(FAMILIES)}")
        self.family = FAMILIES[family]
        self._library = _read(Path(path))
        known = self._library.get_vocab()
        missing = sorted({self.family.end, self.family.pad, self.family.start or self.family.end} - known.keys())
        if missing:
            raise ValueError(f"{path} knows no {', '.join(missing)}, which {family} needs: it is another family's file")
        super().__init__(
            self.family.length if length is None else length,
            max(known.values()) + 1,
            start=known[self.family.start] if self.family.start else None,
            end=known[self.family.end],
            pad=known[self.family.pad],
            truncate=truncate,
        )

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        cleaned = [self.family.clean(text) for text in texts]
        return [found.ids for found in self._library.encode_batch(cleaned, add_special_tokens=False)]

    def _text(self, ids: list[int]) -> str:
        text = self._library.decode(ids, skip_special_tokens=True)
        return text.replace(self.family.suffix, " ").strip() if self.family.suffix else text


def _read(path: Path):
    """The library's tokenizer out of a file, told to lower the case first and to leave cutting and padding to us."""
    try:
        from tokenizers import Tokenizer as Library  # the library, not this module: imports here are absolute
        from tokenizers.normalizers import Lowercase, Sequence
    except ImportError as error:
        raise ImportError("released tokenizers need the library tokenizers: pip install 'minivit[lessons]'") from error
    if not path.is_file():
        raise ValueError(f"there is no file {path}: give the path of a tokenizer.json")
    try:
        library = Library.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{path} is not a tokenizer.json that the library tokenizers reads: {error}") from error
    library.no_truncation()
    library.no_padding()
    library.normalizer = Sequence([Lowercase(), *([library.normalizer] if library.normalizer else [])])
    return library


def _words(text: str) -> list[str]:
    """Words and marks in lower case. Letters that can be written in two ways are written in one."""
    return re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFC", text.lower()))


def _checked(texts: Iterable[str]) -> list[str]:
    """The list itself, if all are whole strings; ValueError that names the one that is not."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        kind = "one string" if isinstance(texts, str) else type(texts).__name__
        raise ValueError(f"texts are a list of strings; got {kind}: put a single text into a list")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"text {i} of {len(texts)} is not a string but {type(text).__name__}: {text!r}")
        if not text.isascii() and (half := re.search("[\ud800-\udfff]", text)):
            raise ValueError(
                f"text {i} of {len(texts)} has half a letter, {half[0]!r}, at place {half.start()}: it was cut or "
                f"decoded wrongly; text.encode('utf-8', 'replace').decode() puts a question mark there"
            )
    return texts


def _shown(text: str) -> str:
    """A text as errors show it, its beginning if it is long."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
