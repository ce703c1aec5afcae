"""IQAM score of the decoded images against their PSNR and SSIM, by quality (the paper's Fig. 3)."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from qebench.common import names
from qebench.common.style import MARKERS, STYLE
from qebench.evaluation.figures import PUBLISHED, caption, levels, paper
from qebench.evaluation.results import Results

AXES = {"psnr": "PSNR (dB)", "ssim": "SSIM"}


def draw(results: Results) -> Figure:
    """Return a row of panels per compressor, PSNR and SSIM: pale points are images, large ones means by quality.

    Over them lie the paper's means.
    """
    rows = results.measurements[results.measurements["method"] == "decoded"]
    missing = {"iqam", *AXES} - set(rows["metric"])
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))} was not measured: add it to metrics in the config")
    wide = rows.pivot_table(index=["compressor", "quality", "image"], columns="metric", values="value", sort=False)
    compressors = list(rows["compressor"].unique())
    with plt.rc_context(STYLE):
        size = (7.2, 2.9 * len(compressors))
        figure, grid = plt.subplots(len(compressors), len(AXES), figsize=size, squeeze=False, sharey="row")
        for places, compressor in zip(grid, compressors, strict=True):
            means = paper(compressor, "Fig. 3").pivot(index="quality", columns="metric", values="value")
            for panel, (metric, label) in zip(places, AXES.items(), strict=True):
                groups = wide.loc[compressor].groupby("quality", sort=False)
                looks = zip(levels(groups.ngroups), MARKERS, strict=False)
                for (colour, marker), (quality, images) in zip(looks, groups, strict=False):
                    panel.plot(images[metric], images["iqam"], ".", color=colour, alpha=0.35, ms=4)
                    mean = images.mean()
                    panel.plot(mean[metric], mean["iqam"], marker, color=colour, mec="white", ms=8, label=quality)
                if len(means):
                    panel.plot(means[metric], means["iqam"], "d", color="black", ms=5, label="published", **PUBLISHED)
                panel.set(title=names.display_name(compressor), xlabel=label)
            places[-1].plot([], [], ".", color="gray", alpha=0.5, ms=4, label="one image")
            places[0].set_ylabel("IQAM score")
            places[-1].legend(title=names.parameter(compressor), fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.supxlabel(caption(figure), fontsize=7)
    return figure
