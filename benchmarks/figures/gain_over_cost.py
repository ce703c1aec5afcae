"""PSNR gain against GMACs: one point per method and quality, early exit beside each forced exit (the paper's Fig. 5b).

Costs are in the paper's accounting. Points of one method are joined from the best to the worst quality.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from benchmarks import early_exit, measurements
from benchmarks.figures import COLOURS, MARKERS, STYLE
from benchmarks.tables import Results


def draw(results: Results) -> Figure:
    """Return one panel per compressor, GMACs on a logarithmic axis, gain in dB on the other."""
    compressors = list(results.measurements["compressor"].unique())
    curves = _curves(results)
    labels = list(curves["label"].unique())
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(1, len(compressors), figsize=(3.6 * len(compressors), 3.4), squeeze=False)
        for panel, compressor in zip(panels[0], compressors, strict=True):
            for number, label in enumerate(labels):
                curve = curves[(curves["compressor"] == compressor) & (curves["label"] == label)]
                panel.plot(
                    curve["gmacs"], curve["gain"], MARKERS[number], ls="-", lw=0.8, color=COLOURS[number], label=label
                )
                ends = curve.iloc[[0, -1]]
                for _, point in ends.iterrows():
                    panel.annotate(
                        point["quality"],
                        (point["gmacs"], point["gain"]),
                        (4, 3),
                        textcoords="offset points",
                        fontsize=7,
                    )
            panel.set(title=compressor, xlabel="GMACs (512x512, paper's accounting)", xscale="log")
            panel.xaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
            panel.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
            panel.set_xticks([10, 20, 50, 100])
            panel.axhline(0, color="0.5", lw=0.8)
        panels[0][0].set_ylabel("PSNR gain (dB)")
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(labels))
    return figure


def _curves(results: Results) -> pd.DataFrame:
    """Return label, compressor, quality, gmacs and gain: means over images, without and with early exit."""
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    exits = early_exit.chosen(results.measurements, results.thresholds)
    full = early_exit.last(gains).assign(label=lambda rows: rows["method"])
    early = early_exit.taken(gains, exits).assign(label=lambda rows: rows["method"] + ", early exit")
    cost = results.complexity[["method", "exit", "gmacs_paper"]]
    points = pd.concat([full, early]).merge(cost, on=["method", "exit"])
    means = points.groupby(["label", "compressor", "quality"], sort=False)[["gmacs_paper", "value"]].mean()
    return means.reset_index().rename(columns={"gmacs_paper": "gmacs", "value": "gain"})
