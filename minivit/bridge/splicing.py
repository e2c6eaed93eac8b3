"""Splicing: the slots of a picture stand among the words, where its mark was.

Legend: B texts, T tokens, K pictures in all, M slots of one of them, L tokens after splicing, E width, V vocabulary.

A text is a row of ids with one mark for each of its pictures. A mark becomes the M slots of its picture, which may be
another M for each. Rows then have different lengths. They are padded on the left, so that all end where writing starts;
for learning they may be padded on the right, where a causal mask hides the padding and no other mask is needed.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Spliced(NamedTuple):
    """Words and slots in one line."""

    vectors: Tensor  # (B, L, E), zeros at padding
    valid: Tensor  # (B, L) bool, False at padding
    ids: Tensor  # (B, L) int64: the words' ids, the mark at every slot, 0 at padding
    learn: Tensor  # (B, L) bool: True at the words that are to be learnt


def splice(
    ids: Tensor,
    slots: Tensor | Sequence[Tensor],
    embed: Callable[[Tensor], Tensor],
    mark: int,
    valid: Tensor | None = None,
    learn: Tensor | None = None,
    pad: str = "left",
) -> Spliced:
    """(B, T) ids with K marks, (K, M, E) slots in reading order -> `Spliced`. Slots may be K tensors (M, E) too.

    `embed` makes vectors (..., E) of ids; `valid` and `learn` are (B, T), everything and nothing unless told; `pad` is
    the side, "left" or "right", where shorter rows are filled up. Raises ValueError where there are more marks than
    pictures or fewer, with both numbers.
    """
    valid = torch.ones_like(ids, dtype=torch.bool) if valid is None else valid
    learn = torch.zeros_like(valid) if learn is None else learn
    marks = (ids == mark) & valid
    if pad not in ("left", "right"):
        raise ValueError(f"rows are padded on the left, for writing, or on the right, for learning; got {pad!r}")
    if int(marks.sum()) != len(slots):
        rows = marks.sum(dim=1).tolist()
        raise ValueError(
            f"the texts have {sum(rows)} image marks ({rows if len(rows) < 9 else f'{rows[:8]} and so on'} by row) and "
            f"{len(slots)} images were given: give each image one mark, and each mark one image"
        )
    words, row = ids[valid], torch.arange(len(ids), device=ids.device)[:, None].expand_as(ids)[valid]
    times = torch.ones_like(words)
    times[words == mark] = torch.tensor([len(one) for one in slots], dtype=times.dtype, device=ids.device)
    words, row, learn = (flat.repeat_interleave(times) for flat in (words, row, learn[valid]))
    lengths = row.bincount(minlength=len(ids))
    longest = int(lengths.max())
    ends = lengths.cumsum(0)
    first = ends - longest if pad == "left" else ends - lengths  # where the row would begin, were it the longest
    place = torch.arange(len(row), device=ids.device) - first[row]
    is_slot = words == mark
    vectors = embed(words.masked_fill(is_slot, 0))
    if len(slots):
        seen = slots.flatten(0, 1) if isinstance(slots, Tensor) else torch.cat(list(slots))
        vectors = vectors.masked_scatter(is_slot[:, None], seen.to(vectors.dtype))

    def laid_out(flat: Tensor) -> Tensor:
        return flat.new_zeros(len(ids), longest, *flat.shape[1:]).index_put((row, place), flat)

    return Spliced(*map(laid_out, (vectors, torch.ones_like(is_slot), words, learn)))


def answer_loss(hidden: Tensor, head: Callable[[Tensor], Tensor], spliced: Spliced) -> Tensor:
    """(B, L, E) what the language model made of the vectors -> the mean cross-entropy in nats of the words to learn.

    A word is foretold at the place before it. Only there are logits made: they are most of the work of a small model.
    Raises ValueError where there is nothing to learn.
    """
    foretold = spliced.learn[:, 1:] & spliced.valid[:, :-1]
    if not bool(foretold.any()):
        raise ValueError("there is no answer to learn in this batch: mark the words of the answers in `learn`")
    logits = head(hidden[:, :-1][foretold])
    return F.cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), spliced.ids[:, 1:][foretold])
