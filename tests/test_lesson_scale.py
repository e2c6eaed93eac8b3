"""Lesson 6: its record is honest and comes out again, its readers and its figures keep their laws."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from minivit.patches import Grid
from minivit.positions import TRANSFORMERS
from minivit.teach import scale
from minivit.teach.figures import pyplot
from minivit.teach.figures import scale as figures
from minivit.teach.runs import recorded

ROOT = Path(__file__).resolve().parents[1]
RECORD = recorded("scale")


def tool():
    """The module tools/runs/scale.py."""
    spec = importlib.util.spec_from_file_location("runs_scale", ROOT / "tools" / "runs" / "scale.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["runs_scale"] = module
    spec.loader.exec_module(module)
    return module


# ---- the record ----------------------------------------------------------------------------------------------------


def test_the_record_says_where_it_comes_from_and_what_is_missing():
    made = tool()
    assert re.fullmatch("[0-9a-f]{40}", RECORD["commit"]) and "one thread" in RECORD["hardware"]
    assert "JPEG" in RECORD["cifar_from"] and "no published score" in RECORD["cifar_from"]
    whole = made.WHOLE
    assert RECORD["missing"] == {name: n - len(RECORD[name]) for name, n in whole.items() if len(RECORD[name]) < n}
    for run in [run for name in whole for run in RECORD[name]]:
        assert run["cpu_seconds"] > 0 and (run["optimizer"], run["rate"]) in made.TRIALS[run["kind"]]


def test_each_family_had_as_many_trials_with_a_seed_of_their_own():
    made = tool()
    tried = {
        kind: [(t["optimizer"], t["rate"]) for t in figures.of(RECORD["trials"], kind=kind)] for kind in scale.KINDS
    }
    assert all(sorted(tried[kind]) == sorted(made.TRIALS[kind]) for kind in scale.KINDS)
    assert len(set(tried["cnn"])) == len(set(tried["vit"])) >= 4
    assert not {t["seed"] for t in RECORD["trials"]} & {run["seed"] for run in RECORD["panels"]}
    for kind in scale.KINDS:
        chosen = tuple(RECORD["chosen"][kind])
        assert all((run["optimizer"], run["rate"]) == chosen for run in figures.of(RECORD["panels"], kind=kind))


def test_five_sizes_are_there_with_every_seed_that_was_run():
    made = tool()
    for part in ("panels", "cifar"):
        for kind in scale.KINDS:
            runs = figures.of(RECORD[part], kind=kind)
            assert figures.sizes(runs) == list(made.SIZES[part])
            assert len(runs) == len({(run["size"], run["seed"]) for run in runs})


def test_what_the_lesson_says_of_the_record_is_so():
    largest = max(run["size"] for run in RECORD["panels"])

    def band(kind, name):
        return figures.band(RECORD["panels"], name, kind=kind, size=largest)

    for name in ("damage", "lamps"):
        assert band("cnn", name)[0] > band("vit", name)[1] + 0.1, "texture and counting: the ResNet's home"
    assert band("vit", "agree")[0] > band("cnn", "agree")[1] + 0.05, "distant parts: the ViT's home"
    assert band("cnn", "agree")[1] < 0.6
    assert all(run["agree"][-1] < 0.55 for run in RECORD["alone"]), "asked alone, it is guessed"


def test_agreement_is_not_only_a_matter_of_knowing_both_levels():
    (knowing,) = [run for run in figures.of(RECORD["panels"], kind="cnn", size=12_000) if run["level"][-1] > 0.9]
    assert knowing["badge"][-1] == pytest.approx(0.55, abs=0.005) and knowing["agree"][-1] < 0.525
    others = figures.of(RECORD["panels"], kind="vit", size=1_350)
    assert all(run["badge"][-1] < 0.65 and run["level"][-1] < 0.95 and run["agree"][-1] > 0.59 for run in others)
    first = {kind: figures.of(RECORD["panels"], kind=kind, size=150) for kind in scale.KINDS}
    means = {kind: sum(run["damage"][-1] for run in runs) / len(runs) for kind, runs in first.items()}
    assert means["vit"] > means["cnn"]


def test_wrong_tables_cost_places_and_nothing_else():
    def mean(part, name, positions):
        found = [way[name] for run in RECORD[part] for way in run.get("resized", [])
                 if (way["pixels"], way["positions"]) == (80, positions)]  # fmt: skip
        return sum(found) / len(found)

    assert mean("place", "place", "resampled") > mean("place", "place", "flat line") + 0.1
    assert abs(mean("panels", "agree", "resampled") - mean("panels", "agree", "flat line")) < 0.05
    assert min(run["place"][-1] for run in figures.of(RECORD["place"], kind="cnn")) > 0.95


def test_no_run_is_no_number():
    with pytest.raises(ValueError, match=r"no run was recorded with .*'size': 7"):
        figures.band(RECORD["panels"], "agree", kind="cnn", size=7)


@pytest.mark.slow
def test_a_short_point_of_the_record_comes_out_again():
    for told, again in zip(RECORD["short"], tool().short(), strict=True):
        assert (again["kind"], again["size"], again["steps"]) == (told["kind"], told["size"], told["steps"])
        assert again["loss"] == pytest.approx(told["loss"], abs=0.15)  # in bf16 or not


# ---- the readers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 32])
@pytest.mark.parametrize("kind", scale.KINDS)
def test_both_readers_give_as_many_tokens_and_answers(kind, size):
    model = scale.reader(kind, 17, size).eval()
    pictures = torch.rand(2, 3, size, size)
    assert model(pictures).shape == (2, 17) and model.features(pictures).grid == Grid(8, 8)
    with pytest.raises(ValueError, match="cnn, vit"):
        scale.reader("mlp", 17)
    with pytest.raises(ValueError, match="adamw or muon"):
        scale.optimizer(model, "sgd", 0.1)


def test_answers_are_told_one_question_at_a_time():
    pictures, right = scale.scenes(6, "test")
    assert pictures.shape == (6, 3, 64, 64) and right.shape == (6, 5) and sum(scale.widths()) == 17

    class Knows(torch.nn.Module):
        def forward(self, x):
            hot = [torch.nn.functional.one_hot(truth, n) for truth, n in zip(right.T, scale.widths(), strict=True)]
            return 20.0 * torch.cat(hot, 1)

    assert set(scale.scores(Knows(), pictures, right).values()) == {1.0}
    assert scale.answers()(Knows(), pictures, right) < 1e-6
    assert scale.scores(Knows(), pictures, (right + 1) % torch.tensor(scale.widths()))["lamps"] == 0  # a wrong twin
    assert scale.answers(("lamps",))(torch.nn.Flatten(), torch.zeros(2, 5, 1, 1), torch.zeros(2, 1).long()) > 1.6


def test_a_shift_is_a_shift_and_no_roll():
    picture = torch.arange(2 * 5 * 7).reshape(2, 5, 7)
    moved = scale.shifted(picture, 2, -3)
    assert torch.equal(moved[:, 2:, :-3], picture[:, :-2, 3:])
    assert torch.equal(moved[:, 0, :4], picture[:, 0, 3:]) and torch.equal(moved[:, 2:, -1], picture[:, :-2, -1])
    assert torch.equal(scale.shifted(picture, 0, 0), picture)
    assert not torch.equal(moved, picture.roll((2, -3), (1, 2)))


def test_the_flat_line_is_another_table():
    made, grid = tool(), Grid(10, 10)
    table = torch.randn(64, 12)
    flat, right = made.flat(table, 100), TRANSFORMERS(table, Grid(8, 8), grid)
    assert flat.shape == right.shape == (100, 12) and not torch.allclose(flat, right, atol=0.1)
    assert torch.equal(made.flat(table, 64), table)


# ---- figures -------------------------------------------------------------------------------------------------------


def test_figures_are_drawn_and_leave_the_readers_style_alone():
    plt = pyplot()
    plt.close("all")
    before = plt.rcParams["figure.facecolor"]
    figures.seen(torch.rand(3, 8, 12), {"a": torch.rand(8, 12), "b": torch.rand(8, 12)})
    figures.commutes({"a": [0.0, 0.5, 0.0], "b": [0.0, 0.4, 0.3]})
    figures.curves(RECORD, {"cnn": {"damage": 0.5, "lamps": 0.4, "agree": 0.5}}, 450)
    figures.real(RECORD)
    figures.shift(RECORD)
    figures.transfer(RECORD)
    figures.tables({"a": torch.rand(8, 8), "b": torch.rand(10, 10)})
    figures.resolution(RECORD["place"], "place")
    assert len(plt.get_fignums()) == 8 and plt.rcParams["figure.facecolor"] == before
    assert all(axis.get_title() or axis.get_xlabel() or axis.get_ylabel() for n in plt.get_fignums()
               for axis in plt.figure(n).axes)  # fmt: skip
    plt.close("all")
