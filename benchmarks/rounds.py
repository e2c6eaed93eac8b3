"""How any two things are timed here: in turns, in an order shuffled by the round, on a machine that is named.

A slow minute of the machine then falls on all contenders alike, and what counts is the ratio within a round.
"""

import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "minivit" / "teach" / "runs"
MOST = 41  # rounds


@dataclass(frozen=True)
class Contender:
    """A library, and the switches that it is run with."""

    name: str  # of a library
    explicit: bool = False  # attention as two matrix products and a softmax instead of the fused kernel
    raised: bool = False  # torch.set_float32_matmul_precision("medium")
    static: bool = False  # a cache with room for all from the start
    compiled: bool = False  # machine code for the prompt and for all tokens behind it
    alone: bool = False  # one thread

    def __str__(self) -> str:
        on = (word for word in ("explicit", "raised", "static", "compiled") if getattr(self, word))
        return ", ".join([self.name, *on, *["one thread"] * self.alone])


def measured(
    running: list[Contender], turn: Callable[[Contender], float], budget: float, long: float, keep: str = ""
) -> dict[str, list[float]]:
    """The seconds of every contender in every round; `turn` runs one of them and tells its seconds.

    Rounds are as many as fit in `budget` seconds, five at least, or three where one round alone takes more than `long`.
    Settings far from the best are left out, but for those of the name to `keep`.
    """
    start = time.perf_counter()
    tried = {one: turn(one) for one in running}  # the first call of a shape is slow: kernels are built
    if time.perf_counter() - start < long:
        tried = {one: turn(one) for one in running}
    worth = worth_running(tried)
    running = [one for one in running if one in worth or one.name == keep]
    each = sum(tried[one] for one in running)
    rounds = min(MOST, max(3 if each > long else 5, round(budget / each)))
    seconds: dict[str, list[float]] = {str(one): [] for one in running}
    for number in range(rounds):
        for one in random.Random(number).sample(running, len(running)):
            seconds[str(one)].append(float(f"{turn(one):.5g}"))
    return seconds


def worth_running(tried: dict[Contender, float]) -> list[Contender]:
    """Each library as it comes, and the settings that came within half of its best when they were tried."""
    least = {one.name: min(s for other, s in tried.items() if other.name == one.name) for one in tried}
    return [one for one, s in tried.items() if one == Contender(one.name) or s <= 1.5 * least[one.name]]


@contextmanager
def threads(count: int):
    """So many threads for one turn, put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def settings(dtype: str, raised: bool):
    """Matrix precision and autocast for one turn, put back afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if raised else "highest")
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bf16"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def chosen(cell: tuple, words: tuple[str, ...], kinds: tuple[tuple[str, ...], ...]) -> bool:
    """Whether the words leave a cell in: of each kind of which any is named, the cell's own must be among them."""
    mine = [next(str(value) for value in cell if str(value) in kind) for kind in kinds]
    return all(one in words or not set(kind) & set(words) for one, kind in zip(mine, kinds, strict=True))


def known(words: tuple[str, ...], kinds: tuple[tuple[str, ...], ...]) -> None:
    """Raises SystemExit for a word that means nothing here."""
    names = [name for kind in kinds for name in kind]
    unknown = sorted(set(words) - set(names))
    if unknown:
        raise SystemExit(f"--only knows {', '.join(names[:-1])} and {names[-1]}; not {', '.join(unknown)}")


def about(*libraries: str) -> dict:
    """The machine, the versions and the commit: a figure means nothing without them."""
    from benchmarks.__main__ import machine

    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "amx": torch.cpu._is_amx_tile_supported(),
        "commit": git.stdout.strip() or "unknown",
        "versions": {name: version(name) for name in libraries},
    }


def write(record: dict, path: Path) -> None:
    """Whole or not at all."""
    temporary = path.with_suffix(".json.part")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)
