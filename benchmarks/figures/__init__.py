"""Figures: one module per figure, with `draw(results) -> matplotlib Figure`.

A figure is a pure function of `benchmarks.tables.Results`. `write` saves it as PDF for papers and PNG for screens.
"""

from pathlib import Path

from benchmarks import files

# Okabe and Ito's palette, safe for the colour-blind, and one marker per method beside it.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vP*X"
STYLE = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.hashsalt": "qebench",
}


def write(figure, output: Path) -> None:
    """Save a figure as `output` (.pdf) and beside it as .png; the same figure gives the same bytes."""
    for path, metadata in ((output, {"CreationDate": None}), (output.with_suffix(".png"), {"Software": None})):
        with files.replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
