"""Lesson 12's recorded run: how much a bridge carries, by merger and by stage, and how long an answer takes.

    python tools/runs/bridge.py [PART ...]      about forty minutes on one core
    python tools/runs/bridge.py latency         a minute, on a machine that does nothing else
    writes minivit/teach/runs/bridge.json

Parts: `mergers`, the first stage with every merger; `stages`, the second stage behind it, beside more of the first;
`continued`, more of the first stage at further rates, for a hundred steps do not tell its rates apart;
`latency`; `short`, for the tests. All mergers, and all ways to go on, get the same scenes, the same number of steps and
six rates each, tried for a quarter of the steps on a seed that no reported run has; the ways to go on are tried behind
the first reported bridge, on talks of their own. The rate with the lowest mean of its trial's last two losses is then
run with three seeds. A finished run is kept in a folder (MINIVIT_PARTS) and not run again; the record holds what is
finished.
"""

import copy
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from minivit import zoo
from minivit.bridge import (
    AveragePool,
    Bridge,
    Keep,
    PixelShuffle,
    Resampler,
    Seen,
    linear_projector,
    second_stage,
    two_layer_projector,
)
from minivit.language import Language, LanguageConfig
from minivit.lora import LoRA
from minivit.teach import bridging
from minivit.teach.bridging import CAPTIONED, SHOWN, Looked
from minivit.train import Shuffled, adamw, train
from minivit.zoo import speaking
from minivit.zoo.shelf import Trained

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "bridge.json"
FOLDER = Path(os.environ.get("MINIVIT_PARTS") or Path(tempfile.gettempdir()) / "minivit-bridge")
MERGERS = {  # name -> (merger, projector)
    "keep 64": (Keep, linear_projector),
    "shuffle 16": (lambda: PixelShuffle(2), linear_projector),
    "shuffle 16, two layers": (lambda: PixelShuffle(2), two_layer_projector),
    "average 16": (lambda: AveragePool(2), linear_projector),
    "average 4": (lambda: AveragePool(4), linear_projector),
    "resampler 16": (lambda: Resampler(bridging.WIDTH, 16), linear_projector),
}
LIVE = "shuffle 16"
WAYS = ("the projector alone", "LoRA of rank 8", "the whole language model")
RATES = {"mergers": (3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), "stages": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)}
FURTHER = (3e-3, 1e-2, 3e-2)  # rates for going on with the projector alone, whatever the trials say
SEEDS, TRIAL_SEED, STEPS, TRIAL_STEPS, BATCH, REPORTS = (1, 2, 3), 0, 400, 100, 32, 5
SEEN, JUDGED = 6_000, 500
FOLLOWED = ("colour", "badge")  # while it learns


def data(seen: int = SEEN, judged: int = JUDGED) -> tuple[Looked, Looked]:
    """What the tower sees of training scenes, and of scenes whose combination no training scene has."""
    tower = zoo.load("clip-panels").model.image_tower
    return bridging.looked(tower, seen, "train"), bridging.looked(tower, judged, "test")


def built(merger: str, seed: int, trained: Trained) -> Bridge:
    """The bridge before its first stage, from a seed; the language model is a copy."""
    torch.manual_seed(seed)
    merge, project = MERGERS[merger]
    tower = zoo.load("clip-panels").model.image_tower
    return bridging.bridged(tower, copy.deepcopy(trained.model), merge(), project)


