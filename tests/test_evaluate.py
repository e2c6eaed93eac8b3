"""The laws of scores: equal to scikit-learn's and scipy's, and the usual slips are told apart from them."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from minivit.evaluate import accuracy, interval, knn, linear_probe, wilson

sklearn_neighbors = pytest.importorskip("sklearn.neighbors")
sklearn_linear = pytest.importorskip("sklearn.linear_model")
stats = pytest.importorskip("scipy.stats")


def clouds(count, seed, classes=4, width=6):
    """Overlapping clouds of unlike spread along each axis, far from the origin: (count, width), (count,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    features = centres[labels] + 0.9 * torch.randn(count, width, generator=generator)
    return features * torch.tensor([1.0, 30, 0.05, 4, 1, 0.3]) + torch.tensor([0.2, 5, 0, -3, 0.5, 0.1]), labels


TRAIN, LABELS = clouds(123, 0)
TEST, TRUTH = clouds(57, 1)


# kNN


def sklearn_votes(k, temperature, train=TRAIN, test=TEST):
    judge = sklearn_neighbors.KNeighborsClassifier(
        k, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / temperature)
    )
    return torch.from_numpy(judge.fit(train.double().numpy(), LABELS).predict(test.double().numpy()))


@pytest.mark.parametrize("k, temperature", [(1, 0.07), (5, 0.07), (20, 0.07), (20, 1.0), (123, 0.5)])
def test_knn_is_sklearns_with_cosines(k, temperature):
    assert torch.equal(knn(TRAIN.double(), LABELS, TEST.double(), k, temperature), sklearn_votes(k, temperature))


def unnormalised(k, temperature):
    weights, nearest = (TEST @ TRAIN.T).double().topk(k, dim=1)
    votes = torch.zeros(len(TEST), 4).double().scatter_add_(1, LABELS[nearest], (weights / temperature).softmax(dim=1))
    return votes.argmax(dim=1)


def unweighted(k, temperature):
    nearest = (nn.functional.normalize(TEST) @ nn.functional.normalize(TRAIN).T).topk(k, dim=1).indices
    return LABELS[nearest].mode(dim=1).values


@pytest.mark.parametrize("twin", [unnormalised, unweighted])
def test_wrong_neighbours_vote_otherwise(twin):
    assert not torch.equal(twin(20, 0.07), sklearn_votes(20, 0.07))


def test_knn_does_not_care_for_lengths_nor_for_a_small_temperature():
    lengths, train, test = torch.logspace(-3, 3, len(TRAIN))[:, None], TRAIN.double(), TEST.double()
    assert torch.equal(knn(TRAIN * lengths, LABELS, TEST * 7), knn(TRAIN, LABELS, TEST))
    assert torch.equal(knn(train, LABELS, test, 20, 1e-12), knn(train, LABELS, test, 1)), "exp must not overflow"


def test_knn_in_blocks_is_knn_at_once():
    many = TEST.repeat(40, 1)
    assert len(many) > 2048 and torch.equal(knn(TRAIN, LABELS, many), knn(TRAIN, LABELS, TEST).repeat(40))


# The linear probe


def sklearn_probe(l2, train=TRAIN, test=TEST, shift=TRAIN):
    train, test, shift = (part.double().numpy() for part in (train, test, shift))
    mean, spread = shift.mean(axis=0), shift.std(axis=0)
    judge = sklearn_linear.LogisticRegression(C=1 / (l2 * len(train)), tol=1e-10, max_iter=10000)
    return judge.fit((train - mean) / spread, LABELS), torch.from_numpy(judge.predict((test - mean) / spread))


@pytest.mark.parametrize("l2", [1e-4, 1e-3, 1e-1, 10.0])
def test_the_probe_is_sklearns_logistic_regression(l2):
    from minivit.evaluate.classify import _fitted

    judge, answers = sklearn_probe(l2)
    assert torch.equal(linear_probe(TRAIN, LABELS, TEST, l2), answers)
    train = TRAIN.double()
    weight, _ = _fitted((train - train.mean(dim=0)) / train.std(dim=0, correction=0), LABELS, l2, 1000)
    assert np.abs(weight.numpy() - judge.coef_).max() < 1e-4 * np.abs(judge.coef_).max()


