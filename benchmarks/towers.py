"""Both towers of CLIP ViT-B/32: minivit beside open_clip and transformers, forward and in training.

All three carry the same weights, and their vectors and losses are asserted equal before anything is timed. Then they
take turns, as in `vit`. A whole run is written to `minivit/teach/runs/bench_towers.json`, from which the book's page
takes its table.
"""

import time
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks import clip_peers
from benchmarks.pairs_table import faster_peer, towers_table
from benchmarks.rounds import RUNS, Contender, about, chosen, known, measured, settings, write
from minivit.clip import CLIP

RECORD = RUNS / "bench_towers.json"
LIBRARIES = {"minivit": clip_peers.Ours, "open_clip": clip_peers.OpenCLIP, "transformers": clip_peers.Transformers}
SIZES = {"forward": ((1, 77), (16, 77), (16, 16)), "train": ((16, 77),)}  # pairs, and the tokens of the longest text
KINDS = (("forward", "train"), ("fp32", "bf16"))
SECONDS, LONG = 12.0, 10.0  # a cell's budget; a round above which three rounds do


class Cell(NamedTuple):
    """One comparison."""

    work: str  # "forward" or "train"
    dtype: str  # "fp32" or "bf16"
    batch: int
    tokens: int  # of the longest text; every row of ids has as many as the text tower has places


def cells(words: tuple[str, ...] = ()) -> list[Cell]:
    """All comparisons, or those that the words leave in."""
    every = [Cell(work, dtype, *sizes) for work in KINDS[0] for dtype in KINDS[1] for sizes in SIZES[work]]
    known(words, KINDS)
    return [cell for cell in every if chosen(cell, words, KINDS)]


def contenders(dtype: str) -> list[Contender]:
    """Each library as it comes and with every switch; open_clip has one form of attention."""
    found = []
    for library in LIBRARIES:
        found += [Contender(library), *[Contender(library, explicit=True)] * (library == "transformers")]
        if dtype == "fp32":
            found += [Contender(library, raised=True), *[Contender(library, True, True)] * (library == "transformers")]
    return found


def batch(model: CLIP, pairs: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, H, W), and texts (B, T): a start, words, an end, zeros. The first is the longest."""
    generator = torch.Generator().manual_seed(0)
    text = model.text_tower.config
    images = torch.randn(pairs, 3, *model.image_tower.config.size, generator=generator)
    ids = torch.randint(1, text.vocabulary - 2, (pairs, text.length), generator=generator)
    ends = torch.randint(2, tokens, (pairs,), generator=generator)
    ends[0] = tokens - 1
    ids[:, 0] = text.vocabulary - 2
    ids[torch.arange(pairs), ends] = text.vocabulary - 1
    return images, ids.masked_fill(torch.arange(text.length) > ends[:, None], 0)


def build(model: CLIP) -> dict[str, nn.Module]:
    """Every library's model with the weights of ours. AssertionError unless vectors, loss and gradient are equal."""
    models = {name: kind(model) for name, kind in LIBRARIES.items()}
    images, ids = batch(model, 3, min(9, model.text_tower.config.length))
    found = {}
    for name, one in models.items():
        pictures = images.clone().requires_grad_()
        loss = one.eval().objective(pictures, ids)
        (gradient,) = torch.autograd.grad(loss, pictures)
        with torch.inference_mode():
            found[name] = [*one(images, ids)[:2], loss.detach(), gradient]
    for name in models:
        for ours, theirs in zip(found["minivit"], found[name], strict=True):
            torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    return models


def measure(cell: Cell, models: dict[str, nn.Module]) -> dict:
    """The seconds of every contender in every round."""
    images, ids = batch(models["minivit"].model, cell.batch, cell.tokens)
    adamw = {}
    for name, model in models.items():
        model.train(cell.work == "train")
        if cell.work == "train":
            adamw[name] = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def turn(one: Contender) -> float:
        model = models[one.name]
        if one.name == "transformers":
            model.switch_fused(not one.explicit)
        start = time.perf_counter()
        with settings(cell.dtype, one.raised):
            if cell.work == "train":
                step(model, adamw[one.name], images, ids)
            else:
                with torch.inference_mode():
                    model(images, ids)
        return time.perf_counter() - start

    return {**cell._asdict(), "seconds": measured(contenders(cell.dtype), turn, SECONDS, LONG)}


def step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, ids: Tensor) -> None:
    """One step of training by the library's own loss."""
    loss = model.objective(images, ids)
    with torch.autocast("cpu", enabled=False):
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def main(*words: str) -> None:
    record = {**about("open_clip_torch", "transformers"), "whole": not words, "cells": []}
    torch.manual_seed(0)
    models = build(clip_peers.ours())
    print("the faster of open_clip and transformers : minivit, as they come / at their best settings", flush=True)
    for cell in cells(words):
        record["cells"].append(measure(cell, models))
        plain, good = (faster_peer(record["cells"][-1], at_best) for at_best in (False, True))
        print(*cell, f"{plain} / {good}", flush=True)
    if not words:
        write(record, RECORD)
    print(towers_table(record))


if __name__ == "__main__":
    main()
