"""The laws of finding by likeness: perfect is 1, knowing nothing is chance, ties are no luck, slips are told."""

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from minivit.clip import CLIP
from minivit.evaluate import (
    auroc,
    calibration,
    class_vectors,
    confusion,
    embed_images,
    embed_texts,
    judge,
    preference,
    recall,
    retrieve,
    wilson,
    zero_shot,
)
from minivit.siglip import SigLIP
from minivit.tokenizers import Words

# Two towers that know: a picture of n in its first pixel is nearest to the text that says the n-th word.

WORDS = ("ash", "birch", "cedar", "elm", "fir")
TOKENIZER = Words([*WORDS, "a", "photo", "of", "the", "tree"], length=9)


class Seen(nn.Module):
    """(B, 1, 2, 3) -> (B, 7): one of seven axes, a little off; fails outside evaluation mode."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(7) + 0.1 * torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))

    def forward(self, images):
        assert not self.training and not torch.is_grad_enabled()
        return self.weight[images[:, 0, 0, 0].long()] + images[:, :1, 1, 1].mul(0.1)


class Read(nn.Module):
    """(B, T) -> (B, 7): a vector for each word, added up, the trees' on the axes; longer for longer texts."""

    def __init__(self):
        super().__init__()
        table = 0.4 * torch.randn(TOKENIZER.vocabulary, 7, generator=torch.Generator().manual_seed(2))
        table[3:8] = 2 * torch.eye(7)[:5]
        table[[0, 1, -1]] = 0  # padding, start and end say nothing
        self.table = nn.Parameter(table)

    def forward(self, ids):
        assert not self.training and not torch.is_grad_enabled()
        return self.table[ids].sum(dim=1) * (ids != 0).sum(dim=1, keepdim=True)


def towers(kind=CLIP):
    return kind(Seen(), Read(), 7, 7, None).train()


def pictures(shown):
    images = torch.zeros(len(shown), 1, 2, 3)
    images[:, 0, 0, 0] = shown
    return images


SHOWN = torch.arange(23) % 5


# Classes out of words

TEMPLATES = ["{}", "a photo of a {}", "the {} tree"]


def test_a_class_is_the_unit_mean_of_its_prompts_unit_vectors():
    model = towers()
    found = class_vectors(model, TOKENIZER, WORDS, TEMPLATES, batch=4)
    assert found.shape == (5, 7) and model.training
    model.eval()
    for row, word in zip(found, WORDS, strict=True):
        with torch.no_grad():
            lone = [model.encode_texts(TOKENIZER([t.replace("{}", word)]))[0] for t in TEMPLATES]
            raw = [model.text_tower(TOKENIZER([t.replace("{}", word)]))[0] for t in TEMPLATES]
        assert torch.allclose(row, F.normalize(sum(lone) / 3, dim=0), atol=1e-6)
        assert row.norm() == pytest.approx(1)
        # Wrong twins: long vectors outvoting short ones, and a mean that is left short.
        assert not torch.allclose(row, F.normalize(sum(raw), dim=0), atol=1e-2)
        assert not torch.allclose(row, sum(lone) / 3, atol=1e-2)


def test_phrases_and_functions_are_templates_too():
    model = towers()
    by_name = class_vectors(model, TOKENIZER, WORDS, ["a photo of a {}", "the {} tree"])
    spelt = {word: [f"a photo of a {word}", f"the {word} tree"] for word in WORDS}
    assert torch.allclose(class_vectors(model, TOKENIZER, spelt), by_name, atol=1e-6)
    written = [lambda phrase: f"a photo of a {phrase}", "the {} tree"]
    assert torch.allclose(class_vectors(model, TOKENIZER, WORDS, written), by_name, atol=1e-6)
    uneven = {"ash": ["ash", "the ash", "the ash"], "elm": ["elm"]}
    assert class_vectors(model, TOKENIZER, uneven, ["{}", "the {} tree"]).shape == (2, 7)
    turned = class_vectors(model, TOKENIZER, WORDS[::-1], TEMPLATES, batch=1)
    assert torch.allclose(turned.flip(0), class_vectors(model, TOKENIZER, WORDS, TEMPLATES), atol=1e-6)


