"""Lesson 4: its recorded run can be had again, its figures can be drawn, its explorer measures what it says."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minivit.blocks import Block
from minivit.teach.explorers import blocks as explorer
from minivit.teach.figures import blocks as figures
from minivit.teach.figures import pyplot
from minivit.teach.runs import recorded

ROOT = Path(__file__).resolve().parents[1]
RECORD = recorded("depth")
RULES = ("whole", "no_residual", "no_norm", "no_mlp", "post_norm")
DEPTHS = (2, 4, 8, 12)


def recording():
    """tools/runs/depth.py as a module."""
    spec = importlib.util.spec_from_file_location("depth", ROOT / "tools" / "runs" / "depth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The recorded run


def test_every_rule_was_run_at_every_depth_with_three_seeds():
    tool = recording()
    for rule in RULES:
        for depth in DEPTHS:
            runs = figures.runs_of(RECORD, rule, depth)
            assert sorted(run["seed"] for run in runs) == list(tool.SEEDS)
            assert all(run["steps"] == list(range(25, 201, 25)) for run in runs)
            assert all(len(run["loss"]) == len(run["accuracy"]) == 8 for run in runs)
    assert sorted((run["norm"], run["seed"]) for run in RECORD["norms"]) == sorted(
        (norm, seed) for norm in ("layer norm", "other norm") for seed in tool.SEEDS
    )


def test_the_record_says_what_the_lesson_says():
    """Whole stacks learn at every depth; without residuals a deep one reads less than half."""
    for depth in (2, 4, 8, 12):
        assert figures.band(RECORD, "whole", depth)[0] > 0.85
    assert figures.band(RECORD, "no_residual", 12)[1] < 0.45


def test_what_was_not_run_is_named():
    with pytest.raises(ValueError, match=r"no run was recorded of whole at depth 3; there are .*whole at depth 12"):
        figures.runs_of(RECORD, "whole", 3)


@pytest.mark.slow
def test_a_short_point_of_the_record_comes_out_again():
    """Depth 2, whole, one seed, the whole 200 steps: near the recorded curve, and far from that without residuals."""
    again = recording().run(recording().recipe(), "whole", 2, 1)
    before = next(run for run in figures.runs_of(RECORD, "whole", 2) if run["seed"] == 1)
    assert again["steps"] == before["steps"] and again["rate"] == before["rate"]
    assert abs(again["accuracy"][-1] - before["accuracy"][-1]) < 0.06
    twin = figures.runs_of(RECORD, "no_residual", 12)[0]
    assert abs(twin["accuracy"][-1] - before["accuracy"][-1]) > 0.5


# Figures


def test_figures_are_drawn_and_leave_the_readers_style_alone():
    plt = pytest.importorskip("matplotlib.pyplot")
    before = plt.rcParams["figure.facecolor"]
    maps = [torch.rand(3, 5) for _ in range(4)]
    figures.alike({"a": maps, "b": maps}, (0, 1, 2, 3), (1, 2))
    figures.collapse({"a": [0.5, 1e-3, 1e-9], "b": [0.5, 0.4, 0.3]})
    figures.gradients({"whole": [3.0, 2.0, 1.0], "bare": [1e-6, 1e-3, 1.0]})
    figures.depth_curves(RECORD, {"whole": ([25, 50], [0.2, 0.5])}, depth=12)
    x = torch.linspace(-1, 1, 7)
    figures.bends(x, {"exact": x, "other": x + 0.1})
    assert len(plt.get_fignums()) == 5 and plt.rcParams["figure.facecolor"] == before
    plt.close("all")


# The explorer


def test_residuals_keep_tokens_apart_and_attention_alone_does_not():
    view = explorer.View(depth=7)
    assert explorer.measure(view).spread[-1] > 0.5
    alone = explorer.measure(replace(view, residual=False))
    assert len(alone.spread) == len(alone.gradient) == 8 and alone.spread[-1] < 1e-12
    assert "the same" in explorer.verdict(alone)


def test_the_gradient_dies_explodes_or_lives():
    bare = explorer.measure(explorer.View(residual=False, norm="none"))
    loud = explorer.measure(explorer.View(norm="none"))
    calm = explorer.measure(explorer.View())
    assert bare.gradient[0] < 1e-4 and loud.gradient[0] > 100 and 0.2 < calm.gradient[0] < 20
    assert calm.gradient[-1] == 1


def test_the_default_view_is_minivits_block():
    block, x = Block(explorer.WIDTH, explorer.HEADS).double(), torch.randn(2, 5, explorer.WIDTH, dtype=torch.float64)
    assert torch.allclose(explorer.through(block, x, explorer.View()), block(x), atol=1e-12)
    assert not torch.allclose(explorer.through(block, x, explorer.View(norm="post")), block(x), atol=1e-3)


def test_a_view_measures_the_same_again_and_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert explorer.measure(explorer.View(depth=3)) == explorer.measure(explorer.View(depth=3))
    assert torch.equal(torch.rand(1), expected)
    assert explorer.measure(explorer.View(depth=3, seed=1)) != explorer.measure(explorer.View(depth=3))


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"depth": 33}, {"norm": "batch"}])
def test_a_view_of_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match="a depth of 1 to 32"):
        explorer.View(**wrong)


def test_widgets_redraw():
    pytest.importorskip("ipywidgets")
    shown = explorer.Explorer()
    first, words = shown.shown.value, shown.words.value
    shown.residual.value = False
    assert shown.shown.value != first and shown.words.value != words and "the same" in shown.words.value
    assert not shown.view.residual and shown.view.depth == 16
    second = shown.shown.value
    shown.again.click()
    assert shown.view.seed == 1 and shown.shown.value != second


@pytest.mark.parametrize("depth", [2, 5, 20])
def test_blocks_are_counted_in_whole_numbers(depth):
    figure, axes = pyplot().subplots()
    explorer.paint(axes, explorer.measure(explorer.View(depth=depth)))
    assert all(tick == int(tick) for tick in axes.get_xticks())
    pyplot().close(figure)


def test_the_still_stands_in_for_the_widgets(monkeypatch):
    shown = []
    monkeypatch.setenv("MINIVIT_STILLS", "1")
    monkeypatch.setattr(explorer, "show_still", lambda figure, alt: shown.append((len(figure.axes), alt)))
    explorer.explore()
    assert shown == [(4, explorer.ALT)]
