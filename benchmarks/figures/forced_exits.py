"""PSNR gain of each exit forced on all images, one curve per quality (the paper's Fig. 6b), which lies over ours."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from qebench.common.style import COLOURS, MARKERS, STYLE
from qebench.evaluation import measurements
from qebench.evaluation.figures import PUBLISHED, caption, panels, paper
from qebench.evaluation.results import Results, multi_exit_methods


def draw(results: Results) -> Figure:
    """Return one panel per compressor: gain in dB over the GMACs of exit 1, 2, ..., means over images."""
    methods = multi_exit_methods(results)
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    points = gains.merge(results.complexity[["method", "exit", "gmacs_paper"]], on=["method", "exit"])
    with plt.rc_context(STYLE):
        figure, places = panels(results, methods)
        for compressor, panel in places.items():
            papers = paper(compressor, "Fig. 6b")
            for method in methods:
                chosen = points[(points["compressor"] == compressor) & (points["method"] == method)]
                for number, (quality, curve) in enumerate(chosen.groupby("quality", sort=False)):
                    means = curve.groupby("exit")[["gmacs_paper", "value"]].mean()
                    label = f"{quality}" if len(methods) == 1 else f"{method}, {quality}"
                    look: dict[str, Any] = {"color": COLOURS[number], "marker": MARKERS[number], "ms": 4, "lw": 1}
                    panel.plot(means["gmacs_paper"], means["value"], label=label, **look)
                    printed = papers[(papers["quality"] == str(quality)) & (papers["method"] == method)]
                    costs = means["gmacs_paper"].reindex(printed["exit"])
                    panel.plot(costs, printed["value"], **look | PUBLISHED)
            panel.set(title=compressor, xlabel="GMACs of exit 1 to 5 (paper's accounting)", ylabel="PSNR gain (dB)")
            panel.legend(title="quality", ncols=5, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2))
        figure.supxlabel(caption(figure), fontsize=7)
    return figure
