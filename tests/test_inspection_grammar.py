"""The grammar: what it lets through is valid, all that is valid in canonical form is let through, nothing else."""

import json
from random import Random

import pytest
import torch

from minivit import panels
from minivit.inspection import words
from minivit.inspection.grammar import Grammar
from minivit.language import Pieces
from minivit.reports import Report

PIECES = words.pieces()
REPORT = Grammar(PIECES, Report.model_json_schema())


def wandering(grammar: Grammar, seed: int) -> str:
    """A text of tokens that are drawn from those allowed, each equally often."""
    random, ids = Random(seed), []
    while True:
        row = torch.tensor([ids], dtype=torch.int64).reshape(1, len(ids))
        token = random.choice(grammar.allowed(row)[0].nonzero()[:, 0].tolist())
        if token == PIECES.end:
            return PIECES.text(ids)
        ids.append(token)


@pytest.mark.parametrize("seed", range(20))
def test_whoever_keeps_to_it_writes_a_valid_report(seed):
    Report.model_validate_json(wandering(REPORT, seed))


def test_every_true_report_is_let_through():
    for seed in range(50):
        text = words.report_text(panels.report(panels.sample_scene(seed)))
        assert REPORT.complete(PIECES.ids(text))
        assert not REPORT.complete(PIECES.ids(text[:-1]))
        assert REPORT.after(PIECES.ids(text[:-1])), "its beginning may go on"


@pytest.mark.parametrize(
    ("old", "new"),
    [('"burn"', '"dent"'), ("A", "I"), ("0.1", "1.1"), ('"place":', '"plaice":'), ("}", " }"), ('"code":', '"code": ')],
)
def test_what_is_not_valid_is_not(old, new):
    text = '{"code":{"text":"A7-39","box":[0.10,0.20,0.30,0.40]},"badge":{"status":"ok","box":[0.10,0.20,0.30,1.00]},'
    text += '"icon":{"hazard":"heat","level":"ok","box":[0.10,0.20,0.30,0.40]},"damage":{"kind":"burn",'
    text += '"place":"upper left","severity":"minor","box":[0.10,0.20,0.30,0.40]},"action":"repair"}'
    assert REPORT.complete(PIECES.ids(text)) and old in text
    assert not REPORT.after(PIECES.ids(text.replace(old, new, 1)))


def test_after_a_mistake_only_the_end_may_follow():
    allowed = REPORT.allowed(torch.tensor([PIECES.ids("so")[:1], PIECES.ids('{"code":{"')[:1]]))
    assert allowed[0].nonzero().tolist() == [[PIECES.end]]
    assert allowed[1].any() and not allowed[1, PIECES.end]


def test_choices_and_a_schema_side_by_side():
    grammar = Grammar(PIECES, {"const": "no"}, choices=["nothing", "not yet"])
    said = {wandering(grammar, seed) for seed in range(30)}
    assert said == {'"no"', "nothing", "not yet"}


def test_numbers_patterns_and_words():
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": -1, "maximum": 12},
            "yes": {"type": "boolean"},
            "c": {"type": "string", "pattern": "^[B-D][0-1]x$"},
            "e": {"enum": ["a", 3, None]},
            "t": {"type": "array", "prefixItems": [{"type": "number", "minimum": 0, "maximum": 1}, {"const": 1}]},
        },
        "required": ["n", "yes", "c", "e", "t"],
    }  # fmt: skip
    grammar, seen = Grammar(PIECES, schema), set()
    for seed in range(150):
        said = json.loads(wandering(grammar, seed))
        assert -1 <= said["n"] <= 12 and said["yes"] in (True, False) and said["c"][0] in "BCD" and said["c"][2:] == "x"
        assert said["e"] in ("a", 3, None) and 0 <= said["t"][0] <= 1 and said["t"][1] == 1
        seen |= {("n", said["n"]), ("c", said["c"])}
    assert {("n", -1), ("n", 12), ("c", "B0x"), ("c", "D1x")} <= seen


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "string"},
        {"type": "string", "pattern": "a+"},
        {"type": "object", "properties": {"a": {"const": 1}}, "required": []},
        {"type": "object"},
        {"type": "number"},
        {"type": "integer", "minimum": 0, "maximum": 10**6},
        {"type": "array", "items": {"const": 1}},
    ],
)
def test_what_it_does_not_understand_is_refused(wrong):
    with pytest.raises(ValueError, match=r"not understood|all be required|letters and classes"):
        Grammar(PIECES, wrong)
    with pytest.raises(ValueError, match="schema, of choices, or of both"):
        Grammar(PIECES)


def test_a_pattern_may_not_hide_what_its_classes_do_not_say():
    with pytest.raises(ValueError, match="letters and classes"):
        Grammar(Pieces([]), {"type": "string", "pattern": "^[0-9]{2}$"})
