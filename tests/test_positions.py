"""The laws of positions: what a place does to a token, and what it must not depend on."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivit.patches import Grid
from minivit.positions import (
    BIG_VISION,
    DINOV2,
    NAFLEX,
    TIMM,
    TRANSFORMERS,
    LearnedPositions,
    NoPositions,
    Resampling,
    Rotary2D,
    SinCosPositions,
    coordinates,
)

sides = st.integers(1, 7)
WIDE = Grid(3, 5)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(rows=sides, cols=sides)
def test_coordinates_are_y_and_x_in_raster_order(rows, cols):
    assert coordinates(Grid(rows, cols)).tolist() == [[i // cols, i % cols] for i in range(rows * cols)]


def test_no_positions_change_nothing():
    tokens = random(2, 15, 8)
    assert torch.equal(tokens + NoPositions()(coordinates(WIDE), WIDE), tokens)


def written_out(y, x, width, temperature=10_000.0):
    """One token's sines and cosines, number by number."""
    omega = [temperature ** -(i / (width // 4 - 1)) for i in range(width // 4)]
    angles = [(place * torch.tensor(omega, dtype=torch.float64)) for place in (x, y)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)])


def test_sines_and_cosines_are_the_formula():
    told = SinCosPositions(12)(coordinates(WIDE).double(), WIDE)
    expected = torch.stack([written_out(y, x, 12) for y in range(3) for x in range(5)])
    torch.testing.assert_close(told, expected, rtol=0, atol=1e-12)
    exchanged = torch.stack([written_out(x, y, 12) for y in range(3) for x in range(5)])
    assert (told - exchanged).abs().max() > 0.1  # H and W exchanged


def products(positions, where):
    told = positions(where, WIDE)
    return told @ told.mT


@given(dy=st.integers(-50, 50), dx=st.integers(-50, 50))
def test_sine_cosine_products_depend_on_differences_only(dy, dx):
    where = coordinates(WIDE).double()
    moved = where + torch.tensor([dy, dx])
    sincos = SinCosPositions(16)
    torch.testing.assert_close(products(sincos, moved), products(sincos, where), rtol=0, atol=1e-11)


def test_a_learned_table_does_not_know_differences():
    grid = Grid(6, 8)
    told = LearnedPositions(grid, 16).table.detach().reshape(6, 8, 16)
    assert (told[0, 0] @ told[1, 1] - told[4, 4] @ told[5, 5]).abs() > 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_far_places_stay_exact_in_a_model_of_another_precision(dtype):
    """Frequencies kept as a buffer would be rounded by .to(bfloat16): at place 1000 an angle is off by a radian."""
    where = coordinates(Grid(2, 3)) + 1000
    exact, queries = SinCosPositions(16)(where.double(), None), random(1, 2, 6, 16)
    torch.testing.assert_close(SinCosPositions(16).to(dtype)(where, None).double(), exact, rtol=0, atol=2e-4)
    turned = Rotary2D(16)(where.double(), None)(queries)
    torch.testing.assert_close(Rotary2D(16).to(dtype)(where, None)(queries), turned, rtol=0, atol=1e-3)
    buffer = torch.tensor(10_000.0) ** -(torch.arange(48) / 47)  # of width 192
    assert (1000 * (buffer - buffer.bfloat16())).abs().max() > 1


def test_sincos_at_a_million():
    told = SinCosPositions(8)(torch.tensor([[10.0**6, 3.0], [0.0, 10.0**6]]), None)
    torch.testing.assert_close(told[0].double(), written_out(10.0**6, 3.0, 8), rtol=0, atol=1e-5)
    assert told.isfinite().all() and told.abs().max() <= 1


# Rotary


def by_complex_numbers(tokens, where, temperature=100.0):
    """Rotary as a product of complex numbers: the pairs of one half are (i, i + quarter)."""
    quarter = tokens.shape[-1] // 4
    omega = temperature ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    halves = []
    for half, place in zip(tokens.chunk(2, dim=-1), where.unbind(-1), strict=True):
        pairs = torch.complex(half[..., :quarter], half[..., quarter:])
        angle = place[:, None] * omega
        turned = pairs * torch.polar(torch.ones_like(angle), angle)
        halves += [turned.real, turned.imag]
    return torch.cat(halves, dim=-1)


def test_rotary_is_a_product_of_complex_numbers():
    where, tokens = coordinates(WIDE).double(), random(2, 3, 15, 8)
    turned = Rotary2D(8)(where, WIDE)(tokens)
    torch.testing.assert_close(turned, by_complex_numbers(tokens, where), rtol=0, atol=1e-12)
    assert (turned - by_complex_numbers(tokens, where.flip(-1))).abs().max() > 0.1  # x and y exchanged


def scores(rotary, where, q, k):
    rotate = rotary(where, WIDE)
    return rotate(q) @ rotate(k).mT


@given(dy=st.integers(-50, 50), dx=st.integers(-50, 50))
def test_rotary_scores_depend_on_differences_only(dy, dx):
    where, q, k = coordinates(WIDE).double(), random(2, 3, 15, 8), random(2, 3, 15, 8, seed=1)
    moved = where + torch.tensor([dy, dx])
    torch.testing.assert_close(scores(Rotary2D(8), moved, q, k), scores(Rotary2D(8), where, q, k), rtol=0, atol=1e-11)


def test_rotary_keeps_lengths_and_leaves_prefix_tokens():
    tokens = random(2, 3, 5 + 15, 8)
    turned = Rotary2D(8)(coordinates(WIDE).double(), WIDE)(tokens)
    torch.testing.assert_close(turned.norm(dim=-1), tokens.norm(dim=-1), rtol=0, atol=1e-12)
    assert torch.equal(turned[:, :, :5], tokens[:, :, :5])
    assert not torch.equal(turned[:, :, 6:], tokens[:, :, 6:])  # number 5 lies at (0, 0) and stays


def test_rotary_takes_places_of_each_picture():
    where, tokens = torch.stack([coordinates(WIDE).double(), coordinates(WIDE).double() + 7]), random(2, 3, 15, 8)
    turned = Rotary2D(8)(where, WIDE)(tokens)
    for i in range(2):
        assert torch.equal(turned[i : i + 1], Rotary2D(8)(where[i], WIDE)(tokens[i : i + 1]))


# The learned table


@given(rows=sides, cols=sides)
def test_the_table_is_read_at_its_coordinates(rows, cols):
    grid = Grid(rows, cols)
    learned, order = LearnedPositions(grid, 6), torch.randperm(rows * cols)
    assert torch.equal(learned(coordinates(grid), grid), learned.table)
    assert torch.equal(learned(coordinates(grid)[order], grid), learned.table[order])


def test_gradients_arrive_at_the_slots_that_were_read():
    learned = LearnedPositions(WIDE, 4)
    learned(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), WIDE).sum().backward()
    assert learned.table.grad.sum(dim=1).nonzero().tolist() == [[11]]
    assert learned.table.grad[11].tolist() == [2.0] * 4


