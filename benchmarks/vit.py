"""How fast minivit's ViT is on the CPU beside timm, transformers and vit-pytorch, forward and in training.

Every contender of a cell takes its turn in every round, in an order shuffled by the round's number, so that a slow
minute of the machine falls on all alike. What counts is the median over the rounds of the ratio peer : minivit. minivit
is built with a class token against the peers that have one, and with a mean and fixed positions against SimpleViT. A
whole run is written to `minivit/teach/runs/bench_vit.json`, from which the book's page takes its tables.
"""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import simple_vit, switch_fused, timm_vit, transformers_vit, vit_pytorch_vit
from benchmarks.rounds import RUNS, Contender, about, chosen, known, measured, settings, write
from benchmarks.vit_table import PEERS, against, flops, tables
from minivit.pooling import mean_pool
from minivit.positions import SinCosPositions
from minivit.vit import ViT, ViTConfig, vit_config

RECORD = RUNS / "bench_vit.json"
CLASSES = 1000
MODELS = {
    "tiny": ViTConfig(size=64, patch=8, width=192, depth=6, heads=3),
    "Ti": vit_config("Ti/16"),
    "S": vit_config("S/16"),
    "B": vit_config("B/16"),
}
FORWARD, TRAIN = (1, 8, 32), {"tiny": 128, "Ti": 32, "S": 16, "B": 8}
KINDS = (tuple(MODELS), ("forward", "train"), ("fp32", "bf16"))
SECONDS, LONG = 20.0, 25.0  # a cell's budget; a round above which three rounds do


class Cell(NamedTuple):
    """One comparison."""

    model: str
    work: str  # "forward" or "train"
    batch: int
    dtype: str  # "fp32" or "bf16"


def minivit_class(config: ViTConfig, classes: int) -> nn.Module:
    """minivit's ViT as it comes: a class token, learned positions."""
    return ViT(config, head=nn.Linear(config.width, classes))


def minivit_mean(config: ViTConfig, classes: int) -> nn.Module:
    """minivit's ViT built as SimpleViT is: no class token, sine-cosine positions, the mean; no biases in attention."""
    config = ViTConfig(config.size, config.patch, width=config.width, depth=config.depth, heads=config.heads, prefix=0)
    head = nn.Linear(config.width, classes)
    model = ViT(config, positions=SinCosPositions(config.width), pool=mean_pool, head=head)
    for block in model.encoder.blocks:
        block.attention.qkv.bias = block.attention.out.bias = None
    return model


LIBRARIES: dict[str, Callable[[ViTConfig, int], nn.Module]] = {
    "minivit": minivit_class,
    "minivit mean": minivit_mean,
    "timm": timm_vit,
    "transformers": transformers_vit,
    "vit-pytorch": vit_pytorch_vit,
    "SimpleViT": simple_vit,
}
SWITCHED = ("timm", "transformers")  # the others have one form of attention


def contenders(dtype: str) -> list[Contender]:
    """Each library as it comes and with every switch; without fused attention, raised precision is raised at once."""
    found = []
    for library in LIBRARIES:
        found += [Contender(library), *[Contender(library, explicit=True)] * (library in SWITCHED and dtype == "bf16")]
        if dtype == "fp32":
            found.append(Contender(library, raised=True))
            found += [Contender(library, True, True)] * (library in SWITCHED)
    return found


def cells(words: tuple[str, ...] = ()) -> list[Cell]:
    """All comparisons, or those that the words leave in. Raises SystemExit for a word that means nothing here."""
    every = [
        Cell(model, work, batch, dtype)
        for dtype in ("bf16", "fp32")
        for work in ("train", "forward")
        for model in MODELS
        for batch in ((TRAIN[model],) if work == "train" else FORWARD)
    ]
    known(words, KINDS)
    return [cell for cell in every if chosen(cell, words, KINDS)]


def measure(cell: Cell) -> dict:
    """The seconds of every contender in every round."""
    config = MODELS[cell.model]
    torch.manual_seed(0)
    images, labels = torch.rand(cell.batch, 3, *config.size), torch.randint(CLASSES, (cell.batch,))
    models = {name: build(config, CLASSES).train(cell.work == "train") for name, build in LIBRARIES.items()}
    adamw = {
        name: torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
        for name, model in models.items()
        if cell.work == "train"
    }

    def turn(one: Contender) -> float:
        model = models[one.name]
        if one.name in SWITCHED:
            switch_fused(model, not one.explicit)
        start = time.perf_counter()
        with settings(cell.dtype, one.raised):
            if cell.work == "train":
                _step(model, adamw[one.name], images, labels)
            else:
                with torch.inference_mode():
                    model(images)
        return time.perf_counter() - start

    seconds = measured(contenders(cell.dtype), turn, SECONDS, LONG)
    return {**cell._asdict(), "flops": flops(config, CLASSES, cell.work), "seconds": seconds}


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    loss = F.cross_entropy(model(images), labels)
    with torch.autocast("cpu", enabled=False):
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def ceilings() -> dict[str, dict[str, float]]:
    """What this machine's matrix product reaches: FLOP/s, and the largest error by the largest true value."""
    found = {}
    for name, dtype, raised in (("fp32", "fp32", False), ("fp32 raised", "fp32", True), ("bf16", "bf16", False)):
        rates, worst = [], 0.0
        for side in (1024, 2048):
            generator = torch.Generator().manual_seed(side)
            a, b = torch.randn(2, side, side, generator=generator)
            a, b = (a.bfloat16(), b.bfloat16()) if dtype == "bf16" else (a, b)
            times = []
            with settings("fp32", raised):
                for _ in range(12):
                    start = time.perf_counter()
                    product = a @ b
                    times.append(time.perf_counter() - start)
            rates.append(2 * side**3 / statistics.median(times[2:]))
            if side == 1024:
                true = a.double() @ b.double()
                worst = float((product.double() - true).abs().max() / true.abs().max())
        found[name] = {"flops": float(f"{max(rates):.4g}"), "error": float(f"{worst:.2g}")}
    return found


def summary(cell: dict) -> str:
    """A line for the terminal: the two ratios to every peer, as they come / at best."""
    words = [f"{cell['model']:4} {cell['work']:7} {cell['batch']:3} {cell['dtype']}"]
    for peer in PEERS:
        plain, good = (against(cell, peer, at_best) for at_best in (False, True))
        words.append(f"{peer} {plain.median:.2f} / {good.median:.2f} ({good.low:.2f}-{good.high:.2f})")
    return "   ".join([*words, f"{len(cell['seconds']['minivit'])} rounds"])


def main(*words: str) -> None:
    record = {**about("timm", "transformers", "vit-pytorch"), "whole": not words, "ceilings": ceilings(), "cells": []}
    print("matrix products: " + ", ".join(f"{n} {c['flops'] / 1e9:.0f} GFLOP/s" for n, c in record["ceilings"].items()))
    print("peer : minivit, as they come / at their best settings (middle half of the rounds)", flush=True)
    for cell in cells(words):
        record["cells"].append(measure(cell))
        print(summary(record["cells"][-1]), flush=True)
    if not words:
        write(record, RECORD)
    print(tables(record))


if __name__ == "__main__":
    main()
