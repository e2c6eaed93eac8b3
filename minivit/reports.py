"""The inspection report: what an inspector says about a panel, each claim with the region it rests on.

Every word is one of a short list and the asset code follows a pattern, so the whole schema is plain
JSON Schema (`Report.model_json_schema()`) and a decoder that is held to it cannot write an invalid
report. No rule stands outside the schema: a report without damage has no place, severity or box to
fill in, because `NoDamage` has none.

    {"code": {"text": "A7-39", "box": [0.55, 0.20, 0.68, 0.74]},
     "badge": {"status": "warning", "box": [...]},
     "icon": {"hazard": "heat", "level": "warning", "box": [...]},
     "damage": {"kind": "crack", "place": "upper left", "severity": "major", "box": [...]},
     "action": "isolate"}

A box is (y0, x0, y1, x1), fractions of the picture with two decimals, y down and x to the right.
"""

from typing import Annotated, Literal

try:
    from pydantic import BaseModel, ConfigDict, Field
except ImportError as missing:
    raise ImportError("minivit.reports needs pydantic: pip install 'minivit[lessons]'") from missing

Level = Literal["ok", "warning", "fault"]
Hazard = Literal["electricity", "heat", "water", "rotor"]
Place = Literal["upper left", "upper right", "lower left", "lower right"]
Severity = Literal["minor", "major"]
Action = Literal["continue", "monitor", "repair", "isolate", "verify"]
Code = Annotated[str, Field(pattern=r"^[A-HJ-NP-Z][0-9]-[0-9][0-9]$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Box = tuple[Fraction, Fraction, Fraction, Fraction]


class _Claim(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CodeClaim(_Claim):
    """The asset code, as it is printed on its plate."""

    text: Code
    box: Box


class BadgeClaim(_Claim):
    """The status that the badge shows."""

    status: Level
    box: Box


class IconClaim(_Claim):
    """The hazard that the icon warns of, and the level in which it is lit."""

    hazard: Hazard
    level: Level
    box: Box


class NoDamage(_Claim):
    """The panel is whole."""

    kind: Literal["none"]


class Damage(_Claim):
    """One damage: its kind, the quarter of the panel it is in, how bad it is."""

    kind: Literal["crack", "scratch", "burn"]
    place: Place
    severity: Severity
    box: Box


class Report(_Claim):
    """The whole report. Order matters to a decoder: what is seen comes first, the action last."""

    code: CodeClaim
    badge: BadgeClaim
    icon: IconClaim
    damage: Annotated[NoDamage | Damage, Field(discriminator="kind")]
    action: Action


def area(box: Box) -> float:
    """Share of the picture that a box covers; 0 when its corners are out of order."""
    y0, x0, y1, x1 = box
    return max(0.0, y1 - y0) * max(0.0, x1 - x0)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1; 0 when both are empty."""
    y0, x0 = max(one[0], other[0]), max(one[1], other[1])
    y1, x1 = min(one[2], other[2]), min(one[3], other[3])
    common = area((y0, x0, y1, x1))
    union = area(one) + area(other) - common
    return common / union if union > 0 else 0.0
