"""Exercises never throw, never spoil a case, and show what they found; figures and recorded runs keep their laws."""

import re
import subprocess
import sys
import warnings
from functools import partial
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path

import pytest
import torch

from minivit.patches import Grid, patchify
from minivit.teach import cards, check
from minivit.teach.check import Verdict
from minivit.teach.exercises import find, names
from minivit.teach.figures import patches as figures
from minivit.teach.figures import pyplot, styled
from minivit.teach.outcomes import Outcome, alike, differing, equal, plain, run
from minivit.teach.runs import recorded

NAMES = names()


# ---- what an answer may be ------------------------------------------------------------------------------------------


def ellipsis(image, patch):
    """A stub with a docstring."""
    ...


def passed(image, patch):
    pass


def none(image, patch):
    return None


def unimplemented(image, patch):
    raise NotImplementedError


@pytest.mark.parametrize(
    "answer", [ellipsis, passed, none, unimplemented, lambda image, patch: None, lambda image, patch: ..., None, ...]
)
def test_the_unwritten_is_not_yet(answer):
    verdict = check("01.cut", answer)
    assert (verdict.status, verdict.id) == ("not yet", "not-yet")
    assert repr(verdict).startswith("Not yet:")


def forgot(image, patch):
    tokens = patchify(image, patch)  # noqa: F841


def test_a_forgotten_return_is_not_mistaken_for_an_unwritten_answer():
    assert check("01.cut", forgot).id == "no-return"


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_right(name):
    verdict = check(name, find(name).reference)
    assert verdict.status == verdict.id == "right"
    assert repr(verdict).startswith("Right. ") and verdict.said == find(name).learnt


@pytest.mark.parametrize("name", NAMES)
def test_every_twin_is_told_by_its_own_hint(name):
    for twin in find(name).twins:
        cases = find(name).cases()
        assert not all(alike(run(find(name).reference, args), run(twin.answer, args)) for args in cases), (
            f"{twin.id} is right"
        )
        verdict = check(name, twin.answer)
        assert verdict.status == "wrong" and verdict.id == twin.id
        assert twin.wrong in verdict.said and verdict.hint == twin.hint


@pytest.mark.parametrize("name", NAMES)
def test_no_two_twins_do_the_same(name):
    """Two mistakes with different words must differ in some case, or one of them would get the other's hint."""
    exercise, cases = find(name), find(name).cases()
    results = [(twin.id, [run(twin.answer, args) for args in cases]) for twin in exercise.twins]
    for i, (id, mine) in enumerate(results):
        for other, theirs in results[:i]:
            assert id == other or not all(map(alike, mine, theirs)), f"{id} and {other}"


class Odd:
    def __call__(self, image, patch):
        return "a string"

    def __eq__(self, other):
        raise RuntimeError("compared")

    __hash__ = None


def deep(image, patch):
    return deep(image, patch)


def broken(image, patch):
    raise KeyError


def exits(image, patch):
    raise StopIteration("over")


def grouped(image, patch):
    raise ExceptionGroup("two", [ValueError("one"), TypeError("two")])


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        (broken, "raises"), (deep, "raises"), (exits, "raises"), (grouped, "raises"), (Odd(), "signature"),
        (lambda image, patch: Odd(), "not-a-tensor"), (lambda image, patch: image.numpy(), "not-a-tensor"),
        (lambda image, patch: torch.empty(0), "shape"), (lambda image, patch: torch.tensor(1.0), "shape"),
        (lambda image, patch: patchify(image, patch) * float("nan"), "values"),
        (lambda image, patch: patchify(image, patch).to(torch.complex64), "dtype"),
        (lambda image, patch: patchify(image, patch).bool(), "dtype"), (lambda image: image, "signature"),
        (lambda image, *, patch: image, "signature"), (3, "not-a-function"), ("cut", "not-a-function"),
        (torch.zeros(3), "not-a-function"),
        (partial(patchify, patch=16), "signature"), (print, "no-return"), (len, "signature"), (dict, "signature"),
        (torch.nn.Identity(), "raises"),
    ],
)  # fmt: skip
def test_whatever_the_reader_hands_over_is_a_diagnosis(answer, id, capsys):
    verdict = check("01.cut", answer)
    assert verdict.status == "wrong" and verdict.id == id, verdict
    assert verdict._repr_html_() and repr(verdict)


