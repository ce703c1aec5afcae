"""Figures: one module per figure, with `draw(results) -> matplotlib Figure`.

A figure is a pure function of `benchmarks.tables.Results`. `write` saves it as PDF for papers and PNG for screens.
"""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qebench.common import files
from qebench.evaluation import published
from qebench.evaluation.published import IN_THE_PAPER
from qebench.evaluation.results import Results

# Okabe and Ito's palette, safe for the colour-blind, and one marker per method beside it.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vP*X"
STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("qebench.mplstyle"), use_default_template=False)
# What a paper printed, over what we measured: open markers and dotted lines; the images are others.
PUBLISHED: dict[str, Any] = {"mfc": "white", "ls": ":", "lw": 0.8, "zorder": 3}
CAPTION = "open markers: published (RBQE, ECCV 2020), on other images"


def paper(compressor: str, source: str) -> pd.DataFrame:
    """Return what RBQE (ECCV 2020) prints for a compressor in one of its figures or tables; no rows if nothing."""
    rows = published.read("eccv2020")
    return rows[(rows["source"] == source) & (rows["compressor"] == IN_THE_PAPER.get(compressor, compressor))]


def caption(figure: Figure) -> str:
    """Return CAPTION for a figure that shows published points, and nothing for others."""
    lines = [line for panel in figure.axes for line in panel.get_lines()]
    shown = any(line.get_markerfacecolor() == PUBLISHED["mfc"] and np.size(line.get_xdata()) for line in lines)
    return CAPTION if shown else ""


def panels(results: Results, methods: list[str]) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with one panel per compressor that any of `methods` was run on, side by side.

    Raises ValueError if there is none.
    """
    rows = results.measurements
    compressors = list(rows.loc[rows["method"].isin(methods), "compressor"].unique())
    if not compressors:
        raise ValueError("this figure is drawn from measurements: add --measurements")
    figure, grid = plt.subplots(1, len(compressors), figsize=(3.6 * len(compressors), 3.2), squeeze=False)
    return figure, dict(zip(compressors, grid[0], strict=True))


def multi_exit_methods(results: Results) -> list[str]:
    """Return the methods of several exits; raise ValueError if there is none to draw."""
    exits = results.measurements.groupby("method")["exit"].max()
    methods = [method for method in results.methods if exits.get(method, 1) > 1]
    if not methods:
        raise ValueError("this figure needs a multi-exit method such as rbqe: none was run")
    return methods


def write(figure: Figure, output: Path) -> list[Path]:
    """Save a figure as `output` (.pdf) and beside it as .png; return both. The same figure gives the same bytes."""
    paths = {output: {"CreationDate": None}, output.with_suffix(".png"): {"Software": None}}
    for path, metadata in paths.items():
        with files.replacing(path) as temporary, plt.rc_context(STYLE):  # resolution and fonts are settings of saving
            figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
    return list(paths)
