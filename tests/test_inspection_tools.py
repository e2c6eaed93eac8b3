"""Laws of the tools: only a listed call with good arguments runs, only a good value is a result; nothing leaks out."""

import json
import re
import sqlite3
import sys
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import house  # noqa: E402

from minivit.inspection.records import HOUSE, Asset, Policy, connect, find_asset, look_up_policy  # noqa: E402
from minivit.inspection.tools import Tool, Tools  # noqa: E402
from minivit.panels import rules  # noqa: E402
from minivit.reports import Severity  # noqa: E402


class Dose(BaseModel):
    litres: float


@dataclass
class Walk:
    metres: int


class Talk(TypedDict):
    words: int


def pour(
    title: Literal["water", "oil"],
    litres: Annotated[float, Field(ge=0.5, le=2)],
    times: Annotated[int, Field(ge=1, le=3)],
    slowly: bool,
    label: Annotated[str, Field(pattern="^[A-C][0-9]$")],
) -> Dose:
    """Pour some.

    What stands here is for people.
    """
    return Dose(litres=litres * times)


def call(name: str, arguments: dict) -> str:
    return json.dumps({"name": name, "arguments": arguments})


GOOD = {"title": "oil", "litres": 1.5, "times": 2, "slowly": True, "label": "B7"}


def test_a_tool_tells_of_itself_in_the_function_calling_convention():
    assert Tool(pour).schema == {
        "type": "function",
        "function": {
            "name": "pour",
            "description": "Pour some.",
            "parameters": {
                "type": "object",
                "properties": {
                    "title": {"enum": ["water", "oil"], "type": "string"},
                    "litres": {"maximum": 2, "minimum": 0.5, "type": "number"},
                    "times": {"maximum": 3, "minimum": 1, "type": "integer"},
                    "slowly": {"type": "boolean"},
                    "label": {"pattern": "^[A-C][0-9]$", "type": "string"},
                },
                "required": ["title", "litres", "times", "slowly", "label"],
                "additionalProperties": False,
            },
        },
    }


