"""What the tests run in several processes: losses, their wrong twins, and processes that fail in every way.

A new process imports this file, so it takes in nothing that is slow to import.
"""

import os
import signal
import time
from functools import partial

import torch
from torch import distributed as dist
from torch.nn import functional as F

from minivit.clip import clip_loss, clip_loss_gathered, mean_of_processes
from minivit.distributed import Message, Traffic, place, visitors
from minivit.distributed.processes import _share
from minivit.siglip import siglip_loss, siglip_loss_ring


def vectors(count, width, dtype=torch.float64, seed=0):
    """Images and texts, (count, width) each, of length 1."""
    drawn = torch.randn(2, count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=-1).to(dtype).unbind()


# Twins: losses that look right in every process, and are not


def local_blocks_only(image, text, scale, bias, traffic):
    return siglip_loss(image, text, scale, bias)


def divided_by_n_squared(image, text, scale, bias, traffic):
    return siglip_loss_ring(image, text, scale, bias, mean="pairs", traffic=traffic)


def without_the_way_home(image, text, scale, bias, traffic):
    """Texts of others are looked at, and their owners never hear of it."""
    count = place()[1]
    sizes = [len(image)] * count
    share = 0
    for visitor in visitors(text.detach(), sizes, traffic):
        own = visitor.way == "own"
        logits = scale * (image @ (text if own else visitor.block).T) + bias
        share = share + F.softplus(torch.where(torch.eye(len(image), dtype=bool) & own, -logits, logits)).sum()
    return mean_of_processes(share / sum(sizes))


def own_rows_only(image, text, scale, traffic):
    return clip_loss(image, text, scale)


def gathered_without_gradient(image, text, scale, traffic):
    rank, count = place()
    blocks = [[torch.empty_like(part) for _ in range(count)] for part in (image, text)]
    for room, part in zip(blocks, (image, text), strict=True):
        dist.all_gather(room, part.detach())
    images, texts = map(torch.cat, blocks)
    right = torch.arange(len(image)) + rank * len(image)
    losses = [F.cross_entropy(scale * (a @ b.T), right) for a, b in ((image, texts), (text, images))]
    return mean_of_processes(sum(losses) / 2 / count)


SIGMOID = {
    "ring": siglip_loss_ring,
    "ring, uneven last chunks": partial(siglip_loss_ring, chunk=2),
    "ring, mean over pairs": partial(siglip_loss_ring, mean="pairs", chunk=3),
}
SIGMOID_TWINS = {
    "local blocks only": local_blocks_only,
    "divided by N squared": divided_by_n_squared,
    "without the way home": without_the_way_home,
}
SOFTMAX = {"gathered": clip_loss_gathered}
SOFTMAX_TWINS = {"own rows only": own_rows_only, "gathered without gradient": gathered_without_gradient}


def several(cases):
    """Each (loss, image, text, numbers, sizes) in turn, in the same processes."""
    return [_share(*case) for case in cases]


# Processes that fail


def where_am_i(word):
    return word, dist.get_rank(), dist.get_world_size(), torch.full((2,), dist.get_rank())


def fails(rank, how):
    if dist.get_rank() == rank:
        if how == "raises":
            raise KeyError("no such panel")
        if how == "exits":
            os._exit(7)
        if how == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(1000)
    return dist.get_rank()


def returns_a_function():
    return lambda: None


class Doomed(Traffic):
    """Traffic whose process is gone once so many messages were sent."""

    def __init__(self, how, left):
        super().__init__()
        self.messages = Last(how, left)


class Last(list):
    def __init__(self, how, left):
        self.how, self.left = how, left

    def append(self, message: Message):
        super().append(message)
        if len(self) > self.left:
            fails(dist.get_rank(), self.how)


def ring_with_a_death(loss, rank, how, left):
    image, text = vectors(4, 6, seed=dist.get_rank())
    traffic = Doomed(how, left) if dist.get_rank() == rank else Traffic()
    numbers = (10.0, -3.0) if loss is siglip_loss_ring else (10.0,)
    value = loss(image.requires_grad_(), text.requires_grad_(), *numbers, traffic=traffic)
    value.backward()
    return value.item()


def bad_batches(loss, kinds):
    """Process 1 has something wrong with its rows, one thing after another; what does this process say to each?"""
    return {kind: said(loss, kind if dist.get_rank() == 1 else "") for kind in kinds}


def said(loss, kind):
    image, text = vectors(4, 5 if kind == "width" else 6)
    if kind == "NaN":
        image[2, 3] = torch.nan
    image.requires_grad_(kind != "no gradients")
    try:
        loss(image, text, *((10.0, -3.0) if loss is siglip_loss_ring else (10.0,)))
    except ValueError as error:
        return str(error)
    return None
