"""The wheel and the set-up: what a reader installs is whole, and the tools of the Makefile do what they say."""

import os
import re
import subprocess
import sys
import threading
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import serve  # noqa: E402


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from what git tracks and from new files alike, in a copy, so that nothing is left in the tree."""
    out = tmp_path_factory.mktemp("wheel")
    source = out / "source"
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    command += ["minivit", "pyproject.toml", "README.md", "LICENSE"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in listed:
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", out, source], check=True, capture_output=True)
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_all_it_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "minivit").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names
    assert "minivit/py.typed" in names and any(name.endswith("01_patches.json") for name in names)
    assert not any(name.split("/")[0] not in {"minivit"} and ".dist-info" not in name for name in names)


@pytest.mark.slow
def test_it_installs_and_imports_in_an_empty_environment(wheel, tmp_path):
    """A fresh environment that holds the wheel alone; the dependencies are lent by path, so nothing is downloaded."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", wheel], check=True, capture_output=True)
    site = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True
    )
    lent = next(path for path in sys.path if path.endswith("site-packages"))
    (Path(site.stdout.strip()) / "lent.pth").write_text(lent + "\n")
    code = (
        "import minivit, minivit.patches, pathlib\n"
        "from minivit.teach import check, quiz\n"
        "assert 'env' in pathlib.Path(minivit.__file__).parts, minivit.__file__\n"
        "assert len(quiz('01_patches')._repr_html_()) > 1000\n"
    )
    subprocess.run([python, "-I", "-c", code], cwd=tmp_path, check=True)


def megabytes(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


@pytest.mark.full
def test_the_page_tells_the_sizes_on_disk():
    import torch

    if torch.version.cuda or sys.platform != "linux":
        pytest.skip("the page tells of the CPU build on Linux")
    page = (ROOT / "book" / "how-to-run.md").read_text()
    said = [float(number.replace(",", "")) for number in re.findall(r"\| ([\d,]+) MB \|", page)]
    whole, its = megabytes(Path(sys.prefix)), megabytes(Path(torch.__file__).parent)
    assert its == pytest.approx(said[0], rel=0.2)
    assert whole - its == pytest.approx(said[1] + said[2], rel=0.2)


@pytest.mark.parametrize("version", [(3, 10), (3, 11)])
def test_an_old_python_is_refused_in_one_sentence(version):
    code = f"import sys; sys.version_info = {(*version, 0)}; exec(open('tools/require_python.py').read())"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode == 0) is (version >= (3, 11))
    assert "3.11 or later" in run.stderr if run.returncode else run.stderr == ""


def test_the_server_takes_a_free_port_when_the_first_is_taken(tmp_path):
    (tmp_path / "index.html").write_text("the book")
    with (
        serve.server(str(tmp_path), ports=(0,)) as first,
        serve.server(str(tmp_path), (first.server_port, 0)) as second,
    ):
        assert second.server_port != first.server_port
        thread = threading.Thread(target=second.serve_forever, daemon=True)
        thread.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{second.server_port}/") as answer:
            assert answer.read() == b"the book"
        second.shutdown()
        thread.join()


def test_ci_calls_make_test_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines == ["#!/usr/bin/env bash", "set -euo pipefail", "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