class Shy:
    """Refuses to be compared, shown, turned into text or asked for anything."""

    __hash__ = None

    def refuse(self, *_):
        raise SystemExit("no")

    __eq__ = __repr__ = __str__ = __len__ = __bool__ = __iter__ = __format__ = refuse

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __call__(self, image, patch):
        return self

    @property
    def __class__(self):
        raise RuntimeError("class")


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Stubborn(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError("no")


def stops(error):
    def answer(image, patch):
        raise error

    return answer


def given(make):
    """An answer that does `make` to the true tokens."""
    return lambda image, patch: make(patchify(image, patch))


@pytest.mark.parametrize(
    ("answer", "id"),
    [
        (stops(SystemExit(1)), "raises"), (stops(Mute()), "raises"), (stops(SyntaxError("s")), "raises"),
        (lambda image, patch: sys.exit(), "raises"), (lambda image, patch: Shy(), "unreadable"),
        (lambda image, patch: type("", (), {})(), "not-a-tensor"),
        (given(lambda x: x.to("meta")), "unreadable"), (given(lambda x: x.as_subclass(Stubborn)), "unreadable"),
        (given(lambda x: torch.nested.nested_tensor([x, x[:2]])), "unreadable"),
        (given(lambda x: torch.nested.nested_tensor([x, x[:2]], layout=torch.jagged)), None),
        (given(lambda x: (x + 1).to_sparse()), "values"), (given(lambda x: x.T.to_sparse()), "one-patch-a-column"),
        (given(lambda x: torch.sparse_coo_tensor(size=(10**6, 10**7))), "shape"),
        (given(lambda x: x[:1, :1].expand(10**6, 10**6)), "shape"), (given(lambda x: x.to(torch.float8_e5m2)), "dtype"),
        (given(lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.quint8)), "dtype"),
        (lambda image, patch: image.resize_(1), None), (lambda image, patch: image.to("meta").cpu(), None),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_a_diagnosis_too(answer, id):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's on nested and quantised tensors
        verdict = check("01.cut", answer)
        assert verdict.status == ("wrong" if id else verdict.status) != "right", verdict
        assert verdict.id == (id or verdict.id), verdict
        assert verdict._repr_html_() and repr(verdict)


@pytest.mark.parametrize(
    "value",
    [
        Shy, lambda: (Shy(), 1, 2, 3), lambda: [1, 2, 3, Shy()], lambda: (10**5000, 1, 2, 3),
        lambda: ("x" * 10**6,) * 4, lambda: torch.empty(4, 10**4),
    ],
)  # fmt: skip
def test_an_answer_of_numbers_may_be_anything_as_well(value):
    verdict = check("01.budget", lambda height, width, limit: value())
    assert verdict.status == "wrong" and len(verdict._repr_html_()) < 10_000 and len(repr(verdict)) < 1000


def test_an_object_that_refuses_everything_is_no_function():
    assert check("01.cut", Shy()).id == "signature"


def test_the_readers_interrupt_is_not_caught():
    with pytest.raises(KeyboardInterrupt):
        check("01.cut", stops(KeyboardInterrupt()))


def test_right_values_are_right_in_any_layout_and_on_any_device():
    assert check("01.cut", given(lambda x: x.to_sparse())).status == "right"
    if torch.cuda.is_available():
        assert check("01.cut", given(lambda x: x.cuda())).status == "right"
        assert check("01.cut", given(lambda x: x.cuda() + 1)).id == "values"


def test_a_type_that_torch_does_not_know_is_no_unwritten_answer():
    """torch's own NotImplementedError comes for the uint8 case alone."""
    verdict = check("01.cut", lambda image, patch: torch.nn.functional.unfold(image[None], patch, stride=patch)[0].T)
    assert verdict.status == "wrong"

    def partly(image, patch):
        if image.dtype is torch.uint8:
            raise NotImplementedError("im2col for Byte")
        return patchify(image, patch)

    assert check("01.cut", partly).id == "raises"


def test_only_small_dense_values_are_looked_at():
    sparse = torch.eye(3).to_sparse()
    assert torch.equal(plain(sparse), torch.eye(3)) and plain(torch.ones(2, requires_grad=True)).requires_grad is False
    with pytest.raises(ValueError, match="10,000,000,000 values"):
        plain(torch.zeros(1).expand(10**5, 10**5))
    assert differing(torch.tensor([1.0, 2.0]), torch.tensor([1.0 + 1e-7, 2.1])).tolist() == [False, True]


def test_functions_that_need_no_new_code_are_accepted():
    assert check("01.cut", partial(patchify)).status == "right"
    assert check("01.cut", lambda image, patch, extra=0: patchify(image, patch).requires_grad_(False)).status == "right"
    assert check("01.carry", lambda weight: torch.nn.Parameter(find("01.carry").reference(weight))).status == "right"


def test_an_exception_is_shown_with_its_line():
    space: dict = {}
    exec(compile("def cut(image, patch):\n    rows = 0\n    return image[rows / 0]\n", "<cell>", "exec"), space)
    verdict = check("01.cut", space["cut"])
    assert verdict.id == "raises" and "ZeroDivisionError" in verdict.said and "line 3" in verdict.said


def test_an_answer_that_spoils_its_input_cannot_spoil_the_next_case():
    def spoils(image, patch):
        tokens = patchify(image, patch).clone()
        image.zero_()
        return tokens

    assert check("01.cut", spoils).id == "mutates"
    assert check("01.cut", patchify).status == "right"


@pytest.mark.parametrize(
    ("answer", "id", "words"),
    [
        (lambda q, k, v, t, p: (torch.cat([q, k, v]), t, p), "shape", r"number 2: the shape is \(1, 1, 4\); wanted"),
        (lambda q, k, v, t, p: (torch.cat([q, k, v]), t[0] + p[0, :1], p[:, 1:]), "shape", "number 3: the shape is"),
        (lambda q, k, v, t, p: (torch.cat([q, k, v]), t[0] + p[0, :1]), "length", "2 things; wanted are 3"),
        (lambda q, k, v, t, p: (torch.cat([q, k, v]), None, p[0, 1:]), "no-return", "number 2: it gives nothing"),
        (
            lambda q, k, v, t, p: (-torch.cat([q, k, v]), t[0], p[0, 1:]),
            "values",
            "number 1: 100% of the values differ",
        ),
    ],
)
def test_of_several_tensors_the_first_wrong_one_is_told(answer, id, words):
    """Not a wall of numbers: the part's place, and what is wrong with it."""
    verdict = check("05.carry", answer)
    assert verdict.id == id and re.search(words, verdict.said) and len(verdict.said) < 200


def test_an_unknown_exercise_is_named_with_those_there_are():
    for name in ("01.cutt", "99.cut", "cut", "", None):
        with pytest.raises(ValueError, match=r"there is no exercise .*01\.cut.*01\.budget"):
            check(name, patchify)


def test_equal_is_strict_about_kind_and_kind_to_rounding():
    one = torch.tensor([1.0, 2.0])
    assert (
        equal(one, one + 1e-7)
        and not equal(one, one + 1e-3)
        and not equal(one, one.double())
        and not equal(one, one[None])
    )
    assert (
        equal((1, 2), (1, 2))
        and not equal((1, 2), (1.0, 2))
        and not equal((1, 2), [1, 2])
        and not equal((1, 2), (1, 2, 3))
    )
    assert equal(torch.tensor(float("nan")), torch.tensor(float("nan")))
    assert run(len, (3,)).error is not None and run(len, ("abc",)) == Outcome(value=3)


def test_cases_give_every_axis_its_own_size():
    shapes = [args[0].shape for args in find("01.cut").cases()]
    assert any(len(set(shape)) == 3 for shape in shapes) and any(shape[0] == 1 for shape in shapes)
    assert all(rows != cols or len(tokens) == 4 for tokens, rows, cols, _ in find("01.stitch").cases())
    assert all(len({*weight.shape}) == 3 for (weight,) in find("01.carry").cases()[:1])


# ---- the card -------------------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Checks that tags close in order, and collects the attributes of pictures."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.pictures = [], []
        self.feed(page)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_card_brings_its_own_paper_and_ink_and_words_for_its_pictures():
    page = check("01.cut", lambda image, patch: patchify(image, patch).flip(0))._repr_html_()
    assert cards.PAPER in page and cards.INK in page
    assert [picture["alt"] for picture in Tags(page).pictures] == ["yours", "target"]
    assert "<script" not in page and "http" not in page and len(page) < 200_000


def test_a_card_escapes_what_the_reader_wrote():
    def answer(image, patch):
        raise ValueError("<script>alert(1)</script> `<b>` & more")

    page = check("01.cut", answer)._repr_html_()
    assert "<script" not in page and "<b>" not in page
    Tags(page)


def test_the_same_answer_gets_the_same_bytes():
    pages = {check("01.stitch", lambda tokens, rows, cols, patch: tokens)._repr_html_() for _ in range(2)}
    assert len(pages) == 1


@pytest.mark.parametrize(
    "picture",
    [
        torch.rand(3, 4, 5),
        torch.rand(1, 300, 7),
        torch.full((3, 2, 2), float("nan")),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
    ],
)
def test_pictures_of_any_kind_become_png(picture):
    assert cards.png(picture).startswith("data:image/png;base64,")


def test_a_verdict_reads_as_one_line_of_text():
    assert Verdict("wrong", "x", "this.", "that.").__repr__() == "Not right: this. Hint: that."


# ---- figures --------------------------------------------------------------------------------------------------------


def test_a_mosaic_is_the_picture_with_gaps():
    image = torch.arange(3 * 6 * 4, dtype=torch.uint8).reshape(3, 6, 4)
    sheet = figures.mosaic(patchify(image, 2), Grid(3, 2), 2, gap=3)
    assert sheet.shape == (3, 12, 7)
    rows = [0, 1, 5, 6, 10, 11]
    cols = [0, 1, 5, 6]
    assert torch.equal(sheet[:, rows][:, :, cols], image)
    paper = torch.tensor([0xFB, 0xF8, 0xF1], dtype=torch.uint8)
    assert (sheet[:, 2:5] == paper[:, None, None]).all() and (sheet[:, :, 2:5] == paper[:, None, None]).all()


def test_figures_leave_the_readers_style_alone():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    before = dict(plt.rcParams)
    figures.kernels(torch.rand(4, 3, 2, 2), columns=2)
    plt.close("all")
    assert dict(plt.rcParams) == before


def test_styled_functions_keep_their_name_arguments_and_result():
    pytest.importorskip("matplotlib.pyplot")

    @styled
    def twice(number, times=2):
        """Says so."""
        return number * times, pyplot().rcParams["axes.facecolor"]

    assert twice(3) == (6, cards.PAPER) and twice(3, times=3)[0] == 9
    assert (twice.__name__, twice.__doc__) == ("twice", "Says so.")


def test_the_package_imports_without_the_extra():
    """`check` and the exercises need neither matplotlib nor IPython at import."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('matplotlib', 'IPython', 'ipywidgets', 'skimage', 'sklearn')));"
    )
    code += "import minivit.teach, minivit.teach.figures.patches, minivit.teach.exercises.patches"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- recorded runs --------------------------------------------------------------------------------------------------


def test_an_unknown_record_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="patch_size"):
        recorded("patch_sise")


def test_a_setting_that_was_not_recorded_is_named_with_those_that_were():
    for asked in (figures.band, figures.runs_of):
        with pytest.raises(
            ValueError, match=r"P = 3, D = 32, patchify; there are P = 2, D = 32, patchify; .*far_apart"
        ):
            asked(recorded("patch_size"), 3, 32)


def test_the_record_says_where_it_comes_from():
    record = recorded("patch_size")
    assert re.fullmatch("[0-9a-f]{40}", record["commit"]) and record["recipe"] and "threads" in record["hardware"]
    for one in record["runs"]:
        assert len(one["steps"]) == len(one["loss"]) == len(one["read"]) == 15 and one["seconds"] > 0
        assert len({other["seed"] for other in figures.runs_of(record, one["patch"], one["width"], one["cut"])}) >= 3


def test_what_the_lesson_says_of_the_record_is_so():
    """Four and eight pixels read best at 32 numbers; wider tokens bring large patches back; wrong cuts learn, less."""
    record = recorded("patch_size")
    band = partial(figures.band, record)

    def mean(*which):
        ends = [one["read"][-1] for one in figures.runs_of(record, *which)]
        return sum(ends) / len(ends)

    assert abs(mean(4, 32) - mean(8, 32)) < 0.05
    for patch in (2, 16, 32):
        assert band(patch, 32)[1] < min(band(4, 32)[0], band(8, 32)[0]) - 0.15
    assert mean(8, 32) - mean(16, 128) < 0.1 and band(16, 128)[0] > band(16, 32)[1] + 0.1
    assert mean(8, 32) - mean(32, 512) < 0.1 and band(32, 512)[0] > band(32, 32)[1] + 0.2
    for cut in ("runs_of_values", "far_apart"):
        assert band(8, 32, cut)[1] < band(8, 32)[0] and mean(8, 32, cut) < mean(8, 32) - 0.1
        assert all(one["loss"][-1] < one["loss"][0] / 3 for one in figures.runs_of(record, 8, 32, cut))


def test_a_letter_of_the_plates_is_about_eight_pixels_tall():
    """Lesson 1 says so; dark rows are counted in the middle of bright plates, drawn straight on."""
    from dataclasses import replace

    from minivit import panels

    heights = []
    for seed in range(20):
        scene = replace(panels.sample_scene(seed), yaw=0.0, pitch=0.0, roll=0.0, light="bright", code="H8-88")
        y0, x0, y1, x1 = (edge * 96 for edge in panels.regions(scene)["code"])
        plate = panels.draw(scene, 96).double().mean(0)[round(y0) + 2 : round(y1) - 2, round(x0) + 4 : round(x1) - 4]
        heights.append(int((plate.amin(1) < plate.median() / 2).sum()))
    assert 7 <= sum(heights) / len(heights) <= 9


@pytest.mark.slow
def test_one_short_point_of_the_recorded_run_comes_out_again():
    """400 steps of P = 8 by the lesson's own cells, from a recorded seed, reach its loss; a wrong cut does not."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools" / "runs"))
    try:
        from patch_size import curve, recipe
    finally:
        sys.path.pop(0)
    space = recipe()
    (run,) = [run for run in figures.runs_of(recorded("patch_size"), 8, 32) if run["seed"] == 1]
    wanted = dict(zip(run["steps"], run["loss"], strict=True))[400]

    def loss_at_400(cut):
        points = islice(curve(space, 8, 32, cut, run["rate"], seed=1), 4)
        return {step: loss for step, loss, _ in points}[400]

    near = 0.12  # two runs of this point once differed by 0.07, why is not known; far_apart is 0.23 away
    assert abs(loss_at_400("patchify") - wanted) < near
    assert loss_at_400("far_apart") - wanted > near


def test_numbers_are_equal_to_rounding():
    from minivit.teach.outcomes import equal

    assert equal(1.0, 1.0 + 1e-9) and equal(float("nan"), float("nan")) and equal((2.0, 1), (2.0 + 1e-9, 1))
    assert not equal(1.0, 1.001) and not equal(1.0, 1) and not equal(1, 2) and not equal(float("inf"), 1.0)
