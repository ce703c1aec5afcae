"""Rate and distortion before and after enhancement: PSNR over bits per pixel, and below it what enhancement gains.

Each point is a quality: means over images of bpp and of PSNR. Enhanced images have the rate of the decoded ones.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from qebench.common import names
from qebench.common.style import STYLE
from qebench.evaluation import rate_distortion
from qebench.evaluation.figures import look
from qebench.evaluation.results import Results

BEFORE = {"color": "black", "ls": "--", "marker": ".", "ms": 5, "lw": 0.8}


def draw(results: Results) -> Figure:
    """Return a column of two panels per compressor: PSNR (dB), and PSNR gain (dB), over bpp on a logarithmic axis."""
    curves = _curves(results)
    drawn = curves.loc[curves["method"] != names.DECODED, ["method", "early_exit"]].drop_duplicates()
    compressors = list(curves["compressor"].unique())
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            2,
            len(compressors),
            figsize=(3.6 * len(compressors), 4.6),
            squeeze=False,
            sharex="col",
            height_ratios=(3, 2),
        )
        for (psnr, gain), compressor in zip(grid.T, compressors, strict=True):
            of_codec = curves[curves["compressor"] == compressor]
            decoded = of_codec[of_codec["method"] == names.DECODED]
            psnr.plot(decoded["bpp"], decoded["after"], **BEFORE, label=names.DECODED)
            gain.axhline(0, **BEFORE | {"marker": ""})
            for method, early in drawn.itertuples(index=False):
                curve = of_codec[(of_codec["method"] == method) & (of_codec["early_exit"] == early)]
                style = look(method, early)
                psnr.plot(curve["bpp"], curve["after"], **style, label=names.label(method, early))
                gain.plot(curve["bpp"], curve["gain"], **style)
            psnr.set(title=names.display_name(compressor), ylabel="PSNR (dB)")
            gain.set(xlabel="rate (bits per pixel)", ylabel="PSNR gain (dB)")
            gain.set_xscale("log")
            gain.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
            gain.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            gain.xaxis.set_minor_locator(NullLocator())
        handles = grid[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=min(1 + len(drawn), 4))
    return figure


def _curves(results: Results) -> pd.DataFrame:
    """Return method, early_exit, compressor, quality, bpp, after and gain: means, without and with early exit.

    Raises ValueError if nothing was measured.
    """
    points = rate_distortion.points(results.measurements, results.thresholds)
    points["gain"] = points["after"] - points["before"]
    means = points.groupby(["method", "early_exit", "compressor", "quality"], sort=False)[["bpp", "after", "gain"]]
    return means.mean().reset_index()
