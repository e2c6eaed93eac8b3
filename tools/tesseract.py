"""Find or install Tesseract, the OCR engine that minivit.inspection.ocr asks.

python tools/tesseract.py          print its path; exit 1 with the reason when there is none
python tools/tesseract.py install  install it first, Debian's through apt-get, where we may
"""

import os
import shutil
import subprocess
import sys


def find() -> str | None:
    """The path of the program; None when there is none."""
    return shutil.which("tesseract")


def install() -> None:
    """Nothing when it is there. Whatever fails is said and left to the tests, which say what they skip and why."""
    if find():
        return
    if (before := _rights()) is not None:
        apt = [*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        for task in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "tesseract-ocr"]):
            subprocess.run([*apt, *task], check=False, stdout=subprocess.DEVNULL)
    if not find():
        print("No Tesseract could be installed: the tests of OCR will be skipped.", file=sys.stderr)


def _rights() -> list[str] | None:
    """What goes before apt-get: nothing for root, sudo under CI, where no one is asked; None where we may not."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    return ["sudo", "--non-interactive"] if os.environ.get("CI") and shutil.which("sudo") else None


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    else:
        found = find()
        print(found or "no Tesseract on this computer: python tools/tesseract.py install")
        sys.exit(found is None)
