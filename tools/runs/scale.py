"""Lesson 6's recorded run: a small ResNet and a small ViT on ever more pictures, of panels and of CIFAR-10.

    python tools/runs/scale.py [PART ...]      about forty minutes on one core; writes minivit/teach/runs/scale.json

Parts: `trials` of optimizers and rates, the same number for each; `live`, what the lesson trains before the reader's
eyes; `panels` and `cifar`, the curves over sizes and seeds, with shifted pictures and another resolution at the largest
size; `transfer`, pretrained against from scratch on few pictures; `alone`, one question asked alone; `place`, a
question that needs positions, at other resolutions. Every finished run is kept in a folder (MINIVIT_PARTS) and not run
again; the record holds what is finished, and says what is missing.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from minivit import images, panels
from minivit.patches import Grid
from minivit.positions import TRANSFORMERS, LearnedPositions, NoPositions
from minivit.teach import scale
from minivit.train import Shuffled, classify, train

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "minivit" / "teach" / "runs" / "scale.json"
FOLDER = Path(os.environ.get("MINIVIT_PARTS") or Path(tempfile.gettempdir()) / "minivit-scale")

SEEDS, LIVE_SEEDS, BATCH, JUDGED = (1, 2, 3), (1, 2, 3, 4, 5, 6), 64, 1_000
STEPS = {"trials": 450, "live": 240, "panels": 450, "cifar": 200, "transfer": 100, "alone": 1_000, "place": 450}
SIZES = {"panels": (150, 450, 1_350, 4_000, 12_000), "cifar": (250, 750, 2_500, 7_500, 25_000)}
LIVE_SIZE, TRIAL_SIZE, TRIAL_SEED, ALONE_SIZE = 1_350, 1_350, 11, 12_000
TRIALS = {
    "cnn": [("adamw", 1e-3), ("adamw", 3e-3), ("adamw", 1e-2), ("adamw", 3e-2)],
    "vit": [("adamw", 1e-3), ("adamw", 3e-3), ("muon", 0.02), ("muon", 0.04)],
}
SHIFTS = (0, 1, 2, 3, 4, 5, 6, 7, 8)  # pixels; the CIFAR pictures have half as many, and go half as far
OTHER_SIZES = (80, 96)  # pixels a side, for models that learnt at 64
FEW = (50, 200)  # pictures of a question that the pretrained model was never asked
NEW, KNOWN = ("damage",), ("lamps", "badge", "level", "agree")
ALONE, PLACE = ("agree",), ("place",)


def columns(right: Tensor, asked: tuple[str, ...]) -> Tensor:
    """(B, 5) -> (B, questions): the answers to these; what already is as wide stays."""
    if right.shape[1] == len(asked):
        return right
    return right[:, [list(scale.QUESTIONS).index(name) for name in asked]]


def learnt(
    kind: str, seed: int, rule: tuple[str, float], seen: tuple, judged: tuple, steps: int,
    asked: tuple[str, ...] = tuple(scale.QUESTIONS), start: dict | None = None, precision: str = "auto",
) -> tuple[nn.Module, dict]:  # fmt: skip
    """A reader after so many steps on panels, from nothing or from the weights `start`, and what became of it."""
    torch.manual_seed(seed)
    model = scale.reader(kind, sum(scale.widths(asked)))
    if start is not None:
        model.load_state_dict(start, strict=False)  # all but the head, which answers another question
    begun = time.process_time()
    told: dict[str, list] = {name: [] for name in asked}
    spent = [0.0]

    def report(step: int, model: nn.Module) -> dict:
        before = time.process_time()
        found = scale.scores(model, judged[0], columns(judged[1], asked), asked)
        spent[0] += time.process_time() - before
        for name, share in found.items():
            told[name].append(round(share, 4))
        model.train()
        return found

    history = train(
        model, Shuffled(seen[0], columns(seen[1], asked), batch=min(BATCH, len(seen[0])), seed=seed),
        scale.answers(asked), steps=steps, optimizer=scale.optimizer(model, *rule), progress=False,
        every=max(1, steps // 6), on_report=report, precision=precision,
    )  # fmt: skip
    cpu = time.process_time() - begun - spent[0]
    head = {"kind": kind, "optimizer": rule[0], "rate": rule[1], "seed": seed, "size": len(seen[0])}
    return model, head | {
        "cpu_seconds": round(cpu, 1), "steps": history.steps, "loss": [round(x, 4) for x in history.losses], **told
    }  # fmt: skip


def classified(kind: str, seed: int, rule: tuple[str, float], seen: tuple, judged: tuple, steps: int) -> tuple:
    """A reader of CIFAR-10 after so many steps, and what became of it."""
    torch.manual_seed(seed)
    model, begun = scale.reader(kind, 10, seen[0].shape[-1]), time.process_time()
    history = train(
        model, Shuffled(*seen, batch=BATCH, seed=seed), classify, steps=steps,
        optimizer=scale.optimizer(model, *rule), progress=False, every=max(1, steps // 4),
    )  # fmt: skip
    head = {"kind": kind, "optimizer": rule[0], "rate": rule[1], "seed": seed, "size": len(seen[0])}
    cpu = round(time.process_time() - begun, 1)
    shares = {"accuracy": round(right(model, *judged), 4)}
    return model, head | {"cpu_seconds": cpu, "loss": [round(x, 4) for x in history.losses], **shares}


@torch.no_grad()
def right(model: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """The share of pictures whose class is told rightly."""
    model.eval()
    return (torch.cat([model(part).argmax(1) for part in pictures.split(250)]) == labels).float().mean().item()


def moved(score, pictures: Tensor, shifts: tuple[int, ...]) -> list[dict]:
    """`score(pictures)` -> shares by question, for pictures moved left and right by every shift, the two averaged."""
    found = []
    for pixels in shifts:
        ways = [score(scale.shifted(pictures, 0, way * pixels)) for way in ((1, -1) if pixels else (1,))]
        found.append(
            {"pixels": pixels} | {name: round(sum(way[name] for way in ways) / len(ways), 4) for name in ways[0]}
        )
    return found


def flat(table: Tensor, count: int) -> Tensor:
    """(N, D) -> (count, D): resized as a line of N vectors, which forgets that they lay in rows. The mistake."""
    return F.interpolate(table.T[None], size=count, mode="linear", align_corners=False)[0].T


def resized(
    model: nn.Module, kind: str, size: int, judged: tuple, asked: tuple[str, ...] = tuple(scale.QUESTIONS)
) -> list[dict]:
    """Shares at another resolution: a ViT with its table resampled rightly, as a flat line, and left out."""
    grid = Grid(size // 8, size // 8)
    ways: dict[str, nn.Module | None] = {"as it is": None}
    if kind == "vit":
        old, ways = model.positions, {}
        for name, table in (
            ("resampled", TRANSFORMERS(old.table.detach(), old.grid, grid)),
            ("flat line", flat(old.table.detach(), grid.tokens)),
        ):
            ways[name] = LearnedPositions(grid, table.shape[1])
            ways[name].table.data.copy_(table)
        ways["no positions"] = NoPositions()
    found = []
    for name, positions in ways.items():
        if positions is not None:
            model.positions = positions
        shares = scale.scores(model, *judged, asked)
        found.append({"pixels": size, "positions": name} | {q: round(x, 4) for q, x in shares.items()})
    if kind == "vit":
        model.positions = old
    return found


# ---- what is kept between calls ------------------------------------------------------------------------------------


def written(path: Path, text: str) -> None:
    """The file appears under its name complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def once(part: str, key: str, run) -> dict:
    """What `run()` found, from the file of an earlier call if there is one."""
    path = FOLDER / part / f"{key}.json"
    if not path.exists():
        found = run()
        written(path, json.dumps(found))
        print(part, key, found.get("cpu_seconds"), {q: found[q] for q in ("agree", "damage") if q in found}, flush=True)
    return json.loads(path.read_text(encoding="utf-8"))


