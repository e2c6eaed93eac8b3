"""Lesson 3: its record is honest and comes out again, its figures and its explorer say what is so."""

import re
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch

from minivit.attention import causal, full
from minivit.teach.explorers import attention as explorer
from minivit.teach.figures import attention as figures
from minivit.teach.runs import recorded

GRID = explorer.GRID
N = GRID.tokens


# ---- the record


def test_the_record_says_where_it_comes_from():
    record = recorded("attention_masks")
    assert re.fullmatch("[0-9a-f]{40}", record["commit"]) and record["recipe"] and "threads" in record["hardware"]
    for kind in figures.KINDS:
        runs = figures.runs_of(record, *kind)
        assert len({run["seed"] for run in runs}) >= 3
        for run in runs:
            assert len(run["steps"]) == len(run["loss"]) == 10 and run["steps"][-1] == 500 and run["seconds"] > 0
            assert len(run["right"]) == (16 if run["readout"] == "every patch" else 1)
    with pytest.raises(ValueError, match="full and mean"):
        figures.runs_of(record, "full", "mode")


def test_what_the_lesson_says_of_the_record_is_so():
    record = recorded("attention_masks")

    def band(*kind):
        return figures.band(record, *kind)

    assert band("causal", "class token")[1] < record["chance"] + 0.02 < 0.13
    assert band("full", "every patch")[0] > 0.9 > 0.8 > band("causal", "every patch")[1]
    assert band("alone", "every patch")[1] < band("causal", "every patch")[0] - 0.2
    for run in figures.runs_of(record, "causal", "every patch"):
        assert run["right"][0] < 0.2 and run["right"][-1] > 0.85
        rows = torch.tensor(run["right"]).reshape(4, 4).mean(1)
        assert (rows.diff() > 0).all(), "the staircase"
    for run in figures.runs_of(record, "full", "every patch"):
        assert max(run["right"]) - min(run["right"]) < 0.06, "every patch knows the same"


@pytest.mark.slow
def test_one_short_point_of_the_recorded_run_comes_out_again():
    """60 steps by the lesson's own cells reach the recorded loss; the run without attention is another one."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "runs"))
    try:
        from attention_masks import recipe, short
    finally:
        sys.path.pop(0)
    space, wanted = recipe(), recorded("attention_masks")["short"]
    assert abs(short(space, "causal") - wanted["causal"]) < 0.03
    assert abs(wanted["alone"] - wanted["causal"]) > 0.06


# ---- the figures


def test_a_vector_moves_by_a_share_of_its_length():
    before = torch.zeros(2, 3, 4)
    before[:, 1, 0] = 2.0
    after = before.clone()
    after[1, 1, 2] = 1.0
    assert figures.of_layers(before, after, 1).tolist() == [0.0, 0.5]


def test_figures_draw_and_leave_the_readers_style_alone():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    style = dict(plt.rcParams)
    figures.masks({"full": full(5), "causal": causal(5)})
    figures.influence({"full": torch.rand(6, 6) + 0.1, "causal": (torch.rand(6, 6) + 0.1).tril()})
    figures.readouts(recorded("attention_masks"), {"full": 0.9})
    figures.by_patch(GRID, torch.rand(1, 8, 10), {"full": torch.rand(N)})
    plt.close("all")
    assert dict(plt.rcParams) == style


# ---- the explorer


@pytest.mark.parametrize("name", sorted(explorer.PRESETS))
@pytest.mark.parametrize("layers", [1, 3])
def test_influence_is_nothing_exactly_where_nothing_can_reach(name, layers):
    """Two ways to the same answer: powers of the mask, and derivatives of an encoder that obeys it."""
    mask = explorer.PRESETS[name](GRID)
    assert torch.equal(explorer.influence(mask, layers) > 0, explorer.reach(mask, layers))


def test_reach_is_told_from_its_transpose():
    step = torch.zeros(N, N, dtype=torch.bool)
    step[0, 1] = step[1, 7] = True  # 0 reads 1, and 1 reads 7
    assert not explorer.reach(step, 1)[0, 7] and explorer.reach(step, 2)[0, 7] and not explorer.reach(step, 2)[7, 0]
    assert torch.equal(explorer.influence(step, 2) > 0, explorer.reach(step, 2))


def test_views_are_frozen_and_painting_makes_a_new_one():
    view = explorer.View(causal(N), query=3)
    painted = view.toggled(9)
    assert (painted.mask != view.mask).nonzero().tolist() == [[3, 9]]  # and not (9, 3)
    assert painted.mask[3, 9]
    assert torch.equal(painted.toggled(9).mask, view.mask)
    with pytest.raises(FrozenInstanceError):
        view.query = 4


def test_the_widgets_follow_each_other():
    pytest.importorskip("ipywidgets")
    shown = explorer.Explorer()
    assert [key.value for key in shown.keys] == explorer.near(GRID)[0].tolist()
    before = shown.shown.influence.value
    shown.keys[13].value = True
    assert shown.view.mask[0, 13] and shown.shown.influence.value != before
    assert "5 of 20" in shown.words.value
    shown.query.value = 6
    assert [key.value for key in shown.keys] == shown.view.mask[6].tolist() and shown.view.mask[0, 13]
    shown.preset.value = "causal"
    assert torch.equal(shown.view.mask, causal(N)) and shown.keys[6].value and not shown.keys[7].value
    shown.layers.value = 4
    assert shown.view.layers == 4


def test_the_still_and_its_words(monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    heard = [int(explorer.reach(explorer.near(GRID), layers)[0].sum()) for layers in explorer.STILL_LAYERS]
    assert heard == [4, 9, 20] and "4 patches after one layer, 9 after two, all 20 after four" in explorer.ALT
    drawn = []
    monkeypatch.setenv("MINIVIT_STILLS", "1")
    monkeypatch.setattr(explorer, "show_still", lambda figure, alt: drawn.append((figure, alt)))
    explorer.explore()
    assert drawn[0][1] == explorer.ALT
    plt.close("all")


def test_drawings_frame_the_query():
    one, other = (explorer.draw(explorer.View(full(N), query=query)) for query in (2, 17))
    assert not np.array_equal(one.mask, other.mask) and not np.array_equal(one.reached, other.reached)
    assert np.array_equal(one.influence, other.influence)
