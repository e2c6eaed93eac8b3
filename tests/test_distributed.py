"""The laws of several processes: one big batch in value and gradient, blocks and bytes counted, and nothing hangs."""

from multiprocessing import active_children

import pytest
import round_the_ring as ring
import torch
from hypothesis import given
from hypothesis import strategies as st

from minivit.clip import clip_loss, clip_loss_gathered
from minivit.distributed import Traffic, place, run, split
from minivit.distributed.processes import _together
from minivit.siglip import siglip_loss, siglip_loss_ring

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WIDTH, NUMBERS = 6, (7.0, -3.0)
SIZES = {1: [(7,)], 2: [(5, 5), (3, 6)], 3: [(4, 4, 4), (1, 5, 3)], 4: [(3, 3, 3, 3), (5, 1, 3, 2)]}
counts = pytest.mark.parametrize("processes", SIZES)


def cases(processes):
    """Every loss and every twin with its numbers, for even blocks and for uneven ones."""
    for sizes in SIZES[processes]:
        image, text = ring.vectors(sum(sizes), WIDTH)
        for losses, numbers in ((ring.SIGMOID, NUMBERS), (ring.SOFTMAX, NUMBERS[:1])):
            for name, loss in losses.items():
                yield (name, sizes), (loss, image, text, numbers, sizes)
        if len(set(sizes)) == 1:
            for losses, numbers in ((ring.SIGMOID_TWINS, NUMBERS), (ring.SOFTMAX_TWINS, NUMBERS[:1])):
                for name, loss in losses.items():
                    yield (name, sizes), (loss, image, text, numbers, sizes)


@pytest.fixture(scope="module")
def told():
    """processes -> {(name, sizes): what became of it}; the processes start once."""
    known = {}

    def ask(processes):
        if processes not in known:
            names, work = zip(*cases(processes), strict=True)
            answers = run(ring.several, processes, work)
            together = map(_together, zip(*answers, strict=True))
            known[processes] = dict(zip(names, together, strict=True))
        return known[processes]

    return ask


def big_batch(name, sizes):
    """One process with all rows, by the plain loss -> (value, gradients)."""
    softmax = name in {**ring.SOFTMAX, **ring.SOFTMAX_TWINS}
    image, text = (part.requires_grad_() for part in ring.vectors(sum(sizes), WIDTH))
    numbers = torch.tensor(NUMBERS[: 1 if softmax else 2], dtype=torch.float64).requires_grad_().unbind()
    options = {"mean": "pairs"} if name == "ring, mean over pairs" else {}
    value = clip_loss(image, text, *numbers) if softmax else siglip_loss(image, text, *numbers, **options)
    return value.item(), torch.autograd.grad(value, (image, text, *numbers))


def far(found, name, sizes):
    """The largest difference from one big batch, in the value of any process and in every gradient."""
    value, gradients = big_batch(name, sizes)
    apart = [max(abs(one - value) for one in found.values)]
    return max(apart + [(a - b).abs().max().item() for a, b in zip(found.gradients, gradients, strict=True)])


@counts
def test_every_loss_is_that_of_one_big_batch_in_value_and_gradient(processes, told):
    for (name, sizes), found in told(processes).items():
        if name in {**ring.SIGMOID, **ring.SOFTMAX}:
            assert far(found, name, sizes) < 1e-12, (name, sizes)


@counts
def test_wrong_twins_fail_the_same_test(processes, told):
    if processes == 1:  # alone, only the divisor shows
        (sizes,) = SIZES[1]
        assert far(told(1)["divided by N squared", sizes], "divided by N squared", sizes) > 1e-2
        return
    for name in {**ring.SIGMOID_TWINS, **ring.SOFTMAX_TWINS}:
        sizes = SIZES[processes][0]
        assert far(told(processes)[name, sizes], name, sizes) > 1e-3, name


def test_the_twin_without_the_way_home_is_wrong_in_the_texts_gradient_alone(told):
    sizes = SIZES[3][0]
    found, (value, gradients) = told(3)["without the way home", sizes], big_batch("ring", sizes)
    assert max(abs(one - value) for one in found.values) < 1e-12
    apart = [(a - b).abs().max().item() for a, b in zip(found.gradients, gradients, strict=True)]
    assert max(apart[0], *apart[2:]) < 1e-12 < 1e-3 < apart[1]


