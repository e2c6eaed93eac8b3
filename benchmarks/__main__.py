"""Run all sections, or those named: `python -m benchmarks [panels ...]`. Opens with the machine's name.

After `--only` come parts of a section that has parts: `python -m benchmarks vit --only tiny,train`.
"""

import importlib
import os
import platform
import sys
from pathlib import Path

import torch

SECTIONS = ("panels", "vit", "losses", "towers", "ring", "language")


def machine() -> str:
    """The processor, its cores, and the GPU if there is one: a figure means nothing without them."""
    names = [
        line.split(":")[1].strip()
        for line in (Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else [])
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.processor() or platform.machine()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{processor}, {os.cpu_count()} cores{gpu}; Python {platform.python_version()}, torch {torch.__version__}"


def main(words: list[str]) -> None:
    names, _, only = " ".join(words).partition("--only")
    names, only = names.split(), only.replace(",", " ").split()
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(SECTIONS)}")
    if only and len(names) != 1:
        sys.exit("--only chooses parts of one section: name it first, for example vit --only tiny,train")
    print(machine())
    for name in names or SECTIONS:
        print(f"\n{name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main(*only)


if __name__ == "__main__":
    main(sys.argv[1:])
