"""The assistant, untrained: shapes and order of what it sees, answers held to their form, how sure it says it is."""

import math

import pytest
import torch

from minivit import images, panels
from minivit.inspection import words
from minivit.inspection.agent import inspect
from minivit.inspection.assistant import Slots, confidence, inspected, usable
from minivit.inspection.mind import AssistantMind
from minivit.inspection.scores import parsed
from minivit.language import Exchange, dialogue
from minivit.reports import Report
from minivit.zoo import assisting

PIECES = words.pieces()


@pytest.fixture(scope="module")
def assistant():
    torch.manual_seed(0)
    model = assisting.assistant(PIECES).eval()
    with torch.no_grad():
        for weight in model.bridge.language.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)  # else every answer is nearly the same
    return model


@pytest.fixture(scope="module")
def pictures():
    return torch.stack([panels.draw(panels.sample_scene(seed), 128) for seed in range(3)])


BOXES = torch.tensor([[0.1, 0.1, 0.3, 0.7], [0.5, 0.2, 0.7, 0.8], [0.2, 0.3, 0.4, 0.9]])


def test_a_whole_is_sixteen_slots_and_a_crop_twelve(assistant, pictures):
    seen = assistant.look(pictures, BOXES)
    assert seen.whole.shape == (3, 16, 128) and seen.near.shape == (3, 12, 128)
    assert assistant.look(pictures).near is None
    assert torch.allclose(assistant.look(pictures[1:2], BOXES[1:2]).near[0], seen.near[1], atol=1e-4)
    large, boxes = images.resize(pictures, 256, 256), torch.cat([torch.tensor([[0.0, 0.0, 1.0, 1.0]]), BOXES[1:]])
    near, alone = (assistant.look(large[row], boxes[row]).near for row in (slice(None), slice(1, 2)))
    assert torch.allclose(near[1:2], alone, atol=1e-4), "a large box in the batch is nothing to the others"
    damage = assistant.damage(pictures)
    assert damage.shape == (3, 64, 64) and damage.min() >= 0 and damage.max() <= 1


