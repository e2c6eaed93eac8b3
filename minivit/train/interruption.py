"""Ctrl-C between two steps, never inside one."""

import contextlib
import signal
import threading
from collections.abc import Iterator

from minivit.train.history import History


class Interrupted(KeyboardInterrupt):
    """The run was stopped by hand; `history` is what it had told so far."""

    def __init__(self, message: str, history: History):
        super().__init__(message)
        self.history = history


@contextlib.contextmanager
def history_kept(history: History) -> Iterator[None]:
    """A stop that cuts a step in two leaves nothing to save, but what was told so far is still handed on."""
    try:
        yield
    except Interrupted:
        raise
    except KeyboardInterrupt:
        message = "stopped inside a step, of which nothing is saved; some of its weights may have moved, others not. "
        raise Interrupted(message + "The error's .history holds what was told so far", history) from None


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
