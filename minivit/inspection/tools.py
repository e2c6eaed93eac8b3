"""Tools: typed Python functions that a model may call by writing JSON, and no others.

    def find_asset(code: Code) -> Asset:
        \"\"\"Find what an asset code stands for.\"\"\"

    tools = Tools([find_asset])
    tools.run('{"name": "find_asset", "arguments": {"code": "A7-39"}}')

A function's name, the first line of its docstring and its annotations are all that a model is told about it, in the
form of the function-calling convention. What the model writes back is text. It becomes a call only if it is one JSON
object, its name is on the list, and its arguments are of the annotated types; and what the function gives back becomes
a result only if it is of the annotated type too. A text that looks like a result stays a text: results are numbered
here, as they are made.
"""

import json
import math
from collections.abc import Callable, Iterable
from inspect import Parameter, getdoc, isfunction, signature
from itertools import count
from threading import Thread
from typing import NamedTuple, get_type_hints

try:
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
    from pydantic_core import from_json
    from typing_extensions import TypedDict
except ImportError as missing:
    raise ImportError("minivit.inspection needs pydantic: pip install 'minivit[lessons]'") from missing

_CLOSED = ConfigDict(extra="forbid", strict=True)


class Result(NamedTuple):
    """What came of a call, or why nothing did."""

    ok: bool
    name: str  # of the tool asked for, also where it is refused; "" where the text is no call
    arguments: dict  # as the text has them; {} where the text is no call
    value: object  # plain JSON values; None where it is not ok
    error: str  # one sentence; "" where it is ok
    text: str  # compact JSON of the value, or of {"error": ...}: what a model is given to read
    number: int  # 1 for the first call that these tools were asked for, and so on


class Refused(ValueError):
    """Why a call has no value, in a sentence for whoever called."""


