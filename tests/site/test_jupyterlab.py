"""Lesson 1's explorer and quiz in a running JupyterLab, light and dark.

The notebook opened is the lesson with all its text, but of its code only what the explorer and the quiz need, so that
it runs in seconds. Everything JupyterLab writes goes to a temporary folder; server and kernel end with the tests.
"""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
LESSON = ROOT / "notebooks" / "01_patches.ipynb"
QUIZ = ROOT / "minivit" / "teach" / "quizzes" / "01_patches.json"
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of sight leave the page
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

pytestmark = [pytest.mark.site, pytest.mark.slow]


def shortened(lesson: Path) -> nbformat.NotebookNode:
    """The lesson with the imports of minivit in one cell, the explorer and the quiz, and no outputs."""
    notebook = nbformat.read(lesson, as_version=4)
    imports, cells = [], []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cells.append(cell)
        elif "explorer" in cell.metadata.get("tags", []) or cell.source.strip().startswith("quiz("):
            cell.outputs, cell.execution_count = [], None
            cells.append(cell)
        else:
            body = ast.parse("\n".join(line for line in cell.source.splitlines() if line[:1] not in "%!")).body
            lines = [ast.unparse(line) for line in body if isinstance(line, ast.ImportFrom)]
            imports += [line for line in lines if line.startswith("from minivit")]
    notebook.cells = [nbformat.v4.new_code_cell("\n".join(imports), id="imports"), *cells]
    return notebook


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A JupyterLab of its own, without a token, on this machine only."""
    home = tmp_path_factory.mktemp("lab")
    root = home / "root"
    root.mkdir()
    nbformat.write(shortened(LESSON), root / "lesson.ipynb")
    for name, value in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    env = {**os.environ, **{name: str(home / folder) for name, folder in folders.items()}, "PYTHONPATH": str(ROOT)}
    env.pop("MINIVIT_STILLS", None)
    options = [
        *("--no-browser", "--allow-root", "--expose-app-in-browser"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.terminals_enabled=False"),
        *(f"--ServerApp.root_dir={root}", "--LabApp.extension_manager=readonly"),
    ]
    with (home / "log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=env, cwd=root, stdout=log, stderr=log, start_new_session=True)
    base = f"http://127.0.0.1:{port}"
    try:
        until(lambda: answers(f"{base}/api", server), "JupyterLab does not start", home / "log")
        yield base
    finally:
        server.send_signal(signal.SIGTERM)  # it shuts its kernels down
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        shutil.rmtree(home, ignore_errors=True)


def answers(url, server):
    assert server.poll() is None, "JupyterLab ended"
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def until(true, complaint, log, seconds=40):
    stop = time.monotonic() + seconds
    while not true():
        if time.monotonic() > stop:
            pytest.fail(f"{complaint}:\n{log.read_text()[-2000:]}", pytrace=False)
        time.sleep(0.1)


READY = """async () => {
  // The kernel has answered. Cells run earlier may be lost.
  const ready = async () => {
    const context = window.jupyterapp.shell.currentWidget.sessionContext;
    await context.ready;
    await context.session.kernel.info;
  };
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("the kernel does not answer")), 60000));
  await Promise.race([ready(), late]);
}"""


class Lab:
    """The open notebook, and commands to its JupyterLab."""

    def __init__(self, page, address):
        self.page, self.address, self.strangers, self.broken = page, address, [], []
        page.on("request", lambda request: self.note(request.url))
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        self.open()
        self.command("notebook:run-all-cells")
        expect(self.explorer.locator(".mv-tiles")).to_be_visible(timeout=60_000)
        expect(self.quiz.locator(".mq-status")).to_contain_text("remaining")

    def note(self, url):
        if not url.startswith((self.address, "data:", "blob:", self.address.replace("http", "ws"))):
            self.strangers.append(url)

    def open(self):
        self.page.goto(f"{self.address}/lab/tree/lesson.ipynb?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.evaluate(READY)

    def command(self, name, **args):
        """Gives a command; what it does is waited for by looking, not by its promise, which may never come."""
        self.page.evaluate("([name, args]) => void window.jupyterapp.commands.execute(name, args)", [name, args])

    @property
    def explorer(self):
        return self.page.locator(".minivit-explorer")

    @property
    def quiz(self):
        return self.page.locator("form.minivit-quiz")

    def slider(self, name):
        return self.explorer.locator(".widget-slider", has_text=name)

    def step(self, name, key):
        """One step of a slider, by keyboard."""
        self.slider(name).locator(".noUi-handle").press(key)

    def picture(self, number):
        """The bytes of a picture that the explorer shows."""
        return (
            self.explorer.locator("img")
            .nth(number)
            .evaluate("async img => Array.from(new Uint8Array(await (await fetch(img.src)).arrayBuffer()))")
        )

    def upload(self, path):
        with self.page.expect_file_chooser() as chooser:
            self.explorer.get_by_role("button", name="Your own picture").click()
        chooser.value.set_files(path)


@pytest.fixture(scope="module")
def lab(address, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(20_000)
    yield Lab(context.new_page(), address)
    context.close()


def test_the_explorer_is_shown(lab):
    expect(lab.explorer).to_contain_text("196 tokens")
    expect(lab.explorer.locator("img")).to_have_count(5)
    assert all(lab.explorer.locator("img").nth(n).evaluate("img => img.naturalWidth") > 100 for n in range(5))


def test_moving_the_patch_slider_changes_the_numbers_and_the_pictures(lab):
    before = [lab.picture(0), lab.picture(1)]
    for key, tokens in (("ArrowRight", "64 tokens"), ("ArrowRight", "49 tokens")):
        lab.step("Patch side P", key)
        expect(lab.explorer.locator(".mv-tiles")).to_contain_text(tokens)
    expect(lab.explorer.locator(".mv-now")).to_contain_text("2,401")
    expect(lab.slider("Patch side P").locator(".widget-readout")).to_have_text("32")
    lab.page.wait_for_timeout(300)
    assert lab.picture(0) != before[0]
    assert lab.picture(1) != before[1]
    for _ in range(2):
        lab.step("Patch side P", "ArrowLeft")
    expect(lab.explorer.locator(".mv-tiles")).to_contain_text("196 tokens")
    lab.page.wait_for_timeout(300)
    assert [lab.picture(0), lab.picture(1)] == before


def test_playing_walks_through_the_tokens(lab):
    first = lab.explorer.get_by_text("Token ").filter(has_text="row").inner_text()
    lab.explorer.locator(".jupyter-widgets.widget-play button").first.click()
    expect(lab.explorer).not_to_contain_text(first.splitlines()[0])
    lab.explorer.locator(".jupyter-widgets.widget-play button").first.click()


def test_an_upload_is_shown(lab, tmp_path):
    before = lab.picture(0)
    Image.linear_gradient("L").resize((90, 60)).convert("RGB").save(tmp_path / "gradient.png")
    lab.upload(tmp_path / "gradient.png")
    expect(lab.explorer).to_contain_text("The middle 60 × 60 of 60 × 90 pixels")
    expect(lab.explorer.locator("select").first).to_have_value("yours: gradient.png")
    lab.page.wait_for_timeout(300)
    assert lab.picture(0) != before


def test_a_bad_upload_is_a_sentence(lab, tmp_path):
    before = lab.picture(0)
    (tmp_path / "diary.jpg").write_text("no picture at all")
    for _ in range(2):  # the same file again is heard again
        lab.upload(tmp_path / "diary.jpg")
        expect(lab.explorer.get_by_role("alert")).to_contain_text("diary.jpg is not a picture that can be read")
        lab.step("Numbers kept", "ArrowRight")
        expect(lab.explorer.get_by_role("alert")).to_have_count(0)
        lab.step("Numbers kept", "ArrowLeft")
    assert lab.picture(0) == before
    assert lab.page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


FAINT = """root => {
  // Text whose colour and ground differ by less than 4.5 to 1, as WCAG 2 counts.
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * (top[3] ?? 1) + below[i] * (1 - (top[3] ?? 1)));
  const ground = node => {
    if (!node) return [255, 255, 255];
    const own = parse(getComputedStyle(node).backgroundColor);
    return (own[3] ?? 1) === 1 ? own : over(own, ground(node.parentElement));
  };
  const light = rgb => {
    const [r, g, b] = rgb.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  for (const node of root.querySelectorAll("*")) {
    const words = [...node.childNodes].filter(child => child.nodeType === 3).map(child => child.data).join("").trim();
    const style = getComputedStyle(node);
    if (!words || !node.getClientRects().length || style.visibility === "hidden") continue;
    if (node.closest("style, script, option")) continue;
    const below = ground(node), ink = over(parse(style.color), below);
    const [low, high] = [light(ink), light(below)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(words.slice(0, 40) + " " + style.color + " on " + below);
  }
  return faint;
}"""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_all_words_can_be_read(lab, theme):
    lab.command("apputils:change-theme", theme=theme)
    expect(lab.page.locator("body")).to_have_attribute("data-jp-theme-name", theme)
    lab.page.wait_for_timeout(500)
    assert lab.explorer.evaluate(FAINT) == []
    assert lab.quiz.evaluate(FAINT) == []


def test_faint_words_are_found(lab):
    words = lab.explorer.locator(".mv-tiles b").first
    words.evaluate("node => node.style.color = '#c8c8c0'")
    assert len(lab.explorer.evaluate(FAINT)) == 1
    words.evaluate("node => node.style.color = ''")


def test_nothing_sticks_out_on_a_narrow_page(lab):
    lab.command("application:toggle-left-area")
    lab.page.set_viewport_size({"width": 560, "height": 1000})
    lab.page.wait_for_timeout(500)
    assert lab.explorer.evaluate("box => box.scrollWidth - box.clientWidth") <= 1
    lab.page.set_viewport_size({"width": 1280, "height": 1000})


def test_the_quiz_is_completed_by_clicks_and_kept_over_a_reload(lab):
    questions = json.loads(QUIZ.read_text())["questions"]
    status = lab.quiz.locator(".mq-status")
    for number, question in enumerate(questions):
        expect(status).to_contain_text(f"{len(questions) - number} question")
        field = lab.quiz.locator("fieldset").nth(number)
        right = next(place for place, option in enumerate(question["options"]) if option.get("right"))
        field.locator(".mq-option").nth(right).locator("label").click()
        field.get_by_role("button").click()
    expect(status).to_contain_text("Score 10 of 10 (100%). Lesson complete.")
    lab.command("docmanager:save")
    lab.page.wait_for_timeout(500)
    lab.open()
    expect(lab.quiz.locator(".mq-status")).to_contain_text("Score 10 of 10 (100%). Lesson complete.")


def test_nothing_was_asked_of_strangers_and_nothing_broke(lab):
    assert lab.strangers == []
    assert lab.broken == []
