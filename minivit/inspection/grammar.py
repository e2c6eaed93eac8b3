"""Held to a form: whatever the model would like to say, only what keeps the text in its form may follow.

A JSON schema is turned into a machine that reads bytes: states, and which byte leads from which to which. At every
token, those are allowed whose bytes the machine can read from where it stands. What is written is then valid, always;
whether it is true is another question.

Understood are the parts of JSON Schema that `minivit.reports` and the tools use: objects whose properties are all
required and stand in their order, tuples, `enum`, `const`, `anyOf`, `oneOf` with a discriminator, `$ref`, booleans,
whole numbers in a range, fractions from 0 to 1 with two decimals, and strings by a pattern of letters and classes. What
else a schema asks for is refused by name, for a rule that is passed over would be broken. Text is canonical: no spaces,
and in a pattern's classes no letter that JSON has to escape. Source for the idea: Willard and Louf 2023, section 3.
"""

import json
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from minivit.language import Pieces

State = frozenset[int]
TOLD = {"title", "description", "default", "examples", "$defs", "$schema", "$comment"}
"""Keywords that forbid nothing."""
FORMS = {  # what a schema has -> which other keywords are read with it
    "$ref": (), "const": ("type",), "enum": ("type",), "anyOf": (), "oneOf": ("discriminator",),
}  # fmt: skip
KINDS = {  # or else its type -> the same
    "object": ("properties", "required", "additionalProperties"), "array": ("prefixItems", "minItems", "maxItems"),
    "string": ("pattern",), "number": ("minimum", "maximum"), "integer": ("minimum", "maximum"), "boolean": (),
}  # fmt: skip
NAMES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    dict: "object",
    list: "array",
}
LETTERS = [chr(byte) for byte in range(0x20, 0x7F) if chr(byte) not in '"\\']
"""What stands in a JSON string as it is: no control characters, no quote, no backslash."""
MOST = 1000  # whole numbers in a range, which are written out one by one
_CLASS = re.compile(r"\[((?:[^\]\\]-[^\]\\]|[^\]\\])+)\]|([^\[\]\\.*+?(){}|^$])")