class Tool:
    """A typed function -> its name, description and parameters, a JSON Schema.

    Parameters are of flat types: Literal, bool, str, int, float, with patterns and ranges by Annotated and Field. The
    return type is a pydantic model, a dataclass, a TypedDict of typing_extensions, or plain. Raises ValueError for what
    is no function, for a missing docstring or annotation, and for a parameter that no call can fill.
    """

    def __init__(self, function: Callable) -> None:
        if not isfunction(function) or not function.__name__.isidentifier():
            raise ValueError(f"a tool is a function with a name, written with def; got {function!r}")
        self.function, self.name = function, function.__name__
        self.description = (getdoc(function) or "").partition("\n")[0]
        hints = get_type_hints(function, include_extras=True)
        returned = hints.pop("return", None)
        if not self.description or returned in (None, type(None)):
            raise ValueError(f"{self.name} needs a docstring, which the model reads, and a return type, to be checked")
        for parameter in signature(function).parameters.values():
            _fit_for_a_call(self.name, parameter)
        self._arguments = TypeAdapter(with_config(_CLOSED)(TypedDict(self.name, hints)))
        self._returned = TypeAdapter(returned)
        found = self._arguments.json_schema()
        if "$defs" in found:
            nested = ", ".join(found["$defs"])
            raise ValueError(f"{self.name} takes {nested}; arguments are flat: give its fields one by one")
        plain = {name: {key: part[key] for key in part if key != "title"} for name, part in found["properties"].items()}
        self.parameters = _object(plain)

    @property
    def schema(self) -> dict:
        """The tool in the function-calling convention."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    @property
    def call_schema(self) -> dict:
        """The JSON Schema of a call of this tool."""
        return _object({"name": {"type": "string", "const": self.name}, "arguments": self.parameters})

    def checked(self, arguments: dict) -> dict:
        """Arguments as JSON has them, if the function takes them; Refused says which it does not take."""
        try:
            return self._arguments.validate_python(arguments)
        except ValidationError as error:
            takes = ", ".join(self.parameters["properties"]) or "no arguments"
            raise Refused(f"{self.name} was not called: {_told(error)}. It takes {takes}") from None

    def answer(self, arguments: dict, seconds: float) -> object:
        """Checked arguments -> what the function gives back, as plain JSON values; Refused says why there is none."""
        value = _in_time(self.name, self.function, arguments, seconds)
        try:
            # Through JSON and back, strictly: an object that was built past its checks is found out as well.
            found = self._returned.validate_json(self._returned.dump_json(value, warnings=False), strict=True)
            plain = self._returned.dump_python(found, mode="json")
            json.dumps(plain, allow_nan=False)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            why = _told(error) if isinstance(error, ValidationError) else _short(error)
            raise Refused(f"{self.name} gave back what it must not, and its answer is not used: {why}") from None
        return plain


class Tools:
    """The allow-list: the tools that a model may call. Raises ValueError for none, or for two of one name."""

    def __init__(self, functions: Iterable[Callable]) -> None:
        tools = [Tool(function) for function in functions]
        self._tools = {tool.name: tool for tool in tools}
        if not tools or len(self._tools) < len(tools):
            raise ValueError(f"give at least one tool, each name once; got {[tool.name for tool in tools]}")
        self._numbers = count(1)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a call may have."""
        return tuple(self._tools)

    @property
    def schemas(self) -> list[dict]:
        """All tools in the function-calling convention, to be shown to a model."""
        return [tool.schema for tool in self._tools.values()]

    @property
    def call_schema(self) -> dict:
        """One JSON Schema of a call, `{"name": ..., "arguments": {...}}`, to hold a decoder to: any of the tools'."""
        return {"anyOf": [tool.call_schema for tool in self._tools.values()]}

    def run(self, text: str, seconds: float = 2.0, known: dict | None = None) -> Result:
        """A call as JSON text -> its result. Whatever is wrong with the call or the tool is said in the result.

        `known` holds facts by argument name: a call that gives such an argument another value is refused. Raises
        ValueError only for `seconds` that are not above 0.

        After `seconds` the call counts as failed and what it may still give back is dropped. The tool itself is not
        stopped: Python has no safe way to stop a thread, and a process for each call costs more than these tools do.
        It ends when it ends, or with the program. So this limit suits tools that only read; one that writes needs a
        limit of its own inside.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ValueError(f"seconds is {seconds!r}; give a time above 0, such as 2.0")
        number, name, arguments = next(self._numbers), "", {}
        try:
            name, arguments = parsed_call(text)
            if name not in self._tools:
                raise Refused(f"there is no tool {_short(name)}; there are {', '.join(self._tools)}")
            tool = self._tools[name]
            checked = tool.checked(arguments)
            _agree(name, checked, known or {})
            value = tool.answer(checked, seconds)
        except Refused as refusal:
            return Result(False, name, arguments, None, str(refusal), _compact({"error": str(refusal)}), number)
        return Result(True, name, arguments, value, "", _compact(value), number)


def _object(properties: dict) -> dict:
    """The JSON Schema of an object with these properties, all of them and no others."""
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _fit_for_a_call(name: str, parameter: Parameter) -> None:
    """ValueError unless the parameter has a name, a type, and no default."""
    named = parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    if not named or parameter.annotation is Parameter.empty or parameter.default is not Parameter.empty:
        raise ValueError(
            f"{name} has the parameter {str(parameter)!r}; each is named and annotated and has no default, as a call "
            f"writes all of them: for example 'code: str'"
        )


def parsed_call(text: str) -> tuple[str, dict]:
    """JSON text -> the name and the arguments of a call; Refused says why it is none."""
    if not isinstance(text, str):
        raise Refused(f"a call is JSON text, not {type(text).__name__}")
    form = 'write {"name": ..., "arguments": {...}} and nothing else'
    try:
        call = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(f"{_short(text)} is no JSON ({_short(error)}): {form}") from None
    if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
        raise Refused(f"{_short(text)} is no call: {form}")
    name, arguments = call["name"], call["arguments"]
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise Refused(f"the name of a call is a string and its arguments are an object; got {_short(text)}: {form}")
    return name, arguments


def _agree(name: str, arguments: dict, known: dict) -> None:
    for argument in (name for name in arguments if name in known):  # in the call's order, not a set's
        if (type(arguments[argument]), arguments[argument]) != (type(known[argument]), known[argument]):
            raise Refused(
                f"{name} was not called: {argument} is {_short(arguments[argument])} in the call but "
                f"{_short(known[argument])} in what is known"
            )


def _in_time(name: str, function: Callable, arguments: dict, seconds: float) -> object:
    """The function's value, if it comes in time."""
    ended = []

    def work() -> None:
        try:
            ended.append((function(**arguments), None))
        except BaseException as error:  # SystemExit too: no tool ends the program
            ended.append((None, error))

    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if not ended:
        raise Refused(f"{name} has not answered within {seconds:g} s, and its answer is not used")
    value, error = ended[0]
    if isinstance(error, ValueError):
        raise Refused(f"{name} refused: {_short(error)}")
    if error is not None:
        raise Refused(f"{name} failed and gave no answer: {type(error).__name__}: {_short(error)}")
    return value


def _told(error: ValidationError) -> str:
    """What pydantic found, as one sentence."""
    found = []
    for each in error.errors(include_url=False):
        place = ".".join(map(str, each["loc"])) or "it"
        if each["type"] == "missing":
            found.append(f"{place} is missing")
        elif each["type"] == "extra_forbidden":
            found.append(f"{place} is not expected")
        else:
            found.append(f"{place} is {_short(each['input'])} ({each['msg'][0].lower()}{each['msg'][1:]})")
    return "; ".join(found[:4])


def _short(value: object, limit: int = 120) -> str:
    """A value or an exception as a piece of a sentence."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
