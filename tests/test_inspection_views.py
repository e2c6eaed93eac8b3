"""Views and words: a crop shows what its box says, at every size; texts come back as what they were."""

from random import Random

import pytest
import torch

from minivit import images, panels
from minivit.inspection import views, words


def ramp(height: int, width: int) -> torch.Tensor:
    """(1, 2, height, width): y and x of every pixel, as fractions of the picture."""
    y, x = (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))[None]


@pytest.mark.parametrize("shape", [(128, 128), (120, 200), (64, 64)])
def test_a_crop_shows_its_box(shape):
    box = torch.tensor([[0.30, 0.25, 0.50, 0.65]])
    seen = views.crop(ramp(*shape), box, size=(32, 96), margin=1.0)
    assert seen.shape == (1, 2, 32, 96)
    y, x = 0.30 + 0.20 * (torch.arange(32) + 0.5) / 32, 0.25 + 0.40 * (torch.arange(96) + 0.5) / 96
    assert torch.allclose(seen[0, 0], y[:, None].expand(32, 96), atol=1e-3)
    assert torch.allclose(seen[0, 1], x.expand(32, 96), atol=1e-3)
    assert not torch.allclose(seen[0, 0], 0.25 + 0.40 * (torch.arange(32)[:, None] + 0.5) / 32, atol=0.02), "y is not x"


def test_a_margin_enlarges_about_the_middle():
    box = torch.tensor([[0.4, 0.4, 0.6, 0.6]])
    near, far = (views.crop(ramp(256, 256), box, (16, 16), margin) for margin in (1.0, 2.0))
    assert torch.allclose(near.mean((2, 3)), far.mean((2, 3)), atol=1e-3)
    assert (far[0, 0, -1, 0] - far[0, 0, 0, 0]) / (near[0, 0, -1, 0] - near[0, 0, 0, 0]) == pytest.approx(2, abs=0.01)


def test_large_pictures_fade_and_do_not_flicker():
    """Lines one pixel wide, six pixels to one of the view: their mean is grey, and plain sampling would not see it."""
    lines = torch.zeros(1, 1, 600, 1800)
    lines[..., ::2] = 1
    seen = views.crop(lines, torch.tensor([[0.1, 0.1, 0.9, 0.9]]), (32, 96), 1.0)
    assert (seen - 0.5).abs().max() < 0.1


def test_a_crop_is_that_of_its_own_picture():
    """At 256 pixels, with boxes of one to three pixels for one of the view: together as alone, in gradient too."""
    scenes = [panels.sample_scene(seed) for seed in range(4)]
    pictures = images.to_float(torch.stack([panels.draw(scene, 256) for scene in scenes])).requires_grad_()
    large = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.1, 0.1, 0.3, 0.7], [0.5, 0.2, 0.6, 0.5], [0.2, 0.2, 0.6, 0.9]])
    shown = ((large[:, 2:] - large[:, :2]) * views.MARGIN * 256 / torch.tensor(views.NEAR)).min(dim=1).values
    assert shown.max() > 3 and (shown < 1.5).any() and len(shown.unique()) == 4
    weights = torch.randn(4, 3, *views.NEAR, generator=torch.Generator().manual_seed(0))
    together = views.crop(pictures, large)
    alone = torch.cat([views.crop(pictures[row : row + 1], large[row : row + 1]) for row in range(4)])
    assert torch.equal(together, alone)
    both = [torch.autograd.grad((one * weights).sum(), pictures)[0] for one in (together, alone)]
    assert torch.allclose(*both, atol=1e-6)
    with torch.no_grad():
        blurred = images.resize(pictures, round(256 / shown.max().item()), round(256 / shown.max().item()))
        twin = torch.cat([views.crop(blurred[row : row + 1], large[row : row + 1]) for row in range(4)])
    assert torch.allclose(twin[0], alone[0], atol=1e-6), "the wrong twin makes all small with the largest box"
    assert (twin - alone).abs().amax(dim=(1, 2, 3))[1:].min() > 0.1


def test_the_whole_is_the_middle_made_small():
    picture = panels.draw(panels.sample_scene(3), 128)
    assert torch.equal(views.whole(picture[None])[0], images.to_float(images.resize(picture, 64, 64)))
    assert views.whole(torch.zeros(2, 3, 100, 260, dtype=torch.uint8)).shape == (2, 3, 64, 64)


@pytest.mark.parametrize("box", [[0.5, 0.1, 0.5, 0.2], [0.6, 0.1, 0.5, 0.2], [0.1, 0.3, 0.5, float("nan")]])
def test_an_empty_box_is_named(box):
    boxes = torch.tensor([[0.1, 0.1, 0.2, 0.2], box])
    with pytest.raises(ValueError, match="box 1 of 2 is empty"):
        views.crop(torch.zeros(2, 3, 64, 64), boxes)
    with pytest.raises(ValueError, match="a box for each"):
        views.crop(torch.zeros(2, 3, 64, 64), boxes[:1])


def test_boxes_and_reports_come_back():
    for seed in range(30):
        report = panels.report(panels.sample_scene(seed))
        assert words.boxed(words.box(report.code.box)) == report.code.box
        assert type(report).model_validate_json(words.report_text(report)) == report
    for wrong in ("", "[]", "[0.1,0.2,0.3]", "[0.1,0.2,0.3,1.4]", "{}", '["a","b","c","d"]', "7"):
        with pytest.raises(ValueError, match="a box"):
            words.boxed(wrong)


def test_notes_say_all_that_a_whole_picture_shows():
    for seed in range(20):
        scene = panels.sample_scene(seed)
        told = words.notes(scene, Random(seed))
        for turn in words.asked(scene):
            assert turn.answer in {"yes", "no", "none", "nowhere", scene.action} or turn.answer in told, turn
        assert scene.code not in told, "it is too small to be read there"
        assert words.notes(scene, Random(seed)) == told != words.notes(scene, Random(seed + 1))


def test_a_code_is_spelled_and_a_number_is_not():
    pieces = words.pieces()
    for seed in range(50):
        code = panels.sample_scene(seed).code
        assert [pieces.text([token]) for token in pieces.ids(code)] == list(code)
    assert len(pieces.ids("[0.55,0.20,0.68,0.74]")) == 9


def test_calls_say_what_the_report_says():
    for seed in range(40):
        scene = panels.sample_scene(seed)
        report = panels.report(scene)
        asked = words.policy_arguments(report)
        assert asked["agree"] == scene.agree and asked["severity"] == (scene.severity or "none")
        assert words.first_call(report).startswith('{"name":"look_up_policy","arguments":{"damage":"')
        assert scene.code in words.second_call(report)
