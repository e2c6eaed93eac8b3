"""Tokens a second: minivit's cached writing beside transformers' `generate` and a loop by hand over its model.

All carry the same weights, at random. Before anything is timed they write, greedily, after the same prompts: in float32
every library with every setting must write the same tokens, and minivit's cache the same as no cache. In bfloat16 the
libraries round in other places, and a model of random weights soon goes other ways: there the logits behind the prompt
are compared, and those of the cached tokens with those of the whole text read at once. Then they take turns, as in
`vit`. A whole run is written to `minivit/teach/runs/bench_language.json`, from which the book's page takes its table.
"""

import time
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks import language_peers
from benchmarks.language_peers import Write
from benchmarks.language_table import PEERS, PROMPT, language_table, row
from benchmarks.rounds import RUNS, Contender, about, chosen, known, measured, threads, write
from minivit.language import Cache, Language, LanguageConfig, generate
from minivit.language.compiled import compiled_step
from minivit.language.stepping import stepping

RECORD = RUNS / "bench_language.json"
PROMPTS = {"long": (160, 64), "short": (8, 192)}  # tokens of the prompt, tokens to write
MODELS = {
    "tiny": LanguageConfig(512, 256, 128, depth=4, heads=4, hidden=352),
    "small": LanguageConfig(4096, 256, 512, depth=8, heads=8, hidden=1376),
}
DTYPES, BATCHES = {"fp32": torch.float32, "bf16": torch.bfloat16}, (1, 16)
KINDS = (tuple(MODELS), tuple(DTYPES), tuple(map(str, BATCHES)), tuple(PROMPTS))
SECONDS, LONG = 20.0, 30.0  # a cell's budget; a round above which three rounds do
CLOSE = 0.05  # bfloat16: the largest difference of logits, by the largest logit


class Cell(NamedTuple):
    """One comparison."""

    model: str  # "tiny" or "small"
    dtype: str  # "fp32" or "bf16", of the weights and all else
    batch: int
    prompt: str = "long"  # or "short"


def cells(words: tuple[str, ...] = ()) -> list[Cell]:
    """All comparisons, or those that the words leave in. Only the tiny one writes much after a short prompt, alone."""
    every = [Cell(model, dtype, batch) for dtype in DTYPES for model in MODELS for batch in BATCHES]
    every += [Cell("tiny", dtype, 1, "short") for dtype in DTYPES]
    known(words, KINDS)
    return [cell for cell in every if chosen(cell, words, KINDS)]


def contenders(cell: Cell) -> list[Contender]:
    """Each library as it comes and with its switches, with all threads and with one; minivit's prompt alone too."""
    compiles = cell.batch == 1 and cell.dtype == "fp32"  # what `compiled_step` is for
    own = [Contender("minivit"), *[Contender("minivit", compiled=True)] * compiles]
    peers = [
        Contender(name, explicit=explicit, static=static)
        for name in PEERS
        for explicit in (False, True)
        for static in (False, True)
    ]
    plain = [*own, *(replace(one, name=PROMPT) for one in own), *peers]
    return [*plain, *(replace(one, alone=True) for one in plain)]


def build(config: LanguageConfig, dtype: torch.dtype = torch.float32) -> Language:
    """minivit's model at random, wide enough that its choices are clear and its texts do not repeat one token."""
    model, generator = Language(config).eval(), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(noise * weight.shape[1] ** -0.5 if weight.ndim == 2 else 1 + 0.1 * noise)
        model.table.weight *= config.width**0.5
    return model.to(dtype)


def prompt(config: LanguageConfig, batch: int, count: int) -> Tensor:
    """(B, T) ids."""
    return torch.randint(config.vocabulary, (batch, count), generator=torch.Generator().manual_seed(1))


class Writers:
    """Everything that writes, with the same weights: called with a contender, ids (B, T) and a number of new tokens."""

    def __init__(self, config: LanguageConfig, dtype: torch.dtype):
        self.ours = build(config, dtype)
        self.theirs = language_peers.llama(self.ours)

    def writer(self, one: Contender) -> Write:
        """Its switches are set; what comes back writes."""
        if one.name in PEERS:
            self.theirs.set_attn_implementation("eager" if one.explicit else "sdpa")
            return getattr(language_peers, one.name)(self.theirs, one.static)
        step = compiled_step if one.compiled else stepping
        return lambda ids, new: generate(self.ours, ids, limit=1 if one.name == PROMPT else new, stepping=step).ids

    def timed(self, one: Contender, ids: Tensor, new: int) -> tuple[Tensor, float]:
        """(B, T) -> (B, new), and the seconds that it took."""
        with threads(1 if one.alone else torch.get_num_threads()):
            writer = self.writer(one)
            start = time.perf_counter()
            told = writer(ids, new)
            return told, time.perf_counter() - start

    def __call__(self, one: Contender, ids: Tensor, new: int) -> Tensor:
        """(B, T) -> (B, new)."""
        return self.timed(one, ids, new)[0]


def alike(writers: Writers, running: list[Contender], ids: Tensor, new: int) -> None:
    """AssertionError unless all write the same, with the cache as without; in bfloat16, unless logits are close."""
    told = writers(Contender("minivit"), ids, new)
    if writers.ours.table.weight.dtype == torch.bfloat16:
        return close(writers, ids, told)
    again = generate(writers.ours, ids, limit=new, cache=False).ids
    assert torch.equal(told, again), "minivit writes other words without its cache"
    for one in running:
        if one.name != PROMPT:
            assert torch.equal(told, writers(one, ids, new)), f"{one} and minivit write other words"


@torch.inference_mode()
def close(writers: Writers, ids: Tensor, told: Tensor) -> None:
    """AssertionError unless logits of both libraries are close, and with the cache those of all that was written."""
    ours, text = writers.ours, torch.cat([ids, told[:, :-1]], dim=1)
    cache = Cache.of(ours, *text.shape)
    step, behind = stepping(ours, cache), ours(ids, cache=cache)
    cached = torch.stack([behind[:, -1], *map(step, told[:, :-1].unbind(1))], dim=1)
    for name, one, other in (
        ("transformers", writers.theirs(input_ids=ids).logits, behind),
        ("no cache", ours(text)[:, ids.shape[1] - 1 :], cached),
    ):
        worst = float((one - other).abs().max() / other.abs().max())
        assert worst <= CLOSE, f"{name} and minivit differ by {worst:.2g} of the largest logit"


def measure(cell: Cell) -> dict:
    """The seconds of every contender in every round."""
    config, running, (read, new) = MODELS[cell.model], contenders(cell), PROMPTS[cell.prompt]
    writers, ids = Writers(config, DTYPES[cell.dtype]), prompt(config, cell.batch, read)
    alike(writers, running, ids, new)

    def turn(one: Contender) -> float:
        return writers.timed(one, ids, new)[1]

    return {**cell._asdict(), "read": read, "new": new, "seconds": measured(running, turn, SECONDS, LONG, keep=PROMPT)}


def main(*words: str) -> None:
    record = {**about("transformers", "numba"), "whole": not words, "cells": []}
    print("generate : minivit and the loop by hand : minivit are the last two ratios", flush=True)
    for cell in cells(words):
        record["cells"].append(measure(cell))
        for at_best in (False, True):
            print(*row(record["cells"][-1], at_best), sep="  ", flush=True)
    if not words:
        write(record, RECORD)
    print(language_table(record))
