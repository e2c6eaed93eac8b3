"""Exercise 06.field: the side of what one output of a stack of convolutions looks at."""

from collections.abc import Callable
from math import prod
from typing import Any

from minivit.convnet import receptive_field
from minivit.teach.exercises import Exercise, Twin


def field(layers: list[tuple[int, int]]) -> int:
    """[(kernel side, stride), ...] first to last -> pixels a side."""
    return receptive_field(layers)


def cases() -> list[tuple]:
    """A stride in front, none, one behind; windows of different sides; a stem as ResNet-50 has it; no layer at all."""
    return [
        ([(3, 2), (3, 1), (3, 1)],),
        ([(3, 1), (5, 1)],),
        ([(3, 1), (3, 1), (5, 2), (3, 2)],),
        ([(7, 2), (3, 2), (1, 1), (3, 1), (1, 1)],),
        ([],),
    ]


def walk(
    grow: Callable = lambda kernel, step: (kernel - 1) * step,
    longer: Callable = lambda step, stride: step * stride,
    own_first: bool = False,
    start: int = 1,
) -> Callable:
    """`field` with single decisions exchanged."""

    def answer(layers: list[tuple[int, int]]) -> Any:
        side, step = start, 1
        for kernel, stride in layers:
            if own_first:
                step = longer(step, stride)
            side += grow(kernel, step)
            if not own_first:
                step = longer(step, stride)
        return side

    return answer


def row(args: tuple, value: Any) -> list | None:
    """The layers and the side as a small table."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return [("layers (kernel, stride)", "pixels a side"), [str(args[0])[:60], str(value)[:40]]]


FIELD = Exercise(
    reference=field,
    cases=cases,
    tell=lambda args: f"for field({args[0]})",
    picture=row,
    learnt="A window of k reaches k - 1 steps further, and strides make later steps longer. A ViT sees all at once.",
    twins=(
        Twin(
            "strides-ignored",
            "every step is counted as one pixel.",
            "after a stride of 2 neighbours in the map lie two pixels apart: keep the length of a step, and multiply.",
            walk(longer=lambda step, stride: step),
        ),
        Twin(
            "own-stride-first",
            "a layer's own stride already lengthens its own window.",
            "its window slides over the map before it: first add (kernel - 1) * step, then let the step grow.",
            walk(own_first=True),
        ),
        Twin(
            "product",
            "the kernels are multiplied.",
            "two windows of 3, one on the other, see 5 and not 9: neighbouring windows overlap.",
            lambda layers: prod(kernel for kernel, _ in layers),
        ),
        Twin(
            "reversed",
            "the layers are walked from the last to the first with a step that grows the other way.",
            "a stride lengthens the steps of the layers after it: begin at the picture.",
            lambda layers: receptive_field(layers[::-1]),
        ),
        Twin(
            "strides-added",
            "strides are added up.",
            "a step of two steps of two pixels is four pixels long: strides multiply.",
            walk(longer=lambda step, stride: step + stride - 1),
        ),
        Twin(
            "whole-kernel",
            "each window adds its whole side.",
            "one pixel of the window is the place you already count: it adds kernel - 1 steps.",
            walk(grow=lambda kernel, step: kernel * step),
        ),
        Twin(
            "starts-at-nothing",
            "it counts the steps, and one pixel is missing.",
            "with no layer at all an output is a pixel, and sees that pixel: begin with 1.",
            walk(start=0),
        ),
    ),
)
