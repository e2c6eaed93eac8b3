"""The house's records: what the policy asks for, and which assets are registered. Two tools read them.

Both stand in one SQLite file that ships with the package; `tools/house.py` writes it again from nothing.

    policy (damage, severity, badge, agree, action, hours, reason)    42 rows, one for each case
    assets (code, kind, site)                                         the codes in use; kind and site are numbers
    kinds (number, name), sites (number, name)                        their names

The file is opened for reading alone, and values never become part of an SQL text: they are handed over beside it.
Texts are short, because a small language model reads what comes back.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

try:
    from pydantic import BaseModel, ConfigDict
except ImportError as missing:
    raise ImportError("minivit.inspection needs pydantic: pip install 'minivit[lessons]'") from missing

from minivit.reports import Action, Code, Level

HOUSE = Path(__file__).with_name("house.sqlite")
DamageKind = Literal["none", "crack", "scratch", "burn"]
Grade = Literal["none", "minor", "major"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Policy(_Row):
    """What the house asks for."""

    action: Action
    hours: int  # within which it must be done
    reason: str


class Asset(_Row):
    """What the register knows of a code: kind and site are "unknown" where it is not found."""

    found: bool
    kind: str
    site: str


def look_up_policy(damage: DamageKind, severity: Grade, badge: Level, agree: bool) -> Policy:
    """Look up the action that the house policy asks for, and its deadline in hours.

    `severity` is "none" exactly when `damage` is; `agree` is whether sign and badge show the same level. Raises
    ValueError where damage and severity contradict each other, or for a word that the policy does not know.
    """
    if (damage == "none") != (severity == "none"):
        raise ValueError(
            f"damage {damage!r} and severity {severity!r} contradict each other: severity is 'none' for damage 'none', "
            f"else 'minor' or 'major'"
        )
    row = _first(
        "SELECT action, hours, reason FROM policy WHERE damage = ? AND severity = ? AND badge = ? AND agree = ?",
        (damage, severity, badge, agree),
    )
    if row is None:
        raise ValueError(
            f"the policy has no case {damage!r}, {severity!r}, {badge!r}: damage is none, crack, scratch or burn, "
            f"severity none, minor or major, badge ok, warning or fault"
        )
    action, hours, reason = row
    return Policy(action=action, hours=hours, reason=reason)


def find_asset(code: Code) -> Asset:
    """Find what an asset code stands for in the register, and where it is."""
    row = _first(
        "SELECT kinds.name, sites.name FROM assets JOIN kinds ON kinds.number = kind JOIN sites ON sites.number = site "
        "WHERE code = ?",
        (code,),
    )
    kind, site = row or ("unknown", "unknown")
    return Asset(found=row is not None, kind=kind, site=site)


def _first(query: str, values: tuple) -> tuple | None:
    """The first row that a query finds, or None. Each call opens the file anew, so any thread may ask."""
    with closing(connect()) as house:
        return house.execute(query, values).fetchone()


def connect(path: Path = HOUSE) -> sqlite3.Connection:
    """A connection that can only read, to a file that nobody else writes. FileNotFoundError where there is none."""
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is missing: install minivit again, or run python tools/house.py")
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
