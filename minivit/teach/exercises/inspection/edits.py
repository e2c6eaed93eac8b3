"""Exercise 13.edits: the fewest characters to insert, take out or exchange."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from minivit.teach.exercises import Exercise, Twin


def version(
    exchange: int = 1,
    top: Callable = lambda j: j,
    left: Callable = lambda i: i,
    same: Callable = lambda a, b: a == b,
    ways: Callable = lambda above, before, across: min(above + 1, before + 1, across),
    ends: Callable = lambda row: row[-1],
) -> Callable:
    """`edits` with single decisions exchanged."""

    def answer(said: str, right: str) -> int:
        row = [top(j) for j in range(len(right) + 1)]
        for i, a in enumerate(said, start=1):
            new = [left(i)]
            for j, b in enumerate(right, start=1):
                new.append(ways(row[j], new[j - 1], row[j - 1] + (0 if same(a, b) else exchange)))
            row = new
        return ends(row)

    return answer


edits = version()


def reference(said: str, right: str) -> int:
    """Two texts -> the fewest edits that make the one the other."""
    return edits(said, right)


def cases() -> list[tuple[str, str]]:
    """One digit wrong; one left out; one too many; two exchanged places; nothing read; all right; a word; a case."""
    return [
        ("A7-39", "A7-38"),
        ("A7-9", "A7-39"),
        ("AA7-39", "A7-39"),
        ("A7-93", "A7-39"),
        ("", "B2-10"),
        ("K4-00", "K4-00"),
        ("kitten", "sitting"),
        ("a7-39", "A7-39"),
        ("9-7A3", "A7-39"),
        ("A7-39", "7-3"),
    ]


def row(args: tuple, value: Any) -> list | None:
    """Both texts and the number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return [("said", "right", "edits"), [args[0] or "(nothing)", args[1], str(value)[:40]]]


def positions(said: str, right: str) -> int:
    return sum(a != b for a, b in zip(said, right, strict=False))


def with_rest(said: str, right: str) -> int:
    return positions(said, right) + abs(len(said) - len(right))


def bag(said: str, right: str) -> int:
    one, other = Counter(said), Counter(right)
    return max((one - other).total(), (other - one).total())


EDITS = Exercise(
    reference=reference,
    cases=cases,
    tell=lambda args: f"said {args[0]!r}, right {args[1]!r}",
    picture=row,
    learnt="A table of prefixes: each field is one edit more than a neighbour, or none where the characters agree.",
    twins=(
        Twin(
            "positions",
            "places are compared one by one, and what one text has more is forgotten.",
            "a character left out shifts all that follow, and that is one edit: use a table of prefixes.",
            positions,
        ),
        Twin(
            "positions-and-rest",
            "places are compared one by one, and the rest is added.",
            "one missing character at the start shifts all others: they are still right. Use a table of prefixes.",
            with_rest,
        ),
        Twin(
            "bag",
            "only which characters there are is compared, not their order.",
            "39 and 93 are made of the same digits and are two edits apart.",
            bag,
        ),
        Twin(
            "exchange-costs-two",
            "an exchanged character counts as two edits.",
            "one character for another is one edit, as cheap as an insertion.",
            version(exchange=2),
        ),
        Twin(
            "exchange-only-by-two-steps",
            "an exchanged character is never one edit.",
            "take the least of three neighbours: above, before, and across.",
            version(ways=lambda above, before, across: min(above + 1, before + 1), exchange=0),
        ),
        Twin(
            "free-start",
            "what stands before the first agreement costs nothing.",
            "the table's first row is 0, 1, 2, ...: to make a prefix out of nothing, insert all of it.",
            version(top=lambda j: 0),
        ),
        Twin(
            "free-column",
            "taking characters out at the start costs nothing.",
            "each row begins with its own number: to make nothing out of a prefix, take all of it out.",
            version(left=lambda i: 0),
        ),
        Twin(
            "free-end",
            "what is missing at the end costs nothing.",
            "the answer is the table's last field, not the least of its last row.",
            version(ends=min),
        ),
        Twin(
            "case",
            "large and small letters count as the same.",
            "a code that is a7-39 is not in the register: compare characters as they are.",
            version(same=lambda a, b: a.lower() == b.lower()),
        ),
        Twin(
            "no-insertion",
            "a character can be taken out and exchanged, but not put in.",
            "there are three ways to a field: from above, from the field before, and across.",
            version(ways=lambda above, before, across: min(above + 1, across)),
        ),
        Twin(
            "rate",
            "the edits were divided by the length.",
            "give the number of edits. The error rate divides the sum of all by all characters, at the very end.",
            lambda said, right: edits(said, right) / len(right),
        ),
        Twin(
            "exact",
            "this only says whether the texts differ.",
            "count how far they differ: one wrong digit is 1, five are 5.",
            lambda said, right: int(said != right),
        ),
    ),
)
