"""What people write, in their own words, a file a lesson: exercise -> [(diagnosis, the cell without its last line)]."""

from importlib import import_module
from pathlib import Path

FILES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
WRONG = {name: answers for stem in FILES for name, answers in import_module(f"{__name__}.{stem}").WRONG.items()}
