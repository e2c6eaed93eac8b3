"""Exercise 01.budget: the smallest patch side that divides a picture and keeps to a number of tokens."""

from collections.abc import Callable
from typing import Any

from minivit.teach.exercises import Exercise, Twin

SIDES = (4, 8, 14, 16, 32)


def budget(height: int, width: int, limit: int) -> tuple[int, int, int, int]:
    for patch in SIDES:
        tokens = (height // patch) * (width // patch)
        if height % patch == 0 and width % patch == 0 and tokens <= limit:
            return patch, tokens, patch * patch * 3, tokens * tokens
    raise ValueError(f"no patch side of {SIDES} divides {height} x {width} and keeps to {limit} tokens")


def version(
    sides: tuple[int, ...] = SIDES,
    divides: Callable = lambda h, w, p: h % p == 0 and w % p == 0,
    count: Callable = lambda h, w, p: (h // p) * (w // p),
    fits: Callable = lambda tokens, limit: tokens <= limit,
    raw: Callable = lambda p: 3 * p * p,
    pairs: Callable = lambda tokens: tokens * tokens,
    silent: bool = False,
) -> Callable:
    """`budget` with single decisions exchanged."""

    def answer(height: int, width: int, limit: int) -> Any:
        for patch in sides:
            tokens = count(height, width, patch)
            if divides(height, width, patch) and fits(tokens, limit):
                return patch, tokens, raw(patch), pairs(tokens)
        if silent:
            return None
        raise ValueError

    return answer


def row(args: tuple, value: Any) -> list | None:
    """An answer of four numbers as a small table."""
    if not isinstance(value, (tuple, list)) or len(value) != 4:
        return None
    return [("patch", "tokens", "raw width", "pairs"), [str(number)[:40] for number in value]]


ONE_SIDE = "this patch side does not divide both sides."
AS_SQUARE = ("the tokens are counted as if the picture were a square.", "(height // patch) * (width // patch).")
PAIRS = (
    "the pairs are fewer than attention computes.",
    "every token asks every token, itself included and in both directions: N times N.",
)

BUDGET = Exercise(
    reference=budget,
    cases=lambda: [
        (224, 224, 200),
        (224, 224, 196),
        (96, 160, 400),
        (224, 448, 300),
        (224, 160, 200),
        (160, 224, 200),
        (72, 44, 50),
        (224, 224, 256),
    ],
    tell=lambda args: f"for budget{args}",
    picture=row,
    learnt="The budget speaks first, the patch follows. Where none fits, resize or crop, and say so in a clear error.",
    twins=(
        Twin(
            "strict",
            "a picture may use the whole budget: exactly `limit` tokens are allowed.",
            "at most means <=.",
            version(fits=lambda tokens, limit: tokens < limit),
        ),
        Twin(
            "largest",
            "this is the largest patch side that fits; wanted is the smallest.",
            "small patches see more. Go through the sides from below and stop at the first that fits.",
            version(sides=SIDES[::-1]),
        ),
        Twin(
            "side-missing",
            "one of the patch sides was never tried.",
            "the sides are 4, 8, 14, 16 and 32.",
            version(sides=(4, 8, 16, 32)),
        ),
        Twin(
            "started-patches",
            "the tokens count patches that are only begun at the edge.",
            "a started patch is no patch: the side must divide height and width, and then // counts exactly.",
            version(divides=lambda *_: True, count=lambda h, w, p: -(-h // p) * -(-w // p)),
        ),
        Twin(
            "indivisible",
            "this patch side leaves a rest of pixels at the edge.",
            "// drops the rest without a word. Ask for height % patch == 0 and width % patch == 0.",
            version(divides=lambda *_: True),
        ),
        Twin(
            "one-side",
            ONE_SIDE,
            "the height is looked at; the width needs the same question.",
            version(divides=lambda h, w, p: h % p == 0),
        ),
        Twin(
            "one-side",
            ONE_SIDE,
            "the width is looked at; the height needs the same question.",
            version(divides=lambda h, w, p: w % p == 0),
        ),
        Twin("square-assumed", *AS_SQUARE, version(count=lambda h, w, p: (h // p) ** 2)),
        Twin("square-assumed", *AS_SQUARE, version(count=lambda h, w, p: (w // p) ** 2)),
        Twin(
            "no-channels",
            "the raw width counts one value a pixel.",
            "a colour pixel is three numbers: P * P * 3.",
            version(raw=lambda p: p * p),
        ),
        Twin(
            "model-width",
            "the raw width is 768 for every patch side here.",
            "768 is the raw width at P = 16, and by coincidence ViT-Base's D. The raw width is P * P * 3.",
            version(raw=lambda p: 768),
        ),
        Twin("half-pairs", *PAIRS, version(pairs=lambda tokens: tokens * (tokens - 1) // 2)),
        Twin("half-pairs", *PAIRS, version(pairs=lambda tokens: tokens * (tokens + 1) // 2)),
        Twin("half-pairs", *PAIRS, version(pairs=lambda tokens: tokens * (tokens - 1))),
        Twin(
            "float",
            "the counts are floating-point numbers.",
            "use // instead of /: tokens are counted, not measured.",
            version(count=lambda h, w, p: (h / p) * (w / p)),
        ),
        Twin(
            "should-raise",
            "no patch side fits here, and the function goes on as if nothing had happened.",
            "after the loop, raise ValueError and say with numbers what did not fit.",
            version(silent=True),
        ),
    ),
)