def returned_unchanged(table, old, new):
    """The wrong twin: as many tokens, so it seems to fit."""
    return table


def test_a_2_by_8_table_asked_for_4_by_4_is_another_table():
    table, old, new = random(16, 6), Grid(2, 8), Grid(4, 4)
    with pytest.raises(ValueError, match=r"2 x 8 patches and the picture has 4 x 4.*resampling"):
        LearnedPositions(old, 6)(coordinates(new), new)
    for resampling in (BIG_VISION, TRANSFORMERS, TIMM, DINOV2, NAFLEX):
        assert (resampling(table, old, new) - returned_unchanged(table, old, new)).abs().max() > 0.1


@given(rows=sides, cols=sides, more=st.integers(0, 5), prefix=st.sampled_from([0, 1, 5]))
def test_resampling_keeps_prefix_rows_constants_and_dtype(rows, cols, more, prefix):
    old, new = Grid(rows, cols), Grid(rows + more, max(1, cols - more))
    table = torch.ones(prefix + old.tokens, 3) * torch.tensor([1.0, -2.0, 0.5])
    table[:prefix] = random(prefix, 3).float()
    for resampling in (BIG_VISION, TRANSFORMERS, TIMM, DINOV2, NAFLEX):
        moved = resampling(table, old, new, prefix)
        assert torch.equal(moved[:prefix], table[:prefix]) and moved.shape == (prefix + new.tokens, 3)
        torch.testing.assert_close(moved[prefix:], table[-1:].expand(new.tokens, -1), rtol=0, atol=1e-5)
        assert torch.equal(resampling(table[None], old, new, prefix), moved[None])
        assert resampling(table.bfloat16(), old, new, prefix).dtype == torch.bfloat16


def test_resampling_passes_gradients():
    learned = LearnedPositions(Grid(2, 3), 4, TRANSFORMERS)
    learned(coordinates(WIDE), WIDE).sum().backward()
    torch.testing.assert_close(learned.table.grad.sum(), torch.tensor(60.0))


def test_a_linear_ramp_stays_a_ramp_with_aligned_corners():
    table = coordinates(Grid(3, 4))
    moved = BIG_VISION(table, Grid(3, 4), Grid(5, 7))
    torch.testing.assert_close(moved, coordinates(Grid(5, 7)) * 0.5, rtol=0, atol=1e-6)


