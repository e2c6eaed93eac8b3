"""Write constraints.txt from what is installed: the versions that the tests ran with.

python tools/constraints.py
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = "# Every tested version, by tools/constraints.py. torch has no +cpu here: PyPI does not know that name.\n"


def frozen() -> list[str]:
    """name==version of every installed package but minivit, without local version labels."""
    lines = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--exclude", "minivit"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [re.sub(r"\+[\w.]+$", "", line) for line in lines if "==" in line]


if __name__ == "__main__":
    temporary = ROOT / "constraints.txt.part"
    temporary.write_text(HEAD + "\n".join(frozen()) + "\n")
    temporary.replace(ROOT / "constraints.txt")
