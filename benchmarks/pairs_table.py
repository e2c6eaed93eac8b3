"""Tables of the benchmarks on pairs: the losses, the two towers, the ring. From a record to Markdown."""

import statistics

from benchmarks.vit_table import Spread, best, ratio

MIB = 2**20


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Markdown, with an empty line before it."""
    return ["", *("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))]


def where(record: dict) -> list[str]:
    """The machine, and whether this is a whole run."""
    versions = "; ".join(f"{name} {number}" for name, number in record["versions"].items())
    line = f"Machine: {record['machine']}; threads: {record['threads']}. {versions}; commit {record['commit']}."
    part = f"**A part only:** {len(record['cells'])} comparisons; the others were not run yet."
    return [line] if record["whole"] else [line, "", part]


def times(cell: dict, peer: str, own: str = "minivit") -> Spread:
    """How many times as long `peer` takes as `own`, round by round."""
    return ratio(cell["seconds"][peer], cell["seconds"][own])


def losses_table(record: dict) -> str:
    """Markdown: seconds and ratios, with the most that is possible; then memory."""
    speed, memory = [], []
    for cell in record["cells"]:
        name = [cell["loss"], str(cell["batch"]), cell["precision"]]
        own = cell["seconds"]["minivit"]
        plain = str(times(cell, "plain")) if "plain" in cell["seconds"] else ""
        speed.append(
            [*name, "100" if cell["steep"] else "start", f"{statistics.median(own):.3g} s",
             str(times(cell, "open_clip")), str(times(cell, "open_clip", "products alone")), plain, str(len(own))]
        )  # fmt: skip
        if cell.get("memory", {}).get("minivit"):
            held = cell["memory"]
            sizes = [f"{held[library] / MIB:.1f}" for library in ("minivit", "plain", "open_clip")]
            memory.append([*name, *sizes, f"{held['open_clip'] / held['minivit']:.1f}"])
    cell = ["loss", "batch", "precision"]
    ahead = ["scale", "minivit", "open_clip : minivit", "open_clip : products alone", "plain : minivit", "rounds"]
    lines = [*where(record), *table([*cell, *ahead], speed)]
    if memory:
        needed = ["minivit, MiB", "plain, MiB", "open_clip, MiB", "open_clip : minivit"]
        lines += table([*cell, *needed], memory)
    return "\n".join(lines)


def faster_peer(cell: dict, at_best: bool) -> Spread:
    """How many times as long the faster of the two peers takes, as minivit."""
    own = best(cell, "minivit") if at_best else "minivit"
    peers = [best(cell, peer) if at_best else peer for peer in ("open_clip", "transformers")]
    return times(cell, min(peers, key=lambda label: statistics.median(cell["seconds"][label])), own)


def towers_table(record: dict) -> str:
    """Markdown: minivit's pairs a second, then how many times as long each peer takes."""
    rows = []
    for cell in record["cells"]:
        for at_best in (False, True):
            names = {peer: best(cell, peer) if at_best else peer for peer in ("minivit", "open_clip", "transformers")}
            own = cell["seconds"][names["minivit"]]
            ratios = [str(times(cell, names[peer], names["minivit"])) for peer in ("open_clip", "transformers")]
            rows.append(
                [cell["work"], cell["dtype"], str(cell["batch"]), str(cell["tokens"]),
                 "best" if at_best else "as it comes", f"{cell['batch'] / statistics.median(own):.3g}",
                 *ratios, str(faster_peer(cell, at_best)), str(len(own))]
            )  # fmt: skip
    head = ["work", "dtype", "batch", "longest text", "settings", "minivit, pairs/s", "open_clip", "transformers"]
    return "\n".join([*where(record), *table([*head, "the faster of them", "rounds"], rows)])


def ring_table(record: dict) -> str:
    """Markdown: bytes that each process sends, and how many blocks of others it holds at most."""
    rows = []
    for cell in record["cells"]:
        ring, texts, both = (cell[kind] for kind in ("ring", "gathered texts", "gathered texts and images"))
        sent = [f"{kind['sent'] / 1024:.0f}" for kind in (ring, texts, both)]
        rows.append([str(cell["processes"]), *sent, str(ring["held"]), str(texts["held"]), str(both["held"])])
    sent = ["sigmoid, ring: KiB", "sigmoid, gathered: KiB", "softmax, gathered: KiB"]
    head = ["processes", *sent, "ring: blocks held", "gathered texts: blocks held", "gathered both: blocks held"]
    about = f"{record['rows']} pairs of width {record['width']} in each process, float32: a block of texts is "
    return "\n".join([f"{about}{record['rows'] * record['width'] * 4 / 1024:.0f} KiB.", *table(head, rows)])
