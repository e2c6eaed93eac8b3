"""Lesson 8's recorded run: softmax against sigmoid at three batch sizes, and what the bias does to the first steps.

    python tools/runs/siglip_batches.py [PART ...]      about an hour on one core
    writes minivit/teach/runs/siglip_batches.json

Parts: `softmax` and `sigmoid`, the trials and runs of one loss; `biases`, the first steps; `short`, for the tests. Both
losses get the same towers, pictures, optimizers and number of trials: three rates at each batch size, on a seed that no
reported run has, as long as a reported run. The rate with the highest recall is then run with three seeds. A finished
run is kept in a folder (MINIVIT_PARTS) and not run again; the record holds what is finished.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from minivit.clip import CLIP, clip_objective
from minivit.siglip import SigLIP, siglip_objective
from minivit.train import Shuffled, train
from minivit.zoo import matching

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "siglip_batches.json"
FOLDER = Path(os.environ.get("MINIVIT_PARTS") or Path(tempfile.gettempdir()) / "minivit-siglip-batches")
LOSSES = {"softmax": (CLIP, clip_objective), "sigmoid": (SigLIP, siglip_objective)}
FACTORS = {16: (0.25, 0.5, 1.0), 64: (0.5, 1.0, 2.0), 256: (1.0, 2.0, 4.0)}  # times both rates of the recipe
SEEDS, TRIAL_SEED, PICTURES = (1, 2, 3), 0, 49_152
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


def first_steps(
    bias: float, seen: matching.Matches, judged: matching.Matches, steps: int = BIAS_STEPS, batch: int = BIAS_BATCH
) -> dict:
    """The first steps of a SigLIP that starts with this bias: its loss, bias and scale, and what it knows at last."""
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
    ends = {name: round(value, 4) for name, value in matching.scores(model.eval(), judged).items()}
    return {"start": bias, "batch": batch, **ends, "losses": [round(x, 4) for x in history.losses], **inside}


def short_data() -> tuple[matching.Matches, matching.Matches]:
    """A little of both parts, for a run of a few seconds."""
    return matching.matches(600, "train"), matching.matches(64, "test")


def kept(name: str, make: Callable[[], dict]) -> dict:
    """What a finished run told, or what `make` tells now; a file appears complete."""
    file = FOLDER / f"{name}.json"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(make()), encoding="utf-8")
        os.replace(part, file)
        print(file.read_text(encoding="utf-8"), flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def compared(loss: str, seen: matching.Matches, judged: matching.Matches) -> None:
    """All trials of a loss, then the best rate at each batch size with every seed."""

    def tried(batch: int, factor: float, seed: int, what: str) -> dict:
        name = f"{what}-{loss}-{batch}-{factor}-{seed}"
        return kept(name, lambda: run(loss, batch, factor, seed, seen, judged, PICTURES // batch))

    for batch, factors in reversed(FACTORS.items()):
        trials = [tried(batch, factor, TRIAL_SEED, "trial") for factor in factors]
        best = max(trials, key=lambda told: told["recall"][-1])["factor"]
        for seed in SEEDS:
            tried(batch, best, seed, "run")


def gathered() -> None:
    """Write the record of what is finished, a run a line; it appears complete."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    record = {
        "what": f"{JUDGED} panels of unseen combinations: whose caption comes first of 576, whose damage is named",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/zoo/matching.py, rows of two near twins; {PICTURES} pictures a run, trials too",
        "tuning": f"factors {FACTORS} on both rates, by batch, seed {TRIAL_SEED}; highest recall taken",
        "hardware": f"{platform.machine()}, cpu, {torch.get_num_threads()} thread, torch {torch.__version__}",
        "chance": {"recall": 1 / 576, "damage": 1 / 4, "hazard": 1 / 4},
        "short": {loss: found[f"short-{loss}"] for loss in LOSSES if f"short-{loss}" in found},
    }
    lists = {"trials": "trial-", "runs": "run-", "biases": "bias-"}
    lists = {name: [told for stem, told in found.items() if stem.startswith(start)] for name, start in lists.items()}
    lists["biases"].sort(key=lambda told: -told["start"])
    text = json.dumps(record | {name: [] for name in lists}, indent=1)
    for name, tolds in lists.items():
        lines = ",\n".join(json.dumps(told) for told in tolds)
        text = text.replace(f'"{name}": []', f'"{name}": [\n{lines}\n]' if lines else f'"{name}": []')
    part = RECORD.with_name(RECORD.name + ".part")
    part.write_text(text + "\n", encoding="utf-8")
    os.replace(part, RECORD)


def main(parts: list[str]) -> None:
    if "short" in parts:
        little = short_data()
        for loss in LOSSES:
            kept(f"short-{loss}", lambda loss=loss: run(loss, 16, 1.0, SEEDS[0], *little, steps=12))
    if len({"biases", *LOSSES} & set(parts)):
        seen, judged = matching.matches(SEEN, "train"), matching.matches(JUDGED, "test")
        for bias in BIASES if "biases" in parts else ():
            kept(f"bias-{-bias:g}", lambda bias=bias: first_steps(bias, seen, judged))
        for loss in [loss for loss in LOSSES if loss in parts]:
            compared(loss, seen, judged)
    gathered()


if __name__ == "__main__":
    main(sys.argv[1:] or ["short", "biases", *LOSSES])
