"""The progress bar: one line of plain text, rewritten while it changes."""

import shutil
import sys
import time

_PAUSE = 0.2  # seconds between two drawings; more often only costs time


class Progress:
    """Loss, learning rate, speed and time left, on a terminal or in a notebook; anywhere else, ten lines in all."""

    def __init__(self, steps: int, done: int = 0, show: bool = True):
        self.steps, self.first, self.show = steps, done, show
        self.start = self.drawn = time.monotonic()
        self.tenth = done * 10 // steps
        self.handle, self.terminal = None, sys.stderr.isatty()
        if show and _in_notebook():
            from IPython.display import display

            self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def line(self, done: int, loss: float, rate: float) -> str:
        """What the bar says after `done` steps."""
        filled = done * 20 // self.steps
        speed = (done - self.first) / max(time.monotonic() - self.start, 1e-9)
        left = (self.steps - done) / speed if speed else 0.0
        ends = f"{minutes(left)} left" if done < self.steps else minutes(time.monotonic() - self.start)
        return (
            f"{'█' * filled}{'░' * (20 - filled)} {done}/{self.steps}  loss {loss:.4f}  rate {rate:.2e}  "
            f"{speed:.1f} steps/s  {ends}"
        )

    def update(self, done: int, loss: float, rate: float) -> None:
        """Draw anew if it is time, and always after the last step."""
        now, last = time.monotonic(), done == self.steps
        if not self.show or not (last or now - self.drawn >= _PAUSE):
            return
        self.drawn, line = now, self.line(done, loss, rate)
        if self.handle is not None:
            self.handle.update({"text/plain": line}, raw=True)
        elif self.terminal:
            columns = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:columns]:<{columns}}", end="", file=sys.stderr, flush=True)
        elif last or done * 10 // self.steps > self.tenth:
            self.tenth = done * 10 // self.steps
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the line as it is; what is printed next begins its own."""
        if self.show and self.handle is None and self.terminal:
            print(file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """75.2 -> "1:15"."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def _in_notebook() -> bool:
    if sys.modules.get("IPython") is None:  # whoever runs a notebook has imported it
        return False
    from IPython import get_ipython

    # Jupyter's shell, or Colab's, which is derived from it; IPython on a terminal has another.
    return "ZMQInteractiveShell" in {kind.__name__ for kind in type(get_ipython()).__mro__}
