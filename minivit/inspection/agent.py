"""The loop: look, report, decide, call, answer. The model proposes; what counts is checked before it is used.

Legend: C channels, H W pixels. A box is (y0, x0, y1, x1), fractions of the picture, y down, x to the right.

    look      where is the code plate?
    report    what is seen, as the JSON of `minivit.reports`; cut off or invalid: refuse
    decide    sure enough of each claim? Of the code not: look nearer, ask an OCR engine; still not: refuse
    call      tools from the allow-list, with arguments that agree with the report
    answer    a sentence; the action is the policy's own, and no sentence can change it

To refuse is to hand the panel to a person: the action is then "verify". Text in the picture, or in what the model
writes, gives no orders. It can at most become a call, and a call is checked like any other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from torch import Tensor

from minivit.inspection import claims
from minivit.inspection.ocr import Reading
from minivit.inspection.records import Asset, Policy
from minivit.inspection.tools import Result, Tools
from minivit.patches import _whole
from minivit.reports import Action, Box, CodeClaim, Report

NEARER = (0.85, 1.2, 1.45)  # the plate's box, made tighter and wider about its middle, in the order of trying
AROUND = 1.15  # the crop that an OCR engine gets: the box and a little more
POLICY, REGISTER = "look_up_policy", "find_asset"


class Located(NamedTuple):
    """Where the code plate is."""

    box: Box
    confidence: float  # 0 to 1


class Described(NamedTuple):
    """The report as it was written."""

    text: str
    finished: bool  # False where the limit of tokens cut it off
    confidence: dict[str, float]  # claim -> probability: "code", "badge", "icon", "damage", "action"


class Seen(NamedTuple):
    """What is taken for true when tools are called: the report as decided upon, and the look it rests on."""

    picture: Tensor  # (C, H, W)
    box: Box  # around the code plate, as it was looked at
    report: Report


class Mind(Protocol):
    """A model, or whatever stands in for one. It keeps nothing between the questions: each brings all that it needs."""

    least: float | dict[str, float]  # how probable its claims must be, as was measured: `inspect`'s `sure` unless told

    def locate(self, picture: Tensor) -> Located:
        """(C, H, W) -> where the code plate is."""

    def describe(self, picture: Tensor, box: Box) -> Described:
        """(C, H, W) and the box to look at nearer -> the report."""

    def call(self, seen: Seen, results: tuple[Result, ...]) -> str:
        """The next call as JSON text, or "" when nothing more is needed."""

    def answer(self, seen: Seen, results: tuple[Result, ...]) -> str:
        """The closing sentence."""


Kind = Literal["look", "look nearer", "report", "decide", "call", "result", "answer", "refuse"]


class Step(NamedTuple):
    """One step, in words, and the region of the picture that it rests on."""

    kind: Kind
    text: str
    region: Box


class Inspection(NamedTuple):
    """What came of it, and how."""

    report: Report | None  # as decided upon; None where none was valid
    text: str  # the report as the model first wrote it
    confidence: dict[str, float]  # of each claim of the report
    code_source: Literal["look", "look nearer", "ocr"] | None
    results: tuple[Result, ...]  # of all calls, refused ones too
    steps: tuple[Step, ...]
    action: Action  # from the policy's own result; "verify" where refused
    answer: str  # the model's sentence; "" where refused
    refused: str | None  # why a person has to look


def inspect(
    picture: Tensor,
    mind: Mind,
    tools: Tools,
    *,
    sure: float | dict[str, float] | None = None,
    retries: int = 0,
    ocr: Callable[[Tensor], Reading | None] | None = None,
    most_calls: int = 4,
    seconds: float = 2.0,
) -> Inspection:
    """(C, H, W) -> `Inspection`.

    `sure` is the least probability of a claim, of all of `claims.CLAIMS` or by name; what it does not name is taken as
    it is; None takes `mind.least`. `retries` nearer looks are taken where the code is not sure, then `ocr` is asked,
    for instance `read_code`. A threshold that was measured with one look promises nothing of the surest of several.
    What `ocr` returns is believed, for its confidence is on a scale of its own: let it return None where it is too low.
    `seconds` is the time of one call. Raises ValueError for a picture of another shape or a number out of its range.
    """
    least = claims.thresholds(mind.least if sure is None else sure)
    _check(picture, retries, most_calls)
    notes = _Notes()
    try:
        box = _look(picture, mind, notes)
        _report(picture, box, mind, notes)
        box = _decide(picture, box, mind, notes, least, retries, ocr)
        seen = Seen(picture, box, notes.report)
        action = _call(seen, mind, tools, notes, most_calls, seconds)
        answer, refused = str(_say(mind.answer, seen, notes)), None
        notes.step("answer", answer)
    except _Refusal as refusal:
        action, answer, refused = "verify", "", refusal.reason
        notes.step("refuse", f"{refusal.reason}; a person has to look", refusal.region)
    return Inspection(
        notes.report, notes.text, notes.confidence, notes.code_source, tuple(notes.results), tuple(notes.steps),
        action, answer, refused,
    )  # fmt: skip


class _Refusal(Exception):
    def __init__(self, reason: str, region: Box = claims.WHOLE) -> None:
        self.reason, self.region = reason, region


@dataclass
class _Notes:
    """What is known so far."""

    report: Report | None = None
    text: str = ""
    confidence: dict[str, float] = field(default_factory=dict)
    code_source: str | None = None
    results: list[Result] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def step(self, kind: Kind, text: str, region: Box = claims.WHOLE) -> None:
        self.steps.append(Step(kind, text, region))

    def read(self, code: str, box: Box, confidence: float, source: str) -> None:
        """Take another reading of the code for true."""
        self.report = self.report.model_copy(update={"code": CodeClaim(text=code, box=box)})
        self.confidence["code"], self.code_source = confidence, source


def _look(picture: Tensor, mind: Mind, notes: _Notes) -> Box:
    box, confidence = mind.locate(picture)
    if not claims.is_a_box(box):
        raise _Refusal(f"the code plate was not found: {box} is no box (y0, x0, y1, x1) within the picture")
    notes.step("look", f"code plate, {confidence:.2f} sure", box)
    return box


def _report(picture: Tensor, box: Box, mind: Mind, notes: _Notes) -> None:
    described = mind.describe(picture, box)
    notes.text = described.text
    report = _valid(described)
    if isinstance(report, str):
        notes.step("report", described.text, box)
        raise _Refusal(report, box)
    notes.report, notes.confidence, notes.code_source = report, dict(described.confidence), "look"
    for claim in claims.CLAIMS:
        notes.step("report", f"{claim}: {claims.words(report, claim)}", claims.region(report, claim))
    notes.step("report", f"action: {report.action}")


def _decide(
    picture: Tensor, box: Box, mind: Mind, notes: _Notes, least: dict[str, float], retries: int, ocr: Callable | None
) -> Box:
    """The box that the report now rests on, with all claims sure enough; else a refusal."""
    if doubt := _doubt(notes, least, "code"):
        notes.step("decide", doubt, notes.report.code.box)
        box = _look_nearer(picture, box, mind, notes, retries)
        if (doubt := _doubt(notes, least, "code")) and not (ocr and _read(picture, box, notes, ocr)):
            raise _Refusal(doubt, notes.report.code.box)
    for claim in claims.CLAIMS:
        if claim != "code" and (doubt := _doubt(notes, least, claim)):
            raise _Refusal(doubt, claims.region(notes.report, claim))
    notes.step("decide", "sure enough of every claim that is checked")
    return box


def _look_nearer(picture: Tensor, box: Box, mind: Mind, notes: _Notes, retries: int) -> Box:
    """Describe again from other boxes; the surest reading of the code stays, and the box it was read in."""
    surest = box
    for times in NEARER[:retries]:
        near = claims.around(box, times)
        described = mind.describe(picture, near)
        report = _valid(described)
        if isinstance(report, str):
            notes.step("look nearer", f"box times {times}: {report}", near)
            continue
        confidence = claims.probability(described.confidence, "code")
        notes.step("look nearer", f"box times {times}: code {report.code.text}, {confidence:.2f} sure", near)
        if confidence > claims.probability(notes.confidence, "code"):
            notes.read(report.code.text, report.code.box, confidence, "look nearer")
            surest = near
    return surest


def _read(picture: Tensor, box: Box, notes: _Notes, ocr: Callable[[Tensor], Reading | None]) -> bool:
    """Whether an OCR engine has read a code. It is a second reader, with a confidence of its own."""
    near = claims.around(box, AROUND)
    try:
        reading = ocr(_cut(picture, near))
        if reading is None:
            notes.step("look nearer", "OCR: no asset code", near)
            return False
        notes.read(reading.text, notes.report.code.box, reading.confidence, "ocr")  # CodeClaim checks the pattern
    except Exception as error:  # an engine is a tool like the others: it may fail, the inspection goes on
        notes.step("look nearer", f"OCR: no answer ({type(error).__name__}: {str(error)[:200]})", near)
        return False
    notes.step("look nearer", f"OCR: code {reading.text}", near)
    return True


def _call(seen: Seen, mind: Mind, tools: Tools, notes: _Notes, most_calls: int, seconds: float) -> Action:
    """The policy's action, taken from the result as it was made; a refusal where there is none."""
    known, action = claims.facts(seen.report), None
    for _ in range(most_calls):
        text = _say(mind.call, seen, notes)
        if text == "":
            break
        result = tools.run(text, seconds, known)
        where = claims.region_of_call(seen.report, result.arguments)
        notes.step("call", str(text), where)
        notes.step("result", result.text, where)
        notes.results.append(result)
        found = _found(result)
        if isinstance(found, Policy):
            action = found.action
        if isinstance(found, Asset) and not found.found:
            notes.step("decide", f"{seen.report.code.text} is not in the register", where)
    else:
        notes.step("decide", f"no more calls: {most_calls} is the most")
    if action is None:
        raise _Refusal(f"the policy was not looked up: none of {len(notes.results)} calls gave its action")
    if action != seen.report.action:
        notes.step("decide", f"the report says {seen.report.action}, the policy {action}: the policy's stands")
    return action


