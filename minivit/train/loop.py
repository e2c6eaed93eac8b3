"""The loop: draw a batch, measure the loss, follow its gradient a little way. Every lesson trains with this one.

What is learnt is the loss: a function of the model and a batch. What a batch holds is between the two.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from minivit.train.checkpoints import Place, clear_leftovers, load_checkpoint, save_checkpoint
from minivit.train.finite import refuse_explosion, refuse_not_finite
from minivit.train.history import History
from minivit.train.interruption import Deferred, Interrupted, history_kept
from minivit.train.losses import Loss, check_loss
from minivit.train.modes import mode
from minivit.train.numerics import Precision
from minivit.train.numerics import precision as computing
from minivit.train.order import Resumable
from minivit.train.progress import Progress
from minivit.train.schedule import cosine, warmup_steps


def train(
    model: nn.Module,
    batches: Iterable,
    loss: Loss,
    *,
    steps: int,
    optimizer: Optimizer | Sequence[Optimizer],
    warmup: float = 0.05,
    clip: float | None = 1.0,
    accumulate: int = 1,
    precision: str = "auto",
    device: torch.device | str | None = None,
    progress: bool = True,
    every: int | None = None,
    on_report: Callable[[int, nn.Module], dict | None] | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int | None = None,
) -> History:
    """Train `model` in place for `steps` steps -> what happened on the way.

    `batches` are tuples of tensors, drawn without end; `loss(model, *batch)` is a mean, a tensor of no axes.
    `optimizer` is one or several; their rates are multiplied by `cosine` with `warmup`, a share of the steps, and are
    put back at the end. Gradients longer than `clip` are shortened to it, all weights taken together; None leaves them.
    A step follows the mean gradient of `accumulate` batches. `precision` is as in `precision()`. Without `device` the
    model trains where it is.

    Every `every` steps (by default about 50 times in all) the history grows by one entry, with what
    `on_report(step, model)` returns, a dict of numbers; the model is in evaluation mode there, and nothing is autocast.

    With `checkpoint`, a file name, all that the run needs to go on is written there every `checkpoint_every` steps (by
    default ten times in all), at the end, and at Ctrl-C. The same call goes on from that file, on a CPU to the same
    weights bit for bit; what random numbers `on_report` draws is part of the run.

    Raises ValueError for numbers that make no sense, for NaN or infinity in a batch, a loss or a gradient (the weights
    are then as the last good step left them), and for a checkpoint of another run; OSError if a checkpoint cannot be
    written; `Interrupted`, with the history so far, at Ctrl-C, which waits for the step to end (a second one does not).
    """
    optimizers = (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer)
    warmup_steps(steps, warmup)  # refuses nonsense
    every = max(1, steps // 50) if every is None else every
    checkpoint_every = max(1, steps // 10) if checkpoint_every is None else checkpoint_every
    _check(clip, accumulate, every, checkpoint_every, optimizers)
    device = torch.device(device) if device is not None else next(model.parameters()).device
    model.to(device)

    recipe = {"steps": steps, "warmup": warmup, "clip": clip, "accumulate": accumulate, "loss": _name(loss),
              "rates": [[float(group["lr"]) for group in one.param_groups] for one in optimizers]}  # fmt: skip
    place = Place(0, History([], [], [], [], []), [])
    if checkpoint is not None:
        place = _resumed(Path(checkpoint), model, optimizers, batches, recipe) or place
    step, history, pending = place
    start = time.monotonic() - (history.seconds[-1] if history.seconds else 0.0)

    endless = iter(batches)
    weights = [weight for one in optimizers for group in one.param_groups for weight in group["params"]]
    with ExitStack() as stack:
        used = stack.enter_context(computing(precision, device))
        stack.enter_context(mode(model, training=True))
        set_rates = stack.enter_context(_rates(optimizers))
        stack.enter_context(history_kept(history))
        stop = stack.enter_context(Deferred())
        bar = Progress(steps, step, progress)
        stack.callback(bar.close)

        while step < steps:
            set_rates(cosine(step, steps, warmup))
            for one in optimizers:
                one.zero_grad()
            value = _gradients(model, endless, loss, accumulate, used, step + 1)
            length = nn.utils.clip_grad_norm_(weights, math.inf if clip is None else clip)
            rate = optimizers[0].param_groups[0]["lr"]
            refuse_explosion(value, float(length), step + 1, rate)
            for one in optimizers:
                one.step()

            step += 1
            pending.append(value)
            bar.update(step, value, rate)
            if step % every == 0 or step == steps:
                with used.autocast(False), mode(model, training=False):  # what a report leaves must not change the run
                    _report(history, pending, step, rate, start, on_report, model)
            if checkpoint is not None and (step % checkpoint_every == 0 or step == steps or stop.asked):
                save_checkpoint(checkpoint, model, optimizers, batches, Place(step, history, pending), recipe)
            if stop.asked and step < steps:
                raise Interrupted(_farewell(step, steps, checkpoint), history)
    return history


def _gradients(model: nn.Module, batches: Iterator, loss: Loss, accumulate: int, used: Precision, step: int) -> float:
    """Add to every weight's gradient that of the mean loss over `accumulate` batches -> that mean."""
    total = 0.0
    for number in range(accumulate):
        batch = _drawn(batches, used.device, step, number)
        value = loss(model, *batch)
        check_loss(value)
        with used.autocast(False):  # backward repeats the types that forward chose
            (value / accumulate).backward()
        total += value.item() / accumulate
    return total


