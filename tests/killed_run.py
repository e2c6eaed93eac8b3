"""A small run that uses every source of random numbers, and is killed: python tests/killed_run.py FILE PLAN...

Each plan runs in a child of its own, and each child begins as a fresh process would. Plans: `loss:N` kills it inside
its N-th loss, `before:N`, `half:N`, `written:N` and `renamed:N` while it saves for the N-th time, `after:MS` from
outside so many milliseconds after its first loss, and `end` lets it finish and print what it learnt.
"""

import builtins
import functools
import hashlib
import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from torch import nn

from minivit.train import Shuffled, checkpoints, classify, muon, train
from minivit.train.recipe import weights_of
from minivit.vit import ViT, ViTConfig

STEPS = 12


class Wavering(nn.Module):
    """A ViT with drop path, and a stem that counts what it has seen: random numbers and buffers both matter."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        config = ViTConfig(size=(4, 6), patch=2, channels=1, width=12, depth=2, heads=3, drop_path=0.3)
        self.vit = ViT(config, head=nn.Linear(12, 3))

    def forward(self, images):
        return self.vit(self.norm(images))


def wavering_loss(model, images, labels):
    """Cross-entropy of pictures that numpy and Python have disturbed."""
    return classify(model, images + 0.1 * np.random.randn() + 0.1 * random.gauss(0, 1), labels)


def noise(generator, images):
    return images + 0.1 * torch.randn(images.shape, generator=generator)


def parts():
    """(model, optimizers, batches), the same in every process."""
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    model = Wavering()
    images = torch.randn(30, 1, 4, 6, generator=torch.Generator().manual_seed(1))
    return model, muon(model), Shuffled(images, torch.arange(30) % 3, batch=8, seed=0, augment=noise)


def go(path, loss=wavering_loss, **options):
    """Train from nothing, or from the checkpoint -> (model, history)."""
    model, optimizers, batches = parts()
    settings = {"steps": STEPS, "optimizer": optimizers, "checkpoint": path, "checkpoint_every": 2, "every": 3}
    return model, train(model, batches, loss, progress=False, precision="fp32", **settings | options)


def learnt(model, history):
    """All weights and buffers as one digest, and the history but for its seconds."""
    digest = hashlib.sha256()
    for name, value in sorted(weights_of(model).items()):
        digest.update(name.encode() + value.detach().numpy().tobytes())
    return {"digest": digest.hexdigest(), "steps": history.steps, "losses": history.losses, "rates": history.rates}


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def dying(plan, begun):
    """Arrange the death that the plan asks for -> the loss to train with."""
    moment, _, number = plan.partition(":")
    number = int(number or 0)
    calls = {"loss": 0, "save": 0}

    @functools.wraps(wavering_loss)
    def loss(model, *batch):
        calls["loss"] += 1
        if moment == "after":
            os.write(begun, b".")
            time.sleep(0.01)
        if moment == "loss" and calls["loss"] == number:
            die()
        return wavering_loss(model, *batch)

    def opened(name, mode):
        calls["save"] += 1
        file = builtins.open(name, mode, buffering=0)  # noqa: SIM115 (the caller closes it)
        if calls["save"] != number or moment not in ("before", "half", "written", "renamed"):
            return file
        if moment == "before":
            die()
        if moment == "half":
            return HalfWritten(file)
        name = {"written": "fsync", "renamed": "replace"}[moment]
        real = getattr(os, name)
        setattr(os, name, lambda *arguments: (real(*arguments), die()))
        return file

    checkpoints.open = opened
    return loss


class HalfWritten:
    """A file that takes half of what it is given, and then the process is gone."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        os.fsync(self.file.fileno())
        die()


def child(plan, path, begun):
    try:
        model, history = go(path, dying(plan, begun))
        if plan == "end":
            print(json.dumps(learnt(model, history)), flush=True)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def main(path, plans):
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    parts()  # what torch imports at the first optimizer is imported once, not in every child
    for plan in plans:
        heard, begun = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(plan, Path(path), begun)
        os.close(begun)
        if plan.startswith("after:"):
            os.read(heard, 1)  # the first loss, or the end
            time.sleep(int(plan.partition(":")[2]) / 1000)
            os.kill(pid, signal.SIGKILL)
        os.close(heard)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if plan != "end":
            files = sorted(os.listdir(Path(path).parent))
            print(json.dumps({"plan": plan, "killed": killed, "files": files}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
