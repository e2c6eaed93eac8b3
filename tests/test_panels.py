"""Laws of the panel world: what is seen is what is described, nothing is covered, train and test stay apart."""

import hashlib
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from minivit import panels
from minivit.panels import PARTS, draw, draw_parts, rules, sample_scene

SEEDS = range(240)


def digest(image: torch.Tensor) -> str:
    return hashlib.sha256(image.numpy().tobytes()).hexdigest()


@pytest.fixture(scope="module")
def small():
    """Scenes of both splits with their parts at 96 and 64 px."""
    scenes = [sample_scene(seed, split) for seed in SEEDS for split in rules.SPLITS]
    return [(scene, {size: draw_parts(scene, size) for size in (64, 96)}) for scene in scenes]


# --- the same seed, the same bytes -------------------------------------------------------------------


def test_a_seed_gives_the_same_scene_and_bytes_whatever_else_is_random():
    scene, picture = sample_scene(3), digest(draw(sample_scene(3)))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    draw(sample_scene(4)), draw(sample_scene(3), 64)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert sample_scene(3) == scene
    assert digest(draw(scene)) == picture
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert digest(draw_parts(scene).image) == picture


def test_drawing_changes_nothing_that_is_kept():
    scenes = [sample_scene(seed) for seed in range(40)]
    first = [digest(draw(scene)) for scene in scenes]
    assert [digest(draw(scene)) for scene in reversed(scenes)] == first[::-1]


@pytest.mark.parametrize("size", [32, 47, 61, 64, 75, 96, 110, 131, 224])
def test_no_pixel_is_left_to_chance(monkeypatch, size):
    scenes = [sample_scene(seed) for seed in range(6)]
    expected = [digest(draw(scene, size)) for scene in scenes]
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float: np.full(shape, np.nan, dtype))
    assert [digest(draw(scene, size)) for scene in scenes] == expected


