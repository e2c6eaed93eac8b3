"""Lesson 1's recorded run: how well codes are read by patch side, by width, and with the pixels in a wrong order.

    python tools/runs/patch_size.py      about ten minutes on two cores; writes minivit/teach/runs/patch_size.json

The recipe is the lesson's own: its cells tagged `recipe` are executed here, so the two cannot drift apart.
"""

import json
import platform
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import torch

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "01_patches.ipynb"
RECORD = ROOT / "minivit" / "teach" / "runs" / "patch_size.json"
SEEDS = (1, 2, 3, 4, 5)
RUNS = [  # P, D, cut, learning rate: best of 0.0025, 0.005, 0.01 on seed 0 of earlier panels
    (2, 32, "patchify", 0.01),
    (4, 32, "patchify", 0.01),
    (8, 32, "patchify", 0.01),
    (16, 32, "patchify", 0.01),
    (32, 32, "patchify", 0.005),
    (4, 8, "patchify", 0.01),
    (16, 128, "patchify", 0.005),
    (32, 512, "patchify", 0.0025),
    (8, 32, "runs_of_values", 0.01),
    (8, 32, "far_apart", 0.01),
]


def recipe() -> dict:
    """The names that the lesson's recipe defines: Reader, train, codes_read, seen and unseen plates, the wrong cuts."""
    space: dict = {}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if "recipe" in cell.metadata.get("tags", []):
            exec(compile(cell.source, str(LESSON), "exec"), space)
    return space


def made(space: dict, patch: int, width: int, cut: str, seed: int) -> torch.nn.Module:
    """A fresh reader; the seed also fixes the batches that it will be shown."""
    torch.manual_seed(seed)
    return space["Reader"](patch, width, space[cut]).to(space["device"])


def learnt(space: dict, reader: torch.nn.Module, rate: float) -> Iterator[tuple[int, float, float]]:
    """(step, loss, share of unseen codes read), every hundred steps."""
    for step, loss in space["train"](reader, *space["seen"], rate=rate):
        yield step, loss, space["codes_read"](reader, *space["unseen"])


def curve(space: dict, patch: int, width: int, cut: str, rate: float, seed: int) -> Iterator[tuple[int, float, float]]:
    """One run from nothing: (step, loss, share of unseen codes read), every hundred steps."""
    return learnt(space, made(space, patch, width, cut, seed), rate)


def main() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    space, runs = recipe(), []
    for seed in SEEDS:
        for patch, width, cut, rate in RUNS:
            start = time.perf_counter()
            reader = made(space, patch, width, cut, seed)
            steps, losses, read = zip(*learnt(space, reader, rate), strict=True)
            run = {"patch": patch, "width": width, "cut": cut, "rate": rate, "seed": seed}
            run["seconds"] = round(time.perf_counter() - start, 1)
            run |= {"steps": steps, "loss": [round(x, 4) for x in losses], "read": [round(x, 4) for x in read]}
            run["read_seen"] = round(space["codes_read"](reader, *(part[:800] for part in space["seen"])), 4)
            run["weights"] = sum(weight.numel() for weight in reader.parameters())
            runs.append(run)
            print(f"seed {seed}  P {patch}  D {width}  {cut}  {run['seconds']} s  {read[-1]:.3f}", flush=True)
    place = f"{platform.machine()}, {torch.get_num_threads()} threads, {space['device']}, torch {torch.__version__}"
    record = {
        "what": "share of 800 unseen asset codes of which all four characters are read, by patch side P and width D",
        "commit": head.stdout.strip(),
        "recipe": "notebooks/01_patches.ipynb, cells tagged recipe: AdamW, one cycle, 1500 steps of 128 out of 4000",
        "hardware": place,
        "runs": [],
    }
    lines = ",\n".join(json.dumps(run) for run in runs)  # a run a line
    text = json.dumps(record, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    RECORD.with_suffix(".part").write_text(text + "\n", encoding="utf-8")
    RECORD.with_suffix(".part").replace(RECORD)


if __name__ == "__main__":
    main()
