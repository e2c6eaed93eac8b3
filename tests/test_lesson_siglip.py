"""Lesson 8: its record is honest and comes out again, its figures and its explorer keep to laws."""

import importlib.util
import io
import math
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from minivit.distributed import Message, Traffic
from minivit.siglip import siglip_loss
from minivit.teach.explorers import siglip as explorer
from minivit.teach.figures import pyplot
from minivit.teach.figures import ring as rings
from minivit.teach.figures import siglip as figures
from minivit.teach.runs import recorded

ROOT = Path(__file__).resolve().parents[1]
RECORD = recorded("siglip_batches")


def tool():
    """The module tools/runs/siglip_batches.py."""
    spec = importlib.util.spec_from_file_location("siglip_batches", ROOT / "tools" / "runs" / "siglip_batches.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["siglip_batches"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot().close("all")


# ---- the record ----------------------------------------------------------------------------------------------------


def test_both_losses_had_the_same_trials_and_the_best_rate_was_taken():
    made = tool()
    assert re.fullmatch("[0-9a-f]{40}", RECORD["commit"])
    for batch, factors in made.FACTORS.items():
        for loss in made.LOSSES:
            trials = [t for t in RECORD["trials"] if (t["loss"], t["batch"]) == (loss, batch)]
            assert sorted(t["factor"] for t in trials) == list(factors)
            assert {t["seed"] for t in trials} == {made.TRIAL_SEED} and made.TRIAL_SEED not in made.SEEDS
            best = max(trials, key=lambda t: t["recall"][-1])["factor"]
            runs = figures.of(RECORD, loss, batch)
            assert sorted(run["seed"] for run in runs) == list(made.SEEDS)
            assert {run["factor"] for run in runs} == {best}
            assert {run["steps"] * batch for run in [*runs, *trials]} == {made.PICTURES}


def test_what_the_lesson_says_of_the_record_is_so():
    def mean(loss, batch):
        ends = [run["recall"][-1] for run in figures.of(RECORD, loss, batch)]
        return sum(ends) / len(ends)

    assert mean("softmax", 16) > mean("sigmoid", 16) + 0.1
    assert abs(mean("softmax", 64) - mean("sigmoid", 64)) < 0.05
    assert min(run["recall"][-1] for run in figures.of(RECORD, "softmax", 256)) > max(
        run["recall"][-1] for run in figures.of(RECORD, "sigmoid", 256)
    )
    told = {one["start"]: one for one in RECORD["biases"]}
    assert max(told[bias]["damage"] for bias in (0.0, -2.5)) < 0.3 < 0.6 < min(told[b]["damage"] for b in (-5.0, -10.0))
    assert all(abs(one["bias"][-1] - one["start"]) < 0.25 for one in RECORD["biases"])
    assert told[0.0]["losses"][0] - told[0.0]["losses"][-1] > 75, "a fine curve, and nothing learnt"


def test_the_first_losses_are_near_the_law():
    made = tool()
    assert [told["start"] for told in RECORD["biases"]] == list(made.BIASES)
    for told in RECORD["biases"]:
        assert len(told["losses"]) == len(told["bias"]) == len(told["scale"]) == made.BIAS_STEPS
        law = explorer.start(explorer.View(told["batch"], 10.0, told["start"]))
        assert told["losses"][0] == pytest.approx(law.loss, rel=0.25)


@pytest.mark.slow
def test_a_short_run_comes_out_as_recorded():
    made = tool()
    little = made.short_data()
    for loss, told in RECORD["short"].items():
        again = made.run(loss, told["batch"], told["factor"], told["seed"], *little, steps=told["steps"])
        # Other machines round otherwise, and rounding grows as a model trains.
        assert again["losses"] == pytest.approx(told["losses"], rel=0.05, abs=0.15)


def test_no_run_is_no_number():
    with pytest.raises(ValueError, match=r"no run was recorded of sigmoid at batch 7; there are \[\('sigmoid', 16\)"):
        figures.of(RECORD, "sigmoid", 7)


# ---- the ring's stills ---------------------------------------------------------------------------------------------


def around(count: int) -> list[Traffic]:
    """What a ring of so many processes sends, by its law: texts of process o reach o + hop and o - hop."""
    sent = [Traffic() for _ in range(count)]
    for way, hops in ((1, count // 2), (-1, (count - 1) // 2)):
        for owner in range(count):
            for hop in range(1, hops + 1):
                source, target = (owner + way * (hop - 1)) % count, (owner + way * hop) % count
                sent[source].messages.append(Message("block", source, target, owner, 8))
                sent[target].messages.append(Message("gradient", target, owner, owner, 8))
    return sent


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_the_stills_end_with_every_image_and_every_text_met(count):
    found = rings.stills(around(count))
    assert [still.title for still in found] == [
        "at home",
        *(f"hop {n + 1}" for n in range(count // 2)),
        "gradients go home",
    ]
    for still, after in pairwise(found):
        assert still.met <= after.met
    assert found[-1].met == {(rank, owner) for rank in range(count) for owner in range(count)}
    for hop, still in enumerate(found[1:-1], start=1):
        assert all(min((m.target - m.owner) % count, (m.owner - m.target) % count) == hop for m in still.messages)
    assert len(found[-1].messages) == count * (count - 1)


def test_a_message_that_is_lost_leaves_a_hole():
    sent = around(4)
    sent[0].messages = sent[0].messages[1:]
    assert len(rings.stills(sent)[-1].met) == 15


def test_the_film_ends_with_the_table_full_and_every_message_arrives():
    film = Image.open(io.BytesIO(rings.film(around(4))))
    moments = rings.stills(around(4))
    assert film.n_frames == len(moments) + rings.STEPS * (len(moments) - 1)
    assert film.info["loop"] == rings.PLAYS
    seen = []
    for number in range(film.n_frames):
        film.seek(number)
        table = np.asarray(film.convert("RGB")).astype(int)[:, 400:]
        seen.append((table[..., 2] > table[..., 0] + 20).sum())  # blue fields, light or dark: what has met
    rests = [n for n in range(film.n_frames) if n % (rings.STEPS + 1) == 0]
    met = [len(moment.met) for moment in moments]
    blues = [seen[n] / seen[0] * 4 for n in rests]  # at home 4 of 16 fields are filled
    assert blues == pytest.approx(met, rel=0.03) and met[-1] == 16


def test_messages_travel_from_their_source_to_their_target():
    places = rings.places(4)
    assert places[0] == pytest.approx((0, 1)) and places[1] == pytest.approx((1, 0))
    assert rings.on_the_way(places[0], places[1], 0) == pytest.approx(places[0])
    assert rings.on_the_way(places[0], places[1], 1) == pytest.approx(places[1])
    there, back = rings.on_the_way(places[0], places[1], 0.5), rings.on_the_way(places[1], places[0], 0.5)
    assert math.dist(there, back) > 0.2, "two ways, so that those who meet do not hide each other"


# ---- explorer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "scale", "bias"), [(256, 10.0, 0.0), (256, 10.0, -10.0), (64, 30.0, -4.0)])
def test_the_explorers_start_is_that_of_random_vectors(count, scale, bias):
    losses = []
    for seed in range(4):
        draw = torch.Generator().manual_seed(seed)
        pair = F.normalize(torch.randn(2, count, explorer.WIDTH, generator=draw, dtype=torch.float64), dim=-1)
        losses.append(siglip_loss(*pair, scale, bias).item())
    found = explorer.start(explorer.View(count, scale, bias)).loss
    assert sum(losses) / len(losses) == pytest.approx(found, rel=0.02)


def test_at_the_best_bias_nothing_pulls_and_the_loss_is_least():
    for count in (2, 16, 256, 32768):
        best = explorer.best(count, 10.0)
        views = [explorer.View(count, 10.0, best + d) for d in (-0.1, 0.0, 0.1)]
        low, least, high = map(explorer.start, views)
        assert abs(least.pull) < 1e-6 and low.pull < 0 < high.pull
        assert least.loss < min(low.loss, high.loss)
        assert best == pytest.approx(-math.log(count - 1), abs=0.2)
    with pytest.raises(ValueError, match="B is 2 or more, got 1"):
        explorer.best(1, 10.0)
    with pytest.raises(ValueError, match="got 0 and 10"):
        explorer.start(explorer.View(0, 10.0, 0.0))


def test_the_words_say_which_side_is_wrong():
    said = {bias: explorer.words(explorer.View(256, 10.0, bias)) for bias in (0.0, -10.0, explorer.best(256, 10.0))}
    yes, no, good = said.values()
    assert "Too many answers are a yes" in yes and "Too many answers are a no" in no and "Close to the best" in good


def test_the_widgets_follow_and_the_still_is_drawn():
    pytest.importorskip("ipywidgets")
    shown = explorer.Explorer()
    before = shown.table.value
    shown.bias.value = -10.0
    assert shown.table.value != before and "-10.00" in shown.table.value and "a no" in shown.words.value
    shown.count.value = 32768
    assert "32,767" in shown.words.value or "Close to the best" in shown.words.value
    assert len(explorer.still().axes) == 1


# ---- figures -------------------------------------------------------------------------------------------------------


def test_figures_have_words_on_their_axes():
    figures.starts((16, 256, 4096, 32768), -10.0)
    figures.first_steps(RECORD)
    figures.learning(RECORD, {"recall": [(384, 0.5), (768, 0.9)], "damage": [(384, 0.8), (768, 0.9)]})
    figures.compared(RECORD)
    figures.answers({"own": torch.randn(9), "other": torch.randn(9) - 5, "photographs": torch.randn(9) - 3})
    rings.ring(around(4))
    plt = pyplot()
    for number in plt.get_fignums():
        axes = plt.figure(number).axes
        assert any(place.get_xlabel() or place.get_ylabel() for place in axes), number
