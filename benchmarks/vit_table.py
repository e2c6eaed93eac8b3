"""The arithmetic of the ViT benchmark and its tables: from the seconds of a record to ratios, rates and shares."""

import statistics
from typing import NamedTuple

from minivit.patches import cost
from minivit.vit import ViTConfig

PEERS = ("timm", "transformers", "vit-pytorch", "SimpleViT")
TITLES = {
    ("bf16", "train"): "Training, bf16",
    ("bf16", "forward"): "Forward, bf16",
    ("fp32", "train"): "Training, fp32",
    ("fp32", "forward"): "Forward, fp32",
}


class Spread(NamedTuple):
    """A median and the middle half around it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def ratio(peer: list[float], own: list[float]) -> Spread:
    """How many times as long the peer takes, round by round: the median of the ratios, and their quartiles."""
    if len(peer) != len(own) or len(own) < 3:
        raise ValueError(f"both run in every round, at least three: got {len(peer)} and {len(own)} times")
    low, middle, high = statistics.quantiles([p / o for p, o in zip(peer, own, strict=True)], method="inclusive")
    return Spread(middle, low, high)


def flops(config: ViTConfig, classes: int, work: str) -> int:
    """FLOPs for one image: `patches.cost` and the head; training counts three times a forward pass.

    As there, no class token is counted, so that models with and without one are judged alike.
    """
    if config.hidden != 4 * config.width:
        raise ValueError(f"patches.cost counts an MLP of 4 D; this one has {config.hidden} for D = {config.width}")
    sizes = {"channels": config.channels, "model_width": config.width, "layers": config.depth}
    forward = cost(*config.size, config.patch, **sizes).flops + 2 * config.width * classes
    return forward * {"forward": 1, "train": 3}[work]


def share(cell: dict, label: str, ceilings: dict) -> float:
    """The part of the machine's matrix-product rate that the label's median round reaches."""
    kind = "fp32 raised" if label.endswith("raised") else cell["dtype"]
    return cell["flops"] * cell["batch"] / statistics.median(cell["seconds"][label]) / ceilings[kind]["flops"]


def best(cell: dict, library: str) -> str:
    """The label of the library's settings with the least median seconds."""
    labels = [label for label in cell["seconds"] if label.split(", ")[0] == library]
    return min(labels, key=lambda label: statistics.median(cell["seconds"][label]))


def chosen(cell: dict, library: str, at_best: bool) -> str:
    """The label that stands for a library: as it comes, or with its best settings."""
    return best(cell, library) if at_best else library


def against(cell: dict, peer: str, at_best: bool) -> Spread:
    """How many times as long the peer takes as minivit in its likeness, both as they come or both at their best."""
    own = "minivit mean" if peer == "SimpleViT" else "minivit"
    seconds = [cell["seconds"][chosen(cell, library, at_best)] for library in (peer, own)]
    return ratio(*seconds)


def row(cell: dict, ceilings: dict, at_best: bool) -> list[str]:
    """Model, batch, settings, minivit's images a second and share, then how many times as long each peer takes."""
    own = chosen(cell, "minivit", at_best)
    rate = cell["batch"] / statistics.median(cell["seconds"][own])
    settings = "best" if at_best else "as it comes"
    ratios = [str(against(cell, peer, at_best)) for peer in PEERS]
    return [cell["model"], str(cell["batch"]), settings, f"{rate:.3g}", f"{share(cell, own, ceilings):.0%}", *ratios]


def tables(record: dict) -> str:
    """Markdown: the machine and its ceilings, then a table for each dtype and kind of work."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    lines = [
        f"Machine: {record['machine']}; threads: {record['threads']}. Peers: {versions}; commit {record['commit']}.",
        *(
            []
            if record["whole"]
            else ["", f"**A part only:** {len(record['cells'])} comparisons; the others were not run yet."]
        ),
    ]
    lines += ["", "| matrix product | GFLOP/s | largest error by largest value |", "|---|---|---|"]
    lines += [f"| {name} | {c['flops'] / 1e9:.0f} | {c['error']:.1e} |" for name, c in record["ceilings"].items()]
    head = ["model", "batch", "settings", "minivit, images/s", "share of ceiling", *PEERS]
    for (dtype, work), title in TITLES.items():
        found = [cell for cell in record["cells"] if (cell["dtype"], cell["work"]) == (dtype, work)]
        if found:
            lines += ["", f"**{title}**", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
            lines += [
                "| " + " | ".join(row(cell, record["ceilings"], at_best)) + " |"
                for cell in found
                for at_best in (False, True)
            ]
    return "\n".join(lines)
