"""The laws of training: what a step is, where batches come from, who updates which weight, what is refused."""

import math
import signal
import threading
from itertools import pairwise

import pytest
import torch
from torch import nn

from minivit.pooling import AttentionPool
from minivit.train import Interrupted, Shuffled, adamw, classify, cosine, mode, muon, sorted_parameters, train
from minivit.train.losses import check_loss
from minivit.train.progress import Progress, minutes
from minivit.vit import ConvStem, ViT, ViTConfig


def linear(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 5, 7), nn.GELU(), nn.Linear(7, 4)).to(dtype)


def data(count=24, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(count) % 4
    return torch.randn(count, 2, 3, 5, generator=generator, dtype=dtype) + labels[:, None, None, None], labels


def run(model, batches, loss=classify, **options):
    settings = {"steps": 6, "optimizer": adamw(model, 1e-2), "precision": "fp32", "progress": False} | options
    return train(model, batches, loss, **settings)


def largest_difference(one, other):
    return max(float((a - b).detach().abs().max()) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# The loop


def test_a_step_is_torchs_own_step_with_the_rate_of_the_schedule():
    mine, theirs = linear(), linear()
    run(mine, Shuffled(*data(), batch=8, seed=5), clip=0.1, warmup=0.5)
    solver, batches = adamw(theirs, 1e-2), Shuffled(*data(), batch=8, seed=5)
    for step in range(6):
        for group in solver.param_groups:
            group["lr"] = 1e-2 * cosine(step, 6, 0.5)
        solver.zero_grad()
        classify(theirs, *next(batches)).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.1)
        solver.step()
    assert largest_difference(mine, theirs) < 1e-12


def summed(model, *batch):
    return classify(model, *batch) * 3  # what a loop that forgets to divide by k = 3 follows


def test_k_batches_are_one_batch_of_k_times_the_size():
    one, parts, wrong = linear(), linear(), linear()
    sgd = {"clip": None}
    run(one, Shuffled(*data(), batch=12, seed=1), optimizer=torch.optim.SGD(one.parameters(), 0.1), **sgd)
    run(
        parts,
        Shuffled(*data(), batch=4, seed=1),
        accumulate=3,
        optimizer=torch.optim.SGD(parts.parameters(), 0.1),
        **sgd,
    )
    small = {"accumulate": 3, "optimizer": torch.optim.SGD(wrong.parameters(), 0.1), **sgd}
    run(wrong, Shuffled(*data(), batch=4, seed=1), summed, **small)
    assert largest_difference(one, parts) < 1e-10 < 1e-3 < largest_difference(one, wrong)


def test_accumulation_clips_the_mean_not_every_part():
    one, parts = linear(), linear()
    run(one, Shuffled(*data(), batch=12, seed=1), optimizer=torch.optim.SGD(one.parameters(), 0.1), clip=0.2)
    small = {"accumulate": 3, "optimizer": torch.optim.SGD(parts.parameters(), 0.1), "clip": 0.2}
    run(parts, Shuffled(*data(), batch=4, seed=1), **small)
    assert largest_difference(one, parts) < 1e-10


def test_clip_bounds_all_weights_together():
    model = linear()
    before = [weight.detach().clone() for weight in model.parameters()]
    run(
        model,
        Shuffled(*data(), batch=8, seed=1),
        steps=1,
        clip=0.01,
        optimizer=torch.optim.SGD(model.parameters(), 1.0),
    )
    moved = math.sqrt(
        sum(float((a - b).detach().square().sum()) for a, b in zip(before, model.parameters(), strict=True))
    )
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_gradients_from_before_do_not_count():
    model, stale = linear(), linear()
    for weight in stale.parameters():
        weight.grad = torch.ones_like(weight)
    for one in (model, stale):
        run(one, Shuffled(*data(), batch=8, seed=1))
    assert largest_difference(model, stale) == 0


def test_rates_and_modes_come_back():
    model = linear()
    model[0].eval()
    solver = adamw(model, 1e-2)
    run(model, Shuffled(*data(), batch=8, seed=1), optimizer=solver)
    assert [group["lr"] for group in solver.param_groups] == [1e-2, 1e-2]
    assert model.training and not model[0].training
    with mode(model, training=False):
        assert not any(part.training for part in model.modules())
    assert model.training and not model[0].training


def test_history_counts_steps_means_losses_and_keeps_reports():
    model, seen = linear(), []

    def loss(model, *batch):
        value = classify(model, *batch)
        seen.append(value.item())
        return value

    told = run(model, Shuffled(*data(), batch=8, seed=1), loss, steps=7, every=3,
               on_report=lambda step, model: {"double": 2 * step} if step > 3 else None)  # fmt: skip
    assert told.steps == [3, 6, 7]
    assert told.losses == pytest.approx([sum(seen[:3]) / 3, sum(seen[3:6]) / 3, seen[6]])
    assert told.rates == pytest.approx([1e-2 * cosine(step - 1, 7) for step in told.steps])
    assert told.seconds == sorted(told.seconds) and told.seconds[0] >= 0
    assert told.reported("double") == ([6, 7], [12.0, 14.0])
    with pytest.raises(ValueError, match="measured: double"):
        told.reported("accuracy")


# The schedule


def test_a_report_sees_the_model_evaluated_and_leaves_it_training():
    """The wrong twin, a report that leaves it in evaluation mode, would stop batch norm from seeing its batches."""
    model, seen = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)), []

    def report(step, model):
        seen.append(model.training)
        model.eval()

    batches = [(torch.randn(8, 4, generator=torch.Generator().manual_seed(step)),) for step in range(4)]
    train(model, iter(batches), lambda model, x: model(x).square().mean(), steps=4, optimizer=adamw(model),
          every=1, on_report=report, progress=False, precision="fp32")  # fmt: skip
    assert seen == [False] * 4 and model[0].num_batches_tracked == 4


