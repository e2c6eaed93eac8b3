"""Lesson 2's recorded run: how often a digit is found, by kind of position, on its own grid and on a new one.

    python tools/runs/positions.py      about six minutes on one core; writes minivit/teach/runs/positions.json

The recipe is the lesson's own: its cells tagged `recipe` are executed here, so the two cannot drift apart.
"""

import json
import platform
import subprocess
import time
from pathlib import Path

import nbformat
import torch

from minivit.train import precision

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "02_positions.ipynb"
RECORD = ROOT / "minivit" / "teach" / "runs" / "positions.json"
SEEDS = (1, 2, 3, 4)
NEW = (12, 10)  # rows and columns of the new grid


def recipe() -> dict:
    """The names that the lesson's recipe defines: KINDS, learn, found, carried, the pages seen, unseen and tall."""
    space: dict = {}
    for cell in nbformat.read(LESSON, as_version=4).cells:
        if "recipe" in cell.metadata.get("tags", []):
            exec(compile(cell.source, str(LESSON), "exec"), space)
    return space


def made(space: dict, kind: str, seed: int) -> torch.nn.Module:
    """A fresh model."""
    torch.manual_seed(seed)
    return space["KINDS"][kind]()


def ends(space: dict, kind: str, model: torch.nn.Module) -> dict[str, float]:
    """The share of digits found: on the grid of the training, and on the new one in every way there is."""
    found = {"same grid": space["found"](model, *space["unseen"])}
    if kind in ("learned", "sine-cosine", "rotary"):
        for way, other in space["carried"](kind, model, space["Grid"](*NEW)).items():
            found[way] = space["found"](other, *space["tall"])
    return {way: round(share, 4) for way, share in found.items()}


def main() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    space, runs = recipe(), []
    for seed in SEEDS:
        for kind in space["KINDS"]:
            start = time.perf_counter()
            model = made(space, kind, seed)
            steps, shares = space["learn"](model, seed).reported("found")
            run = {"kind": kind, "seed": seed, "seconds": round(time.perf_counter() - start, 1), "steps": steps}
            runs.append(run | {"found": [round(share, 4) for share in shares], "end": ends(space, kind, model)})
            print(runs[-1], flush=True)
    with precision() as used:
        place = f"{platform.machine()}, {torch.get_num_threads()} threads, {used}, torch {torch.__version__}"
    record = {
        "what": "share of 1000 unseen pages on which a digit's row and column are told, by kind of position",
        "commit": head.stdout.strip(),
        "recipe": "notebooks/02_positions.ipynb, cells tagged recipe: Muon, 300 steps of 64 out of 6000 pages",
        "hardware": place,
        "runs": [],
    }
    lines = ",\n".join(json.dumps(run) for run in runs)  # a run a line
    text = json.dumps(record, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    RECORD.with_suffix(".part").write_text(text + "\n", encoding="utf-8")
    RECORD.with_suffix(".part").replace(RECORD)


if __name__ == "__main__":
    main()
