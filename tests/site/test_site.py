"""Every built page, as files and in the browser, light and dark, wide and narrow; and bad pages that checks refuse."""

import functools
import random
import re
import threading
import tomllib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import page_checks as checks
import pytest
from PIL import Image

pytestmark = pytest.mark.site

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


@pytest.fixture(scope="session")
def pages(site_dir) -> list[Path]:
    """Every page that a reader can open."""
    found = sorted(path for path in site_dir.rglob("*.html") if "_static" not in path.parts)
    assert len(found) >= 15, "the site has lost pages"
    return found


@pytest.fixture(scope="session")
def opened(site_dir, pages) -> list[Path]:
    """All of them but the redirect at the root."""
    return [path for path in pages if path != site_dir / "index.html"]


@pytest.fixture(scope="session")
def own_pages(pages) -> list[Path]:
    """The pages we wrote: without the theme's index and search."""
    return [path for path in pages if path.parent.name in ("book", "api", "notebooks")]


def gather(complain, paths) -> None:
    """Fails with all complaints of all pages at once."""
    found = [f"{path.name}: {complaint}" for path in paths for complaint in complain(path)]
    assert not found, "\n".join(found)


# The files


def test_links_and_anchors_resolve(site_dir, pages):
    anchors = {}
    gather(lambda path: checks.broken_links(site_dir, path, anchors), pages)


def test_pictures_have_words(own_pages):
    gather(lambda path: checks.poor_alts(checks.soup(path)), own_pages)


def test_pictures_are_light_late_and_opaque(site_dir, own_pages):
    gather(lambda path: checks.poor_pictures(site_dir, path), own_pages)


def test_ids_are_unique(own_pages):
    gather(lambda path: checks.twice_named(checks.soup(path).find("article")), own_pages)


def test_tags_nest(own_pages):
    gather(lambda path: checks.crossed_tags(str(article(path))), own_pages)


def article(path: Path) -> str:
    """The source of the text itself, as it was written: the parser would mend it."""
    html = path.read_text(encoding="utf-8")
    return html[html.index("<article") : html.rindex("</article>") + len("</article>")]


def test_nothing_stands_in_for_something_missing(own_pages):
    gather(lambda path: checks.filler(checks.soup(path)), own_pages)