def _drawn(batches: Iterator, device: torch.device, step: int, number: int) -> tuple:
    """The next batch, looked through for NaN and put where the model is."""
    try:
        batch = next(batches)
    except StopIteration:
        raise ValueError(f"the batches ran out in step {step}: pass endless ones, for instance Shuffled") from None
    batch = batch if isinstance(batch, (tuple, list)) else (batch,)
    for part in batch:
        if isinstance(part, Tensor):
            refuse_not_finite(part, f"the batch of step {step}" + (f", part {number} of it" if number else ""))
    return tuple(part.to(device) if isinstance(part, Tensor) else part for part in batch)


def _report(
    history: History, pending: list[float], step: int, rate: float, start: float, on_report: Callable | None,
    model: nn.Module,
) -> None:  # fmt: skip
    found = on_report(step, model) if on_report is not None else None
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"on_report returns a dict of numbers or None; got {type(found).__name__}")
    history.steps.append(step)
    history.losses.append(sum(pending) / len(pending))
    history.rates.append(rate)
    history.seconds.append(time.monotonic() - start)
    history.reports.append({name: float(value) for name, value in (found or {}).items()})
    pending.clear()


def _resumed(
    path: Path, model: nn.Module, optimizers: tuple[Optimizer, ...], batches: Iterable, recipe: dict
) -> Place | None:
    if not isinstance(batches, Resumable):
        raise ValueError("a run with checkpoints needs batches whose place can be written down: pass Shuffled")
    if path.is_dir():
        raise ValueError(f"a checkpoint is a file; {path} is a folder. Write for instance {path / 'run.safetensors'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path)
    return load_checkpoint(path, model, optimizers, batches, recipe) if path.exists() else None


@contextmanager
def _rates(optimizers: tuple[Optimizer, ...]) -> Iterator[Callable[[float], None]]:
    """A function that multiplies every base rate by a factor; the base rates come back at the end."""
    bases = [(group, group["lr"]) for one in optimizers for group in one.param_groups]

    def multiply(factor: float) -> None:
        for group, base in bases:
            group["lr"] = base * factor

    try:
        yield multiply
    finally:
        multiply(1.0)


def _farewell(step: int, steps: int, checkpoint: str | Path | None) -> str:
    kept = "nothing was written" if checkpoint is None else f"the same call goes on from {checkpoint}"
    return f"stopped after step {step} of {steps}; {kept}. The error's .history holds what was told so far"


def _name(loss: Callable) -> str:
    return getattr(loss, "__qualname__", type(loss).__qualname__)


def _check(clip: float | None, accumulate: int, every: int, checkpoint_every: int, optimizers: tuple) -> None:
    for number, name in ((accumulate, "accumulate"), (every, "every"), (checkpoint_every, "checkpoint_every")):
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} must be a whole number, at least 1; got {number!r}")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is the longest gradient allowed, above 0, or None for no limit; got {clip!r}")
    if not optimizers or not all(isinstance(one, Optimizer) for one in optimizers):
        raise ValueError("optimizer is a torch optimizer or several, for instance adamw(model) or muon(model)")
