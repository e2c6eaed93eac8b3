"""Lesson 2: what it says of its recorded run is so, one short point comes out again, its figures and explorer hold."""

import base64
import json
import re
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

from minivit.patches import Grid
from minivit.positions import SinCosPositions, coordinates
from minivit.teach.explorers import positions as explorer
from minivit.teach.figures import positions as figures
from minivit.teach.figures import pyplot
from minivit.teach.runs import recorded

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("none", "one vector", "learned", "sine-cosine", "rotary")


@cache
def script():
    sys.path.insert(0, str(ROOT / "tools" / "runs"))
    try:
        import positions
    finally:
        sys.path.pop(0)
    return positions


def band(kind, way="same grid"):
    values = figures.ends(recorded("positions"), kind, way)
    return min(values), max(values)


def test_the_record_says_where_it_comes_from():
    record = recorded("positions")
    assert re.fullmatch("[0-9a-f]{40}", record["commit"]) and record["recipe"] and "threads" in record["hardware"]
    for kind in KINDS:
        runs = [run for run in record["runs"] if run["kind"] == kind]
        assert len({run["seed"] for run in runs}) == len(runs) >= 3
        assert all(len(run["steps"]) == len(run["found"]) == 6 and run["seconds"] > 0 for run in runs)


def test_what_the_lesson_says_of_the_record_is_so():
    """Without places: chance. With any kind of them nearly all. On a new grid: resampled or squeezed, or lost."""
    for kind in ("none", "one vector"):
        assert band(kind)[0] > 0.02 and band(kind)[1] < 0.12, "a bag of patches does better than a guess"
    for kind in ("learned", "sine-cosine", "rotary"):
        assert band(kind)[0] > 0.85
    for wrong in ("as a line", "exchanged"):
        assert band("learned", wrong)[1] < band("learned", "resampled")[0] - 0.1
    for kind in ("sine-cosine", "rotary"):
        assert band(kind, "as they are")[1] < band(kind, "squeezed")[0]


def test_a_run_that_was_not_recorded_is_named_with_those_that_were():
    with pytest.raises(ValueError, match="none: same grid"):
        figures.ends(recorded("positions"), "none", "resampled")


class Enough(Exception):
    pass


@pytest.mark.slow
def test_one_short_point_of_the_recorded_run_comes_out_again():
    """A seed's first 100 steps, by the lesson's own cells, find as many digits; without positions they do not."""
    space, seen = script().recipe(), {}

    def found_at_100(kind):
        def told(step, share):
            seen[step] = share
            if step == 100:
                raise Enough

        with pytest.raises(Enough):
            space["learn"](script().made(space, kind, 1), 1, told)
        return seen[100]

    (run,) = [run for run in recorded("positions")["runs"] if (run["kind"], run["seed"]) == ("learned", 1)]
    wanted, near = dict(zip(run["steps"], run["found"], strict=True))[100], 0.2  # bf16 and float32 part on the way
    assert abs(found_at_100("learned") - wanted) < near
    assert abs(found_at_100("none") - wanted) > near


def test_a_bag_of_patches_does_not_tell_where_the_digit_lies():
    """The pages of every field hold the same bags: a digit's corner falls on each place inside a patch as often."""
    space = script().recipe()
    pictures, places = space["pages"](torch.ones(1, 1, 8, 8), 4000, (32, 32), 5)
    corners = pictures[:, 0].flatten(1).argmax(1)
    inside = torch.stack([corners // 32 % 4, corners % 4], dim=1)
    for axis in (0, 1):
        for part in range(4):
            shares = (
                torch.bincount(inside[places[:, axis] == part, axis], minlength=4) / (places[:, axis] == part).sum()
            )
            assert (shares - 0.25).abs().max() < 0.06


# Figures


def test_relations_and_differences_are_those_of_the_grid():
    grid = Grid(3, 5)
    rows = torch.eye(3).repeat_interleave(5, 0)  # a vector for each row and nothing for columns
    assert figures.relations(rows, grid) == {"same row": 1, "same column": 0, "neither": 0}
    mean = figures.by_difference(rows, grid)
    assert mean.shape == (5, 9)
    assert torch.equal(mean[2], torch.ones(9, dtype=torch.float64)) and mean.sum() == 9


def test_figures_draw_grids_that_are_not_square():
    plt, table = pyplot(), torch.randn(15, 8)
    plt.close("all")  # other tests may have left some
    figures.emerged(table, table, Grid(3, 5))
    figures.bag(torch.rand(3, 8, 12), 4, torch.randperm(6))
    figures.fixed({"a": torch.rand(3, 5), "b": torch.rand(3, 5)})
    assert len(plt.get_fignums()) == 3
    plt.close("all")


# The explorer


def test_a_map_is_one_at_its_slot_and_stays_with_the_place_on_another_grid():
    table = SinCosPositions(16)(coordinates(Grid(4, 6)), Grid(4, 6))
    for kind in (explorer.LEARNED, explorer.SINES, explorer.ROTARY):
        view = explorer.View(kind, Grid(4, 6), Grid(7, 5), (0.6, 0.9), 100, table)
        for grid in (view.old, view.new):
            values, slot = view.map(grid), view.slot(grid)
            assert values.shape == tuple(grid) and values.flatten()[slot] == pytest.approx(1)
            assert values.max() <= 1 + 1e-9
            row, col = divmod(slot, grid.cols)
            assert abs((row + 0.5) / grid.rows - 0.6) <= 0.5 / grid.rows
            assert f"Slot {slot}: row {row}, column {col}" in explorer.words(view, grid)
    assert torch.equal(view.map(view.old), explorer.View(explorer.ROTARY, Grid(4, 6), temperature=100,
                                                         focus=(0.6, 0.9)).map(Grid(4, 6)))  # fmt: skip


def test_every_control_changes_what_is_shown():
    pytest.importorskip("ipywidgets")
    shown = explorer.Explorer(torch.randn(64, 8), Grid(8, 8))
    seen = {(shown.before.value, shown.after.value)}
    for control, value in ((shown.kind, explorer.SINES), (shown.temperature, 10), (shown.new, (6, 14)),
                           (shown.slot, 63), (shown.kind, explorer.ROTARY)):  # fmt: skip
        control.value = value
        seen.add((shown.before.value, shown.after.value))
    assert len(seen) == 6 and "6 rows × 14 columns" in shown.words[1].value
    assert not shown.temperature.disabled
    assert explorer.LEARNED not in explorer.Explorer().kind.options


def test_a_table_for_another_grid_is_refused():
    with pytest.raises(ValueError, match=r"4 x 4 slots is \(16, D\); got shape \(15, 8\)"):
        explorer.explore(torch.randn(15, 8), Grid(4, 4))


def test_the_lesson_holds_the_still_and_its_words():
    cells = json.loads((ROOT / "notebooks/02_positions.ipynb").read_text())["cells"]
    (cell,) = [cell for cell in cells if "explorer" in cell["metadata"].get("tags", [])]
    (output,) = cell["outputs"]
    assert set(output["data"]) == {"image/png", "text/plain"}
    assert len(base64.b64decode(output["data"]["image/png"])) <= 200_000
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "".join(output["data"]["text/plain"]) == explorer.ALT
