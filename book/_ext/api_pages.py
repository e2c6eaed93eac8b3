"""Pages of the library from its docstrings: a line `<!-- api: minivit.patches -->` becomes the module's reference.

The source is parsed, never imported, so a page costs milliseconds and shows every signature as it was written. A
module that hands on names of its neighbours shows those too. Docstrings are plain text with `code` in backticks;
shapes such as `(B, C, H, W) -> (B, N, D)` are set apart.
"""

import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
MARKER = re.compile(r"^<!-- api: ([\w.]+) -->$", re.MULTILINE)
SHAPES = re.compile(r"(\([^()]*\)[\w ]*) -> (\([^()]*\)|[\w ]+?)(?=[:.;,]|$)")
CODE = re.compile(r"(`+[^`]+`+)")
Definition = ast.FunctionDef | ast.ClassDef
Names = dict[str, str]  # the names with an entry on the page -> where to jump


def setup(app):
    app.connect("source-read", write_pages)
    return {"parallel_read_safe": True, "version": "1"}


# section -> the module and the function that set its tables
BENCHES = {
    "vit": ("vit_table", "tables"),
    "losses": ("pairs_table", "losses_table"),
    "towers": ("pairs_table", "towers_table"),
    "ring": ("pairs_table", "ring_table"),
    "language": ("language_table", "language_table"),
}


def write_pages(app, docname, source):
    base = app.config.html_context.get("api_source", "https://github.com/minivit/minivit/blob/main/")

    def reference(match):
        path = module_path(match[1])
        for part in {path, *(origin for _, origin in exported(path))}:
            app.env.note_dependency(str(part))
        return module_page(path, base)

    source[0] = MARKER.sub(reference, source[0])
    if "<!-- pictures -->" in source[0]:
        source[0] = source[0].replace("<!-- pictures -->", pictures())
    for name in BENCHES:
        if f"<!-- bench {name} -->" in source[0]:
            app.env.note_dependency(str(ROOT / "minivit" / "teach" / "runs" / f"bench_{name}.json"))
            source[0] = source[0].replace(f"<!-- bench {name} -->", bench(name))


def pictures() -> str:
    """The table of the photographs that `minivit.images.sample` gives, as that module tells of them."""
    from minivit.images import samples

    rows = [f"| `{one.name}` | {one.shows} | {one.licence} | {escape(one.source)} |" for one in samples().values()]
    return "\n".join(["| name | shows | licence | by, or from |", "|---|---|---|---|", *rows])


def bench(name: str) -> str:
    """The tables of the last whole run of a section of `make bench`."""
    sys.path.insert(0, str(ROOT))
    from importlib import import_module

    from minivit.teach.runs import recorded

    module, function = BENCHES[name]
    return getattr(import_module(f"benchmarks.{module}"), function)(recorded(f"bench_{name}"))


