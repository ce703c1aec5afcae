"""Overview: the mean gain of every method against its time and its arithmetic, the Pareto fronts, the paper's points.

A column per codec. The numbers are those of the leaderboard; the paper's, with open markers, are its averages over the
same qualities, on its own images and in its own count of GMACs.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from benchmarks.figures.gain_over_cost import FRONT, published_points
from benchmarks.tables import leaderboard
from qebench.common import names, published
from qebench.common.published import IN_THE_PAPER
from qebench.common.style import STYLE
from qebench.cost import BUSY
from qebench.evaluation import labels
from qebench.evaluation.figures import PUBLISHED, caption, look
from qebench.evaluation.results import Results, qualities

COSTS = {"latency_ms": "pareto_latency", "gmacs": "pareto_gmacs"}  # each with the column that says who is on its front
MARGIN = 1.5  # times the cheapest and the dearest: room for their labels
TICKS = (1, 2, 5)  # of each power of ten


def draw(results: Results) -> Figure:
    """Return two panels per compressor, milliseconds above and exact GMACs below, on logarithmic axes; gain in dB.

    A point is the mean over images and qualities, with its 95 % confidence interval over images.

    Raises ValueError without latencies, or if there is no gain to draw.
    """
    if results.latency.empty:
        raise ValueError("this figure is drawn from measurements and latencies: add --measurements and --latency")
    board = leaderboard.tabulate(results)
    board = board[board["origin"] == leaderboard.HERE]
    if board.empty:
        raise ValueError("this figure needs a method beside decoded: none was run")
    compressors = list(board["compressor"].unique())
    axes = {"latency_ms": f"latency (ms, 512x512)\n{_machine(results, board)}", "gmacs": "GMACs (512x512)"}
    with plt.rc_context(STYLE):
        size = (3.6 * len(compressors), 6.0)
        figure, grid = plt.subplots(2, len(compressors), figsize=size, squeeze=False, sharex="row")
        for column, compressor in zip(grid.T, compressors, strict=True):
            own = board[board["compressor"] == compressor]
            for panel, (cost, label) in zip(column, axes.items(), strict=True):
                panel.set(xscale="log", xlabel=label, ylabel="PSNR gain (dB)")
                _points(panel, own, cost)
            _published(column[1], own, qualities(results.measurements)[compressor])
            column[0].set_title(names.display_name(compressor))
        for panel in grid.flat:
            _finish(panel)
        legend = figure.legend(handles=[Line2D([], [], label="Pareto front", **FRONT)], loc="outside lower center")
        legend.set_title(caption(figure), FontProperties(size=7))
        figure.canvas.draw()  # so that all has its place
        for column, compressor in zip(grid.T, compressors, strict=True):
            own = board[board["compressor"] == compressor]
            for panel, cost in zip(column, axes, strict=True):
                _name(panel, own.dropna(subset=cost), cost)
    return figure


def _points(panel: Axes, board: pd.DataFrame, cost: str) -> None:
    """Draw the mean gain of every entry over a cost, its interval, and the front."""
    for entry in board.dropna(subset=cost).to_dict("records"):
        style = look(entry["method"], entry["early_exit"] == "yes")
        ends = [entry["delta_psnr_low"], entry["delta_psnr_high"]]
        panel.plot([entry[cost]] * 2, ends, color=style["color"], lw=0.8, alpha=0.6)
        panel.plot(entry[cost], entry["delta_psnr"], **style | {"zorder": 2})
    front = board[board[COSTS[cost]] == "yes"].sort_values(cost)
    panel.plot(front[cost], front["delta_psnr"], "o", ls="-", ms=14, **FRONT)


def _published(panel: Axes, board: pd.DataFrame, levels: list[int]) -> None:
    """Draw what the paper prints of the same methods, if its averages are over the same qualities."""
    compressor = board["compressor"].iat[0]
    if not published.averages(IN_THE_PAPER.get(compressor, compressor), levels):
        return
    for method, early in board[["method", "early_exit"]].itertuples(index=False):
        points = published_points(compressor, method, early == "yes")
        panel.plot(points["gmacs"].mean(), points["gain"].mean(), **look(method) | PUBLISHED | {"ms": 5})


def _finish(panel: Axes) -> None:
    """Leave room beside the points of a logarithmic axis and write plain numbers on it."""
    low, high = panel.dataLim.intervalx
    if low <= high:  # there is a point
        panel.set_xlim(low / MARGIN, high * MARGIN)
    panel.xaxis.set_major_locator(LogLocator(subs=TICKS))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())


def _name(panel: Axes, board: pd.DataFrame, cost: str) -> None:
    """Write the name of each entry beside its point, in its colour."""
    rows = board[["method", "early_exit", cost, "delta_psnr"]].itertuples(index=False)
    points = [(x, y, names.label(method, early == "yes")) for method, early, x, y in rows]
    labels.place(panel, points)
    colours = dict(zip((text for *_, text in points), board["method"].map(names.colour), strict=True))
    for label in panel.texts:
        label.set_color(colours[label.get_text()])


def _machine(results: Results, board: pd.DataFrame) -> str:
    """Return what latencies were measured on, and whether other work disturbed them."""
    busy = results.latency.get("busy_cores", pd.Series(dtype=float)).astype(float).gt(BUSY).any()
    return "; ".join(board["device"].unique()) + (", busy with other work" if busy else "")
