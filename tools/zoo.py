"""Train what ships in minivit/zoo/weights again, from nothing.

python tools/zoo.py [NAME ...]      all of them without a name; about twenty minutes each on one core; Ctrl-C and the
                                    same command again go on where it stopped
"""

import platform
import sys
import time
from pathlib import Path

import torch

from minivit import zoo
from minivit.train import Shuffled, adamw, muon, train
from minivit.zoo import matching, shelf

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "zoo"


def clip_panels() -> dict:
    """The towers of lesson 7 with more steps, larger batches, three times the scenes, and captions of all phrasings."""
    scenes, steps, triples, seed = 60_000, 4_500, 32, 1
    torch.manual_seed(seed)
    seen, model = matching.matches(scenes, "train", phrasings=5), matching.towers()
    optimizer = (*muon(model, 0.02, 4e-3, without=[model.text_tower]), adamw(model.text_tower, 1e-4))
    batches, start = Shuffled(matching.twins(seen.right, seed), batch=triples, seed=seed), time.process_time()
    judged = matching.matches(1_000, "test")
    history = train(
        model, batches, matching.matched(seen), steps=steps, optimizer=optimizer, every=steps // 10, progress=False,
        on_report=lambda step, model: _said(step, matching.scores(model, judged)),
        checkpoint=WORK / "clip-panels.safetensors",
    )  # fmt: skip
    told = {
        "what": "CLIP: a hybrid ViT and a text tower of one block each, pictures of 64 x 64 pixels, captions of panels",
        "recipe": "python tools/zoo.py clip-panels",
        "data": f"{scenes} scenes of minivit.panels, training combinations alone; judged on 1,000 of the others",
        "steps": steps, "pairs a step": 3 * triples, "seed": seed,
        "seconds": round(history.seconds[-1]), "cpu_seconds": round(time.process_time() - start),
        "hardware": f"{platform.machine()}, cpu, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }  # fmt: skip
    return shelf.keep("clip-panels", model, told, matching.scorecard)


def _said(step: int, scores: dict) -> dict:
    print(step, {name: round(value, 4) for name, value in scores.items()}, flush=True)
    return scores


RECIPES = {"clip-panels": clip_panels}


def main(chosen: list[str]) -> None:
    assert sorted(RECIPES) == zoo.names()
    if unknown := sorted(set(chosen) - set(RECIPES)):
        raise SystemExit(f"there is no recipe for {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    for name in chosen or RECIPES:
        card = RECIPES[name]()
        print(name, card["bytes"], {key: score["value"] for key, score in card["scores"].items()}, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
