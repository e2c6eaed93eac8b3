"""Lesson 13: its record is honest and comes out again, its judging and its scripted minds keep to laws."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minivit import panels, zoo
from minivit.inspection import claims, scores, whatif, words
from minivit.inspection.agent import Inspection, inspect
from minivit.inspection.grammar import Grammar
from minivit.inspection.mind import AssistantMind
from minivit.inspection.records import DamageKind, Grade, Policy, find_asset, look_up_policy
from minivit.inspection.scores import parsed
from minivit.inspection.tools import Tools
from minivit.language import Pieces
from minivit.reports import Level, Report
from minivit.teach import inspecting, reading
from minivit.teach.exercises.inspection import EXERCISES
from minivit.teach.figures import inspection as figures
from minivit.teach.figures import pyplot
from minivit.teach.runs import recorded
from minivit.zoo import seeing
from minivit.zoo.assisting import TOOLS, counted

ROOT = Path(__file__).resolve().parents[1]
RECORD = recorded("inspection")
SHIPPED = zoo.load("panels-assistant")
TRUE = [panels.report(panels.sample_scene(seed, "test")) for seed in range(8)]


def tool():
    """The module tools/runs/inspection.py."""
    spec = importlib.util.spec_from_file_location("inspection_runs", ROOT / "tools" / "runs" / "inspection.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["inspection_runs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot().close("all")


# ---- the record ----------------------------------------------------------------------------------------------------


def test_every_reader_had_three_seeds_and_the_same_steps():
    made = tool()
    assert re.fullmatch("[0-9a-f]{40}", RECORD["commit"])
    for view, size in [*(("near", size) for size in made.SIZES), ("whole", 128)]:
        runs = figures.readers(RECORD, view, size)
        assert sorted(run["seed"] for run in runs) == list(made.SEEDS)
        assert {(run["scenes"], run["steps"][-1]) for run in runs} == {(reading.SCENES, reading.STEPS)}
    with pytest.raises(ValueError, match="no reader was recorded of near at 7; there are"):
        figures.readers(RECORD, "near", 7)


def test_what_the_lesson_says_of_the_readers_is_so():
    def ends(view, size):
        return [run["read"][-1] for run in figures.readers(RECORD, view, size)]

    assert max(ends("whole", 128)) < 0.01 and min(ends("near", 128)) > 0.95
    small = ends("near", 64)
    assert min(small) > 0.7, "the pixels of the whole picture nearly suffice once they are enlarged"
    assert sum(small) / len(small) < 0.9
    large = [end for size in (96, 128, 192) for end in ends("near", size)]
    assert min(large) > 0.98 and max(large) - min(large) < 0.02, "larger pictures bring nothing more"
    engine, mine = ([row["read"] for row in RECORD[name]] for name in ("engine", "sizes"))
    assert engine == sorted(engine) and engine[0] < 0.5 < 0.9 < engine[-1]
    silent = [row["silent"] for row in RECORD["engine"]]
    wrong = [1 - right - nothing for right, nothing in zip(engine, silent, strict=True)]
    assert silent[0] > 0.5 and wrong[0] > 0.1 and wrong[1] > silent[1], "it is not always silent where it fails"
    assert mine[0] < 0.1 and min(mine[1:]) > 0.95


def test_what_the_lesson_says_of_the_assistant_is_so():
    told = RECORD["cards"]["columns"]
    assert all(told[name]["schema valid"] == 1 for name in told)
    assert all(told[name]["tool"] == 1 for name in told if name != "no picture")
    assert told["the usual report"]["action"] > 0.4 > told["another's picture"]["action"]
    fall = RECORD["cards"]["waterfall"]
    gains = {name: share - fall["as it is"] for name, share in fall.items()}
    assert gains["perfect badge"] > 5 * max(gains["perfect code"], gains["perfect damage"], gains["perfect icon"])
    sure, right = zip(*RECORD["cards"]["sure"]["judge"], strict=True)
    for claim in claims.CLAIMS:
        mean, share = (sum(one[claim] for one in part) / len(part) for part in (sure, right))
        assert mean == pytest.approx(share, abs=0.015), "as sure as it is right"
    chosen = SHIPPED.card["thresholds"]["least"]
    through = [all(one[claim] >= least for claim, least in chosen.items()) for one in sure]
    kept = [all(good.values()) for good, passed in zip(right, through, strict=True) if passed]
    assert set(chosen) == set(claims.CLAIMS) and len(kept) < len(sure) / 2 and sum(kept) / len(kept) > 0.99
    one, nearer, engine = RECORD["fallback"]
    assert nearer["answered"] - one["answered"] > 10 and nearer["code right"] - one["code right"] <= 1
    assert engine["code right"] - nearer["code right"] <= 2
    known = {row["name"]: all(row["confidence"][c] >= least for c, least in chosen.items()) for row in RECORD["photos"]}
    assert [name for name, passed in known.items() if passed] == ["coins"]
    assert all(row["refused"] == row["count"] for row in RECORD["asked"] if row["trained"])


@pytest.mark.parametrize(
    "line", ["damage kind", "code exact", "badge", "hazard", "level", "action", "policy arguments", "asset arguments"]
)
def test_who_sees_no_picture_of_it_falls_to_the_usual_report(line):
    told = RECORD["cards"]["columns"]
    usual = told["the usual report"][line]
    for blind in ("another's picture", "no picture"):
        assert told[blind][line] < usual + 0.1, blind
    assert told["assistant"][line] > usual + 0.3


def test_to_choose_a_tool_and_to_refuse_any_picture_will_do():
    told = RECORD["cards"]["columns"]
    assert told["no picture"]["tool"] < 0.5 and 0.8 < told["no picture"]["right refusal"] < 0.85
    for line in scores.REFUSALS:
        assert told["assistant"][line] == pytest.approx(told["another's picture"][line], abs=0.01)
    assert [told["the usual report"][line] for line in scores.REFUSALS] == [0, 0, 1]


@pytest.mark.slow
def test_a_short_run_comes_out_as_recorded():
    told, again = RECORD["short"], tool().short()
    # Other machines round otherwise, and rounding grows as a model trains.
    assert again["losses"] == pytest.approx(told["losses"], rel=0.05)


def test_the_recorded_cards_are_those_of_the_shipped_weights():
    columns, card = RECORD["cards"]["columns"], SHIPPED.card
    lines = {line for lines in inspecting.CARDS.values() for line in lines}
    for name, score in card["scores"].items():
        assert columns["assistant"][name] == pytest.approx(score["value"], abs=1.01 / 500), name
        assert columns["another's picture"][name] == pytest.approx(score["chance"], abs=1.01 / 500), name
    assert all(lines <= set(column) for column in columns.values())


@pytest.fixture(scope="module")
def again():
    """What the shipped assistant makes of the 500 scenes of the cards now."""
    judging = inspecting.drawn(tool().JUDGED)
    return judging, inspecting.judge(SHIPPED.model, judging)


ONE = 1 / 500 + 1e-4  # an example, and the record's rounding


@pytest.mark.slow
def test_the_recorded_columns_come_out_again(again):
    judging, told = again
    seen = [panels.report(panels.sample_scene(number)) for number in range(2_000)]
    columns = {
        "assistant": told,
        "no picture": inspecting.without_picture(SHIPPED.model, judging),
        "the usual report": inspecting.prior(judging, seen),
    }  # another's picture is what a card calls chance, which test_zoo measures again
    for name, column in columns.items():
        for line, one in counted(column).items():
            assert inspecting.share(one) == pytest.approx(RECORD["cards"]["columns"][name][line], abs=ONE), (name, line)
    first, again, last = columns["no picture"].calls[0]  # the lesson tells it so
    assert first == again == last
    assert json.loads(first)["arguments"]["badge"] != columns["no picture"].said[0].badge.status


@pytest.mark.slow
def test_the_recorded_waterfall_comes_out_again(again):
    judging, told = again
    boxed = inspecting.from_true_plates(SHIPPED.model, judging)
    for line, one in (scores.code(boxed, told.true) | scores.signs(boxed, told.true)).items():
        assert inspecting.share(one) == pytest.approx(RECORD["cards"]["true plates"][line], abs=ONE), line
    stages = told.said, told.true, None, {"box": boxed}
    fall = whatif.waterfall(*stages)
    assert list(fall) == list(RECORD["cards"]["waterfall"])
    assert fall == pytest.approx(RECORD["cards"]["waterfall"], abs=ONE)
    for stage, counts in whatif.mended(*stages).items():
        assert counts == pytest.approx(RECORD["cards"]["mended"][stage], abs=1), stage


@pytest.mark.slow
def test_what_was_asked_is_answered_so_again():
    made = tool()
    for row in made.asked(words.UNANSWERABLE[11:]):
        known = next(one for one in RECORD["asked"] if one["question"] == row["question"])
        assert row | {"refused": 0, "first other": ""} == known | {"refused": 0, "first other": ""}
        assert abs(row["refused"] - known["refused"]) <= 1, row["question"]
    told = made.answerable()
    assert told["count"] == RECORD["answerable"]["count"] and told["refused"] <= RECORD["answerable"]["refused"] + 1


@pytest.mark.slow
def test_photographs_are_claimed_to_be_the_same_panels_again():
    chosen = [RECORD["photos"][0]["name"], "coins"]
    for row in tool().photos(chosen):
        known = next(one for one in RECORD["photos"] if one["name"] == row["name"])
        assert row | {"confidence": None} == known | {"confidence": None}
        assert row["confidence"] == pytest.approx(known["confidence"], abs=0.02)


def test_the_cards_thresholds_are_the_ones_that_the_lesson_chooses():
    card = SHIPPED.card["thresholds"]
    chosen = whatif.thresholds(*zip(*RECORD["cards"]["sure"]["choose"], strict=True), card["wanted"])
    assert chosen == card["least"] and card["looks"] == 1


def test_confidences_and_accuracy_belong_together():
    for pairs in RECORD["cards"]["sure"].values():
        assert len(pairs) == tool().JUDGED
        for claim in claims.CLAIMS:
            sure, right = [one[claim] for one, _ in pairs], [good[claim] for _, good in pairs]
            assert whatif.refusals(sure, right)[0][1:] == (1.0, sum(right) / len(right))


@pytest.mark.slow
def test_the_first_recorded_confidences_come_out_again():
    told = inspecting.judge(SHIPPED.model, inspecting.drawn(20))
    right, known = scores.claimed(told.said, told.true), RECORD["cards"]["sure"]["judge"][:20]
    for claim in ("code", "badge", "damage"):
        assert sum(one[claim] != was[claim] for one, (_, was) in zip(right, known, strict=True)) <= 1
        near = [abs(one[claim] - was[claim]) for one, (was, _) in zip(told.sure, known, strict=True)]
        assert sorted(near)[-2] < 0.05


# ---- the shipped assistant -----------------------------------------------------------------------------------------


def test_a_question_that_no_picture_answers_is_refused_and_one_that_it_answers_is_not():
    judging = inspecting.drawn(3)
    slots = SHIPPED.model.look(judging.pictures)
    for question in ("Who owns the building?", "What does the manual say?"):  # trained on, and kept back
        assert SHIPPED.model.ask(slots, [question] * 3).texts == [words.UNSEEN] * 3
    said = SHIPPED.model.ask(slots, ["What colour is the panel?"] * 3).texts
    assert said == [scene.colour for scene in judging.scenes]


def test_a_tool_that_tells_more_than_it_can_read_hands_the_panel_to_a_person():
    picture = panels.draw(panels.sample_scene(6, "test"), seeing.DRAWN)

    def told(sentences: int) -> Inspection:
        def wordy(damage: DamageKind, severity: Grade, badge: Level, agree: bool) -> Policy:
            """Look up the policy."""
            policy = look_up_policy(damage, severity, badge, agree)
            return policy.model_copy(update={"reason": "The burn is at the lower right of the panel. " * sentences})

        wordy.__name__ = "look_up_policy"
        tools = Tools([wordy, find_asset])
        return inspect(picture, AssistantMind(SHIPPED.model, tools), tools, sure=0.0, seconds=60)

    found = told(20)
    assert (found.action, found.answer, found.steps[-1].kind) == ("verify", "", "refuse")
    assert "more than" in found.refused and "384" in found.refused and found.results[0].ok
    assert told(1).refused is None and told(1).action == "repair"


def test_its_thresholds_are_those_of_its_card_unless_others_are_told():
    least, mind = SHIPPED.card["thresholds"]["least"], AssistantMind(SHIPPED.model, TOOLS)
    picture = panels.draw(panels.sample_scene(20_000, "test"), seeing.DRAWN)  # one whose badge it is not sure of
    found = inspect(picture, mind, TOOLS)
    assert found.refused == f"not sure of the badge fault: 0.71 is below {least['badge']:.2f}"
    assert found.refused == inspect(picture, mind, TOOLS, sure=least).refused
    assert inspect(picture, mind, TOOLS, sure=0.5).refused is None


# ---- the grammar's law ---------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_the_grammar_allows_is_a_canonical_report(random):
    letters = Pieces([])
    grammar, written = LAW.setdefault("grammar", Grammar(letters, Report.model_json_schema())), []
    while len(written) < 600:
        may = grammar.allowed(torch.tensor([written], dtype=torch.int64))[0].nonzero().flatten().tolist()
        token = random.choice(may)
        if token == letters.end:
            break
        written.append(token)
    text = letters.text(written)
    report = parsed(text)
    assert report is not None and words.report_text(report) == text


LAW: dict[str, Grammar] = {}


def test_a_grammar_that_forgets_a_key_is_found_by_counting():
    schema = Report.model_json_schema()["$defs"]["IconClaim"]
    without = schema | {
        "properties": {key: one for key, one in schema["properties"].items() if key != "level"},
        "required": [key for key in schema["required"] if key != "level"],
    }
    root = Report.model_json_schema()
    assert texts(Grammar(Pieces([]), root | schema)) == 4 * 3 * 101**4
    assert texts(Grammar(Pieces([]), root | without)) == 4 * 101**4


def texts(grammar: Grammar) -> int:
    """How many texts a grammar allows, letter by letter."""
    known: dict = {}

    def after(written: list[int]) -> int:
        state = grammar.after(written)
        if state not in known:
            mask = grammar.allowed(torch.tensor([written], dtype=torch.int64))[0]
            ends, mask[Pieces.end] = int(mask[Pieces.end]), False
            known[state] = ends + sum(after([*written, letter]) for letter in mask.nonzero().flatten().tolist())
        return known[state]

    return after([])


# ---- judging -------------------------------------------------------------------------------------------------------


def test_who_sees_nothing_says_the_same_of_every_scene():
    judging = inspecting.drawn(6)
    said = inspecting.prior(judging, TRUE)
    assert len({one.model_dump_json() for one in said.said}) == 1 and not said.masks.any()
    told = counted(said)
    assert inspecting.share(told["schema valid"]) == 1 and inspecting.share(told["tool"]) == 1
    kinds = [scene.damage for scene in judging.scenes]
    assert told["damage kind"].right == kinds.count(said.said[0].damage.kind)


def test_a_report_is_as_sure_as_its_least_sure_claim():
    sure = {"code": 0.9, "badge": 0.99, "icon": 0.7, "damage": 0.8, "action": 0.1}
    assert inspecting.weakest(sure) == 0.7
    assert inspecting.weakest(sure, ["code", "damage"]) == 0.8 and inspecting.weakest({"code": 0.9}) == 0
    found = inspect(torch.zeros(3, 64, 64), inspecting.Scripted(TRUE[0], sure=0.7), TOOLS, sure=0.7)
    assert "not sure" not in (found.refused or "")
    found = inspect(torch.zeros(3, 64, 64), inspecting.Scripted(TRUE[0], sure=0.7), TOOLS, sure=0.71)
    assert "not sure" in found.refused and found.action == "verify"


def test_masks_are_those_of_the_drawing_at_every_size():
    small, large = (inspecting.drawn(5, size=size).masks for size in (64, 192))
    assert small.shape == large.shape == (5, 64, 64)
    both, either = (small & large).sum(), (small | large).sum()
    assert both / either > 0.7


def test_the_scripted_order_is_obeyed_by_no_loop_with_a_list():
    deleted = []

    def delete_all() -> str:
        """Delete everything."""
        deleted.append(True)
        return "done"

    script = [words.call_text("delete_all", {}), words.first_call(TRUE[0])]
    found = inspect(torch.zeros(3, 64, 64), inspecting.Scripted(TRUE[0], script, "All is well: continue."), TOOLS)
    assert [one.ok for one in found.results] == [False, True] and not deleted
    assert found.action == TRUE[0].action
    inspect(torch.zeros(3, 64, 64), inspecting.Scripted(TRUE[0], script), Tools([delete_all]))
    assert deleted, "a list that names it lets it run: the list is all there is"


# ---- readers -------------------------------------------------------------------------------------------------------


def test_views_have_their_shapes_and_a_crop_is_a_little_elsewhere_each_time():
    seen, rows = reading.plates(3, "train", size=96), torch.tensor([2, 0])
    random = torch.Generator().manual_seed(0)
    near, again = (reading.shown(seen, rows, "near", random) for _ in range(2))
    assert near.shape == (2, 3, 32, 96) and not torch.equal(near, again)
    assert reading.shown(seen, rows, "whole", random).shape == (2, 3, 64, 64)
    with pytest.raises(ValueError, match="no view 'far'; there are near, whole"):
        reading.shown(seen, rows, "far", random)


def test_who_reads_a_code_right_reads_all_of_it():
    seen = reading.plates(4, "test")

    class Knows(torch.nn.Module):
        """Three codes right, of the last one only three digits and not the letter."""

        def read(self, near):
            letter = torch.nn.functional.one_hot(seen.code[:, 0], len(seen_letters())).float()
            letter[3] = letter[3].roll(1)
            return letter, torch.nn.functional.one_hot(seen.code[:, 1:], 10).float()

    assert reading.read(Knows(), seen).tolist() == [True, True, True, False]
    assert "".join(seen_letters()[row] for row in seen.code[:, 0]) == "".join(
        panels.sample_scene(n, "test").code[0] for n in range(4)
    )


def seen_letters() -> str:
    return seeing.LETTERS


# ---- exercises and figures -----------------------------------------------------------------------------------------


@given(st.text("A7-39", max_size=6), st.text("A7-39", max_size=6))
def test_the_exercises_edits_are_the_librarys(one, other):
    assert EXERCISES["edits"].reference(one, other) == scores.edits(one, other)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), st.booleans()), min_size=1, max_size=8))
def test_the_exercises_threshold_is_the_librarys(pairs):
    sure, right = zip(*pairs, strict=True)
    mine = EXERCISES["threshold"].reference(list(sure), list(right), 0.7)
    if mine is None:
        with pytest.raises(ValueError, match="not even the surest"):
            whatif.threshold(sure, right, 0.7)
    else:
        assert whatif.threshold(sure, right, 0.7) == mine


def test_figures_have_words_on_their_axes():
    figures.reading(RECORD, [(60, 0.1), (300, 0.9)])
    figures.by_size(RECORD)
    figures.cards(RECORD["cards"]["columns"], inspecting.CARDS)
    figures.stages(RECORD["cards"]["waterfall"])
    figures.refusing({"code": [(0.1, 1.0, 0.8), (0.9, 0.5, 1.0)], "icon": [(0.2, 1.0, 0.7)]})
    picture = panels.draw(panels.sample_scene(0, "test"), 64)
    found = inspect(picture, inspecting.Scripted(TRUE[0], [words.first_call(TRUE[0])], "Words."), TOOLS)
    figures.claimed(picture, found)
    figures.photograph(picture, found, [0.1, 0.2], [0.9, 0.8])
    figures.views(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 32, 96), ["A7-39", "B1-00"])
    plt = pyplot()
    for number in plt.get_fignums():
        shown = plt.figure(number)
        said = [text.get_text() for axes in shown.axes for text in [axes.xaxis.label, axes.title, *axes.texts]]
        said += [text.get_text() for axes in shown.axes for text in axes.get_yticklabels()]
        assert any(said), number
    assert set(figures.CLAIMS) == set(claims.CLAIMS)