def _say(ask: Callable[[Seen, tuple[Result, ...]], str], seen: Seen, notes: _Notes) -> str:
    """What a mind says to what came of the calls; a refusal where it cannot, for a tool may tell more than it reads."""
    try:
        return ask(seen, tuple(notes.results))
    except ValueError as error:
        why = " ".join(str(error).split())[:200]
        raise _Refusal(f"the model cannot go on after {len(notes.results)} calls: {why}") from None


def _found(result: Result) -> Policy | Asset | None:
    """What the house's own tools found; None for other tools, for refused calls, and for records of another form."""
    form = {POLICY: Policy, REGISTER: Asset}.get(result.name) if result.ok else None
    try:
        return form and form.model_validate_json(result.text)
    except ValueError:
        return None


def _valid(described: Described) -> Report | str:
    """The report, or why there is none."""
    if not described.finished:
        return f"the report was cut off after {len(described.text)} characters: allow more tokens"
    try:
        return Report.model_validate_json(described.text)
    except ValueError as error:
        return f"the report is invalid: {' '.join(str(error).split())[:200]}"


def _doubt(notes: _Notes, least: dict[str, float], claim: str) -> str:
    """Why one is not sure of a claim; "" where one is, or where it is not to be checked."""
    said = claims.probability(notes.confidence, claim)
    bar = least.get(claim, 0.0)
    if said >= bar and bar < 1:
        return ""
    below = f"{said:.2f} is below {bar:.2f}" if bar < 1 else "it never was sure enough"
    return f"not sure of the {claim} {claims.words(notes.report, claim)}: {below}"


def _cut(picture: Tensor, box: Box) -> Tensor:
    """(C, H, W) -> (C, h, w): all pixels that a box touches, as they are."""
    height, width = picture.shape[1:]
    y0, x0, y1, x1 = box
    return picture[:, int(y0 * height) : math.ceil(y1 * height), int(x0 * width) : math.ceil(x1 * width)]


def _check(picture: Tensor, retries: int, most_calls: int) -> None:
    if not isinstance(picture, Tensor) or picture.ndim != 3:
        got = tuple(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
        raise ValueError(f"a picture is (C, H, W), one at a time; got {got}")
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= len(NEARER):
        raise ValueError(f"retries is {retries!r}; there are 0 to {len(NEARER)} nearer looks")
    _whole(most_calls, "most_calls", "calls")