class Grammar:
    """What may follow, for `allowed` of `stream` and `generate`.

    Built of a JSON schema, or with `choices` of a few texts; both together allow either. `end` may follow where the
    text is complete, and nothing else where it can not go on. Raises ValueError for what it does not understand.
    """

    def __init__(self, pieces: Pieces, schema: Mapping | None = None, choices: Iterable[str] = ()):
        self.pieces = pieces
        self._edges: list[list[tuple[State, int]]] = [[]]  # of each state: bytes, and where they lead
        self._free: list[list[int]] = [[]]  # of each state: others that it is as good as
        self._last = self._new()
        self._root, self._open = schema, []  # the references that are being followed
        ends = [self._literal(text, 0) for text in choices]
        if schema is not None:
            try:
                ends.append(self._value(schema, 0))
            except (AttributeError, TypeError) as error:
                raise ValueError(f"this is no JSON schema, a part is of another type: {error}") from error
        if not ends:
            raise ValueError("a grammar is built of a schema, of choices, or of both")
        for end in ends:
            self._free[end].append(self._last)
        self.start = self._closed({0})
        self._steps: dict[tuple[State, int], State] = {}
        self._masks: dict[State, Tensor] = {}

    def allowed(self, written: Tensor) -> Tensor:
        """(B, n) ids -> (B, V) bool: True where a token may follow. After the end or a mistake, only the end may."""
        return torch.stack([self._mask(self.after(row)) for row in written.tolist()])

    def after(self, ids: Iterable[int]) -> State:
        """Where the machine stands after these tokens; an empty set where it could not read them."""
        state = self.start
        for token in ids:
            state = self._step(state, token)
        return state

    def complete(self, ids: Iterable[int]) -> bool:
        """Whether these tokens, without an end, are a whole text."""
        return self._last in self.after(ids)

    def _step(self, state: State, token: int) -> State:
        if (state, token) not in self._steps:
            told = self.pieces.bytes(token)
            after = state if told else frozenset()
            for byte in told:
                after = self._closed({to for one in after for known, to in self._edges[one] if byte in known})
            self._steps[state, token] = after
        return self._steps[state, token]

    def _mask(self, state: State) -> Tensor:
        if state not in self._masks:
            mask = torch.tensor([bool(self._step(state, token)) for token in range(self.pieces.vocabulary)])
            mask[self.pieces.end] = self._last in state or not state
            self._masks[state] = mask
        return self._masks[state]

    def _closed(self, states: set[int]) -> State:
        found, open_ = set(states), list(states)
        while open_:
            for other in self._free[open_.pop()]:
                if other not in found:
                    found.add(other)
                    open_.append(other)
        return frozenset(found)

    # Building: each takes a state and gives the state behind what it added.

    def _new(self) -> int:
        self._edges.append([])
        self._free.append([])
        return len(self._edges) - 1

    def _literal(self, text: str, at: int) -> int:
        for byte in text.encode():
            at = self._bytes(frozenset([byte]), at)
        return at

    def _bytes(self, known: State, at: int) -> int:
        to = self._new()
        self._edges[at].append((known, to))
        return to

    def _either(self, ends: list[int]) -> int:
        if not ends:
            raise ValueError("there is nothing to choose from: give an enum, anyOf or oneOf one value at least")
        meeting = self._new()
        for end in ends:
            self._free[end].append(meeting)
        return meeting

    def _value(self, schema: Mapping, at: int) -> int:
        form = _form(schema)
        if form == "$ref":
            return self._referred(schema["$ref"], at)
        if form in ("const", "enum"):
            return self._either([self._literal(_json(value), at) for value in _values(schema, form)])
        if form == "oneOf":
            self._apart(schema)
        if form in ("anyOf", "oneOf"):
            return self._either([self._value(one, at) for one in schema[form]])
        if form == "object":
            return self._object(schema, at)
        if form == "array":
            return self._listed("[", [("", one) for one in _items(schema)], "]", at)
        if form == "boolean":
            return self._either([self._literal(word, at) for word in ("true", "false")])
        if form == "string":
            return self._literal('"', self._pattern(schema, self._literal('"', at)))
        least, most = schema.get("minimum"), schema.get("maximum")
        if form == "number":
            if (least, most) != (0, 1) or bool in map(type, (least, most)):
                raise ValueError(f"a number is a fraction, with minimum 0 and maximum 1; got {least} and {most}")
            digit = frozenset(b"0123456789")
            below_one = self._bytes(digit, self._bytes(digit, self._literal("0.", at)))
            return self._either([below_one, self._literal("1.00", at)])
        if type(least) is not int or type(most) is not int or not 0 <= most - least <= MOST:
            raise ValueError(
                f"an integer has a minimum and a maximum, both whole and at most {MOST} apart; got {least} and {most}"
            )
        return self._either([self._literal(str(n), at) for n in range(least, most + 1)])

    def _object(self, schema: Mapping, at: int) -> int:
        named, required = schema.get("properties", {}), set(schema.get("required", ()))
        if set(named) != required or not named:
            odd = sorted(set(named) ^ required) or "there are none"
            raise ValueError(f"the properties of an object must all be required, and no others; look at {odd}")
        return self._listed("{", [(_json(name) + ":", one) for name, one in named.items()], "}", at)

    def _listed(self, first: str, items: list[tuple[str, Mapping]], last: str, at: int) -> int:
        for number, (name, item) in enumerate(items):
            at = self._value(item, self._literal(("," if number else first) + name, at))
        return self._literal(last, at)

    def _pattern(self, schema: Mapping, at: int) -> int:
        pattern = str(schema.get("pattern", ""))
        bare = pattern.removeprefix("^").removesuffix("$")
        if not bare or not re.fullmatch(f"(?:{_CLASS.pattern})+", bare):
            raise ValueError(f"a string has a pattern, made of letters and classes such as [A-H]; got {pattern!r}")
        for match in _CLASS.finditer(bare):
            known = [ord(letter) for letter in LETTERS if _fits(match[0], letter)]
            if not known:
                raise ValueError(f"{match[0]!r} of the pattern {pattern!r} fits no letter that JSON writes as it is")
            at = self._bytes(frozenset(known), at)
        return at

    def _referred(self, reference: str, at: int) -> int:
        if reference in self._open:
            raise ValueError(
                f"{reference!r} is a part of itself, so its text may be of any length: write out its levels"
            )
        self._open.append(reference)
        at = self._value(self._looked_up(reference), at)
        self._open.pop()
        return at

    def _looked_up(self, reference: str) -> Mapping:
        place, (start, *names) = self._root, str(reference).split("/")
        for name in names:
            place = place.get(name) if isinstance(place, Mapping) else None
        if start != "#" or not names or place is None:
            raise ValueError(f"a $ref leads to a place in this schema, such as #/$defs/Box; got {reference!r}")
        return place

    def _apart(self, schema: Mapping) -> None:
        """Of a `oneOf` two may not fit at once: each has a property, the discriminator, with values of its own."""
        name, seen = schema.get("discriminator", {}).get("propertyName"), []
        for one in schema["oneOf"]:
            one = self._looked_up(one["$ref"]) if _form(one) == "$ref" else one
            told = one.get("properties", {}).get(name, {})
            seen.append([_json(value) for form in ("const", "enum") if form in told for value in _values(told, form)])
        if not all(seen) or len({value for values in seen for value in values}) < sum(map(len, seen)):
            raise ValueError(
                f"a oneOf has a discriminator with other values in each; {name!r} has {seen}; or take anyOf"
            )

    @property
    def states(self) -> int:
        """How many states the machine has."""
        return len(self._edges)


def _form(schema: Mapping) -> str:
    """Which of FORMS or KINDS a schema is. Raises ValueError, by name, for what else it asks for."""
    known = isinstance(schema, Mapping)
    form = next((form for form in FORMS if known and form in schema), str(schema.get("type")) if known else None)
    if form not in FORMS and form not in KINDS:
        raise ValueError(f"this schema is not understood: {repr(schema)[:200]}; take one of {[*FORMS, *KINDS]}")
    read = {form, *FORMS[form]} if form in FORMS else {"type", *KINDS[form]}
    others = sorted(set(schema) - read - TOLD)
    if others:
        raise ValueError(
            f"of {form!r} the keywords {others} are not understood: leave them out; known are {sorted(read)}"
        )
    return form


def _values(schema: Mapping, form: str) -> list:
    values, kind = ([schema["const"]] if form == "const" else list(schema["enum"])), schema.get("type")
    for value in values:
        name = NAMES.get(type(value))
        if kind is not None and name != kind and (name, kind) != ("integer", "number"):
            raise ValueError(f"{value!r} is not of the type {kind!r} that its {form} is said to be")
    return values


def _items(schema: Mapping) -> list:
    items = schema.get("prefixItems", [])
    if not items or not schema.get("minItems", 0) <= len(items) <= schema.get("maxItems", len(items)):
        limits = f"minItems {schema.get('minItems')} and maxItems {schema.get('maxItems')}"
        raise ValueError(f"an array has prefixItems, one for each place; got {len(items)}, with {limits}")
    return items


def _fits(kind: str, letter: str) -> bool:
    try:
        return re.fullmatch(kind, letter) is not None
    except re.error as error:
        raise ValueError(f"{kind!r} is no class of letters: {error}") from None


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
