"""Gain over cost of every exit rule, judged on pictures that did not calibrate it, above or below the line of the coin.

The vertical axis is the gain less the coin's at the same cost: the null test by eye. The paper's points are in it, too.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qebench.common import names
from qebench.common.published import IN_THE_PAPER, read
from qebench.common.style import COLOURS, MARKERS, STYLE
from qebench.evaluation import exit_cases, null_test, published_exits
from qebench.evaluation.figures import PUBLISHED, caption
from qebench.evaluation.null_test import Outcome
from qebench.evaluation.results import Results

UNIT = "gmacs_paper"


def draw(results: Results) -> Figure:
    """Return one panel per method and compressor, a curve per rule, a marker where the chosen setting is."""
    found = [*exit_cases.every(results)]
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(found), figsize=(3.6 * len(found), 3.2), squeeze=False, sharey=True)
        for panel, (method, compressor, cases) in zip(grid[0], found, strict=True):
            outcomes = null_test.judge_all(cases, results.exit_rules)
            coin = outcomes.pop("coin")[0]
            panel.axhline(0, color="black", lw=0.8, label="coin")
            for number, (name, (curve, chosen)) in enumerate(outcomes.items()):
                style = {"color": COLOURS[number % len(COLOURS)]}
                panel.plot(*_over(curve, coin), lw=1, label=name, **style)
                panel.plot(*_over(chosen, coin), MARKERS[number % len(MARKERS)], ms=5, **style)
            _published(panel, compressor)
            title = f"{names.display_name(method)}, {names.display_name(compressor)}"
            panel.set(title=title, xlabel="GMACs (512x512, paper's accounting)")
            panel.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
        grid[0, 0].set_ylabel("PSNR gain less the coin's (dB)")
        figure.supxlabel(caption(figure), fontsize=7)
    return figure


def _over(outcome: Outcome, coin: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Return mean costs, ascending, and the mean gains less the coin's there, on the envelope of the settings."""
    spent, gains = outcome.spent[UNIT].mean(axis=1), outcome.gains.mean(axis=1)
    order = np.argsort(spent)
    costs = spent[order]
    line = coin.spent[UNIT].mean(axis=1), coin.gains.mean(axis=1)
    return costs, np.array([null_test.reached(spent, gains, at) - null_test.reached(*line, at) for at in costs])


def _published(panel: Axes, compressor: str) -> None:
    """Draw the paper's sweep of one threshold, less the line through its forced exits."""
    if IN_THE_PAPER.get(compressor, compressor) not in set(read("eccv2020").query("source == 'Fig. 6a'")["compressor"]):
        return
    cases = published_exits.cases()
    sweep, forced = published_exits.sweep(cases), (cases.cost, cases.gains.mean(axis=0))
    costs, gains = sweep.spent[UNIT][:, 0], sweep.gains[:, 0]
    above = gains - [null_test.reached(*forced, at) for at in costs]
    panel.plot(costs, above, "d", color="black", ms=4, label="iqam, published", **PUBLISHED)
