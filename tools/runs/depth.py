"""Lesson 4's recorded run: digits read by stacks of 2 to 12 blocks, whole and with a part taken away; two norms.

    python tools/runs/depth.py      about seven minutes on one core; writes minivit/teach/runs/depth.json

The recipe is the lesson's own: its cells tagged `recipe` are executed here, so the two cannot drift apart.
"""

import json
import platform
import subprocess
from pathlib import Path

import nbformat
import torch

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "04_blocks.ipynb"
RECORD = ROOT / "minivit" / "teach" / "runs" / "depth.json"
SEEDS = (1, 2, 3)
NORM_DEPTH = 4


def recipe() -> dict:
    """The names that the lesson's recipe defines: RULES, DEPTHS, RATES, learn, OtherNorm, digits."""
    space: dict = {}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if "recipe" in cell.metadata.get("tags", []):
            exec(compile(cell.source, str(LESSON), "exec"), space)
    return space


def run(space: dict, rule: str, depth: int, seed: int, norm: str = "layer norm", **options) -> dict:
    """One run from nothing: what it was, its losses and its accuracies on unseen digits, every 25 steps."""
    kind = space["OtherNorm"] if norm == "other norm" else None
    _, history = space["learn"](rule, depth, seed=seed, norm=kind, **options)
    steps, read = history.reported("accuracy")
    rate = options.get("rate") or space["RATES"][rule][depth]
    return {
        "rule": rule, "depth": depth, "norm": norm, "rate": rate, "seed": seed,
        "seconds": round(history.seconds[-1], 1), "steps": steps, "loss": [round(x, 4) for x in history.losses],
        "accuracy": [round(x, 4) for x in read],
    }  # fmt: skip


def main() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    space, runs, norms = recipe(), [], []
    for seed in SEEDS:
        for depth in space["DEPTHS"]:
            for rule in space["RULES"]:
                runs.append(run(space, rule, depth, seed))
                print(seed, depth, rule, runs[-1]["seconds"], runs[-1]["accuracy"][-1], flush=True)
        norms += [run(space, "whole", NORM_DEPTH, seed, norm) for norm in ("layer norm", "other norm")]
    place = f"{platform.machine()}, {torch.get_num_threads()} threads, {space['device']}, torch {torch.__version__}"
    record = {
        "what": "share of 450 unseen digits read, by depth and by what is missing in a block; two kinds of norm",
        "commit": head.stdout.strip(),
        "recipe": "notebooks/04_blocks.ipynb, cells tagged recipe: Muon and AdamW, 200 steps of 64 out of 1347 digits",
        "hardware": place,
        "runs": [],
        "norms": [],
    }
    text = json.dumps(record, indent=1)
    for name, found in (("runs", runs), ("norms", norms)):  # a run a line
        lines = ",\n".join(json.dumps(one) for one in found)
        text = text.replace(f'"{name}": []', f'"{name}": [\n{lines}\n]')
    RECORD.with_suffix(".part").write_text(text + "\n", encoding="utf-8")
    RECORD.with_suffix(".part").replace(RECORD)


if __name__ == "__main__":
    main()
