"""Lesson 1's exercises: cut a picture, stitch it again, carry a convolution's weight over, keep to a token budget.

Legend: C channels, H W pixels, P patch side, (rows, cols) the grid, N tokens, D width. Each wrong version below is a
mistake that people make; what it does to a picture is what its reader gets to see.
"""

import math
from functools import cache

import torch
from torch import Tensor

from minivit.patches import Grid, linear_from_conv, patchify, unpatchify
from minivit.teach.check import Exercise, Twin

SIDES = (4, 8, 14, 16, 32)


@cache
def photo(height: int = 96, width: int = 144) -> Tensor:
    """(3, H, W) float32 in [0, 1]: a real photograph in which up, down, left, right and colours can be told apart."""
    from minivit import images

    return images.resize(images.to_float(images.sample("chelsea"))[:, :, :450], height, width)


def ramp(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers counted through, so that every place has its own value."""
    return (torch.arange(math.prod(shape)) % 251).reshape(shape).to(dtype)


def _pictures() -> list[tuple]:
    return [(photo(), 16), (ramp(3, 8, 8), 4), (ramp(3, 40, 24, dtype=torch.uint8), 8), (ramp(1, 12, 8), 4)]


# ---- 01.cut ---------------------------------------------------------------------------------------------------------

def cut(image: Tensor, patch: int) -> Tensor:
    return patchify(image, patch)


def _split(image: Tensor, patch: int, rows: int | None = None, cols: int | None = None) -> Tensor:
    """(C, H, W) -> (C, rows, P, cols, P)."""
    channels, height, width = image.shape
    return image.reshape(channels, rows or height // patch, patch, cols or width // patch, patch)


def _arranged(image: Tensor, patch: int, *order: int) -> Tensor:
    """Axes (channel, rows, row, cols, column) = 0 ... 4 put in `order`, then flattened to tokens."""
    return _split(image, patch).permute(*order).reshape(-1, patch * patch * image.shape[0])


def _cut_hw(image: Tensor, patch: int) -> Tensor:
    rows, cols = image.shape[2] // patch, image.shape[1] // patch
    return _split(image, patch, rows, cols).permute(1, 3, 2, 4, 0).reshape(rows * cols, -1)


def _cut_square(image: Tensor, patch: int) -> Tensor:
    side = image.shape[1] // patch
    return _split(image, patch, side, side).permute(1, 3, 2, 4, 0).reshape(side * side, -1)


def _cut_phases(image: Tensor, patch: int) -> Tensor:
    channels, height, width = image.shape
    axes = image.reshape(channels, patch, height // patch, patch, width // patch)  # (channel, row, rows, column, cols)
    return axes.permute(2, 4, 1, 3, 0).reshape(-1, patch * patch * channels)


def _cut_rgb(image: Tensor, patch: int) -> Tensor:
    return _split(image, patch).permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * 3)


def _cut_rgb_counted(image: Tensor, patch: int) -> Tensor:
    tokens = _split(image, patch).permute(1, 3, 2, 4, 0)
    return tokens.reshape(tokens.shape[0] * tokens.shape[1], patch * patch * 3)


_NOT_FLAT = ("the patches are right, but they are not flat yet: the shape has too many axes.",
             "a token is one row of numbers, and the tokens are one list: end with a reshape to (rows * cols, P * P * C).")
_ONLY_RGB = ("a grey picture has one channel, and the function counts on three.", "read C from image.shape[0].")

CUT = Exercise(
    reference=cut,
    cases=_pictures,
    tell=lambda args: f"for a picture {tuple(args[0].shape)} and P = {args[1]}",
    picture=lambda args, value: _mosaic(args, value),
    learnt="Cutting is a split of two axes and one permutation. No value was changed, so nothing was lost.",
    twins=(
        Twin("reshape-only", "the shape is right, but every token is a run of neighbours out of a single colour channel.",
             "a reshape never moves a value. Split H into (rows, P) and W into (cols, P), permute the five axes, and flatten only then.",
             lambda image, patch: image.reshape(-1, patch * patch * image.shape[0])),
        Twin("strips", "the shape is right, but a token is a strip one pixel tall: rows of pixels, not squares.",
             "after splitting, the axes are (C, rows, P, cols, P). Both grid axes have to come to the front, next to each other, before you flatten.",
             lambda image, patch: _arranged(image, patch, 1, 2, 3, 4, 0)),
        Twin("phases", "the shape is right, but a token collects pixels that lie far apart: each is a thumbnail of the whole picture.",
             "in H = rows * P the row of the grid counts in steps of P, so it is the outer of the two: split into (rows, P), not (P, rows).",
             _cut_phases),
        Twin("channel-first", "the squares are right, but inside a token the order is (channel, row, column).",
             "that is a convolution's order. Here the channel changes fastest: it comes last in the permute.",
             lambda image, patch: _arranged(image, patch, 1, 3, 0, 2, 4)),
        Twin("transposed-inside", "the right squares in the right order, but each is mirrored along its diagonal: (column, row, channel).",
             "inside a patch the row comes before the column, as y comes before x everywhere in this book.",
             lambda image, patch: _arranged(image, patch, 1, 3, 4, 2, 0)),
        Twin("column-major", "the patches are right, but they are listed down the columns.",
             "raster order reads like a page: along the first row of the grid, then the next. rows before cols in the permute.",
             lambda image, patch: _arranged(image, patch, 3, 1, 2, 4, 0)),
        Twin("transposed", "this cuts the picture mirrored along its diagonal: columns stand for rows, in the grid and in the patch.",
             "image.shape is (C, H, W): height before width.",
             lambda image, patch: _arranged(image, patch, 3, 1, 4, 2, 0)),
        Twin("hw-exchanged", "height and width are exchanged: it works on a square and scrambles everything else.",
             "rows = H // P and cols = W // P, with C, H, W = image.shape.", _cut_hw),
        Twin("square-assumed", "it works on square pictures and stops on others.",
             "one count was used for both sides. There are H // P rows and W // P columns.", _cut_square),
        Twin("patch-fixed", "it works for P = 16 alone.", "write patch wherever you wrote 16.",
             lambda image, patch: _arranged(image, 16, 1, 3, 2, 4, 0)),
        Twin("channels-fixed", *_ONLY_RGB, _cut_rgb),
        Twin("channels-fixed", *_ONLY_RGB, _cut_rgb_counted),
        Twin("not-flattened", *_NOT_FLAT, lambda image, patch: _split(image, patch).permute(1, 3, 2, 4, 0)),
        Twin("not-flattened", *_NOT_FLAT, lambda image, patch: _split(image, patch).permute(1, 3, 2, 4, 0).flatten(0, 1)),
        Twin("not-flattened", *_NOT_FLAT, lambda image, patch: _split(image, patch).permute(1, 3, 2, 4, 0).flatten(2)),
        Twin("one-patch-a-column", "every patch is a column here, and should be a row: the shape is (P*P*C, N).",
             "that is how torch's unfold lists them. Tokens come first; and mind that unfold orders a patch (channel, row, column).",
             lambda image, patch: _arranged(image, patch, 1, 3, 0, 2, 4).T),
        Twin("one-patch-a-column", "every patch is a column here, and should be a row: the shape is (P*P*C, N).",
             "exchange the two axes at the end.", lambda image, patch: patchify(image, patch).T),
    ),
)


# ---- 01.stitch ------------------------------------------------------------------------------------------------------

def stitch(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    return unpatchify(tokens, Grid(rows, cols), patch)


def _sheets() -> list[tuple]:
    return [(patchify(image, patch), *Grid.of(*image.shape[1:], patch), patch) for image, patch in _pictures()]


def _laid(tokens: Tensor, split: tuple[int, ...], *order: int) -> Tensor:
    """Tokens split into five axes, put in `order` and joined as (C, H, W)."""
    axes = tokens.reshape(split).permute(*order)
    return axes.reshape(axes.shape[0], axes.shape[1] * axes.shape[2], -1)


def _inside(tokens: Tensor, patch: int) -> tuple[int, int, int]:
    return patch, patch, tokens.shape[1] // patch**2


def _stitch_square(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    side = int(len(tokens) ** 0.5)
    return stitch(tokens, side, side, patch)


def _stitch_square_loosely(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    side = int(len(tokens) ** 0.5)
    axes = tokens.reshape(side, side, patch, patch, -1)
    return axes.permute(4, 0, 2, 1, 3).reshape(-1, side * patch, side * patch)


def _stitch_rgb(tokens: Tensor, rows: int, cols: int, patch: int) -> Tensor:
    return _laid(tokens, (rows, cols, patch, patch, 3), 4, 0, 2, 1, 3)


_SQUARE = ("it takes the grid for a square, which these tokens cannot fill.", "the root of N is a guess: rows and cols are handed to you.")

STITCH = Exercise(
    reference=stitch,
    cases=_sheets,
    tell=lambda args: f"for {len(args[0])} tokens as {args[1]} rows and {args[2]} columns, P = {args[3]}",
    picture=lambda args, value: _viewable(value),
    learnt="The inverse walks the same road back. It needs the grid: the tokens alone do not say how wide the picture was.",
    twins=(
        Twin("reshape-only", "the shape is right, but the pixels of one patch were laid out one after another.",
             "a reshape never moves a value. Split each token into (P, P, C) first, then bring the row inside the patch next to the row of the grid.",
             lambda tokens, rows, cols, patch: tokens.reshape(-1, rows * patch, cols * patch)),
        Twin("no-regroup", "the channels are right, but each patch was written out before the next began.",
             "the picture's height is (rows, P) and its width (cols, P): these pairs have to be neighbours before you join them.",
             lambda tokens, rows, cols, patch: tokens.reshape(-1, tokens.shape[1] // patch**2).T.reshape(-1, rows * patch, cols * patch)),
        Twin("interleaved", "the patches are woven into each other: neighbours in a patch end up far apart.",
             "in the height the grid's row is the outer axis: join (rows, P), not (P, rows).",
             lambda tokens, rows, cols, patch: _laid(tokens, (rows, cols, *_inside(tokens, patch)), 4, 2, 0, 3, 1)),
        Twin("exchanged", "rows and columns are exchanged.", "the grid is (rows, cols): the first counts downwards.",
             lambda tokens, rows, cols, patch: stitch(tokens, cols, rows, patch)),
        Twin("column-major", "the patches were laid down the columns instead of along the rows.",
             "raster order: the column changes fastest, so tokens split into (rows, cols), in this order.",
             lambda tokens, rows, cols, patch: _laid(tokens, (cols, rows, *_inside(tokens, patch)), 4, 1, 2, 0, 3)),
        Twin("square-assumed", *_SQUARE, _stitch_square),
        Twin("square-assumed", *_SQUARE, _stitch_square_loosely),
        Twin("channel-first", "the patches lie where they should, but a token was read as (channel, row, column).",
             "the tokens list (row, column, channel): the channel is the last of the three.",
             lambda tokens, rows, cols, patch: _laid(tokens, (rows, cols, *_inside(tokens, patch)[::-1]), 2, 0, 3, 1, 4)),
        Twin("transposed-inside", "the patches lie where they should, but each is mirrored along its diagonal.",
             "a token lists (row, column, channel): row before column.",
             lambda tokens, rows, cols, patch: _laid(tokens, (rows, cols, *_inside(tokens, patch)), 4, 0, 3, 1, 2)),
        Twin("channels-last", "the picture is right but its channels come last: (H, W, C), as matplotlib wants it.",
             "in this book a picture is (C, H, W): let the channel go to the front in the permute.",
             lambda tokens, rows, cols, patch: stitch(tokens, rows, cols, patch).permute(1, 2, 0)),
        Twin("channels-fixed", "a grey picture has one channel, and the function counts on three.",
             "C is what is left of a token: tokens.shape[1] // P**2.", _stitch_rgb),
        Twin("patch-fixed", "it works for P = 16 alone.", "write patch wherever you wrote 16.",
             lambda tokens, rows, cols, patch: stitch(tokens, rows, cols, 16)),
    ),
)


# ---- 01.carry -------------------------------------------------------------------------------------------------------

def carry(weight: Tensor) -> Tensor:
    return linear_from_conv(weight)


def _kernels() -> list[tuple]:
    """Five kernels that answer to light, edges and colour, each a little uneven so that no symmetry hides a mistake."""
    slope = torch.linspace(-1, 1, 8)
    noise = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)) / 8
    plain = torch.stack([slope[:, None].expand(3, 8, 8), slope.expand(3, 8, 8), torch.ones(3, 8, 8),
                         torch.tensor([1.0, -1.0, 0.0])[:, None, None].expand(3, 8, 8),
                         torch.tensor([0.0, -1.0, 1.0])[:, None, None].expand(3, 8, 8)])
    return [((plain + noise) / 64,), (ramp(4, 1, 2, 2),), (ramp(2, 3, 4, 4, dtype=torch.float64),)]


CARRY = Exercise(
    reference=carry,
    cases=_kernels,
    tell=lambda args: f"for a convolution's weight {tuple(args[0].shape)}",
    picture=lambda args, value: _responses(args[0], value),
    learnt="The two layers hold the same numbers in another order. This line is what loading a released ViT comes down to.",
    twins=(
        Twin("channel-first", "the shape is right, but each row still lists (channel, row, column).",
             "a flat patch here is (row, column, channel): permute the axes of the weight before you flatten them.",
             lambda weight: weight.flatten(1)),
        Twin("transposed-inside", "each kernel is mirrored along its diagonal: (column, row, channel).",
             "the weight is (D, C, row, column). Move C to the end and leave row before column.",
             lambda weight: weight.permute(0, 3, 2, 1).flatten(1)),
        Twin("middle", "the channel ended up between row and column.", "wanted is (D, row, column, channel).",
             lambda weight: weight.permute(0, 2, 1, 3).flatten(1)),
        Twin("flipped", "each kernel is turned by half a circle.",
             "the convolution of mathematics flips its kernel. torch's does not: it multiplies and adds in place.",
             lambda weight: linear_from_conv(weight.flip(-1, -2))),
        Twin("turned", "the numbers are right, but the shape is (P*P*C, D).",
             "torch keeps a linear layer's weight as (out, in), and multiplies by its transpose: D comes first.",
             lambda weight: linear_from_conv(weight).T),
        Twin("not-flattened", "the axes stand in the right order, but they are not joined yet.",
             "a linear layer's weight has two axes: flatten everything after D.",
             lambda weight: weight.permute(0, 2, 3, 1)),
        Twin("single-filter", "D was swept up with the rest: the order begins with a place in the patch instead of the output.",
             "the first axis, D, stays where it is.",
             lambda weight: weight.permute(2, 3, 1, 0).reshape(len(weight), -1)),
    ),
)


# ---- 01.budget ------------------------------------------------------------------------------------------------------

def budget(height: int, width: int, limit: int) -> tuple[int, int, int, int]:
    for patch in SIDES:
        tokens = (height // patch) * (width // patch)
        if height % patch == 0 and width % patch == 0 and tokens <= limit:
            return patch, tokens, patch * patch * 3, tokens * tokens
    raise ValueError(f"no patch side of {SIDES} divides {height} x {width} and keeps to {limit} tokens")


def _choice(sides=SIDES, divides=None, count=None, fits=None, raw=None, pairs=None, none=None):
    """A version of `budget` with single decisions exchanged."""
    divides = divides or (lambda h, w, p: h % p == 0 and w % p == 0)
    count = count or (lambda h, w, p: (h // p) * (w // p))
    fits = fits or (lambda n, limit: n <= limit)

    def answer(height, width, limit):
        for patch in sides:
            tokens = count(height, width, patch)
            if divides(height, width, patch) and fits(tokens, limit):
                return patch, tokens, raw(patch) if raw else 3 * patch**2, pairs(tokens) if pairs else tokens**2
        if none:
            return none()
        raise ValueError

    return answer


_PAIRS = ("the pairs are fewer than attention computes.", "every token asks every token, itself included and in both directions: N times N.")

BUDGET = Exercise(
    reference=budget,
    cases=lambda: [(224, 224, 200), (224, 224, 196), (96, 160, 400), (224, 448, 300), (224, 160, 200), (160, 224, 200), (72, 44, 50)],
    tell=lambda args: f"for budget{args}",
    picture=lambda args, value: _row(value),
    learnt="The budget speaks first and the patch follows. Where none fits, the picture has to be resized or cropped, and a clear error says so.",
    twins=(
        Twin("strict", "a picture may use the whole budget: exactly `limit` tokens are allowed.", "at most means <=.",
             _choice(fits=lambda n, limit: n < limit)),
        Twin("largest", "this is the largest patch side that fits; wanted is the smallest.",
             "small patches see more. Go through the sides from below and stop at the first that fits.", _choice(sides=SIDES[::-1])),
        Twin("indivisible", "this patch side leaves a rest of pixels at the edge.",
             "// drops the rest without a word. Ask for height % patch == 0 and width % patch == 0.", _choice(divides=lambda *_: True)),
        Twin("one-side", "this patch side does not divide both sides.", "the height is looked at; the width needs the same question.",
             _choice(divides=lambda h, w, p: h % p == 0)),
        Twin("one-side", "this patch side does not divide both sides.", "the width is looked at; the height needs the same question.",
             _choice(divides=lambda h, w, p: w % p == 0)),
        Twin("square-assumed", "the tokens are counted as if the picture were a square.", "(height // patch) * (width // patch).",
             _choice(count=lambda h, w, p: (h // p) ** 2)),
        Twin("square-assumed", "the tokens are counted as if the picture were a square.", "(height // patch) * (width // patch).",
             _choice(count=lambda h, w, p: (w // p) ** 2)),
        Twin("no-channels", "the raw width counts one value a pixel.", "a colour pixel is three numbers: P * P * 3.", _choice(raw=lambda p: p * p)),
        Twin("model-width", "the raw width is 768 for every patch side here.",
             "768 is the raw width at P = 16, and by coincidence ViT-Base's D. The raw width is P * P * 3.", _choice(raw=lambda p: 768)),
        Twin("half-pairs", *_PAIRS, _choice(pairs=lambda n: n * (n - 1) // 2)),
        Twin("half-pairs", *_PAIRS, _choice(pairs=lambda n: n * (n + 1) // 2)),
        Twin("half-pairs", *_PAIRS, _choice(pairs=lambda n: n * (n - 1))),
        Twin("float", "the counts are floating-point numbers.", "use // instead of /: tokens are counted, not measured.",
             _choice(count=lambda h, w, p: (h / p) * (w / p), pairs=lambda n: n * n)),
        Twin("should-raise", "no patch side fits here, and the function goes on as if nothing had happened.",
             "after the loop, raise ValueError and say with numbers what did not fit.", _choice(none=lambda: None)),
    ),
)

EXERCISES = {"cut": CUT, "stitch": STITCH, "carry": CARRY, "budget": BUDGET}


# ---- what the reader gets to see ------------------------------------------------------------------------------------

def _viewable(value) -> Tensor | None:
    """A tensor as a picture (C, H, W), or None if it cannot be one."""
    if not isinstance(value, Tensor) or value.ndim != 3 or value.shape[0] not in (1, 3) or 0 in value.shape:
        return None
    return value if value.is_floating_point() and value.max() <= 1 else value.double() / 255


def _mosaic(args: tuple, value) -> Tensor | None:
    """Tokens drawn as the P x P squares they should be, in raster order, with a gap between them."""
    image, patch = args
    grid = Grid.of(*image.shape[1:], patch)
    if not isinstance(value, Tensor) or value.shape != (grid.tokens, patch * patch * image.shape[0]):
        return None
    tiles = value.double().reshape(grid.rows, grid.cols, patch, patch, -1).permute(4, 0, 2, 1, 3)
    tiles = torch.nn.functional.pad(tiles, (0, 1, 0, 0, 0, 1), value=1.0 if image.max() <= 1 else 255.0)
    return _viewable(tiles.reshape(tiles.shape[0], grid.rows * (patch + 1), grid.cols * (patch + 1)))


def _responses(weight: Tensor, value) -> Tensor | None:
    """What a linear layer with this weight answers to the photograph: its first three outputs as red, green, blue."""
    width, channels, patch, _ = weight.shape
    if not isinstance(value, Tensor) or value.shape != (width, channels * patch**2) or channels != 3 or width < 3:
        return None
    image = photo().to(value.dtype)
    answers = (patchify(image, patch) @ value.T)[:, :3].T.reshape(3, *Grid.of(*image.shape[1:], patch))
    low, high = answers.amin((1, 2), keepdim=True), answers.amax((1, 2), keepdim=True)
    return (answers - low) / (high - low).clamp_min(1e-6)


def _row(value) -> list | None:
    if not isinstance(value, (tuple, list)) or len(value) != 4:
        return None
    return [("patch", "tokens", "raw width", "pairs"), value]
