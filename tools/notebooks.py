"""Execute lessons and write them back clean: the only writer of committed notebooks.

    python tools/notebooks.py [notebooks/01_patches.ipynb ...]

Every cell runs, top to bottom, in a fresh kernel. What is written holds no timing, no widget state, no kernel of one
computer, and pictures are packed as small as their pixels allow, so a second run leaves the same bytes. A cell tagged
`nbval-ignore-output` keeps its recorded output until its source or the library changes. The file is replaced only when
the whole lesson ran.
"""

import base64
import hashlib
import io
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300  # a lesson that takes longer is stopped
WIDGET = "application/vnd.jupyter.widget-view+json"


def library_digest() -> str:
    """One number for all source files of minivit: recorded outputs are made again when it changes."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "minivit").rglob("*")):
        if path.suffix in {".py", ".js", ".css", ".json"}:
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook after a complete run; raises nbclient's CellExecutionError where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    recorded = {
        cell.id: (cell.metadata.get("recorded"), cell.outputs) for cell in notebook.cells if cell.cell_type == "code"
    }
    stop = time.monotonic() + SECONDS
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        timeout_func=lambda cell: max(1, stop - time.monotonic()),
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env={**os.environ, "MINIVIT_STILLS": "1"})
    library = library_digest()
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
        cell.execution_count = number
        cell.outputs = [clean(output, number) for output in joined(cell.outputs)]
        cell.metadata.pop("recorded", None)
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            digest = hashlib.sha256((library + cell.source).encode()).hexdigest()[:16]
            before, outputs = recorded[cell.id]
            if before == digest:
                cell.outputs = outputs
            cell.metadata["recorded"] = digest
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    nbformat.validate(notebook)
    return notebook


def joined(outputs: list) -> list:
    """Neighbouring pieces of one stream as one output: how the kernel cut them is chance."""
    result = []
    for output in outputs:
        if result and output.output_type == "stream" == result[-1].output_type and output.name == result[-1].name:
            result[-1].text += output.text
        elif WIDGET not in output.get("data", {}):
            result.append(output)
    return result


def clean(output: nbformat.NotebookNode, number: int) -> nbformat.NotebookNode:
    if output.output_type == "execute_result":
        output.execution_count = number
    if "image/png" in output.get("data", {}):
        output.data["image/png"] = packed(output.data["image/png"])
    return output


def packed(png: str) -> str:
    """The same pixels in fewer bytes: a palette of 256 colours where that suffices, the best compression otherwise."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "RGBA" and image.getextrema()[3] == (255, 255):
        image = image.convert("RGB")
    if image.mode == "RGB" and image.getcolors(256):
        image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def main(paths: list[str]) -> None:
    for path in [Path(name).resolve() for name in paths] or sorted((ROOT / "notebooks").glob("*.ipynb")):
        start = time.monotonic()
        text = nbformat.writes(execute(path)) + "\n"
        temporary = path.with_suffix(".ipynb.part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        print(f"{path.name}: {time.monotonic() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