def drawn(count: int, split: str, size: int = scale.SIZE) -> tuple[Tensor, Tensor]:
    """Panels, kept in a file: drawing 12,000 takes a minute."""
    path = FOLDER / f"{split}-{count}-{size}.safetensors"
    if not path.exists():
        pictures, truths = scale.scenes(count, split, size)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"pictures": (pictures * 255).round().byte(), "truths": truths}, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)
    stored = load_file(path)
    return images.to_float(stored["pictures"]), stored["truths"]


def part_of(seen: tuple, count: int, seed: int) -> tuple:
    """`count` of all pictures, others with every seed: then the bands hold the luck of the draw too."""
    chosen = torch.randperm(len(seen[0]), generator=torch.Generator().manual_seed(seed))[:count]
    return tuple(tensor[chosen] for tensor in seen)


# ---- the parts -----------------------------------------------------------------------------------------------------


def trials() -> list[dict]:
    """Every optimizer and rate once, on a middle size with a seed that no curve uses."""
    seen, judged = drawn(SIZES["panels"][-1], "train"), drawn(JUDGED, "test")
    some = part_of(seen, TRIAL_SIZE, TRIAL_SEED)
    return [
        once("trials", f"{kind}-{name}-{rate}",
             lambda kind=kind, rule=(name, rate): learnt(kind, TRIAL_SEED, rule, some, judged, STEPS["trials"])[1])
        for kind in ("cnn", "vit") for name, rate in TRIALS[kind]
    ]  # fmt: skip


