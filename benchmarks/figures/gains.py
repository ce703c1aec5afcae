"""PSNR gains of single images, by quality and method: a point for each, the median, and the interval of the mean."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qebench.common import names
from qebench.common.style import STYLE
from qebench.evaluation import early_exit, measurements, statistics
from qebench.evaluation.results import Results, qualities

SPREAD = 0.5  # of the points of a method, in its width
MARKS: list[tuple[str, dict[str, Any]]] = [  # what the marks mean, in the legend
    ("one image", {"marker": "o", "ms": 3, "alpha": 0.5, "mec": "none"}),
    ("median", {"marker": "_", "ms": 9, "mew": 2}),
    ("95 % interval of the mean", {"marker": "|", "ms": 9, "mew": 1.5}),
]


def draw(results: Results) -> Figure:
    """Return a panel per compressor, one below the other: gains in dB, with early exit for multi-exit methods.

    Raises ValueError if there is no gain to draw.
    """
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    gains = early_exit.stopped(gains, early_exit.chosen(results.measurements, results.thresholds))
    methods = [method for method in results.methods if method in set(gains["method"])]
    if not methods:
        raise ValueError("this figure needs a method beside decoded: none was run")
    levels = qualities(gains)
    width = 0.8 / len(methods)
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(len(levels), 1, figsize=(7.2, 2.4 * len(levels)), squeeze=False)
        for panel, (compressor, found) in zip(grid[:, 0], levels.items(), strict=True):
            panel.axhline(0, color="black", lw=0.8)
            for number, method in enumerate(methods):
                own = gains[(gains["compressor"] == compressor) & (gains["method"] == method)]
                groups = [own.loc[own["quality"] == quality, "value"].to_numpy() for quality in found]
                places = np.arange(len(found)) + (number - (len(methods) - 1) / 2) * width
                _points(panel, groups, places, width, method)
            panel.set(title=names.display_name(compressor), ylabel="PSNR gain (dB)")
            panel.set(xlabel=f"{names.parameter(compressor)}, from best to worst")
            panel.set_xticks(range(len(found)), found)
            panel.grid(axis="x", visible=False)
        handles = [Line2D([], [], color=names.colour(name), lw=4, label=names.display_name(name)) for name in methods]
        handles += [Line2D([], [], color="dimgray", ls="", label=label, **look) for label, look in MARKS]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 5))
    return figure


def _points(panel: Axes, groups: list[np.ndarray], places: np.ndarray, width: float, method: str) -> None:
    """Draw a point per value of each group, beside one another so that none hides, its median and its interval."""
    colour = names.colour(method)
    drawn = [(place, group) for place, group in zip(places, groups, strict=True) if len(group)]
    for place, group in drawn:
        beside = place + SPREAD * width * ((np.arange(len(group)) % 5) - 2) / 4
        panel.plot(beside, group, "o", color=colour, ms=3, alpha=0.5, mec="none")
        panel.vlines(place, *statistics.interval(group), color=colour, lw=1.5)
    medians = [np.median(group) for _, group in drawn]
    panel.plot([place for place, _ in drawn], medians, "_", color=colour, ms=9, mew=2, label=names.display_name(method))
