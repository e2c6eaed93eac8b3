"""Lesson 3's recorded run: what a causal mask costs a classifier of digits, by what is read out.

    python tools/runs/attention_masks.py   # six minutes on one core; writes the JSON of the same name

The recipe is the lesson's own: its cells tagged `recipe` are executed here, so the two cannot drift apart.
"""

import json
import platform
import subprocess
from pathlib import Path

import nbformat
import torch

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "03_attention.ipynb"
RECORD = ROOT / "minivit" / "teach" / "runs" / "attention_masks.json"
SEEDS = (1, 2, 3)
RUNS = [  # mask, readout
    ("full", "every patch"),
    ("causal", "every patch"),
    ("causal", "class token"),
    ("full", "class token"),
    ("full", "mean"),
    ("causal", "mean"),
    ("alone", "every patch"),
]


def recipe() -> dict:
    """The names that the lesson's recipe defines: Voter, taught, right, seen and unseen digits, the masks."""
    space: dict = {}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if "recipe" in cell.metadata.get("tags", []):
            exec(compile(cell.source, str(LESSON), "exec"), space)
    return space


def curve(space: dict, mask: str, readout: str, seed: int, steps: int) -> dict:
    """One run from nothing: losses and, for every answer read out, the share of unseen digits named right."""
    voter, history = space["taught"](space[mask], readout, seed, steps)
    return {
        "mask": mask,
        "readout": readout,
        "seed": seed,
        "seconds": round(history.seconds[-1], 1),
        "steps": history.steps[4::5],
        "loss": [round(loss, 4) for loss in history.losses[4::5]],
        "right": [round(share, 4) for share in space["right"](voter, readout).tolist()],
    }


def short(space: dict, mask: str) -> float:
    """A run that a test can repeat, every patch asked, seed 1: the mean loss of the last ten of 60 steps."""
    _, history = space["taught"](space[mask], "every patch", seed=1, steps=60)
    return sum(history.losses[-10:]) / 10


def main() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    space, runs = recipe(), []
    for seed in SEEDS:
        for mask, readout in RUNS:
            run = curve(space, mask, readout, seed, steps=500)
            runs.append(run)
            ends = sum(run["right"]) / len(run["right"])
            print(f"seed {seed}  {mask:6}  {readout:11}  {run['seconds']} s  {ends:.3f}", flush=True)
    labels = space["unseen"][1]
    place = f"{platform.machine()}, {torch.get_num_threads()} threads, {space['device']}, torch {torch.__version__}"
    record = {
        "what": "share of 450 unseen digits named right by every answer that is read out, by mask and readout",
        "commit": head.stdout.strip(),
        "recipe": "notebooks/03_attention.ipynb, cells tagged recipe: Muon, 500 steps of 128 out of 1347, float32",
        "hardware": place,
        "chance": round(labels.bincount().max().item() / len(labels), 4),
        "short": {mask: round(short(space, mask), 4) for mask in ("causal", "alone")},
        "runs": [],
    }
    lines = ",\n".join(json.dumps(run) for run in runs)  # a run a line
    text = json.dumps(record, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    RECORD.with_suffix(".part").write_text(text + "\n", encoding="utf-8")
    RECORD.with_suffix(".part").replace(RECORD)


if __name__ == "__main__":
    main()