def test_the_rate_rises_then_falls_to_nothing():
    factors = [cosine(step, 200, 0.1) for step in range(200)]
    assert all(0 < a < b for a, b in pairwise(factors[:21]))
    assert max(factors) == factors[20] == 1
    assert all(a > b > 0 for a, b in pairwise(factors[20:]))
    assert factors[110] == pytest.approx(0.5) and factors[-1] < 1e-3
    assert [cosine(step, 3, 0) for step in range(3)] == pytest.approx([1, 0.75, 0.25])
    assert cosine(0, 1, 0.9) == 1


@pytest.mark.parametrize(
    "step, steps, warmup, said",
    [(0, 0, 0.1, "got 0"), (0, 5, 1.0, "got 1.0"), (0, 450, 20, "20 / 450"), (0, 5, -0.1, "-0.1"), (5, 5, 0, "0 to 4"),
     (0, 2.5, 0, "2.5"), (0, True, 0, "True"), (0, 5, math.nan, "nan")],
)  # fmt: skip
def test_a_schedule_without_sense_is_refused(step, steps, warmup, said):
    with pytest.raises(ValueError, match=said):
        cosine(step, steps, warmup)


# The order of the data


def drawn(count, *, batch=5, seed=0, pictures=12):
    batches = Shuffled(torch.arange(pictures), batch=batch, seed=seed)
    return [next(batches)[0] for _ in range(count)]


def test_every_picture_comes_once_an_epoch():
    row = torch.cat(drawn(12)).view(5, 12)
    assert torch.equal(row.sort(dim=1).values, torch.arange(12).expand(5, 12))
    assert len({tuple(epoch.tolist()) for epoch in row}) == 5


def test_the_seed_is_the_order():
    assert torch.equal(torch.cat(drawn(7)), torch.cat(drawn(7)))
    assert not torch.equal(torch.cat(drawn(7)), torch.cat(drawn(7, seed=1)))
    assert not torch.equal(torch.cat(drawn(7)), torch.cat(drawn(7, seed=2**32))), "torch itself reads 32 bits of a seed"


def test_k_batches_in_a_row_are_one_large_batch():
    assert torch.equal(torch.cat(drawn(6, batch=2)), torch.cat(drawn(3, batch=4)))


