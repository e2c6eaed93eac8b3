"""Write minivit/inspection/house.sqlite, the policy and the register of assets, again from nothing: the same bytes.

python tools/house.py
"""

import hashlib
import sqlite3
import struct
import sys
from contextlib import closing
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "minivit" / "inspection" / "house.sqlite"
sys.path.insert(0, str(ROOT))

from minivit.panels import rules  # noqa: E402

KINDS = ("pump control", "fan control", "boiler control", "door control", "lift drive", "power supply")
SITES = ("hall 1", "hall 2", "hall 3", "cellar", "attic", "yard", "tunnel", "tower")
HOURS = {"continue": 720, "monitor": 168, "repair": 72, "verify": 48, "isolate": 4}
URGENT = {"repair": 24, "verify": 8, "isolate": 1}  # where the badge shows a fault

SCHEMA = """
CREATE TABLE policy (
    damage TEXT NOT NULL, severity TEXT NOT NULL, badge TEXT NOT NULL, agree INTEGER NOT NULL,
    action TEXT NOT NULL, hours INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (damage, severity, badge, agree)
) WITHOUT ROWID;
CREATE TABLE kinds (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE sites (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE assets (
    code TEXT PRIMARY KEY, kind INTEGER NOT NULL REFERENCES kinds, site INTEGER NOT NULL REFERENCES sites
) WITHOUT ROWID;
"""


def policy() -> list[tuple]:
    """42 rows: every damage with every severity that it has, every badge, agreeing with the sign or not."""
    return sorted(
        _case(damage, severity, badge, agree)
        for (damage, severity), badge, agree in product(rules.DAMAGE_STEPS, rules.BADGES, (False, True))
    )


def _case(damage: str, severity: str | None, badge: str, agree: bool) -> tuple:
    action = rules.right_action(damage, severity, badge, agree)
    hours = URGENT[action] if badge == "fault" else HOURS[action]
    return damage, severity or "none", badge, int(agree), action, hours, _reason(action, damage, severity, badge)


def _reason(action: str, damage: str, severity: str | None, badge: str) -> str:
    if action == "verify":
        return "badge and sign differ"
    causes = [f"{severity} {damage}"] * (damage != "none") + [f"badge {badge}"] * (badge != "ok")
    return " and ".join(causes) or "nothing is wrong"


def assets() -> list[tuple]:
    """(code, kind, site) of about nine codes in ten.

    A checksum decides. It is not the CRC that keeps training codes from test codes: the CRCs of codes with different
    words before them differ by one constant, so the split or the kind would tell the site.
    """
    every = [f"{letter}{digits // 100}-{digits % 100:02d}" for letter in rules.LETTERS for digits in range(1000)]
    sums = [hashlib.sha256(f"asset {code}".encode()).digest() for code in every]
    return [
        (code, low % len(KINDS), high % len(SITES))
        for code, (chance, more, low, high, *_) in zip(every, sums, strict=True)
        if (256 * chance + more) % 10
    ]


def build(path: Path) -> None:
    """Write the file under a temporary name, then rename it."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as house:
        house.executescript("PRAGMA page_size = 4096; PRAGMA journal_mode = OFF;" + SCHEMA)
        house.executemany("INSERT INTO policy VALUES (?, ?, ?, ?, ?, ?, ?)", policy())
        house.executemany("INSERT INTO kinds VALUES (?, ?)", enumerate(KINDS))
        house.executemany("INSERT INTO sites VALUES (?, ?)", enumerate(SITES))
        house.executemany("INSERT INTO assets VALUES (?, ?, ?)", assets())
        house.commit()
        house.execute("VACUUM")
    content = bytearray(part.read_bytes())
    content[96:100] = struct.pack(">I", 3_040_000)  # the version that wrote the file: one and the same for every writer
    part.write_bytes(content)
    part.replace(path)


if __name__ == "__main__":
    build(HOUSE)
    print(f"{HOUSE.relative_to(ROOT)}: {HOUSE.stat().st_size} bytes, {len(policy())} cases, {len(assets())} assets")