def rule_of(kind: str) -> tuple[str, float]:
    """The optimizer and rate whose trial answered most, all questions counted alike."""
    tried = [trial for trial in trials() if trial["kind"] == kind]
    best = max(tried, key=lambda trial: sum(trial[name][-1] for name in scale.QUESTIONS))
    return best["optimizer"], best["rate"]


def live() -> list[dict]:
    """In both precisions: a ViT that starts unluckily begins so late that rounding decides how far it comes."""
    seen, judged = drawn(SIZES["panels"][-1], "train"), drawn(JUDGED, "test")
    few = tuple(tensor[:LIVE_SIZE] for tensor in seen)  # the first, so that the lesson draws only these

    def run(kind: str, seed: int, precision: str) -> dict:
        told = learnt(kind, seed, rule_of(kind), few, judged, STEPS["live"], precision=precision)[1]
        return {"precision": precision} | told

    return [
        once("live", f"{kind}-{seed}-{precision}", lambda told=(kind, seed, precision): run(*told))
        for precision in ("bf16", "fp32") for seed in LIVE_SEEDS for kind in scale.KINDS
    ]  # fmt: skip


def on_panels(seeds: tuple[int, ...] = SEEDS) -> list[dict]:
    seen, judged = drawn(SIZES["panels"][-1], "train"), drawn(JUDGED, "test")
    others = {size: drawn(JUDGED, "test", size) for size in OTHER_SIZES}

    def run(kind: str, seed: int, size: int) -> dict:
        model, told = learnt(kind, seed, rule_of(kind), part_of(seen, size, seed), judged, STEPS["panels"])
        if size == SIZES["panels"][-1]:
            told["shifted"] = moved(lambda pictures: scale.scores(model, pictures, judged[1]), judged[0], SHIFTS)
            told["resized"] = [way for side in OTHER_SIZES for way in resized(model, kind, side, others[side])]
        return told

    return [
        once("panels", f"{kind}-{size}-{seed}", lambda kind=kind, seed=seed, size=size: run(kind, seed, size))
        for seed in seeds for size in SIZES["panels"] for kind in scale.KINDS
    ]  # fmt: skip


def on_cifar(seeds: tuple[int, ...] = SEEDS) -> list[dict]:
    seen, judged = ((images.to_float(data.images), data.labels) for data in map(images.cifar10, ("train", "test")))

    def run(kind: str, seed: int, size: int) -> dict:
        model, told = classified(kind, seed, rule_of(kind), part_of(seen, size, seed), judged, STEPS["cifar"])
        if size == SIZES["cifar"][-1]:
            some = tuple(tensor[:2_000] for tensor in judged)
            told["shifted"] = moved(lambda x: {"accuracy": right(model, x, some[1])}, some[0], SHIFTS[:5])
        return told

    return [
        once("cifar", f"{kind}-{size}-{seed}", lambda kind=kind, seed=seed, size=size: run(kind, seed, size))
        for seed in seeds for size in SIZES["cifar"] for kind in scale.KINDS
    ]  # fmt: skip


def pretrained(kind: str) -> dict:
    """The weights, without the head, of a reader that was asked everything but damage."""
    path = FOLDER / f"pretrained-{kind}.safetensors"
    if not path.exists():
        seen, judged = drawn(SIZES["panels"][-1], "train"), drawn(JUDGED, "test")
        model, told = learnt(kind, SEEDS[0], rule_of(kind), seen, judged, STEPS["panels"], KNOWN)
        once("pretrained", kind, lambda: told)
        save_file({name: w.contiguous() for name, w in model.state_dict().items() if "head" not in name}, path)
    return load_file(path)


def transfer() -> list[dict]:
    seen, judged = drawn(SIZES["panels"][-1], "train"), drawn(JUDGED, "test")

    def run(kind: str, seed: int, count: int, start: str) -> dict:
        weights = pretrained(kind) if start == "pretrained" else None
        few = part_of(seen, count, 100 + seed)
        return learnt(kind, seed, rule_of(kind), few, judged, STEPS["transfer"], NEW, weights)[1] | {"start": start}

    return [
        once("transfer", f"{kind}-{start}-{count}-{seed}",
             lambda kind=kind, seed=seed, count=count, start=start: run(kind, seed, count, start))
        for seed in SEEDS for count in FEW for kind in scale.KINDS for start in ("scratch", "pretrained")
    ]  # fmt: skip


