"""What figures share: panels per compressor, and the points that a paper printed."""

from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qebench.common import published
from qebench.common.published import IN_THE_PAPER
from qebench.evaluation.results import Results

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
