"""Last touches: only icons in use stay of the theme's two thousand, pictures wait until near, roles are mended."""

import re
from html import escape
from pathlib import Path

ICON = re.compile(r'(?<=[{,])"?([a-z0-9-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?')
CLASS = re.compile(r"fa-([a-z0-9-]+)")
IMAGE = re.compile(r"<img (?![^>]*\bloading=)")


def setup(app):
    app.connect("html-page-context", mend_body)
    app.connect("html-page-context", share)
    app.connect("build-finished", slim_icons)
    return {"parallel_read_safe": True, "version": "1"}


def mend_body(app, pagename, templatename, context, doctree):
    """Pictures wait until the reader comes near; a reference is an item of its list, whatever docutils calls it."""
    if "body" in context:
        body = IMAGE.sub('<img loading="lazy" decoding="async" ', context["body"])
        context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def share(app, pagename, templatename, context, doctree):
    """What a shared link shows: the title of the page and the cover."""
    tags = {"og:title": context.get("title", ""), "og:image": f"{app.config.html_baseurl}_static/cover.jpg"}
    for name, content in tags.items():
        context["metatags"] = context.get("metatags", "") + f'\n<meta property="{name}" content="{escape(content)}" />'


def slim_icons(app, error):
    """Rewrite the icon script with the icons named in the built pages and in the theme's own scripts."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    script = out / "_static" / "scripts" / "fontawesome.js"
    if not script.is_file():
        return
    texts = [path.read_text(encoding="utf-8") for path in out.rglob("*.html")]
    texts += [path.read_text(encoding="utf-8") for path in out.glob("_static/**/*.js") if path != script]
    used = {name for text in texts for name in CLASS.findall(text)}
    text = script.read_text(encoding="utf-8")
    slim = ICON.sub(lambda icon: icon[0] if used & {icon[1], *re.findall(r'"([^"]+)"', icon[2])} else "", text)
    partial = script.with_suffix(".partial")
    partial.write_text(slim, encoding="utf-8")
    partial.replace(script)