def test_the_probe_answers_alike_every_time_and_in_every_unit():
    first = linear_probe(TRAIN, LABELS, TEST)
    torch.manual_seed(7)
    assert torch.equal(linear_probe(TRAIN, LABELS, TEST), first)
    scale = torch.tensor([1e-4, 1.0, 1e3, 7, 1, 2])
    assert torch.equal(linear_probe(TRAIN * scale - 3 * scale, LABELS, TEST * scale - 3 * scale), first)


def test_the_probes_wrong_twins_answer_otherwise():
    """Test pictures of a few classes only: their own mean and spread move every one of them."""
    few, truth = TEST[TRUTH < 2], TRUTH[TRUTH < 2]
    right = linear_probe(TRAIN, LABELS, few, 1e-2)
    own = (few - few.mean(dim=0)) / few.std(dim=0, correction=0)
    by_test_statistics = linear_probe((TRAIN - TRAIN.mean(dim=0)) / TRAIN.std(dim=0, correction=0), LABELS, own, 1e-2)
    as_they_come = sklearn_linear.LogisticRegression(C=1 / (1e-2 * len(TRAIN)), max_iter=10000).fit(TRAIN, LABELS)
    assert not torch.equal(by_test_statistics, right)
    assert (right == truth).double().mean() > (by_test_statistics == truth).double().mean()
    assert not torch.equal(torch.from_numpy(as_they_come.predict(few)), right)


def test_a_number_that_never_changes_says_nothing():
    train, test = (torch.cat([part, torch.full((len(part), 1), 5.0)], dim=1) for part in (TRAIN, TEST))
    assert torch.equal(linear_probe(train, LABELS, test), linear_probe(TRAIN, LABELS, TEST))


@pytest.mark.parametrize("judge", [knn, linear_probe])
def test_features_without_sense_are_refused(judge):
    broken = TRAIN.clone()
    broken[5, 2] = math.nan
    for arguments, said in (
        ((TRAIN, LABELS[:-1], TEST), "123 training vectors need as many labels"),
        ((TRAIN, LABELS.double(), TEST), "int64"), ((TRAIN, LABELS - 1, TEST), "the least is -1"),
        ((TRAIN, LABELS, TEST[:, :5]), "6 numbers, test vectors 5"), ((TRAIN[None], LABELS, TEST), r"\(1, 123, 6\)"),
        ((TRAIN, LABELS, TEST[:0]), r"\(0, 6\)"), ((broken, LABELS, TEST), "training vector 5 holds NaN"),
        ((TRAIN, LABELS, broken), "test vector 5 holds NaN"), ((TRAIN.long(), LABELS, TEST), "int64"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            judge(*arguments)


def test_settings_without_sense_are_refused():
    for k in (0, 124, 2.5):
        with pytest.raises(ValueError, match=f"1 to the 123 .* got {k}"):
            knn(TRAIN, LABELS, TEST, k)
    with pytest.raises(ValueError, match="above 0; got 0"):
        knn(TRAIN, LABELS, TEST, temperature=0)
    with pytest.raises(ValueError, match="test vector 1 is all zeros"):
        knn(TRAIN, LABELS, torch.stack([TEST[0], torch.zeros(6)]))
    with pytest.raises(ValueError, match="l2 must be above 0"):
        linear_probe(TRAIN, LABELS, TEST, l2=0)
    with pytest.raises(ValueError, match="after 2 steps the probe's gradient is still"):
        linear_probe(TRAIN, LABELS, TEST, steps=2)


# Accuracy


class Known(nn.Module):
    """Says the class that is written into the picture's first pixel; one batch norm tells the modes apart."""

    def __init__(self):
        super().__init__()
        self.norm, self.weight = nn.BatchNorm2d(1), nn.Parameter(torch.eye(5))

    def forward(self, images):
        assert not self.training and not torch.is_grad_enabled()
        return self.weight[images[:, 0, 0, 0].long()] + 0 * self.norm(images).mean()


@pytest.mark.parametrize("batch", [1, 4, 7, 256])
def test_accuracy_counts_every_picture_once_in_evaluation_mode(batch):
    shown = torch.arange(17) % 5
    images, labels = shown[:, None, None, None] * torch.ones(17, 1, 2, 3), shown.clone()
    labels[[0, 3, 16]] = (labels[[0, 3, 16]] + 1) % 5
    model = Known()
    model.train()
    model.norm.eval()
    assert accuracy(model, images, labels, batch) == 14 / 17
    assert model.training and not model.norm.training
    assert torch.equal(model.norm.running_mean, torch.zeros(1)), "evaluation leaves no trace in the model"


def test_accuracy_refuses_what_does_not_fit():
    images, labels = torch.zeros(6, 1, 2, 3), torch.zeros(6, dtype=torch.int64)
    for arguments, said in (
        ((Known(), images, labels[:5]), "6 images need as many labels"), ((Known(), images, labels.float()), "float32"),
        ((Known(), images[:0], labels[:0]), "0 images"), ((Known(), images, labels, 0), "got 0"),
        ((Known(), images, labels, -3), "got -3"), ((nn.Conv2d(1, 2, 1), images, labels), r"\(6, 2, 2, 3\)"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            accuracy(*arguments)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 4))
    images[4, 0, 1, 1] = math.nan
    with pytest.raises(ValueError, match="picture 4 has NaN logits"):
        accuracy(model, images, labels, batch=3)
    assert model.training, "the mode comes back after an error too"


# Intervals


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10, 31, 200])
def test_the_interval_is_students(count):
    values = torch.randn(count, generator=torch.Generator().manual_seed(count)).double().tolist()
    found = interval(values)
    low, high = stats.t.interval(0.95, count - 1, np.mean(values), stats.sem(values))
    assert found.low == pytest.approx(low, abs=1e-9) and found.high == pytest.approx(high, abs=1e-9)
    assert found.mean == pytest.approx(np.mean(values)) and found.count == count
    wide = interval(values, 0.99)
    assert wide.high == pytest.approx(stats.t.interval(0.99, count - 1, np.mean(values), stats.sem(values))[1])


