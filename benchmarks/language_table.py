"""The table of the language benchmark: from a record to Markdown."""

import statistics

from benchmarks.pairs_table import table, times, where
from benchmarks.vit_table import best

PEERS = ("generate", "loop")
PROMPT = "prompt alone"


def rate(cell: dict, label: str) -> float:
    """Tokens written in a second by all texts together, the time for the prompt included."""
    return cell["batch"] * cell["new"] / statistics.median(cell["seconds"][label])


def row(cell: dict, at_best: bool) -> list[str]:
    """The cell, minivit's tokens a second and the prompt's share, then how many times as long each peer takes.

    The prompt is read with the same settings as the whole.
    """
    own, *peers = (best(cell, name) if at_best else name for name in ("minivit", *PEERS))
    prompt = own.replace("minivit", PROMPT)
    share = statistics.median(cell["seconds"][prompt]) / statistics.median(cell["seconds"][own])
    return [
        cell["model"], cell["dtype"], str(cell["batch"]), f"{cell['read']} + {cell['new']}",
        "best" if at_best else "as it comes",
        f"{rate(cell, own):,.0f}", f"{share:.0%}", *(str(times(cell, peer, own)) for peer in peers),
        str(len(cell["seconds"]["minivit"])),
    ]  # fmt: skip


def switches(cell: dict) -> str:
    """The settings that were quickest, by library."""
    words = (best(cell, name).partition(", ") for name in ("minivit", *PEERS))
    return "; ".join(f"{name}: {found or 'as it comes'}" for name, _, found in words)


def language_table(record: dict) -> str:
    """Markdown: rates and ratios, then which settings were the best."""
    cells = record["cells"]
    head = ["model", "type", "batch", "tokens", "settings", "minivit, tokens/s", "prompt", *PEERS, "rounds"]
    rows = [row(cell, at_best) for cell in cells for at_best in (False, True)]
    found = [[*row(cell, True)[:4], switches(cell)] for cell in cells]
    return "\n".join([*where(record), *table(head, rows), *table([*head[:4], "best settings"], found)])
