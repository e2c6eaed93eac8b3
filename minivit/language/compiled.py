"""A text as machine code: what does a token cost when nothing stands between its sums?

Legend: T tokens, D width, V vocabulary. One text.

`compiled_token` is the way of one token through the model, `compiled_prompt` that of many, side by side; here they get
the memory of a model and its cache. numba makes machine code of both, when they are first run, which then takes
seconds. The sums are those of `plain_step` and `Language.read` in another order; tests hold them equal. Several texts
are served better by torch: there a weight, once fetched, is used for all of them. So is a long prompt of a large model,
whose products are worth several threads.
"""

import weakref
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from minivit.language.cache import Cache, may_read
from minivit.language.compiled_prompt import LANES, prompt
from minivit.language.compiled_token import tokens
from minivit.language.model import LAST, CausalBlock, Language, LanguageConfig
from minivit.language.stepping import WholeStep, is_own
from minivit.patches import _whole

__all__ = ["CompiledStep", "compiled_step"]

AT_ONCE = 256  # tokens of a prompt, at most; fewer serve the processor worse, and more need room for S x T scores
BEGUN = -1  # stands for the id of a vector that is read
# A prompt's tokens times the weights of all blocks, up to which one thread of these loops was found as quick as two of
# torch's. Beyond that torch reads it, unless it has one thread too.
MOST = 2**28


def compiled_step(model: Language, cache: Cache) -> "CompiledStep":
    """One text as machine code: pass it to `stream` or `generate` as `stepping`. It reads the prompt too.

    The weights stay where they are. Raises ValueError for more texts than one, for other numbers than float32 and
    float64 on a CPU, and for a model whose parts were exchanged or are listened to, by LoRA or a hook for instance.
    """
    return CompiledStep(model, cache)


class CompiledStep(WholeStep):
    """See `compiled_step`. What it computes in is settled here; it gives no gradients."""

    def __init__(self, model: Language, cache: Cache):
        _fits(model, cache)
        weights, ends = list(map(_weights, model.blocks)), [model.table.weight, model.norm.weight, model.head.weight]
        _match([*ends, *cache.keys, *cache.values, *sum(weights, ())], model.config, cache.length)
        self.model, self.cache = model, cache
        (table, norm, head), blocks = map(_array, ends), tuple(tuple(map(_array, block)) for block in weights)
        keys, values = (tuple(_array(t[0]) for t in kept) for kept in (cache.keys, cache.values))
        cos, sin = (_array(t.to(model.table.weight.dtype)) for t in cache.turns)
        eps, room = table.dtype.type(model.config.eps), max(model.config.hidden, cache.length + LANES)
        powers, kept = np.empty(room, f"i{table.itemsize}"), (_array(cache.valid[0]), cos, sin, blocks, keys, values)
        self._kept, self._begun = (*kept, eps, powers), np.empty_like(norm)
        self._asked, self._told = np.zeros(3, np.int64), np.zeros(cache.length + 1, np.int64)
        self._ends, self._weights = np.zeros(len(table), np.bool_), sum(array.size for array in sum(blocks, ()))
        self._tokens = tokens(self._asked, self._told, self._ends, self._begun, table, *kept, norm, head, eps, powers)
        weakref.finalize(self, _end, self._asked, self._tokens).atexit = False

    def __call__(self, ids: Tensor) -> Tensor:
        """(1,) the id just written -> (1, V) logits. Raises ValueError beyond the vocabulary or the cache's room."""
        return self._read(self._within(int(ids), 1), 1)

    def prefill(self, vectors: Tensor, valid: Tensor | None = None) -> Tensor:
        """(1, T, D), and (1, T) True at real tokens -> (1, V) logits behind the last; the cache holds them then.

        A long prompt of a large model is left to torch's threads, where there are some. Raises ValueError as
        `Language.read` does.
        """
        model, cache, table, count = self.model, self.cache, self.model.table.weight, vectors.shape[1]
        quick = count * self._weights <= MOST or torch.get_num_threads() == 1
        if not quick or (vectors.dtype, vectors.device) != (table.dtype, table.device):
            return model.head(model.read(vectors, valid, cache, asking=LAST)[:, -1])
        model.check(vectors, valid, cache)
        places, _ = may_read(vectors.shape[:2], valid, cache, vectors.device)
        if isinstance(places, slice):
            places = torch.arange(places.start, places.stop)[None]
        *parts, (last, _) = zip(*(_parts(t[0]) for t in (vectors, places)), strict=True)
        for rows, at in parts:
            prompt(rows, cache.filled, at, *self._kept)
            cache.advance(len(rows))
        self._begun[:] = last[0]
        return self._read(BEGUN, 1)

    def decode(self, logits: Tensor, limit: int, stop: Iterable[int] = ()) -> Tensor:
        """Logits (1, V) behind the prompt -> (1, n) ids: what `greedy` takes, `limit` at most, or up to a `stop` token.

        The cache holds all but the last of them then. Raises ValueError where it has no room for so many.
        """
        first = self._within(int(logits.argmax()), _whole(limit, "the limit", "tokens") - 1)
        self._ends[:] = False
        self._ends[[token for token in map(int, stop) if 0 <= token < len(self._ends)]] = True
        if limit == 1 or self._ends[first]:
            return torch.tensor([[first]])
        self._read(first, limit - 1)
        return torch.from_numpy(self._told[None, : self._asked[0] + 1].copy())

    def _within(self, token: int, count: int) -> int:
        """The token, if it is one and there is room for it and those behind it: machine code would not notice."""
        at, room, vocabulary = self.cache.filled, self.cache.length, len(self._ends)
        if not 0 <= token < vocabulary or at + count > room:
            raise ValueError(
                f"ids are 0 to {vocabulary - 1}, and places 0 to {room - 1}; got {token} at {at}"
                + (f", and {count - 1} behind it" if count > 1 else "")
            )
        return token

    def _read(self, token: int, count: int) -> Tensor:
        """The token, and those that follow it, `count` in all at most -> (1, V), what may come after the last."""
        at = self.cache.filled
        place = max(0, int(self.cache.valid[0, : at + 1].sum()) - 1) if self.cache.padded else at
        self._told[0], self._asked[:] = token, (count, at, place)
        logits = torch.from_numpy(next(self._tokens)[None])
        self.cache.advance(int(self._asked[0]))
        return logits