def test_tensors_stay_together_and_only_images_are_augmented():
    images, labels = data(dtype=torch.float32)

    def noise(generator, images):
        return images + torch.rand(len(images), 1, 1, 1, generator=generator)

    plain = Shuffled(images, labels, batch=7, seed=4)
    changed = Shuffled(images, labels, batch=7, seed=4, augment=noise)
    shifts = []
    for number in range(4):
        (before, kinds), (after, same) = next(plain), next(changed)
        assert torch.equal(kinds, same) and torch.equal(before, images[plain.indices(number)])
        shifts.append(float((after - before).mean(dim=(1, 2, 3))[0]))
    assert len(set(shifts)) == 4 and all(0 < shift < 1 for shift in shifts)


@pytest.mark.parametrize("place", [0, 1, 4, 9])
def test_a_place_is_found_again(place):
    def noise(generator, images):
        return images + torch.rand(images.shape, generator=generator, dtype=images.dtype)

    first, second = (Shuffled(*data(), batch=7, seed=4, augment=noise) for _ in range(2))
    for _ in range(place):
        next(first)
    second.restore(first.state())
    for _ in range(5):
        assert all(torch.equal(a, b) for a, b in zip(next(first), next(second), strict=True))


@pytest.mark.parametrize(
    "other, said",
    [({"seed": 5}, "seed was 4, is 5"), ({"batch": 6}, "batch was 7, is 6"),
     ({"augment": lambda generator, images: images}, "augmented was False, is True")],
)  # fmt: skip
def test_a_place_in_other_data_is_refused(other, said):
    state = Shuffled(*data(), batch=7, seed=4).state()
    with pytest.raises(ValueError, match=said):
        Shuffled(*data(), **{"batch": 7, "seed": 4} | other).restore(state)
    with pytest.raises(ValueError, match="shapes was"):
        Shuffled(*data(23), batch=7, seed=4).restore(state)


@pytest.mark.parametrize(
    "tensors, batch, seed, said",
    [((), 1, 0, "needs tensors"), ((torch.zeros(3), torch.zeros(4)), 1, 0, r"\[3, 4\]"),
     ((torch.zeros(3),), 4, 0, "1 to the 3"), ((torch.zeros(3),), 0, 0, "got 0"),
     ((torch.zeros(3),), 1.0, 0, "got 1.0"),
     ((torch.zeros(3),), 1, -1, "got -1"), ((torch.zeros(3),), 1, "a", "got 'a'"), (([1, 2],), 1, 0, "needs tensors"),
     ((torch.tensor([0, 1, math.nan, math.nan]),), 1, 0, r"picture 2 of the data holds NaN \(2 of 4 do\)"),
     ((torch.tensor([[0.0, 1], [math.inf, 0]]),), 1, 0, "picture 1 of the data holds an infinite value")],
)  # fmt: skip
def test_data_without_sense_is_refused(tensors, batch, seed, said):
    with pytest.raises(ValueError, match=said):
        Shuffled(*tensors, batch=batch, seed=seed)


def test_a_sum_too_large_for_the_type_is_no_infinity():
    Shuffled(torch.full((3, 4), 60000, dtype=torch.float16), batch=1, seed=0)


# Who updates which weight


def whole_vit(**options):
    config = ViTConfig(size=(16, 24), patch=8, channels=1, width=12, depth=2, heads=3, hidden=20, prefix=2, **options)
    return ViT(config, stem=ConvStem(8, 12, 1), pool=AttentionPool(12, 3), head=nn.Linear(12, 5))


