"""Lesson 7: its records hold what it says, its explorer keeps to laws, what is typed is answered in a sentence."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from minivit import panels, zoo
from minivit.evaluate import Score
from minivit.teach.explorers import clip as explorer
from minivit.teach.figures import clip as figures
from minivit.teach.figures import pyplot
from minivit.teach.runs import recorded

PROMPTS = ("a red panel, status ok", "a blue panel in a rack", "a crack")


@pytest.fixture(scope="module")
def pair():
    return zoo.load("clip-panels")[:2]


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot().close("all")


def picture(height=40, width=70, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=draw)


# ---- records -------------------------------------------------------------------------------------------------------


def test_adamw_and_linear_patches_stand_beside_the_recipe():
    record = recorded("clip_panels")
    for name in ("AdamW, 4e-3", "AdamW, 1e-3", "linear patches"):
        assert sorted(run["seed"] for run in figures.of(record, name)) == [1, 2, 3]
    worst = min(run["recall"][-1] for run in figures.of(record, "the recipe"))
    assert all(worst > run["recall"][-1] for run in figures.of(record, "linear patches"))
    assert record["chance"]["recall"] == pytest.approx(1 / 576) and record["chance"]["damage"] == 0.25
    with pytest.raises(ValueError, match="no run was recorded as 'magic'; there are the recipe"):
        figures.of(record, "magic")


# ---- explorer ------------------------------------------------------------------------------------------------------


def test_shares_sum_to_one_and_the_scale_changes_them_not_the_order(pair):
    views = [explorer.View(*pair, picture(), PROMPTS, scale) for scale in (1.0, 20.0, 100.0)]
    found = [explorer.ranked(view) for view in views]
    for ranking in found:
        assert sum(one.share for one in ranking) == pytest.approx(1, abs=1e-5)
        assert [one.prompt for one in ranking] == [one.prompt for one in found[0]]
        assert [one.cosine for one in ranking] == sorted((one.cosine for one in ranking), reverse=True)
    assert found[0][0].share < found[1][0].share < found[2][0].share


def test_the_shelfs_panel_gets_its_own_caption(pair):
    scene = panels.sample_scene(explorer.PANELS[0], "test")
    own = panels.caption(scene)
    assert own == explorer.PROMPTS[0]
    ranking = explorer.ranked(explorer.View(*pair, explorer.panel(explorer.PANELS[0]), explorer.PROMPTS, 38.0))
    assert ranking[0].prompt == own and ranking[0].share > 0.9


def test_lines_are_prompts_and_too_few_or_too_many_are_refused():
    assert explorer.lines("A red panel,status ok\n\n  a  crack \nA CRACK\n") == ("a red panel, status ok", "a crack")
    for text in ("", " \n\n", "\n".join(f"a panel {n}" for n in range(21))):
        with pytest.raises(ValueError, match="write 1 to 20 prompts"):
            explorer.lines(text)


def test_one_prompt_alone_is_called_what_it_is(pair):
    view = explorer.View(*pair, picture(), ("a crack",), 10.0)
    assert "One prompt alone gets 100% of any softmax" in explorer.words(view)
    assert "100.0%" in explorer.table(view)


def test_a_picture_of_any_shape_is_read_from_its_middle_square(pair):
    wide = picture(40, 70)
    assert torch.equal(explorer.fitted(pair[0], wide), explorer.fitted(pair[0], wide[:, :, 15:55]))
    assert explorer.fitted(pair[0], picture(90, 30)).shape == (3, 64, 64)


def test_widgets_answer_in_sentences(pair):
    pytest.importorskip("ipywidgets")
    shown = explorer.Explorer(*pair)
    before = shown.ranking.value
    shown.prompts.value = "a zebra"
    assert "zebra" in shown.message.value and shown.ranking.value == before
    shown.prompts.value = "<b>a crack</b>"
    assert "<b>a crack" not in shown.message.value + shown.ranking.value + shown.words.value
    shown.prompts.value = "a crack\na burn"
    assert shown.message.value == "" and "a burn" in shown.ranking.value
    shown.scale.value = 1.0
    assert "at a scale of 1;" in shown.words.value
    buffer = io.BytesIO()
    Image.fromarray(picture().permute(1, 2, 0).numpy()).save(buffer, "PNG")
    name, data = "mine.png", buffer.getvalue()
    for value in (
        {name: {"metadata": {"name": name, "type": "", "size": len(data), "lastModified": 0}, "content": data}},
        ({"name": name, "type": "", "size": len(data), "last_modified": None, "content": memoryview(data)},),
    ):  # as ipywidgets 7 and 8 hold it
        shown._uploaded({"new": value})
        assert shown.choice.value == "yours: mine.png" and torch.equal(shown.view.picture, picture())
    shown._uploaded({"new": ({"name": "no.png", "type": "", "size": 3, "last_modified": None, "content": b"no!"},)})
    assert "no.png" in shown.message.value
    assert np.array(Image.open(io.BytesIO(shown.shown.value))).shape == (320, 320, 3)


def test_the_still_is_drawn_and_half_a_pair_is_refused(pair, monkeypatch):
    assert len(explorer.still().axes) == 4
    with pytest.raises(ValueError, match="pass both, or neither"):
        explorer.explore(pair[0])


# ---- figures -------------------------------------------------------------------------------------------------------


def test_figures_have_words_on_their_axes():
    record = recorded("clip_panels")
    live = {"recall": [(220, 0.3), (660, 0.9)], "damage": [(220, 0.5), (660, 0.9)]}
    figures.learning(record, live)
    figures.taken_back(record)
    figures.matrices({"step 0": torch.zeros(3, 3), "step 9": torch.eye(3)})
    figures.tour({"wrong colour": Score(1.0, 0.5, 300), "swapped colour": Score(0.5, 0.5, 300)})
    figures.spread({"before": {"colour": 0.2, "hazard": 0.1}, "after": {"colour": 0.3, "hazard": 0.0}})
    figures.captioned(torch.rand(2, 3, 8, 8), ["a red panel, status ok", "a crack"])
    figures.ranked([picture()], [["a", "b"]], [[0.7, 0.3]])
    plt = pyplot()
    for number in plt.get_fignums():
        axes = plt.figure(number).axes
        assert any(place.get_xlabel() or place.get_ylabel() for place in axes), number


# ---- real pictures -------------------------------------------------------------------------------------------------


def test_the_run_on_real_pictures_says_where_they_come_from_and_what_stands_beside():
    record = recorded("clip_cifar")
    assert "re-encoded as JPEG: comparable with no published score" in record["from"]

    def of(way, name):
        return [run[name] for run in record["runs"] if run["way"] == way]

    for way in ("one of each", "strangers", "two left out", "supervised"):
        assert sorted(of(way, "seed")) == [1, 2, 3]
    assert {*of("one of each", "pictures")} == {*of("supervised", "pictures")} == {*of("strangers", "pictures")}
    assert record["chance"]["zero-shot"] == 0.1 and record["k-NN of pixels"] < min(of("strangers", "seen templates"))
    assert min(of("supervised", "accuracy")) > max(of("one of each", "seen templates"))
    assert min(of("two left out", "of the two, among the two")) > 0.5, "the lesson says that all three fell so"


def test_soft_targets_pay_clumps_better_than_pairs():
    """The figures that the lesson names: 32 pairs apart from all others, and two opposite clumps; scale 1."""

    def kind(vectors):
        logits = vectors @ vectors.T
        return torch.nn.functional.cross_entropy(logits, logits.softmax(1)).item()

    apart = torch.nn.functional.normalize(torch.eye(32) - 1 / 32, dim=1)
    clumps = torch.ones(32, 1)
    clumps[16:] = -1
    assert f"{kind(torch.eye(32)):.2f} {kind(clumps):.2f}" == "3.44 3.14"
    assert kind(clumps) < kind(apart) < kind(torch.ones(32, 1))
