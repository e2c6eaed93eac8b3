"""The words of the panel world, which of them are held out for testing, and which action is right.

Five attributes make a *combination* and a caption: 6 colours x 4 damages x 3 badges x 4 hazards x
2 mounts = 576. One combination in four belongs to the test split. The rule is a sum of positions
modulo 4, so that every value of every attribute is in the test split for exactly a quarter of its
combinations, and in the training split for the other three.
"""

from functools import cache
from itertools import product
from typing import NamedTuple
from zlib import crc32

COLOURS = ("white", "grey", "blue", "green", "yellow", "red")
DAMAGES = ("none", "crack", "scratch", "burn")
BADGES = ("ok", "warning", "fault")  # also the three levels in which a hazard icon lights up
HAZARDS = ("electricity", "heat", "water", "rotor")
MOUNTS = ("rack", "wall")

PLACES = ("upper left", "upper right", "lower left", "lower right")
SEVERITIES = ("minor", "major")
SHAPES = ("circle", "diamond", "shield")
MATERIALS = ("painted", "brushed", "plastic")
LABELS = ("tall", "wide")
PRINTS = ("barcode", "text")
LIGHTS = ("bright", "dim", "warm")
ACTIONS = ("continue", "monitor", "repair", "isolate", "verify")

SPLITS = ("train", "test")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no I and no O: they look like 1 and 0
CODE = r"[A-HJ-NP-Z][0-9]-[0-9][0-9]"
"""An asset code, as a regular expression: 24,000 codes such as A7-39."""


class Combination(NamedTuple):
    """The five attributes that a caption names."""

    colour: str
    damage: str
    badge: str
    hazard: str
    mount: str


def split_of(combination: Combination) -> str:
    """The split that a combination belongs to, "train" or "test"."""
    colour, damage, badge, hazard, mount = combination
    places = (COLOURS.index(colour), DAMAGES.index(damage), BADGES.index(badge), HAZARDS.index(hazard))
    return "test" if (sum(places) + 2 * MOUNTS.index(mount)) % 4 == 0 else "train"


def split_of_code(code: str) -> str:
    """The split that an asset code belongs to, "train" or "test": a checksum puts one code in five into "test".

    It is a checksum and not a sum of digits because a reader of codes would soon learn the latter,
    and with it which codes it is never shown.
    """
    return "test" if crc32(code.encode()) % 5 == 0 else "train"


@cache
def combinations(split: str | None = None) -> tuple[Combination, ...]:
    """All 576 combinations in a fixed order, or the 432 of "train", or the 144 of "test"."""
    if split is not None:
        check_split(split)
    every = (Combination(*values) for values in product(COLOURS, DAMAGES, BADGES, HAZARDS, MOUNTS))
    return tuple(c for c in every if split is None or split_of(c) == split)


def check_split(split: str) -> None:
    """Raise ValueError unless `split` is "train" or "test"."""
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; write 'train' or 'test'")


DAMAGE_STEPS = {
    ("none", None): 0,
    ("scratch", "minor"): 0,
    ("scratch", "major"): 1,
    ("crack", "minor"): 1,
    ("crack", "major"): 2,
    ("burn", "minor"): 2,
    ("burn", "major"): 3,
}
BADGE_STEPS = {"ok": 0, "warning": 1, "fault": 2}


def right_action(damage: str, severity: str | None, badge: str, agree: bool) -> str:
    """The action that the house rules ask for, one of ACTIONS.

    Damage and badge are steps on one ladder: continue, monitor, repair, isolate. The steps add up
    and the ladder ends at "isolate", which always stands. Below it, a badge and an icon that
    contradict each other say that a sensor lies: "verify" first.
    """
    step = DAMAGE_STEPS[damage, severity] + BADGE_STEPS[badge]
    if step >= 3:
        return "isolate"
    return ACTIONS[step] if agree else "verify"
