"""Processes of this machine that work together, and end together when one of them fails.

Legend: W processes, N rows of all together, E shared embedding width.
"""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import torch
from torch import Tensor, multiprocessing
from torch import distributed as dist

from minivit.distributed.exchange import Lost, Traffic, place
from minivit.patches import _whole


def run(function: Callable, processes: int, *arguments: Any, timeout: float = 120.0) -> list:
    """`function(*arguments)` in so many new processes that can talk to each other -> what each returned, in order.

    The function must be importable, as those in minivit are: a process begins as a fresh Python, so that one defined in
    a notebook cell does not exist there. The processes meet over a file and talk over this machine's own network.

    Raises RuntimeError if one of them fails or dies, with what each said, seconds after it happened; TimeoutError if
    they have not finished after `timeout` seconds. No process outlives the call.
    """
    _whole(processes, "processes", "processes")
    if not timeout > 0:
        raise ValueError(f"timeout is in seconds, above 0; got {timeout!r}")
    context, until = multiprocessing.get_context("spawn"), time.monotonic() + timeout
    children, pipes = [], []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for rank in range(processes):
                ours, theirs = context.Pipe()
                setting = (rank, processes, os.path.join(folder, "meeting"), timeout)
                child = context.Process(target=_child, args=(theirs, setting, function, arguments), daemon=True)
                child.start()
                theirs.close()
                children.append(child)
                pipes.append(ours)
            return _collected(children, pipes, until, timeout)
        finally:
            for child in children:
                child.kill()
                child.join()
                child.close()
            for pipe in pipes:
                pipe.close()


PATIENCE = 3.0  # seconds that the others have to tell their side once one has failed


def _collected(children: list, pipes: list[Connection], until: float, timeout: float) -> list:
    """What every child returned, or the error that tells what happened."""
    told: dict[int, tuple[str, Any]] = {}
    failed = False
    while len(told) < len(children):
        waiting = [pipe for rank, pipe in enumerate(pipes) if rank not in told]
        if not (ready := wait(waiting, max(0.0, until - time.monotonic()))):
            break
        for pipe in ready:
            rank = pipes.index(pipe)
            try:
                told[rank] = pipe.recv()
            except (EOFError, OSError):
                children[rank].join(PATIENCE)
                told[rank] = ("died", f"died with exit code {children[rank].exitcode}")
            if told[rank][0] != "returned" and not failed:
                failed, until = True, min(until, time.monotonic() + PATIENCE)
    if failed:
        # who merely lost another comes last: the first line is the cause
        order = {"died": 0, "raised": 1, "lost": 2}
        words = sorted((order[kind], rank, text) for rank, (kind, text) in told.items() if kind in order)
        lines = "\n".join(f"process {rank} of {len(children)} {text}" for _, rank, text in words)
        raise RuntimeError(f"{lines}\nthe other processes were ended")
    if len(told) < len(children):
        missing = sorted(set(range(len(children))) - set(told))
        raise TimeoutError(
            f"processes {missing} of {len(children)} had not finished after {timeout:g} seconds and were ended; "
            f"pass a longer timeout if they only needed more time"
        )
    for pipe in pipes:
        pipe.send("taken")
    return [told[rank][1] for rank in range(len(children))]


def _child(pipe: Connection, setting: tuple, function: Callable, arguments: tuple) -> None:
    """The life of one process: meet the others, work, tell, and wait until the result was taken."""
    rank, processes, meeting, timeout = setting
    if sys.platform != "win32":  # a machine's own name may lead nowhere
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
    try:
        dist.init_process_group(
            "gloo", f"file://{meeting}", rank=rank, world_size=processes, timeout=timedelta(seconds=timeout)
        )
        pipe.send(("returned", function(*arguments)))
        pipe.recv()  # tensors are in shared memory, which lives as long as this process
        dist.destroy_process_group()
    except EOFError:
        pass  # the caller is gone
    except Lost as error:
        pipe.send(("lost", f"lost the others: {error}"))
    except BaseException as error:
        where = traceback.format_exc(limit=-3)
        pipe.send(("raised", f"raised {type(error).__name__}: {error}\n{where}"))


class Split(NamedTuple):
    """A loss over several processes, put together again."""

    values: tuple[float, ...]  # the loss as each process saw it
    gradients: tuple[Tensor, ...]  # by image (N, E), by text (N, E), by every number: the mean that DDP takes
    traffic: tuple[Traffic, ...]  # of each process


def split(
    loss: Callable, image: Tensor, text: Tensor, *numbers: float, sizes: tuple[int, ...], timeout: float = 120.0
) -> Split:
    """(N, E), (N, E) -> `loss(image, text, *numbers, traffic=...)` with so many rows in each of len(sizes) processes.

    `loss` is an importable function such as `siglip_loss_ring`. Raises ValueError if the sizes do not add up to N.
    """
    if sum(sizes) != len(image) or min(sizes, default=0) < 0:
        raise ValueError(f"the processes' rows {tuple(sizes)} must add up to the {len(image)} images")
    image, text = image.detach(), text.detach()
    return _together(run(_share, len(sizes), loss, image, text, numbers, tuple(sizes), timeout=timeout))


def _share(loss: Callable, image: Tensor, text: Tensor, numbers: tuple[float, ...], sizes: tuple[int, ...]) -> tuple:
    """What one process does of a `Split`."""
    rank, _ = place()
    rows = slice(sum(sizes[:rank]), sum(sizes[: rank + 1]))
    leaves = [image[rows].clone(), text[rows].clone(), *(image.new_tensor(float(number)) for number in numbers)]
    traffic = Traffic()
    value = loss(*(leaf.requires_grad_() for leaf in leaves), traffic=traffic)
    value.backward()
    return float(value.detach()), [leaf.grad for leaf in leaves], traffic


def _together(told: list[tuple]) -> Split:
    """What the processes found, each for its rows, as DDP puts it together: gradients are means over processes."""
    values, gradients, traffic = zip(*told, strict=True)
    image, text, *numbers = zip(*gradients, strict=True)
    by_row = [torch.cat(parts) / len(told) for parts in (image, text)]
    return Split(values, (*by_row, *(torch.stack(parts).mean() for parts in numbers)), traffic)
