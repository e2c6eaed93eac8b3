"""Lesson 7's recorded run: CLIP from nothing on panels, and what each part of its recipe is worth.

python tools/runs/clip_panels.py      about half an hour on one core; goes on where it was stopped
writes minivit/teach/runs/clip_panels.json
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from minivit.patches import PatchEmbed
from minivit.pooling import mean_pool
from minivit.train import Shuffled, adamw, muon, train
from minivit.vit import ConvStem
from minivit.zoo import matching

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "clip_panels.json"
SEEDS, STEPS, TRIPLES, SEEN, JUDGED = (1, 2, 3), 660, 21, 20_000, 1_000


def linear_patches(model: nn.Module) -> None:
    """The recipe but for its convolutions."""
    model.image_tower.stem = PatchEmbed(8, matching.WIDTH)


def plain_stem(model: nn.Module) -> None:
    """Three convolutions that halve the picture, as in lesson 5, instead of residual blocks."""
    model.image_tower.stem = ConvStem(8, matching.WIDTH)


def mean(model: nn.Module) -> None:
    """The mean of all places instead of the largest."""
    model.image_tower.pool = mean_pool


def layer_norm(model: nn.Module) -> None:
    """The image tower ends in the layer norm that a ViT otherwise has."""
    model.image_tower.encoder.norm = nn.LayerNorm(matching.WIDTH, eps=1e-6)


def no_batch_norm(model: nn.Module) -> None:
    """The towers' vectors as they come."""
    model.image_tower.head = model.text_tower.head = None


def everything_adamw(model: nn.Module) -> tuple:
    """AdamW for both towers, at the rate that the recipe has for all but its block; the text tower slow as there."""
    return adamw(model, 4e-3, without=[model.text_tower]), adamw(model.text_tower, 3e-5)


def gentle_adamw(model: nn.Module) -> tuple:
    """The same at a quarter of the rate."""
    return adamw(model, 1e-3, without=[model.text_tower]), adamw(model.text_tower, 3e-5)


def fast_reader(model: nn.Module) -> tuple:
    """Muon and AdamW for the text tower too, at the image tower's rates."""
    return muon(model, 0.02, 4e-3)


RUNS: dict[str, tuple[Callable, Callable, bool, tuple[int, ...]]] = {  # what is changed, optimizers, near twins, seeds
    "the recipe": (lambda model: None, matching.optimizers, True, SEEDS),
    "AdamW, 4e-3": (lambda model: None, everything_adamw, True, SEEDS),
    "AdamW, 1e-3": (lambda model: None, gentle_adamw, True, SEEDS),
    "linear patches": (linear_patches, matching.optimizers, True, SEEDS),
    "batches of strangers": (lambda model: None, matching.optimizers, False, SEEDS[:1]),
    "a fast reader": (lambda model: None, fast_reader, True, SEEDS[:1]),
    "mean instead of maximum": (mean, matching.optimizers, True, SEEDS[:1]),
    "no batch norm": (no_batch_norm, matching.optimizers, True, SEEDS[:1]),
    "a layer norm before the maximum": (layer_norm, matching.optimizers, True, SEEDS[:1]),
    "a stem of three convolutions": (plain_stem, matching.optimizers, True, SEEDS[:1]),
}


def run(name: str, seed: int, seen: matching.Matches, judged: matching.Matches, steps: int = STEPS) -> dict:
    """One CLIP from nothing, and what became of it."""
    change, optimizers, near, _ = RUNS[name]
    torch.manual_seed(seed)
    model = matching.towers()
    change(model)
    rows = matching.twins(seen.right, seed) if near else torch.arange(len(seen.right))
    batches = Shuffled(rows, batch=TRIPLES if near else 3 * TRIPLES, seed=seed)
    wall, cpu = time.perf_counter(), time.process_time()  # scoring counted in
    history = train(
        model, batches, matching.matched(seen), steps=steps, optimizer=optimizers(model), progress=False,
        every=min(165, steps), on_report=lambda step, model: matching.scores(model, judged),
    )  # fmt: skip
    told = {"name": name, "seed": seed, "cpu_seconds": round(time.process_time() - cpu, 1)}
    told |= {"seconds": round(time.perf_counter() - wall, 1), "threads": torch.get_num_threads()}
    told |= {"weights": sum(weight.numel() for weight in model.parameters()), "steps": history.steps}
    told |= {"loss": [round(x, 4) for x in history.losses]}
    return told | {key: [round(x, 4) for x in history.reported(key)[1]] for key in history.reports[0]}


def short_data() -> tuple[matching.Matches, matching.Matches]:
    """A little of both parts, for a run of a few seconds."""
    return matching.matches(600, "train"), matching.matches(64, "test")


def written(record: dict) -> None:
    """The record appears complete, a run a line."""
    lines = ",\n".join(json.dumps(told) for told in record["runs"])
    text = json.dumps({**record, "runs": []}, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    part = RECORD.with_name(RECORD.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, RECORD)


def main(parts: list[str]) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"runs": []}
    record |= {
        "what": f"{JUDGED} panels of unseen combinations: whose caption comes first of 576, whose attributes are named",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/zoo/matching.py; {SEEN} training panels, {STEPS} steps of {3 * TRIPLES} pairs",
        "hardware": f"{platform.machine()}, cpu, torch {torch.__version__}; threads with each run",
        "chance": {"recall": 1 / 576} | {name: 1 / len(values) for name, values in matching.ATTRIBUTES.items()},
    }
    if "short" in parts:  # for the tests
        record["short"] = run("the recipe", SEEDS[0], *short_data(), steps=20)
        written(record)
    if "runs" not in parts:
        return
    seen, judged = matching.matches(SEEN, "train"), matching.matches(JUDGED, "test")
    for name, (*_, seeds) in RUNS.items():
        for seed in seeds:
            if not any((told["name"], told["seed"]) == (name, seed) for told in record["runs"]):
                record["runs"].append(run(name, seed, seen, judged))
                print(
                    {key: record["runs"][-1][key][-1] for key in ("recall", "damage", "hazard")}, name, seed, flush=True
                )
                written(record)


if __name__ == "__main__":
    main(sys.argv[1:] or ["runs", "short"])
