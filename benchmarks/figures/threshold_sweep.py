"""PSNR gain against GMACs over all thresholds of early exit, the threshold in use marked (the paper's Fig. 6a).

The paper has one threshold for all exits; the second curve has one per exit.
"""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from qebench.common import names
from qebench.common.style import STYLE
from qebench.evaluation import calibration
from qebench.evaluation.figures import PUBLISHED, caption, panels, paper
from qebench.evaluation.results import Results, multi_exit_methods
from qebench.networks.thresholds import text

TWO_COLUMNS = 36  # characters of the longest label of which two fit side by side under a panel


def draw(results: Results) -> Figure:
    """Return one panel per compressor with two curves per multi-exit method: means over images and qualities."""
    methods = multi_exit_methods(results)
    runs = set(zip(results.measurements["method"], results.measurements["compressor"], strict=True))
    with plt.rc_context(STYLE):
        figure, places = panels(results, methods)
        for compressor, panel in places.items():
            for method in methods:
                if (method, compressor) not in runs:
                    continue
                source = (results.measurements, results.complexity, method, compressor)
                used = calibration.point(results.thresholds[compressor], *source)
                style: dict[str, Any] = {"color": names.colour(method), "ls": ""}
                turning = style | {"mec": "white"}  # one may lie over the other
                label = f"{names.display_name(method)}, in use: {text(used['threshold'])}"
                panel.plot(used["gmacs"], used["delta_psnr"], "*", ms=11, label=label, **style)
                sweeps = {
                    "one threshold": ("-", ("s", 5, 4), calibration.sweep),
                    "one per exit": ("--", ("^", 11, 3), calibration.sweep_per_exit),
                }
                for name, (line, (marker, size, order), sweep) in sweeps.items():
                    curve = sweep(*source)
                    turn = calibration.turning_point(curve)
                    label = f"{names.display_name(method)}, {name}"
                    panel.plot(
                        curve["gmacs"],
                        curve["delta_psnr"],
                        f".{line}",
                        color=names.colour(method),
                        lw=1,
                        ms=3,
                        label=label,
                    )
                    label = f"turning point: T = {text(turn['threshold'])}"
                    panel.plot(turn["gmacs"], turn["delta_psnr"], marker, ms=size, zorder=order, label=label, **turning)
            points = paper(compressor, "Fig. 6a").pivot(index="threshold", columns="metric", values="value")
            if len(points):
                label = "RBQE, published: T = 0 to 1"
                panel.plot(
                    points["gmacs_paper"], points["delta_psnr"], "d", color="black", ms=4, label=label, **PUBLISHED
                )
            panel.set(
                title=names.display_name(compressor),
                xlabel="GMACs (512x512, paper's accounting)",
                ylabel="PSNR gain (dB)",
            )
            longest = max(len(label) for label in panel.get_legend_handles_labels()[1])
            columns, top = (2, -0.2) if longest <= TWO_COLUMNS else (1, -0.25)
            panel.legend(fontsize=7, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, top))
        figure.supxlabel(caption(figure), fontsize=7)
    return figure
