"""Lesson 13's recorded run: reading plates by seed and by size, and the shipped assistant with all it is held to.

    python tools/runs/inspection.py [PART ...]      about forty minutes on one core
    writes minivit/teach/runs/inspection.json

Parts: `readers`, the lesson's small reader trained anew on crops from pictures of four sizes and on whole ones, three
seeds each; `cards`, the shipped assistant on unseen scenes beside three blind ones, its waterfall and how sure it was;
`sizes` and `engine`, its codes and tesseract's by the size of the picture; `fallback`, the loop on small pictures
with further readers; `asked`, questions that no picture answers, and `answerable`, those that one does; `photos`,
photographs that are no panels; `short`, for the tests. A finished piece is kept in a folder (MINIVIT_PARTS) and not run
again; the record holds what is finished.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from minivit import images, panels, zoo
from minivit.inspection import ocr, scores, whatif, words
from minivit.inspection.agent import AROUND, inspect
from minivit.inspection.claims import around
from minivit.inspection.mind import AssistantMind
from minivit.teach import inspecting, reading
from minivit.train import Shuffled, muon, train
from minivit.zoo import seeing
from minivit.zoo.assisting import CHOOSING, TOOLS, counted

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "inspection.json"
FOLDER = Path(os.environ.get("MINIVIT_PARTS") or Path(tempfile.gettempdir()) / "minivit-inspection")
SIZES, SEEDS = (64, 96, 128, 192), (1, 2, 3)
JUDGED, READERS_FIRST = 500, 10_000  # test scenes: the cards' from 0 on, the readers' from 10,000 on
SIZED, ASKED = 100, 25
FALLBACK_FIRST, FALLBACK = 20_000, 60
LOOKS = {
    "one look": {"retries": 0},
    "two nearer looks": {"retries": 2},
    "and tesseract": {"retries": 2, "ocr": ocr.read_code},
}


def reader(view: str, size: int, seed: int, scenes: int = reading.SCENES, steps: int = reading.STEPS) -> dict:
    """One reader from nothing, on pictures of this size, and what it reads of scenes that it never saw."""
    seen = reading.plates(scenes, "train", size=size)
    judged = reading.plates(min(JUDGED, scenes), "test", READERS_FIRST, size)
    torch.manual_seed(seed)
    model, start = seeing.Telling(), time.process_time()
    history = train(
        model, Shuffled(torch.arange(scenes), batch=reading.BATCH, seed=seed), reading.reading(seen, seed, view),
        steps=steps, optimizer=muon(model, 0.02, 3e-3), every=max(1, steps // 5), progress=False,
        on_report=lambda step, model: {"read": reading.read(model, judged, view).float().mean().item()},
    )  # fmt: skip
    at, read = history.reported("read")
    return {
        "view": view, "size": size, "seed": seed, "scenes": scenes, "steps": list(at),
        "read": [round(share, 4) for share in read], "losses": [round(loss, 4) for loss in history.losses],
        "cpu_seconds": round(time.process_time() - start, 1),
    }  # fmt: skip


def cards() -> dict:
    """Scorecards of the assistant and of three blind ones; the waterfall; how sure it was and whether it was right."""
    model = zoo.load("panels-assistant").model
    judging = inspecting.drawn(JUDGED)
    told = inspecting.judge(model, judging)
    seen = [panels.report(panels.sample_scene(number)) for number in range(2_000)]
    columns = {
        "assistant": told,
        "another's picture": inspecting.judge(model, judging, shuffled=True),
        "no picture": inspecting.without_picture(model, judging),
        "the usual report": inspecting.prior(judging, seen),
    }
    choosing = inspecting.judge(model, inspecting.drawn(JUDGED, **CHOOSING))
    boxed = inspecting.from_true_plates(model, judging)
    stages = told.said, told.true, None, {"box": boxed}
    return {
        "columns": {
            name: {line: round(inspecting.share(one), 4) for line, one in counted(column).items()}
            for name, column in columns.items()
        },
        "waterfall": {name: round(share, 4) for name, share in whatif.waterfall(*stages).items()},
        "mended": whatif.mended(*stages),
        "true plates": {
            line: round(inspecting.share(one), 4)
            for line, one in (scores.code(boxed, told.true) | scores.signs(boxed, told.true)).items()
        },
        "sure": {
            name: [
                [{claim: round(sure[claim], 5) for claim in good}, good]
                for sure, good in zip(one.sure, scores.claimed(one.said, one.true), strict=True)
            ]
            for name, one in {"choose": choosing, "judge": told}.items()
        },
    }


def sizes() -> list[dict]:
    """The assistant's codes by the size of the picture."""
    model, told = zoo.load("panels-assistant").model, []
    for size in SIZES:
        found = inspecting.judge(model, inspecting.drawn(SIZED, size=size))
        right = sum(one.code.text == true.code.text for one, true in zip(found.said, found.true, strict=True))
        told.append({"size": size, "count": SIZED, "read": right / SIZED})
    return told


def engine() -> list[dict]:
    """Tesseract's codes by the size of the picture, in crops at the plates' true places: right, wrong, silent."""
    told = []
    for size in SIZES:
        scenes = [panels.sample_scene(number, "test") for number in range(SIZED)]
        said = [_ocr(panels.draw(scene, size), panels.report(scene).code.box) for scene in scenes]
        right = sum(one == scene.code for one, scene in zip(said, scenes, strict=True))
        told.append({"size": size, "count": SIZED, "read": right / SIZED, "silent": said.count(None) / SIZED})
    return told


