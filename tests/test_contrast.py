"""Laws of hard negatives: what is almost right is wrong in one thing, what is swapped has the same words."""

from collections import Counter

import pytest
import torch

from minivit import panels
from minivit.images import resize
from minivit.panels import SWAPS, Combination, couple, draw, levels_confused, near_misses, pair_captions, sample_scene
from minivit.tokenizers import Words


@pytest.mark.parametrize("phrasing", range(len(panels.PHRASINGS)))
def test_a_near_miss_is_the_caption_of_a_neighbour(phrasing):
    said = dict(zip(panels.all_captions(phrasing), panels.combinations(), strict=True))
    for scene in (sample_scene(seed, split) for seed in range(20) for split in ("train", "test")):
        true, missed = scene.combination, near_misses(scene, phrasing)
        assert [(name, len(found)) for name, found in missed.items()] == [
            ("colour", 5), ("damage", 3), ("badge", 2), ("hazard", 3), ("mount", 1)
        ]  # fmt: skip
        assert missed == near_misses(true, phrasing)
        for name, found in missed.items():
            assert len(set(found)) == len(found)
            for wrong in map(said.get, found):
                assert [field for field in Combination._fields if getattr(wrong, field) != getattr(true, field)] == [
                    name
                ]


def test_levels_are_confused_where_they_differ():
    scenes = [sample_scene(seed) for seed in range(60)]
    for scene in scenes:
        if scene.agree:
            with pytest.raises(ValueError, match=f"both say '{scene.badge}'"):
                levels_confused(scene)
        else:
            assert levels_confused(scene, 1) in near_misses(scene, 1)["badge"]
            assert f"status {scene.icon_level}" in levels_confused(scene)
    assert {scene.agree for scene in scenes} == {True, False}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swapped_caption_has_the_same_words_and_is_true_of_other_panels(swap):
    for seed in range(40):
        pair = couple(seed, swap, size=32)
        left, right = pair.left, pair.right
        assert pair_captions(left, right, swap) == (pair.caption, pair.swapped)
        assert pair.caption != pair.swapped
        assert Counter(pair.caption.split()) == Counter(pair.swapped.split())
        if swap == "place":
            others = right, left
        else:  # the same colours, side by side as before, and the attribute exchanged
            one, two = left.combination, right.combination
            others = one._replace(**{swap: getattr(two, swap)}), two._replace(**{swap: getattr(one, swap)})
            assert [other.colour for other in others] == [left.colour, right.colour]
        assert pair_captions(*others, swap) == (pair.swapped, pair.caption)


def test_couples_speak_with_the_words_of_captions():
    tokenizer = Words.of([text for phrasing in range(5) for text in panels.all_captions(phrasing)], length=32)
    for swap in SWAPS:
        pair = couple(3, swap, size=32)
        if swap == "place":
            with pytest.raises(ValueError, match="'left'"):
                tokenizer([pair.caption])
        else:
            tokenizer([pair.caption, pair.swapped])


@pytest.mark.parametrize("size", [32, 45, 64])
def test_each_half_of_the_picture_is_its_own_panel(size):
    left, middle, right = (sample_scene(seed) for seed in (1, 2, 3))
    image, other = panels.side_by_side(left, right, size), panels.side_by_side(left, middle, size)
    assert image.shape == (3, size, size) and image.dtype == torch.uint8
    assert torch.equal(image[:, :, : size // 2], other[:, :, : size // 2])
    assert torch.equal(image[:, :, size // 2 :], resize(draw(right, size), size, size - size // 2))
    if size % 2 == 0:
        turned = panels.side_by_side(right, left, size)
        assert torch.equal(turned, image.roll(size // 2, dims=2))


def test_a_couple_is_of_its_number_split_and_swap():
    first = couple(5, "badge", "test", 32)
    torch.manual_seed(3)
    again = couple(5, "badge", "test", 32)
    assert torch.equal(first.image, again.image) and first[1:] == again[1:]
    assert {panels.split_of(scene.combination) for scene in first[3:]} == {"test"}
    assert len({couple(seed, "badge", "test", 32).left for seed in range(30)}) == 30
    assert couple(5, "badge", "train", 32).left != first.left != couple(5, "mount", "test", 32).left
    # neither colour nor the swapped attribute can be told from the side, so that no side is the better guess
    lefts = Counter(pair.left.colour < pair.right.colour for pair in (couple(i, size=32) for i in range(200)))
    assert 70 < lefts[True] < 130


def test_what_cannot_be_swapped_is_refused():
    pair = couple(0, size=32)
    for call, said in (
        (lambda: couple(0, "lamps"), "no swap 'lamps'; choose from place, damage"),
        (lambda: couple(-1), "seed -1"), (lambda: couple(0, split="both"), "both"), (lambda: couple(0, size=8), "8"),
        (lambda: pair_captions(pair.left, pair.left), f"the colour '{pair.left.colour}'"),
        (lambda: pair_captions(pair.left, pair.right, "level"), "'level'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            call()
