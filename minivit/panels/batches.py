"""Many scenes at once, drawn by worker processes when asked.

Workers start fresh (spawn) and import minivit alone, so they want nothing from a notebook; a script
that asks for workers keeps its own code under `if __name__ == "__main__":`, as always with spawn. They
stay for the next batch. Each writes its share straight into shared memory, and which process drew a
scene changes nothing about it.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import multiprocessing

from minivit.panels.draw import PARTS, draw, draw_parts
from minivit.panels.scene import Scene, sample_scene


class Batch(NamedTuple):
    """B scenes and their pictures; masks, segments and depth only when parts were asked for."""

    scenes: list[Scene]
    images: torch.Tensor  # (B, 3, H, W) uint8
    masks: torch.Tensor | None  # (B, 7, H, W) bool
    segments: torch.Tensor | None  # (B, H, W) uint8
    depth: torch.Tensor | None  # (B, H, W) float32


def batch(seeds, split: str = "train", size: int = 96, *, parts: bool = False, workers: int = 0) -> Batch:
    """B seeds -> (B, 3, size, size) uint8 and, with `parts`, all of Batch; `workers` processes draw (0: this one).

    ValueError for no seeds, a bad seed, an unknown split, a size out of range, or a bad number of workers.
    """
    seeds = list(seeds)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise ValueError(f"workers is {workers!r}; give 0 to draw here, or the number of processes, such as 2")
    if not seeds:
        raise ValueError("no seeds: give at least one, such as range(64)")
    scenes = [sample_scene(seed, split) for seed in seeds]  # a bad seed or split is found here, not in a worker
    draw(scenes[0], size)  # and a bad size
    tensors = _room(len(scenes), size, parts)
    if workers == 0:
        _fill(scenes, size, tensors, 0)
        return Batch(scenes, *tensors)
    for tensor in tensors:
        if tensor is not None:
            tensor.share_memory_()
    step = -(-len(scenes) // (4 * workers))  # four shares each, so that a slow one does not keep the others waiting
    jobs = [
        pool(workers).submit(_fill, scenes[at : at + step], size, tensors, at) for at in range(0, len(scenes), step)
    ]
    for job in jobs:
        job.result()
    return Batch(scenes, *tensors)


@lru_cache(maxsize=2)
def pool(workers: int) -> ProcessPoolExecutor:
    """Worker processes of one thread each, kept until the program ends."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,))


def _room(count: int, size: int, parts: bool) -> tuple:
    images = torch.empty(count, 3, size, size, dtype=torch.uint8)
    if not parts:
        return images, None, None, None
    masks = torch.empty(count, len(PARTS), size, size, dtype=torch.bool)
    segments = torch.empty(count, size, size, dtype=torch.uint8)
    return images, masks, segments, torch.empty(count, size, size)


def _fill(scenes: list[Scene], size: int, tensors: tuple, start: int) -> None:
    images, masks, segments, depth = tensors
    for row, scene in enumerate(scenes, start):
        if masks is None:
            images[row] = draw(scene, size)
        else:
            images[row], masks[row], segments[row], depth[row] = draw_parts(scene, size)
