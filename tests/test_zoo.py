"""What ships in the zoo is what its cards say, a file that was changed is refused, the recipe keeps its promises."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from minivit import panels, zoo
from minivit.inspection import claims
from minivit.panels import rules
from minivit.zoo import assisting, matching, shelf, speaking

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module", autouse=True)
def exact():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


# ---- the shelf -----------------------------------------------------------------------------------------------------


def test_everything_on_the_shelf_has_weights_a_card_and_a_recipe_and_is_small():
    files = sorted(path.name for path in shelf.SHELF.iterdir())
    assert files == sorted(f"{name}.{kind}" for name in zoo.names() for kind in ("json", "safetensors"))
    sizes = [(shelf.SHELF / f"{name}.safetensors").stat().st_size for name in zoo.names()]
    assert max(sizes) <= 4e6 and sum(sizes) <= 25e6
    for name in zoo.names():
        told = zoo.card(name)
        assert {"what", "recipe", "data", "steps", "seconds", "hardware", "scores", "bytes", "sha256"} <= set(told)
        assert told["recipe"] == f"python tools/zoo.py {name}"
        assert f'"{name}": ' in (ROOT / "tools" / "zoo.py").read_text(encoding="utf-8")


SCORECARDS = {  # how a card is measured, and a fresh model, which nobody trained
    "clip-panels": (lambda model, pieces, count: matching.scorecard(model, count), 1_000),
    "panels-language": (speaking.scorecard, 500),
    "panels-assistant": (lambda model, pieces, count: assisting.scorecard(model, count), 500),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.names())
def test_every_score_on_a_card_is_measured_again(name):
    """One example in 500 may fall otherwise on another machine; where what is said is counted, the count too."""
    trained = zoo.load(name)
    measure, count = SCORECARDS[name]
    again = measure(trained.model, trained.tokenizer, count)
    assert set(again) == set(trained.card["scores"])
    for score, told in trained.card["scores"].items():
        assert abs(again[score]["chance"] - told["chance"]) <= 1 / 500 + 1e-9, score
        assert abs(again[score]["count"] - told["count"]) <= (score in ("damage precision", "field F1")), score
        assert abs(again[score]["value"] - told["value"]) <= 1 / 500 + 1e-9, score


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.names())
def test_weights_that_nobody_trained_score_by_chance(name):
    torch.manual_seed(0)
    fresh, pieces = shelf.BUILDERS[name](zoo.card(name))
    found = SCORECARDS[name][0](fresh.eval(), pieces, 100)
    valid = ("schema valid", "no wrong refusal")  # true of everyone who is held to a grammar, or who never refuses
    for score, told in zoo.card(name)["scores"].items():
        assert score in valid or found[score]["value"] < max(told["chance"], found[score]["chance"]) + 0.15, score
    for score in ("tool", "right refusal", "right refusal, kept back"):  # for these any picture will do, training not
        assert score not in found or found[score]["value"] < 0.5 < zoo.card(name)["scores"][score]["chance"], score


@pytest.mark.slow
def test_the_assistants_thresholds_are_measured_again_and_it_has_them_from_its_card():
    model, _, told = zoo.load("panels-assistant")
    card = told["thresholds"]
    assert model.least == card["least"] and set(card["least"]) == set(claims.CLAIMS)
    again = assisting.thresholds(model, card["count"])
    assert again | {"least": None} == card | {"least": None}
    assert again["least"] == pytest.approx(card["least"], abs=0.02)  # it is the confidence of one scene


def test_the_panels_clip_is_as_good_as_promised():
    scores = zoo.card("clip-panels")["scores"]
    assert scores["recall@1, phrasing 0"]["value"] >= 0.97 and scores["damage"]["value"] >= 0.97


def test_the_language_model_answers_from_notes_and_guesses_without_them():
    scores = zoo.card("panels-language")["scores"]
    for topic in speaking.topics():
        told, blind = scores[topic], scores[f"{topic}, without notes"]
        assert told["value"] >= 0.95 and blind["value"] <= told["chance"] + 0.05, topic


def test_the_assistant_is_as_good_as_promised_and_blind_without_its_picture():
    scores = zoo.card("panels-assistant")["scores"]
    assert scores["code exact"]["value"] >= 0.95 and scores["damage kind"]["value"] >= 0.95
    assert scores["code exact"]["chance"] <= 0.01 and scores["damage kind"]["chance"] <= 0.35
    assert scores["schema valid"]["value"] == scores["tool"]["value"] == 1
    assert scores["right refusal"]["value"] >= 0.95 and scores["no wrong refusal"]["value"] >= 0.95
    assert 0.8 <= scores["right refusal, kept back"]["value"] < scores["right refusal"]["value"]


def test_what_is_loaded_is_float32_evaluated_and_reads_captions():
    model, tokenizer, card = zoo.load("clip-panels")
    assert not model.training and {w.dtype for w in model.parameters()} == {torch.float32}
    assert sum(w.numel() for w in model.parameters()) == card["weights"]
    text = "a blue panel in a rack, sign for rotor, status fault, no damage"
    with torch.no_grad():
        assert model.encode_texts(tokenizer([text])).shape == (1, matching.WIDTH)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    shutil.copytree(shelf.SHELF, tmp_path / "weights")
    monkeypatch.setattr(shelf, "SHELF", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.mark.parametrize("change", ["cut", "altered", "another"])
def test_a_file_that_is_not_the_cards_is_refused(copied, change):
    path = copied / "clip-panels.safetensors"
    content = bytearray(path.read_bytes())
    if change == "cut":
        content = content[:-1]
    elif change == "altered":
        content[-1] ^= 1
    else:
        content = bytearray(b"something else")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"not the file of its card: {len(content)} bytes.*run make zoo"):
        zoo.load("clip-panels")


def test_names_that_are_not_there_are_refused_with_those_that_are():
    for ask in (zoo.load, zoo.card):
        with pytest.raises(ValueError, match="the zoo has no 'clip-pannels'; it has clip-panels"):
            ask("clip-pannels")


def test_what_is_kept_is_what_is_loaded(copied):
    torch.manual_seed(3)
    model = matching.towers()
    told = shelf.keep("clip-panels", model, {"what": "a test"}, lambda model: {"none": {"value": 0.0}})
    again = zoo.load("clip-panels")
    assert again.card == told == json.loads((copied / "clip-panels.json").read_text()) and "thresholds" not in told
    sure = shelf.keep("clip-panels", model, {"what": "a test"}, lambda model: {}, lambda model: {"least": 0.5})
    assert sure["thresholds"] == {"least": 0.5} and sure["sha256"] == told["sha256"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])
    assert {path.suffix for path in copied.iterdir()} == {".json", ".safetensors"}, "no part is left over"


# ---- the recipe ----------------------------------------------------------------------------------------------------


def test_twins_differ_in_one_attribute_alone():
    right = matching.matches(800, "train").right
    for among, together in ((("damage",), 3), (("hazard",), 3), (("damage", "hazard"), 2)):
        rows = matching.twins(right, 0, among, together)
        assert rows.shape[1] == together and len(rows) > 50
        for row in rows.tolist():
            three = [rules.combinations()[right[scene]] for scene in row]
            differ = [name for name in matching.ATTRIBUTES if len({getattr(one, name) for one in three}) > 1]
            assert len(differ) == 1 and differ[0] in among
            assert len(set(three)) == together
    assert torch.equal(matching.twins(right, 0), matching.twins(right, 0))
    assert not torch.equal(matching.twins(right, 0), matching.twins(right, 1))
    with pytest.raises(ValueError, match="no 3 of 3 scenes differ in damage or hazard alone"):
        matching.twins(right[:3], 0)


def test_scenes_come_with_their_own_captions():
    seen, every = matching.matches(12, "train", first=5, phrasings=5), [panels.all_captions(p) for p in range(5)]
    tokenizer = matching.words()
    for n in range(12):
        scene, phrasing = panels.sample_scene(5 + n, "train"), (5 + n) % 5
        assert torch.equal(seen.ids[n : n + 1], tokenizer([panels.caption(scene, phrasing)]))
        assert every[phrasing][seen.right[n]] == panels.caption(scene, phrasing)
        assert torch.equal(seen.pictures[n], panels.draw(scene, matching.SIZE))


def test_prompts_name_their_value_and_every_caption_once():
    for name, values in matching.ATTRIBUTES.items():
        texts = matching.prompts(name)
        assert list(texts) == list(values)
        assert sorted(t for own in texts.values() for t in own) == sorted(
            t for p in range(5) for t in panels.all_captions(p)
        )


def test_the_text_tower_learns_slowly_and_nothing_is_left_out():
    model = matching.towers()
    held = [(weight, group["lr"]) for one in matching.optimizers(model) for group in one.param_groups
            for weight in group["params"]]  # fmt: skip
    slow = {id(weight) for weight in model.text_tower.parameters()}
    assert sorted(id(weight) for weight, _ in held) == sorted(id(weight) for weight in model.parameters())
    assert {rate for weight, rate in held if id(weight) in slow} == {3e-5}
    assert {rate for weight, rate in held if id(weight) not in slow} == {0.02, 4e-3}


@pytest.mark.slow
def test_a_short_run_comes_out_as_recorded():
    from minivit.teach.runs import recorded

    spec = importlib.util.spec_from_file_location("clip_panels", ROOT / "tools" / "runs" / "clip_panels.py")
    made = sys.modules["clip_panels"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    told = recorded("clip_panels")["short"]
    again = made.run("the recipe", told["seed"], *made.short_data(), steps=20)
    # Other machines round otherwise, and rounding grows as a model trains.
    assert again["loss"] == pytest.approx(told["loss"], abs=0.15)
    assert again["weights"] == told["weights"] and again["steps"] == told["steps"]


def test_three_seeds_of_the_recipe_keep_what_the_lesson_says():
    from minivit.teach.runs import recorded

    runs = [run for run in recorded("clip_panels")["runs"] if run["name"] == "the recipe"]
    assert sorted(run["seed"] for run in runs) == [1, 2, 3]
    assert min(run["recall"][-1] for run in runs) >= 0.88 and min(run["damage"][-1] for run in runs) >= 0.85