def taught(
    bridge: Bridge, trained: Trained, seen: Looked, judged: Looked, rate: float, seed: int, steps: int = STEPS
) -> dict:
    """Train what learns in a bridge -> its losses, and what of the followed topics it knew on the way."""
    batches = Shuffled(*bridging.talks(trained.tokenizer, seen.scenes, seed), batch=BATCH, seed=seed)
    start, trial = time.process_time(), steps == TRIAL_STEPS
    history = train(
        bridge, batches, bridging.telling(seen), steps=steps, optimizer=adamw(bridge, rate), progress=False,
        every=max(1, steps // REPORTS),
        on_report=None if trial else lambda step, bridge: bridging.scores(bridge, trained.tokenizer, judged, FOLLOWED),
    )  # fmt: skip
    told = {"rate": rate, "seed": seed, "steps": steps, "cpu_seconds": round(time.process_time() - start, 1)}
    told |= {"at": history.steps, "losses": _short(history.losses)}
    return told if trial else told | {topic: _short(history.reported(topic)[1]) for topic in FOLLOWED}


def first(merger: str, rate: float, seed: int, trained: Trained, seen: Looked, judged: Looked, steps=STEPS) -> dict:
    """The first stage with a merger, and what it came to: every captioned topic, by whose picture was shown."""
    bridge = built(merger, seed, trained)
    told = {"merger": merger, "slots": bridge.merge.slots(bridging.GRID), "weights": _learning(bridge)}
    told |= taught(bridge, trained, seen, judged, rate, seed, steps)
    if steps == TRIAL_STEPS:
        return told
    told |= {"ends": {shown: _asked(bridge, trained, judged, CAPTIONED, shown) for shown in SHOWN}}
    if merger == LIVE:
        told["topics"] = _asked(bridge, trained, judged, speaking.topics())
    if merger == LIVE and steps == STEPS:
        _keep_weights(bridge, seed)
    return told


def second(way: str, rate: float, seed: int, trained: Trained, seen: Looked, judged: Looked, steps=STEPS) -> dict:
    """What goes on behind the live recipe's first stage of this seed, for as many steps again."""
    bridge = built(LIVE, seed, trained)
    _put_back(bridge, max(seed, SEEDS[0]))  # a trial goes on from the first reported run, on talks of its own
    before = copy.deepcopy(bridge)
    torch.manual_seed(seed)
    if way != WAYS[0]:
        second_stage(bridge, 8 if way == WAYS[1] else None)
    told = {"way": way, "weights": _learning(bridge)}
    told |= taught(bridge, trained, seen, judged, rate, seed + 100, steps) | {"seed": seed}
    if steps == TRIAL_STEPS:
        return told
    told |= {"topics": _asked(bridge, trained, judged, speaking.topics())}
    told |= {"shuffled": _asked(bridge, trained, judged, CAPTIONED, "shuffled")}
    told |= {"notes": _told_in_words(bridge.language, trained, judged), "moved": moved(before, bridge)}
    return told


@torch.no_grad()
def moved(before: Bridge, after: Bridge) -> dict[str, float]:
    """Part -> how far its weights went, as a share of how long they were: |after - before| / |before|."""
    parts = {
        "tower": ("tower.",),
        "projector": ("project.", "merge."),
        "table of words": ("language.table.",),
        "attention": ("attention.",),
        "MLP": ("mlp.",),
        "norms": ("norm",),
    }
    weights, old, found = _merged(after), dict(before.named_parameters()), {}
    seen: set[str] = set()
    for part, marks in parts.items():
        names = [name for name in old if name not in seen and any(mark in name for mark in marks)]
        seen |= set(names)
        change = sum((weights[name] - old[name]).double().square().sum() for name in names)
        length = sum(old[name].double().square().sum() for name in names)
        found[part] = round(float((change / length).sqrt()), 5)
    left = set(old) - seen
    assert not left, left
    return found


def _merged(bridge: Bridge) -> dict[str, torch.Tensor]:
    """Name -> weight, each LoRA's pair multiplied out and added to its map."""
    found = {name.replace(".linear.weight", ".weight"): weight.detach() for name, weight in bridge.named_parameters()}
    for name, module in bridge.named_modules():
        if isinstance(module, LoRA):
            found[f"{name}.weight"] = (module.linear.weight + module.scale * module.up @ module.down).detach()
    return found


def _learning(bridge: Bridge) -> int:
    return sum(weight.numel() for weight in bridge.parameters() if weight.requires_grad)


def _asked(bridge: Bridge, trained: Trained, judged: Looked, topics, shown: str = "own") -> dict[str, float]:
    found = bridging.scores(bridge, trained.tokenizer, judged, topics, shown)
    return {topic: round(value, 4) for topic, value in found.items()}


def _told_in_words(language: Language, trained: Trained, judged: Looked) -> dict[str, float]:
    """The questions it could answer before it had a bridge: from notes in words."""
    found = bridging.noted(language, trained.tokenizer, judged.scenes, CAPTIONED)
    return {topic: round(value, 4) for topic, value in found.items()}


def _keep_weights(bridge: Bridge, seed: int) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.save(nn.ModuleList([bridge.merge, bridge.project]).state_dict(), FOLDER / f"first-{seed}.pt")


def _put_back(bridge: Bridge, seed: int) -> None:
    file = FOLDER / f"first-{seed}.pt"
    if not file.exists():
        raise SystemExit(f"{file} is missing: the part `mergers` makes it")
    nn.ModuleList([bridge.merge, bridge.project]).load_state_dict(torch.load(file, weights_only=True))


# ---- latency -------------------------------------------------------------------------------------------------------

ROUNDS, WORDS, WRITTEN = 25, 8, 8
SIZES = {  # name -> (a language model, tokens of the tower: rows and cols)
    "ours": (None, (8, 8)),
    "width 512, 8 blocks": (LanguageConfig(600, 1024, 512, 8, 8, 4, 1408, tied=True), (24, 24)),
}


def latency(trained: Trained, rounds: int = ROUNDS, sizes: tuple[str, ...] = tuple(SIZES)) -> list[dict]:
    """An answer of 8 words to a question of 8, pictures looked at before, every merger in turn in every round.

    Merging and projecting are part of it. A share is of the same round's time with the first merger, which keeps all.
    """
    found = []
    for size in sizes:
        config, (rows, cols) = SIZES[size]
        torch.manual_seed(0)
        language = trained.model if config is None else Language(config).eval()
        grid, width = bridging.Grid(rows, cols), language.config.width
        tower = zoo.load("clip-panels").model.image_tower
        tokens = torch.randn(1, grid.tokens, bridging.WIDTH)
        ids = torch.full((1, WORDS + 1), 9)
        ids[0, 0] = bridging.Pieces.image
        bridges = {}
        for name, (make, project) in MERGERS.items():
            merge = make()
            made = project(merge.width(bridging.WIDTH), width)
            bridges[name] = Bridge(tower, made, language, bridging.Pieces.image, merge, None).eval()
        seconds = {(name, what): [] for name in bridges for what in ("reading", "answering")}
        for turn in range(rounds + 3):
            for name, bridge in bridges.items():
                for what, limit in (("reading", 1), ("answering", WRITTEN)):
                    start = time.perf_counter()
                    bridge.generate(ids, Seen(tokens, grid), limit=limit)
                    if turn >= 3:
                        seconds[name, what].append(time.perf_counter() - start)
        for (name, what), taken in seconds.items():
            shares = [mine / full for mine, full in zip(taken, seconds[next(iter(MERGERS)), what], strict=True)]
            found.append({
                "language": size, "merger": name, "slots": bridges[name].merge.slots(grid), "what": what,
                "seconds": round(statistics.median(taken), 5), "share": round(statistics.median(shares), 4),
            })  # fmt: skip
    return found


# ---- parts and the record ------------------------------------------------------------------------------------------


def kept(name: str, make: Callable[[], dict]) -> dict:
    """What a finished run told, or what `make` tells now; a file appears complete."""
    file = FOLDER / f"{name}.json"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(make()), encoding="utf-8")
        os.replace(part, file)
        print(name, file.read_text(encoding="utf-8")[:400], flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def tried(names: tuple[str, ...], rates: tuple[float, ...], run: Callable[..., dict]) -> None:
    """`run(name, rate, seed, steps)`: every rate on the trial seed, then the best one on the reported seeds."""
    for name in names:
        trials = [_one("trial", name, rate, TRIAL_SEED, run) for rate in rates]
        best = min(trials, key=lambda told: statistics.mean(told["losses"][-2:]))["rate"]
        for seed in SEEDS:
            _one("run", name, best, seed, run)


def _one(kind: str, name: str, rate: float, seed: int, run: Callable[..., dict]) -> dict:
    steps = TRIAL_STEPS if kind == "trial" else STEPS
    return kept(_file(kind, name, rate, seed), lambda: run(name, rate, seed, steps))


def _file(kind: str, name: str, rate: float, seed: int) -> str:
    return f"{kind}-{name.replace(' ', '_').replace(',', '')}-{rate:g}-{seed}"


def short(trained: Trained) -> dict:
    """A few steps with little data, which a test repeats."""
    told = first(LIVE, 3e-3, SEEDS[0], trained, *data(256, 32), steps=12)
    return {key: told[key] for key in ("merger", "rate", "seed", "steps", "at", "losses")}


def gathered() -> None:
    """Write the record of what is finished, a run a line; it appears complete."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    scenes = [bridging.panels.sample_scene(number, "test") for number in range(JUDGED)]
    chance = {}
    for topic in speaking.topics():
        answers = bridging.asked(zoo.load("panels-language").tokenizer, scenes, topic).answers
        chance[topic] = max(Counter(answers).values()) / JUDGED
    record = {
        "what": f"{JUDGED} panels of unseen combinations, one question each time, the share of answers wholly right",
        "commit": head.stdout.strip(),
        "recipe": f"{SEEN} panels, five questions about each, {STEPS} steps of {BATCH}, minivit/teach/bridging.py",
        "tuning": f"rates {RATES['mergers']} for mergers and {RATES['stages']} for stages, seed {TRIAL_SEED}, "
        f"{TRIAL_STEPS} steps; lowest mean of the last two losses taken",
        "hardware": f"{platform.machine()}, cpu, torch {torch.__version__}; one thread, latency with "
        f"{found.get('latency', {}).get('threads')}",
        "live": LIVE,
        "chance": chance,
        "short": found.get("short"),
    }
    every = [told for stem, told in found.items() if stem.startswith(("trial-", "run-"))]
    lists = {
        "trials": [told for told in every if told["seed"] == TRIAL_SEED and "merger" in told],
        "runs": [told for told in every if told["seed"] != TRIAL_SEED and "merger" in told],
        "second_trials": [told for stem, told in found.items() if stem.startswith("trial-") and "way" in told],
        "second": [told for stem, told in found.items() if stem.startswith("run-") and "way" in told],
        "continued": [told for stem, told in found.items() if stem.startswith("more-")],
        "latency": found.get("latency", {}).get("cells", []),
    }
    names = [*MERGERS, *WAYS]
    for key in ("trials", "runs", "second_trials", "second", "continued"):
        lists[key].sort(key=lambda told: (names.index(told.get("merger") or told["way"]), told["rate"], told["seed"]))
    text = json.dumps(record | {name: [] for name in lists}, indent=1)
    for name, tolds in lists.items():
        lines = ",\n".join(json.dumps(told) for told in tolds)
        text = text.replace(f'"{name}": []', f'"{name}": [\n{lines}\n]' if lines else f'"{name}": []')
    part = RECORD.with_name(RECORD.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, RECORD)


def _short(values: list[float]) -> list[float]:
    return [round(value, 4) for value in values]


def main(parts: list[str]) -> None:
    trained = zoo.load("panels-language")
    if "short" in parts:
        kept("short", lambda: short(trained))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if {"mergers", "stages", "continued"} & set(parts):
        seen, judged = data()
        if "mergers" in parts:
            names = (LIVE, *(name for name in MERGERS if name != LIVE))
            tried(
                names,
                RATES["mergers"],
                lambda name, rate, seed, steps: first(name, rate, seed, trained, seen, judged, steps),
            )
        if "stages" in parts:
            tried(
                WAYS,
                RATES["stages"],
                lambda way, rate, seed, steps: second(way, rate, seed, trained, seen, judged, steps),
            )
        if "continued" in parts:
            for rate in FURTHER:
                for seed in SEEDS:
                    kept(
                        _file("more", WAYS[0], rate, seed),
                        lambda rate=rate, seed=seed: second(WAYS[0], rate, seed, trained, seen, judged),
                    )
    torch.set_num_threads(threads)
    if "latency" in parts:
        (FOLDER / "latency.json").unlink(missing_ok=True)  # measured anew each time
        kept("latency", lambda: {"threads": torch.get_num_threads(), "cells": latency(trained)})
    gathered()


if __name__ == "__main__":
    main(sys.argv[1:] or ["short", "mergers", "stages", "continued", "latency"])