def _fits(model: Language, cache: Cache) -> None:
    table = model.table.weight
    fits = table.device.type == "cpu" and table.dtype in (torch.float32, torch.float64)
    if not fits or torch.is_autocast_enabled("cpu"):
        raise ValueError(
            f"the compiled step computes in float32 or float64 on a CPU, without autocast; got {table.dtype} on "
            f"{table.device}: leave out `stepping`"
        )
    if len(cache.valid) != 1:
        raise ValueError(f"the compiled step writes one text; got {len(cache.valid)}: leave out `stepping`")
    if not is_own(model):
        raise ValueError(
            "the compiled step knows the parts of a plain `Language` alone: merge LoRA (`merge_lora`), remove hooks, "
            "or leave out `stepping`"
        )


def _match(tensors: list[Tensor], config: LanguageConfig, length: int) -> None:
    """ValueError unless all are as the first, and of the sizes that machine code takes for granted."""
    kind, device = tensors[0].dtype, tensors[0].device
    if [tuple(t.shape) for t in tensors] != _sizes(config, length):
        raise ValueError("weights and cache must be of the sizes that the config says (see `Cache.of`)")
    if not all(t.dtype == kind and t.device == device and t.is_contiguous() for t in tensors):
        raise ValueError(
            f"weights and cache must be contiguous, and all of them {kind} on {device}: give the model one type "
            f"(`model.to`), and make its cache afterwards"
        )


def _parts(t: Tensor) -> list[np.ndarray]:
    """(T, ...) -> arrays of all but the last, one after the other and about equally long, and of the last one."""
    array, count = _array(t.contiguous()), len(t) - 1
    return [*np.array_split(array[:-1], -(-count // AT_ONCE)), array[-1:]] if count else [array]


def _end(asked: np.ndarray, told: Iterator[np.ndarray]) -> None:
    """A generator of machine code that is merely dropped keeps its arrays for good."""
    asked[0] = 0
    next(told, None)


def _weights(block: CausalBlock) -> tuple[Tensor, ...]:
    attention, mlp = block.attention, block.mlp
    parts = block.norm1, attention.qkv, attention.out, block.norm2, mlp.gate_up, mlp.down
    return tuple(part.weight for part in parts)


def _sizes(c: LanguageConfig, length: int) -> list[tuple[int, ...]]:
    """Of table, last norm and head, of all keys and values, and of the blocks' weights."""
    width, lines = c.width, (c.heads + 2 * c.kv_heads) * c.head_dim
    block = [(width,), (lines, width), (width, width), (width,), (2 * c.hidden, width), (width, c.hidden)]
    table, kept = (c.vocabulary, width), (1, c.kv_heads, length, c.head_dim)
    return [table, (width,), table, *[kept] * (2 * c.depth), *block * c.depth]


def _array(t: Tensor) -> np.ndarray:
    """The same memory."""
    return t.detach().numpy()
