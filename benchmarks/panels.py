"""Scenes per second at 96 px with two worker processes: picture and description, then with masks and depth."""

import os
import statistics
import time

from minivit import panels
from minivit.panels.batches import pool

WORKERS, SCENES, ROUNDS, SIZE = 2, 800, 5, 96


def draw_and_describe(first: int, count: int, parts: bool) -> int:
    """What one worker does: sample, draw and describe `count` scenes from seed `first` on; gives `count`."""
    for seed in range(first, first + count):
        scene = panels.sample_scene(seed)
        panels.draw_parts(scene, SIZE) if parts else panels.draw(scene, SIZE)
        panels.caption(scene), panels.questions(scene), panels.report(scene)
    return count


def _in_workers(parts: bool, first: int) -> None:
    share = SCENES // WORKERS
    jobs = [pool(WORKERS).submit(draw_and_describe, first + w * share, share, parts) for w in range(WORKERS)]
    assert sum(job.result() for job in jobs) == SCENES


def _batch(parts: bool, first: int) -> None:
    panels.batch(range(first, first + SCENES), size=SIZE, parts=parts, workers=WORKERS)


def _rates(work, parts: bool) -> list[float]:
    work(parts, 0)  # starts the workers and fills their caches
    rates = []
    for turn in range(ROUNDS):
        start = time.perf_counter()
        work(parts, SCENES * (turn + 1))
        rates.append(SCENES / (time.perf_counter() - start))
    return sorted(rates)


def _load() -> str:
    """How busy the machine is; Windows does not tell."""
    try:
        return f"; load {os.getloadavg()[0]:.1f} before"
    except (AttributeError, OSError):
        return ""


def main() -> None:
    print(f"{SIZE} px, {WORKERS} workers, {ROUNDS} rounds of {SCENES} scenes{_load()}")
    print(f"{'scenes/s':44} {'median':>7} {'lowest':>7} {'highest':>7} {'goal':>6}")
    rows = [
        ("picture, caption, questions, report", _in_workers, False, 1500),
        ("the same with masks, segments, depth", _in_workers, True, 500),
        ("panels.batch, pictures into shared memory", _batch, False, None),
        ("panels.batch with parts", _batch, True, None),
    ]
    for name, work, parts, goal in rows:
        rates = _rates(work, parts)
        print(f"{name:44} {statistics.median(rates):7.0f} {rates[0]:7.0f} {rates[-1]:7.0f} {goal or '':>6}")


if __name__ == "__main__":
    main()