def test_positions_copy_and_know_no_other_state():
    assert list(SinCosPositions(8).state_dict()) == list(Rotary2D(8).state_dict()) == []
    learned = copy.deepcopy(LearnedPositions(WIDE, 4, TIMM))
    learned.load_state_dict(LearnedPositions(WIDE, 4).state_dict(), strict=True)


LEARNED = LearnedPositions(Grid(2, 3), 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: coordinates(6), "a grid is a pair"),
        (lambda: coordinates((0, 3)), "from 1 on"),
        (lambda: SinCosPositions(10), "multiple of 4.*10"),
        (lambda: SinCosPositions(4), "at least 8; got 4"),
        (lambda: SinCosPositions(8.0), "multiple of 4"),
        (lambda: SinCosPositions(8, 1.0), "above 1; got 1.0"),
        (lambda: SinCosPositions(8, float("nan")), "above 1; got nan"),
        (lambda: SinCosPositions(8, "10000"), "temperature must be a number"),
        (lambda: SinCosPositions(8)(torch.zeros(5, 3), None), r"\(\.\.\., N, 2\).*\(5, 3\)"),
        (lambda: NoPositions()([[0, 0]], None), "must be a tensor; got list"),
        (lambda: Rotary2D(6), "multiple of 4; got 6"),
        (lambda: Rotary2D(0), "multiple of 4; got 0"),
        (lambda: Rotary2D(8)(torch.zeros(5, 2), None)(torch.zeros(1, 2, 4, 8)), "5 or more.*4, 8"),
        (lambda: Rotary2D(8)(torch.zeros(5, 2), None)(torch.zeros(1, 2, 5, 12)), "5 or more, 8.*5, 12"),
        (lambda: Rotary2D(8)(torch.zeros(5, 2), None)(torch.zeros(2, 5, 8)), "2, 5, 8"),
        (lambda: Rotary2D(8)(torch.zeros(3, 5, 2), None)(torch.zeros(2, 4, 5, 8)), "3, 5, 2"),
        (lambda: LearnedPositions(6, 4), "table's grid is a pair"),
        (lambda: LearnedPositions(Grid(2, True), 4), "table's grid is a pair"),
        (lambda: LearnedPositions(Grid(2, 3), -4), "at least 1; got -4"),
        (lambda: LEARNED(coordinates(Grid(3, 2)), Grid(3, 2)), "2 x 3 patches and the picture has 3 x 2"),
        (lambda: LEARNED(coordinates(Grid(2, 3)) + 0.5, Grid(2, 3)), "whole numbers.*0.5 to 2.5"),
        (lambda: LEARNED(coordinates(Grid(2, 3)) - 1, Grid(2, 3)), "from -1 to"),
        (lambda: LEARNED(coordinates(Grid(3, 3)), Grid(2, 3)), "rows 0 to 1 and columns 0 to 2"),
        (lambda: LEARNED(coordinates(Grid(2, 3)) * torch.nan, Grid(2, 3)), "whole numbers"),
        (lambda: LEARNED(coordinates(Grid(2, 3)), 6), "picture's grid is a pair"),
        (lambda: Resampling("nearest"), "'bilinear' or 'bicubic'; got 'nearest'"),
        (lambda: Resampling("bicubic", align_corners=True, antialias=True), "exclude each other"),
        (lambda: Resampling("bicubic", offset=-0.1), "from 0 to below 1; got -0.1"),
        (lambda: Resampling("bicubic", offset=float("nan")), "got nan"),
        (lambda: Resampling("bicubic", offset="0.1"), "got '0.1'"),
        (lambda: TIMM(torch.zeros(7, 4), Grid(2, 3), WIDE), r"\(6, D\).*got \(7, 4\)"),
        (lambda: TIMM(torch.zeros(6, 4), Grid(2, 3), WIDE, prefix=1), r"\(7, D\).*got \(6, 4\)"),
        (lambda: TIMM(torch.zeros(2, 6, 4), Grid(2, 3), WIDE), r"got \(2, 6, 4\)"),
        (lambda: TIMM(torch.zeros(6), Grid(2, 3), WIDE), r"got \(6,\)"),
        (lambda: TIMM(torch.zeros(6, 4), Grid(2, 3), WIDE, prefix=-1), "prefix must be a whole number"),
        (lambda: TIMM(torch.zeros(6, 4), 6, WIDE), "old grid is a pair"),
        (lambda: TIMM(torch.zeros(6, 4), Grid(2, 3), (3, 0)), "new grid is a pair"),
        (lambda: TIMM(torch.zeros(6, 4, dtype=torch.int64), Grid(2, 3), WIDE), "int64: convert it"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(call, says):
    with pytest.raises(ValueError, match=says):
        call()
