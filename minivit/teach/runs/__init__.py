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
