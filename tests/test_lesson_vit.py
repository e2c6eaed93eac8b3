"""Lesson 5: records that can be made again, an inspector that scores as told, an explorer that keeps to laws."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from minivit import images
from minivit.patches import Grid
from minivit.teach import inspector
from minivit.teach.explorers import vit as explorer
from minivit.teach.figures import pyplot
from minivit.teach.figures import vit as figures
from minivit.teach.runs import recorded
from minivit.vit import ViT, ViTConfig

ROOT = Path(__file__).resolve().parents[1]


def tool(name):
    """The module tools/runs/<name>.py."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / "runs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def eye():
    return inspector.trained_inspector()


def wide():
    """A model with another height, width, grid and number of prefix tokens."""
    torch.manual_seed(0)
    return ViT(ViTConfig((16, 24), 4, channels=1, width=12, depth=2, heads=3, prefix=2)).eval()


# ---- records -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_short_run_on_digits_comes_out_as_recorded():
    made, told = tool("vit_digits"), recorded("vit_digits")["short"]
    again = made.run(made.recipe(), "muon", told["rate"], told["seed"], images.digits_split(), steps=100)
    # Other machines round otherwise, and rounding grows as a model trains.
    assert again["loss"] == pytest.approx(told["loss"], abs=0.08)
    assert again["accuracy"] == pytest.approx(told["accuracy"], abs=0.08)


def test_five_seeds_on_digits_keep_what_the_lesson_says():
    record = recorded("vit_digits")
    ends = [run["accuracy"][-1] for run in figures.of(record, optimizer="muon", split="stratified")]
    assert len(ends) == 5 and sum(ends) / 5 >= 0.985
    tried = {
        name: [(t["rate"], t["seed"]) for t in record["trials"] if t["optimizer"] == name] for name in ("muon", "adamw")
    }
    assert len(tried["muon"]) == len(tried["adamw"]) >= 6, "each optimizer gets the same number of trials"
    assert not {t["seed"] for t in record["trials"]} & {run["seed"] for run in record["runs"]}


def test_every_pooling_has_its_seeds():
    record = recorded("vit_pools")
    assert all(len(figures.of(record, pooling=pooling)) >= 3 for pooling in inspector.POOLINGS)
    with pytest.raises(ValueError, match="no run was recorded"):
        figures.of(record, pooling="max")


@pytest.mark.slow
def test_a_short_run_on_panels_comes_out_as_recorded():
    made, told = tool("vit_pools"), recorded("vit_pools")["short"]
    _, again = made.run("mean", told["seed"], *made.short_data(), steps=40)
    assert again["weights"] == told["weights"] and again["steps"] == told["steps"]
    assert again["loss"] == pytest.approx(told["loss"], abs=0.15)  # in bf16 or not


# ---- the inspector that ships --------------------------------------------------------------------------------------


def test_the_inspector_scores_as_recorded(eye):
    told = recorded("vit_pools")["shipped"]
    scores = inspector.scores(eye, *inspector.scenes(200, "test"))
    assert inspector.WEIGHTS.stat().st_size <= 1_500_000
    assert all(scores[name] == pytest.approx(told[name], abs=0.06) for name in inspector.QUESTIONS)
    fresh = inspector.inspector("class")
    assert inspector.scores(fresh, *inspector.scenes(200, "test"))["badge"] < 0.6  # a wrong twin: no training


def test_a_token_of_the_inspector_sees_its_patch_and_seven_pixels_before_it(eye):
    """As the lesson says where it explains why the light falls beside the damage."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    eye.stem(picture)[0, 3 * 8 + 5].sum().backward()  # row 3, column 5
    seen = picture.grad[0].abs().sum(0)
    assert seen.sum(1).nonzero().flatten().tolist() == list(range(24 - 7, 32))
    assert seen.sum(0).nonzero().flatten().tolist() == list(range(40 - 7, 48))


@pytest.mark.parametrize("change", ["missing", "strange", "shape"])
def test_other_weights_are_refused(change, tmp_path, monkeypatch):
    weights = load_file(inspector.WEIGHTS)
    if change == "missing":
        del weights["prefix"]
    elif change == "strange":
        weights["stranger"] = torch.zeros(3)
    else:
        weights["head.bias"] = torch.zeros(7)
    save_file(weights, tmp_path / "other.safetensors")
    monkeypatch.setattr(inspector, "WEIGHTS", tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"prefix|stranger|head\.bias"):
        inspector.trained_inspector()


# ---- figures and explorer ------------------------------------------------------------------------------------------


def test_what_is_read_stays_bright_where_it_lies():
    picture, weights = torch.ones(3, 8, 12), torch.tensor([0, 0.1, 0, 0, 0, 0.9])
    lit = figures.overlay(picture, weights, Grid(2, 3))
    assert lit.shape == (3, 8, 12)
    assert torch.allclose(lit[:, 4:, 8:], torch.ones(3, 4, 4)) and lit[:, :4, :4].max() < 0.6
    assert lit[:, :4, 4:8].mean() > lit[:, :4, :4].mean()


@pytest.mark.parametrize("block", [0, 1, None])
@pytest.mark.parametrize("head", [0, 2, None])
def test_a_table_is_rows_of_shares(block, head):
    picture = torch.randint(0, 256, (3, 30, 50), dtype=torch.uint8)
    view = explorer.View(wide(), picture, block, head, patch=9)
    table = explorer.table(view)
    assert table.shape == (26, 26) and torch.allclose(table.sum(1), torch.ones(26), atol=1e-5)
    assert torch.equal(explorer.reading(view), table[11, 2:])  # two prefix tokens stand before patch 9
    assert "Patch 9 (row 1, column 3)" in explorer.words(view)
    shown, lit = explorer.draw(view)
    assert shown.shape == lit.shape == (16 * 18, 24 * 18, 3) and shown.dtype.name == "uint8"


def test_the_explorer_follows_every_control_and_an_upload(eye, tmp_path):
    pytest.importorskip("ipywidgets")
    shown = explorer.Explorer(explorer.trained())
    assert (shown.block.label, shown.head.label) == (explorer.ROLLOUT, explorer.MEAN)  # both menus say what is shown
    assert (shown.view.block, shown.view.head, shown.view.patch) == (None, None, None)
    before = shown.shown[1].value
    for control, value in ((shown.block, 3), (shown.head, 1), (shown.token, 20)):
        control.value = value
        assert shown.shown[1].value != before
        before = shown.shown[1].value
    assert "Patch 20" in shown.words.value and "It says" in shown.said.value
    file = explorer.png(torch.full((3, 40, 60), 90, dtype=torch.uint8))
    shown._uploaded({"new": ({"name": "mine.png", "content": file},)})
    assert shown.choice.value == "yours: mine.png" and shown.shown[1].value != before
    shown._uploaded({"new": ({"name": "bad.png", "content": b"no picture"},)})
    assert "bad.png" in shown.message.value


def test_every_figure_is_drawn():
    plt = pyplot()
    plt.close("all")  # other tests may have left some
    figures.pools(recorded("vit_pools"))
    figures.learning(recorded("vit_digits"), [(50, 0.8), (100, 0.9)])
    explorer.still()
    assert len(plt.get_fignums()) == 3
    plt.close("all")
