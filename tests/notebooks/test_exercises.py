"""Every exercise of every lesson: as committed it says "not yet", its folded solution is right, and each wrong answer
that people write is refused with the hint that fits it. The answers are pasted into the lesson's own cells."""

import ast
import re
import warnings
from pathlib import Path

import nbformat
import pytest

from minivit.teach.exercises import find, names
from tests.notebooks.wrong import WRONG

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def exercise_cells() -> dict[str, tuple[str, str, str]]:
    """Exercise -> (the lesson's imports, the cell's source, the folded solution) of every committed lesson."""
    found = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        imports = next(cell.source for cell in cells if "set-up" in cell.metadata.get("tags", []))
        for place, cell in enumerate(cells):
            if "exercise" in cell.metadata.get("tags", []):
                name = re.search(r'check\("([\w.]+)"', cell.source)[1]
                after = cells[place + 1]
                assert "<details>" in after.source, f"{name}: no folded solution below"
                found[name] = imports, cell.source, re.search(r"```python\n(.*?)```", after.source, re.S)[1]
    return found


CELLS = exercise_cells()


def pasted(name: str, answer: str | None):
    """The verdict of the lesson's cell with everything but its last line replaced by `answer`."""
    imports, source, _ = CELLS[name]
    body, _, last = source.rstrip().rpartition("\n")
    space: dict = {}
    exec(imports, space)
    exec(body if answer is None else answer, space)
    return eval(last, space)


def cases(answers: dict) -> list:
    return [
        pytest.param(name, *answer, id=f"{name}-{answer[0]}-{i}")
        for name in answers
        for i, answer in enumerate(answers[name])
    ]


def test_every_exercise_stands_in_a_lesson_and_knows_four_wrong_answers_or_more():
    assert set(CELLS) == set(names()) == set(WRONG)
    assert all(len({id for id, _ in answers}) >= 4 for answers in WRONG.values())


@pytest.mark.parametrize("name", sorted(CELLS))
def test_the_committed_cell_says_not_yet(name, capsys):
    verdict = pasted(name, None)
    assert verdict.status == "not yet" and repr(verdict).startswith("Not yet:")


@pytest.mark.parametrize("name", sorted(CELLS))
def test_the_folded_solution_is_right(name):
    verdict = pasted(name, CELLS[name][2])
    assert (verdict.status, verdict.hint) == ("right", ""), verdict
    assert verdict.said == find(name).learnt


@pytest.mark.parametrize(("name", "diagnosis", "answer"), cases(WRONG))
def test_a_wrong_answer_gets_the_hint_that_fits_it(name, diagnosis, answer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reader's own
        verdict = pasted(name, answer)
    assert (verdict.status, verdict.id) == ("wrong", diagnosis), verdict
    assert verdict.said and verdict.hint


SILENT = {("06.needed", id) for id in ("extrapolates", "clamps", "first-size")}  # an error is the right answer there


@pytest.mark.parametrize(("name", "diagnosis", "answer"), cases(WRONG))
def test_every_wrong_answer_shows_the_target(name, diagnosis, answer):
    """As a picture or a table, save where the target is an error; the reader's own is drawn or named in a box."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (yours, mine), (title, target) = pasted(name, answer).pictures
    assert (yours, title) == ("yours", "target")
    raises = diagnosis == "should-raise" or (name, diagnosis) in SILENT
    assert (target == "ValueError") == raises and mine is not None
    assert isinstance(target, str) == raises
    page = pasted(name, answer)._repr_html_()
    drawn = re.findall(r"<figcaption[^>]*>(\w+)</figcaption>(?:<img|<table|<p) ", page)
    assert drawn == ["yours", "target"]


@pytest.mark.parametrize(
    ("name", "diagnosis", "words"),
    [
        ("01.cut", "raises", "TypeError"), ("01.cut", "not-a-tensor", "a list"),
        ("01.cut", "shape", "shape (3, 13824)"), ("01.cut", "no-return", "nothing (None)"),
        ("01.stitch", "square-assumed", "RuntimeError"),
        ("01.stitch", "channels-last", "shape (96, 144, 3)"), ("01.cut", "not-a-function", "shape (3, 4)"),
        ("01.budget", "should-raise", "nothing (None)"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_named_beside_the_target(name, diagnosis, words):
    verdict = pasted(name, dict(reversed(WRONG[name]))[diagnosis])
    assert verdict.pictures[0] == ("yours", words) and f">{words}</p>" in verdict._repr_html_()


def test_no_two_mistakes_share_a_hint():
    """What is wrong, and how to mend it, are each mistake's own words; one mistake may have several twins."""
    for name in CELLS:
        for words in ("wrong", "hint"):
            owners: dict[str, set[str]] = {}
            for twin in find(name).twins:
                owners.setdefault(getattr(twin, words), set()).add(twin.id)
            assert all(len(ids) == 1 for ids in owners.values()), (name, words, owners)


@pytest.mark.parametrize(
    ("name", "diagnosis"),
    [("01.cut", "phases"), ("01.stitch", "exchanged"), ("01.carry", "flipped"), ("01.budget", "largest")],
)
def test_the_readers_result_stands_beside_the_target(name, diagnosis):
    verdict = pasted(name, dict(WRONG[name])[diagnosis])
    titles = [title for title, _ in verdict.pictures]
    assert titles == ["yours", "target"]
    page = verdict._repr_html_()
    assert page.count("<figure") == 2
    drawn = re.findall(r'<img src="([^"]+)"|<table(.*?)</table>', page, re.S)
    assert len(drawn) == 2 and drawn[0] != drawn[1]


def test_solutions_do_not_use_what_they_build():
    banned = {"patchify", "unpatchify", "linear_from_conv", "cost", "attend", "attend_fast", "causal", "layer_norm"}
    for name, (_, _, solution) in CELLS.items():
        used = {node.id for node in ast.walk(ast.parse(solution)) if isinstance(node, ast.Name)}
        assert not used & banned, name