def fallback() -> list[dict]:
    """The whole loop on small pictures with the card's threshold of the code: each further reader of it."""
    model = zoo.load("panels-assistant").model
    least = model.least["code"]
    mind, told = AssistantMind(model, TOOLS), []
    scenes = [panels.sample_scene(number, "test") for number in range(FALLBACK_FIRST, FALLBACK_FIRST + FALLBACK)]
    for name, given in LOOKS.items():
        row = {"looks": name, "size": SIZES[0], "count": FALLBACK, "answered": 0, "right": 0, "code right": 0}
        for scene in scenes:
            found = inspect(panels.draw(scene, SIZES[0]), mind, TOOLS, sure={"code": least}, **given)
            if not found.refused:
                row["answered"] += 1
                row["right"] += found.action == scene.action and found.report.code.text == scene.code
                row["code right"] += found.report.code.text == scene.code
        told.append(row)
    return told


def _ocr(picture: torch.Tensor, box: tuple) -> str | None:
    """What tesseract reads in the crop that the loop gives it."""
    height, width = picture.shape[1:]
    y0, x0, y1, x1 = around(box, AROUND)
    near = picture[:, int(y0 * height) : -int(-y1 * height // 1), int(x0 * width) : -int(-x1 * width // 1)]
    try:
        found = ocr.read_code(near)
    except ValueError:  # a crop of a few pixels
        return None
    return found and found.text


def asked(chosen: Sequence[str] = words.UNANSWERABLE) -> list[dict]:
    """For each question that no picture answers, what is said to it before a few pictures."""
    model, told = zoo.load("panels-assistant").model, []
    slots = model.look(inspecting.drawn(ASKED).pictures)
    for question in chosen:
        said = model.ask(slots, [question] * ASKED).texts
        known = question in words.UNANSWERABLE[: words.KNOWN_UNANSWERABLE]
        told.append({
            "question": question, "trained": known, "count": ASKED,
            "refused": sum(map(words.refused, said)),
            "first other": next((one for one in said if not words.refused(one)), ""),
        })  # fmt: skip
    return told


def answerable() -> dict:
    """How often the same pictures' own questions are refused, all of which they answer: a control of `asked`."""
    model, judging = zoo.load("panels-assistant").model, inspecting.drawn(ASKED)
    turns = zip(*(words.asked(scene) for scene in judging.scenes), strict=True)
    slots = model.look(judging.pictures)
    said = [text for each in turns for text in model.ask(slots, [turn.question for turn in each]).texts]
    return {"count": len(said), "refused": sum(map(words.refused, said))}


def photos(chosen: Sequence[str] | None = None) -> list[dict]:
    """Photographs that are no panels, through the whole loop that refuses nothing: what is claimed, and how surely."""
    model, told = zoo.load("panels-assistant").model, []
    mind = AssistantMind(model, TOOLS)
    for name in chosen or images.samples():
        found = inspect(inspecting.photograph(name), mind, TOOLS, sure=0.0)
        said = found.report
        told.append({
            "name": name, "code": said.code.text, "damage": said.damage.kind, "badge": said.badge.status,
            "confidence": {claim: round(one, 5) for claim, one in found.confidence.items()},
        })  # fmt: skip
    return told


def kept(name: str, make: Callable[[], dict | list]) -> dict | list:
    """What a finished run told, or what `make` tells now; a file appears complete."""
    file = FOLDER / f"{name}.json"
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(make()), encoding="utf-8")
        os.replace(part, file)
        print(name, file.read_text(encoding="utf-8")[:300], flush=True)
    return json.loads(file.read_text(encoding="utf-8"))


def short() -> dict:
    """A reader of a few steps, for the tests."""
    return reader("near", 128, SEEDS[0], scenes=256, steps=10)


def gathered() -> None:
    """Write the record of what is finished; long lists have a line for each entry, and it appears complete."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    record = {
        "what": f"readers on {JUDGED} unseen plates, the shipped assistant on {JUDGED} unseen scenes",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/teach/reading.py, inspecting.py; readers: {reading.SCENES} scenes, {reading.BATCH} a step",
        "hardware": f"{platform.machine()}, cpu, {torch.get_num_threads()} thread, torch {torch.__version__}",
        "chance": {"read": 1 / 24_000},
        "readers": [told for stem, told in found.items() if stem.startswith("reader-")],
    }  # fmt: skip
    record |= {
        name: found[name]
        for name in ("short", "cards", "sizes", "engine", "fallback", "asked", "answerable", "photos")
        if name in found
    }
    part = RECORD.with_name(RECORD.name + ".part")
    part.write_text(_lines(record) + "\n", encoding="utf-8")
    os.replace(part, RECORD)


def _lines(value: object, depth: int = 0) -> str:
    """JSON with a line for each entry down to the second level, and everything deeper in its line."""
    if depth < 2 and isinstance(value, dict | list) and value:
        inside, ends = " " * (depth + 1), "{}" if isinstance(value, dict) else "[]"
        pairs = value.items() if isinstance(value, dict) else [(None, one) for one in value]
        rows = [("" if key is None else json.dumps(key) + ": ") + _lines(one, depth + 1) for key, one in pairs]
        return f"{ends[0]}\n{inside}" + f",\n{inside}".join(rows) + f"\n{' ' * depth}{ends[1]}"
    return json.dumps(value)


def main(parts: list[str]) -> None:
    if "short" in parts:
        kept("short", short)
    if "readers" in parts:
        for seed in SEEDS:
            for view, size in [("near", 128), ("near", 64), ("near", 96), ("near", 192), ("whole", 128)]:
                kept(f"reader-{view}-{size:03}-{seed}", lambda v=view, z=size, s=seed: reader(v, z, s))
    for name, make in ONCE.items():
        if name in parts:
            kept(name, make)
    gathered()


ONCE = {
    "engine": engine, "cards": cards, "sizes": sizes, "fallback": fallback, "asked": asked, "answerable": answerable,
    "photos": photos,
}  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:] or ["short", "readers", *ONCE])
