"""Exercise 05.carry: transformers' separate query, key, value and its class position, in minivit's form."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minivit.teach.exercises import Exercise, Twin


def carry(q: Tensor, k: Tensor, v: Tensor, token: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(D, D) three times, (1, 1, D), (1, 1 + N, D) -> (3D, D), (1, D), (N, D)."""
    return torch.cat([q, k, v]), token[0] + positions[0, :1], positions[0, 1:]


def cases() -> list[tuple[Tensor, ...]]:
    """Two models of other widths and grids, in two dtypes."""
    draw = torch.Generator().manual_seed(6)

    def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=dtype)

    small = [random(4, 4) for _ in range(3)] + [random(1, 1, 4), random(1, 7, 4)]
    large = [random(6, 6, dtype=torch.float64) for _ in range(3)]
    return [tuple(small), (*large, random(1, 1, 6, dtype=torch.float64), random(1, 3, 6, dtype=torch.float64))]


def version(
    stack: Callable = lambda q, k, v: torch.cat([q, k, v]),
    fold: Callable = lambda token, positions: token[0] + positions[0, :1],
    table: Callable = lambda token, positions: positions[0, 1:],
) -> Callable:
    """`carry` with single decisions exchanged."""

    def answer(q: Tensor, k: Tensor, v: Tensor, token: Tensor, positions: Tensor) -> Any:
        return stack(q, k, v), fold(token, positions), table(token, positions)

    return answer


def rows(args: tuple, value: Any) -> list | None:
    """The shapes and the first numbers of each tensor, as a table."""
    if not isinstance(value, (tuple, list)) or len(value) != 3 or not all(isinstance(x, Tensor) for x in value):
        return None
    lines = [("", "shape", "begins")]
    for name, tensor in zip(("qkv", "prefix", "table"), value, strict=True):
        first = ", ".join(f"{number:.3f}" for number in tensor.detach().flatten()[:3].double().tolist())
        lines.append([name, str(tuple(tensor.shape)), first])
    return lines


def interleaved(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.stack([q, k, v], dim=1).flatten(0, 1)


CARRY = Exercise(
    reference=carry,
    cases=cases,
    tell=lambda args: f"for D = {len(args[0])} and {args[4].shape[1] - 1} patches",
    picture=rows,
    learnt="Two vectors that are always added are one vector. Every line of a conversion is such a small sentence.",
    twins=(
        Twin(
            "order",
            "queries, keys and values stand in another order than minivit's.",
            "qkv is split into q, k, v, in this order: stack them so.",
            version(stack=lambda q, k, v: torch.cat([k, q, v])),
        ),
        Twin(
            "order",
            "queries, keys and values stand in another order than minivit's.",
            "qkv is split into q, k, v, in this order: stack them so.",
            version(stack=lambda q, k, v: torch.cat([v, k, q])),
        ),
        Twin(
            "transposed",
            "each matrix is transposed before it is stacked.",
            "both libraries keep a linear layer's weight as (out, in): leave the matrices as they are.",
            version(stack=lambda q, k, v: torch.cat([q.T, k.T, v.T])),
        ),
        Twin(
            "beside",
            "the matrices stand side by side, as (D, 3D).",
            "a layer with three times the outputs has three times the rows: join along the first axis.",
            version(stack=lambda q, k, v: torch.cat([q, k, v], dim=1)),
        ),
        Twin(
            "interleaved",
            "the rows of q, k and v take turns.",
            "first all rows of q, then all of k, then all of v: torch.cat, not a stack that is flattened.",
            version(stack=interleaved),
        ),
        Twin(
            "class-position-lost",
            "the class token goes over without its position.",
            "transformers adds positions[0, 0] to it in every forward pass; minivit adds nothing. Add it once, here.",
            version(fold=lambda token, positions: token[0]),
        ),
        Twin(
            "last-position",
            "the class token got the position of the last patch.",
            "its own position is the first row of the table.",
            version(fold=lambda token, positions: token[0] + positions[0, -1:]),
        ),
        Twin(
            "table-with-class",
            "the table still holds the class token's row, so every patch gets its neighbour's position.",
            "minivit's table has N rows, one a patch: leave out the first.",
            version(table=lambda token, positions: positions[0]),
        ),
        Twin(
            "last-row-lost",
            "the table lost its last row instead of its first.",
            "the class token stands before the patches: positions[0, 1:].",
            version(table=lambda token, positions: positions[0, :-1]),
        ),
    ),
)
