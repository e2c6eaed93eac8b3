"""Time and memory of the losses over pairs: minivit's chunked and plain, and open_clip's; forward and backward.

They are first asserted equal in value and gradient, then timed in turns. Beside them run the matrix products alone, as
many and in such blocks as minivit's chunked loss needs, with nothing in between: what is left above them is all that a
better loss could still save, and open_clip's time over theirs is the most that one with these products can be ahead.

Memory is what a process of its own needed at most for one forward and backward, beyond what it held before.
A whole run is written to `minivit/teach/runs/bench_losses.json`, from which the book's page takes its tables.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.pairs_table import losses_table
from benchmarks.peers import open_clip_loss
from benchmarks.rounds import ROOT, RUNS, Contender, about, chosen, known, measured, settings, write
from minivit.clip import clip_loss, clip_loss_chunked
from minivit.siglip import siglip_loss, siglip_loss_chunked

RECORD = RUNS / "bench_losses.json"
WIDTH, CHUNK, BATCHES, CHECKED = 512, 512, (1024, 4096, 16384), 1024
NUMBERS = {"sigmoid": (10.0, -10.0), "softmax": (1 / 0.07,)}  # the scale, and sigmoid's bias, at which training starts
KINDS = (tuple(NUMBERS), tuple(map(str, BATCHES)), ("default", "raised"))
LIBRARIES = ("minivit", "plain", "open_clip")
PRODUCTS = "products alone"
SECONDS, LONG = 8.0, 8.0  # a cell's budget; a round above which three rounds do
CLOSE = {"default": 1e-4, "raised": 0.05}  # the largest difference, by the largest value


class Cell(NamedTuple):
    """One comparison."""

    loss: str  # "sigmoid" or "softmax"
    batch: int
    precision: str  # "default" or "raised": torch.set_float32_matmul_precision("medium")
    steep: bool = False  # a scale of 100, with which minivit's chunked losses cannot use one exponential for all

    @property
    def numbers(self) -> tuple[float, ...]:
        """The scale, and for the sigmoid the bias."""
        return (100.0, *NUMBERS[self.loss][1:]) if self.steep else NUMBERS[self.loss]


def cells(words: tuple[str, ...] = ()) -> list[Cell]:
    """All comparisons, or those that the words leave in; the steep ones for one batch."""
    every = [
        Cell(loss, batch, precision, steep)
        for precision in KINDS[2]
        for loss in NUMBERS
        for batch in BATCHES
        for steep in ((False, True) if batch == BATCHES[1] else (False,))
    ]
    known(words, KINDS)
    return [cell for cell in every if chosen(cell, words, KINDS)]


def products_alone(count: int, image: Tensor, text: Tensor, *numbers: Tensor) -> None:
    """The `count` products of a chunked loss: logits, once or twice, and the gradients of images and texts."""
    found, buffer = torch.zeros(2, *image.shape), image.new_empty(min(CHUNK, len(image)) ** 2)
    with torch.no_grad():
        for again in range(count - 3, -1, -1):
            for i in range(0, len(image), CHUNK):
                for j in range(0, len(text), CHUNK):
                    a, b = image[i : i + CHUNK], text[j : j + CHUNK]
                    block = torch.mm(a, b.T, out=buffer[: len(a) * len(b)].view(len(a), len(b)))
                    if not again:
                        found[0, i : i + CHUNK].addmm_(block, b)
                        found[1, j : j + CHUNK].addmm_(block.T, a)


def forms(loss: str) -> dict[str, Callable]:
    """Everything that runs, called with images, texts and numbers."""
    if loss == "sigmoid":
        return {
            "minivit": partial(siglip_loss_chunked, chunk=CHUNK),
            "plain": siglip_loss,
            "open_clip": open_clip_loss("SigLipLoss"),
            PRODUCTS: partial(products_alone, 3),
        }
    return {
        "minivit": partial(clip_loss_chunked, chunk=CHUNK),
        "plain": clip_loss,
        "open_clip": open_clip_loss("ClipLoss"),
        PRODUCTS: partial(products_alone, 4),
    }


def leaves(cell: Cell) -> list[Tensor]:
    """Images and texts of length 1, of which row i is a little like row i, and the numbers; all want gradients."""
    image, noise = torch.randn(2, cell.batch, WIDTH, generator=torch.Generator().manual_seed(0))
    vectors = [F.normalize(part, dim=-1) for part in (image, image + 8 * noise)]
    return [part.requires_grad_() for part in (*vectors, *map(torch.tensor, cell.numbers))]


def step(form: Callable, parts: list[Tensor]) -> Tensor | None:
    """Forward and backward; the gradients are in the leaves."""
    for part in parts:
        part.grad = None
    if (loss := form(*parts)) is not None:
        loss.backward()
    return loss


def alike(cell: Cell) -> None:
    """AssertionError unless all libraries give one value and one gradient for the cell's first pairs."""
    parts, found = leaves(cell._replace(batch=min(cell.batch, CHECKED))), {}
    with settings("fp32", cell.precision == "raised"):
        for library in LIBRARIES:
            value = step(forms(cell.loss)[library], parts)
            found[library] = [value.detach(), *(part.grad for part in parts)]
    for library in LIBRARIES[1:]:
        for one, other in zip(found["minivit"], found[library], strict=True):
            worst = float((one - other).abs().max() / other.abs().max())
            assert worst <= CLOSE[cell.precision], f"{library} and minivit differ by {worst:.2g} in {cell}"


def measure(cell: Cell) -> dict:
    """The seconds of every contender in every round."""
    alike(cell)
    parts, running = leaves(cell), forms(cell.loss)
    if cell.steep:
        del running["plain"]

    def turn(one: Contender) -> float:
        start = time.perf_counter()
        with settings("fp32", cell.precision == "raised"):
            step(running[one.name], parts)
        return time.perf_counter() - start

    return {**cell._asdict(), "seconds": measured([Contender(name) for name in running], turn, SECONDS, LONG)}


def memory(cell: Cell, library: str) -> int | None:
    """The bytes that one forward and backward needs at most, in a process of its own; None where no /proc tells."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    command = [sys.executable, "-m", "benchmarks.losses", library, *map(str, cell[:3])]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def peak(call: Callable) -> int:
    """The most bytes that this process holds during the call, beyond those before it."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is now what is held now
    before = _held("VmRSS")
    call()
    return _held("VmHWM") - before


def _held(line: str) -> int:
    words = [one.split() for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(line)]
    return int(words[0][1]) * 1024


def _in_a_process_of_its_own(library: str, loss: str, batch: str, precision: str) -> None:
    form, cell = forms(loss)[library], Cell(loss, int(batch), precision)
    with settings("fp32", precision == "raised"):
        step(form, leaves(cell._replace(batch=16)))  # kernels and threads are no memory of the loss
        parts = leaves(cell)
        print(peak(lambda: step(form, parts)))


def main(*words: str) -> None:
    record = {**about("open_clip_torch"), "whole": not words, "width": WIDTH, "chunk": CHUNK, "cells": []}
    for cell in cells(words):
        found = measure(cell)
        if not cell.steep:
            found["memory"] = {library: memory(cell, library) for library in LIBRARIES}
        record["cells"].append(found)
        print(json.dumps(found), flush=True)
    if not words:
        write(record, RECORD)
    print(losses_table(record))


if __name__ == "__main__":
    _in_a_process_of_its_own(*sys.argv[1:])
