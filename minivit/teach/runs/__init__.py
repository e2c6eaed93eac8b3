"""Recorded runs: what `tools/runs/` measured over seeds, for the lessons to draw beside their one live run.

They travel with the package, so that a lesson opened alone, in Colab say, finds them.
"""

import json
from pathlib import Path


def recorded(name: str) -> dict:
    """The record called `name`: what was run, how, on what, and every seed's curve. ValueError if there is none."""
    place = Path(__file__).with_name(f"{name}.json")
    if not place.exists():
        known = ", ".join(sorted(path.stem for path in place.parent.glob("*.json")))
        raise ValueError(f"there is no recorded run {name!r}; there are {known}")
    return json.loads(place.read_text(encoding="utf-8"))


def runs_of(record: dict, patch: int, width: int, cut: str = "patchify") -> list[dict]:
    """The runs of a record with this patch side, width and cut, one a seed. ValueError if there is none."""
    found = [run for run in record["runs"] if (run["patch"], run["width"], run["cut"]) == (patch, width, cut)]
    if not found:
        known = sorted({(run["patch"], run["width"], run["cut"]) for run in record["runs"]})
        there = "; ".join(f"P = {p}, D = {d}, {name}" for p, d, name in known)
        raise ValueError(f"no run was recorded with P = {patch}, D = {width}, {cut}; there are {there}")
    return found


def band(record: dict, patch: int, width: int, cut: str = "patchify") -> tuple[float, float]:
    """The lowest and the highest share of codes read at the end, over the seeds. ValueError if there are none."""
    ends = [run["read"][-1] for run in runs_of(record, patch, width, cut)]
    return min(ends), max(ends)
