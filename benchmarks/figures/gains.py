"""PSNR gains of single images, by quality and method: violins, with the mean and the quartiles in them."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qebench.common.style import COLOURS, STYLE
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import Results, qualities


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
        figure, grid = plt.subplots(len(levels), 1, figsize=(7.2, 2.2 * len(levels)), squeeze=False)
        for panel, (compressor, found) in zip(grid[:, 0], levels.items(), strict=True):
            panel.axhline(0, color="black", lw=0.8)
            for number, method in enumerate(methods):
                own = gains[(gains["compressor"] == compressor) & (gains["method"] == method)]
                groups = [own.loc[own["quality"] == quality, "value"].to_numpy() for quality in found]
                places = np.arange(len(found)) + (number - (len(methods) - 1) / 2) * width
                _violins(panel, groups, places, 0.9 * width, COLOURS[number % 8], method)
            panel.set(title=compressor, ylabel="PSNR gain (dB)", xlabel="quality")
            panel.set_xticks(range(len(found)), found)
            panel.grid(axis="x", visible=False)
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(len(methods), 5))
    return figure


def _violins(panel: Axes, groups: list[np.ndarray], places: np.ndarray, width: float, colour: str, label: str) -> None:
    """Draw one violin per group that has more than one value, its quartiles as a bar and its mean as a point."""
    drawn = [(place, group) for place, group in zip(places, groups, strict=True) if len(group)]
    several = [(place, group) for place, group in drawn if len(group) > 1 and np.ptp(group) > 0]
    if several:
        at, values = zip(*several, strict=True)
        bodies = panel.violinplot(values, at, widths=width, showextrema=False)["bodies"]
        for body in bodies:  # type: ignore[attr-defined]  # a list, which matplotlib types as a collection
            body.set(facecolor=colour, alpha=0.35, edgecolor="none")
    for place, group in drawn:
        panel.vlines(place, *np.percentile(group, [25, 75]), color=colour, lw=2)
    points = [(place, group.mean()) for place, group in drawn]
    panel.plot(*zip(*points, strict=True), "o", color=colour, mec="white", ms=4, label=label)
