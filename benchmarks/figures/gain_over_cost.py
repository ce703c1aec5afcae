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
    curves = _curves(results)
    labels = list(curves["label"].unique())
    with plt.rc_context(STYLE):
        figure, places = panels(results, results.methods)
        for compressor, panel in places.items():
            for number, label in enumerate(labels):
                curve = curves[(curves["compressor"] == compressor) & (curves["label"] == label)]
                look = {"marker": MARKERS[number % 8], "color": COLOURS[number % 8], "ms": 5, "lw": 0.8}
                panel.plot(curve["gmacs"], curve["gain"], label=label, **look)
                for _, point in pd.concat([curve[:1], curve[-1:]]).iterrows():
                    place = (point["gmacs"], point["gain"])
                    panel.annotate(point["quality"], place, (5, 0), textcoords="offset points", fontsize=7)
            panel.set(title=compressor, xlabel="GMACs (512x512, paper's accounting)", ylabel="PSNR gain (dB)")
            panel.set(xscale="log", xticks=[10, 20, 50, 100, 200])
            panel.xaxis.set_major_formatter(ScalarFormatter())
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set_xlim(8, 220)
        handles = next(iter(places.values())).get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=min(len(labels), 4))
    return figure


def _curves(results: Results) -> pd.DataFrame:
    """Return label, compressor, quality, gmacs and gain: means over images, without and with early exit."""
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    exits = early_exit.chosen(results.measurements, results.thresholds)
    full = early_exit.last(gains).assign(label=lambda rows: rows["method"])
    early = early_exit.taken(gains, exits).assign(label=lambda rows: rows["method"] + ", early exit")
    cost = results.complexity[["method", "exit", "gmacs_paper"]].dropna()
    points = pd.concat([full, early]).merge(cost, on=["method", "exit"])
    means = points.groupby(["label", "compressor", "quality"], sort=False)[["gmacs_paper", "value"]].mean()
    return means.reset_index().rename(columns={"gmacs_paper": "gmacs", "value": "gain"})
