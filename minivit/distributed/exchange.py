"""What processes exchange: rows gathered, or passed round a ring, with gradients that find their way back.

Legend: W processes, n rows of this one and N of all together, E shared embedding width. What one process holds is a
block, (n, E); processes may hold different numbers of rows.

Sources: Radford et al. 2021, section 2.5 (each process computes its own rows); Zhai et al. 2023, section 3.3 (a ring).
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist
from torch.autograd.function import once_differentiable


class Lost(ConnectionError):
    """Another process is gone, or was silent for longer than the group's timeout."""


class Message(NamedTuple):
    """One block or one block's gradient on its way."""

    kind: str  # "block" or "gradient"
    source: int
    target: int
    owner: int  # whose rows these are
    bytes: int


@dataclass
class Traffic:
    """What one process sent, and how many remote blocks it held at a time. Pass one in to have it counted."""

    messages: list[Message] = field(default_factory=list)
    live: Counter = field(default_factory=Counter)  # remote blocks in memory now, by the way they came
    peak: Counter = field(default_factory=Counter)  # the most there ever were

    @property
    def sent(self) -> int:
        """Bytes sent, blocks and gradients."""
        return sum(message.bytes for message in self.messages)

    def room(self, rows: int, like: Tensor, way: str) -> Tensor:
        """-> an empty (rows, ...) block, counted as live until nothing refers to it."""
        block = like.new_empty(rows, *like.shape[1:])
        self.live[way] += 1
        self.peak[way] = max(self.peak[way], self.live[way])
        weakref.finalize(block, self.live.subtract, [way])
        return block


