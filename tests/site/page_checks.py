"""What a page of the site must not do, as functions that return a list of complaints: empty is good.

The first half reads files, the second half looks at a page in the browser.
"""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from bs4 import BeautifulSoup
from PIL import Image

TEXT_LIMIT, PICTURE_LIMIT, ONE_PICTURE_LIMIT = 1.4 * 2**20, 1.5 * 2**20, 200_000
# The theme's own two failings: its search and mode buttons, and the logo outside a landmark.
THEME_RULES = {"label-content-name-mismatch", "region"}
RASTER = {".png", ".jpg", ".jpeg", ".webp", ".gif"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def addresses(page: BeautifulSoup) -> list[str]:
    """Every address that the page names: links, pictures, styles, scripts, pictures inside drawings."""
    found = []
    for tag in page.find_all(True):
        for name in ("href", "src", "xlink:href", "poster"):
            if tag.name != "base" and tag.get(name) is not None:
                found.append(tag[name])
        if tag.name == "meta" and tag.get("http-equiv", "").lower() == "refresh":
            found.append(tag["content"].partition("=")[2].strip(" '\""))
        found += [part.split()[0] for part in tag.get("srcset", "").split(",") if part.split()]
    return found


def broken_links(root: Path, path: Path, anchors: dict[Path, set[str]]) -> list[str]:
    """Addresses inside the site that lead to no file, or to no place in it. `anchors` is a memory over calls."""
    here, complaints = path.relative_to(root).as_posix(), []
    for address in addresses(soup(path)):
        parts = urlsplit(urljoin(f"http://site.invalid/{here}", address))
        if parts.netloc != "site.invalid":
            continue
        target = root / unquote(parts.path).lstrip("/")
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file():
            complaints.append(f"{here}: {address} leads to no file")
        elif parts.fragment and target.suffix == ".html":
            if target not in anchors:
                page = soup(target)
                anchors[target] = {tag["id"] for tag in page.find_all(id=True)} | {
                    tag["name"] for tag in page.find_all("a", attrs={"name": True})
                }
            if unquote(parts.fragment) not in anchors[target]:
                complaints.append(f"{here}: {address} leads to no place in {target.name}")
    return complaints


def poor_alts(page: BeautifulSoup) -> list[str]:
    """Pictures without words for those who cannot see them, or with a file's name instead."""
    complaints = []
    for image in page.find_all("img"):
        alt, source = image.get("alt"), image.get("src", "")
        stem = Path(urlsplit(source).path).stem
        if not (alt or "").strip():
            complaints.append(f"no alt text: {source[:80]}")
        elif re.search(r"\.(png|jpe?g|svg|gif|webp)$|[/\\]", alt.strip(), re.IGNORECASE) or alt.strip() == stem:
            complaints.append(f"the alt text {alt!r} is the name of a file")
    for drawing in page.find_all("svg", role="img"):
        named = drawing.get("aria-label") or drawing.get("aria-labelledby") or drawing.find("title")
        if not named:
            complaints.append("a drawing with role img and no name")
    return complaints


def twice_named(page: BeautifulSoup) -> list[str]:
    """Ids that stand twice, so that a link or a label may hit the wrong one."""
    ids = [tag["id"] for tag in page.find_all(id=True)]
    return [f"the id {name!r} stands {ids.count(name)} times" for name in sorted(set(ids)) if ids.count(name) > 1]


class _Nesting(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.complaints = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag, attrs):
        pass  # <br/>, or a shape inside a drawing

    def handle_endtag(self, tag):
        if tag in VOID:
            self.complaints.append(f"line {self.getpos()[0]}: </{tag}> closes what cannot be open")
        elif self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            inner = "<{}> of line {}".format(*self.open[-1]) if self.open else "nothing"
            self.complaints.append(f"line {self.getpos()[0]}: </{tag}> where {inner} is open")
            while any(name == tag for name, _ in self.open) and self.open.pop()[0] != tag:
                pass


def crossed_tags(html: str) -> list[str]:
    """Elements closed in another order than they were opened, or never."""
    parser = _Nesting()
    parser.feed(html)
    parser.close()
    return parser.complaints + [f"<{tag}> of line {line} is never closed" for tag, line in parser.open]


def poor_pictures(root: Path, path: Path) -> list[str]:
    """Pictures of the text that are heavy, eager, or see-through and so unreadable on a dark page."""
    complaints, total, page = [], 0, soup(path)
    text = page.find("article") or page
    drawn = [(tag, tag.get("href") or tag.get("xlink:href")) for tag in text.find_all("image")]
    for tag, source in [(tag, tag.get("src", "")) for tag in text.find_all("img")] + drawn:
        if tag.name == "img" and tag.get("loading") != "lazy":
            complaints.append(f"{source[:80]} is loaded before it is near")
        if source.startswith("data:") or urlsplit(source).scheme:
            size = len(source) * 3 // 4
        else:
            file = root / urlsplit(
                urljoin(f"http://site.invalid/{path.relative_to(root).as_posix()}", source)
            ).path.lstrip("/")
            size = file.stat().st_size
            if file.suffix in RASTER and see_through(file):
                complaints.append(f"{source} has transparent pixels: on a dark page its dark parts vanish")
        total += size
        if size > ONE_PICTURE_LIMIT:
            complaints.append(f"{source[:80]} weighs {size:,} bytes; the limit is {ONE_PICTURE_LIMIT:,}")
    if total > PICTURE_LIMIT:
        complaints.append(f"the pictures weigh {total:,} bytes; the limit is {PICTURE_LIMIT:,.0f}")
    return complaints


def see_through(file: Path) -> bool:
    with Image.open(file) as image:
        if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
            return False
        return image.convert("RGBA").getchannel("A").getextrema()[0] < 255


def filler(page: BeautifulSoup) -> list[str]:
    """Words that stand where something is missing."""
    text = (page.find("article") or page).get_text(" ")
    found = re.findall(r"\b(?:coming soon|lorem ipsum|under construction|TODO|FIXME|TBD)\b", text, re.IGNORECASE)
    return [f"filler: {word}" for word in found]


# In the browser


class Visit:
    """One look at one page: what it logged, what it asked for, how it lies in its window."""

    def __init__(self, page, home: str):
        self.page, self.home, self.logged, self.asked = page, home.rstrip("/") + "/", [], []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.logged.append(f"page error: {error}"))
        page.on("requestfailed", lambda request: self.logged.append(f"request failed: {request.url}"))
        page.on("request", lambda request: self.asked.append((request.url, request.resource_type)))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.logged.append(f"console {kind}: {text}")

    def go(self, address: str):
        """Open the address and wait until its fonts and formulas stand."""
        self.logged.clear()
        self.asked.clear()
        self.page.goto(urljoin(self.home, address), wait_until="load")
        self.page.evaluate(
            """async () => {
                if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
                await document.fonts.ready;
            }"""
        )
        return self

    def strangers(self) -> list[str]:
        """Requests to another host."""
        return [f"asks {url[:120]}" for url, _ in self.asked if not url.startswith((self.home, "data:", "blob:"))]

    def weight(self, root: Path, memory: dict[Path, int]) -> list[str]:
        """More HTML, styles, scripts and fonts than a page may have, gzipped."""
        total, parts = 0, []
        for url in {url for url, kind in self.asked if kind in ("document", "stylesheet", "script", "font")}:
            path = root / unquote(urlsplit(url).path).lstrip("/")
            if path not in memory:
                memory[path] = len(gzip.compress(path.read_bytes(), 6)) if path.is_file() else 0
            total += memory[path]
            parts.append((memory[path], path.name))
        heavy = ", ".join(f"{name} {size:,}" for size, name in sorted(parts, reverse=True)[:4])
        return [f"text weighs {total:,} bytes gzipped, limit {TEXT_LIMIT:,.0f}: {heavy}"] if total > TEXT_LIMIT else []

    def sideways(self) -> list[str]:
        """What sticks out of the window to the right, or makes the page scroll sideways."""
        return self.page.evaluate(
            """() => {
                const room = document.documentElement.clientWidth, over = document.documentElement.scrollWidth - room;
                const out = [...document.querySelectorAll("main *")].filter(e => {
                    if (e.getBoundingClientRect().right <= room + 1 || !e.getClientRects().length) return false;
                    for (let a = e; a && a !== document.body; a = a.parentElement)
                        if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(a).overflowX)) return false;
                    return !e.closest("svg, mjx-assistive-mml");
                }).map(e => `<${e.tagName.toLowerCase()} class="${e.className}"> sticks out`);
                return (over > 0 ? [`the page is ${over} px wider than its window`] : []).concat(out.slice(0, 3));
            }"""
        )

    def icons(self) -> list[str]:
        """Icons left out of the slimmed script, which draws after the page has loaded: five seconds at most."""
        return self.page.evaluate(
            """async () => {
                const left = () => [...document.querySelectorAll('i[class*="fa-"], span[class*="fa-"]')];
                for (let waited = 0; left().length && waited < 5000; waited += 50)
                    await new Promise(next => setTimeout(next, 50));
                return left().map(e => `the icon "${e.className}" is not drawn`);
            }"""
        )

    def axe(self, axe) -> list[str]:
        """What axe finds, but for the theme's own two."""
        found = axe.run(self.page).response["violations"]
        return [
            f"axe {rule['id']} ({rule['impact']}): {rule['nodes'][0]['html'][:150]}"
            for rule in found
            if rule["id"] not in THEME_RULES
        ]
