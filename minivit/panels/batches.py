"""Many scenes at once, drawn by worker processes when asked.

Workers start fresh (spawn), so they need nothing from the notebook that asks. Each writes its share of
the pictures straight into shared memory; only the scenes travel back through a pipe, and which
process drew a scene changes nothing about it.
"""

from typing import NamedTuple

import torch
from torch import multiprocessing

from .draw import PARTS, draw, draw_parts
from .scene import Scene, sample_scene


class Batch(NamedTuple):
    """B scenes and their pictures; masks, segments and depth only when parts were asked for."""

    scenes: list[Scene]
    images: torch.Tensor  # (B, 3, H, W) uint8
    masks: torch.Tensor | None  # (B, 7, H, W) bool
    segments: torch.Tensor | None  # (B, H, W) uint8
    depth: torch.Tensor | None  # (B, H, W) float32


def batch(seeds, split: str = "train", size: int = 96, *, parts: bool = False, workers: int = 0) -> Batch:
    """The scenes with these seeds, with `workers` processes to draw them (0: this one)."""
    seeds = list(seeds)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise ValueError(f"workers is {workers!r}; give 0 to draw here, or the number of processes, such as 2")
    if not seeds:
        raise ValueError("no seeds: give at least one, such as range(64)")
    scenes = [sample_scene(seed, split) for seed in seeds]  # raises here, not in a worker, for a bad seed or split
    draw(scenes[0], size)  # the same for a bad size
    result = Batch(scenes, *_room(len(scenes), size, parts))
    workers = min(workers, len(scenes))
    if workers == 0:
        _fill(scenes, size, result[1:], 0)
        return result
    for tensor in result[1:]:
        if tensor is not None:
            tensor.share_memory_()
    bounds = [len(scenes) * w // workers for w in range(workers + 1)]
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_work, args=(scenes[start:stop], size, result[1:], start), daemon=True)
        for start, stop in zip(bounds, bounds[1:])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    failed = [process.exitcode for process in processes if process.exitcode]
    if failed:
        raise RuntimeError(f"{len(failed)} of {workers} workers ended with exit codes {failed}; see their messages above, or use workers=0")
    return result


def _room(count: int, size: int, parts: bool) -> tuple:
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    if not parts:
        return images, None, None, None
    masks = torch.empty(count, len(PARTS), size, size, dtype=torch.bool)
    segments = torch.empty(count, size, size, dtype=torch.uint8)
    return images, masks, segments, torch.empty(count, size, size)


def _work(scenes: list[Scene], size: int, tensors: tuple, start: int) -> None:
    """What a worker process does."""
    torch.set_num_threads(1)
    _fill(scenes, size, tensors, start)


def _fill(scenes: list[Scene], size: int, tensors: tuple, start: int) -> None:
    images, masks, segments, depth = tensors
    for row, scene in enumerate(scenes, start):
        if masks is None:
            images[row] = draw(scene, size)
        else:
            images[row], masks[row], segments[row], depth[row] = draw_parts(scene, size)
