"""Wrong answers to lesson 13's exercises."""

_TABLE = """
def edits(said, right):
    table = [[i + j for j in range(len(right) + 1)] for i in range(len(said) + 1)]
    for i in range(1, len(said) + 1):
        for j in range(1, len(right) + 1):
            differ = said[i - 1] != right[j - 1]
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + differ)
    return table[-1][-1]
"""
_HEAD = """
import json


def call(text, tools):
    try:
        told = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(told, dict) or sorted(told) != ["arguments", "name"]:
        return None
    name, given = told["name"], told["arguments"]
    if not isinstance(name, str):
        return None
"""
_LISTED = """
    if name not in tools:
        return None
"""
_NAMES = """
    if set(given) != set(tools[name]):
        return None
"""
_VALUES = """
    for key, value in given.items():
        if value not in tools[name].get(key, [value]):
            return None
"""
_END = """
    return name, given
"""
_SURE = _HEAD + _LISTED + _NAMES + _VALUES + _END
_THRESHOLD = """
def threshold(sure, right, wanted):
    for least in sorted(set(sure)):
        kept = [good for one, good in zip(sure, right) if one >= least]
        if kept and sum(kept) / len(kept) >= wanted:
            return least
    return None
"""

WRONG = {
    "13.edits": [
        (
            "positions",
            """
def edits(said, right):
    return sum(1 for a, b in zip(said, right) if a != b)
""",
        ),
        (
            "positions-and-rest",
            """
def edits(said, right):
    length = max(len(said), len(right))
    return sum(a != b for a, b in zip(said.ljust(length), right.ljust(length)))
""",
        ),
        (
            "bag",
            """
def edits(said, right):
    left = list(right)
    extra = 0
    for letter in said:
        if letter in left:
            left.remove(letter)
        else:
            extra += 1
    return max(extra, len(left))
""",
        ),
        ("exchange-costs-two", _TABLE.replace("+ differ", "+ 2 * differ")),
        (
            "exchange-only-by-two-steps",
            _TABLE.replace(", table[i - 1][j - 1] + differ)", ")"),
        ),
        ("free-start", _TABLE.replace("i + j for j", "i for j")),
        ("free-column", _TABLE.replace("i + j for j", "j for j")),
        ("free-end", _TABLE.replace("table[-1][-1]", "min(table[-1])")),
        ("case", _TABLE.replace("said[i - 1] != right[j - 1]", "said[i - 1].upper() != right[j - 1].upper()")),
        ("no-insertion", _TABLE.replace("table[i][j - 1] + 1, ", "")),
        ("rate", _TABLE.replace("table[-1][-1]", "table[-1][-1] / len(right)")),
        (
            "exact",
            """
def edits(said, right):
    return 0 if said == right else 1
""",
        ),
    ],
    "13.call": [
        (
            "any-name",
            _HEAD
            + """
    if name in tools and set(given) != set(tools[name]):
        return None
    if name in tools and any(given[key] not in tools[name][key] for key in given):
        return None
"""
            + _END,
        ),
        ("deny-list", _HEAD + "    if name in ('delete_all',):\n        return None\n" + _VALUES + _END),
        ("values-unchecked", _HEAD + _LISTED + _NAMES + _END),
        (
            "values-begin",
            _HEAD
            + _LISTED
            + _NAMES
            + """
    for key, value in given.items():
        if not any(value.startswith(allowed) for allowed in tools[name][key]):
            return None
"""
            + _END,
        ),
        ("extra-argument", _HEAD + _LISTED + _NAMES.replace("set(given) !=", "not set(given) >=") + _VALUES + _END),
        ("missing-argument", _HEAD + _LISTED + _NAMES.replace("set(given) !=", "not set(given) <=") + _VALUES + _END),
        ("names-unchecked", _HEAD + _LISTED + _VALUES + _END),
        ("arguments-unchecked", _HEAD + _LISTED + _END),
        (
            "picked-out",
            (_HEAD + _LISTED + _NAMES + _VALUES + _END).replace(
                "json.loads(text)", "json.loads(text[text.find('{') : text.rfind('}') + 1])"
            ),
        ),
        (
            "more-keys",
            (_HEAD + _LISTED + _NAMES + _VALUES + _END).replace(
                'sorted(told) != ["arguments", "name"]', '"name" not in told or "arguments" not in told'
            ),
        ),
        ("name-no-text", _SURE.replace("    if not isinstance(name, str):\n        return None\n", "")),
        (
            "name-no-text",
            """
import json


def call(text, tools):
    try:
        told = json.loads(text)
    except ValueError:
        return None
    if not isinstance(told, dict) or set(told) != {"name", "arguments"} or told["name"] not in tools:
        return None
    allowed, given = tools[told["name"]], told["arguments"]
    if not isinstance(given, dict) or set(given) != set(allowed):
        return None
    if any(given[name] not in allowed[name] for name in allowed):
        return None
    return told["name"], given
""",
        ),
        ("too-deep", _SURE.replace("(json.JSONDecodeError, RecursionError)", "json.JSONDecodeError")),
        (
            "by-word",
            """
import json


def call(text, tools):
    for name in tools:
        if name in text:
            told = json.loads(text)
            return told["name"], told["arguments"]
    return None
""",
        ),
        (
            "trusting",
            """
import json


def call(text, tools):
    told = json.loads(text)
    return told["name"], told["arguments"]
""",
        ),
    ],
    "13.threshold": [
        ("highest", _THRESHOLD.replace("sorted(set(sure))", "sorted(set(sure), reverse=True)")),
        (
            "first-failure",
            """
def threshold(sure, right, wanted):
    best = None
    for least in sorted(set(sure), reverse=True):
        kept = [good for one, good in zip(sure, right) if one >= least]
        if sum(kept) / len(kept) < wanted:
            break
        best = least
    return best
""",
        ),
        ("above-only", _THRESHOLD.replace("one >= least", "one > least")),
        (
            "of-all",
            _THRESHOLD.replace("/ len(kept)", "/ len(sure)").replace(
                "sorted(set(sure))", "sorted(set(sure), reverse=True)"
            ),
        ),
        (
            "in-file-order",
            """
def threshold(sure, right, wanted):
    for start, least in enumerate(sure):
        kept = right[start:]
        if sum(kept) / len(kept) >= wanted:
            return least
    return None
""",
        ),
        (
            "ties-cut",
            """
def threshold(sure, right, wanted):
    order = sorted(range(len(sure)), key=lambda at: (sure[at], right[at]), reverse=True)
    best = None
    for count in range(1, len(order) + 1):
        if sum(right[at] for at in order[:count]) / count >= wanted:
            best = sure[order[count - 1]]
    return best
""",
        ),
        ("wanted-itself", "def threshold(sure, right, wanted):\n    return wanted\n"),
        ("share-answered", _THRESHOLD.replace("return least", "return len(kept) / len(sure)")),
        (
            "least-right",
            """
def threshold(sure, right, wanted):
    return min([one for one, good in zip(sure, right) if good], default=None)
""",
        ),
        ("zero-when-none", _THRESHOLD.replace("return None", "return 0.0")),
    ],
}
