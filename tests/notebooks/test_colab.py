"""A lesson alone in an empty folder, with the versions that Colab ships: its first cell installs minivit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-colab" / "bin" / "python"
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOME = {"01_patches", "05_vit"}  # the first and one that trains; the others run with make test-full

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
"""

pytestmark = [pytest.mark.slow, pytest.mark.colab, pytest.mark.filterwarnings("ignore")]


def versions() -> dict[str, str]:
    lines = subprocess.run(
        [PYTHON, "-m", "pip", "freeze"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.fixture
def colab():
    if not PYTHON.exists():
        reason = "no .venv-colab: `make test` makes it"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    subprocess.run([PYTHON, "-m", "pip", "uninstall", "--quiet", "--yes", "minivit"], check=True)
    return PYTHON


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=[] if path.stem in SOME else pytest.mark.full) for path in LESSONS],
)
def test_lesson_alone_in_an_empty_folder(path, tmp_path, colab):
    before = versions()
    shutil.copy(path, tmp_path)
    (tmp_path / "run.py").write_text(EXECUTE)
    environment = {**os.environ, "MINIVIT_SOURCE": f"git+file://{ROOT}", "JUPYTER_PREFER_ENV_PATH": "1"}
    environment.pop("MINIVIT_STILLS", None)
    run = subprocess.run(
        [colab, "run.py", path.name], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr[-4000:]
    after = versions()
    assert {name: after[name] for name in before} == before, "installing minivit replaced packages of Colab's"


def test_without_a_network_the_first_cell_says_so(tmp_path, colab):
    notebook = nbformat.read(LESSONS[0], as_version=4)
    cell = next(cell for cell in notebook.cells if "bootstrap" in cell.metadata.get("tags", []))
    environment = {**os.environ, "MINIVIT_SOURCE": "git+http://127.0.0.1:9/nothing-there.git", "PIP_RETRIES": "0"}
    run = subprocess.run(
        [colab, "-c", cell.source], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode and "OSError" in run.stderr.splitlines()[-1], run.stderr[-2000:]
    assert "127.0.0.1:9" in run.stderr.splitlines()[-1] and "network" in run.stderr.splitlines()[-1]


def test_the_interpreter_is_the_right_one(colab):
    found = subprocess.run([colab, "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True, text=True)
    assert found.stdout.strip().endswith(".venv-colab") and sys.prefix != found.stdout.strip()