def alone() -> list[dict]:
    seen, judged = drawn(SIZES["panels"][-1], "train"), drawn(JUDGED, "test")
    return [
        once("alone", kind,
             lambda kind=kind: learnt(kind, SEEDS[0], rule_of(kind), seen, judged, STEPS["alone"], ALONE)[1])
        for kind in scale.KINDS
    ]  # fmt: skip


def place() -> list[dict]:
    """Where the damage is: a question that needs positions, at the resolution of training and at others."""

    def asked_for_place(count: int, split: str, size: int = scale.SIZE) -> tuple[Tensor, Tensor]:
        seen = [panels.sample_scene(seed, split) for seed in range(count)]
        return drawn(count, split, size)[0], scale.truths(seen, PLACE)

    seen, judged = asked_for_place(SIZES["panels"][-1], "train"), asked_for_place(JUDGED, "test")
    others = {size: asked_for_place(JUDGED, "test", size) for size in OTHER_SIZES}

    def run(kind: str, seed: int) -> dict:
        model, told = learnt(kind, seed, rule_of(kind), seen, judged, STEPS["place"], PLACE)
        return told | {
            "resized": [way for side in OTHER_SIZES for way in resized(model, kind, side, others[side], PLACE)]
        }

    return [
        once("place", f"{kind}-{seed}", lambda kind=kind, seed=seed: run(kind, seed))
        for seed in SEEDS for kind in scale.KINDS
    ]  # fmt: skip


def short() -> list[dict]:
    """A run of a few seconds, for the tests."""
    seen, judged = scale.scenes(128, "train"), scale.scenes(64, "test")
    return [learnt(kind, SEEDS[0], ("adamw", 3e-3), seen, judged, steps=12)[1] for kind in scale.KINDS]


PARTS = {
    "trials": trials,
    "live": live,
    "panels": on_panels,
    "cifar": on_cifar,
    "transfer": transfer,
    "alone": alone,
    "place": place,
}

WHOLE = {
    "trials": 8,
    "live": 24,
    "panels": 30,
    "cifar": 30,
    "transfer": 24,
    "alone": 2,
    "place": 6,
    "pretrained": 2,
}  # runs


def finished(part: str) -> list[dict]:
    """The runs of a part that are in the folder, in the order of size, seed and kind."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (FOLDER / part).glob("*.json")]
    return sorted(found, key=lambda run: [str(run.get(x, "")).rjust(9) for x in ("size", "seed", "kind", "start")])


def record() -> None:
    """Writes what is finished, a run a line, and how much is not."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    judged = drawn(JUDGED, "test")[1]
    blind = [(column == column.mode().values).float().mean().item() for column in judged.T]
    parts = {name: finished(name) for name in WHOLE}
    facts = {
        "what": f"share answered rightly by training size: {JUDGED} panels of unseen combinations, CIFAR-10's test set",
        "commit": head.stdout.strip(),
        "recipe": f"minivit/teach/scale.py; {BATCH} a step, a fixed number of steps at every size, no augmentation; "
        "optimizer and rate by the best of four trials each on panels, not tuned again on CIFAR-10",
        "cifar_from": "the hub's uoft-cs/cifar10 from a copy re-encoded as JPEG: comparable with no published score",
        "hardware": f"{platform.machine()}, one thread, cpu, torch {torch.__version__}; CPU seconds without evaluation",
        "steps": STEPS,
        "missing": {name: WHOLE[name] - len(runs) for name, runs in parts.items() if len(runs) < WHOLE[name]},
        "most frequent": {name: round(share, 4) for name, share in zip(scale.QUESTIONS, blind, strict=True)},
        "chosen": {kind: rule_of(kind) for kind in scale.KINDS},
    }
    text = json.dumps(facts | {name: [] for name in (*parts, "short")}, indent=1)
    for name, runs in (*parts.items(), ("short", short())):
        lines = ",\n".join(json.dumps(run) for run in runs)
        text = text.replace(f'"{name}": []', f'"{name}": [\n{lines}\n]')
    written(RECORD, text + "\n")


def main(parts: list[str]) -> None:
    for part in parts:
        if part != "record":
            PARTS[part]()
    record()


if __name__ == "__main__":
    main(sys.argv[1:] or list(PARTS))
