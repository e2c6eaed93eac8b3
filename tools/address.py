"""The repository's address stands in pyproject.toml, [project.urls] Repository, and nowhere else by hand.

python tools/address.py           write it wherever else it is needed
python tools/address.py --check   exit 1, naming the files that differ
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = ["_config.yml", "README.md", "CITATION.cff", "CONTRIBUTING.md", "book/*.md", "book/_ext/*.py"]
PLACES += ["notebooks/*.ipynb"]


def address() -> str:
    """Such as https://github.com/minivit/minivit."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"]


def rewritten(text: str, repository: str) -> str:
    """The text with each form of the project's address set to this repository: its own, its site, Colab's, Binder's."""
    owner, name = repository.removeprefix("https://github.com/").split("/")
    pair = rf"[\w.-]+/(?:minivit|{re.escape(name)})(?![\w-])"
    forms = [
        (rf"https://github\.com/{pair}", repository),
        (rf"https://[\w-]+\.github\.io/(?:minivit|{re.escape(name)})(?![\w-])", f"https://{owner}.github.io/{name}"),
        (
            rf"https://colab\.research\.google\.com/github/{pair}",
            f"https://colab.research.google.com/github/{owner}/{name}",
        ),
        (rf"https://mybinder\.org/v2/gh/{pair}", f"https://mybinder.org/v2/gh/{owner}/{name}"),
    ]
    for form, value in forms:
        text = re.sub(form, value, text)
    return text


def differing(repository: str) -> dict[Path, str]:
    """The files that name another address, with the text that they should have."""
    result = {}
    for place in PLACES:
        for path in sorted(ROOT.glob(place)):
            text = path.read_text(encoding="utf-8")
            if (right := rewritten(text, repository)) != text:
                result[path] = right
    return result


if __name__ == "__main__":
    files = differing(address())
    for path, text in files.items():
        print(f"{path.relative_to(ROOT)} names another address than {address()}")
        if "--check" not in sys.argv:
            temporary = path.with_name(path.name + ".part")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
    sys.exit("--check" in sys.argv and bool(files))
