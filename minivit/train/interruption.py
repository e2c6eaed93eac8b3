"""Ctrl-C between two steps, never inside one, and a model's modes put back as they were."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from torch import nn

from minivit.train.history import History


class Interrupted(KeyboardInterrupt):
    """The run was stopped by hand; `history` is what it had told so far."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


class Deferred:
    """While it is entered, a first Ctrl-C only raises the flag `asked`; a second one stops at once, as ever.

    A step that is cut in two leaves some weights updated and others not, and no checkpoint could go on from there.
    """

    def __init__(self):
        self.asked, self._before = False, None

    def __enter__(self) -> "Deferred":
        # Only the main thread receives signals; one that is ignored or handled elsewhere is left to that.
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if before is signal.default_int_handler:
                self._before = before
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


@contextlib.contextmanager
def mode(model: nn.Module, training: bool) -> Iterator[None]:
    """The whole model in training or in evaluation mode; afterwards every part in the mode it had."""
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was