def test_front_page_tells_of_all_lessons(site_dir):
    front = checks.soup(site_dir / "book" / "intro.html")
    lessons = front.select(".contents ol > li")
    ready = [lesson for lesson in lessons if lesson.find("a", href=re.compile("notebooks/"))]
    assert len(lessons) == 15
    assert len(ready) == len(list((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    assert all("to come" in lesson.get_text() for lesson in lessons if lesson not in ready)
    assert not any("to come" in lesson.get_text() for lesson in ready)
    assert front.select("[data-minivit-progress]")


def test_lessons_open_in_colab_and_binder(site_dir):
    repository = urlsplit(REPOSITORY).path.strip("/")
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = (site_dir / "notebooks" / notebook.with_suffix(".html").name).read_text(encoding="utf-8")
        assert f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{notebook.name}" in page
        assert f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/notebooks/{notebook.name}" in page


def test_links_to_the_repository_lead_to_files(pages):
    """Source links, edit links and the like: the file is there and has that many lines."""
    missing = []
    for path in pages:
        for address in checks.addresses(checks.soup(path)):
            match = re.fullmatch(re.escape(REPOSITORY) + r"/(?:blob|edit)/main/([^#?]+)(?:#L(\d+))?", address)
            if match:
                file = ROOT / match[1]
                lines = len(file.read_text(encoding="utf-8").splitlines()) if file.is_file() else -1
                if lines < int(match[2] or 0):
                    missing.append(f"{path.name}: {address}")
    assert not missing, "\n".join(missing)


def test_no_icons_that_nobody_uses(site_dir):
    assert (site_dir / "_static/scripts/fontawesome.js").stat().st_size < 200_000


# In the browser


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_pages_in_the_browser(site, site_dir, opened, browser, theme, width):
    from axe_playwright_python.sync_playwright import Axe

    axe, memory, found = Axe(), {}, []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce")
    visit = checks.Visit(context.new_page(), site)
    for path in opened:
        visit.go(path.relative_to(site_dir).as_posix())
        assert visit.page.evaluate("document.documentElement.dataset.theme") == theme
        complaints = (
            visit.logged + visit.strangers() + visit.weight(site_dir, memory) + visit.sideways() + visit.icons()
        )
        found += [f"{path.name}, {theme}, {width} px: {complaint}" for complaint in complaints + visit.axe(axe)]
    context.close()
    assert not found, "\n".join(found)


def test_wide_pages_in_the_dark_and_narrow_ones_in_the_light(site, site_dir, opened, browser):
    """The other two corners, for what may differ there: colours, and what sticks out."""
    from axe_playwright_python.sync_playwright import Axe

    axe, found = Axe(), []
    context = browser.new_context(viewport={"width": 390, "height": 900}, color_scheme="light", reduced_motion="reduce")
    visit = checks.Visit(context.new_page(), site)
    for path in opened:
        visit.go(path.relative_to(site_dir).as_posix())
        found += [f"{path.name}, light, 390 px: {complaint}" for complaint in visit.logged + visit.sideways()]
        visit.page.set_viewport_size({"width": 1280, "height": 900})
        visit.page.evaluate("document.documentElement.dataset.theme = 'dark'")
        contrast = axe.run(visit.page, options={"runOnly": ["color-contrast"]}).response["violations"]
        found += [f"{path.name}, dark, 1280 px: {node['html'][:150]}" for rule in contrast for node in rule["nodes"]]
        visit.page.set_viewport_size({"width": 390, "height": 900})
    context.close()
    assert not found, "\n".join(found)


def test_the_front_picture_moves_for_five_seconds_or_not_at_all(site, browser):
    ends = {}
    for motion in ("no-preference", "reduce"):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion=motion)
        page = context.new_page()
        page.goto(f"{site}/book/intro.html")
        animations = "document.querySelector('.front').getAnimations({subtree: true})"
        ends[motion] = page.evaluate(f"{animations}.map(a => a.effect.getComputedTiming().endTime)")
        if motion == "no-preference":
            page.evaluate(f"Promise.all({animations}.map(a => a.finish()))")
            page.get_by_label("Play again").check()
            assert page.evaluate(f"{animations}.filter(a => a.playState === 'running').length") > 40
        context.close()
    assert len(ends["no-preference"]) > 40
    assert max(ends["no-preference"]) <= 5000
    assert ends["reduce"] == []


# Bad pages: every check above must be able to fail


def bad(tmp_path: Path, body: str, name: str = "bad.html") -> Path:
    path = tmp_path / name
    path.write_text(f"<!doctype html><html lang='en'><title>bad</title><body>{body}</body></html>", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<a href='gone.html'>x</a>", "no file"),
        ("<a href='other.html#gone'>x</a>", "no place"),
        ("<a href='#gone'>x</a>", "no place"),
        ("<meta http-equiv='Refresh' content='0; url=gone.html'>", "no file"),
        ("<img src='gone.png' alt='a cup'>", "no file"),
        ("<svg><image href='gone.png'/></svg>", "no file"),
    ],
)
def test_bad_links_are_found(tmp_path, body, complaint):
    bad(tmp_path, "<p id='here'>x</p>", "other.html")
    fine = bad(tmp_path, "<a href='other.html#here'>x</a><a href='https://example.org/gone'>y</a>", "fine.html")
    assert checks.broken_links(tmp_path, fine, {}) == []
    found = checks.broken_links(tmp_path, bad(tmp_path, body), {})
    assert len(found) == 1 and complaint in found[0]


@pytest.mark.parametrize(
    "body",
    [
        "<img src='cup.png'>",
        "<img src='cup.png' alt=' '>",
        "<img src='cup.png' alt='cup.png'>",
        "<img src='_images/a1b2.png' alt='_images/a1b2'>",
        "<img src='cup.png' alt='cup'>",
        "<svg role='img'><path/></svg>",
    ],
)
def test_bad_alts_are_found(tmp_path, body):
    fine = "<img src='cup.png' alt='A cup of coffee'><svg role='img'><title>A cup</title></svg>"
    assert checks.poor_alts(checks.soup(bad(tmp_path, fine))) == []
    assert len(checks.poor_alts(checks.soup(bad(tmp_path, body)))) == 1


def test_bad_pictures_are_found(tmp_path):
    Image.new("RGBA", (8, 5), (20, 20, 20, 255)).save(tmp_path / "opaque.png")
    Image.new("RGBA", (8, 5), (20, 20, 20, 90)).save(tmp_path / "glass.png")
    (tmp_path / "heavy.svg").write_bytes(b"x" * 200_001)
    for name, extra, complaint in (
        ("opaque.png", "loading=lazy", None),
        ("opaque.png", "", "before it is near"),
        ("glass.png", "loading=lazy", "transparent"),
        ("heavy.svg", "loading=lazy", "weighs 200,001"),
    ):
        found = checks.poor_pictures(tmp_path, bad(tmp_path, f"<img src='{name}' {extra}>"))
        assert found == [] if complaint is None else len(found) == 1 and complaint in found[0]
    (tmp_path / "large.svg").write_bytes(b"x" * 190_000)
    many = bad(tmp_path, "<img src='large.svg' loading=lazy>" * 9)
    assert [complaint for complaint in checks.poor_pictures(tmp_path, many) if "the pictures weigh" in complaint]


def test_bad_markup_is_found(tmp_path):
    assert checks.twice_named(checks.soup(bad(tmp_path, "<p id='a'></p><p id='a'></p><p id='b'></p>")))
    assert checks.crossed_tags("<p><b>x</b><br><img src=a></p>") == []
    for html in ("<p><b>x</p></b>", "<div><p>x</p>", "<p>x</p></div>", "<p>x</p></br>"):
        assert checks.crossed_tags(html), html
    assert checks.filler(checks.soup(bad(tmp_path, "<article>Lesson 2, coming soon</article>")))


BAD_IN_THE_BROWSER = {
    "logged": "<script>console.error('no')</script>",
    "threw": "<script>null.x</script>",
    "missing": "<link rel='stylesheet' href='gone.css'>",
    "strangers": "<img src='http://127.0.0.1:9/x.png' alt='x'>",
    "sideways": "<main><div style='width: 600px'>x</div></main>",
    "sticks out": "<main><p style='margin-right: -90px; width: 480px'>x</p></main>",
    "icons": "<i class='fa-solid fa-gone'></i>",
    "axe": "<main><h1>x</h1><p style='color: #ccc; background: #fff'>hard to read</p></main>",
    "weight": "<script src='heavy.js'></script>",
}


def test_bad_pages_are_found_in_the_browser(tmp_path, browser):
    from axe_playwright_python.sync_playwright import Axe

    bad(tmp_path, "<main><h1>Fine</h1><p>A line.</p></main>", "fine.html")
    for name, body in BAD_IN_THE_BROWSER.items():
        bad(tmp_path, body, f"{name}.html")
    (tmp_path / "heavy.js").write_bytes(b"//" + scrambled(1_900_000))
    (tmp_path / "favicon.ico").write_bytes(b"")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context(viewport={"width": 390, "height": 900})
    visit = checks.Visit(context.new_page(), f"http://127.0.0.1:{server.server_port}")
    kinds = {
        "logged": lambda: visit.logged,
        "strangers": visit.strangers,
        "sideways": visit.sideways,
        "icons": visit.icons,
        "weight": lambda: visit.weight(tmp_path, {}),
        "axe": lambda: visit.axe(Axe()),
    }
    try:
        visit.go("fine.html")
        assert {name: kind() for name, kind in kinds.items()} == {name: [] for name in kinds}
        for name in BAD_IN_THE_BROWSER:
            visit.go(f"{name}.html")
            kind = {"threw": "logged", "missing": "logged", "sticks out": "sideways"}.get(name, name)
            assert kinds[kind](), f"the check of {name} lets its bad page pass"
    finally:
        context.close()
        server.shutdown()
        server.server_close()


def scrambled(count: int) -> bytes:
    """Letters that gzip cannot make much smaller, the same every time."""
    return bytes(random.Random(1).choices(range(33, 127), k=count))