def module_path(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    raise ExtensionError(f"api: there is no module {name} under {ROOT.name}; remove the marker or write the module")


def module_page(path: Path, base: str) -> str:
    """The Markdown of a module: its own words, then every public name in the order of the source."""
    found = public(path)
    if not found:
        raise ExtensionError(f"api: {path.relative_to(ROOT)} has no public name with a docstring")
    names = {node.name: anchor(path, node.name) for node, _ in found}
    head = ast.get_docstring(ast.Module(tree(path), [])) or ""
    return "\n\n".join([prose(head, names), *(entry(node, origin, names, base) for node, origin in found)])


def public(path: Path) -> list[tuple[Definition, Path]]:
    """Documented public functions and classes: the module's own, then those it hands on from its neighbours."""
    listed = names_listed(path)
    own = [node for node in definitions(path) if (node.name in listed if listed else not node.name.startswith("_"))]
    found = [(node, path) for node in own]
    for name, origin in exported(path):
        found += [(node, origin) for node in definitions(origin) if node.name == name]
    return [(node, origin) for node, origin in found if ast.get_docstring(node)]


def tree(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def definitions(path: Path) -> list[Definition]:
    return [node for node in tree(path) if isinstance(node, Definition)]


def names_listed(path: Path) -> list[str]:
    """The names in `__all__`, if the module has one."""
    for node in tree(path):
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return []


def exported(path: Path) -> list[tuple[str, Path]]:
    """(name, file) for what a module hands on: the names of its `__all__`, or all that an `__init__` takes in."""
    listed, names = names_listed(path), []
    for node in tree(path):
        if isinstance(node, ast.ImportFrom) and (module := absolute(node, path)).startswith("minivit."):
            for alias in node.names:
                wanted = (
                    alias.name in listed if listed else path.name == "__init__.py" and not alias.name.startswith("_")
                )
                if wanted and (origin := module_path(module)) != path:
                    names.append((alias.name, origin))
    return names


def absolute(node: ast.ImportFrom, path: Path) -> str:
    """`from .scene import Scene` in minivit/panels/draw.py -> `minivit.panels.scene`."""
    if not node.level:
        return node.module or ""
    package = path.parent.relative_to(ROOT).parts
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def entry(node: Definition, origin: Path, names: Names, base: str) -> str:
    """Heading, source link, signature, words, then fields and methods of a class."""
    link = f"{base}{origin.relative_to(ROOT).as_posix()}#L{node.lineno}"
    parts = [f"({names[node.name]})=\n## {node.name}", f"[source]({link}){{.api-source}}", signature(node)]
    parts.append(prose(ast.get_docstring(node), {name: place for name, place in names.items() if name != node.name}))
    if isinstance(node, ast.ClassDef):
        parts += [fields(node, origin, names), methods(node, names)]
    return "\n\n".join(part for part in parts if part)


def anchor(path: Path, name: str) -> str:
    module = path.parent.name if path.name == "__init__.py" else path.stem
    kind = "class-" if name[0].isupper() else ""  # a label knows no capitals: Folder is not folder
    return f"{module}-{kind}{name.lower().replace('_', '-')}"


def signature(node: Definition) -> str:
    name, inside, returned = called(node)
    text = f"{name}({', '.join(inside)}){returned}"
    if len(text) > 76:  # one argument a line
        text = f"{name}(\n" + "".join(f"    {argument},\n" for argument in inside) + f"){returned}"
    return f"```{{code-block}} python\n:class: api-signature\n\n{text}\n```"


def called(node: Definition) -> tuple[str, list[str], str]:
    """Name, arguments and what is returned; of a class, the arguments of its `__init__` or its fields."""
    if isinstance(node, ast.FunctionDef):
        returned = f" -> {ast.unparse(node.returns)}".replace("'", "") if node.returns else ""
        return node.name, arguments(node.args), returned
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return node.name, arguments(part.args), ""
    values = [part for part in node.body if isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part)]
    return node.name, [ast.unparse(value) for value in values], ""


def arguments(given: ast.arguments) -> list[str]:
    """`["image: Tensor", "*", "size: int = 96"]`, without `self` and `cls`."""

    def shown(argument: ast.arg, default: ast.expr | None, stars: str = "") -> str:
        annotation = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
        equals = " = " if annotation else "="
        return stars + argument.arg + annotation + (equals + ast.unparse(default) if default else "")

    plain_ones = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain_ones) - len(given.defaults)) + given.defaults
    parts = [shown(argument, default) for argument, default in zip(plain_ones, defaults, strict=True)]
    if given.vararg:
        parts.append(shown(given.vararg, None, "*"))
    elif given.kwonlyargs:
        parts.append("*")
    parts += [shown(argument, default) for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        parts.append(shown(given.kwarg, None, "**"))
    return [part for part in parts if part not in ("self", "cls")]


def fields(node: ast.ClassDef, origin: Path, names: Names) -> str:
    """A table of the fields that carry a comment behind them."""
    lines = origin.read_text(encoding="utf-8").splitlines()
    rows = []
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            _, mark, comment = lines[part.end_lineno - 1][part.end_col_offset :].partition("#")
            if mark:
                text = prose(comment.strip(), names).replace("|", "\\|")
                rows.append(f"| `{part.target.id}` | {text} |")
    return "\n".join(["| field | meaning |", "|---|---|", *rows]) if rows else ""


def methods(node: ast.ClassDef, names: Names) -> str:
    """Public methods and properties that have a docstring, as a list of definitions."""
    found = []
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_") and ast.get_docstring(part):
            decorators = {ast.unparse(decorator) for decorator in part.decorator_list}
            name, inside, returned = called(part)
            name = f".{name}" if "property" in decorators else f".{name}({', '.join(inside)}){returned}"
            words = textwrap.indent(prose(ast.get_docstring(part), names), "  ").lstrip()
            found.append(f"`{name}`\n: {words}")
    return "\n\n".join(found)


def prose(text: str, names: Names) -> str:
    """A docstring as Markdown: shapes set apart, names linked, and nothing read as markup by accident."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(text or ""))
    return "\n\n".join(block(part, names) for part in blocks)


def block(text: str, names: Names) -> str:
    if text.startswith(">>> "):
        return f"```python\n{text}\n```"
    if text.startswith("    "):
        return f"```{{code-block}} text\n:class: api-legend\n\n{textwrap.dedent(text)}\n```"
    pieces = CODE.split(text)
    return "".join(linked(piece, names) if index % 2 else plain(piece) for index, piece in enumerate(pieces))


def linked(code: str, names: Names) -> str:
    name = code.strip("`")
    return f"[{code}](#{names[name]})" if name in names else code


def plain(text: str) -> str:
    """Escaped, but for shapes, which become code with an arrow."""
    shown, end = [], 0
    for match in SHAPES.finditer(text):
        shown += [escape(text[end : match.start()]), f"[{escape(match[1])} → {escape(match[2])}]{{.shape}}"]
        end = match.end()
    return "".join([*shown, escape(text[end:])]).replace(" -> ", " → ")


def escape(text: str) -> str:
    return re.sub(r"([\\*_$<{}\[\]~])", r"\\\1", text)
