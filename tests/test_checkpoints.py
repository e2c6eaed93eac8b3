"""The laws of checkpoints: a run that was stopped anywhere goes on to the same weights, bit for bit; nothing is ever
half there under its name; what belongs to another run is refused."""

import errno
import functools
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from killed_run import STEPS, Wavering, go, learnt, parts, wavering_loss
from torch import nn

from minivit.train import (
    History,
    Interrupted,
    Place,
    Shuffled,
    adamw,
    checkpoints,
    load_checkpoint,
    muon,
    save_checkpoint,
    train,
)  # fmt: skip
from minivit.train.randomness import random_states, restore_random

resource = pytest.importorskip("resource")  # the kills need fork, as Linux and macOS have it
SCRIPT = Path(__file__).with_name("killed_run.py")


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the run learns when nobody stops it, in a process of its own."""
    return killed(tmp_path_factory.mktemp("whole") / "run.safetensors", "end")[-1]


def killed(path, *plans):
    done = subprocess.run([sys.executable, SCRIPT, path, *plans], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def files(path):
    return sorted(os.listdir(path.parent))


# Killed


MOMENTS = ["loss", "before", "half", "written", "renamed"]


def plans(seed, count):
    """Random moments: inside a loss of the next 4 steps, or around a save; each attempt gains little, so all count."""
    draw = random.Random(seed)
    chosen = [*MOMENTS, *draw.choices(MOMENTS, k=count)]
    draw.shuffle(chosen)
    return [f"{moment}:{draw.randint(1, 4) if moment == 'loss' else 1}" for moment in chosen[:count]]


def check_killed(path, planned, uninterrupted):
    *deaths, end = killed(path, *planned, "end")
    assert [death["plan"] for death in deaths if not death["killed"]] == [], "each plan really killed its child"
    for death in deaths:
        assert set(death["files"]) - {"run.safetensors"} == {name for name in death["files"] if ".partial" in name}
    assert end == uninterrupted
    assert files(path) == ["run.safetensors"], "what the killed saves left behind is cleared away"


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(tmp_path, uninterrupted):
    # Saves come after steps 2, 4, ... The eight children begin after steps 0, 0, 0, 0, 2, 2, 4 and 6.
    check_killed(
        tmp_path / "run.safetensors",
        ["loss:1", "half:1", "before:1", "loss:4", "written:1", "half:2", "renamed:1", "loss:2"],
        uninterrupted,
    )


@pytest.mark.full
@pytest.mark.parametrize("seed", range(12))
def test_a_run_killed_at_random_moments_ends_with_the_same_weights(tmp_path, uninterrupted, seed):
    # `renamed` and a late `loss` gain a save each; five such deaths still leave steps to go.
    planned, gained = [], 0
    for plan in plans(seed, 8):
        gains = plan.startswith("renamed") + (plan in ("loss:3", "loss:4"))
        if gained + gains <= 4:
            planned, gained = [*planned, plan], gained + gains
    check_killed(tmp_path / "run.safetensors", planned, uninterrupted)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_from_outside_ends_with_the_same_weights(tmp_path, uninterrupted, seed):
    draw = random.Random(seed)
    planned = [f"after:{draw.randint(5, 50)}" for _ in range(6)]
    *deaths, end = killed(tmp_path / "run.safetensors", *planned, "end")
    assert sum(death["killed"] for death in deaths) >= 3 and end == uninterrupted


@pytest.mark.slow
def test_a_resumed_run_that_forgets_one_thing_ends_elsewhere(tmp_path, monkeypatch, uninterrupted):
    """Every part of the state matters: without any one of them the run ends with other weights."""

    def forgetful(name, monkeypatch):
        if name == "random":
            monkeypatch.setattr(checkpoints, "restore_random", lambda *state: None)
        elif name == "optimizer":
            monkeypatch.setattr(checkpoints, "_restore_optimizer", lambda *state: None)
        elif name == "place in the data":
            monkeypatch.setattr(Shuffled, "restore", lambda self, state: None)
        elif name == "buffers":
            monkeypatch.setattr(checkpoints, "weights_of", lambda model: dict(model.named_parameters()))

    stopped = tmp_path / "stopped" / "run.safetensors"
    stopped.parent.mkdir()
    killed(stopped, "loss:7")
    for name in ("nothing", "random", "optimizer", "place in the data", "buffers"):
        path = tmp_path / f"{name}.safetensors"
        shutil.copy(stopped, path)
        with monkeypatch.context() as patch:
            forgetful(name, patch)
            same = learnt(*go(path)) == uninterrupted
        assert same == (name == "nothing"), name


# Stopped


@pytest.mark.parametrize("at", [1, 5, 11])
def test_ctrl_c_saves_and_the_same_call_goes_on(tmp_path, at):
    path, count = tmp_path / "new" / "folder" / "run.safetensors", [0]

    @functools.wraps(wavering_loss)
    def loss(model, *batch):
        count[0] += 1
        if count[0] == at:
            signal.raise_signal(signal.SIGINT)
        return wavering_loss(model, *batch)

    with pytest.raises(Interrupted, match=f"stopped after step {at} of {STEPS}; the same call goes on from"):
        go(path, loss)
    assert files(path) == ["run.safetensors"]
    resumed = learnt(*go(path, loss))
    assert count[0] == STEPS, "no step was done twice"
    count[0] = STEPS
    whole = learnt(*go(tmp_path / "whole.safetensors", loss))
    assert resumed == whole


def test_a_finished_run_is_read_not_repeated(tmp_path):
    path = tmp_path / "run.safetensors"
    first = learnt(*go(path))
    before = path.read_bytes()
    assert learnt(*go(path, checkpoint_every=1)) == first and path.read_bytes() == before


@pytest.mark.parametrize("build", [lambda m: torch.optim.SGD(m.parameters(), 0.1), adamw], ids=["sgd", "adamw"])
def test_other_optimizers_go_on_too(tmp_path, build):
    def once(path, stop):
        model, _, batches = parts()
        calls = [0]

        def loss(model, *batch):
            calls[0] += 1
            if calls[0] == stop:
                signal.raise_signal(signal.SIGINT)
            return wavering_loss(model, *batch)

        options = {"steps": 6, "optimizer": build(model), "checkpoint": path, "precision": "fp32", "progress": False}
        return learnt(model, train(model, batches, loss, **options))

    whole = once(tmp_path / "whole.safetensors", None)
    with pytest.raises(Interrupted):
        once(tmp_path / "run.safetensors", 3)
    assert once(tmp_path / "run.safetensors", None) == whole


# The file


def test_one_safetensors_file_and_nothing_pickled(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("pickled")

    for module, names in (
        (torch, ("save", "load")),
        (pickle, ("dump", "dumps", "load", "loads", "Pickler", "Unpickler")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, refuse)
    path = tmp_path / "run.safetensors"
    go(path, steps=4)
    go(path, steps=4)
    assert files(path) == ["run.safetensors"]
    with safetensors.safe_open(path, framework="pt") as file:
        header, names = json.loads(file.metadata()["minivit"]), set(file.keys())
    assert header["step"] == 4 and header["data"]["taken"] == 4 and header["recipe"]["steps"] == 4
    assert {"random/torch", "random/numpy", "random/python", "model/norm.running_mean", "model/vit.prefix"} <= names
    assert "optimizer/0/vit.encoder.blocks.0.mlp.up.weight/momentum_buffer" in names
    assert "optimizer/1/vit.head.weight/exp_avg_sq" in names


def test_every_random_state_comes_back():
    def draw():
        return [torch.rand(2).tolist(), np.random.randn(3).tolist(), random.gauss(0, 1), random.random()]

    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    random.gauss(0, 1), np.random.randn()  # both now keep a second number for the next call
    tensors, words = random_states()
    words = json.loads(json.dumps(words))
    first = draw()
    assert draw() != first
    restore_random(tensors, words)
    assert draw() == first


def test_leftovers_are_never_read_and_are_cleared(tmp_path):
    path, other = tmp_path / "run.safetensors", tmp_path / ".other.safetensors.7.partial"
    (tmp_path / ".run.safetensors.123.partial").write_bytes(b"half of a checkpoint")
    other.write_bytes(b"another run's")
    go(path, steps=2)
    assert files(path) == [other.name, "run.safetensors"]


@pytest.mark.parametrize("content", [b"", b"PK not a checkpoint", b"\xff" * 64], ids=["empty", "words", "ones"])
def test_a_file_that_is_no_checkpoint_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "run.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a safetensors file"):
        go(path)
    assert path.read_bytes() == content


def test_half_a_checkpoint_and_other_weights_are_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    go(path, steps=2)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        go(path, steps=2)
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(3)}))
    with pytest.raises(ValueError, match="is not a minivit checkpoint"):
        go(path, steps=2)
    with pytest.raises(ValueError, match="is a folder"):
        go(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors", *parts())


# The disk is full


def last_step(path):
    with safetensors.safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["minivit"])["step"]


def check_full(path, before, model, step):
    """The old checkpoint stands, nothing else does, the weights are there, and can be saved once there is room."""
    assert files(path) == ["run.safetensors"] and path.read_bytes() == before and last_step(path) == 2
    assert all(weight.isfinite().all() for weight in model.parameters())


def filling(limit):
    """A loss after whose third call no file may grow beyond `limit` bytes."""
    calls, held = [0], []

    @functools.wraps(wavering_loss)
    def loss(model, *batch):
        calls[0] += 1
        held[:] = [model]
        if calls[0] == 3:
            limit()
        return wavering_loss(model, *batch)

    return loss, held


def test_a_full_disk_is_one_clear_error_and_costs_nothing(tmp_path, monkeypatch):
    path, before = tmp_path / "run.safetensors", []

    class Full:
        def __init__(self, name, mode):
            self.file = open(name, mode)  # noqa: SIM115 (closed in __exit__)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fill():
        before.append(path.read_bytes())
        monkeypatch.setattr(checkpoints, "open", Full, raising=False)

    loss, held = filling(fill)
    with pytest.raises(OSError, match=r"of step 4 .* No space left on device\. .* save_checkpoint") as error:
        go(path, loss)
    assert error.value.errno == errno.ENOSPC and error.value.filename == str(path)
    check_full(path, before[0], held[0], 4)

    monkeypatch.undo()
    batches = parts()[2]
    save_checkpoint(path, held[0], [adamw(held[0])], batches, Place(4, History([], [], [], [], []), []))
    assert last_step(path) == 4


def test_a_limit_on_file_sizes_is_met_alike(tmp_path):
    path, before = tmp_path / "run.safetensors", []
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit():
        before.append(path.read_bytes())
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before[0]) // 2, hard))

    loss, held = filling(limit)
    try:
        with pytest.raises(OSError, match="the checkpoint of step 4") as error:
            go(path, loss)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.errno == errno.EFBIG
    check_full(path, before[0], held[0], 4)
    assert learnt(*go(path, loss)) == learnt(*go(tmp_path / "whole.safetensors", loss)), "with room again it goes on"


def test_the_wrong_twin_that_writes_under_the_final_name_loses_the_old_one(tmp_path):
    path = tmp_path / "run.safetensors"
    go(path, steps=2)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        load_checkpoint(path, *parts())


# Another run


def other_model(change):
    model, _, batches = parts()
    return change(model) or model, batches


def wider(model):
    model.vit.head = nn.Linear(12, 4)


def unscaled(model):
    model.norm.eps = 0.5


def longer(model):
    model.vit.encoder.blocks.append(model.vit.encoder.blocks[0])


@pytest.mark.parametrize(
    "change, said",
    [(wider, r"vit.head.weight was \(3, 12\) torch.float32, is \(4, 12\)"),
     (unscaled, r"eps=1e-05.*, is \(norm\): BatchNorm2d.*eps=0.5"),
     (longer, r"parts was \(0-1\): 2 x Block\(, is \(0-2\): 3 x Block"),
     (lambda m: m.double(), r"\(1,\) torch.float32, is \(1,\) torch.float64")],
)  # fmt: skip
def test_another_model_is_refused_before_anything_moves(tmp_path, change, said):
    path = tmp_path / "run.safetensors"
    go(path, steps=2)
    model, batches = other_model(change)
    before = [weight.detach().clone() for weight in model.parameters()]
    with pytest.raises(ValueError, match="belongs to another run: .*" + said):
        options = {"steps": 2, "optimizer": muon(model), "checkpoint": path, "precision": "fp32", "progress": False}
        train(model, batches, wavering_loss, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)) and batches.taken == 0


def another_loss(model, *batch):
    return wavering_loss(model, *batch) * 2


@pytest.mark.parametrize(
    "other, said",
    [({"steps": 4}, "steps was 2, is 4"), ({"warmup": 0.2}, "warmup was 0.05, is 0.2"),
     ({"clip": None}, "clip was 1.0, is None"),
     ({"accumulate": 2}, "accumulate was 1, is 2"),
     ({"loss": another_loss}, "loss was wavering_loss, is another_loss")],
)  # fmt: skip
def test_another_recipe_is_refused_with_what_differs(tmp_path, other, said):
    path = tmp_path / "run.safetensors"
    go(path, steps=2)
    with pytest.raises(ValueError, match=said + ".*another path, or delete the file"):
        go(path, **{"steps": 2} | other)


@pytest.mark.parametrize(
    "build, said",
    [(lambda m: adamw(m), "optimizer: was 2 entries, is 1 entries"),
     (lambda m: torch.optim.SGD(m.parameters(), 0.1), "2 entries, is 1"), ("lr", "rates was 0.02, is 0.03"),
     ("decay", "weight_decay was 0.05, is 0.3")],
)  # fmt: skip
def test_another_optimizer_is_refused_with_what_differs(tmp_path, build, said):
    path = tmp_path / "run.safetensors"
    go(path, steps=2)
    model, _, batches = parts()
    named = {"lr": lambda m: muon(m, lr=0.03), "decay": lambda m: muon(m, weight_decay=0.3)}
    solver = named[build](model) if isinstance(build, str) else build(model)
    options = {"steps": 2, "checkpoint": path, "precision": "fp32", "progress": False}
    with pytest.raises(ValueError, match=said):
        train(model, batches, wavering_loss, optimizer=solver, **options)


def test_batches_without_a_place_and_weights_without_a_name_are_refused(tmp_path):
    model, optimizers, batches = parts()
    options = {"steps": 2, "checkpoint": tmp_path / "run.safetensors", "precision": "fp32", "progress": False}
    with pytest.raises(ValueError, match="pass Shuffled"):
        train(model, (batch for batch in batches), wavering_loss, optimizer=optimizers, **options)
    stranger = torch.optim.SGD([*model.parameters(), nn.Parameter(torch.zeros(()))], 0.1)
    with pytest.raises(ValueError, match="1 weights that are not the model's"):
        train(model, batches, wavering_loss, optimizer=stranger, **options)


@pytest.mark.gpu
def test_a_run_on_a_gpu_goes_on_from_its_checkpoint(tmp_path):
    def once(path, stop=None):
        model, _, batches = parts()
        calls = [0]

        def loss(model, *batch):
            calls[0] += 1
            if calls[0] == stop:
                signal.raise_signal(signal.SIGINT)
            return wavering_loss(model, *batch)

        options = {"steps": 6, "checkpoint": path, "precision": "fp32", "progress": False}
        train(model, batches, loss, optimizer=adamw(model.cuda()), **options)
        return torch.cat([weight.detach().flatten().cpu() for weight in model.parameters()])

    whole = once(tmp_path / "whole.safetensors")
    with pytest.raises(Interrupted):
        once(tmp_path / "run.safetensors", 3)
    assert torch.allclose(once(tmp_path / "run.safetensors"), whole, atol=1e-5)


def test_the_model_of_these_tests_wavers():
    """Dropped paths, random shifts and counted buffers: without them the tests above would prove little."""
    model, _, batches = parts()
    assert isinstance(model, Wavering) and model.norm.running_mean is not None
    batch = next(batches)
    assert wavering_loss(model, *batch) != wavering_loss(model, *batch)
