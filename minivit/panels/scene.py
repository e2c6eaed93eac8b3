"""One scene: everything that there is to know about one picture of one equipment panel."""

import math
import re
from dataclasses import dataclass
from operator import index
from random import Random

from minivit.panels import rules
from minivit.panels.layout import Slot, packings
from minivit.panels.rules import Combination

_WORDS = {
    "colour": rules.COLOURS,
    "mount": rules.MOUNTS,
    "material": rules.MATERIALS,
    "badge": rules.BADGES,
    "badge_shape": rules.SHAPES,
    "hazard": rules.HAZARDS,
    "icon_level": rules.BADGES,
    "damage": rules.DAMAGES,
    "severity": (None, *rules.SEVERITIES),
    "place": rules.PLACES,
    "label": rules.LABELS,
    "label_print": rules.PRINTS,
    "light": rules.LIGHTS,
}
_CODE = re.compile(rules.CODE)
_RANGES = {
    "light_angle": (-75.0, 75.0),
    "yaw": (-16.0, 16.0),
    "pitch": (-14.0, 14.0),
    "roll": (-4.0, 4.0),
    "zoom": (0.95, 1.05),
    "shift_x": (-0.12, 0.12),
    "shift_y": (-0.12, 0.12),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A panel, its parts, its damage, the light and the camera. Angles are degrees, shifts are cells.

    ValueError for a word, a type or a number that no scene has.

    `dataclasses.replace(scene, damage="burn", severity="minor")` gives the same picture but for the damage.
    """

    colour: str
    mount: str
    material: str
    badge: str
    badge_shape: str
    hazard: str
    icon_level: str
    damage: str
    severity: str | None  # None exactly when there is no damage
    place: str  # the quadrant of the damage; where there is none, the quadrant left empty
    code: str
    label: str
    label_print: str
    lamps: tuple[bool, bool, bool, bool]
    light: str
    light_angle: float  # 0 is from above, positive from the right
    yaw: float
    pitch: float
    roll: float
    zoom: float
    shift_x: float
    shift_y: float
    arrangement: int  # which of the possible layouts
    grain: int  # seed of textures, bars and the course of a crack

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if not isinstance(value, str | None) or value not in words:
                raise ValueError(f"{name} cannot be {value!r}; choose from {', '.join(map(repr, words))}")
        if (self.severity is None) != (self.damage == "none"):
            raise ValueError(
                f"damage {self.damage!r}, severity {self.severity!r}: write None for no damage, else 'minor' or 'major'"
            )
        if not isinstance(self.code, str) or not _CODE.fullmatch(self.code):
            raise ValueError(
                f"{self.code!r} is no asset code; write letter (no I, no O), digit, hyphen, two digits: 'A7-39'"
            )
        lamps = self.lamps
        if not isinstance(lamps, tuple) or len(lamps) != 4 or not all(isinstance(lamp, bool) for lamp in lamps):
            raise ValueError(f"a panel has 4 lamps, not {lamps!r}; give a tuple of four times True or False")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ValueError(f"{name} is {value!r}; give a Python number from {low} to {high}")
        for name in ("arrangement", "grain"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"{name} is {value!r}; give a whole Python number, 0 or more")

    @property
    def combination(self) -> Combination:
        """The five attributes that a caption names and that the splits keep apart."""
        return Combination(self.colour, self.damage, self.badge, self.hazard, self.mount)

    @property
    def agree(self) -> bool:
        """Whether the icon is lit in the level that the badge shows."""
        return self.badge == self.icon_level

    @property
    def lamps_lit(self) -> int:
        """How many lamps are lit, 0 to 4."""
        return sum(self.lamps)

    @property
    def action(self) -> str:
        """The right action, by `rules.right_action`."""
        return rules.right_action(self.damage, self.severity, self.badge, self.agree)

    @property
    def slots(self) -> dict[str, Slot]:
        """The cells of the board that each part has to itself."""
        possible = packings(self.place, self.label)
        return possible[self.arrangement % len(possible)]


def sample_scene(seed: int, split: str = "train") -> Scene:
    """The scene with this number; the same number and split always give the same scene.

    Badge and icon agree in half of the scenes; 0 to 4 lamps are lit, each count equally often.
    """
    rules.check_split(split)
    try:
        seed = index(seed)
    except TypeError:
        raise ValueError(
            f"a seed is a whole number, not {seed!r} ({type(seed).__name__}); write for example 7"
        ) from None
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; count scenes from 0")
    random = Random(f"minivit panels {split} {seed}").random  # random() alone is the same in every Python

    def one_of(choices):
        return choices[int(random() * len(choices))]

    def between(low: float, high: float) -> float:
        return low + (high - low) * random()

    colour, damage, badge, hazard, mount = one_of(rules.combinations(split))
    other_levels = [level for level in rules.BADGES if level != badge]
    lit, order = int(random() * 5), sorted((random(), lamp) for lamp in range(4))
    lamps = [False] * 4
    for _, lamp in order[:lit]:
        lamps[lamp] = True
    return Scene(
        colour=colour,
        mount=mount,
        material=one_of(rules.MATERIALS),
        badge=badge,
        badge_shape=one_of(rules.SHAPES),
        hazard=hazard,
        icon_level=badge if random() < 0.5 else one_of(other_levels),
        damage=damage,
        severity=None if damage == "none" else one_of(rules.SEVERITIES),
        place=one_of(rules.PLACES),
        code=_sample_code(random, split),
        label=one_of(rules.LABELS),
        label_print=one_of(rules.PRINTS),
        lamps=tuple(lamps),
        light=one_of(rules.LIGHTS),
        light_angle=between(-60, 60),
        yaw=between(-14, 14),
        pitch=between(-11, 11),
        roll=between(-3, 3),
        zoom=between(0.97, 1.04),
        shift_x=between(-0.07, 0.07),
        shift_y=between(-0.07, 0.07),
        arrangement=int(random() * 2**20),
        grain=int(random() * 2**32),
    )


def _sample_code(random, split: str) -> str:
    while True:
        letter, digits = rules.LETTERS[int(random() * len(rules.LETTERS))], math.floor(random() * 1000)
        code = f"{letter}{digits // 100}-{digits % 100:02d}"
        if rules.split_of_code(code) == split:
            return code
