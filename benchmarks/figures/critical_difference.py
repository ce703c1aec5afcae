"""Critical differences: per codec the mean rank of every method over the images, bars joining those not told apart.

The form is that of J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006. His
post-hoc test on mean ranks lets the other methods decide about a pair. So each pair has Wilcoxon's signed-rank test,
corrected by Holm, as A. Benavoli, G. Corani and F. Mangili advise ("Should We Really Use Post-Hoc Tests Based on
Mean-Ranks?", JMLR 17, 2016).
"""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.tables.leaderboard import SURE
from benchmarks.tables.pairwise import few, image_gains
from qebench.common import names
from qebench.common.style import STYLE
from qebench.evaluation import statistics
from qebench.evaluation.results import Results

ROW, BAR = 0.19, 0.1  # inches: of a label, of a bar between axis and labels
WIDE = 0.06  # how far a bar sticks out beyond the outer ranks
WIDTH = 130  # characters of a line of the caption


def draw(results: Results) -> Figure:
    """Return a panel per compressor, one below the other, rank 1 on the left: the highest gain of an image.

    Ranks are of each image's mean gain over the qualities; methods of several exits stand there twice.

    Raises ValueError if no compressor has two methods to compare.
    """
    rivals = {name: gains for name, gains in image_gains(results).items() if len(gains.columns) > 1}
    if not rivals:
        raise ValueError("this figure compares methods, two or more for a codec: none was run")
    ranks = {name: mean_ranks(gains) for name, gains in rivals.items()}
    joined = {name: groups(alike(rivals[name][list(ranks[name].index)].to_numpy())) for name in rivals}
    heights = [0.5 + BAR * (1 + len(joined[name])) + ROW * -(-len(ranks[name]) // 2) for name in rivals]
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            len(rivals), 1, figsize=(7.2, sum(heights) + 0.6), squeeze=False, height_ratios=heights
        )
        for panel, (compressor, gains) in zip(grid[:, 0], rivals.items(), strict=True):
            panel.set_ylabel(names.display_name(compressor))
            panel.set_xlabel(f"mean rank over {len(gains)} images (1: the highest gain)")
            _diagram(panel, ranks[compressor], joined[compressor])
        figure.align_ylabels(grid[:, 0])
        words = f"bars join methods that tests do not tell apart (Wilcoxon, Holm, {SURE}). {few(results)}"
        figure.supxlabel("\n".join(textwrap.wrap(words, WIDTH)), fontsize=7)
    return figure


def mean_ranks(gains: pd.DataFrame) -> pd.Series:
    """Return the mean rank of each column over the rows, the lowest first; equal gains share their mean rank."""
    return gains.rank(axis="columns", ascending=False).mean().sort_values(kind="stable")


def alike(values: np.ndarray) -> np.ndarray:
    """Return which methods the tests do not tell apart, bool (methods, methods), given `values` (images, methods)."""
    pairs, p_values = statistics.pairwise(values)
    found = np.eye(values.shape[1], dtype=bool)
    for (one, two), p in zip(pairs, statistics.holm(p_values), strict=True):
        found[one, two] = found[two, one] = not p < SURE
    return found


def groups(alike: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last of each run of neighbours that are all alike, two or more, none within another."""
    found: list[tuple[int, int]] = []
    for first in range(len(alike)):
        last = max(end for end in range(first, len(alike)) if alike[first : end + 1, first : end + 1].all())
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _diagram(panel: Axes, ranks: pd.Series, joined: list[tuple[int, int]]) -> None:
    """Draw ranks on an axis above, bars below it, and names at the sides: the better half on the left."""
    count, half = len(ranks), -(-len(ranks) // 2)
    below = BAR * (1 + len(joined))
    heights = [below + ROW * (0.5 + min(number, count - 1 - number)) for number in range(count)]
    for number, ((method, early), rank) in enumerate(ranks.items()):
        style: dict[str, Any] = {"color": names.colour(method), "clip_on": False}
        height, end = heights[number], 1 if number < half else count
        panel.plot([rank, rank, end], [0, height, height], lw=0.9, **style)
        panel.plot(rank, 0, names.marker(method), ms=5, zorder=3, **style)
        if number >= half:
            text = f"{rank:.2f}  {names.label(method, early == 'yes')}"
            panel.annotate(text, (end, height), (4, 0), textcoords="offset points", va="center", fontsize=8)
    texts = [f"{names.label(method, early == 'yes')}  {rank:.2f}" for (method, early), rank in ranks[:half].items()]
    panel.set_yticks(heights[:half], texts, fontsize=8)
    panel.tick_params(axis="y", length=0)
    for number, (first, last) in enumerate(joined):
        ends = [ranks.iloc[first] - WIDE, ranks.iloc[last] + WIDE]
        panel.plot(ends, [BAR * (number + 1)] * 2, color="black", lw=3, solid_capstyle="butt", zorder=2, clip_on=False)
    panel.set(xlim=(1, count), ylim=(below + ROW * half, 0), xticks=range(1, count + 1))
    panel.xaxis.tick_top()
    panel.xaxis.set_label_position("top")
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.spines["top"].set_visible(True)
    panel.grid(visible=False)
