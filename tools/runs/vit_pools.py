"""Lesson 5's recorded run on panels: three ways to read one vector out of all tokens, and the inspector that ships.

python tools/runs/vit_pools.py      about ten minutes on two cores
writes minivit/teach/runs/vit_pools.json and minivit/teach/runs/vit_inspector.safetensors
"""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from minivit.evaluate import linear_probe
from minivit.teach import inspector
from minivit.train import Shuffled, muon, train

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "vit_pools.json"
SEEDS, STEPS, BATCH, SEEN, JUDGED = (1, 2, 3), 320, 128, 12_000, 1_000


def run(pooling: str, seed: int, seen: tuple, judged: tuple, steps: int = STEPS) -> tuple[torch.nn.Module, dict]:
    """One inspector from nothing, and what became of it."""
    torch.manual_seed(seed)
    model, start = inspector.inspector(pooling), time.perf_counter()
    batches = Shuffled(*seen, batch=BATCH, seed=seed)
    history = train(
        model, batches, inspector.answers, steps=steps, optimizer=muon(model), progress=False, every=80,
        on_report=lambda step, model: inspector.scores(model, *judged),
    )  # fmt: skip
    curves = {name: [round(x, 4) for x in history.reported(name)[1]] for name in inspector.QUESTIONS}
    told = {"pooling": pooling, "seed": seed, "seconds": round(time.perf_counter() - start, 1)}
    told |= {"weights": sum(weight.numel() for weight in model.parameters()), "steps": history.steps}
    return model, told | {"loss": [round(x, 4) for x in history.losses]} | curves


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


def main() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    seen, judged = inspector.scenes(SEEN, "train"), inspector.scenes(JUDGED, "test")
    runs, best, kept = [], -1.0, {}
    for seed in SEEDS:
        for pooling in inspector.POOLINGS:
            model, told = run(pooling, seed, seen, judged)
            runs.append(told)
            print({name: told[name][-1] for name in inspector.QUESTIONS}, pooling, seed, told["seconds"], flush=True)
            if pooling == "class" and told["damage"][-1] > best:
                best, kept = told["damage"][-1], model.state_dict()
    stored = {n: w.bfloat16() if w.is_floating_point() else w for n, w in kept.items()}
    part = inspector.WEIGHTS.with_name(inspector.WEIGHTS.name + ".part")
    save_file({name: weight.contiguous() for name, weight in stored.items()}, part)
    os.replace(part, inspector.WEIGHTS)
    shipped = {name: round(x, 4) for name, x in inspector.scores(inspector.trained_inspector(), *judged).items()}
    record = {
        "what": f"share of {JUDGED} panels of unseen combinations answered rightly, by pooling and question",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/teach/inspector.py; {SEEN} training panels, {STEPS} steps of {BATCH}, minivit.train.muon",
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads, cpu, torch {torch.__version__}",
        "blind": blind(seen, judged),
        "shipped": shipped,
        "runs": [],
    }
    lines = ",\n".join(json.dumps(told) for told in runs)  # a run a line
    text = json.dumps(record, indent=1).replace('"runs": []', f'"runs": [\n{lines}\n]')
    written(RECORD, (text + "\n").encode())


if __name__ == "__main__":
    main()
