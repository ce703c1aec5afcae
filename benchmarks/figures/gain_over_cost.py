"""PSNR gain against GMACs: one point per method and quality, early exit beside each forced exit (the paper's Fig. 5b).

Costs are in the paper's accounting; methods that are no network have none and are left out. Points of one method are
joined from the best to the worst quality.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from benchmarks import early_exit, measurements
from benchmarks.figures import COLOURS, MARKERS, STYLE, panels
from benchmarks.tables import Results


def draw(results: Results) -> Figure:
    """Return one panel per compressor, GMACs on a logarithmic axis, gain in dB on the other."""
    cost = results.complexity.rename(columns={"gmacs_paper": "cost"})
    both = pd.concat([cost.assign(early_exit=stops) for stops in (False, True)])
    figure = draw_over(results, both, "GMACs (512x512, paper's accounting)")
    for panel in figure.axes:
        panel.set(xscale="log", xticks=[10, 20, 50, 100, 200], xlim=(8, 220))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
    return figure


def draw_over(results: Results, cost: pd.DataFrame, label: str) -> Figure:
    """Return one panel per compressor: gain in dB over what it costs, `label` saying in what.

    `cost` has the columns method, exit, early_exit (whether scores are computed on the way) and cost.
    """
    curves = _curves(results, cost)
    names = list(curves["label"].unique())
    with plt.rc_context(STYLE):
        figure, places = panels(results, results.methods)
        for compressor, panel in places.items():
            for number, name in enumerate(names):
                curve = curves[(curves["compressor"] == compressor) & (curves["label"] == name)]
                look = {"marker": MARKERS[number % 8], "color": COLOURS[number % 8], "ms": 5, "lw": 0.8}
                panel.plot(curve["cost"], curve["gain"], label=name, **look)
                for _, point in pd.concat([curve[:1], curve[-1:]]).iterrows():
                    place = (point["cost"], point["gain"])
                    panel.annotate(point["quality"], place, (5, 0), textcoords="offset points", fontsize=7)
            panel.set(title=compressor, xlabel=label, ylabel="PSNR gain (dB)")
        handles = next(iter(places.values())).get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=min(len(names), 4))
    return figure


def _curves(results: Results, cost: pd.DataFrame) -> pd.DataFrame:
    """Return label, compressor, quality, cost and gain: means over images, without and with early exit."""
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    exits = early_exit.chosen(results.measurements, results.thresholds)
    full = early_exit.last(gains).assign(label=lambda rows: rows["method"], early_exit=False)
    early = early_exit.taken(gains, exits).assign(label=lambda rows: rows["method"] + ", early exit", early_exit=True)
    keys = ["method", "exit", "early_exit"]
    points = pd.concat([full, early]).merge(cost[[*keys, "cost"]].dropna(), on=keys)
    means = points.groupby(["label", "compressor", "quality"], sort=False)[["cost", "value"]].mean()
    return means.reset_index().rename(columns={"value": "gain"})
