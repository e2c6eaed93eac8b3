"""The built book on a free port, and a browser to look at it with."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import browser as chromium  # noqa: E402
import serve  # noqa: E402


@pytest.fixture(scope="session")
def site_dir(tmp_path_factory) -> Path:
    """The folder of the freshly built html: built with the command of `make book`, from nothing."""
    out = tmp_path_factory.mktemp("book")
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ".", "-W", "-n", "--keep-going", "--path-output", out]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if build.returncode:
        pytest.fail(f"the book does not build:\n{build.stdout[-3000:]}\n{build.stderr[-3000:]}", pytrace=False)
    yield out / "_build" / "html"
    shutil.rmtree(out, ignore_errors=True)


@pytest.fixture(scope="session")
def site(site_dir) -> str:
    """The address of the served book, without a slash at its end."""
    with serve.server(str(site_dir), ports=(0,)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser():
    """Chromium under Playwright. Without one the checks are skipped, saying so; under CI that is a failure."""
    path = chromium.find()
    if path is None:
        reason = "no Chromium: make test installs one where it may; MINIVIT_CHROMIUM names another"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser):
    """A page of its own profile, 1280 x 900."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()
