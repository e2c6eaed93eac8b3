"""The grammar: what it lets through is valid, all that is valid in canonical form is let through, nothing else."""

import json
import re
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


STRING = {"type": "string", "pattern": "^[A-C]$"}
ARRAY = {"type": "array", "prefixItems": [{"const": 1}]}
KINDS = [{"type": "object", "properties": {"k": {"const": one}}, "required": ["k"]} for one in "aab"]
REFUSED = [
    ({"type": "string"}, "a string has a pattern, made of letters and classes"),
    ({"type": "string", "pattern": "a+"}, r"letters and classes .*'a\+'"),
    ({"type": "string", "pattern": '^a"$'}, "'\"' .* fits no letter that JSON writes as it is"),
    ({"type": "string", "pattern": "^[C-A]$"}, r"'\[C-A\]' is no class"),
    ({"type": "object", "properties": {"a": {"const": 1}}, "required": []}, r"must all be required.*\['a'\]"),
    ({"type": "object", "properties": {"a": {"const": 1}}, "required": ["a", "b"]}, r"no others; look at \['b'\]"),
    ({"type": "object"}, "must all be required.*there are none"),
    ({"type": "number"}, "minimum 0 and maximum 1; got None and None"),
    ({"type": "number", "maximum": 1}, "minimum 0 and maximum 1; got None and 1"),
    ({"type": "integer", "maximum": 100}, "a minimum and a maximum, .* at most 1000 apart; got None and 100"),
    ({"type": "integer", "minimum": 3}, "got 3 and None"),
    ({"type": "integer", "minimum": 0, "maximum": 10**6}, "got 0 and 1000000"),
    ({"type": "integer", "minimum": 4, "maximum": 3}, "got 4 and 3"),
    ({"type": "integer", "minimum": 0.5, "maximum": 3}, "both whole .* got 0.5 and 3"),
    ({"type": "array", "items": {"const": 1}}, r"of 'array' the keywords \['items'\] are not understood"),
    ({"type": "array"}, "one for each place; got 0"),
    (ARRAY | {"minItems": 2}, "got 1, with minItems 2 and maxItems None"),
    (STRING | {"maxLength": 0}, r"of 'string' the keywords \['maxLength'\] are not understood"),
    (STRING | {"minLength": 2, "format": "date"}, r"\['format', 'minLength'\]"),
    ({"type": "integer", "minimum": 0, "maximum": 9, "exclusiveMinimum": 0}, r"\['exclusiveMinimum'\]"),
    ({"type": "integer", "minimum": 0, "maximum": 9, "multipleOf": 2}, r"\['multipleOf'\]"),
    ({"const": "a", "not": {"const": "a"}}, r"of 'const' the keywords \['not'\]"),
    ({"anyOf": [STRING], "type": "string"}, r"\['type'\]"),
    ({"enum": ["a", 3], "type": "string"}, "3 is not of the type 'string'"),
    ({"enum": [True], "type": "integer"}, "True is not of the type 'integer'"),
    ({"enum": []}, "nothing to choose from"),
    ({"const": float("nan")}, "JSON"),
    ({"oneOf": KINDS[1:]}, "None has"),
    ({"oneOf": KINDS[:2], "discriminator": {"propertyName": "k"}}, "other values in each; 'k' has"),
    ({"oneOf": [*KINDS[1:], STRING], "discriminator": {"propertyName": "k"}}, "other values in each"),
    ({"$ref": "#/$defs/None"}, "leads to a place in this schema"),
    ({"$ref": "other.json"}, "leads to a place in this schema"),
    ({"$ref": "#/$defs/A", "$defs": {"A": ARRAY | {"prefixItems": [{"$ref": "#/$defs/A"}]}}}, "a part of itself"),
    ({"type": ["string", "null"]}, "not understood"),
    ({"type": "array", "prefixItems": [True]}, "this schema is not understood: True"),
    (True, "not understood"),
    ({"enum": 5}, "a part is of another type"),
    ({"anyOf": 5}, "a part is of another type"),
    ({"oneOf": KINDS[1:], "discriminator": "k"}, "a part is of another type"),
    (ARRAY | {"minItems": "1"}, "a part is of another type"),
    ({"type": "object", "properties": ["a"], "required": ["a"]}, "a part is of another type"),
    ({"type": "number", "minimum": False, "maximum": True}, "minimum 0 and maximum 1; got False and True"),
]


@pytest.mark.parametrize(("wrong", "told"), REFUSED)
def test_what_it_does_not_understand_is_refused_by_name(wrong, told):
    with pytest.raises(ValueError, match=told):
        Grammar(PIECES, wrong)


def test_of_nothing_there_is_no_grammar():
    with pytest.raises(ValueError, match="schema, of choices, or of both"):
        Grammar(PIECES)


def test_words_that_forbid_nothing_may_stand_anywhere():
    told = {"title": "T", "description": "d", "default": 1, "examples": [1], "$comment": "c"}
    for schema in (STRING, ARRAY | {"minItems": 1, "maxItems": 1}, {"enum": [1, 2.5], "type": "number"}):
        assert Grammar(PIECES, schema | told).states == Grammar(PIECES, schema).states
    apart = Grammar(PIECES, {"oneOf": KINDS[1:], "discriminator": {"propertyName": "k"}})
    assert {wandering(apart, seed) for seed in range(20)} == {'{"k":"a"}', '{"k":"b"}'}


@pytest.mark.parametrize("pattern", ["^[^A]$", "^[!-~]$", "^[ -~]$", "^[\"'b]$"])
def test_whatever_a_class_lets_through_is_json(pattern):
    grammar = Grammar(Pieces([]), {"type": "string", "pattern": pattern})
    first = grammar.allowed(torch.tensor([Pieces([]).ids('"')]))[0].nonzero().flatten().tolist()
    said = {json.loads('"' + Pieces([]).text([token]) + '"') for token in first}
    letters = {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}
    assert said == {letter for letter in letters if re.search(pattern, letter)} and said


def test_a_pattern_may_not_hide_what_its_classes_do_not_say():
    with pytest.raises(ValueError, match="letters and classes"):
        Grammar(Pieces([]), {"type": "string", "pattern": "^[0-9]{2}$"})
