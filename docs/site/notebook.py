"""Run docs/tour.ipynb anew and keep its outputs: python docs/site/notebook.py (needs the extra `docs`)."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "tour.ipynb"


def run(path: Path) -> None:
    """Execute a notebook in place, without what differs from run to run: times, and warnings on stderr."""
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, timeout=900, record_timing=False, coalesce_streams=True).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)


if __name__ == "__main__":
    run(NOTEBOOK)