def test_prompts_without_sense_are_refused():
    model = towers()
    for classes, templates, said in (
        (WORDS, ["a photo"], "one {} .* got 'a photo'"), (WORDS, ["{} {}"], "one {}"), (WORDS, [], "no template"),
        (WORDS, "a photo of a {}", "into a list"), ("ash", ["{}"], "into a list"), ([], ["{}"], "2 classes .* got 0"),
        (["ash"], ["{}"], "got 1"), (["ash", "elm", "ash"], ["{}"], r"doubled: \['ash'\]"), (WORDS, [7], "got 7"),
        ({"ash": ["ash"], "elm": []}, ["{}"], "'elm' needs a list"), ({"ash": "ash", "elm": "elm"}, ["{}"], "'ash'"),
        ({"a": ["ash", "elm"], "b": ["fir", "elm"]}, ["{}"], "'elm' stands for class 'a' and for 'b'"),
        (WORDS, [lambda phrase: "a tree"], "'a tree' stands for class 'ash' and for 'birch'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            class_vectors(model, TOKENIZER, classes, templates)
    with torch.no_grad():
        model.text_tower.table[4] = -model.text_tower.table[3]
    with pytest.raises(ValueError, match="2 prompts of class 'both' cancel out"):
        class_vectors(model, TOKENIZER, {"both": ["ash", "birch"], "elm": ["elm"]})


@pytest.mark.parametrize("kind", [CLIP, SigLIP])
def test_zero_shot_of_towers_that_know_is_right_everywhere(kind):
    model = towers(kind)
    vectors = class_vectors(model, TOKENIZER, WORDS, TEMPLATES)
    found = zero_shot(model, pictures(SHOWN), SHOWN, vectors, batch=6)
    assert found.accuracy == (1, 0.2, 23) and found.majority == 5 / 23
    assert torch.equal(found.confusion, torch.diag(torch.tensor([5, 5, 5, 4, 4])))
    assert model.training
    model.eval()
    with torch.no_grad():
        cosines = model.encode_images(pictures(SHOWN)) @ vectors.T
        expected = model.scale * cosines + (model.bias if kind is SigLIP else 0)
    assert torch.allclose(found.logits, expected, atol=1e-5)
    assert torch.allclose(found.probabilities, expected.softmax(dim=1)) and torch.equal(found.answers, SHOWN)


def test_zero_shot_moves_with_its_classes():
    model, order = towers(), torch.tensor([3, 0, 4, 1, 2])
    vectors, labels = class_vectors(model, TOKENIZER, WORDS), SHOWN.clone()
    labels[[2, 7]] = 4  # cedars that are called firs
    first = zero_shot(model, pictures(SHOWN), labels, vectors)
    turned = zero_shot(model, pictures(SHOWN), order.argsort()[labels], vectors[order])
    assert torch.equal(turned.confusion, first.confusion[order][:, order]) and turned.accuracy == first.accuracy
    assert first.confusion[4].tolist() == [0, 0, 2, 0, 4], "rows are what is true, columns what was answered"
    assert first.accuracy.value == 21 / 23


def test_naming_always_one_class_scores_at_most_the_majority():
    labels = torch.tensor([0, 1, 1, 2, 2, 2, 2])
    for logits in (torch.zeros(7, 3), torch.eye(3)[[2]].repeat(7, 1)):
        found = judge(logits, labels)
        assert found.accuracy.value <= found.majority == 4 / 7 and found.accuracy.chance == 1 / 3


def test_answers_that_know_nothing_are_right_by_chance():
    generator = torch.Generator().manual_seed(4)
    labels = (torch.rand(2000, generator=generator) ** 2 * 5).long()  # some classes are frequent
    found = judge(torch.randn(2000, 5, generator=generator), labels)
    bounds = wilson(int(found.confusion.trace()), 2000, 0.999)
    assert bounds.low <= found.accuracy.chance == 0.2 <= bounds.high < found.majority


def test_zero_shot_refuses_what_does_not_fit():
    model = towers()
    vectors, images = class_vectors(model, TOKENIZER, WORDS), pictures(SHOWN)
    broken = images.clone()
    broken[7, 0, 1, 1] = math.nan
    for arguments, said in (
        ((model, images, SHOWN[:9], vectors), "23 images need as many labels"),
        ((model, images, SHOWN + 1, vectors), "0 to 4 as there are 5; got 1 to 5"),
        ((model, images, SHOWN, vectors[:, :6]), r"E = 7; got \(5, 6\)"),
        ((model, images[:0], SHOWN[:0], vectors), "0 images need"),
        ((model, broken, SHOWN, vectors), "picture 7 of 23 has a vector with NaN"),
        ((model, images, SHOWN, vectors, 0), "got 0"), ((model, images, SHOWN, vectors, 4, "half"), "'half'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            zero_shot(*arguments)
    assert model.training
    with pytest.raises(ValueError, match="no text"):
        embed_texts(model, TOKENIZER, [])
    with pytest.raises(ValueError, match="2 answers need as many"):
        confusion(torch.tensor([0, 1]), torch.tensor([0, 1, 1]), 2)
    with pytest.raises(ValueError, match="answers are int64 from 0 to 1"):
        confusion(torch.tensor([0, 2]), torch.tensor([0, 1]), 2)


# Recall


def clouds(images, texts, seed=0, width=6):
    """Vectors near one another where they belong together: (M, E), (N, E), (M,); the last two texts have no image."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(texts, width, generator=generator)
    right = torch.randint(texts - 2, (images,), generator=generator)
    return text[right] + 0.7 * torch.randn(images, width, generator=generator), text, right


def plainly(images, texts, right, k):
    """Both recalls from all the cosines at once, each row sorted, by hand."""
    cosines = F.normalize(images.double(), dim=1) @ F.normalize(texts.double(), dim=1).T
    forth = [right[i] in row.topk(k).indices for i, row in enumerate(cosines)]
    back = [bool((right[row.topk(k).indices] == j).any()) for j, row in enumerate(cosines.T) if (right == j).any()]
    return sum(forth) / len(forth), sum(back) / len(back)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_recall_is_what_sorting_gives(k):
    images, texts, right = clouds(67, 19)
    found = recall(images, texts, right, (k,))
    forth, back = plainly(images, texts, right, k)
    assert found.image_to_text[k].value == forth and found.text_to_image[k].value == back
    assert found.left_out == 19 - len(right.unique()) >= 2
    assert found.image_to_text[k].count == 67 and found.text_to_image[k].count == len(right.unique())
    if k < 10:
        assert (forth, back) != plainly(texts[right], images, torch.arange(67), k), "the wrong axis is another number"


def test_recall_in_blocks_is_recall_at_once(monkeypatch):
    images, texts, right = clouds(67, 19)
    whole = recall(images, texts, right)
    for block in (1, 7, 19, 66):
        monkeypatch.setattr(retrieve, "_BLOCK", block)
        assert recall(images, texts, right) == whole


def test_recall_does_not_care_for_order_nor_for_lengths():
    images, texts, right = clouds(67, 19)
    rows, columns = torch.randperm(67), torch.randperm(19)
    found = recall(images, texts, right)
    assert recall(images[rows], texts[columns], columns.argsort()[right][rows]) == found
    assert recall(images * torch.logspace(-3, 3, 67)[:, None], 5 * texts, right) == found


def test_vectors_that_agree_find_everything():
    texts = torch.randn(12, 6)
    right = torch.arange(30) % 12
    found = recall(texts[right], texts, right)
    assert all(score.value == 1 for way in found[:2] for score in way.values()) and found.left_out == 0
    assert "image to text @1: 1.0000 (chance 0.0833)" in str(found)


def test_vectors_that_know_nothing_find_by_chance():
    generator = torch.Generator().manual_seed(3)
    images, texts = torch.randn(900, 64, generator=generator), torch.randn(400, 64, generator=generator)
    right = torch.randint(400, (900,), generator=generator)
    found = recall(images, texts, right)
    for way in found[:2]:
        for score in way.values():
            bounds = wilson(round(score.value * score.count), score.count, 0.999)
            assert bounds.low <= score.chance <= bounds.high


def places(scores):
    """(n,) -> where each stands, from the highest."""
    return scores.argsort(descending=True).argsort()


@given(st.lists(st.integers(0, 2), min_size=3, max_size=5), st.integers(1, 3))
def test_chance_is_the_mean_over_all_orders(right, k):
    """Every order of the candidates is as likely as another: count the ones that find."""
    right = torch.tensor(right)
    images, texts = torch.randn(len(right), 4), torch.randn(3, 4)
    found = recall(images, texts, right, (k,))
    forth = [order.index(0) < k for order in permutations(range(3))]
    assert found.image_to_text[k].chance == pytest.approx(sum(forth) / len(forth))
    back = [
        any(order.index(int(i)) < k for i in (right == j).nonzero())
        for order in permutations(range(len(right)))
        for j in right.unique()
    ]
    assert found.text_to_image[k].chance == pytest.approx(sum(back) / len(back))


@pytest.mark.parametrize("noise", [0, 1e-8])
def test_ties_are_no_luck(noise):
    """One vector for everything, even with rounding's noise on it, finds nothing that chance would not."""
    one = torch.randn(6, generator=torch.Generator().manual_seed(1)).double()
    images, texts = one + noise * torch.randn(40, 6).double(), one + noise * torch.randn(13, 6).double()
    right = torch.arange(40) % 11
    found = recall(images, texts, right)
    for k in (1, 5, 10):
        assert found.image_to_text[k].value == 0 and found.text_to_image[k].value == 0
    assert found.left_out == 2
    everyone = recall(images[:13], texts, torch.arange(13), (13,))
    assert everyone.image_to_text[13] == (1, 1, 13), "where all are looked at, chance is 1 as well"
    lucky = (images @ texts.T).argmax(dim=1)  # a twin that lets the first of equals win
    assert noise or (lucky == 0).all(), "which it would credit to every image of that text"


def test_a_tie_with_the_right_image_of_the_same_text_is_none():
    images, texts = torch.eye(3)[[0, 0, 0, 1]], torch.eye(3)
    found = recall(images, texts, torch.tensor([0, 0, 0, 1]), (1,))
    assert found.text_to_image[1] == (1, pytest.approx((3 / 4 + 1 / 4) / 2), 2) and found.left_out == 1


def test_recall_refuses_what_does_not_fit():
    images, texts, right = clouds(9, 7)
    broken, still = images.clone(), texts.clone()
    broken[4, 1], still[2] = math.inf, 0
    for arguments, said in (
        ((images[None], texts, right), r"\(1, 9, 6\)"), ((images, texts.long(), right), "int64"),
        ((images, texts[:, :5], right), "6 numbers, texts of 5"), ((images, texts, right[:5]), r"\(9,\) int64"),
        ((images, texts, right.int()), "int32"), ((images, texts, right + 7), "texts are 0 to 6; right goes from"),
        ((images, texts, right - 9), "texts are 0 to 6"), ((broken, texts, right), "image vector 4 of 9 holds NaN"),
        ((images, still, right), "text vector 2 of 7 is all zeros"), ((images[:0], texts, right[:0]), r"\(0, 6\)"),
        ((images, texts, right), "10 nearest of 9 images and 7 texts"), ((images, texts, right, (0,)), "got 0"),
        ((images, texts, right, (1, 2.5)), "got 2.5"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            recall(*arguments)


# A right caption beside a wrong one; known pictures and foreign ones


def test_preference_counts_wins_and_half_of_ties():
    images = F.normalize(torch.randn(40, 6), dim=1)
    near, far = images + 0.1 * torch.randn(40, 6), torch.randn(40, 6)
    assert preference(images, images, far) == (1, 0.5, 40) and preference(images, far, images).value == 0
    assert preference(images, near, near + 1e-9).value == 0.5
    mixed = torch.where((torch.arange(40) < 10)[:, None], far, images)
    assert preference(images, mixed, far).value == (30 + 5) / 40
    assert preference(images, near, far).value + preference(images, far, near).value == 1
    with pytest.raises(ValueError, match=r"right \(39, 6\).*repeat an image"):
        preference(images, near[1:], far)


def test_guessing_prefers_half():
    generator = torch.Generator().manual_seed(0)
    score = preference(*(torch.randn(3000, 5, generator=generator) for _ in range(3)))
    bounds = wilson(round(score.value * score.count), score.count, 0.999)
    assert bounds.low <= score.chance <= bounds.high


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_auroc_is_the_share_of_pairs(known, foreign):
    pairs = [(a > b) + (a == b) / 2 for a in known for b in foreign]
    first, second = torch.tensor(known).float(), torch.tensor(foreign).float()
    assert auroc(first, second).value == pytest.approx(sum(pairs) / len(pairs))
    assert auroc(first, second).value + auroc(second, first).value == pytest.approx(1)
    assert auroc(first.exp(), second.exp()) == auroc(first, second)


def test_auroc_is_sklearns_and_one_threshold_is_worth_1():
    metrics = pytest.importorskip("sklearn.metrics")
    known, foreign = torch.randn(300) + 0.5, torch.randn(170)
    judged = metrics.roc_auc_score([1] * 300 + [0] * 170, torch.cat([known, foreign]).numpy())
    assert auroc(known, foreign).value == pytest.approx(judged, abs=1e-12)
    assert auroc(known.abs() + 1, -foreign.abs()) == (1, 0.5, 470) and auroc(torch.ones(5), torch.ones(3)).value == 0.5
    for values in (torch.zeros(0), torch.zeros(2, 2), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match="none NaN"):
            auroc(known, values)


# Calibration


def spread(count, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    probabilities = (2 * torch.randn(count, classes, generator=generator).double()).softmax(dim=1)
    return probabilities, probabilities.multinomial(1, generator=generator).squeeze(1)


def by_hand(probabilities, labels, bins):
    """ECE bin by bin, as the paper writes it: above the lower edge, up to the upper one."""
    sure, answer = probabilities.max(dim=1)
    error = 0.0
    for i in range(bins):
        inside = (sure > i / bins) & (sure <= (i + 1) / bins)
        if inside.any():
            gap = (answer[inside] == labels[inside]).double().mean() - sure[inside].mean()
            error += float(inside.double().mean() * gap.abs())
    return error


@pytest.mark.parametrize("bins", [1, 4, 10, 15])
def test_the_calibration_error_is_the_papers(bins):
    probabilities, labels = spread(300)
    probabilities[:40] = torch.tensor([0.5, 0.25, 0.15, 0.1]).double()  # on an edge of 4 and of 10 bins
    found = calibration(probabilities, labels, bins)
    assert found.error == pytest.approx(by_hand(probabilities, labels, bins), abs=1e-12)
    assert found.counts.sum() == 300 and len(found.edges) == bins + 1
    filled = found.counts > 0
    gaps = (found.confidences - found.accuracies).abs()[filled] * found.counts[filled] / 300
    assert gaps.sum() == pytest.approx(found.error) and found.confidences[~filled].isnan().all()
    assert ((found.edges[:-1] < found.confidences) & (found.confidences <= found.edges[1:]))[filled].all()
    assert found.accuracy.chance == 0.25 and found.confidence == pytest.approx(float(probabilities.amax(1).mean()))


def wrong_edges(probabilities, labels):
    sure, answer = probabilities.max(dim=1)
    place, right = (sure * 10).long().clamp(max=9), (answer == labels).double()
    return sum(abs(float((right - sure)[place == i].sum())) for i in range(10)) / len(labels)


def unweighted(probabilities, labels):
    found = calibration(probabilities, labels, 10)
    return float((found.confidences - found.accuracies).abs().nanmean())


@pytest.mark.parametrize("twin", [wrong_edges, unweighted])
def test_wrong_calibration_errors_are_other_numbers(twin):
    probabilities = torch.tensor([[0.5, 0.3, 0.2]] * 6 + [[0.55, 0.25, 0.2]] * 9).double()
    labels = torch.tensor([0] * 6 + [1] * 6 + [0] * 3)
    assert twin(probabilities, labels) != pytest.approx(calibration(probabilities, labels, 10).error, abs=1e-3)


def test_true_confidences_show_only_luck_and_overconfidence_shows_more():
    errors = [calibration(*spread(400, seed=seed)) for seed in range(40)]
    mean = sum(found.error for found in errors) / 40
    assert mean == pytest.approx(sum(found.luck for found in errors) / 40, rel=0.1)
    probabilities, labels = spread(400)
    sharp = (probabilities.log() * 4).softmax(dim=1)
    assert calibration(sharp, labels).error > 4 * calibration(sharp, labels).luck
    assert torch.equal(sharp.argmax(1), probabilities.argmax(1)), "as right as before, only too sure"


def test_the_uniform_answer_is_calibrated_and_knows_nothing():
    _, labels = spread(500)
    found = calibration(torch.full((500, 4), 0.25), labels)
    assert found.error == pytest.approx(0, abs=1e-12) and found.accuracy == (0.25, 0.25, 500)
    draws = torch.distributions.Binomial(500, torch.tensor(0.25)).sample((20000,)) / 500 - 0.25
    assert found.uniform == pytest.approx(float(draws.abs().mean()), rel=0.05)


def test_calibration_is_of_any_class_order_and_refuses_no_probabilities():
    probabilities, labels = spread(60)
    order = torch.tensor([2, 0, 3, 1])
    first, turned = calibration(probabilities, labels), calibration(probabilities[:, order], order.argsort()[labels])
    assert turned.error == pytest.approx(first.error) and turned.accuracy == first.accuracy
    for values, said in (
        (probabilities.log(), "row 0 of 60"), (probabilities * 1.1, "sum to 1.1"), (probabilities[:, 0], r"\(60,\)"),
        (probabilities[:, :3] / probabilities[:, :3].sum(1, keepdim=True), "0 to 2 as there are 3"),
        (probabilities * math.nan, "row 0 of 60 probabilities holds NaN"), (probabilities[:9], "need as many labels"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            calibration(values, labels)
    with pytest.raises(ValueError, match="bins"):
        calibration(probabilities, labels, 0)


def test_towers_and_recall_meet():
    model = towers()
    images, texts = embed_images(model, pictures(SHOWN), 5), embed_texts(model, TOKENIZER, WORDS, 2)
    assert torch.allclose(images.norm(dim=1), torch.ones(23)) and not images.requires_grad
    assert recall(images, texts, SHOWN, (1,)).image_to_text[1] == (1, 0.2, 23)