def test_where_every_weight_goes():
    kinds = sorted_parameters(whole_vit(layer_scale=0.1))
    block = {
        "norm1.weight": "no decay", "norm1.bias": "no decay", "norm2.weight": "no decay", "norm2.bias": "no decay",
        "attention.qkv.weight": "muon", "attention.qkv.bias": "no decay",
        "attention.out.weight": "muon", "attention.out.bias": "no decay",
        "mlp.up.weight": "muon", "mlp.up.bias": "no decay", "mlp.down.weight": "muon", "mlp.down.bias": "no decay",
        "scale1.weight": "no decay", "scale2.weight": "no decay",
    }  # fmt: skip
    expected = {f"encoder.blocks.{i}.{name}": kind for i in range(2) for name, kind in block.items()}
    expected |= {
        "prefix": "no decay", "positions.table": "no decay", "pool.probe": "no decay",
        "encoder.norm.weight": "no decay", "encoder.norm.bias": "no decay",
        "head.weight": "decay", "head.bias": "no decay",
    }  # fmt: skip
    rest = {name: kind for name, kind in kinds.items() if name not in expected}
    assert {name: kind for name, kind in kinds.items() if name in expected} == expected
    assert all(name.startswith(("stem.", "pool.")) for name in rest)
    shapes = {name: weight.ndim for name, weight in whole_vit().named_parameters()}
    assert all(kind == ("decay" if shapes[name] >= 2 else "no decay") for name, kind in rest.items()), rest
    assert {name.split(".")[0] for name, kind in rest.items() if kind == "decay"} == {"stem", "pool"}


def names_in(model, optimizer):
    names = {weight: name for name, weight in model.named_parameters()}
    return [{names[weight] for weight in group["params"]} for group in optimizer.param_groups]


def test_the_optimizers_hold_what_the_list_says():
    model = whole_vit()
    kinds = sorted_parameters(model)
    by_kind = {kind: {name for name in kinds if kinds[name] == kind} for kind in ("muon", "decay", "no decay")}
    first, second = muon(model, lr=0.03, rest=4e-3, weight_decay=0.2)
    assert isinstance(first, torch.optim.Muon) and isinstance(second, torch.optim.AdamW)
    assert names_in(model, first) == [by_kind["muon"]]
    assert names_in(model, second) == [by_kind["decay"], by_kind["no decay"]]
    assert [group["weight_decay"] for group in first.param_groups + second.param_groups] == [0.2, 0.2, 0]
    alone = adamw(model, weight_decay=0.2)
    assert names_in(model, alone) == [by_kind["decay"] | by_kind["muon"], by_kind["no decay"]]
    assert [group["weight_decay"] for group in alone.param_groups] == [0.2, 0]


def test_parts_are_left_to_another_optimizer():
    model = whole_vit()
    kinds, part = sorted_parameters(model), {name for name in sorted_parameters(model) if name.startswith("encoder.")}
    rest = adamw(model, without=[model.encoder])
    assert set().union(*names_in(model, rest)) == set(kinds) - part
    both = (*muon(model, without=[model.stem]), adamw(model.stem))
    held = [name for one in both[:2] for names in names_in(model, one) for name in names]
    assert sorted(held) == sorted(name for name in kinds if not name.startswith("stem."))
    with pytest.raises(ValueError, match="part 1 of `without`, a Linear, is no part"):
        adamw(model, without=[model.encoder, nn.Linear(2, 3)])
    with pytest.raises(ValueError, match="nothing in this model"):
        adamw(model, without=model)


def test_frozen_weights_are_left_out_and_shared_ones_counted_once():
    model = linear()
    model[1].requires_grad_(False)
    assert sorted_parameters(model) == {"3.weight": "decay", "3.bias": "no decay"}
    tied = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 6, bias=False))
    tied[1].weight = tied[0].weight
    assert sorted_parameters(tied) == {"0.weight": "no decay"}


def test_muon_moves_a_matrix_equally_in_every_direction():
    """Its step has singular values near the rate; the wrong twin, plain momentum, has those of the gradient."""
    model = whole_vit()
    weight = model.encoder.blocks[1].mlp.down.weight  # (12, 20)
    before, rate = weight.detach().clone(), 0.02
    weight.grad = torch.randn(12, 20, generator=torch.Generator().manual_seed(0)) * torch.logspace(0, -2, 12)[:, None]
    muon(model, lr=rate, weight_decay=0)[0].step()
    step, gradient = torch.linalg.svdvals(before - weight.detach()), torch.linalg.svdvals(weight.grad)
    assert 0.3 * rate < step.min() and step.max() < 1.5 * rate
    assert gradient.max() / gradient.min() > 50


