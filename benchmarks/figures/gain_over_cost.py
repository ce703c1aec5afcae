"""PSNR gain against GMACs: one point per method and quality, early exit beside each forced exit (the paper's Fig. 5b).

Costs are in the paper's accounting; methods that are no network have none and are left out. Small points of one method
are joined from the best to the worst quality; the large one is their mean, and a grey line joins the best means. Early
exit is left out where it is off, for then it is the last exit.
"""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, ScalarFormatter

from qebench.common import names, published, ranking
from qebench.common.published import IN_THE_PAPER
from qebench.common.style import STYLE
from qebench.evaluation import early_exit, labels, measurements
from qebench.evaluation.figures import PUBLISHED, caption, look, panels, paper
from qebench.evaluation.results import Results

KEYS = ["method", "early_exit"]
FRONT: dict[str, Any] = {"color": "#d8d8d8", "lw": 6, "zorder": 0}
MEAN: dict[str, Any] = {"ms": 11, "alpha": 0.35, "mec": "none", "zorder": 1}


def draw(results: Results) -> Figure:
    """Return one panel per compressor, GMACs on a logarithmic axis, gain in dB on the other; over them the paper's."""
    cost = results.complexity.rename(columns={"gmacs_paper": "cost"})
    both = pd.concat([cost.assign(early_exit=stops) for stops in (False, True)])

    def finish(compressor: str, panel: Axes) -> None:
        for method in results.methods:
            for early in (False, True):
                points = published_points(compressor, method, early)
                panel.plot(points["gmacs"], points["gain"], **look(method, early) | PUBLISHED | {"ms": 5})
        panel.set(xscale="log", xticks=[10, 20, 50, 100, 200], xlim=(8, 220))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())

    return draw_over(results, both, "GMACs (512x512, paper's accounting)", finish)


def draw_over(results: Results, cost: pd.DataFrame, label: str, finish: Callable[[str, Axes], object]) -> Figure:
    """Return one panel per compressor: gain in dB over what it costs, `label` saying in what.

    `cost` has the columns method, exit, early_exit (whether scores are computed on the way) and cost. `finish` is given
    each compressor and its panel, for what else is to be drawn, and for limits.
    """
    curves = _curves(results, cost)
    with plt.rc_context(STYLE):
        figure, places = panels(results, results.methods)
        for compressor, panel in places.items():
            own = curves[curves["compressor"] == compressor]
            for (method, early), curve in own.groupby(KEYS, sort=False):
                _curve(panel, curve, look(method, early), names.label(method, early))
            front = ranking.pareto(own.groupby(KEYS, sort=False)[["cost", "gain"]].mean())
            panel.plot(front["cost"], front["gain"], "o", ls="-", ms=17, **FRONT)
            panel.set(title=names.display_name(compressor), xlabel=label, ylabel="PSNR gain (dB)")
            finish(compressor, panel)
        handles: dict[str, Any] = {}  # a method may be in one panel only
        for panel in places.values():
            lines, texts = panel.get_legend_handles_labels()
            handles |= dict(zip(texts, lines, strict=True))
        handles["Pareto front of the means (large marks)"] = Line2D([], [], **FRONT)
        legend = figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 4))
        legend.set_title(caption(figure), FontProperties(size=7))
        figure.canvas.draw()  # so that all has its place
        for compressor, panel in places.items():
            _name_ends(panel, curves[curves["compressor"] == compressor])
    return figure


def _curve(panel: Axes, curve: pd.DataFrame, style: dict[str, Any], label: str) -> None:
    """Draw the qualities of a method and their mean."""
    panel.plot(curve["cost"], curve["gain"], label=label, **style | {"ms": 0.8 * style["ms"], "lw": 0.8})
    panel.plot(curve["cost"].mean(), curve["gain"].mean(), **style | MEAN | {"mfc": style["color"]})


def _name_ends(panel: Axes, own: pd.DataFrame) -> None:
    """Write the first and the last quality beside their points, on the left if the method has a dearer curve."""
    middle = own.groupby("method")["cost"].mean()
    for (method, _), curve in own.groupby(KEYS, sort=False):
        parameter = names.parameter(curve["compressor"].iat[0])
        ends = pd.concat([curve[:1], curve[-1:]])
        texts = [f"{parameter} {quality}" for quality in ends["quality"]]
        labels.place(
            panel, list(zip(ends["cost"], ends["gain"], texts, strict=True)), curve["cost"].mean() < middle[method]
        )


def published_points(compressor: str, method: str, early: bool) -> pd.DataFrame:
    """Return gmacs and gain of the paper's points for a method, from the best to the worst quality, or no rows.

    Gains are those of Table 1, GMACs those of Fig. 5a: its RBQE is with early exit, and its averages are for HEVC only.
    """
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
    """Return method, early_exit, compressor, quality, cost and gain: means over images, without and with early exit."""
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    exits = early_exit.chosen(results.measurements, results.thresholds)
    full = early_exit.last(gains).assign(early_exit=False)
    early = _without_idle(early_exit.taken(gains, exits), results).assign(early_exit=True)
    keys = ["method", "exit", "early_exit"]
    points = pd.concat([full, early]).merge(cost[[*keys, "cost"]].dropna(), on=keys)
    means = points.groupby([*KEYS, "compressor", "quality"], sort=False)[["cost", "value"]].mean()
    return means.reset_index().rename(columns={"value": "gain"})


def _without_idle(early: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Return the gains with early exit without those of methods that no image leaves early, by compressor."""
    if early.empty:
        return early
    last = early["method"].map(results.measurements.groupby("method")["exit"].max())
    leaves = (early["exit"] < last).groupby([early["method"], early["compressor"]]).transform("any")
    return early[leaves]