def normal_interval(values):
    reach = 1.96 * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values) - reach, np.mean(values) + reach


def dividing_by_the_count(values):
    reach = stats.t.ppf(0.975, len(values) - 1) * np.std(values) / math.sqrt(len(values))
    return np.mean(values) - reach, np.mean(values) + reach


def test_the_interval_covers_as_often_as_it_says_and_its_wrong_twins_do_not():
    draws = np.random.default_rng(0).normal(size=(4000, 3))

    def covered(method):
        return np.mean([low <= 0 <= high for low, high in map(method, draws)])

    assert covered(lambda values: interval(values)[1:3]) == pytest.approx(0.95, abs=0.015)
    # In the long run 0.81 and 0.93: what t with 2 degrees of freedom keeps within 1.96 and within 4.30 * sqrt(2 / 3).
    assert covered(normal_interval) < 0.85 and covered(dividing_by_the_count) < 0.94


@pytest.mark.parametrize("hits, count", [(0, 10), (10, 10), (441, 450), (1, 3), (5, 7), (0, 1)])
def test_wilsons_interval_is_scipys(hits, count):
    found, judge = wilson(hits, count), stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert found.low == pytest.approx(judge.low, abs=1e-12) and found.high == pytest.approx(judge.high, abs=1e-12)
    assert 0 <= found.low <= found.mean <= found.high <= 1 and found.mean == hits / count


def test_intervals_print_and_refuse():
    assert str(interval([0.98, 0.99, 0.985])) == "0.9850 (0.9726 to 0.9974)"
    for values, said in (([0.9], "2 values or more; got 1"), ([], "got 0"), ([0.9, math.nan], "finite")):
        with pytest.raises(ValueError, match=said):
            interval(values)
    for pair in ((-1, 5), (6, 5), (0, 0), (0.5, 2)):
        with pytest.raises(ValueError, match="0 <= hits <= count"):
            wilson(*pair)
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval([1, 2], 95)
