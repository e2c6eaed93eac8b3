"""Train what ships in minivit/zoo/weights again, from nothing.

python tools/zoo.py [NAME ...]      all of them without a name; twenty minutes to an hour each on one core; Ctrl-C and
                                    the same command again go on where it stopped
"""

import platform
import sys
import time
from pathlib import Path

import torch

from minivit import panels, zoo
from minivit.bridge import first_stage, second_stage
from minivit.inspection import words
from minivit.train import History, Shuffled, adamw, muon, train
from minivit.zoo import assisting, matching, seeing, shelf, speaking
from minivit.zoo.speaking import InTurn

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "zoo"
JUDGED_FIRST = 10_000  # training looks at test scenes from here on; cards judge those from 0 on


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
        **_spent(history, start),
    }  # fmt: skip
    return shelf.keep("clip-panels", model, told, matching.scorecard)


def panels_language() -> dict:
    """The language model of lessons 12 and 13: from notes in words to answers."""
    scenes, steps, batch, seed = 12_000, 600, 64, 1
    torch.manual_seed(seed)
    pieces = words.pieces()
    model, start = speaking.language(pieces), time.process_time()
    batches = speaking.texts(pieces, [panels.sample_scene(number) for number in range(scenes)], batch, seed)
    history = train(
        model, batches, speaking.spoken, steps=steps, optimizer=muon(model, 0.02, 3e-3), every=steps // 12,
        progress=False, on_report=lambda step, model: _said(step, speaking.glimpse(model, pieces)),
        checkpoint=WORK / "panels-language.safetensors",
    )  # fmt: skip
    told = {
        "what": "a causal language model of four blocks that answers questions about panels from notes in words",
        "recipe": "python tools/zoo.py panels-language",
        "data": f"notes in words on {scenes} scenes of minivit.panels, training combinations alone; no picture",
        "steps": steps, "dialogues a step": batch, "seed": seed, **_spent(history, start),
        "pieces": list(pieces.pieces),
    }  # fmt: skip
    return shelf.keep("panels-language", model, told, lambda model: speaking.scorecard(model, pieces))


def panels_assistant() -> dict:
    """The assistant of lesson 13: its tower, then the projector alone, then the language model with it."""
    count, scenes, steps, seed, start = 40_000, 20_000, (600, 1_500), 1, time.process_time()
    drawn = seeing.taught(count, "train")
    told = assistant_tower(drawn, seed)
    trained = zoo.load("panels-language")
    torch.manual_seed(seed)
    model = assisting.assistant(trained.tokenizer, told.tower.eval(), trained.model.train())
    model.hurt.load_state_dict(told.hurt.state_dict())
    seen = [panels.sample_scene(number) for number in range(scenes)]
    cached = assisting.looked(model.bridge, drawn.pictures[:scenes], drawn.boxes[:scenes, 0], seed)
    chats, inspections = (
        assisting.talks(trained.tokenizer, seen, kind, seed) for kind in (speaking.chat, speaking.inspection)
    )
    batches = [Shuffled(*kind, batch=64, seed=seed) for kind in (chats, inspections)]
    loss, judging = assisting.conversing(cached, seed), assisting.Glimpse()
    report = {"progress": False, "on_report": lambda step, bridge: _said(step, judging(model))}
    first = train(
        first_stage(model.bridge), InTurn(*batches), loss, steps=steps[0], optimizer=adamw(model.bridge, 3e-3),
        every=steps[0] // 4, checkpoint=WORK / "panels-assistant-1.safetensors", **report,
    )  # fmt: skip
    second = train(
        second_stage(model.bridge), InTurn(*batches), loss, steps=steps[1], optimizer=muon(model.bridge, 0.01, 2e-3),
        every=steps[1] // 6, checkpoint=WORK / "panels-assistant-2.safetensors", **report,
    )  # fmt: skip
    card = {
        "what": "a tower, a two-layer projector and a language model: it reads panels and their codes, reports, calls",
        "recipe": "python tools/zoo.py panels-assistant",
        "data": f"{count} scenes of minivit.panels, training combinations and codes alone",
        "steps": sum(steps), "dialogues a step": 64, "seed": seed, "stages": list(steps),
        "tower": {"scenes": count, "steps": 4_000, "pictures a step": 96}, "dialogues about": scenes,
        "seconds are": "those of the two stages; the tower before them takes about 25 minutes of one core",
        **_spent(second, start), "pieces": list(trained.tokenizer.pieces),
    }  # fmt: skip
    card["seconds"] += round(first.seconds[-1])
    return shelf.keep("panels-assistant", model, card, assisting.scorecard, assisting.thresholds)


def assistant_tower(seen: seeing.Taught, seed: int, steps: int = 4_000, batch: int = 96) -> seeing.Telling:
    """The first stage of the assistant: the tower alone, told by every drawn scene what its tokens see."""
    torch.manual_seed(seed)
    model, judged = seeing.Telling(), seeing.taught(500, "test", first=JUDGED_FIRST)
    train(
        model, Shuffled(torch.arange(len(seen.pictures)), batch=batch, seed=seed), seeing.telling(seen, seed),
        steps=steps, optimizer=muon(model, 0.02, 3e-3), every=steps // 10, progress=False,
        on_report=lambda step, model: _said(step, seeing.scores(model, judged)),
        checkpoint=WORK / "assistant-tower.safetensors",
    )  # fmt: skip
    return model


def _spent(history: History, start: float) -> dict:
    return {
        "seconds": round(history.seconds[-1]), "cpu_seconds": round(time.process_time() - start),
        "hardware": f"{platform.machine()}, cpu, {torch.get_num_threads()} threads, torch {torch.__version__}",
    }  # fmt: skip


def _said(step: int, scores: dict) -> dict:
    print(step, {name: round(value, 4) for name, value in scores.items()}, flush=True)
    return scores


RECIPES = {"clip-panels": clip_panels, "panels-language": panels_language, "panels-assistant": panels_assistant}


def main(chosen: list[str]) -> None:
    assert sorted(RECIPES) == zoo.names()
    if unknown := sorted(set(chosen) - set(RECIPES)):
        raise SystemExit(f"there is no recipe for {', '.join(unknown)}; there are {', '.join(RECIPES)}")
    for name in chosen or RECIPES:
        card = RECIPES[name]()
        print(name, card["bytes"], {key: score["value"] for key, score in card["scores"].items()}, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
