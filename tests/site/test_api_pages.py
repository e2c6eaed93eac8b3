"""The library's pages: all public names, with the signature and the words of the source, and nothing read as markup."""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import api_pages  # noqa: E402

MODULES = [
    match[1]
    for path in sorted((ROOT / "book" / "api").glob("*.md"))
    for match in api_pages.MARKER.finditer(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("module", MODULES)
def test_a_page_tells_of_names_that_can_be_imported(module):
    found = [node.name for node, _ in api_pages.public(api_pages.module_path(module))]
    imported = importlib.import_module(module)
    assert found and len(set(found)) == len(found)
    assert [name for name in found if not hasattr(imported, name)] == []
    listed = getattr(imported, "__all__", [])
    documented = {name for name in listed if callable(getattr(imported, name))}
    assert documented <= set(found), "a public name without a docstring, or one that the page cannot see"


def test_every_page_is_in_the_contents():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert [path.stem for path in (ROOT / "book" / "api").glob("*.md") if f"book/api/{path.stem}" not in contents] == []


def test_a_missing_module_is_an_error_not_an_empty_page():
    with pytest.raises(ExtensionError, match=r"no module minivit\.patchs"):
        api_pages.module_path("minivit.patchs")


@pytest.mark.parametrize(
    "source",
    [
        "f(a, b: int = 3, *, c: str = 'x, (y', d=None) -> Tensor",
        "f(*rest: int, **options)",
        "f(a: tuple[int, int] = (1, 2), /, b: int | None = None) -> dict[str, int]",
        "f()",
    ],
)
def test_a_signature_keeps_its_meaning(source):
    node = ast.parse(f"def {source}: ...").body[0]
    name, inside, returned = api_pages.called(node)
    again = ast.parse(f"def {name}({', '.join(inside)}){returned}: ...").body[0]
    assert [ast.dump(argument) for argument in again.args.args + again.args.kwonlyargs] == [
        ast.dump(argument) for argument in node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    ]
    assert ast.unparse(again.returns or ast.Constant(0)) == ast.unparse(node.returns or ast.Constant(0))


def test_a_method_is_shown_without_self_and_a_class_as_it_is_made():
    methods = ast.parse(
        "class A:\n    def __init__(self, patch: int, width: int = 8): ...\n    def go(self, x): ..."
    ).body[0]
    assert api_pages.called(methods) == ("A", ["patch: int", "width: int = 8"], "")
    assert api_pages.called(methods.body[1]) == ("go", ["x"], "")
    fields = ast.parse("class Grid(NamedTuple):\n    rows: int\n    cols: int = 2").body[0]
    assert api_pages.called(fields) == ("Grid", ["rows: int", "cols: int = 2"], "")


def test_prose_is_never_read_as_markup():
    shown = api_pages.prose("P*P*C and 24 N*D*D, `P*P*C`, <b>, $x$, [0, 1], _x_ and {y}.", {})
    assert shown == r"P\*P\*C and 24 N\*D\*D, `P*P*C`, \<b>, \$x\$, \[0, 1\], \_x\_ and \{y\}."


def test_shapes_are_set_apart_and_names_are_linked():
    shown = api_pages.prose("(..., C, H, W) -> (..., N, P*P*C): see `cut`, not `other`.", {"cut": "patches-cut"})
    assert shown == r"[(..., C, H, W) → (..., N, P\*P\*C)]{.shape}: see [`cut`](#patches-cut), not `other`."


def test_numbers_of_the_panels_page_are_those_of_the_panels():
    from minivit.panels import rules

    text = re.sub(r"\s+", " ", (ROOT / "book" / "panels.md").read_text(encoding="utf-8"))
    assert f"make {len(rules.combinations())} combinations" in text
    assert f"{len(rules.combinations('test'))} of the {len(rules.combinations())}" in text
    rows = {
        row[0].strip(): [value.strip() for value in row[1].split(",")]
        for row in re.findall(r"\| ([^|]+)\| ([^|]+, [^|]+)", text)
    }
    assert rows["colour of the panel"] == list(rules.COLOURS)
    assert rows["damage"] == list(rules.DAMAGES)
    assert rows["badge"] == list(rules.BADGES)
    assert rows["hazard on the icon"] == list(rules.HAZARDS)
    assert rows["mount"] == list(rules.MOUNTS)
