"""GMACs of the networks of the RBQE paper, counted here in its accounting, beside what it prints (its Fig. 5a).

Costs are all it needs, no image. What RBQE takes on average with early exit, per QP, depends on the paper's images and
is shown as published.
"""

from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qebench.common import names, published
from qebench.common.style import STYLE
from qebench.evaluation.results import Results

PUBLISHED: dict[str, Any] = {"marker": "d", "color": "black", "ms": 4}


def draw(results: Results) -> Figure:
    """Return one bar per network and exit, multi-exit networks first, each from the cheapest to the dearest.

    Raises ValueError if there is no network whose GMACs the paper prints.
    """
    rows = results.complexity.dropna(subset="gmacs_published")
    if rows.empty:
        raise ValueError("this figure needs a network of the RBQE paper, one channel, 512x512: none is there")
    several = rows.duplicated("method", keep=False)
    shown = rows["method"].map(names.display_name)
    rows = rows.assign(name=shown.where(~several, shown + ", exit " + rows["exit"].astype(str)))
    rows = rows.assign(several=several).sort_values(["several", "gmacs_paper"], ascending=[False, True])
    with plt.rc_context(STYLE):
        figure, panel = plt.subplots(figsize=(6.4, 1.2 + 0.28 * len(rows)))
        for method in rows.loc[rows["several"], "method"].unique():
            _draw_averages(panel, method)
        colours = rows["method"].map(names.colour)
        panel.barh(rows["name"], rows["gmacs_paper"], height=0.6, color=colours, label="counted here (bars)")
        panel.plot(rows["gmacs_published"], rows["name"], **PUBLISHED, ls="", label="published")
        for row in rows.itertuples():
            _write(panel, row.name, row.gmacs_paper, f"{row.gmacs_paper:.2f} ({row.gmacs_published:.1f})")
        panel.set(xlabel="GMACs of one channel of 512x512 (paper's accounting)", ylabel="network")
        panel.set_xlim(0, 1.2 * rows["gmacs_paper"].max())
        panel.grid(axis="y", visible=False)
        panel.invert_yaxis()
        panel.legend(loc="upper right")
    return figure


def _draw_averages(panel: Axes, method: str) -> None:
    """Add a row with what is published of a method with early exit: averages over images, per QP."""
    rows = published.read("eccv2020").query("source == 'Fig. 5a' and quality.notna() and method == @method")
    name = names.label(method, early_exit=True)
    panel.plot(rows["value"], [name] * len(rows), **PUBLISHED, lw=1)
    ends = " to ".join(f"{row.value} at QP {row.quality}" for row in rows.iloc[[0, -1]].itertuples())
    _write(panel, name, rows["value"].max(), f"(average, {ends})")


def _write(panel: Axes, name: str, gmacs: float, text: str) -> None:
    panel.annotate(text, (gmacs, name), (6, 0), textcoords="offset points", va="center", fontsize=7)