@pytest.mark.parametrize(
    "build, said",
    [(lambda m: adamw(m, 0), "got 0"), (lambda m: adamw(m, math.nan), "nan"),
     (lambda m: adamw(m, weight_decay=-1), "-1"),
     (lambda m: adamw(m, betas=(0.9, 1.0)), "betas"), (lambda m: muon(m, lr=-1), "-1"),
     (lambda m: muon(m, rest=0), "got 0"),
     (lambda m: muon(nn.Linear(2, 3)), "use adamw"),
     (lambda m: adamw(m.requires_grad_(False)), "nothing in this model")],
)  # fmt: skip
def test_optimizers_without_sense_are_refused(build, said):
    with pytest.raises(ValueError, match=said):
        build(whole_vit())


@pytest.mark.parametrize("build", [lambda m: adamw(m, 3e-3), muon], ids=["adamw", "muon"])
def test_both_learn(build):
    torch.manual_seed(0)
    model = ViT(ViTConfig(size=(4, 6), patch=2, channels=1, width=12, depth=2, heads=3), head=nn.Linear(12, 3))
    labels = torch.arange(30) % 3
    images = torch.randn(30, 1, 4, 6, generator=torch.Generator().manual_seed(1))
    told = run(model, Shuffled(images, labels, batch=10, seed=0), steps=120, every=10, optimizer=build(model))
    assert told.losses[-1] < 0.3 < 0.9 < told.losses[0]


# What is refused


@pytest.mark.parametrize(
    "options, said",
    [({"steps": 0}, "steps .* got 0"), ({"steps": 2.0}, "steps .* got 2.0"), ({"warmup": 20}, "got 20"),
     ({"clip": 0}, "clip .* got 0"), ({"clip": -1.0}, "got -1.0"), ({"accumulate": 0}, "accumulate .* got 0"),
     ({"every": 0}, "every .* got 0"), ({"checkpoint_every": -3}, "checkpoint_every .* got -3"),
     ({"optimizer": ()}, "adamw"),
     ({"precision": "fp16"}, "fp16"), ({"on_report": lambda step, model: 3.0}, "a dict of numbers")],
)  # fmt: skip
def test_numbers_without_sense_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        run(linear(), Shuffled(*data(), batch=8, seed=1), **options)


def test_batches_that_end_are_refused_with_the_step():
    batches = Shuffled(*data(), batch=8, seed=1)
    with pytest.raises(ValueError, match="ran out in step 4"):
        run(linear(), [next(batches) for _ in range(3)])


def poisoned(step, picture, value=math.nan):
    for number, (images, labels) in enumerate(Shuffled(*data(), batch=8, seed=1), start=1):
        if number == step:
            images[picture, 1, 2, 3] = value
        yield images, labels


def test_nan_in_a_batch_is_named_and_reaches_no_weight():
    model, clean = linear(), linear()
    with pytest.raises(ValueError, match="picture 6 of the batch of step 4 holds NaN"):
        run(model, poisoned(4, 6))
    assert all(weight.isfinite().all() for weight in model.parameters())
    with pytest.raises(ValueError, match="picture 2 of the batch of step 2, part 1 of it holds an infinite value"):
        run(clean, poisoned(4, 2, math.inf), accumulate=2)


def test_without_the_check_one_pixel_spoils_every_weight():
    model = linear()
    images, labels = next(poisoned(1, 6))
    classify(model, images, labels).backward()
    assert model[3].weight.grad.isnan().all()


def test_a_loss_that_explodes_is_told_with_its_rate_and_the_weights_stay():
    model, kept, count = linear(), [], [0]

    def loss(model, *batch):
        count[0] += 1
        kept[:] = [weight.detach().clone() for weight in model.parameters()]
        return classify(model, *batch) * (math.inf if count[0] == 3 else 1)

    with pytest.raises(ValueError, match=r"the loss is inf in step 3, at a learning rate of 7\.50e-03; .*a third"):
        run(model, Shuffled(*data(), batch=8, seed=1), loss, warmup=0)
    assert all(torch.equal(a, b) for a, b in zip(kept, model.parameters(), strict=True))


