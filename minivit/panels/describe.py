"""Words for a scene: captions, questions with answers, the report. Nothing here looks at pixels."""

from typing import NamedTuple

from minivit.panels import rules
from minivit.panels.draw import regions
from minivit.panels.rules import Combination
from minivit.panels.scene import Scene

DAMAGE_WORDS = {"none": "no damage", "crack": "a crack", "scratch": "a scratch", "burn": "a burn"}
MOUNT_WORDS = {"rack": "in a rack", "wall": "on a wall"}

PHRASINGS = (
    "a {colour} panel {mount}, sign for {hazard}, status {badge}, {damage}",
    "{damage} on a {colour} panel {mount}, {hazard} sign, badge showing {badge}",
    "{mount}: a {colour} panel, status {badge}, {damage}, sign for {hazard}",
    "a photo of a {colour} panel {mount}; the badge says {badge}, the sign warns of {hazard}, there is {damage}",
    "{hazard} sign and {badge} badge on a {colour} panel {mount} with {damage}",
)
"""Five ways to say the same five attributes; the first is the plain one."""


def caption(scene: Scene | Combination, phrasing: int = 0) -> str:
    """One sentence that names colour, mount, hazard, badge and damage, in one of the PHRASINGS."""
    if isinstance(phrasing, bool) or not isinstance(phrasing, int) or not 0 <= phrasing < len(PHRASINGS):
        raise ValueError(f"no phrasing {phrasing!r}; there are {len(PHRASINGS)}, numbered 0 to {len(PHRASINGS) - 1}")
    colour, damage, badge, hazard, mount = scene.combination if isinstance(scene, Scene) else scene
    return PHRASINGS[phrasing].format(
        colour=colour, damage=DAMAGE_WORDS[damage], badge=badge, hazard=hazard, mount=MOUNT_WORDS[mount]
    )


def captions(scene: Scene | Combination) -> list[str]:
    """The same scene in every phrasing: 5 sentences."""
    return [caption(scene, phrasing) for phrasing in range(len(PHRASINGS))]


def all_captions(phrasing: int = 0, split: str | None = None) -> list[str]:
    """The captions of all 576 combinations (432 of "train", 144 of "test"), in the order of `rules.combinations`."""
    return [caption(combination, phrasing) for combination in rules.combinations(split)]


class Question(NamedTuple):
    """A question about a picture."""

    text: str
    answer: str
    topic: str
    parts: tuple[str, ...]  # where to look: names of PARTS, or "background"


def questions(scene: Scene) -> list[Question]:
    """The 15 questions one can ask of a scene, always in the same order; each names where to look."""
    hurt = scene.damage != "none"
    where = ("damage",) if hurt else ("panel",)
    return [
        Question("What colour is the panel?", scene.colour, "colour", ("panel",)),
        Question("Is the panel in a rack or on a wall?", scene.mount, "mount", ("background",)),
        Question("What status does the badge show?", scene.badge, "badge", ("badge",)),
        Question("What shape is the badge?", scene.badge_shape, "badge shape", ("badge",)),
        Question("What does the sign warn of?", scene.hazard, "hazard", ("icon",)),
        Question("Which level does the sign show?", scene.icon_level, "icon level", ("icon",)),
        Question("Do badge and sign show the same level?", "yes" if scene.agree else "no", "agree", ("badge", "icon")),
        Question("How many lamps are lit?", str(scene.lamps_lit), "lamps", ("lamps",)),
        Question("What damage is there?", scene.damage, "damage", where),
        Question("Where is the damage?", scene.place if hurt else "nowhere", "place", where),
        Question("How bad is the damage?", scene.severity or "none", "severity", where),
        Question("What is the asset code?", scene.code, "code", ("code",)),
        Question("Is the label tall or wide?", scene.label, "label", ("label",)),
        Question("Is the light bright, dim or warm?", scene.light, "light", ("background", "panel")),
        Question("What should be done?", scene.action, "action", ("badge", "icon", *where)),
    ]


def report(scene: Scene):
    """The true inspection report of a scene, a `minivit.reports.Report`; its boxes are `regions`, two decimals."""
    from minivit.reports import Report

    box = {part: tuple(round(edge, 2) for edge in edges) for part, edges in regions(scene).items()}
    damage = {"kind": scene.damage}
    if scene.damage != "none":
        damage |= {"place": scene.place, "severity": scene.severity, "box": box["damage"]}
    return Report.model_validate(
        {
            "code": {"text": scene.code, "box": box["code"]},
            "badge": {"status": scene.badge, "box": box["badge"]},
            "icon": {"hazard": scene.hazard, "level": scene.icon_level, "box": box["icon"]},
            "damage": damage,
            "action": scene.action,
        }
    )
