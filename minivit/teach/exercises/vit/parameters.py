"""Exercise 05.parameters: how many numbers a ViT learns, from its width, depth, patch side and grid."""

from collections.abc import Callable
from typing import Any

from minivit.teach.exercises import Exercise, Twin


def parameters(width: int, depth: int, patch: int, tokens: int) -> int:
    """Colour pictures, one class token, MLP 4 * width, biases everywhere, a final norm, no head."""
    embed = 3 * patch * patch * width + width
    block = 12 * width * width + 13 * width
    return embed + tokens * width + width + depth * block + 2 * width


def version(
    embed: Callable = lambda D, P: 3 * P * P * D + D,
    block: Callable = lambda D: 12 * D * D + 13 * D,
    around: Callable = lambda D, N: N * D + D + 2 * D,
) -> Callable:
    """`parameters` with single decisions exchanged."""

    def answer(width: int, depth: int, patch: int, tokens: int) -> Any:
        return embed(width, patch) + depth * block(width) + around(width, tokens)

    return answer


def row(args: tuple, value: Any) -> list | None:
    """The count as a small table."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return [("parameters", "millions"), [f"{value:,}"[:40], f"{value / 1e6:.3f}"[:40]]]


PARAMETERS = Exercise(
    reference=parameters,
    cases=lambda: [(192, 12, 16, 196), (64, 4, 2, 16), (96, 1, 8, 60), (768, 12, 16, 196)],
    tell=lambda args: f"for parameters{args}",
    picture=row,
    learnt="12 D*D a block is nearly everything. Patch side and picture size hardly touch the count; depth and D do.",
    twins=(
        Twin(
            "no-biases",
            "the biases of the blocks' linear maps are missing.",
            "qkv has 3D of them, the output D, the MLP 4D and D: 9D a block, beside the norms' 4D.",
            version(block=lambda D: 12 * D * D + 4 * D),
        ),
        Twin(
            "no-norms",
            "the two norms of each block are missing.",
            "a norm has a weight and a bias of D numbers each: 4D a block.",
            version(block=lambda D: 12 * D * D + 9 * D),
        ),
        Twin(
            "no-final-norm",
            "the norm after the last block is missing.",
            "the stream itself is never normalised, so one norm ends it: 2D more.",
            version(around=lambda D, N: N * D + D),
        ),
        Twin(
            "no-class-token",
            "the class token is missing.",
            "it is a learned vector too: D numbers.",
            version(around=lambda D, N: N * D + 2 * D),
        ),
        Twin(
            "class-position",
            "the class token got a position of its own.",
            "so it is in the paper. In minivit the two are one vector, and D numbers fewer.",
            version(around=lambda D, N: N * D + 2 * D + 2 * D),
        ),
        Twin(
            "no-positions",
            "the table of positions is missing.",
            "one vector of D numbers for each of the N slots.",
            version(around=lambda D, N: 3 * D),
        ),
        Twin(
            "grey",
            "the patch embedding reads one value a pixel.",
            "a colour patch has P * P * 3 values.",
            version(embed=lambda D, P: P * P * D + D),
        ),
        Twin(
            "embedding-a-patch",
            "every patch has an embedding of its own.",
            "one matrix serves all patches: N plays no part in it.",
            lambda width, depth, patch, tokens: (
                parameters(width, depth, patch, tokens) + (tokens - 1) * (3 * patch * patch * width + width)
            ),
        ),
        Twin(
            "no-output-map",
            "attention's output map is missing.",
            "query, key, value and output are D x D each: four matrices, and eight more in the MLP.",
            version(block=lambda D: 11 * D * D + 12 * D),
        ),
        Twin(
            "narrow-mlp",
            "the MLP is as wide inside as outside.",
            "it goes from D to 4D and back: 8 D*D weights and 5D biases.",
            version(block=lambda D: 6 * D * D + 10 * D),
        ),
    ),
)