@pytest.mark.slow
def test_another_process_gives_the_same_bytes():
    program = (
        "import hashlib; from minivit.panels import *;"
        "print(*[hashlib.sha256(draw(sample_scene(s, 'test')).numpy().tobytes()).hexdigest() for s in range(5)])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [digest(draw(sample_scene(seed, "test"))) for seed in range(5)]


# --- train and test ----------------------------------------------------------------------------------


def test_the_splits_share_no_combination_and_no_code():
    seen = {split: [sample_scene(seed, split) for seed in range(3000)] for split in rules.SPLITS}
    for key in (lambda s: s.combination, lambda s: s.code):
        train, test = ({key(scene) for scene in seen[split]} for split in ("train", "test"))
        assert not train & test
    assert len({s.combination for s in seen["test"]}) == 144
    assert len({s.combination for s in seen["train"]}) > 425


def test_every_value_is_held_out_for_exactly_a_quarter():
    assert len(panels.combinations()) == 576
    whole, test = Counter(), Counter()
    for combination in panels.combinations():
        whole.update(enumerate(combination))
    for combination in panels.combinations("test"):
        test.update(enumerate(combination))
    assert whole.keys() == test.keys()
    assert all(4 * test[value] == whole[value] for value in whole)


def test_every_pair_of_values_is_in_both_splits():
    for split in rules.SPLITS:
        pairs = {(i, c[i], j, c[j]) for c in panels.combinations(split) for i in range(5) for j in range(i)}
        sizes = (6, 4, 3, 4, 2)
        assert len(pairs) == sum(sizes[i] * sizes[j] for i in range(5) for j in range(i))


def test_every_character_of_a_code_is_in_both_splits():
    codes = [f"{letter}{d}-{n:02d}" for letter in rules.LETTERS for d in range(10) for n in range(100)]
    assert len(codes) == 24_000 and all(re.fullmatch(rules.CODE, code) for code in codes)
    held_out = [code for code in codes if rules.split_of_code(code) == "test"]
    assert 0.19 < len(held_out) / len(codes) < 0.21
    whole, test = (Counter(pair for code in some for pair in enumerate(code)) for some in (codes, held_out))
    assert all(0.15 < test[place] / whole[place] < 0.25 for place in whole)


def test_what_captions_do_not_name_is_balanced():
    scenes = [sample_scene(seed) for seed in range(4000)]
    assert 0.47 < sum(s.agree for s in scenes) / 4000 < 0.53
    for count in Counter(s.lamps_lit for s in scenes).values():
        assert 0.17 < count / 4000 < 0.23
    for level, badge in product(rules.BADGES, rules.BADGES):  # one of the two tells nothing about their agreement
        share = sum(s.badge == badge and s.icon_level == level for s in scenes) / sum(s.badge == badge for s in scenes)
        assert abs(share - (0.5 if level == badge else 0.25)) < 0.04


# --- what must be seen is seen -----------------------------------------------------------------------


def test_nothing_covers_anything(small):
    for scene, drawn in small:
        for size, parts in drawn.items():
            layers = parts.masks[1:].sum(0)
            assert layers.max() == 1, (scene, size)
            assert not (parts.masks[1:].any(0) & ~parts.masks[0]).any(), (scene, size)


def test_every_part_is_there_and_inside_the_picture(small):
    for scene, drawn in small:
        for size, parts in drawn.items():
            panel = parts.masks[0]
            rim = torch.cat([panel[0], panel[-1], panel[:, 0], panel[:, -1]])
            assert not rim.any(), (scene, size)
            for name, mask in zip(PARTS, parts.masks, strict=True):
                assert mask.any() == (name != "damage" or scene.damage != "none"), (name, scene, size)


def thick(mask: torch.Tensor) -> torch.Tensor:
    """The pixels of a mask (H, W) that lie in some 2 x 2 block of it."""
    blocks = F.avg_pool2d(mask[None, None].float(), 2, stride=1) == 1
    return F.max_pool2d(blocks.float(), 2, stride=1, padding=1)[0, 0] > 0


def test_the_measure_of_thickness():
    line = torch.zeros(7, 9, dtype=torch.bool)
    line[2] = True
    assert not thick(line).any()
    line[3] = True
    assert torch.equal(thick(line), line)


def test_damage_is_two_pixels_wide(small):
    for scene, drawn in small:
        for size, parts in drawn.items():
            damage = parts.masks[-1]
            if scene.damage != "none":
                assert thick(damage).sum() >= 0.9 * damage.sum(), (scene, size)


def test_damage_stands_out_on_every_panel(small):
    for scene, drawn in small:
        if scene.damage != "none":
            sound = draw(replace(scene, damage="none", severity=None), 64).float()
            change = (drawn[64].image.float() - sound).abs().mean(0)[drawn[64].masks[-1]]
            assert change.mean() > 20, (scene, change.mean())


def test_damage_is_where_the_scene_says(small):
    for scene, drawn in small:
        if scene.damage != "none":
            rows, cols = torch.nonzero(drawn[96].masks[-1], as_tuple=True)
            all_rows, all_cols = torch.nonzero(drawn[96].masks[0], as_tuple=True)
            upper = rows.float().mean() < all_rows.float().mean()
            left = cols.float().mean() < all_cols.float().mean()
            assert scene.place == f"{'upper' if upper else 'lower'} {'left' if left else 'right'}"


def test_major_damage_is_larger():
    for seed in range(60):
        scene = sample_scene(seed)
        if scene.damage != "none":
            minor, major = (draw_parts(replace(scene, severity=s)).masks[-1].sum() for s in rules.SEVERITIES)
            assert major > 1.3 * minor, scene


# --- one change, one place ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("badge", lambda s: {"badge": "ok" if s.badge != "ok" else "fault"}),
        ("badge", lambda s: {"badge_shape": "circle" if s.badge_shape != "circle" else "shield"}),
        ("icon", lambda s: {"hazard": "heat" if s.hazard != "heat" else "water"}),
        ("icon", lambda s: {"icon_level": "ok" if s.icon_level != "ok" else "fault"}),
        ("code", lambda s: {"code": "A7-39" if s.code != "A7-39" else "B8-40"}),
        ("label", lambda s: {"label_print": "text" if s.label_print == "barcode" else "barcode"}),
        ("lamps", lambda s: {"lamps": tuple(not lamp for lamp in s.lamps)}),
    ],
)
def test_a_change_shows_in_its_part_alone(part, change):
    for seed in range(12):
        scene = sample_scene(seed)
        before, after = draw_parts(scene), draw_parts(replace(scene, **change(scene)))
        changed = (before.image != after.image).any(0)
        there = (before.masks | after.masks)[PARTS.index(part)]
        around = F.max_pool2d(there[None, None].float(), 7, stride=1, padding=3)[0, 0] > 0
        assert changed.any() and not (changed & ~around).any(), (part, scene)


