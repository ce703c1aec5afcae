"""PSNR gain against GMACs over all thresholds of early exit, the threshold in use marked (the paper's Fig. 6a)."""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmarks import thresholds
from benchmarks.figures import CAPTION, COLOURS, PUBLISHED, STYLE, multi_exit_methods, panels, paper
from benchmarks.tables import Results


def draw(results: Results) -> Figure:
    """Return one panel per compressor with a curve per multi-exit method: means over images and qualities."""
    methods = multi_exit_methods(results)
    runs = set(zip(results.measurements["method"], results.measurements["compressor"], strict=True))
    with plt.rc_context(STYLE):
        figure, places = panels(results, methods)
        for compressor, panel in places.items():
            for colour, method in zip(COLOURS, methods, strict=False):
                if (method, compressor) not in runs:
                    continue
                curve = thresholds.sweep(results.measurements, results.complexity, method, compressor)
                panel.plot(curve["gmacs"], curve["delta_psnr"], ".-", color=colour, lw=1, ms=3, label=method)
                turn = thresholds.turning_point(curve)
                for value, label, marker in ((results.thresholds[compressor], "in use", "o"), (turn, "turn", "s")):
                    point = curve.iloc[(curve["threshold"] - value).abs().argmin()]
                    style: dict[str, Any] = {"color": colour, "mfc": "none", "ms": 9 if marker == "o" else 6, "ls": ""}
                    text = f"{method}, {label}: T = {value:.2f}"
                    panel.plot(point["gmacs"], point["delta_psnr"], marker, label=text, **style)
            points = paper(compressor, "Fig. 6a").pivot(index="threshold", columns="metric", values="value")
            if len(points):
                label = "rbqe, published: T = 0 to 1"
                panel.plot(
                    points["gmacs_paper"], points["delta_psnr"], "d", color="black", ms=4, label=label, **PUBLISHED
                )
            panel.set(title=compressor, xlabel="GMACs (512x512, paper's accounting)", ylabel="PSNR gain (dB)")
            panel.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
        figure.supxlabel(CAPTION, fontsize=7)
    return figure