def place() -> tuple[int, int]:
    """-> (this process, W): (0, 1) where no process group is running."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def agree(check: Callable[[], tuple[int, ...]], names: tuple[str, ...], device: torch.device) -> list[int]:
    """`check()` gives this process's rows and what must be the same for all -> the rows of every process.

    Raises ValueError in every process if one refuses its rows or two disagree, so that none waits for an answer that
    never comes.
    """
    refusal, numbers = None, (0,) * len(names)
    try:
        numbers = check()
    except ValueError as error:
        refusal = error
    rank, count = place()
    if count > 1:
        mine = torch.tensor([refusal is not None, *numbers], device=device)
        everyone = [torch.empty_like(mine) for _ in range(count)]
        with _hearing("all others"):
            dist.all_gather(everyone, mine)
        told = [one.tolist() for one in everyone]
    else:
        told = [[refusal is not None, *numbers]]
    if refusal is not None:
        raise refusal
    refused = [other for other, (no, *_) in enumerate(told) if no]
    if refused:
        raise ValueError(f"process {refused[0]} of {count} refused its rows, so process {rank} stops too")
    for i, name in enumerate(names[1:], start=2):
        for other, theirs in enumerate(told):
            if theirs[i] != told[0][i]:
                raise ValueError(
                    f"all processes must bring the same {name}: process 0 has {told[0][i]} and {other} {theirs[i]}"
                )
    return [theirs[1] for theirs in told]


def total(value: Tensor) -> Tensor:
    """() -> (): the sum over all processes, without gradient."""
    value = value.detach().clone()
    if place()[1] > 1:
        with _hearing("all others"):
            dist.all_reduce(value)
    return value


def gather(block: Tensor, sizes: list[int], traffic: Traffic | None = None) -> Tensor:
    """(n, E) -> (N, E): the rows of all processes in their order. `sizes` are their numbers of rows, from `agree`.

    Backward sends each process the gradient of its rows and adds up what comes back.
    """
    return _Gather.apply(block, sizes, Traffic() if traffic is None else traffic)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, block: Tensor, sizes: list[int], traffic: Traffic) -> Tensor:
        ctx.sizes, ctx.traffic = sizes, traffic
        rank, count = place()
        blocks = {rank: block}
        for step in range(1, count):
            before, after = (rank - step) % count, (rank + step) % count
            room = traffic.room(sizes[before], block, "gathered")
            _Flight(traffic, "block", rank, block.contiguous(), after, room, before).landed()
            blocks[before] = room
        return torch.cat([blocks[i] for i in range(count)])

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        rank, count = place()
        parts = gradient.split(ctx.sizes)
        mine = parts[rank].clone()
        for step in range(1, count):
            before, after = (rank - step) % count, (rank + step) % count
            room = torch.empty_like(mine)
            _Flight(ctx.traffic, "gradient", after, parts[after].contiguous(), after, room, before).landed()
            mine += room
        return mine, None, None


class Visitor(NamedTuple):
    """A block on its way round the ring, as one process sees it."""

    block: Tensor  # (n of its owner, E)
    owner: int
    way: str  # "own", "from the left" or "from the right"


def visitors(own: Tensor, sizes: list[int], traffic: Traffic) -> Iterator[Visitor]:
    """(n, E) -> every process's block in turn, this one's first, then the neighbours', then those beyond them.

    Blocks travel both ways round, each half of the way, and go on to the next process while this one computes. So of
    each way there are at most two blocks here: the visitor, and the room for the next. Drop a visitor before asking
    for the next one.
    """
    rank, count = place()
    own = own.contiguous()
    ways = {"from the left": 1, "from the right": -1}
    hops = {"from the left": count // 2, "from the right": (count - 1) // 2}
    flying = {way: _onward(own, rank, way, ways[way], sizes, traffic) for way in ways if hops[way]}
    yield Visitor(own, rank, "own")
    for hop in range(1, count // 2 + 1):
        for way in [way for way in ways if hop <= hops[way]]:
            block, owner = flying.pop(way).landed(), (rank - ways[way] * hop) % count
            if hop < hops[way]:
                flying[way] = _onward(block, owner, way, ways[way], sizes, traffic)
            yield Visitor(block, owner, way)
            del block


def _onward(block: Tensor, owner: int, way: str, step: int, sizes: list[int], traffic: Traffic) -> "_Flight":
    """Send a block one process on, and take in the one that comes behind it."""
    rank, count = place()
    room = traffic.room(sizes[(owner - step) % count], block, way)
    return _Flight(traffic, "block", owner, block, (rank + step) % count, room, (rank - step) % count)


def home(visitor: Visitor, gradient: Tensor, own: Tensor, traffic: Traffic) -> Tensor:
    """(n of the owner, E) goes to the visitor's owner; -> (n, E), the gradient of this process's block from wherever
    that is visiting now. Every process must call it for every visitor.
    """
    rank, count = place()
    if visitor.owner == rank:
        return gradient
    holder = (2 * rank - visitor.owner) % count  # as far from here as here is from the visitor's home
    room = traffic.room(len(own), own, "gradient")
    return _Flight(traffic, "gradient", visitor.owner, gradient, visitor.owner, room, holder).landed()


class _Flight:
    """One message sent and one awaited, both under way until `landed`."""

    def __init__(
        self, traffic: Traffic, kind: str, owner: int, block: Tensor, target: int, room: Tensor, source: int
    ):  # fmt: skip
        self.room, self.peers = room, f"{source} and {target}"
        traffic.messages.append(Message(kind, place()[0], target, owner, block.numel() * block.element_size()))
        with _hearing(self.peers):
            ops = [dist.P2POp(dist.isend, block, target), dist.P2POp(dist.irecv, room, source)]
            self.works = dist.batch_isend_irecv(ops)

    def landed(self) -> Tensor:
        with _hearing(self.peers):
            for work in self.works:
                work.wait()
        return self.room


@contextmanager
def _hearing(peers: str) -> Iterator[None]:
    """What the network says when a process is gone, in words."""
    try:
        yield
    except RuntimeError as error:
        rank, count = place()
        raise Lost(
            f"process {rank} of {count} waited for {peers} in vain: one of the processes is gone or hangs; its own "
            f"message says why. The network says: {str(error).strip().splitlines()[0]}"
        ) from error
