"""Lesson 13's explorer without a browser: what is read, which questions are known, one context, what is lit."""

import io
import re
from itertools import pairwise
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from minivit import images, panels, zoo
from minivit.bridge import AveragePool, Resampler, splice
from minivit.inspection import views, words
from minivit.inspection.assistant import inspected
from minivit.language import Exchange, Language, LanguageConfig, dialogue, readings
from minivit.patches import Grid
from minivit.teach.explorers import asking, lighting
from minivit.teach.explorers import inspection as explorer
from minivit.teach.figures import ORANGE, pyplot
from minivit.zoo import assisting, speaking

PIECES = words.pieces()
COLOUR, BADGE = "What colour is the panel?", "What status does the badge show?"


def untrained(context=384):
    """An assistant that has learnt nothing, but whose answers differ."""
    torch.manual_seed(0)
    config = LanguageConfig(PIECES.vocabulary, context, 48, 2, 6, 2, 40, theta=1_000.0, tied=True)
    model = assisting.assistant(PIECES, language=Language(config)).eval()
    with torch.no_grad():
        for weight in model.bridge.language.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


@pytest.fixture(scope="module")
def model():
    return untrained()


@pytest.fixture(scope="module")
def picture():
    return explorer.panel(explorer.NUMBER)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Models this small are quicker with one thread, and what they write untrained need not be a whole report."""
    monkeypatch.setattr(asking, "LIMIT", 40)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    pyplot().close("all")


def last(turns):
    """The last of some turns, all words written."""
    return list(turns)[-1]


# ---- readings ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def language():
    torch.manual_seed(1)
    model = Language(LanguageConfig(11, 40, width=24, depth=3, heads=6, kv_heads=2, hidden=20)).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.5)
    return model


VECTORS = torch.randn(2, 7, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
VALID = torch.arange(7) >= torch.tensor([[0], [3]])


def got_and_gave(language, valid):
    """What each attention layer really got and gave."""
    noted = []
    hooks = [
        block.attention.register_forward_hook(lambda layer, got, gave: noted.append((layer, got, gave)))
        for block in language.blocks
    ]
    language.read(VECTORS, valid)
    for hook in hooks:
        hook.remove()
    return noted


@pytest.mark.parametrize("valid", [None, VALID], ids=["full", "padded"])
def test_weights_times_values_are_what_the_attention_gives(language, valid):
    real = torch.ones_like(VALID) if valid is None else valid
    found = readings(language, VECTORS, valid)
    assert [one.shape for one in found] == 3 * [(2, 6, 7, 7)]
    for weights, (layer, (x, turn, *_), gave) in zip(found, got_and_gave(language, valid), strict=True):
        v = layer.queries_keys_values(x, turn)[2]
        right, wrong = (
            layer.out((weights @ values).transpose(1, 2).flatten(2))[real]
            for values in (v.repeat_interleave(3, dim=1), v.repeat(1, 3, 1, 1))  # groups side by side, or in turn
        )
        assert torch.allclose(right, gave[real], atol=1e-10)
        assert not torch.allclose(wrong, gave[real], atol=1e-3)


def test_no_place_reads_what_comes_later_or_padding(language):
    for weights in readings(language, VECTORS, VALID):
        rows = weights.transpose(1, 2)[VALID]  # (real places, heads, T)
        assert torch.allclose(rows.sum(-1), torch.ones_like(rows[..., 0]))
        assert weights.triu(1).abs().max() == 0
        assert rows[7:, :, :3].abs().max() == 0
    whole, part = readings(language, VECTORS), readings(language, VECTORS[:, :4])
    for one, other in zip(whole, part, strict=True):
        assert torch.allclose(one[:, :, :4, :4], other, atol=1e-12)


# ---- questions -----------------------------------------------------------------------------------------------------


def test_the_questions_are_those_of_the_training():
    scene = panels.sample_scene(3)
    trained = {turn.question for turn in words.asked(scene)} | {words.WHERE, words.REPORT}
    trained |= {*words.UNANSWERABLE[: words.KNOWN_UNANSWERABLE]}
    assert {*asking.kinds()} == trained | {asking.CODE} and len(asking.kinds()) == 29
    assert asking.CODE in {question.text for question in panels.questions(scene)}
    assert all(asking.understood(kind) == kind for kind in asking.kinds())
    assert len(speaking.chat(scene, Random(0), True)) == lighting.ROW


@pytest.mark.parametrize(
    "text", ["what colour is the panel", "  What  COLOUR is the panel ?!", "what colour\nis the panel?"]
)
def test_case_spaces_and_signs_do_not_matter(text):
    assert asking.understood(text) == COLOUR


@pytest.mark.parametrize("text", ["", "?", "What colour is the cat?", "colour", *words.UNANSWERABLE[12:]])
def test_any_other_text_is_not_known_and_three_questions_are(text):
    assert asking.understood(text) is None
    assert len({*asking.nearest(text)} & {*asking.kinds()}) == 3


def test_the_nearest_are_near():
    assert asking.nearest("What color is that panel?")[0] == COLOUR
    assert asking.nearest("where's the asset code")[0] in (words.WHERE, asking.CODE)
    assert asking.nearest("write me a report")[0] == words.REPORT


# ---- the talk ------------------------------------------------------------------------------------------------------


def told(said):
    """The tokens and probabilities that an assistant gave."""
    return said.tokens[0], pytest.approx(said.shares[0], abs=1e-4)


def tokens_and_shares(turn):
    return [word.token for word in turn.words], [word.share for word in turn.words]


def test_words_come_one_by_one_and_are_what_the_assistant_says(model, picture):
    talk = asking.Talk(model, picture)
    turns = list(talk.ask(COLOUR))
    assert [len(turn.words) for turn in turns] == list(range(len(turns)))
    assert all(longer.words[: len(turn.words)] == turn.words for turn, longer in pairwise(turns))
    asked = [Exchange(COLOUR, images=1)]
    slots = model.look(picture[None])
    assert tokens_and_shares(turns[-1]) == told(model.say([asked], slots, limit=asking.SHORT))
    second = last(talk.ask(BADGE))
    asked = [asked[0]._replace(answer=PIECES.text([word.token for word in turns[-1].words])), Exchange(BADGE)]
    assert tokens_and_shares(second) == told(model.say([asked], slots, limit=asking.SHORT))
    assert second.note == "" and [turn.question for turn in talk.turns] == [COLOUR, BADGE]
    assert talk.taken == len(dialogue(PIECES, talk.turns).ids) - 1 + 16


def test_an_inspection_is_what_the_assistant_reports(model, picture):
    talk = asking.Talk(model, picture)
    turns = list(talk.ask(words.REPORT))
    where, report = (last(turn for turn in turns if turn.question == one) for one in (words.WHERE, words.REPORT))
    boxes, located = model.locate(model.look(picture[None]))
    assert tokens_and_shares(where) == told(located) and talk.box == pytest.approx(boxes[0].tolist())
    said = model.report(model.look(picture[None], boxes), located.texts, limit=40)
    assert tokens_and_shares(report) == told(said)
    assert [len(read) for read in where.words[0].read] == [16] and [len(r) for r in report.words[0].read] == [16, 12]
    assert talk.taken == len(dialogue(PIECES, inspected(located.texts[0], said.texts[0])).ids) - 2 + 16 + 12


def test_the_code_is_the_report_up_to_the_code(model, picture):
    report, code = (last(asking.Talk(model, picture).ask(question)) for question in (words.REPORT, asking.CODE))
    assert [word.token for word in code.words] == [word.token for word in report.words[: len(code.words)]]
    spelled = asking.code_words(code)
    assert spelled == asking.code_words(report) and spelled.stop <= len(code.words)
    assert re.fullmatch(r"[A-HJ-NP-Z]\d-\d\d", "".join(code.words[i].text for i in spelled))
    assert not asking.code_words(code._replace(words=code.words[: spelled.stop]))


def test_what_a_word_read_is_the_row_of_the_place_that_chose_it(model, picture):
    talk = asking.Talk(model, picture)
    turn = last(talk.ask(COLOUR))
    ids = [*dialogue(PIECES, [Exchange(COLOUR, images=1)]).ids.tolist(), *(word.token for word in turn.words)]
    language = model.bridge.language
    line = splice(torch.tensor([ids]), model.look(picture[None]).whole, language.table, PIECES.image)
    with torch.no_grad():
        rows = torch.stack(readings(language, line.vectors)).mean(dim=(0, 2))[0]
    slots = (line.ids[0] == PIECES.image).nonzero()[:16, 0]
    start = line.vectors.shape[1] - len(turn.words)
    for i, word in enumerate(turn.words):
        assert torch.allclose(word.read[0], rows[start + i - 1, slots], atol=1e-5)
        assert 0 < float(word.read[0].sum()) < 1


def test_dialogues_that_were_trained_apart_begin_anew(model, picture):
    talk = asking.Talk(model, picture)
    last(talk.ask(words.WHERE))
    box = talk.turns[0].answer
    turns = list(talk.ask(words.REPORT))  # goes on with the place that was told
    assert {turn.question for turn in turns} == {words.REPORT} and talk.turns[0].answer == box
    first = next(talk.ask(COLOUR))
    assert "trained apart" in first.note and len(talk.turns) == 1 and talk.turns[0].images == 1 and talk.box is None
    assert "of its own" in next(talk.ask(words.REPORT)).note
    with pytest.raises(ValueError, match=r"29 questions, and 'Hello' is none"):
        next(talk.ask("Hello"))


def test_a_full_context_is_said_with_its_numbers_and_emptied(picture):
    talk = asking.Talk(untrained(context=110), picture)
    notes = []
    for _ in range(5):
        turn = last(talk.ask(COLOUR))
        notes.append(turn.note)
        assert turn.words and talk.taken <= 110
    full = [note for note in notes if note]
    assert notes[0] == "" and full and len(full) < 4
    held, taken, needed = map(int, re.search(r"holds (\d+) tokens, (\d+) are taken.* take (\d+)", full[0]).groups())
    assert held == 110 >= taken and taken + needed > 110
    assert needed == len(dialogue(PIECES, [Exchange(COLOUR)]).ids) - 1 + asking.SHORT  # a start is there already


def test_what_fits_in_no_context_is_refused_with_numbers(picture):
    talk = asking.Talk(untrained(context=30), picture)
    with pytest.raises(ValueError, match=r"there is \(30\)"):
        last(talk.ask(COLOUR))


def test_of_a_wide_picture_the_middle_is_seen_and_the_crop_taken_there(model):
    wide = torch.randint(0, 256, (3, 40, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    talk, middle = asking.Talk(model, wide), asking.Talk(model, wide[:, :, 15:55])
    assert torch.equal(talk.picture, middle.picture)
    one, other = last(talk.ask(asking.CODE)), last(middle.ask(asking.CODE))
    assert tokens_and_shares(one) == tokens_and_shares(other)


def test_slots_lie_on_the_grid_of_their_merger(model):
    assert asking.grid_of(model.bridge, views.WHOLE) == Grid(4, 4)
    assert asking.grid_of(model.bridge, views.NEAR) == Grid(2, 6)
    bridge = SimpleNamespace(tower=model.bridge.tower, merge=AveragePool(4))
    assert asking.grid_of(bridge, views.NEAR) == Grid(1, 3)
    bridge.merge = Resampler(128, 7)
    with pytest.raises(ValueError, match="7 slots for 8 x 8 patches lie on no grid"):
        asking.grid_of(bridge, views.WHOLE)


# ---- what is lit, and what is said of it ---------------------------------------------------------------------------


def word(text, share, *read):
    return asking.Word(0, text, share, tuple(torch.tensor(one) for one in read))


def spot(at, share, count=16):
    return [share * (i == at) for i in range(count)]


def test_what_is_read_is_in_colour_and_the_rest_grey_and_dim():
    pixels = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(4))
    shown = lighting.lit(pixels, torch.tensor([0.0, 0.2, 0.4, 0.0, 0.0, 0.0]), Grid(2, 3), most=0.4)
    grey = lighting.DIM * pixels.mean(0)
    assert torch.allclose(shown[:, :4, 8:], pixels[:, :4, 8:])  # the third cell, the last of the first row
    assert torch.allclose(shown[:, 4:], grey[4:].expand(3, 4, 12))
    assert torch.allclose(shown[:, :4, 4:8], (pixels + grey)[:, :4, 4:8] / 2)


def test_both_views_are_lit_on_one_scale_and_the_near_one_is_framed(model, picture):
    box = (0.25, 0.25, 0.5, 0.75)
    turn = asking.Turn(words.REPORT, (word("a", 0.5, spot(5, 0.4), spot(3, 0.1, 12)),))
    bright, near = lighting.draw(lighting.View(model, picture, box, turn))
    assert bright.shape == (320, 320, 3) and near.shape == (96, 288, 3) and bright.dtype == np.uint8
    orange = [int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)]
    ys, xs = np.nonzero((bright == orange).all(axis=2))
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (77, 162, 77, 242)
    plain = views.crop(picture[None], torch.tensor([box]))[0]
    cell = images.to_float(torch.from_numpy(near).permute(2, 0, 1))[:, ::3, ::3][:, :16, 48:64]
    part = plain[:, :16, 48:64]
    assert torch.allclose(cell, 0.25 * part + 0.75 * lighting.DIM * part.mean(0), atol=0.01)


def test_before_a_word_is_written_the_picture_stands_unlit(model, picture):
    for turn in (None, asking.Turn(COLOUR)):
        view = lighting.View(model, picture, turn=turn)
        (shown,) = lighting.draw(view)
        small = images.to_uint8(views.whole(picture[None])[0])
        assert np.array_equal(shown[::5, ::5], small.permute(1, 2, 0).numpy())
        assert lighting.reading(view) == () and lighting.words(view) == ""


def test_the_map_of_several_words_is_their_mean(model, picture):
    turn = asking.Turn(
        COLOUR, (word("a", 0.9, spot(0, 0.2)), word("b", 0.5, spot(6, 0.6)), word("c", 1.0, spot(7, 0.1)))
    )
    (all_of_it,) = lighting.reading(lighting.View(model, picture, turn=turn))
    assert all_of_it.tolist() == pytest.approx([0.2 / 3, *5 * [0], 0.2, 0.1 / 3, *8 * [0]])
    view = lighting.View(model, picture, turn=turn, chosen=range(0, 2))
    assert lighting.reading(view)[0].tolist() == pytest.approx([0.1, *5 * [0], 0.3, *9 * [0]])
    said = lighting.words(view)
    assert "&ldquo;ab&rdquo;: probability 0.45, the least likely of its 2 pieces 0.50." in said
    assert "40% to the whole and 60% to words; in the whole most went to row 1, column 2." in said
    assert "is no explanation" in said
    alone = lighting.words(lighting.View(model, picture, turn=turn, chosen=range(2, 3)))
    assert "probability 1.00. Where" in alone
    form = asking.Turn(words.REPORT, (word("x", 0.9, spot(0, 0.2), spot(1, 0.3, 12)),))
    assert "0.90 given the form" in (told := lighting.words(lighting.View(model, picture, (0, 0, 1, 1), form)))
    assert "20% to the whole, 30% to the crop and 50% to words" in told


def test_the_less_likely_a_word_the_darker_its_ground():
    turn = asking.Turn(COLOUR, tuple(word(text, share) for text, share in (("<b>", 1.0), (" grey", 0.5), (" x", 0.0))))
    grounds = [int(alpha, 16) for alpha in re.findall(rf"background:{ORANGE}(..)\b", lighting.shaded(turn))]
    assert grounds == [0, 80, 160] and "&lt;b&gt;" in lighting.shaded(turn) and 'title="0.50"' in lighting.shaded(turn)
    assert lighting.shaded(turn, range(1, 2)).count("underline") == 1


def test_the_chat_names_what_the_model_was_asked_where_that_is_another_question():
    said = [asking.Turn(words.WHERE, (word("[0.1]", 1.0),), "It begins anew."), asking.Turn(words.REPORT)]
    entry = lighting.Entry(asking.CODE)
    for turn in said:
        entry = entry.grown(turn)
    assert entry.turns == tuple(said) and entry.spelled is None
    entry = entry.grown(said[1]._replace(words=(word('{"code":{"text":"', 1.0), word("A", 1.0), word('"', 1.0))))
    assert len(entry.turns) == 2 and entry.spelled == range(1, 2)
    shown = lighting.chat([entry], entry.spelled)
    for part in (asking.CODE, f"({words.WHERE})", f"({words.REPORT})", "<i>It begins anew.</i>"):
        assert part in shown
    assert shown.count("underline") == 1


# ---- widgets -------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(model):
    pytest.importorskip("ipywidgets")
    return explorer.Explorer(model)


def plain(html):
    return re.sub("<[^>]*>", "", html)


def test_an_answer_streams_and_the_light_goes_with_it(shown):
    logs, lights = [], []
    shown.log.observe(lambda change: logs.append(plain(change["new"])), "value")
    shown.shown[0].observe(lambda change: lights.append(change["new"]), "value")
    shown.menu.value = COLOUR
    count = len(shown.said[-1].turns[-1].words)
    assert shown.menu.label == "choose a question" and shown.message.value == ""
    assert len(logs) >= count > 3 and len(set(lights)) >= count
    assert [len(log) for log in logs] == sorted(len(log) for log in logs)
    assert shown.word.max == count - 1 and shown.word.value == -1 and "of 384 tokens" in shown.state.value


def test_the_slider_lights_one_word(shown):
    shown.text.value = COLOUR.upper()
    assert shown.text.value == ""
    before = shown.shown[0].value, shown.words.value
    shown.word.value = 2
    assert shown.view.chosen == range(2, 3) and (shown.shown[0].value, shown.words.value) != before
    assert shown.log.value.count("underline") == 1
    shown.word.value = -1
    assert (shown.shown[0].value, shown.words.value) == before
    shown.word.value = 1
    shown.text.value = BADGE
    assert shown.word.value == -1 and len(shown.said) == 2 and COLOUR in shown.log.value


def test_to_anything_else_it_says_what_it_was_trained_on_and_offers_that(shown):
    shown.text.value = "What <i>colour</i> is the cat?"
    assert "trained on 29 questions" in shown.message.value and "<i>" not in shown.message.value
    assert shown.said == [] and shown.talk.turns == []
    offered = [button.description for button in shown.offers.children]
    assert len(offered) == 3 and COLOUR in offered
    shown.offers.children[offered.index(COLOUR)].click()
    assert shown.said[-1].asked == COLOUR and shown.message.value == "" and shown.offers.children == ()


def test_the_code_lights_its_own_letters_in_two_views(shown):
    assert shown.shown[1].layout.display == "none"
    shown.menu.value = asking.CODE
    view = shown.view
    assert shown.shown[1].layout.display == "" and view.chosen == asking.code_words(view.turn)
    assert np.array(Image.open(io.BytesIO(shown.shown[1].value))).shape == (96, 288, 3)
    assert shown.log.value.count("underline") == len(view.words) == 5
    shown.menu.value = COLOUR
    assert "trained apart" in shown.log.value and shown.shown[1].layout.display == "none"


def test_another_picture_or_a_wish_begins_anew(shown):
    shown.menu.value = COLOUR
    shown.anew.click()
    assert shown.said == [] and shown.log.value == "" and shown.talk.taken == 0
    shown.menu.value = COLOUR
    shown.number.value = 9
    assert shown.said == [] and torch.equal(shown.talk.picture, explorer.panel(9))


def test_more_questions_than_trained_in_a_row_are_counted(shown, monkeypatch):
    monkeypatch.setattr(lighting, "ROW", 1)
    shown.menu.value = COLOUR
    assert "in a row" not in shown.state.value
    shown.menu.value = COLOUR
    assert "trained on 1 questions in a row; these are 2" in shown.state.value


def test_uploads_are_talked_about_under_ipywidgets_7_and_8(shown):
    pixels = torch.randint(0, 256, (3, 40, 70), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    buffer = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(buffer, "PNG")
    name, data = "mine.png", buffer.getvalue()
    for value in (
        {name: {"metadata": {"name": name, "type": "", "size": len(data), "lastModified": 0}, "content": data}},
        ({"name": name, "type": "", "size": len(data), "last_modified": None, "content": memoryview(data)},),
    ):
        shown.menu.value = COLOUR
        shown._uploaded({"new": value})
        assert shown.choice.value == "yours: mine.png" and shown.said == []
        assert torch.equal(shown.talk.picture, pixels[:, :, 15:55]) and "drawn panels only" in shown.state.value
    shown._uploaded({"new": ({"name": "no.png", "type": "", "size": 3, "last_modified": None, "content": b"no!"},)})
    assert "no.png" in shown.message.value and torch.equal(shown.talk.picture, pixels[:, :, 15:55])
    shown.number.value = 8
    assert shown.choice.value == explorer.PANEL and torch.equal(shown.talk.picture, explorer.panel(8))
    assert "drawn panels only" not in shown.state.value


def test_what_does_not_fit_is_a_sentence(picture):
    pytest.importorskip("ipywidgets")
    small = explorer.Explorer(untrained(context=30), picture)
    small.menu.value = COLOUR
    assert "shorten the prompt" in small.message.value


def test_explore_shows_widgets_for_a_model_and_a_picture_of_ones_own(model, picture, monkeypatch):
    kit = pytest.importorskip("ipywidgets")
    monkeypatch.setenv("MINIVIT_STILLS", "0")
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda *things, **how: seen.extend(things))
    assert explorer.explore(model, picture) is None
    assert isinstance(seen[0], kit.VBox)
    with pytest.raises(ValueError, match="shape"):
        explorer.explore(model, torch.zeros(8, 8))


# ---- as it ships ---------------------------------------------------------------------------------------------------


def test_the_shipped_assistant_answers_the_still_s_questions_and_the_words_are_true():
    model, scene = zoo.load("panels-assistant").model, panels.sample_scene(explorer.NUMBER, "test")
    true = {question.text: question.answer for question in panels.questions(scene)}
    assert f"burnt {scene.colour} panel" in explorer.ALT
    shown = [explorer.answered(model, explorer.panel(explorer.NUMBER), question) for question in explorer.STILL]
    for question, view in zip(explorer.STILL, shown, strict=True):
        assert "".join(word.text for word in view.words) == true[question]
        assert f"the answer {true[question]}" in explorer.ALT
    (of_the_burn,), (far, near) = map(lighting.reading, shown)
    y0, x0, y1, x1 = (4 * edge for edge in panels.regions(scene)["damage"])
    row, col = divmod(int(of_the_burn.argmax()), 4)
    assert y0 - 1 < row < y1 and x0 - 1 < col < x1, "the brightest cell is not on the burn"
    assert of_the_burn[:4].sum() > 1.5 * of_the_burn.max(), "the upper row, where nothing is burnt, is not lit"
    assert near.max() > 2.5 * far.max() and near[:6].sum() > 1.3 * near[6:].sum()


def test_with_stills_wanted_a_small_picture_with_its_words_is_shown_and_no_widget(monkeypatch):
    monkeypatch.setenv("MINIVIT_STILLS", "1")
    monkeypatch.setattr(explorer, "widgets", lambda: pytest.fail("a widget was made"))
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda *things, **how: seen.extend(things))
    explorer.explore()
    explorer.explore()
    assert set(seen[0]) == {"image/png", "text/plain"} and seen[0] == seen[1]
    assert seen[0]["text/plain"] == explorer.ALT and len(seen[0]["image/png"]) <= 200_000
    assert Image.open(io.BytesIO(seen[0]["image/png"])).width <= 720
