"""PSNR gain of each exit forced on all images, one curve per quality (the paper's Fig. 6b), which lies over ours."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from qebench.common import names
from qebench.common.style import MARKERS, STYLE
from qebench.evaluation import measurements
from qebench.evaluation.figures import PUBLISHED, caption, levels, panels, paper
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
                curves = chosen.groupby("quality", sort=False)
                colours = levels(curves.ngroups)
                for number, (quality, curve) in enumerate(curves):
                    means = curve.groupby("exit")[["gmacs_paper", "value"]].mean()
                    label = f"{quality}" if len(methods) == 1 else f"{names.display_name(method)}, {quality}"
                    look: dict[str, Any] = {"color": colours[number], "marker": MARKERS[number % 8], "ms": 4, "lw": 1}
                    panel.plot(means["gmacs_paper"], means["value"], label=label, **look)
                    printed = papers[(papers["quality"] == str(quality)) & (papers["method"] == method)]
                    costs = means["gmacs_paper"].reindex(printed["exit"])
                    panel.plot(costs, printed["value"], **look | PUBLISHED)
            panel.set(title=names.display_name(compressor), ylabel="PSNR gain (dB)")
            panel.set(xlabel="GMACs of exit 1 to 5 (paper's accounting)")
            panel.legend(
                title=names.parameter(compressor), ncols=5, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2)
            )
        figure.supxlabel(caption(figure), fontsize=7)
    return figure
