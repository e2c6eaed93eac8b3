"""Find or install the Chromium that the site checks drive.

python tools/browser.py          print its path; exit 1 with the reason when there is none
python tools/browser.py install  install one first: Debian's through apt-get where we may, else Playwright's own
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# No sandbox where tests run as root, and no calls home: the checks fail on any request to another host.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find() -> str | None:
    """The path of a Chromium: MINIVIT_CHROMIUM, the system's, or Playwright's own; None when there is none."""
    named = os.environ.get("MINIVIT_CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return path
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> None:
    """Nothing when one is there. Whatever fails is said and left to the checks, which say what they skip and why."""
    if find():
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {
            "check": False,
            "stdout": subprocess.DEVNULL,
            "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        }
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"], **quiet
        )
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if not find():
        print("No Chromium could be installed: the checks in a browser will be skipped.", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    else:
        found = find()
        print(found or "no Chromium on this computer: python tools/browser.py install")
        sys.exit(found is None)
