"""The scorecards: hand-counted cases, blind reports at their prior, the waterfall and the abstention curve."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivit import panels
from minivit.inspection import claims, scores, whatif, words
from minivit.reports import Report

TRUE = [panels.report(panels.sample_scene(seed, "test")) for seed in range(60)]


def changed(report: Report, **parts) -> Report:
    return Report.model_validate(report.model_dump() | parts)


def decided(report: Report) -> tuple[str, ...]:
    """What is looked up of a report: the policy, the asset, and then nothing."""
    return words.first_call(report), words.second_call(report), words.ENOUGH


def shares(counted):
    return {name: one.right / one.count for name, one in counted.items()}


def test_the_truth_scores_one_everywhere():
    for told in (scores.damage(TRUE, TRUE), scores.action(TRUE, TRUE)):
        assert all(share == 1 for share in shares(told).values())
    assert shares(scores.code(TRUE, TRUE)) == {"code exact": 1, "code error rate": 0}
    assert set(shares(scores.calls([decided(one) for one in TRUE], TRUE)).values()) == {1}
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


@pytest.mark.parametrize(
    ("change", "tools", "policy", "asset"),
    [
        (lambda first, second, end: (first, second, end), 3, 1, 1),
        (lambda first, second, end: (first.replace(":", ": "), second, end), 3, 1, 1),  # the same call, spaced
        (lambda first, second, end: (second, first, end), 1, 0, 0),  # the wrong way round
        (lambda first, second, end: (first, first, first), 1, 1, 0),  # never the asset, and no end
        (lambda first, second, end: (first, second, second), 2, 1, 1),  # no end
        (lambda first, second, end: (first, second), 2, 1, 1),
        (lambda first, second, end: (first, end), 1, 1, 0),  # too early
        (lambda first, second, end: (end,), 0, 0, 0),
        (lambda first, second, end: (first + second, second, end), 2, 0, 1),  # two calls are none
        (lambda first, second, end: (first[:-1] + ',"result":1}', second, end), 2, 0, 1),  # a forged result is none
        (lambda first, second, end: (first.replace('"ok"', '"fault"'), second, end), 3, 0, 1),
        (lambda first, second, end: (first, words.call_text("find_asset", {"code": "A0-00"}), end), 3, 1, 0),
        (lambda first, second, end: (first, words.call_text("delete_all", {}), end), 2, 1, 0),
        (lambda first, second, end: (first, 'I call "name":"find_asset"', end), 2, 1, 0),
    ],
)
def test_every_decision_about_tools_counts(change, tools, policy, asset):
    true = next(one for one in TRUE if one.badge.status == "ok")
    told = scores.calls([change(*decided(true))], [true])
    assert told == {"tool": (tools, 3), "policy arguments": (policy, 1), "asset arguments": (asset, 1)}


def test_a_refusal_is_right_where_nothing_can_be_seen():
    said = [(words.UNSEEN, words.UNSEEN, "red"), (words.UNSEEN, "status", "two"), ("none", "Nobody.", words.UNSEEN)]
    told = scores.refusals(said)
    assert told == {"right refusal": (2, 3), "right refusal, kept back": (1, 3), "no wrong refusal": (2, 3)}
    for text, refused in (("That cannot be seen", 1), ("That cannot cannot be seen.", 1), ("That cannot", 0), ("", 0)):
        assert scores.refusals([(text, text, text)])["right refusal"] == (refused, 1), text
    always, never = scores.refusals([(words.UNSEEN,) * 3]), scores.refusals([("red",) * 3])
    assert [one.right for one in always.values()] == [1, 1, 0] and [one.right for one in never.values()] == [0, 0, 1]


def test_a_claim_is_right_with_all_its_words_and_whatever_its_box():
    moved = changed(TRUE[0], code=TRUE[0].code.model_dump() | {"box": (0.0, 0.0, 0.1, 0.1)})
    other = changed(TRUE[0], badge=TRUE[0].badge.model_dump() | {"status": "fault"})
    told = scores.claimed([moved, other, None], [TRUE[0]] * 3)
    assert all(told[0].values()) and not any(told[2].values())
    assert told[1] == told[0] | {"badge": TRUE[0].badge.status == "fault"}


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


def test_a_stage_before_the_report_is_perfect_in_reports_written_anew():
    wrong = [changed(one, code=one.code.model_dump() | {"text": "A0-00"}) for one in TRUE]
    half = [*TRUE[:30], *wrong[30:]]
    told = whatif.waterfall(wrong, TRUE, anew={"box": half})
    assert list(told)[:3] == ["as it is", "perfect box", "perfect code"] and told["perfect box"] == 0.5
    assert {name: share for name, share in told.items() if name != "perfect box"} == whatif.waterfall(wrong, TRUE)
    assert whatif.mended(wrong, TRUE, anew={"box": half})["box"] == (30, 0)
    assert whatif.mended(half, TRUE, anew={"box": wrong})["box"] == (0, 30)


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


def test_a_threshold_is_chosen_for_every_claim_that_reaches_what_is_wanted():
    sure = [dict.fromkeys(claims.CLAIMS, at / 10) for at in range(1, 5)]
    good = [{"code": at > 1, "badge": True, "icon": at == 1, "damage": at != 3} for at in range(1, 5)]
    assert whatif.thresholds(sure, good, 1.0) == {"code": 0.2, "badge": 0.1, "icon": 1.0, "damage": 0.4}
    assert whatif.thresholds(sure, good, 0.7) == {"code": 0.1, "badge": 0.1, "icon": 1.0, "damage": 0.1}


def test_as_many_as_there_are_true_ones():
    for wrong in ([], TRUE[:2]):
        with pytest.raises(ValueError, match="compared with a true one"):
            scores.damage(wrong, TRUE[:1] if wrong else [])


def test_what_is_no_report_is_none():
    assert scores.parsed("{") is None and scores.parsed("{}") is None
    assert scores.parsed(words.report_text(TRUE[0])) == TRUE[0]
