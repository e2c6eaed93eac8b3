"""Lesson 5's recorded run on panels: three ways to read one vector out of all tokens, and the inspector that ships.

python tools/runs/vit_pools.py      about ten minutes on two cores
writes minivit/teach/runs/vit_pools.json and minivit/teach/runs/vit_inspector.safetensors
"""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save

from minivit.evaluate import linear_probe
from minivit.teach import inspector
from minivit.train import Shuffled, muon, train

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "vit_pools.json"
SEEDS, STEPS, BATCH, SEEN, JUDGED = (1, 2, 3), 320, 128, 12_000, 1_000
SHIPPED_SEED, SHIPPED_STEPS = 1, 720


def run(pooling: str, seed: int, seen: tuple, judged: tuple, steps: int = STEPS) -> tuple[torch.nn.Module, dict]:
    """One inspector from nothing, and what became of it."""
    torch.manual_seed(seed)
    model = inspector.inspector(pooling)
    batches = Shuffled(*seen, batch=BATCH, seed=seed)
    history = train(
        model, batches, inspector.answers, steps=steps, optimizer=muon(model), progress=False, every=min(80, steps),
        on_report=lambda step, model: inspector.scores(model, *judged),
    )  # fmt: skip
    curves = {name: [round(x, 4) for x in history.reported(name)[1]] for name in inspector.QUESTIONS}
    weights = sum(weight.numel() for weight in model.parameters())
    told = {"pooling": pooling, "seed": seed, "weights": weights, "steps": history.steps}
    return model, told | {"loss": [round(x, 4) for x in history.losses]} | curves


def short_data() -> tuple:
    """A little of both parts, for a run of a few seconds."""
    return inspector.scenes(256, "train"), inspector.scenes(64, "test")


def blind(seen: tuple, judged: tuple) -> dict:
    """What can be answered without looking, and from the picture's mean colour alone."""
    told: dict = {"most frequent": {}, "mean colour": {}}
    colour = [pictures.mean((2, 3)) for pictures, _ in (seen, judged)]
    for at, name in enumerate(inspector.QUESTIONS):
        known, asked = seen[1][:, at], judged[1][:, at]
        told["most frequent"][name] = round((asked == known.mode().values).float().mean().item(), 4)
        guess = linear_probe(colour[0], known, colour[1])
        told["mean colour"][name] = round((guess == asked).float().mean().item(), 4)
    return told


def written(path: Path, content: bytes) -> None:
    """The file appears under its name complete."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.replace(part, path)


def compared(seen: tuple, judged: tuple) -> dict:
    """Every pooling with every seed, and what can be said without looking."""
    runs = []
    for seed in SEEDS:
        for pooling in inspector.POOLINGS:
            runs.append(run(pooling, seed, seen, judged)[1])
            print({name: runs[-1][name][-1] for name in inspector.QUESTIONS}, pooling, seed, flush=True)
    return {"blind": blind(seen, judged), "runs": runs}


def shipped(seen: tuple, judged: tuple) -> dict:
    """Trains the inspector that ships, with a class token and more steps, and stores it in bfloat16."""
    model, _ = run("class", SHIPPED_SEED, seen, judged, SHIPPED_STEPS)
    weights = {name: w.bfloat16() if w.is_floating_point() else w for name, w in model.state_dict().items()}
    written(inspector.WEIGHTS, save({name: weight.contiguous() for name, weight in weights.items()}))
    ends = {name: round(x, 4) for name, x in inspector.scores(inspector.trained_inspector(), *judged).items()}
    print("shipped", ends, flush=True)
    return {"shipped": ends | {"steps": SHIPPED_STEPS, "seed": SHIPPED_SEED}}


def main(parts: list[str]) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    seen, judged = inspector.scenes(SEEN, "train"), inspector.scenes(JUDGED, "test")
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    record |= {
        "what": f"share of {JUDGED} panels of unseen combinations answered rightly, by pooling and question",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/teach/inspector.py; {SEEN} training panels, {STEPS} steps of {BATCH}, minivit.train.muon",
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads, cpu, torch {torch.__version__}",
    }
    if "pools" in parts:
        record |= compared(seen, judged)
    if "inspector" in parts:
        record |= shipped(seen, judged)
    if "short" in parts:  # for the tests
        record["short"] = run("mean", SEEDS[0], *short_data(), steps=40)[1]
    runs = record.pop("runs")
    lines = ",\n".join(json.dumps(told) for told in runs)  # a run a line
    text = json.dumps({**record, "runs": []}, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    written(RECORD, (text + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:] or ["pools", "inspector", "short"])
