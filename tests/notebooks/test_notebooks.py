"""Every lesson as committed: executed in order, no errors, no traces of a machine, reproduced by strict nbval."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IDS = [path.stem for path in LESSONS]
SECONDS = 300


def problems(notebook) -> list[str]:
    """What keeps a notebook from being publishable."""
    found = []
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        found.append("not executed top to bottom")
    if len({cell.id for cell in notebook.cells}) != len(notebook.cells):
        found.append("cell ids repeat")
    if set(notebook.metadata) - {"kernelspec", "language_info"} or set(notebook.metadata.language_info) != {"name"}:
        found.append("metadata of one machine")
    for cell in code:
        for output in cell.outputs:
            text = json.dumps(
                {**output, "data": {**output.get("data", {}), "image/png": ""}}
            )  # pixels may spell anything
            if output.output_type == "error":
                found.append(f"{cell.id}: an error output")
            if "widget-view" in text:
                found.append(f"{cell.id}: a widget view")
            if "image/svg+xml" in output.get("data", {}):
                found.append(f"{cell.id}: an SVG output")
            if re.search(r"(/home/|/root\b|/tmp/|/Users/|site-packages|0x[0-9a-f]{6,})", text):
                found.append(f"{cell.id}: a path or an address of one machine")
            if "image/png" in output.get("data", {}):
                if len(output.data["image/png"]) * 3 / 4 > 200_000:
                    found.append(f"{cell.id}: a picture of over 200 kB")
                if len(alt(cell)) < 20:
                    found.append(f"{cell.id}: a picture without alt text")
    return found


def alt(cell) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def test_there_are_lessons():
    assert LESSONS


@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_lesson_is_publishable(path):
    assert problems(nbformat.read(path, as_version=4)) == []


def unexecuted(notebook):
    notebook.cells[-1].execution_count = None


def failed(notebook):
    notebook.cells[-1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]


def machine(notebook):
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="/home/reader/file")]


def no_alt(notebook):
    notebook.cells[-1].outputs = [nbformat.v4.new_output("display_data", data={"image/png": "aaaa"})]


@pytest.mark.parametrize("spoil", [unexecuted, failed, machine, no_alt])
def test_a_spoiled_notebook_is_found(spoil):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", execution_count=1)])
    notebook.metadata = nbformat.from_dict({"kernelspec": {}, "language_info": {"name": "python"}})
    assert problems(notebook) == []
    spoil(notebook)
    assert problems(notebook)


def nbval(path: Path, **changes: str) -> subprocess.CompletedProcess:
    config = ROOT / "tests" / "notebooks"
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-c", config / "nbval.ini", path]
    command += ["--nbval-sanitize-with", config / "sanitize.cfg"]
    environment = {**os.environ, "MINIVIT_STILLS": "1", **changes}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.slow
@pytest.mark.notebook
@pytest.mark.parametrize(
    "turn", ["once", *(pytest.param(t, marks=pytest.mark.full) for t in ("twice", "without bf16"))]
)
@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_lesson_reproduces_its_outputs(path, turn, capsys):
    start = time.monotonic()
    run = nbval(path, MINIVIT_PRECISION="fp32") if turn == "without bf16" else nbval(path)
    with capsys.disabled():
        print(f"\n{path.stem}: {time.monotonic() - start:.0f} s")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


@pytest.mark.slow
def test_nbval_refuses_an_output_that_differs(tmp_path):
    """The twin: a notebook that claims another output than its cell gives must not pass."""
    cell = nbformat.v4.new_code_cell("print(6 * 7)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="42\n")]
    right = nbformat.v4.new_notebook(cells=[cell])
    wrong = copy.deepcopy(right)
    wrong.cells[0].outputs[0].text = "41\n"
    for name, notebook, passes in [("right", right, True), ("wrong", wrong, False)]:
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
        assert (nbval(tmp_path / f"{name}.ipynb").returncode == 0) is passes


def runner(path: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, ROOT / "tools" / "notebooks.py", path], stderr=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["by an error", "by a kill"])
def test_a_lesson_that_does_not_finish_is_left_as_it_was(ends, tmp_path):
    reached = tmp_path / "reached"
    last = "raise RuntimeError" if ends == "by an error" else "import time; time.sleep(60)"
    cells = [nbformat.v4.new_code_cell(source) for source in (f"open({str(reached)!r}, 'w').close()", last)]
    path = tmp_path / "lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    process = runner(path)
    if ends == "by a kill":
        deadline = time.monotonic() + 60
        while not reached.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert process.wait(timeout=60) != 0 and reached.exists()
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["lesson.ipynb", "reached"]


@pytest.mark.full
@pytest.mark.parametrize("path", LESSONS, ids=IDS)
def test_the_runner_twice_leaves_the_same_bytes(path, tmp_path):
    copied, results = tmp_path / path.name, []
    shutil.copy(path, copied)
    for _ in range(2):
        subprocess.run([sys.executable, ROOT / "tools" / "notebooks.py", copied], check=True, timeout=SECONDS)
        results.append(copied.read_bytes())
    assert results[0] == results[1]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name]
