"""What figures share: panels per compressor, and the points that a paper printed."""

from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from qebench.common import names, published
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


def look(method: str, early_exit: bool = False) -> dict[str, Any]:
    """Return how the curve of a method is drawn; that with early exit is dashed, with larger pale markers below."""
    colour = names.colour(method)
    style: dict[str, Any] = {"color": colour, "marker": names.marker(method), "ms": 5, "lw": 1}
    red, green, blue = (0.3 * part + 0.7 for part in to_rgb(colour))
    return style | ({"ls": "--", "mfc": to_hex((red, green, blue)), "ms": 8, "zorder": 1.9} if early_exit else {})


def levels(count: int) -> list[str]:
    """Return the colours of `count` qualities, from the best to the worst: light is where most was lost."""
    return [to_hex(colour) for colour in plt.colormaps["viridis"](np.linspace(0, 0.85, count))]


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