@pytest.mark.parametrize(("large", "small_size"), [(384, 96), (512, 64)])
def test_size_changes_no_meaning(large, small_size):
    for seed in range(8):
        scene = sample_scene(seed)
        fine, coarse = draw_parts(scene, large), draw_parts(scene, small_size)
        shrunk = F.avg_pool2d(fine.image[None].float(), large // small_size)[0]
        assert (shrunk - coarse.image.float()).abs().mean() < 5, scene
        other = draw(sample_scene(seed + 100), small_size).float()
        assert (shrunk - other).abs().mean() > 20
        share = F.avg_pool2d(fine.masks[None].float(), large // small_size)[0]
        assert ((share > 0.5) != coarse.masks).float().mean() < 0.01


# --- regions, segments, depth ------------------------------------------------------------------------


def test_regions_are_the_boxes_of_the_masks():
    for seed in range(60):
        scene = sample_scene(seed)
        parts, regions = draw_parts(scene, 256), panels.regions(scene)
        assert set(regions) == set(PARTS) - ({"damage"} if scene.damage == "none" else set())
        for name, (y0, x0, y1, x1) in regions.items():
            rows, cols = torch.nonzero(parts.masks[PARTS.index(name)], as_tuple=True)
            found = torch.tensor([rows.min(), cols.min(), rows.max() + 1, cols.max() + 1])
            slack = 18 if name == "damage" else 3  # a torn edge stays within its strokes, or nearly fills them
            assert (found - 256 * torch.tensor([y0, x0, y1, x1])).abs().max() < slack, (name, scene)


def test_segments_are_the_masks_laid_flat(small):
    for _, drawn in small[:40]:
        parts = drawn[64]
        for number, mask in enumerate(parts.masks[1:], start=2):
            assert torch.equal(parts.segments == number, mask)
        assert torch.equal(parts.segments > 0, parts.masks[0])


def test_depth():
    scene = replace(sample_scene(0), yaw=0.0, pitch=0.0, roll=0.0, zoom=1.0, shift_x=0.0, shift_y=0.0)
    parts = draw_parts(scene, 96)
    assert parts.depth.dtype == torch.float32
    bare, wall = parts.depth[parts.segments == 1], parts.depth[parts.segments == 0]
    assert bare.median() == pytest.approx(0.9, abs=1e-3)
    assert wall.median() == pytest.approx(0.94, abs=1e-3)
    assert parts.depth[parts.masks[PARTS.index("lamps")]].median() < bare.median()
    turned = draw_parts(replace(scene, yaw=14.0), 96)
    assert turned.depth[48, 20] > turned.depth[48, 76] + 0.05  # a positive yaw brings the right side nearer
    tipped = draw_parts(replace(scene, pitch=11.0), 96)
    assert tipped.depth[76, 48] > tipped.depth[20, 48] + 0.05  # a positive pitch brings the upper side nearer


# --- words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phrasing", range(len(panels.PHRASINGS)))
def test_every_combination_has_its_own_caption(phrasing):
    every = panels.all_captions(phrasing)
    assert len(set(every)) == 576
    assert not set(panels.all_captions(phrasing, "train")) & set(panels.all_captions(phrasing, "test"))
    scene = sample_scene(9, "test")
    assert panels.caption(scene, phrasing) == every[panels.combinations().index(scene.combination)]
    assert panels.captions(scene)[phrasing] == panels.caption(scene, phrasing)


def test_questions_name_where_to_look_and_are_answered_by_the_scene():
    for seed in range(200):
        scene = sample_scene(seed)
        asked = {question.topic: question for question in panels.questions(scene)}
        assert len(asked) == 15 and len({question.text for question in asked.values()}) == 15
        parts = draw_parts(scene, 32) if seed < 20 else None
        for question in asked.values():
            assert set(question.parts) <= {*PARTS, "background"} and question.parts
            if parts is not None:
                assert all(part == "background" or parts.masks[PARTS.index(part)].any() for part in question.parts)
        assert asked["lamps"].answer == str(scene.lamps.count(True))
        assert asked["agree"].answer == ("yes" if asked["badge"].answer == asked["icon level"].answer else "no")
        assert (asked["damage"].answer == "none") == (asked["place"].answer == "nowhere")


def test_the_report_says_what_the_scene_is():
    pytest.importorskip("pydantic")
    from minivit.reports import Report, area

    for seed in range(200):
        scene = sample_scene(seed, "test")
        report = panels.report(scene)
        assert Report.model_validate_json(report.model_dump_json()) == report
        assert (report.code.text, report.badge.status, report.icon.hazard) == (scene.code, scene.badge, scene.hazard)
        assert report.damage.kind == scene.damage
        severity = None if report.damage.kind == "none" else report.damage.severity
        agree = report.badge.status == report.icon.level
        assert report.action == rules.right_action(report.damage.kind, severity, report.badge.status, agree)
        assert area(report.code.box) > 0.02 and (scene.damage == "none" or area(report.damage.box) > 0.003)


def test_the_right_action():
    assert rules.right_action("none", None, "ok", True) == "continue"
    assert rules.right_action("none", None, "ok", False) == "verify"
    assert rules.right_action("scratch", "minor", "warning", True) == "monitor"
    assert rules.right_action("crack", "minor", "warning", True) == "repair"
    assert rules.right_action("crack", "major", "warning", False) == "isolate"
    assert rules.right_action("burn", "major", "ok", False) == "isolate"
    ladder = rules.ACTIONS[:4]
    for damage, badge in product(rules.DAMAGE_STEPS, rules.BADGE_STEPS):
        total = rules.DAMAGE_STEPS[damage] + rules.BADGE_STEPS[badge]
        assert rules.right_action(*damage, badge, True) == ladder[min(total, 3)]
    shares = Counter(sample_scene(seed).action for seed in range(3000))
    assert set(shares) == set(rules.ACTIONS) and max(shares.values()) < 0.45 * 3000


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sample_scene(-1), "-1"),
        (lambda: sample_scene(1.5), "1.5"),
        (lambda: sample_scene("7"), "'7'"),
        (lambda: sample_scene(7, "valid"), "'train' or 'test'"),
        (lambda: draw(sample_scene(0), 31), "31.*32 to 2048"),
        (lambda: draw(sample_scene(0), 4096), "4096"),
        (lambda: draw(sample_scene(0), 96.0), "96.0"),
        (lambda: draw_parts(sample_scene(0), True), "True"),
        (lambda: draw("scene"), "str"),
        (lambda: replace(sample_scene(0), colour="pink"), "'pink'.*'white'"),
        (lambda: replace(sample_scene(0), damage="crack", severity=None), "None"),
        (lambda: replace(sample_scene(0), code="A7-3"), "'A7-3'.*'A7-39'"),
        (lambda: replace(sample_scene(0), code="O7-39"), "no O"),
        (lambda: replace(sample_scene(0), lamps=(True,)), r"4 lamps, not \(True,\)"),
        (lambda: replace(sample_scene(0), lamps=[True] * 4), "tuple"),
        (lambda: replace(sample_scene(0), lamps=(0, 1, 0, 1)), "True or False"),
        (lambda: replace(sample_scene(0), lamps=None), "None"),
        (lambda: replace(sample_scene(0), mount=np.zeros(2)), "array.*'rack'"),
        (lambda: replace(sample_scene(0), code=739), "739.*'A7-39'"),
        (lambda: replace(sample_scene(0), yaw="a"), "yaw is 'a'.*-16.0 to 16.0"),
        (lambda: replace(sample_scene(0), shift_x=True), "shift_x is True"),
        (lambda: replace(sample_scene(0), zoom=None), "zoom is None.*0.95 to 1.05"),
        (lambda: replace(sample_scene(0), zoom=1.2), "zoom is 1.2.*0.95 to 1.05"),
        (lambda: replace(sample_scene(0), arrangement=1.0), "arrangement is 1.0.*whole"),
        (lambda: replace(sample_scene(0), grain="7"), "grain is '7'.*whole"),
        (lambda: replace(sample_scene(0), grain=-1), "grain is -1.*0 or more"),
        (lambda: replace(sample_scene(0), yaw=40.0), "40.0.*16.0"),
        (lambda: replace(sample_scene(0), yaw=float("nan")), "nan"),
        (lambda: panels.caption(sample_scene(0), 99), "99.*0 to 4"),
        (lambda: panels.combinations("both"), "both"),
        (lambda: panels.batch([]), "no seeds"),
        (lambda: panels.batch([0], workers=-1), "-1"),
        (lambda: panels.batch([0], size=8), "8"),
    ],
)
def test_bad_input_is_told_with_numbers_and_remedy(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# --- batches -----------------------------------------------------------------------------------------


def test_a_batch_is_its_scenes():
    found = panels.batch(range(3, 8), "test", 64, parts=True)
    assert found.images.shape == (5, 3, 64, 64) and found.images.dtype == torch.uint8
    assert found.masks.shape == (5, len(PARTS), 64, 64) and found.depth.shape == found.segments.shape == (5, 64, 64)
    for row, scene in enumerate(found.scenes):
        alone = draw_parts(sample_scene(3 + row, "test"), 64)
        assert scene == sample_scene(3 + row, "test")
        for together, one in zip(found[1:], alone, strict=True):
            assert torch.equal(together[row], one)
    assert panels.batch([2]).masks is None


@pytest.mark.slow
def test_workers_draw_the_same():
    here, there = (panels.batch(range(11), size=48, parts=True, workers=workers) for workers in (0, 2))
    assert here.scenes == there.scenes
    for one, other in zip(here[1:], there[1:], strict=True):
        assert torch.equal(one, other)
