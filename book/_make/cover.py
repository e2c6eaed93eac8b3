"""Draws the cover, for README and for links that are shared: python book/_make/cover.py

Takes the front page's picture (run front.py first) and its style, sets the title beside it, and photographs the page
with Chromium. Writes book/_static/cover.jpg, 1280 x 640.
"""

import sys
from pathlib import Path

BOOK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BOOK.parent / "tools"))

import browser  # noqa: E402

STYLE = """
body { margin: 0; width: 1280px; height: 640px; overflow: hidden; background: #fffefb; display: grid;
       grid-template-columns: 500px 1fr; align-items: center; color: #17202a; font-family: var(--serif); }
.words { padding-left: 70px; }
.words img { height: 62px; margin: 0 0 44px -4px; }
h1 { font-size: 50px; line-height: 1.12; font-weight: 560; letter-spacing: -0.015em; margin: 0 0 28px; }
.words p { font-size: 23px; line-height: 1.45; margin: 0; color: #5a6570; }
.front { margin: 0 50px 0 20px; }
.front * { animation: none !important; }
.front-replay, .front-replay + label { display: none; }
"""


def main() -> None:
    from playwright.sync_api import sync_playwright

    drawing = (BOOK / "_make/front.html").read_text(encoding="utf-8").replace("../_static/", "")
    base = (BOOK / "_static").as_uri()
    page_text = f"""<!doctype html><html data-theme="light"><meta charset="utf-8"><base href="{base}/">
<link rel="stylesheet" href="site.css"><style>
@font-face {{ font-family: "Source Serif 4"; font-weight: 200 900;
  src: url("../_extra/vendor/source-serif/source-serif-4-roman.woff2"); }}
@font-face {{ font-family: "Source Serif 4"; font-weight: 200 900; font-style: italic;
  src: url("../_extra/vendor/source-serif/source-serif-4-italic.woff2"); }}
{STYLE}</style>
<div class="words"><img src="logo.svg" alt="minivit"><h1>How does a machine that reads words learn to look?</h1>
<p>Vision transformers, CLIP and vision-language models, built in small readable steps.</p></div>{drawing}</html>"""
    source, target = BOOK / "_make/cover.partial.html", BOOK / "_static/cover.jpg"
    partial = target.with_name("cover.partial.jpg")
    try:
        source.write_text(page_text, encoding="utf-8")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser.find(), args=browser.FLAGS)
            page = chromium.new_page(viewport={"width": 1280, "height": 640})
            page.goto(source.as_uri())
            page.evaluate("document.fonts.ready")
            page.screenshot(path=partial, type="jpeg", quality=86)
            chromium.close()
        partial.replace(target)
    finally:
        source.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
