"""Write constraints.txt and environment.yml from what is installed: the versions that the tests ran with.

python tools/constraints.py
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Every tested version, by tools/constraints.py. torch has no +cpu here: PyPI does not know that name.\n"
ENVIRONMENT = """\
# For conda and Binder: the versions of constraints.txt. torch comes from its CPU index; on a GPU leave that line out.
name: minivit
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
      - --extra-index-url https://download.pytorch.org/whl/cpu
      - --constraint constraints.txt
      - torch
      - -e .[lessons,book]
"""


def frozen() -> list[str]:
    """name==version of every installed package but minivit, without local version labels."""
    lines = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude", "minivit"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [re.sub(r"\+[\w.]+$", "", line) for line in lines if "==" in line]


if __name__ == "__main__":
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(frozen()) + "\n")
    (ROOT / "environment.yml").write_text(ENVIRONMENT)
