"""Share of images that leave at each exit, by quality, with early exit at the thresholds in use."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from qebench.common.style import STYLE
from qebench.evaluation import early_exit
from qebench.evaluation.figures import panels
from qebench.evaluation.results import Results, multi_exit_methods


def draw(results: Results) -> Figure:
    """Return one panel per compressor: a stacked bar per quality (and method), easy exits at the bottom."""
    exits = early_exit.chosen(results.measurements, results.thresholds)
    methods = multi_exit_methods(results)
    with plt.rc_context(STYLE):
        figure, places = panels(results, methods)
        for compressor, panel in places.items():
            chosen = exits[exits["compressor"] == compressor]
            groups = chosen.groupby(["method", "quality"], sort=False)["exit"]
            shares = 100 * groups.value_counts(normalize=True).unstack(fill_value=0.0)
            labels = [f"{quality}" if len(methods) == 1 else f"{method}\n{quality}" for method, quality in shares.index]
            bottom = 0 * shares.iloc[:, 0]
            for exit in range(1, 6):
                heights = shares.get(exit, 0 * bottom)
                colour = plt.colormaps["viridis_r"](exit / 5.5)
                panel.bar(labels, heights, bottom=bottom, color=colour, width=0.7, label=f"exit {exit}")
                bottom = bottom + heights
            panel.set(title=compressor, xlabel="quality", ylabel="share of images (%)", ylim=(0, 100))
            panel.grid(axis="x", visible=False)
        handles = next(iter(places.values())).get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=5)
    return figure