def test_a_gradient_that_explodes_is_told_too():
    model = linear()

    def loss(model, *batch):
        return (
            classify(model, *batch) + (model[3].bias - model[3].bias.detach()).abs().sum().sqrt()
        )  # slope at 0: infinite

    for clip in (1.0, None):
        with pytest.raises(ValueError, match=r"the gradient's length is (nan|inf) in step 1"):
            run(model, Shuffled(*data(), batch=8, seed=1), loss, clip=clip)


def test_losses_that_are_no_number_are_refused():
    model = linear()
    with pytest.raises(ValueError, match=r"shape \(8, 4\)"):
        run(model, Shuffled(*data(), batch=8, seed=1), lambda model, images, labels: model(images))
    with pytest.raises(ValueError, match="no weight that learns"):
        check_loss(classify(model, *data()).detach())
    with pytest.raises(ValueError, match="float"):
        check_loss(0.5)


def test_classify_is_the_mean_cross_entropy_and_refuses_what_does_not_fit():
    model, (images, labels) = linear(), data()
    chosen = model(images).log_softmax(dim=1)[range(24), labels]
    assert torch.allclose(classify(model, images, labels), -chosen.mean())
    with pytest.raises(ValueError, match="label 3 is 4; this model's classes are 0 to 3"):
        classify(model, images, labels + 1)
    with pytest.raises(ValueError, match="int64"):
        classify(model, images, labels.double())
    with pytest.raises(ValueError, match="needs a head"):
        classify(nn.Identity(), images, labels)


# Stopping


def interrupting(at, count):
    def loss(model, *batch):
        count[0] += 1
        if count[0] == at:
            signal.raise_signal(signal.SIGINT)
        return classify(model, *batch)

    return loss


def test_ctrl_c_waits_for_the_step_and_hands_the_history_on():
    model, count = linear(), [0]
    with pytest.raises(Interrupted, match="stopped after step 4 of 6; nothing was written") as stopped:
        run(model, Shuffled(*data(), batch=8, seed=1), interrupting(4, count), every=1)
    assert stopped.value.history.steps == [1, 2, 3, 4] and count == [4]
    assert isinstance(stopped.value, KeyboardInterrupt), "a script stops as at any Ctrl-C"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_at_once():
    def loss(model, *batch):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

    with pytest.raises(Interrupted, match="stopped inside a step") as stopped:
        run(linear(), Shuffled(*data(), batch=8, seed=1), loss)
    assert stopped.value.history.steps == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_may_train():
    told = []
    worker = threading.Thread(target=lambda: told.append(run(linear(), Shuffled(*data(), batch=8, seed=1))))
    worker.start()
    worker.join()
    assert told[0].steps[-1] == 6


# The bar


def test_the_bar_says_loss_rate_and_time_left(capsys):
    bar = Progress(40, show=True)
    bar.start -= 10
    line = bar.line(10, 0.51234, 0.0123)
    assert "10/40" in line and "loss 0.5123" in line and "rate 1.23e-02" in line and "1.0 steps/s" in line
    assert line.endswith(("0:30 left", "0:29 left")) and line.count("█") == 5
    assert minutes(75.2) == "1:15" and minutes(3.9) == "0:03"
    bar.update(40, 0.1, 0.0)
    assert "40/40" in capsys.readouterr().err


def test_the_bar_rewrites_one_line_on_a_terminal(capsys, monkeypatch):
    bar = Progress(3)
    bar.terminal, bar.drawn = True, -math.inf
    monkeypatch.setattr("minivit.train.progress._PAUSE", 0)
    for step in (1, 2, 3):
        bar.update(step, 1.0, 0.1)
    bar.close()
    text = capsys.readouterr().err
    assert text.count("\r") == 3 and text.count("\n") == 1 and text.endswith("\n")


def test_no_bar_no_word(capsys):
    run(linear(), Shuffled(*data(), batch=8, seed=1), progress=False)
    run(linear(), Shuffled(*data(), batch=8, seed=1), progress=True)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("6/6") == 1