def objects(schema):
    """Every schema of an object, inner ones too."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_the_schema_of_calls_is_closed_and_names_each_tool_first():
    tools = Tools([look_up_policy, find_asset, pour])
    kinds = tools.call_schema["anyOf"]
    assert [kind["properties"]["name"]["const"] for kind in kinds] == list(tools.names)
    assert [schema["function"]["name"] for schema in tools.schemas] == list(tools.names)
    for schema in objects(tools.call_schema):
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    assert all(list(kind["properties"]) == ["name", "arguments"] for kind in kinds)


def test_a_call_runs_and_results_are_numbered():
    tools = Tools([pour, find_asset])
    first, second = tools.run(call("pour", GOOD)), tools.run("hello")
    assert first == (True, "pour", GOOD, {"litres": 3.0}, "", '{"litres":3.0}', 1)
    assert (second.ok, second.number, tools.run(call("pour", GOOD)).number) == (False, 2, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"title": "gas"}, "'water' or 'oil'"),
        ({"litres": 2.5}, "less than or equal to 2"),
        ({"litres": "1"}, "litres is '1'"),
        ({"times": 0}, "times is 0"),
        ({"times": 1.0}, "times is 1.0"),
        ({"slowly": 1}, "slowly is 1"),
        ({"slowly": None}, "slowly is None"),
        ({"label": "B7\n"}, "label"),
        ({"label": "D7"}, "label is 'D7'"),
        ({"force": True}, "force is not expected"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused_with_what_is_wrong(change, said):
    ran = []

    def recording(
        title: Literal["water", "oil"],
        litres: Annotated[float, Field(ge=0.5, le=2)],
        times: Annotated[int, Field(ge=1, le=3)],
        slowly: bool,
        label: Annotated[str, Field(pattern="^[A-C][0-9]$")],
    ) -> int:
        """Record."""
        ran.append(title)
        return 1

    tools = Tools([recording])
    refused = tools.run(call("recording", GOOD | change))
    assert (refused.ok, refused.value, refused.name) == (False, None, "recording")
    assert said in refused.error and "It takes title, litres, times, slowly, label" in refused.error
    assert json.loads(refused.text) == {"error": refused.error}
    assert ran == [] and tools.run(call("recording", GOOD)).ok and ran == ["oil"]


@pytest.mark.parametrize("name", list(GOOD))
def test_a_missing_argument_is_named(name):
    rest = {key: value for key, value in GOOD.items() if key != name}
    assert f"{name} is missing" in Tools([pour]).run(call("pour", rest)).error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("I would call pour", "no JSON"),
        (call("pour", GOOD) + ' {"litres": 3.0}', "no JSON"),  # a made-up result behind the call
        ("Sure: " + call("pour", GOOD), "no JSON"),
        (call("pour", GOOD)[:-1], "no JSON"),
        ('{"name": "pour", "arguments": {"litres": NaN}}', "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no call"),
        ('{"litres": 3.0}', "no call"),  # a made-up result alone
        ('{"name": "pour"}', "no call"),
        ('{"name": "pour", "arguments": {}, "result": {"litres": 3.0}}', "no call"),
        ('{"name": ["pour"], "arguments": {}}', "the name of a call is a string"),
        ('{"name": "pour", "arguments": [1]}', "its arguments are an object"),
        (call("delete_all", {}), "no tool 'delete_all'; there are pour, find_asset"),
        (call("__init__", {}), "no tool"),
        (call("Pour", GOOD), "no tool"),
        (None, "not NoneType"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_call_of_a_listed_tool_is_refused(text, said):
    result = Tools([pour, find_asset]).run(text)
    assert (result.ok, result.value) == (False, None)
    assert said in result.error and len(result.error) < 400


def test_a_call_must_agree_with_what_is_known():
    tools = Tools([find_asset, look_up_policy])
    case = {"damage": "none", "severity": "none", "badge": "ok", "agree": True}
    assert tools.run(call("find_asset", {"code": "A7-39"}), known={"code": "A7-39", "damage": "burn"}).ok
    other = tools.run(call("find_asset", {"code": "A7-39"}), known={"code": "A7-38"})
    assert not other.ok and "'A7-39' in the call but 'A7-38'" in other.error
    assert tools.run(call("look_up_policy", case), known=case).ok
    assert not tools.run(call("look_up_policy", case), known=case | {"agree": False}).ok
    assert not tools.run(call("look_up_policy", case), known=case | {"agree": 1}).ok  # 1 == True, and yet is another


def test_what_a_tool_raises_stays_inside():
    def raising(kind: Literal["value", "key", "exit", "interrupt"]) -> int:
        """Raise."""
        raise {"value": ValueError("two much"), "key": KeyError("x"), "exit": SystemExit(3)}.get(
            kind, KeyboardInterrupt()
        )

    tools = Tools([raising])
    said = {kind: tools.run(call("raising", {"kind": kind})) for kind in ("value", "key", "exit", "interrupt")}
    assert not any(result.ok for result in said.values())
    assert said["value"].error == "raising refused: two much"
    assert "KeyError" in said["key"].error and "SystemExit" in said["exit"].error


def test_a_tool_that_takes_too_long_fails_and_its_late_answer_is_dropped():
    gate, ended = threading.Event(), threading.Event()

    def waiting(text: str) -> str:
        """Wait."""
        gate.wait(60)
        ended.set()
        return text

    tools = Tools([waiting])
    result = tools.run(call("waiting", {"text": "late"}), seconds=0.05)
    assert not ended.is_set() and (result.ok, result.value) == (False, None) and "within 0.05 s" in result.error
    gate.set()
    assert ended.wait(60) and (result.ok, result.value) == (False, None)
    assert tools.run(call("waiting", {"text": "now"}), seconds=60).value == "now"  # the same tool, when it is quick


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "2"])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(ValueError, match="give a time above 0"):
        Tools([pour]).run(call("pour", GOOD), seconds)


def test_a_value_of_another_type_is_no_result():
    values = {}

    def giving_dose(which: str) -> Dose:
        """Give."""
        return values[which]

    def giving_walk(which: str) -> Walk:
        """Give."""
        return values[which]

    def giving_talk(which: str) -> Talk:
        """Give."""
        return values[which]

    def giving_number(which: str) -> float:
        """Give."""
        return values[which]

    tools = Tools([giving_dose, giving_walk, giving_talk, giving_number])
    good = {"dose": Dose(litres=1.0), "walk": Walk(2), "talk": {"words": 3}, "number": 4.5}
    nonsense = [
        None, "nonsense", b"\xff", object(), {}, [1], print, Dose, float("nan"), {"litres": "1"}, Walk("far"),
        Dose.model_construct(litres="much"), Dose.model_construct(), {"words": 1.5}, {"words": 1, "more": 2}, {1: 2},
    ]  # fmt: skip
    for kind, value in good.items():
        values["this"] = value
        result = tools.run(call(f"giving_{kind}", {"which": "this"}))
        assert result.ok and json.loads(result.text) == result.value, result.error
        for values["this"] in nonsense:
            if kind == "talk" and values["this"] == {"words": 1, "more": 2}:
                continue  # what the type does not name is left out
            result = tools.run(call(f"giving_{kind}", {"which": "this"}))
            assert not result.ok and "its answer is not used" in result.error, (kind, values["this"], result)
    values["this"] = {"words": 1, "more": 2}
    assert tools.run(call("giving_talk", {"which": "this"})).value == {"words": 1}


def defaults(code: str = "A7-39") -> int:
    """Has a default."""


def stars(*codes: str) -> int:
    """Takes any number."""


def bare(code) -> int:
    """Has no annotation."""


def nested(dose: Dose) -> int:
    """Takes a model."""


def silent(code: str) -> int:
    return 1


def endless(code: str):
    """Tells no return type."""


def nothing(code: str) -> None:
    """Gives nothing back."""


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (defaults, "has no default"), (stars, "named and annotated"), (bare, "named and annotated"),
        (nested, "takes Dose; arguments are flat"), (silent, "needs a docstring"), (endless, "a return type"),
        (nothing, "a return type"), (lambda: 1, "written with def"), (print, "written with def"), (Dose, "with def"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_a_function_that_is_no_tool_is_refused(function, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Tool(function)


@pytest.mark.parametrize("functions", [[], [pour, pour]], ids=["none", "twice"])
def test_a_list_of_tools_has_each_name_once(functions):
    with pytest.raises(ValueError, match="at least one tool, each name once"):
        Tools(functions)


CASES = [
    (damage, severity, badge, agree)
    for damage, severity in rules.DAMAGE_STEPS
    for badge in rules.BADGES
    for agree in (True, False)
]


def test_the_policy_is_the_rule_of_the_panels_in_every_case():
    tools = Tools([look_up_policy])
    with closing(connect()) as opened:
        assert opened.execute("SELECT count(*) FROM policy").fetchone() == (len(CASES),) == (42,)
    for damage, severity, badge, agree in CASES:
        case = {"damage": damage, "severity": severity or "none", "badge": badge, "agree": agree}
        result = tools.run(call("look_up_policy", case))
        assert result.value["action"] == rules.right_action(damage, severity, badge, agree)
        assert 1 <= result.value["hours"] <= 720 and 0 < len(result.value["reason"]) < 40
        assert Policy.model_validate_json(result.text) == look_up_policy(**case)
    assert look_up_policy("burn", "major", "fault", True).hours < look_up_policy("burn", "major", "ok", True).hours


@pytest.mark.parametrize(
    ("damage", "severity", "badge", "said"),
    [("none", "minor", "ok", "contradict"), ("crack", "none", "ok", "contradict"), ("dent", "minor", "ok", "no case")],
)
def test_a_case_that_cannot_be_is_refused(damage, severity, badge, said):
    with pytest.raises(ValueError, match=said):
        look_up_policy(damage, severity, badge, True)


def test_the_words_of_the_policy_are_those_of_the_reports():
    damage, severity = (Tool(look_up_policy).parameters["properties"][name]["enum"] for name in ("damage", "severity"))
    assert tuple(damage) == rules.DAMAGES and tuple(severity) == ("none", *Severity.__args__)


def codes() -> list[str]:
    return [f"{letter}{digits // 100}-{digits % 100:02d}" for letter in rules.LETTERS for digits in range(1000)]


def test_nine_codes_in_ten_are_registered_whatever_split_they_are_of():
    known = {code: (kind, site) for code, kind, site in house.assets()}
    assert known.keys() <= set(codes()) and len(codes()) == 24_000
    for split in rules.SPLITS:
        own = [code for code in codes() if rules.split_of_code(code) == split]
        assert sum(code in known for code in own) / len(own) == pytest.approx(0.9, abs=0.01)
    pairs = Counter(known.values())  # neither tells the other
    assert len(pairs) == len(house.KINDS) * len(house.SITES)
    assert max(pairs.values()) / min(pairs.values()) < 1.35


def test_an_asset_is_found_or_said_to_be_unknown():
    kind, site = next((kind, site) for code, kind, site in house.assets() if code == "A7-39")
    assert find_asset("A7-39") == Asset(found=True, kind=house.KINDS[kind], site=house.SITES[site])
    unknown = next(code for code in codes() if code not in {code for code, _, _ in house.assets()})
    nowhere = Asset(found=False, kind="unknown", site="unknown")
    assert find_asset(unknown) == nowhere
    assert find_asset("A7-39' OR '1'='1") == nowhere  # a value is never part of the query
    assert Tools([find_asset]).run(call("find_asset", {"code": unknown})).text == (
        '{"found":false,"kind":"unknown","site":"unknown"}'
    )


def contents(path: Path) -> list[str]:
    with closing(connect(path)) as opened:
        return list(opened.iterdump())


def test_the_house_is_built_again_from_nothing_the_same(tmp_path):
    one, other = tmp_path / "one.sqlite", tmp_path / "other #2?.sqlite"  # a name that an address must quote
    house.build(one)
    house.build(other)
    assert one.read_bytes() == other.read_bytes() and sorted(tmp_path.iterdir()) == [one, other]
    assert contents(one) == contents(other) == contents(HOUSE)
    assert HOUSE.stat().st_size < 400_000


def test_the_house_can_only_be_read(tmp_path):
    before = HOUSE.read_bytes()
    with closing(connect()) as opened:
        for query in ("DELETE FROM policy", "DROP TABLE assets", "INSERT INTO sites VALUES (9, 'nowhere')"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                opened.execute(query)
    assert HOUSE.read_bytes() == before and sorted(HOUSE.parent.glob("house*")) == [HOUSE]
    with pytest.raises(FileNotFoundError, match=r"run python tools/house\.py"):
        connect(tmp_path / "house.sqlite")
