"""Lesson 8's recorded run: softmax against sigmoid at three batch sizes, and what the bias does to the first steps.

python tools/runs/siglip_batches.py      about forty minutes on one core; goes on where it was stopped
writes minivit/teach/runs/siglip_batches.json

Both losses get the same towers, pictures, optimizers and number of trials: three learning rates at each batch size, on
a seed that no reported run has, half as long. The rate with the highest recall is then run with three seeds.
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

from minivit.clip import CLIP, clip_objective
from minivit.siglip import SigLIP, siglip_objective
from minivit.train import Shuffled, train
from minivit.zoo import matching

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "siglip_batches.json"
LOSSES = {"softmax": (CLIP, clip_objective), "sigmoid": (SigLIP, siglip_objective)}
BATCHES, SEEDS, TRIAL_SEED, FACTORS, PICTURES = (16, 64, 256), (1, 2, 3), 0, (0.5, 1.0, 2.0), 24_576
BIASES, BIAS_STEPS, BIAS_BATCH = (0.0, -2.5, -5.0, -10.0, -15.0), 100, 256
SEEN, JUDGED = 20_000, 1_000


def run(
    loss: str, batch: int, factor: float, seed: int, seen: matching.Matches, judged: matching.Matches, steps: int
) -> dict:
    """One pair of towers from nothing, both rates `factor` times those of the recipe, and what became of it."""
    kind, objective = LOSSES[loss]
    torch.manual_seed(seed)
    model = matching.towers(kind)
    rows = matching.twins(seen.right, seed, together=2)
    start = time.process_time()
    history = train(
        model, Shuffled(rows, batch=batch // 2, seed=seed), matching.matched(seen, objective), steps=steps,
        optimizer=matching.optimizers(model, 0.02 * factor, 4e-3 * factor), progress=False, every=max(1, steps // 2),
        on_report=lambda step, model: matching.scores(model, judged),
    )  # fmt: skip
    told = {"loss": loss, "batch": batch, "factor": factor, "seed": seed, "steps": steps}
    told |= {"cpu_seconds": round(time.process_time() - start, 1), "losses": [round(x, 4) for x in history.losses]}
    told |= {"scale": round(float(model.scale.detach()), 2)}
    told |= {"bias": round(float(model.bias.detach()), 2)} if kind is SigLIP else {}
    return told | {key: [round(x, 4) for x in history.reported(key)[1]] for key in history.reports[0]}


def first_steps(bias: float, seen: matching.Matches, steps: int = BIAS_STEPS, batch: int = BIAS_BATCH) -> dict:
    """The first steps of a SigLIP that starts with this bias: its loss, its bias and its scale, step by step."""
    torch.manual_seed(SEEDS[0])
    model = matching.towers(lambda *parts: SigLIP(*parts, bias=bias))
    rows, inside = matching.twins(seen.right, SEEDS[0], together=2), {"bias": [], "scale": []}

    def report(step: int, model: torch.nn.Module) -> None:
        inside["bias"].append(round(float(model.bias.detach()), 3))
        inside["scale"].append(round(float(model.scale.detach()), 3))

    history = train(
        model, Shuffled(rows, batch=batch // 2, seed=SEEDS[0]), matching.matched(seen, siglip_objective),
        steps=steps, optimizer=matching.optimizers(model), progress=False, every=1, on_report=report,
    )  # fmt: skip
    return {"start": bias, "batch": batch, "losses": [round(x, 4) for x in history.losses], **inside}


def short_data() -> tuple[matching.Matches, matching.Matches]:
    """A little of both parts, for a run of a few seconds."""
    return matching.matches(600, "train"), matching.matches(64, "test")


def written(record: dict) -> None:
    """The record appears complete, a run a line."""
    lists = ("trials", "runs", "biases")
    text = json.dumps({**record, **{name: [] for name in lists}}, indent=1)
    for name in lists:
        lines = ",\n".join(json.dumps(told) for told in record[name])
        text = text.replace(f'"{name}": []', f'"{name}": [\n{lines}\n]' if lines else f'"{name}": []')
    part = RECORD.with_name(RECORD.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, RECORD)


def known(runs: list[dict], **wanted: object) -> list[dict]:
    """The runs with these values."""
    return [told for told in runs if all(told[key] == value for key, value in wanted.items())]


def compared(record: dict, seen: matching.Matches, judged: matching.Matches) -> None:
    """All trials, then the best rate of each loss and batch with every seed."""
    for batch in reversed(BATCHES):
        for loss in LOSSES:
            for factor in FACTORS:
                if not known(record["trials"], loss=loss, batch=batch, factor=factor):
                    record["trials"].append(run(loss, batch, factor, TRIAL_SEED, seen, judged, PICTURES // batch // 2))
                    print("trial", record["trials"][-1], flush=True)
                    written(record)
    for seed in SEEDS:
        for batch in reversed(BATCHES):
            for loss in LOSSES:
                trials = known(record["trials"], loss=loss, batch=batch)
                factor = max(trials, key=lambda told: told["recall"][-1])["factor"]
                if not known(record["runs"], loss=loss, batch=batch, seed=seed):
                    record["runs"].append(run(loss, batch, factor, seed, seen, judged, PICTURES // batch))
                    print(record["runs"][-1], flush=True)
                    written(record)


def main(parts: list[str]) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    record = {"trials": [], "runs": [], "biases": []}
    record |= json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    record |= {
        "what": f"{JUDGED} panels of unseen combinations: whose caption comes first of 576, whose damage is named",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/zoo/matching.py, pairs of near twins; {PICTURES} pictures a run, trials half of that",
        "tuning": f"factors {FACTORS} on both rates per loss and batch, seed {TRIAL_SEED}; highest recall taken",
        "hardware": f"{platform.machine()}, cpu, {torch.get_num_threads()} thread, torch {torch.__version__}",
        "chance": {"recall": 1 / 576, "damage": 1 / 4, "hazard": 1 / 4},
    }
    if "short" in parts:  # for the tests
        little = short_data()
        record["short"] = {loss: run(loss, 16, 1.0, SEEDS[0], *little, steps=12) for loss in LOSSES}
        record["short biases"] = first_steps(0.0, little[0], steps=3, batch=64)
        written(record)
    seen, judged = matching.matches(SEEN, "train"), matching.matches(JUDGED, "test")
    for bias in BIASES if "biases" in parts else ():
        if not known(record["biases"], start=bias):
            record["biases"].append(first_steps(bias, seen))
            written(record)
    if "runs" in parts:
        compared(record, seen, judged)


if __name__ == "__main__":
    main(sys.argv[1:] or ["short", "biases", "runs"])