@counts
def test_the_ring_holds_a_visitor_and_a_receive_buffer_of_each_way(processes, told):
    for sizes in SIZES[processes]:
        for traffic in told(processes)["ring", sizes].traffic:
            ways = {way: most for way, most in traffic.peak.items() if way != "gradient"}
            # the last hop needs no second buffer: nothing comes behind it
            hops = {"from the left": processes // 2, "from the right": (processes - 1) // 2}
            assert ways == {way: min(2, hop) for way, hop in hops.items() if hop}
            assert traffic.peak["gradient"] <= 1
            assert sum(traffic.live.values()) == 0


def test_longer_rings_hold_no_more(told):
    (found,) = [split(siglip_loss_ring, *ring.vectors(9, WIDTH), *NUMBERS, sizes=(1, 2, 1, 1, 2, 1, 1))]
    assert far(found, "ring", (9,)) < 1e-12
    assert [dict(traffic.peak) for traffic in found.traffic] == [
        {"from the left": 2, "from the right": 2, "gradient": 1}
    ] * 7


@counts
def test_bytes_of_the_ring_and_of_gathering(processes, told):
    """Texts out and their gradients home: 2 (W - 1) blocks. Gathering sends images too: twice as many."""
    sizes = SIZES[processes][0]
    block = sizes[0] * WIDTH * 8
    for name, factor in (("ring", 2), ("gathered", 4)):
        for traffic in told(processes)[name, sizes].traffic:
            assert traffic.sent == factor * (processes - 1) * block, name


def test_gathering_holds_every_block():
    found = split(clip_loss_gathered, *ring.vectors(8, WIDTH), 7.0, sizes=(2, 2, 2, 2))
    assert {traffic.peak["gathered"] for traffic in found.traffic} == {3}


def test_every_block_visits_every_process_once(told):
    messages = [one for traffic in told(4)["ring", SIZES[4][0]].traffic for one in traffic.messages]
    visits = [(one.owner, one.target) for one in messages if one.kind == "block"]
    assert sorted(visits) == [(a, b) for a in range(4) for b in range(4) if a != b]
    assert all((one.source - one.target) % 4 in (1, 3) for one in messages if one.kind == "block"), "neighbours only"
    homeward = [(one.source, one.owner) for one in messages if one.kind == "gradient"]
    assert sorted(homeward) == [(a, b) for a in range(4) for b in range(4) if a != b]
    assert all(one.target == one.owner for one in messages if one.kind == "gradient")


def test_live_blocks_are_counted_while_they_live():
    traffic = Traffic()
    first = traffic.room(3, torch.zeros(1, 4), "left")
    second = traffic.room(2, torch.zeros(1, 4), "left")
    assert (first.shape, second.shape, traffic.live["left"]) == ((3, 4), (2, 4), 2)
    del first
    assert (traffic.live["left"], traffic.peak["left"]) == (1, 2)
    del second
    assert (traffic.live["left"], traffic.peak["left"]) == (0, 2)


def test_results_come_in_the_order_of_processes():
    for rank, (word, own, count, tensor) in enumerate(run(ring.where_am_i, 3, "here")):
        assert (word, own, count, tensor.tolist()) == ("here", rank, 3, [rank, rank])
    assert place() == (0, 1)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("raises", "process 1 of 3 raised KeyError: 'no such panel'"),
        ("exits", "process 1 of 3 died with exit code 7"),
        ("is killed", "process 1 of 3 died with exit code -9"),
    ],
)
def test_a_process_that_fails_ends_all_and_is_named(how, says):
    with pytest.raises(RuntimeError) as caught:
        run(ring.fails, 3, 1, how)
    assert str(caught.value).startswith(says)
    assert no_child_left()


def test_a_process_that_hangs_is_ended_in_a_set_time():
    with pytest.raises(TimeoutError, match=r"processes \[.*1\] of 2 had not finished after 10 seconds"):
        run(ring.fails, 2, 1, "hangs", timeout=10)
    assert no_child_left()


@pytest.mark.parametrize("loss", [siglip_loss_ring, clip_loss_gathered], ids=["ring", "gathered"])
@pytest.mark.parametrize("left", [0, 2])
def test_a_death_in_the_ring_reaches_the_others_as_a_clear_error(loss, left):
    """The first message, and one in the middle: the others do not wait for what never comes."""
    with pytest.raises(RuntimeError) as caught:
        run(ring.ring_with_a_death, 4, loss, 2, "exits", left)
    first, *others = str(caught.value).splitlines()
    assert first == "process 2 of 4 died with exit code 7"
    lost = [line for line in others if "lost the others: process" in line]
    assert lost and all("in vain: one of the processes is gone or hangs" in line for line in lost)
    assert no_child_left()


BAD = {  # what is wrong with the rows of process 1 -> what it says, what the others say
    "NaN": ("the image vector of pair 2 holds NaN", "process 1 of 3 refused its rows, so process"),
    "width": ("the same width: process 0 has 6 and 1 5", "the same width: process 0 has 6 and 1 5"),
    "no gradients": ("gradients (1) or none (0): process 0 has 1 and 1 0", "gradients (1) or none (0)"),
}


@pytest.mark.parametrize("loss", [siglip_loss_ring, clip_loss_gathered], ids=["ring", "gathered"])
def test_one_bad_batch_is_refused_by_all(loss):
    said = run(ring.bad_batches, 3, loss, tuple(BAD))
    for kind, (own, other) in BAD.items():
        assert own in said[1][kind]
        assert other in said[0][kind] and other in said[2][kind]


def no_child_left():
    return active_children() == []


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="processes must be a whole number"):
        run(ring.where_am_i, 0, "")
    with pytest.raises(ValueError, match="timeout is in seconds, above 0; got 0"):
        run(ring.where_am_i, 1, "", timeout=0)
    with pytest.raises(ValueError, match=r"rows \(2, 2\) must add up to the 5 images"):
        split(siglip_loss_ring, *ring.vectors(5, WIDTH), *NUMBERS, sizes=(2, 2))


def test_a_result_that_cannot_travel_is_an_error_not_a_wait():
    with pytest.raises(RuntimeError, match="process 0 of 2 raised"):
        run(ring.returns_a_function, 2)


@given(width=st.integers(1, 5), rows=st.integers(2, 6))
def test_alone_the_ring_and_gathering_are_the_plain_losses(width, rows):
    image, text = ring.vectors(rows, width)
    torch.testing.assert_close(siglip_loss_ring(image, text, *NUMBERS), siglip_loss(image, text, *NUMBERS))
    torch.testing.assert_close(clip_loss_gathered(image, text, 7.0), clip_loss(image, text, 7.0))
