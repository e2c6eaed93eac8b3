"""What a run tells: its losses and rates over the steps, and what its reports measured."""

from typing import NamedTuple


class History(NamedTuple):
    """One entry a report, in all lists."""

    steps: list[int]  # steps done
    losses: list[float]  # the mean loss over the steps since the last report
    rates: list[float]  # the learning rate of the last of these steps, that of the first optimizer
    seconds: list[float]  # since the start, pauses between stop and resume left out
    reports: list[dict]  # what on_report returned

    def reported(self, name: str) -> tuple[list[int], list[float]]:
        """(the steps at which `name` was measured, its values): ready to plot. ValueError if it never was."""
        found = [(step, report[name]) for step, report in zip(self.steps, self.reports, strict=True) if name in report]
        if not found:
            known = sorted({key for report in self.reports for key in report})
            raise ValueError(f"no report measured {name!r}; measured: {', '.join(known) or 'nothing'}")
        steps, values = zip(*found, strict=True)
        return list(steps), list(values)
