"""Held to a form: whatever the model would like to say, only what keeps the text in its form may follow.

A JSON schema is turned into a machine that reads bytes: states, and which byte leads from which to which. At every
token, those are allowed whose bytes the machine can read from where it stands. What is written is then valid, always;
whether it is true is another question.

Understood are the parts of JSON Schema that `minivit.reports` and the tools use: objects whose properties are all
required and stand in their order, tuples, `enum`, `const`, `anyOf`, `oneOf`, `$ref`, booleans, whole numbers in a
range, fractions from 0 to 1 with two decimals, and strings by a pattern of letters and classes. Text is canonical: no
spaces. Source for the idea: Willard and Louf 2023, section 3.
"""

import json
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from minivit.language import Pieces

State = frozenset[int]
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
        self._root = dict(schema or {})
        ends = [self._literal(text, 0) for text in choices]
        if schema is not None:
            ends.append(self._value(schema, 0))
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

    def _either(self, ends: Iterable[int]) -> int:
        meeting = self._new()
        for end in ends:
            self._free[end].append(meeting)
        return meeting

    def _value(self, schema: Mapping, at: int) -> int:
        if "$ref" in schema:
            return self._value(self._looked_up(schema["$ref"]), at)
        if "const" in schema or "enum" in schema:
            values = [schema["const"]] if "const" in schema else schema["enum"]
            return self._either([self._literal(_json(value), at) for value in values])
        for name in ("anyOf", "oneOf"):
            if name in schema:
                return self._either([self._value(one, at) for one in schema[name]])
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, at)
        if kind == "array" and "prefixItems" in schema:
            return self._listed("[", [("", one) for one in schema["prefixItems"]], "]", at)
        if kind == "boolean":
            return self._either([self._literal(word, at) for word in ("true", "false")])
        if kind == "string" and "pattern" in schema:
            return self._literal('"', self._pattern(schema["pattern"], self._literal('"', at)))
        if kind == "number" and (schema.get("minimum"), schema.get("maximum")) == (0, 1):
            digit = frozenset(b"0123456789")
            below_one = self._bytes(digit, self._bytes(digit, self._literal("0.", at)))
            return self._either([below_one, self._literal("1.00", at)])
        if kind == "integer" and schema.get("maximum", 10**9) - schema.get("minimum", 0) <= 1000:
            return self._either([self._literal(str(n), at) for n in range(schema["minimum"], schema["maximum"] + 1)])
        raise ValueError(f"this schema is not understood, nor is the text it allows short: {_json(dict(schema))[:200]}")

    def _object(self, schema: Mapping, at: int) -> int:
        named = schema.get("properties", {})
        optional = sorted(set(named) - set(schema.get("required", ())))
        if optional or not named:
            raise ValueError(f"the properties of an object must all be required; {optional or 'there are none'}")
        return self._listed("{", [(_json(name) + ":", one) for name, one in named.items()], "}", at)

    def _listed(self, first: str, items: list[tuple[str, Mapping]], last: str, at: int) -> int:
        for number, (name, item) in enumerate(items):
            at = self._value(item, self._literal(("," if number else first) + name, at))
        return self._literal(last, at)

    def _pattern(self, pattern: str, at: int) -> int:
        bare = pattern.removeprefix("^").removesuffix("$")
        if not bare or not re.fullmatch(f"(?:{_CLASS.pattern})+", bare):
            raise ValueError(f"a pattern is made of letters and classes such as [A-H]; got {pattern!r}")
        for match in _CLASS.finditer(bare):
            known = [byte for byte in range(0x20, 0x7F) if re.fullmatch(match[0], chr(byte))]
            at = self._bytes(frozenset(known), at)
        return at

    def _looked_up(self, reference: str) -> Mapping:
        place = self._root
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        return place

    @property
    def states(self) -> int:
        """How many states the machine has."""
        return len(self._edges)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
