"""Words: all that is asked of the assistant and all that it answers, as texts; which pieces they are made of.

A box is written (y0, x0, y1, x1) with two decimals. A report is the JSON of `minivit.reports`, in its order and without
spaces. A call is JSON too. What a tool gave back stands at the beginning of the next question.

The language model learns to use what it is told before it ever sees a picture: `notes` say in words what a tower will
later say in vectors, in any order, and the questions are the same.
"""

import json
from random import Random

from minivit import panels
from minivit.inspection.records import Asset, Policy, find_asset, look_up_policy
from minivit.language import Exchange, Pieces
from minivit.panels import Scene
from minivit.reports import Box, Report

WHERE = "Where is the asset code?"
REPORT = "Write the report."
LOOK_UP = "What do you look up?"
SUM_UP = "Sum up."
ENOUGH = "nothing"
UNSEEN = "That cannot be seen."
"""The answer to a question that no picture answers."""
_NOTED = ("panel", "place", "badge", "sign", "lamps", "label", "code", "damage", "plate")

UNANSWERABLE = (
    "Who installed the panel?", "What is behind the panel?", "How old is the panel?", "What does the panel cost?",
    "Who painted the panel?", "Is the door locked?", "What is the voltage?", "When was the last inspection?",
    "What is the serial number of the fan?", "Which cable is loose?", "How warm is the room?", "Who owns the building?",
    "What does the manual say?", "Is anyone in the room?", "How heavy is the panel?", "What caused the damage?",
)  # fmt: skip
"""Questions that a picture does not answer: the first twelve are trained on, the last four are kept for tests."""
KNOWN_UNANSWERABLE = 12


def box(edges: Box) -> str:
    """(y0, x0, y1, x1) -> its JSON, two decimals each: [0.55,0.20,0.68,0.74]."""
    return "[" + ",".join(f"{edge:.2f}" for edge in edges) + "]"


def boxed(text: str) -> Box:
    """The way back. Raises ValueError for what is no box."""
    try:
        edges = tuple(float(edge) for edge in json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"a box is [y0,x0,y1,x1] with four numbers; got {text[:60]!r}") from error
    if len(edges) != 4 or not all(0 <= edge <= 1 for edge in edges):
        raise ValueError(f"a box has four numbers from 0 to 1, y0, x0, y1, x1; got {text[:60]!r}")
    return edges


def refused(answer: str) -> bool:
    """Whether an answer says that it cannot be seen; a full stop too few, or a word twice, is still said."""
    return UNSEEN[len("That ") : -1] in answer


def report_text(report: Report) -> str:
    """A report -> its canonical JSON: no spaces, boxes with two decimals."""
    return _canonical(report.model_dump())


def call_text(name: str, arguments: dict) -> str:
    """A tool's name and arguments -> the call as JSON."""
    return _canonical({"name": name, "arguments": arguments})


def result_text(value: Asset | Policy) -> str:
    """What a tool gave back -> its JSON, as the model reads it."""
    return value.model_dump_json()


def notes(scene: Scene, random: Random) -> str:
    """What is to be seen, in words, part by part in any order: the stand-in for a picture that is only text."""
    report, where = panels.report(scene), panels.regions(scene)
    told = [
        f"panel:{scene.colour},{scene.light}",
        f"place:{scene.mount}",
        f"badge:{scene.badge},{scene.badge_shape},{box(report.badge.box)}",
        f"sign:{scene.hazard},{scene.icon_level},{box(report.icon.box)}",
        f"lamps:{scene.lamps_lit}",
        f"label:{scene.label}",
        f"code:{box(where['code'])}",
    ]
    if scene.damage != "none":
        told.append(f"damage:{scene.damage},{scene.severity},{scene.place},{box(report.damage.box)}")
    random.shuffle(told)
    return "; ".join(told) + ". "


def asked(scene: Scene) -> list[Exchange]:
    """The 14 questions of `panels.questions` that a whole picture answers, and its answers; not the asset code."""
    return [
        Exchange(question.text, question.answer) for question in panels.questions(scene) if question.topic != "code"
    ]


def policy_arguments(report: Report) -> dict:
    """What `look_up_policy` is to be asked about a report."""
    damage = report.damage
    severity = "none" if damage.kind == "none" else damage.severity
    agree = report.badge.status == report.icon.level
    return {"damage": damage.kind, "severity": severity, "badge": report.badge.status, "agree": agree}


def first_call(report: Report) -> str:
    """What is looked up first: the policy for what the report says."""
    return call_text("look_up_policy", policy_arguments(report))


def second_call(report: Report) -> str:
    """What is looked up next: whose code that is."""
    return call_text("find_asset", {"code": report.code.text})


def summary(report: Report, policy: Policy, asset: Asset) -> str:
    """The closing sentence: what is to be done, to what, why."""
    what = f"{asset.kind} in {asset.site}" if asset.found else "not in the register"
    within = f"{policy.action} within {policy.hours} hours" if policy.hours else policy.action
    level = f"{report.icon.hazard} sign {report.icon.level}"
    return f"{within}: {report.code.text}, {what}; {hurt(report)}, badge {report.badge.status}, {level}."


def hurt(report: Report) -> str:
    """What a report says of damage, in words."""
    damage = report.damage
    return "no damage" if damage.kind == "none" else f"{damage.severity} {damage.kind} {damage.place}"


def pieces() -> Pieces:
    """The pieces of everything that is said here and by the tools. Numbers of two decimals are one piece."""
    said = ["What is noted on", WHERE, REPORT, LOOK_UP, SUM_UP, ENOUGH, UNSEEN, *UNANSWERABLE, *panels.all_captions()]
    for number in range(600):
        scene = panels.sample_scene(number)
        report = panels.report(scene)
        policy, asset = look_up_policy(**policy_arguments(report)), find_asset(report.code.text)
        said += [text for turn in asked(scene) for text in (turn.question, turn.answer)]
        said += [notes(scene, Random(number)), report_text(report), first_call(report), second_call(report)]
        said += [result_text(policy), result_text(asset), summary(report, policy, asset)]
    keys = [space + key + ":" for key in _NOTED for space in ("", " ")]
    return Pieces.of(said, also=[*keys, *(f"{percent / 100:.2f}" for percent in range(101))])


def _canonical(value: object) -> str:
    """JSON without spaces; floats with two decimals."""
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_canonical(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
