"""The scorecards: hand-counted cases, blind reports at their prior, the waterfall and the abstention curve."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivit import panels
from minivit.inspection import scores, whatif, words
from minivit.reports import Report

TRUE = [panels.report(panels.sample_scene(seed, "test")) for seed in range(60)]


def changed(report: Report, **parts) -> Report:
    return Report.model_validate(report.model_dump() | parts)


def shares(counted):
    return {name: one.right / one.count for name, one in counted.items()}


def test_the_truth_scores_one_everywhere():
    for told in (scores.damage(TRUE, TRUE), scores.action(TRUE, TRUE)):
        assert all(share == 1 for share in shares(told).values())
    assert shares(scores.code(TRUE, TRUE)) == {"code exact": 1, "code error rate": 0}
    assert set(shares(scores.calls([words.first_call(one) for one in TRUE], TRUE)).values()) == {1}
    assert all(scores.right(TRUE, TRUE))


def test_counted_by_hand():
    hurt = [one for one in TRUE if one.damage.kind != "none"][:3]
    whole = next(one for one in TRUE if one.damage.kind == "none")
    other = "crack" if hurt[0].damage.kind != "crack" else "burn"
    said = [
        changed(hurt[0], damage=hurt[0].damage.model_dump() | {"kind": other}),  # named wrongly
        changed(hurt[1], damage={"kind": "none"}),  # missed
        hurt[2],
        changed(whole, damage=hurt[0].damage.model_dump()),  # made up
        None,  # not valid
    ]
    told = scores.damage(said, [*hurt, whole, whole])
    assert told["damage precision"] == (1, 3) and told["damage recall"] == (1, 3) and told["damage kind"] == (1, 5)
    assert told["damage box IoU"].right == pytest.approx(1) and told["damage place"] == (1, 3)
    acts = scores.action(said, [*hurt, whole, whole])
    assert acts["schema valid"] == (4, 5) and acts["action"] == (4, 5)
    # 8 + 6 + 8 + 8 words said, 8 * 3 + 6 * 2 true ones; 7 + 5 + 8 + 5 of them agree
    assert acts["field F1"] == (25, 33)


def test_codes_are_counted_by_edits():
    said = [changed(TRUE[0], code=TRUE[0].code.model_dump() | {"text": "A7-39"})]
    true = [changed(TRUE[0], code=TRUE[0].code.model_dump() | {"text": "A1-30"})]
    assert scores.code(said, true) == {"code exact": (0, 1), "code error rate": (2, 5)}
    assert scores.code([None], true)["code error rate"] == (5, 5)


def test_signs_are_counted_one_by_one():
    def other(level):
        return "ok" if level != "ok" else "warning"

    said = [
        changed(TRUE[0], badge=TRUE[0].badge.model_dump() | {"status": other(TRUE[0].badge.status)}),
        changed(TRUE[1], icon=TRUE[1].icon.model_dump() | {"level": other(TRUE[1].icon.level)}),
        TRUE[2],
        None,
    ]
    assert scores.signs(said, TRUE[:4]) == {"badge": (2, 4), "hazard": (3, 4), "level": (2, 4)}


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)],
)
def test_edits(one, other, count):
    assert scores.edits(one, other) == scores.edits(other, one) == count


@given(*[st.text("ab", max_size=6)] * 3)
def test_edits_are_a_distance(a, b, c):
    assert scores.edits(a, c) <= scores.edits(a, b) + scores.edits(b, c)
    assert (scores.edits(a, b) == 0) == (a == b)


def test_masks_by_hand():
    said, true = torch.zeros(2, 3, 4, 5).bool()
    true[0, :2, :2] = True
    said[0, :2, 1:3] = True
    said[1, 0, 0] = True  # no damage there: not counted
    assert scores.masks(said, true) == {"damage mask IoU": (pytest.approx(2 / 6), 1)}
    with pytest.raises(ValueError, match="boolean"):
        scores.masks(said.float(), true)


def test_the_prior_looks_at_nothing():
    seen = [panels.report(panels.sample_scene(seed)) for seed in range(400)]
    blind = [scores.prior(seen)] * len(TRUE)
    said = scores.beside(scores.damage(TRUE, TRUE), scores.damage(blind, TRUE))
    assert said["damage kind"].value == 1 and said["damage kind"].chance < 0.5 and said["damage kind"].count == 60
    assert scores.code(blind, TRUE)["code exact"].right <= 1
    usual = blind[0]
    for mine, all_of in (
        (usual.badge.status, [one.badge.status for one in seen]),
        (usual.icon.level, [one.icon.level for one in seen]),
        (usual.damage.kind, [one.damage.kind for one in seen]),
        (usual.action, [one.action for one in seen]),
    ):
        assert all_of.count(mine) == max(map(all_of.count, all_of)), mine


def test_the_waterfall_finds_the_stage_at_fault():
    wrong_codes = [changed(one, code=one.code.model_dump() | {"text": "A0-00"}) for one in TRUE]
    told = whatif.waterfall(wrong_codes, TRUE)
    assert (
        told["as it is"] == 0 and told["perfect code"] == 1 and told["perfect badge"] == 0 and told["everything"] == 1
    )
    wrong_badges = [changed(one, badge=one.badge.model_dump() | {"status": "ok"}) for one in TRUE]
    told = whatif.waterfall(wrong_badges, TRUE)
    assert told["as it is"] < 0.8 and told["perfect badge"] == 1 and told["perfect code"] == told["as it is"]
    nothing = whatif.waterfall([None] * len(TRUE), TRUE)
    assert nothing["as it is"] == nothing["everything"] == 0, "what is no report cannot be mended"


def test_two_faults_can_hide_each_other():
    calm = [one for one in TRUE if one.damage.kind == "none"]
    verify = next(one for one in calm if one.action == "verify")  # badge and level differ
    badge, level = verify.badge.status, verify.icon.level
    swapped = changed(
        verify, badge=verify.badge.model_dump() | {"status": level}, icon=verify.icon.model_dump() | {"level": badge}
    )
    told, fall = whatif.mended([swapped], [verify]), whatif.waterfall([swapped], [verify])
    assert fall["as it is"] == 1 and fall["perfect icon"] == fall["perfect badge"] == 0 and fall["everything"] == 1
    assert told == {"code": (0, 0), "badge": (0, 1), "icon": (0, 1), "damage": (0, 0)}
    wrong = changed(verify, badge=verify.badge.model_dump() | {"status": level})
    assert whatif.mended([wrong], [verify])["badge"] == (1, 0)


def test_the_house_rule_is_that_of_the_scenes():
    assert all(whatif.by_rule(one) == one.action for one in TRUE)


def test_the_abstention_curve_and_its_threshold():
    sure, right = [0.9, 0.8, 0.8, 0.3], [True, True, False, False]
    assert whatif.refusals(sure, right) == [(0.3, 1.0, 0.5), (0.8, 0.75, pytest.approx(2 / 3)), (0.9, 0.25, 1.0)]
    assert whatif.threshold(sure, right, 0.99) == 0.9 and whatif.threshold(sure, right, 0.5) == 0.3
    with pytest.raises(ValueError, match="not even the surest"):
        whatif.threshold([0.9, 0.1], [False, True], 0.9)


def test_as_many_as_there_are_true_ones():
    for wrong in ([], TRUE[:2]):
        with pytest.raises(ValueError, match="compared with a true one"):
            scores.damage(wrong, TRUE[:1] if wrong else [])


def test_what_is_no_report_is_none():
    assert scores.parsed("{") is None and scores.parsed("{}") is None
    assert scores.parsed(words.report_text(TRUE[0])) == TRUE[0]
