"""Average GMACs per image by method; of multi-exit methods with early exit, by quality (the paper's Fig. 5a)."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from qebench.common import names, published
from qebench.common.style import STYLE
from qebench.evaluation import early_exit
from qebench.evaluation.figures import PUBLISHED, caption, panels, paper
from qebench.evaluation.results import Results


def draw(results: Results) -> Figure:
    """Return a panel per compressor with a bar per method, or per method and quality; in the paper's accounting."""
    exits = early_exit.chosen(results.measurements, results.thresholds)
    with plt.rc_context(STYLE):
        figure, places = panels(results, results.methods)
        for compressor, panel in places.items():
            bars = _bars(results, exits[exits["compressor"] == compressor], compressor)
            if bars.empty:
                raise ValueError("this figure needs a method that enhances: none was run")
            panel.barh(bars["label"], bars["gmacs"], height=0.6, color=bars["method"].map(names.colour))
            printed = bars.dropna(subset="published")
            panel.plot(printed["published"], printed["label"], "d", color="black", ms=5, **PUBLISHED | {"ls": ""})
            for bar in bars.itertuples():
                text = f"{bar.gmacs:.1f}" + ("" if pd.isna(bar.published) else f" ({bar.published:.1f})")
                end = max(bar.gmacs, bar.published) if pd.notna(bar.published) else bar.gmacs
                panel.annotate(text, (end, bar.label), (6, 0), textcoords="offset points", va="center", fontsize=7)
            panel.set(
                title=names.display_name(compressor), xlabel="average GMACs, with early exit\n(paper's accounting)"
            )
            panel.set_xlim(0, 1.35 * max(bars["gmacs"].max(), printed["published"].max() if len(printed) else 0))
            panel.grid(axis="y", visible=False)
            panel.invert_yaxis()
        next(iter(places.values())).set_ylabel("method, quality")
        figure.supxlabel(caption(figure), fontsize=7)
    return figure


def _bars(results: Results, exits: pd.DataFrame, compressor: str) -> pd.DataFrame:
    """Return label, method, gmacs and published (or NaN), in the order to draw."""
    cost = results.complexity.set_index(["method", "exit"])["gmacs_paper"].dropna()
    prints = published.read("eccv2020").query("source == 'Fig. 5a' and quality.isna()").set_index("method")["value"]
    by_quality = paper(compressor, "Fig. 5a").set_index(["method", "quality"])["value"]
    there = set(results.measurements.loc[results.measurements["compressor"] == compressor, "method"])
    bars = []
    for method in results.methods:
        if method == "decoded" or method not in there or method not in cost:
            continue
        own = exits[exits["method"] == method]
        if own.empty:
            bars.append((names.display_name(method), method, cost[method].iat[-1], prints.get(method)))
        for quality, taken in own.groupby("quality", sort=False):
            gmacs = taken["exit"].map(cost[method]).mean()
            label = f"{names.display_name(method)}, {names.parameter(compressor)} {quality}"
            bars.append((label, method, gmacs, by_quality.get((method, str(quality)))))
    return pd.DataFrame(bars, columns=["label", "method", "gmacs", "published"]).astype({"published": float})
