"""The house of CONTRIBUTING.md held against the code: import order, size, names, versions, the one address."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import address  # noqa: E402

FILES = sorted((ROOT / "minivit").rglob("*.py"))


def house() -> list[str]:
    """The modules in reading order, as the table in CONTRIBUTING.md has them."""
    return re.findall(r"^\| `(\w+)` ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.M)


def module(path: Path) -> str:
    """The room a file is in: its module, or its package."""
    return path.relative_to(ROOT / "minivit").parts[0].removesuffix(".py")


def imported(source: str) -> set[str]:
    """The rooms that a source file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here: a relative one hides its room"
            names |= {node.module} if node.module != "minivit" else {f"minivit.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("minivit.")}


def out_of_order(room: str, source: str, order: list[str]) -> set[str]:
    return {other for other in imported(source) - {room} if order.index(other) >= order.index(room)}


def test_the_table_lists_every_module_once():
    rooms = {module(path) for path in FILES} - {"__init__"}
    assert len(house()) == len(set(house()))
    assert rooms <= set(house()), f"not in CONTRIBUTING.md's table: {sorted(rooms - set(house()))}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_earlier_ones_only(path):
    if path.parent.name != "minivit" or path.name != "__init__.py":
        later = out_of_order(module(path), path.read_text(), house())
        assert not later, f"{path.relative_to(ROOT)} imports {sorted(later)}, which come later"


def test_the_wrong_order_is_found():
    order = ["patches", "images", "teach"]
    assert out_of_order("patches", "def f():\n    from minivit import images", order) == {"images"}
    assert out_of_order("images", "import minivit.teach.check", order) == {"teach"}
    assert out_of_order("images", "from minivit.patches import Grid", order) == set()
    with pytest.raises(AssertionError, match="absolute"):
        out_of_order("images", "from ..teach import check", order)


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Files in or behind a circle of imports: what is left when those that import nothing left are taken away."""
    left = dict(imports)
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    return sorted(left)


def at_the_top(path: Path, known: set[str]) -> set[str]:
    """The known modules that a file imports at once; a package counts only for names of its own."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                names.add(inner if inner in known else node.module)
    return names & known


def test_no_circles_between_files():
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
    assert circle({name: at_the_top(path, set(named)) for name, path in named.items()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def lines_of_code(source: str) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_idea_long(path):
    assert lines_of_code(path.read_text()) <= 300


def test_code_lines_are_counted():
    assert lines_of_code('"""One.\n\nTwo."""\n\n# three\nx = [\n    1,\n]\n') == 3
    assert lines_of_code("x = 1\n" * 301) == 301


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_grab_bags_and_nothing_unpickled(path):
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}
    assert not re.search(r"torch\.(save|load)\(|pickle\.load", path.read_text())
    assert broken_rules(path.read_text()) == []


def broken_rules(source: str) -> list[str]:
    """Rule 3: nothing asks hasattr, and no function takes ** to pass it on."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            found.append(f"line {node.lineno}: hasattr")
        if isinstance(node, ast.FunctionDef) and node.args.kwarg:
            found.append(f"line {node.lineno}: **{node.args.kwarg.arg}")
    return found


def test_broken_rules_are_found():
    assert broken_rules("def f(a, **rest):\n    return hasattr(a, 'b')") == ["line 1: **rest", "line 2: hasattr"]


def test_import_is_light():
    code = "import sys, minivit; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"
    )


def test_the_core_needs_no_extra():
    """Every module but three imports where only the core dependencies exist."""
    extras = [
        "matplotlib",
        "ipywidgets",
        "IPython",
        "sklearn",
        "skimage",
        "pydantic",
        "pyarrow",
        "transformers",
        "tokenizers",
    ]
    rooms = sorted({module(path) for path in FILES} - {"__init__", "teach", "reports", "inspection"})
    code = f"import sys\nfor name in {extras}: sys.modules[name] = None\n"
    code += "".join(f"import minivit.{room}\n" for room in rooms)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_address():
    assert {str(path.relative_to(ROOT)) for path in address.differing(address.address())} == set()
    moved = address.rewritten(
        "see https://github.com/someone/minivit and https://github.com/other/tool", "https://github.com/a/b"
    )
    assert moved == "see https://github.com/a/b and https://github.com/other/tool"
    assert address.address() in (ROOT / "_config.yml").read_text()
    assert address.address() in (ROOT / "README.md").read_text()
    assert all(address.address() in path.read_text() for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_one_version():
    with open(ROOT / "pyproject.toml", "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert f'__version__ = "{version}"' in (ROOT / "minivit" / "__init__.py").read_text()
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if line and line[0] != "#"}


def outside(wanted: list[str], tested: dict[str, str]) -> list[str]:
    """The requirements that the tested versions do not satisfy."""
    needs = [Requirement(text) for text in wanted]
    return [
        str(need)
        for need in needs
        if canonicalize_name(need.name) in tested
        and not need.specifier.contains(tested[canonicalize_name(need.name)], prereleases=True)
    ]


def test_tested_versions_satisfy_the_ranges():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(need for extra in extras.values() for need in extra)]
    tested = pins("constraints.txt")
    assert {canonicalize_name(Requirement(text).name) for text in wanted} <= tested.keys(), "run tools/constraints.py"
    assert (
        outside(wanted, tested)
        == []
        == outside([*project["dependencies"], *extras["lessons"]], pins("constraints-colab.txt"))
    )
    assert tested["torch"] == "2.13.0", "a local label such as +cpu is unknown to PyPI"
    assert outside(["numpy>=3"], tested) == ["numpy>=3"]


def test_the_repo_speaks_of_the_project_alone():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    words = [r"/ro" + "ot/", r"/wo" + "rk/", "pypi" + ".org", "files.python" + "hosted", "registry.npm" + "js"]
    command = ["git", "grep", "-nIE", "|".join(words), "--", ".", ":!book/_extra/vendor"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    assert found.stdout == ""
