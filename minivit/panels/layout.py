"""Where the parts of a panel sit: packings of a 4 x 4 board, so that nothing can cover anything.

The unit of the whole world is the *cell*: the board is 4 x 4 cells, x to the right, y down, its
origin in the upper left corner. A cell is 0.1 m.
"""

from functools import cache
from typing import NamedTuple

from minivit.panels.rules import PLACES

BOARD = 4


class Slot(NamedTuple):
    """A rectangle of the board, in whole cells."""

    y: int
    x: int
    rows: int
    cols: int

    @property
    def cells(self) -> frozenset[tuple[int, int]]:
        """Its cells, each as (y, x)."""
        return frozenset((y, x) for y in range(self.y, self.y + self.rows) for x in range(self.x, self.x + self.cols))


def quadrant(place: str) -> Slot:
    """The 2 x 2 cells of the board that are called `place`."""
    row, col = divmod(PLACES.index(place), 2)
    return Slot(2 * row, 2 * col, 2, 2)


@cache
def packings(place: str, label: str) -> tuple[dict[str, Slot], ...]:
    """Every way to lay out the parts when `place` is kept free for damage and the label is tall or wide.

    Keys: damage, code, label, lamps, badge, icon, and spare0..spare2, the single cells that remain.
    """
    damage = quadrant(place)
    footprints = {
        "code": (1, 3),
        "label": (2, 1) if label == "tall" else (1, 2),
        "lamps": (1, 2),
        "badge": (1, 1),
        "icon": (1, 1),
    }
    whole = Slot(0, 0, BOARD, BOARD).cells
    found: list[dict[str, Slot]] = []

    def place_next(names: tuple[str, ...], free: frozenset, done: dict[str, Slot]) -> None:
        if not names:
            spares = {f"spare{i}": Slot(y, x, 1, 1) for i, (y, x) in enumerate(sorted(free))}
            found.append(done | spares)
            return
        rows, cols = footprints[names[0]]
        for y in range(BOARD - rows + 1):
            for x in range(BOARD - cols + 1):
                slot = Slot(y, x, rows, cols)
                if slot.cells <= free:
                    place_next(names[1:], free - slot.cells, done | {names[0]: slot})

    place_next(tuple(footprints), whole - damage.cells, {"damage": damage})
    return tuple(found)
