"""Lesson 12: its record is honest and comes out again, what it trains is what it says, its figures keep to laws."""

import copy
import importlib.util
import re
import statistics
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from minivit import zoo
from minivit.bridge import Keep, PixelShuffle, second_stage, splice
from minivit.language import Language, LanguageConfig, Pieces
from minivit.teach import bridging
from minivit.teach.figures import bridge as figures
from minivit.teach.figures import pyplot
from minivit.teach.runs import recorded
from minivit.zoo import speaking

ROOT = Path(__file__).resolve().parents[1]
RECORD = recorded("bridge")


def tool():
    """The module tools/runs/bridge.py."""
    spec = importlib.util.spec_from_file_location("bridge_run", ROOT / "tools" / "runs" / "bridge.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bridge_run"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot().close("all")


def mean(values):
    return statistics.mean(list(values))


# ---- the record ----------------------------------------------------------------------------------------------------


def test_all_had_the_same_trials_and_the_best_rate_was_taken():
    made = tool()
    assert re.fullmatch("[0-9a-f]{40}", RECORD["commit"])
    kinds = (
        ("merger", made.MERGERS, made.RATES["mergers"], RECORD["trials"], RECORD["runs"]),
        ("way", made.WAYS, made.RATES["stages"], RECORD["second_trials"], RECORD["second"]),
    )
    for key, names, rates, trials, runs in kinds:
        for name in names:
            mine = [trial for trial in trials if trial[key] == name]
            assert sorted(trial["rate"] for trial in mine) == list(rates)
            assert {trial["seed"] for trial in mine} == {made.TRIAL_SEED} and made.TRIAL_SEED not in made.SEEDS
            assert {trial["steps"] for trial in mine} == {made.TRIAL_STEPS}
            best = min(mine, key=lambda trial: mean(trial["losses"][-2:]))["rate"]
            found = [run for run in runs if run[key] == name]
            assert sorted(run["seed"] for run in found) == list(made.SEEDS)
            assert {run["rate"] for run in found} == {best} and {run["steps"] for run in found} == {made.STEPS}


def test_more_of_the_first_stage_falls_short_of_the_second_at_every_rate():
    made, runs = tool(), {way: [one for one in RECORD["second"] if one["way"] == way] for way in tool().WAYS}
    told = RECORD["continued"]
    assert sorted((one["rate"], one["seed"]) for one in told) == sorted(product(made.FURTHER, made.SEEDS))
    assert {one["steps"] for one in told} == {made.STEPS} and {one["moved"]["attention"] for one in told} == {0}

    def captioned(some):
        return mean(one["topics"][topic] for one in some for topic in bridging.CAPTIONED)

    least = min(captioned(runs[way]) for way in made.WAYS[1:])
    for rate in made.FURTHER:
        assert captioned([one for one in told if one["rate"] == rate]) < least - 0.05, rate


@pytest.mark.parametrize("topic", ["colour", "badge"])
def test_the_live_recipe_stands_thirty_points_above_the_shuffled_baseline(topic):
    runs = figures.of(RECORD, RECORD["live"])
    assert len(runs) == 3
    gaps = [run["ends"]["own"][topic] - run["ends"]["shuffled"][topic] for run in runs]
    assert mean(gaps) > 0.3
    for run in runs:
        blind = max(run["ends"]["shuffled"][topic], run["ends"]["none"][topic])
        assert blind < RECORD["chance"][topic] + 0.1, "without the right picture it guesses"


def test_chance_is_the_most_frequent_answer():
    scenes = [bridging.panels.sample_scene(number, "test") for number in range(tool().JUDGED)]
    for topic, values in {
        "colour": [scene.colour for scene in scenes],
        "badge": [scene.badge for scene in scenes],
        "damage": [scene.damage for scene in scenes],
        "action": [scene.action for scene in scenes],
    }.items():
        assert RECORD["chance"][topic] == max(map(values.count, set(values))) / len(values), topic


def test_in_the_first_stage_nothing_else_moves_and_the_tower_never_does():
    told = {way: [one["moved"] for one in RECORD["second"] if one["way"] == way] for way in tool().WAYS}
    for way, moves in told.items():
        for moved in moves:
            assert moved["tower"] == 0 and moved["projector"] > 0
            assert (moved["attention"] > 0) == (moved["MLP"] > 0) == (way != "the projector alone")
            assert (moved["norms"] > 0) == (way == "the whole language model")
            assert (moved["table of words"] > 0) == (way == "the whole language model")


def test_the_ways_to_go_on_learn_as_many_weights_as_they_say():
    made, trained = tool(), zoo.load("panels-language")
    for way, rank in zip(made.WAYS, ("", 8, None), strict=True):
        bridge = made.built(made.LIVE, 0, trained)
        if rank != "":
            second_stage(bridge, rank)
        (weights,) = {told["weights"] for told in RECORD["second"] if told["way"] == way}
        assert weights == sum(weight.numel() for weight in bridge.parameters() if weight.requires_grad)


def test_what_moved_is_told_by_part():
    made, trained = tool(), zoo.load("panels-language")
    before = made.built(made.LIVE, 0, trained)
    after = copy.deepcopy(before)
    second_stage(after, 8)
    assert set(made.moved(before, after).values()) == {0.0}, "a fresh pair is nothing"
    with torch.no_grad():
        pair = after.language.blocks[0].mlp.down
        pair.up.fill_(0.1)
        after.project.weight *= 1.5
    moved = made.moved(before, after)
    assert moved["MLP"] > 0 == moved["attention"] == moved["tower"] == moved["table of words"]
    weight, bias = (part.detach() for part in before.project.parameters())
    length = (weight.square().sum() + bias.square().sum()).sqrt()
    assert moved["projector"] == pytest.approx(float((weight * 0.5).norm() / length), abs=1e-4)


def test_fewer_slots_are_read_faster_and_all_shares_are_of_the_most():
    for language in {cell["language"] for cell in RECORD["latency"]}:
        for what in ("reading", "answering"):
            cells = [c for c in RECORD["latency"] if (c["language"], c["what"]) == (language, what)]
            cells.sort(key=lambda cell: -cell["slots"])
            assert cells[0]["share"] == 1 and len(cells) == 3
            shares = [cell["share"] for cell in cells]
            assert shares == sorted(shares, reverse=True) and shares[0] > shares[-1], (language, what)


@pytest.mark.slow
def test_a_short_run_comes_out_as_recorded():
    again, told = tool().short(zoo.load("panels-language")), RECORD["short"]
    assert {key: again[key] for key in ("merger", "rate", "seed", "steps", "at")} == {
        key: told[key] for key in ("merger", "rate", "seed", "steps", "at")
    }
    # Other machines round otherwise, and rounding grows as a model trains.
    assert again["losses"] == pytest.approx(told["losses"], rel=0.05, abs=0.05)


def test_no_run_is_no_number():
    with pytest.raises(ValueError, match=r"no run was recorded of 'keep 65'; there are \['average 16'"):
        figures.of(RECORD, "keep 65")


# ---- what is trained and asked -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def looked():
    return bridging.looked(zoo.load("clip-panels").model.image_tower, 12, "test")


def small() -> tuple[Language, Pieces]:
    """A fresh language model over the real pieces: what is asked here does not depend on what it knows."""
    torch.manual_seed(0)
    pieces = zoo.load("panels-language").tokenizer
    return Language(LanguageConfig(pieces.vocabulary, 200, 32, 1, 2, 1, 40)).eval(), pieces


def test_what_the_tower_saw_is_what_a_bridge_would_see(looked):
    language, _ = small()
    tower = zoo.load("clip-panels").model.image_tower
    bridge = bridging.bridged(tower, language, Keep())
    drawn = bridging.panels.batch(range(12), "test", bridging.SIZE).images
    seen = bridge.look(bridging.images.to_float(drawn))
    assert seen.grid == bridging.GRID and torch.equal(seen.tokens, looked.tokens)
    learning = {name for name, weight in bridge.named_parameters() if weight.requires_grad}
    assert learning == {"project.weight", "project.bias"}


def test_a_dialogue_shows_one_picture_and_learns_its_answers(looked):
    _, pieces = small()
    ids, learn, rows = bridging.talks(pieces, looked.scenes, seed=3)
    assert rows.tolist() == list(range(12)) and ((ids == pieces.image).sum(1) == 1).all()
    assert ((learn & (ids == pieces.end)).sum(1) == 5).all(), "five answers, each with its end"
    assert not (learn & (ids == pieces.image)).any() and not (learn & (ids == pieces.pad)).any()
    assert torch.equal(ids, bridging.talks(pieces, looked.scenes, seed=3)[0])
    assert not torch.equal(ids, bridging.talks(pieces, looked.scenes, seed=4)[0])


def test_the_loss_is_that_of_each_dialogues_own_picture(looked):
    language, pieces = small()
    torch.manual_seed(1)
    bridge = bridging.bridged(zoo.load("clip-panels").model.image_tower, language, PixelShuffle(2))
    ids, learn, rows = bridging.talks(pieces, looked.scenes, seed=3)
    whole = bridging.telling(looked)(bridge, ids, learn, rows)
    costs, count = 0.0, 0
    for row in range(12):
        used = ids[row] != pieces.pad
        line = bridge.splice(
            ids[row : row + 1, used], looked.seen(rows[row : row + 1]), learn=learn[row : row + 1, used]
        )
        logits = language.head(language.read(line.vectors))[0, :-1]
        chosen = line.learn[0, 1:]
        costs += F.cross_entropy(logits[chosen], line.ids[0, 1:][chosen], reduction="sum")
        count += int(chosen.sum())
    assert torch.allclose(whole, costs / count, atol=1e-4)
    wrong = bridging.telling(looked)(bridge, ids, learn, rows.roll(1))
    assert not torch.allclose(whole, wrong, atol=1e-6), "another's picture is another loss"


def test_questions_have_the_topics_answers_and_marks_only_where_a_picture_is_shown(looked):
    _, pieces = small()
    told = bridging.asked(pieces, looked.scenes, "badge")
    assert told.answers == [scene.badge for scene in looked.scenes]
    assert ((told.ids == pieces.image).sum(1) == 1).all()
    assert not (bridging.asked(pieces, looked.scenes, "badge", image=False).ids == pieces.image).any()
    assert set(bridging.CAPTIONED) < set(speaking.topics())


# ---- figures -------------------------------------------------------------------------------------------------------


def test_figures_have_words_on_their_axes():
    ids = torch.tensor([[1, 3, 5, 2], [1, 6, 3, 2]])
    told = splice(ids, torch.zeros(2, 3, 4), lambda ids: torch.zeros(*ids.shape, 4), 3, ids != 0, ids == 2)
    figures.lines(told, [["w"] * told.ids.shape[1]] * 2, 3)
    figures.learning(RECORD, {"colour": [(50, 0.5), (300, 0.9)], "badge": [(50, 0.6)]}, {"colour": 0.2, "badge": 0.3})
    figures.topics(RECORD, bridging.CAPTIONED)
    figures.mergers(RECORD)
    figures.stages(RECORD, bridging.CAPTIONED)
    plt = pyplot()
    assert len(plt.get_fignums()) == 5
    for number in plt.get_fignums():
        for place in plt.figure(number).axes:
            said = place.get_xlabel() or place.get_ylabel() or place.get_title()
            assert said, f"figure {number} has axes without a word"
