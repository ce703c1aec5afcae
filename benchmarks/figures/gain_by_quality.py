"""PSNR gains by quality, a panel for each: of every method the mean over images with its interval, and each image's.

Methods of several exits stand there twice, at their last exit and with early exit, as in the leaderboard.
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.tables.leaderboard import entry_gains
from qebench.common import names
from qebench.common.style import STYLE
from qebench.evaluation import statistics
from qebench.evaluation.figures import look
from qebench.evaluation.results import Results, qualities

ROW = 0.19  # inches: of a method
IMAGES: dict[str, Any] = {"marker": "|", "ms": 5, "mew": 0.8, "alpha": 0.35, "ls": ""}
MARKS: list[tuple[str, dict[str, Any]]] = [  # what the marks mean, in the legend
    ("one image", IMAGES),
    ("mean of the images, 95 % interval", {"marker": "o", "ms": 4, "lw": 1.5}),
]


def draw(results: Results) -> Figure:
    """Return a row of panels per compressor, from the best quality to the worst: gains in dB on one scale.

    All panels have the methods in one order, the highest mean of all gains first.

    Raises ValueError if there is no gain to draw.
    """
    gains = entry_gains(results)
    if gains.empty:
        raise ValueError("this figure needs a method beside decoded: none was run")
    gains = gains[gains.mean().sort_values(ascending=False, kind="stable").index]
    levels = {name: found for name, found in qualities(results.measurements).items() if name in gains.index}
    columns = max(map(len, levels.values()))
    size = (max(7.2, 1.2 * columns), 0.7 + len(levels) * (0.6 + ROW * len(gains.columns)))
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(len(levels), columns, figsize=size, squeeze=False, sharex="row", sharey=True)
        for panels, (compressor, found) in zip(grid, levels.items(), strict=True):
            for panel, quality in zip(panels, found, strict=False):
                panel.set_title(f"{names.parameter(compressor)} {quality}")
                _points(panel, gains.loc[compressor, quality])
            for panel in panels[len(found) :]:
                panel.set_axis_off()
            panels[0].set(ylabel=names.display_name(compressor))
            panels[0].xaxis.set_major_formatter("{x:g}")  # short, so that neighbours do not touch
            panels[(len(found) - 1) // 2].set_xlabel("PSNR gain (dB)")
        grid[0, 0].set_yticks(range(len(gains.columns)), [names.label(name, early == "yes") for name, early in gains])
        grid[0, 0].set_ylim(len(gains.columns) - 0.5, -0.5)
        handles = [Line2D([], [], color="dimgray", label=label, **style) for label, style in MARKS]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _points(panel: Axes, gains: pd.DataFrame) -> None:
    """Draw one quality, a row per column of `gains`: each image, the mean, and its interval."""
    panel.axvline(0, color="black", lw=0.8)
    for row, ((method, early), own) in enumerate(gains.items()):
        values, style = own.dropna().to_numpy(), look(method, early == "yes")
        if len(values):
            panel.plot(values, np.full(len(values), row), color=style["color"], **IMAGES)
            panel.plot(statistics.interval(values), [row, row], color=style["color"], lw=1.5)
            panel.plot(values.mean(), row, **style | {"ms": 4, "zorder": 3})
