"""Share of images that leave at each exit, by quality, with early exit at the thresholds in use."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from qebench.common import names
from qebench.common.style import STYLE
from qebench.evaluation import early_exit
from qebench.evaluation.figures import panels
from qebench.evaluation.results import Results, multi_exit_methods


def draw(results: Results) -> Figure:
    """Return one panel per compressor: a stacked bar per quality (and method), early exits at the bottom.

    A panel says so where early exit is off, that is where every image takes the last exit.
    """
    exits = early_exit.chosen(results.measurements, results.thresholds)
    methods = multi_exit_methods(results)
    counts = results.measurements.groupby("method")["exit"].max()
    with plt.rc_context(STYLE):
        figure, places = panels(results, methods)
        for compressor, panel in places.items():
            chosen = exits[exits["compressor"] == compressor]
            shares = _shares(chosen)
            labels = [_label(method, quality, len(methods) > 1) for method, quality in shares.index]
            bottom = 0 * shares.iloc[:, 0]
            for exit in range(1, 6):
                heights = shares.get(exit, 0 * bottom)
                colour = plt.colormaps["viridis_r"](exit / 5.5)
                panel.bar(labels, heights, bottom=bottom, color=colour, width=0.7, label=f"exit {exit}")
                bottom = bottom + heights
            title = names.display_name(compressor)
            if (chosen["exit"] == chosen["method"].map(counts)).all():
                title += ": early exit is off"
            panel.set(title=title, xlabel=names.parameter(compressor), ylabel="share of images (%)", ylim=(0, 100))
            panel.grid(axis="x", visible=False)
        handles = next(iter(places.values())).get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=5)
    return figure


def _shares(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return per cent of images, a row per method and quality and a column per exit that any image takes."""
    groups = chosen.groupby(["method", "quality"], sort=False)["exit"]
    return 100 * groups.value_counts(normalize=True).unstack(fill_value=0.0)


def _label(method: str, quality: int, several: bool) -> str:
    return f"{names.display_name(method)}\n{quality}" if several else f"{quality}"
