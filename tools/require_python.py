"""Stop the set-up in one clear sentence on a Python that cannot carry it. Runs on any Python 3."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "minivit needs Python 3.11 or later; %s is %d.%d. Name another: make book PYTHON=python3.12"
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit("This Python has no venv module. On Debian and Ubuntu: apt-get install python3-venv")
