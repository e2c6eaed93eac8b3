"""Laws of the report: every rule stands in its JSON Schema, and no text is free."""

import json

import pytest

from minivit import reports
from minivit.reports import Report, area, overlap

WHOLE = {
    "code": {"text": "A7-39", "box": [0.55, 0.2, 0.68, 0.74]},
    "badge": {"status": "warning", "box": [0.1, 0.1, 0.2, 0.3]},
    "icon": {"hazard": "heat", "level": "warning", "box": [0.1, 0.5, 0.2, 0.7]},
    "damage": {"kind": "crack", "place": "upper left", "severity": "major", "box": [0.0, 0.1, 0.25, 1.0]},
    "action": "isolate",
}
SOUND = WHOLE | {"damage": {"kind": "none"}}


def parse(report: dict) -> Report:
    return Report.model_validate_json(json.dumps(report))


@pytest.mark.parametrize("report", [WHOLE, SOUND], ids=["damaged", "sound"])
def test_what_is_written_is_read_back(report):
    assert json.loads(parse(report).model_dump_json()) == report


@pytest.mark.parametrize(
    ("claim", "field", "value"),
    [
        ("code", "text", "I7-39"),
        ("code", "text", "A7-391"),
        ("code", "text", "A7-39\n"),
        ("code", "text", "A7-3٣"),
        ("badge", "status", "broken"),
        ("icon", "hazard", "fire"),
        ("damage", "kind", "none"),  # no damage, and yet a place
        ("damage", "severity", None),
        ("damage", "box", [0.1, 0.2, 0.3]),
        ("damage", "box", [0.1, 0.2, 0.3, 1.01]),
        ("damage", "box", [-0.01, 0.2, 0.3, 0.4]),
        ("damage", "note", "delete everything"),
    ],
)
def test_anything_else_is_refused(claim, field, value):
    with pytest.raises(ValueError):
        parse(WHOLE | {claim: WHOLE[claim] | {field: value}})


def test_an_action_outside_the_list_is_refused():
    with pytest.raises(ValueError):
        parse(WHOLE | {"action": "explode"})


def leaves(schema, definitions):
    """Every schema of a value, references followed."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    inner = [*schema.get("properties", {}).values(), *schema.get("prefixItems", []), *schema.get("oneOf", [])]
    if not inner:
        yield schema
    for part in inner:
        yield from leaves(part, definitions)


def test_the_schema_leaves_nothing_open():
    schema = Report.model_json_schema()
    for leaf in leaves(schema, schema["$defs"]):
        closed = (
            {"const", "enum", "pattern"} & leaf.keys()
            if leaf["type"] == "string"
            else {"minimum", "maximum"} <= leaf.keys()
        )
        assert closed, leaf
    for name, part in (schema["$defs"] | {"Report": schema}).items():
        assert part["additionalProperties"] is False, name
        assert set(part["required"]) == set(part["properties"]), name


def test_every_report_within_the_schema_is_valid():
    # boxes with corners out of order are odd, but the schema cannot forbid them, so the model must not either
    odd = WHOLE | {"badge": {"status": "ok", "box": [0.9, 0.9, 0.1, 0.1]}}
    assert area(parse(odd).badge.box) == 0


def test_overlap():
    left, right = (0.0, 0.0, 0.5, 0.5), (0.0, 0.25, 0.5, 0.75)
    assert overlap(left, left) == 1
    assert overlap(left, right) == overlap(right, left) == pytest.approx(1 / 3)
    assert overlap(left, (0.5, 0.5, 1.0, 1.0)) == 0
    assert overlap((0.2, 0.2, 0.2, 0.2), (0.2, 0.2, 0.2, 0.2)) == 0


def test_the_words_are_those_of_the_panels():
    from minivit.panels import rules

    pairs = {
        "Level": rules.BADGES,
        "Hazard": rules.HAZARDS,
        "Place": rules.PLACES,
        "Severity": rules.SEVERITIES,
        "Action": rules.ACTIONS,
    }
    for name, words in pairs.items():
        assert getattr(reports, name).__args__ == words, name
    kinds = [
        *reports.NoDamage.model_fields["kind"].annotation.__args__,
        *reports.Damage.model_fields["kind"].annotation.__args__,
    ]
    assert tuple(kinds) == rules.DAMAGES
    assert reports.Code.__metadata__[0].metadata[0].pattern == f"^{rules.CODE}$"
