"""Writing: read a prompt, choose a token, read that one, and so on until it is enough.

Legend: B texts, T prompt tokens, n tokens written so far, D width, V vocabulary.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from minivit.language.cache import Cache
from minivit.language.model import LAST, Language
from minivit.language.sampling import greedy
from minivit.language.stepping import Step, Stepping, WholeStep, is_own, stepping
from minivit.patches import _whole

Choice = Callable[[Tensor], Tensor]  # (B, V) logits -> (B,) ids
PART = 2_560  # bytes that a CPU's part of a batch has for one number of each of its tokens: 640 tokens in float32
Allowed = Callable[[Tensor], Tensor]  # (B, n) ids written so far -> (B, V) bool, True where a token may follow


class Written(NamedTuple):
    """What was written after each prompt."""

    ids: Tensor  # (B, n): after a row's stop token comes nothing but that token
    lengths: Tensor  # (B,) tokens before the stop token, or n
    stopped: Tensor  # (B,) bool: False where the limit cut the text off


def left_padded(prompts: Iterable[Iterable[int]], pad: int = 0) -> tuple[Tensor, Tensor]:
    """B lists of ids -> ids (B, T) and valid (B, T), padded on the left, so that writing starts at one place for all.

    Raises ValueError, naming it, for a prompt without a token.
    """
    rows = [list(prompt) for prompt in prompts]
    empty = [i for i, row in enumerate(rows) if not row]
    if empty or not rows:
        raise ValueError(f"prompt {empty[0]} of {len(rows)} is empty: begin it with a start token" if rows else
                         "there are no prompts: give at least one")  # fmt: skip
    length = max(map(len, rows))
    ids = torch.tensor([[pad] * (length - len(row)) + row for row in rows], dtype=torch.int64)
    valid = torch.tensor([[False] * (length - len(row)) + [True] * len(row) for row in rows])
    return ids, valid


@torch.inference_mode()
def stream(
    model: Language,
    prompt: Tensor,
    *,
    limit: int,
    stop: Iterable[int] = (),
    valid: Tensor | None = None,
    choose: Choice = greedy,
    allowed: Allowed | None = None,
    cache: Cache | bool = True,
    stepping: Stepping = stepping,
) -> Iterator[Tensor]:
    """Prompts, ids (B, T) or vectors (B, T, D) -> (B,) ids, one time after the other, `limit` times at most.

    It ends when every row has written one of the `stop` tokens; a row that has goes on with that token. `valid` (B, T)
    is False at padding, which stands on the left. `allowed` sees what was written and says what may follow.

    `cache` is True for a new one; False reads everything again for each token, which gives the same and is slow; a
    `Cache` is gone on with: the prompt follows what it holds, and it holds the new turn at the end, but for the token
    written last in each row. `stepping` makes the step from token to token (a quicker one, which reads the prompt too:
    `compiled.compiled_step`). Raises ValueError where prompt and limit do not fit the context, saying by how much.
    """
    yield from _stream(model, prompt, limit, tuple(stop), valid, choose, allowed, cache, stepping)


def generate(
    model: Language,
    prompt: Tensor,
    *,
    limit: int,
    stop: Iterable[int] = (),
    valid: Tensor | None = None,
    choose: Choice = greedy,
    allowed: Allowed | None = None,
    cache: Cache | bool = True,
    stepping: Stepping = stepping,
) -> Written:
    """All that `stream` writes, (B, T) or (B, T, D) -> `Written`. Arguments and errors are those of `stream`.

    Where the most likely token is chosen and anything may follow, a compiled step writes the whole text at once.
    """
    stop = tuple(stop)
    with torch.inference_mode():  # once, and not at every token as a stream that others run must
        told = list(_stream(model, prompt, limit, stop, valid, choose, allowed, cache, stepping, at_once=True))
    ids = torch.stack(told, dim=1)
    ended = torch.isin(ids, torch.tensor(stop, dtype=torch.int64, device=ids.device))
    stopped = ended.any(dim=1)
    return Written(ids, torch.where(stopped, ended.int().argmax(dim=1), ids.shape[1]), stopped)


def _stream(
    model: Language, prompt: Tensor, limit: int, stop: tuple[int, ...], valid: Tensor | None, choose: Choice,
    allowed: Allowed | None, cache: Cache | bool, stepping: Stepping, at_once: bool = False,
) -> Iterator[Tensor]:  # fmt: skip
    _whole(limit, "the limit", "tokens")
    prompt, stops = _vectors(model, prompt), torch.tensor(sorted(stop), dtype=torch.int64, device=prompt.device)
    batch, count = prompt.shape[:2]
    if valid is not None and valid.shape == (batch, count) and not bool(valid[:, -1].all()):
        row = int((~valid[:, -1]).nonzero()[0, 0])
        raise ValueError(f"prompt {row} of {batch} ends in padding: pad on the left (see `left_padded`)")
    kept = isinstance(cache, Cache)  # somebody may go on with it
    cache = _room(model, cache, batch, count, limit)
    step = _from_the_start(model, prompt, valid) if cache is None else stepping(model, cache)
    written = torch.empty(batch, limit, dtype=torch.int64, device=prompt.device)
    done = torch.zeros(batch, dtype=torch.bool, device=prompt.device)
    whole, chosen = isinstance(step, WholeStep), None
    logits = step.prefill(prompt, valid) if whole else model.head(_last(model, prompt, valid, cache))
    if whole and at_once and allowed is None and choose is greedy:
        yield from step.decode(logits, limit, stop).unbind(dim=1)
        return
    for n in range(limit):
        if allowed is not None:
            logits = _held(logits, allowed(written[:, :n]), n, done)
        before, chosen = chosen, choose(logits)
        if stop:
            chosen = torch.where(done, before, chosen) if n else chosen
            done |= torch.isin(chosen, stops)
        if allowed is not None:
            written[:, n] = chosen
        yield chosen
        if stop and bool(done.all()):
            return
        if n + 1 < limit:
            logits = step(chosen)
            if kept and bool(done.any()):  # a row that stopped goes on for company: its next turn must not read that
                cache.forget_last(done)


def _vectors(model: Language, prompt: Tensor) -> Tensor:
    vectors = prompt if prompt.is_floating_point() else model.embed(prompt)
    if vectors.ndim != 3 or 0 in vectors.shape[:2]:
        raise ValueError(f"a prompt is ids (B, T) or vectors (B, T, D), T at least 1; got shape {tuple(prompt.shape)}")
    return vectors


def _room(model: Language, cache: Cache | bool, batch: int, count: int, limit: int) -> Cache | None:
    """The cache, with room for the prompt and all but the last of the new tokens, which nobody reads; None without."""
    read = cache.filled if isinstance(cache, Cache) else 0
    needed = read + count + limit - 1
    room = min(model.config.context, cache.length) if isinstance(cache, Cache) else model.config.context
    if needed > room:
        raise ValueError(
            f"{read + count} tokens of prompt and {limit} to be written need room for {needed}, {needed - room} more "
            f"than there is ({room}): write at most {max(0, room - read - count + 1)}, shorten the prompt, or take "
            f"fewer slots an image (see `bridge.Budget`)"
        )
    if cache is False:
        return None
    return cache if isinstance(cache, Cache) else Cache.of(model, batch, needed)


def _last(model: Language, prompt: Tensor, valid: Tensor | None, cache: Cache | None) -> Tensor:
    """(B, T, D) -> (B, D), what is read of the last tokens. A CPU reads a large batch in parts.

    In a narrow model what lies between two of their sums then stays in the processor's own memory, and less of the
    other is asked for.
    """
    batch, count = prompt.shape[:2]
    texts = max(1, PART // (count * prompt.element_size()))
    large = batch > texts and prompt.device.type == "cpu" and cache is not None and len(cache.valid) == batch
    marked = valid is None or (valid.shape == (batch, count) and valid.dtype == torch.bool)
    if not (large and marked and is_own(model)):  # a part of somebody's own may count on the whole batch
        return model.read(prompt, valid, cache, asking=LAST)[:, -1]
    parts = cache.split(texts)
    marks = [None] * len(parts) if valid is None else valid.split(texts)
    told = [
        model.read(vectors, real, part, asking=LAST)[:, -1]
        for vectors, real, part in zip(prompt.split(texts), marks, parts, strict=True)
    ]
    cache.join(parts, count)
    return torch.cat(told)


def _from_the_start(model: Language, vectors: Tensor, valid: Tensor | None) -> Step:
    """Without a cache: the prompt and all that was written are read again for each token."""

    def step(ids: Tensor) -> Tensor:
        nonlocal vectors, valid
        vectors = torch.cat([vectors, model.table(ids[:, None])], dim=1)
        valid = None if valid is None else torch.cat([valid, valid[:, -1:]], dim=1)
        return model.head(model.read(vectors, valid, asking=LAST)[:, -1])

    return step


def _held(logits: Tensor, allowed: Tensor, n: int, done: Tensor) -> Tensor:
    """Logits with -inf where nothing may follow; ValueError where nothing at all may, in a row that is not done."""
    if allowed.dtype != torch.bool or allowed.shape != logits.shape:
        raise ValueError(
            f"allowed gives (B, V) = {tuple(logits.shape)} of True and False; got {allowed.dtype} of shape "
            f"{tuple(allowed.shape)}"
        )
    allowed = allowed | done[:, None]
    stuck = ~allowed.any(dim=1)
    if bool(stuck.any()):
        raise ValueError(f"no token may follow the {n} written in row {int(stuck.nonzero()[0, 0])}: allow a stop token")
    return logits.masked_fill(~allowed, -torch.inf)
