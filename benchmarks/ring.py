"""Bytes sent by the sigmoid loss round its ring, counted, against gathering; and how much of others' each holds.

Three losses run in 1 to 8 processes: the sigmoid loss round the ring, the same loss on gathered texts, and the softmax
loss, which gathers images and texts. Each gives the loss of the whole batch, which is checked. A whole run is written
to `minivit/teach/runs/bench_ring.json`, from which the book's page takes its table.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.pairs_table import ring_table
from benchmarks.rounds import RUNS, about, write
from minivit.clip import clip_loss, clip_loss_gathered, mean_of_processes
from minivit.distributed import Traffic, gather, place, run
from minivit.siglip import siglip_loss, siglip_loss_ring

RECORD = RUNS / "bench_ring.json"
PROCESSES, ROWS, WIDTH = range(1, 9), 64, 512
SCALE, BIAS = 10.0, -10.0


def sigmoid_gathered(image: Tensor, text: Tensor, traffic: Traffic) -> Tensor:
    """(n, E), (n, E) -> (): `siglip_loss` of all processes' rows, of equal number, with every text in every process."""
    rank, count = place()
    texts = gather(text, [len(text)] * count, traffic)
    logits = SCALE * (image @ texts.T) + BIAS
    belongs = torch.arange(len(image))[:, None] + rank * len(image) == torch.arange(len(texts))
    return mean_of_processes(F.softplus(torch.where(belongs, -logits, logits)).sum() / len(texts))


LOSSES = {
    "ring": lambda image, text, traffic: siglip_loss_ring(image, text, SCALE, BIAS, traffic=traffic),
    "gathered texts": sigmoid_gathered,
    "gathered texts and images": lambda image, text, traffic: clip_loss_gathered(image, text, SCALE, traffic),
}


def vectors(count: int, width: int) -> tuple[Tensor, Tensor]:
    """Images and texts, (count, width) each, of length 1."""
    return F.normalize(torch.randn(2, count, width, generator=torch.Generator().manual_seed(0)), dim=-1).unbind()


def counted(rows: int, width: int) -> dict[str, dict]:
    """What one process sent and held, forward and backward, by loss. AssertionError unless each value is right."""
    torch.set_num_threads(1)
    (rank, count), found = place(), {}
    images, texts = vectors(rows * count, width)
    right = {"gathered texts and images": float(clip_loss(images, texts, SCALE))}
    sigmoid = float(siglip_loss(images, texts, SCALE, BIAS))
    mine = slice(rank * rows, (rank + 1) * rows)
    for name, loss in LOSSES.items():
        traffic = Traffic()
        value = loss(images[mine].clone().requires_grad_(), texts[mine].clone().requires_grad_(), traffic)
        value.backward()
        expected = right.get(name, sigmoid)
        assert abs(float(value.detach()) - expected) < 1e-4 * expected, f"{name}: {value} is not {expected}"
        found[name] = {
            "sent": traffic.sent,
            "held": sum(traffic.peak[way] for way in traffic.peak if way != "gradient"),
        }
    return found


def measure(processes: int, rows: int = ROWS, width: int = WIDTH) -> dict:
    """The most that any process sent and held."""
    told = run(counted, processes, rows, width)
    most = {name: {kind: max(one[name][kind] for one in told) for kind in ("sent", "held")} for name in LOSSES}
    return {"processes": processes, **most}


def main(*words: str) -> None:
    if words:
        raise SystemExit("this section has no parts: leave out --only")
    cells = [measure(processes) for processes in PROCESSES]
    record = {**about(), "whole": True, "rows": ROWS, "width": WIDTH, "cells": cells}
    write(record, RECORD)
    print(ring_table(record))
