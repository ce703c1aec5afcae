"""PSNR gain against GMACs: one point per method and quality, early exit beside each forced exit (the paper's Fig. 5b).

Costs are in the paper's accounting; methods that are no network have none and are left out. Points of one method are
joined from the best to the worst quality.
"""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter, ScalarFormatter

from qebench.common import published
from qebench.common.published import IN_THE_PAPER
from qebench.common.style import COLOURS, MARKERS, STYLE
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.figures import PUBLISHED, caption, panels, paper
from qebench.evaluation.results import Results


def draw(results: Results) -> Figure:
    """Return one panel per compressor, GMACs on a logarithmic axis, gain in dB on the other; over them the paper's."""
    cost = results.complexity.rename(columns={"gmacs_paper": "cost"})
    both = pd.concat([cost.assign(early_exit=stops) for stops in (False, True)])
    figure = draw_over(results, both, "GMACs (512x512, paper's accounting)")
    for panel in figure.axes:
        for ours in panel.get_lines():
            points = _published(panel.get_title(), str(ours.get_label()))
            look: dict[str, Any] = {"color": ours.get_color(), "marker": ours.get_marker(), "ms": ours.get_markersize()}
            panel.plot(points["gmacs"], points["gain"], **look | PUBLISHED)
        panel.set(xscale="log", xticks=[10, 20, 50, 100, 200], xlim=(8, 220))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
    figure.legends[0].set_title(caption(figure), FontProperties(size=7))
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
                look: dict[str, Any] = {"marker": MARKERS[number % 8], "color": COLOURS[number % 8], "ms": 5, "lw": 0.8}
                panel.plot(curve["cost"], curve["gain"], label=name, **look)
                # Early exit is near the whole network: its qualities stand on the other side.
                offset, side = ((-5, 0), "right") if name.endswith("early exit") else ((5, 0), "left")
                text: dict[str, Any] = {"textcoords": "offset points", "ha": side, "va": "center", "fontsize": 7}
                text["path_effects"] = [withStroke(linewidth=2, foreground="white")]  # readable on other markers
                for _, point in pd.concat([curve[:1], curve[-1:]]).iterrows():
                    panel.annotate(point["quality"], (point["cost"], point["gain"]), offset, **text)
            panel.set(title=compressor, xlabel=label, ylabel="PSNR gain (dB)")
        handles = next(iter(places.values())).get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=min(len(names), 4))
    return figure


def _published(compressor: str, label: str) -> pd.DataFrame:
    """Return gmacs and gain of the paper's points for a method, from the best to the worst quality, or no rows.

    Gains are those of Table 1, GMACs those of Fig. 5a: its RBQE is with early exit, and its averages are for HEVC only.
    """
    method, _, early = label.partition(", ")
    gains = paper(compressor, "Table 1")
    gains = gains[(gains["method"] == method) & (gains["quality"] != "ave.")].set_index("quality")["value"]
    costs = published.read("eccv2020").query("source == 'Fig. 5a'")
    costs = costs[costs["method"] == method]
    if early:
        gmacs = costs[costs["compressor"] == IN_THE_PAPER.get(compressor, compressor)].set_index("quality")["value"]
    else:
        gmacs = pd.Series(
            {quality: value for quality in gains.index for value in costs.loc[costs["exit"] == 1, "value"]}
        )
    return pd.concat({"gmacs": gmacs, "gain": gains}, axis="columns", join="inner")


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
