"""Hard to tell apart: captions that are almost right, and pictures of two panels whose captions need their order.

A model that knows which words go with which pictures may still not know which word goes with which thing. Of one panel,
a caption with one attribute changed asks whether that attribute is seen. Of two panels, a caption with an attribute
swapped between them has the same words as the true one: only what belongs to what is different.
"""

from random import Random
from typing import NamedTuple

import torch

from minivit.images import resize
from minivit.panels import rules
from minivit.panels.describe import DAMAGE_WORDS, MOUNT_WORDS, caption
from minivit.panels.draw import draw
from minivit.panels.rules import Combination
from minivit.panels.scene import Scene, sample_scene

_WORDS = dict(
    zip(Combination._fields, (rules.COLOURS, rules.DAMAGES, rules.BADGES, rules.HAZARDS, rules.MOUNTS), strict=True)
)
_SAID = {  # in words that the PHRASINGS know too, all but "left"
    "place": "a {colour} panel",
    "damage": "a {colour} panel with {damage}",
    "badge": "a {colour} panel with status {badge}",
    "hazard": "a {colour} panel with a sign for {hazard}",
    "mount": "a {colour} panel {mount}",
}
SWAPS = tuple(_SAID)
"""What two panels can swap: their places, or one of four attributes."""


def near_misses(scene: Scene | Combination, phrasing: int = 0) -> dict[str, list[str]]:
    """The 14 captions wrong in one attribute alone, by attribute: 5 colour, 3 damage, 2 badge, 3 hazard, 1 mount."""
    true = _attributes(scene)
    return {
        name: [caption(true._replace(**{name: word}), phrasing) for word in words if word != getattr(true, name)]
        for name, words in _WORDS.items()
    }


def levels_confused(scene: Scene, phrasing: int = 0) -> str:
    """The caption by someone who read the status off the sign: its icon is lit in a level too, which no caption names.

    Raises ValueError where badge and icon agree, as then the caption is true.
    """
    if scene.agree:
        raise ValueError(f"badge and icon both say {scene.badge!r}: take a scene where scene.agree is False")
    return caption(scene.combination._replace(badge=scene.icon_level), phrasing)


def side_by_side(left: Scene, right: Scene, size: int = 96) -> torch.Tensor:
    """(3, size, size) uint8: two scenes in one picture, each drawn whole and pressed to half its width."""
    halves = size // 2, size - size // 2
    drawn = [resize(draw(scene, size), size, width) for scene, width in zip((left, right), halves, strict=True)]
    return torch.cat(drawn, dim=2)


def pair_captions(left: Scene | Combination, right: Scene | Combination, swap: str = "damage") -> tuple[str, str]:
    """The true caption of two panels side by side, and the same words with `swap`, one of SWAPS, the other way round.

    Raises ValueError where the panels share the colour, by which they are called, or what is swapped.
    """
    if swap not in SWAPS:
        raise ValueError(f"no swap {swap!r}; choose from {', '.join(SWAPS)}")
    for name in ("colour",) if swap == "place" else ("colour", swap):
        if getattr(left, name) == getattr(right, name):
            raise ValueError(
                f"both panels have the {name} {getattr(left, name)!r}, so swapped words would be as true: take two "
                f"that differ in it"
            )
    first, second = _attributes(left), _attributes(right)
    if swap == "place":
        return _sentence(first, second, swap), _sentence(second, first, swap)
    exchanged = (one._replace(**{swap: getattr(other, swap)}) for one, other in ((first, second), (second, first)))
    return _sentence(first, second, swap), _sentence(*exchanged, swap)


class Couple(NamedTuple):
    """Two panels in one picture, its caption, and one of the same words that is wrong."""

    image: torch.Tensor  # (3, size, size) uint8
    caption: str
    swapped: str
    left: Scene
    right: Scene


def couple(seed: int, swap: str = "damage", split: str = "train", size: int = 96) -> Couple:
    """The couple with this number: panels of two colours that differ in what is swapped, both of the same split.

    The same arguments always give the same couple. Raises ValueError as `sample_scene`, `draw` and `pair_captions`.
    """
    if swap not in SWAPS:
        raise ValueError(f"no swap {swap!r}; choose from {', '.join(SWAPS)}")
    sample_scene(seed, split)  # refuses what is no seed, or no split
    random = Random(f"minivit couples {split} {swap} {seed}").random
    names = {"colour", swap} - {"place"}
    left, right = None, None
    while left is None or any(getattr(left, name) == getattr(right, name) for name in names):
        left, right = (sample_scene(int(random() * 2**32), split) for _ in range(2))
    return Couple(side_by_side(left, right, size), *pair_captions(left, right, swap), left, right)


def _attributes(scene: Scene | Combination) -> Combination:
    return scene.combination if isinstance(scene, Scene) else scene


def _sentence(first: Combination, second: Combination, swap: str) -> str:
    said = [
        _SAID[swap].format(
            colour=one.colour, damage=DAMAGE_WORDS[one.damage], badge=one.badge, hazard=one.hazard,
            mount=MOUNT_WORDS[one.mount],
        )
        for one in (first, second)
    ]  # fmt: skip
    return (" on the left of " if swap == "place" else " and ").join(said)