def test_of_a_wide_picture_the_middle_is_seen(assistant, pictures):
    wide = torch.zeros(1, 3, 128, 200, dtype=torch.uint8)
    wide[..., 36:164] = pictures[:1]
    for one, other in zip(assistant.look(wide, BOXES[:1]), assistant.look(pictures[:1], BOXES[:1]), strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    off = assistant.look(wide.roll(30, -1), BOXES[:1])
    assert not torch.allclose(off.near, assistant.look(pictures[:1], BOXES[:1]).near, atol=1e-2)


def test_damage_is_drawn_patch_by_patch(assistant, pictures):
    """The 8 x 8 numbers of a token are the pixels of its patch, row by row."""
    seen = assistant.bridge.look(assistant_views(pictures))
    numbers = assistant.hurt(seen.tokens).sigmoid()
    drawn = assistant.damage(pictures)
    row, col = 2, 5
    patch = drawn[1, 8 * row : 8 * row + 8, 8 * col : 8 * col + 8]
    assert torch.allclose(patch.flatten(), numbers[1, 8 * row + col], atol=1e-5)


def assistant_views(pictures):
    from minivit.inspection.views import whole

    return whole(pictures)


def test_together_is_as_alone(assistant, pictures):
    """Rows of unequal length in one batch, two views each, in the right order."""
    slots = assistant.look(pictures, BOXES)
    told = [
        [*inspected("[0.10,0.10,0.30,0.70]", words.report_text(panels.report(panels.sample_scene(0)))),
         Exchange(words.LOOK_UP)],
        inspected("[0.50,0.20,0.70,0.80]"),
        [Exchange(words.WHERE, images=1)],
    ]  # fmt: skip
    together = assistant.say(told, slots, limit=8)
    for row in range(3):
        own = Slots(slots.whole[row : row + 1], slots.near[row : row + 1])
        alone = assistant.say(told[row : row + 1], own, limit=8)
        count = len(alone.tokens[0])
        assert together.tokens[row][:count] == alone.tokens[0]
        assert together.shares[row][:count] == pytest.approx(alone.shares[0], rel=1e-3)
    other = assistant.say(told[1:2], Slots(slots.whole[1:2], slots.near[2:3]), limit=8)
    assert other.shares[0] != pytest.approx(together.shares[1], rel=1e-3), "the crop is seen too"


def test_shares_are_the_probabilities_of_what_was_written(assistant, pictures):
    slots = assistant.look(pictures[:1])
    said = assistant.ask(slots, ["What colour is the panel?"])
    ids = dialogue(PIECES, [Exchange("What colour is the panel?", images=1)]).ids
    line = assistant.bridge.splice(ids[None], assistant.bridge.look(assistant_views(pictures[:1])))
    vectors = torch.cat([line.vectors, assistant.bridge.language.table(torch.tensor([said.tokens[0]]))], dim=1)
    with torch.no_grad():
        logits = assistant.bridge.language.head(assistant.bridge.language.read(vectors))[0]
    start = line.vectors.shape[1] - 1
    for n, (token, share) in enumerate(zip(said.tokens[0], said.shares[0], strict=True)):
        assert logits[start + n].softmax(-1)[token].item() == pytest.approx(share, rel=1e-3)


def test_even_an_untrained_one_keeps_to_the_form(assistant, pictures):
    slots = assistant.look(pictures, BOXES)
    held = assistant.report(slots, ["[0.10,0.10,0.30,0.70]"] * 3)
    assert all(held.finished) and all(parsed(text) is not None for text in held.texts)
    free = assistant.report(slots, ["[0.10,0.10,0.30,0.70]"] * 3, held=False)
    assert all(parsed(text) is None for text in free.texts), "the wrong twin, held to nothing"
    boxes, said = assistant.locate(assistant.look(pictures))
    assert boxes.shape == (3, 4) and (boxes[:, 2:] > boxes[:, :2]).all() and all(said.finished)
    cut = assistant.report(slots, ["[0.10,0.10,0.30,0.70]"] * 3, limit=10)
    assert not any(cut.finished) and all(parsed(text) is None for text in cut.texts)


def test_confidence_multiplies_what_was_said_of_a_claim():
    report = next(r for s in range(20) if (r := panels.report(panels.sample_scene(s))).damage.kind != "none")
    text = words.report_text(report)
    tokens = PIECES.ids(text)
    shares = [1.0] * len(tokens)
    assert confidence(PIECES, text, tokens, shares) == dict.fromkeys(("code", "badge", "icon", "damage", "action"), 1)
    at = {}
    end = 0
    for n, token in enumerate(tokens):
        at[end] = n
        end += len(PIECES.bytes(token))
    code, kind = at[text.index(report.code.text)], at[text.index(f'"{report.damage.kind}"') + 1]
    shares[code], shares[code + 3], shares[kind] = 0.5, 0.8, 0.7
    shares[at[text.index("[") + 1]] = 0.1  # an edge of a box
    told = confidence(PIECES, text, tokens, shares)
    assert told == pytest.approx({"code": 0.4, "badge": 1, "icon": 1, "damage": 0.7, "action": 1})
    assert set(confidence(PIECES, "{}", PIECES.ids("{}"), [1.0, 1.0]).values()) == {0.0}


@pytest.mark.parametrize(
    "box", [(0.5, 0.5, 0.4, 0.6), (0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0), (0.1, 0.2, 0.3, 0.4)]
)
def test_a_usable_box_can_be_cut_out(box):
    y0, x0, y1, x1 = usable(box)
    assert 0 <= y0 < y1 <= 1 and 0 <= x0 < x1 <= 1
    if box == (0.1, 0.2, 0.3, 0.4):
        assert (y0, x0, y1, x1) == box


def test_the_loop_runs_it_and_its_calls_are_held_to_the_list(assistant, pictures):
    mind = AssistantMind(assistant, assisting.TOOLS)
    told = inspect(pictures[0], mind, assisting.TOOLS, sure=0.0)
    assert isinstance(told.report, Report) and told.steps[0].kind == "look"
    assert all(0 <= sure <= 1 for sure in told.confidence.values())
    for result in told.results:
        assert result.name in assisting.TOOLS.names
    unsure = inspect(pictures[0], mind, assisting.TOOLS, sure=1.0, retries=1)
    assert unsure.refused and unsure.action == "verify" and not unsure.results


def test_the_loop_wants_a_square(assistant, pictures):
    mind = AssistantMind(assistant, assisting.TOOLS)
    with pytest.raises(ValueError, match=r"square pictures; got 128 x 100 pixels: .*views.square"):
        inspect(pictures[0, :, :, :100], mind, assisting.TOOLS)


def test_the_context_limits_what_is_written(assistant, pictures):
    context = assistant.bridge.language.config.context
    long = [Exchange("What colour is the panel?", "white", images=int(n == 0)) for n in range(30)]
    said = assistant.say([[*long, Exchange("And now?")]], assistant.look(pictures[:1]), limit=1000)
    used = len(dialogue(PIECES, [*long, Exchange("And now?")]).ids) + 15
    assert used < context and len(said.tokens[0]) <= context - used + 1
    assert math.prod(said.shares[0]) >= 0
    with pytest.raises(ValueError, match=rf"more than there is|more than the {context}"):
        assistant.say([[*long, *long[1:], Exchange("And now?")]], assistant.look(pictures[:1]))
    with pytest.raises(ValueError, match=r"2 image marks .* and 1 images"):
        assistant.say([inspected("[0.50,0.20,0.70,0.80]")], assistant.look(pictures[:1]))
