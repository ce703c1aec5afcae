"""The paper's own points of early exit (RBQE, ECCV 2020, Figs. 6a and 6b) in the form of the null test.

Fig. 6b has the gain of every forced exit at five QPs, each a mean over 1,000 pictures: five cases. Fig. 6a has gain and
cost of one threshold, means over all. Both are read off plots, and an interval says what the reading leaves open.
"""

import numpy as np
import pandas as pd

from qebench.common import published
from qebench.evaluation import null_test, statistics
from qebench.evaluation.exit_cases import Cases
from qebench.evaluation.null_test import Outcome
from qebench.networks.rules import Evidence

READINGS = 300  # of the plots, each point drawn within its uncertainty


def cases() -> Cases:
    """Return the five QPs of Fig. 6b as cases; what is known of them is the quality alone."""
    rows = published.read("eccv2020").query("source == 'Fig. 6b'")
    gains = rows[rows["metric"] == "delta_psnr"].pivot(index="quality", columns="exit", values="value")
    cost = rows[rows["metric"] == "gmacs_paper"].sort_values("exit")["value"].to_numpy()
    values, unknown = gains.to_numpy(), np.full(gains.shape, np.nan)
    nothing = np.full(len(values), np.nan)
    evidence = Evidence(len(cost), unknown, unknown, gains.index.to_numpy(float), nothing, nothing, values)
    return Cases(gains.index.to_numpy(), evidence, values, {"gmacs_paper": (cost, cost)})


def sweep(cases: Cases) -> Outcome:
    """Return the thresholds of Fig. 6a as an outcome: at each QP its mean over all of them."""
    points = _points("Fig. 6a", "value")
    gains, spent = (
        np.repeat(points[[metric]].to_numpy(), len(cases.gains), axis=1) for metric in ("delta_psnr", "gmacs_paper")
    )
    return Outcome(gains, {"gmacs_paper": spent}, np.full((*gains.shape, cases.gains.shape[1]), np.nan))


def in_use(outcome: Outcome) -> Outcome:
    """Return the outcome of the paper's threshold, 0.89."""
    return outcome.at(list(_points("Fig. 6a", "value").index).index(0.89))


def interval(curve: Outcome, coin: Outcome) -> tuple[float, float]:
    """Return between which bounds the readings leave a rule's share less the coin's: 95 % of READINGS draws."""
    rng, exact = np.random.default_rng(statistics.SEED), cases()
    rows = published.read("eccv2020").query("source == 'Fig. 6b' and metric == 'delta_psnr'")
    forced = rows.pivot(index="quality", columns="exit", values="uncertainty").to_numpy()
    read = exact.gains + forced * rng.uniform(-1, 1, (READINGS, *forced.shape))
    swept = _points("Fig. 6a", "uncertainty")["delta_psnr"].to_numpy()
    moved = swept * rng.uniform(-1, 1, (READINGS, len(swept)))
    found = []
    for each in (curve, coin):
        follows = np.einsum("pnk,bnk->bp", each.exits, read) / len(exact.gains)  # from the gains of forced exits
        gains = each.gains.mean(axis=1) + moved if np.isnan(each.exits).all() else follows
        spent = np.tile(each.spent["gmacs_paper"].mean(axis=1), (READINGS, 1))
        found.append(null_test.shares(spent, gains, read[:, :, -1].mean(axis=1), exact.cost[-1]))
    low, high = np.quantile(found[0] - found[1], [0.025, 0.975]).tolist()
    return low, high


def _points(source: str, column: str) -> pd.DataFrame:
    rows = published.read("eccv2020")
    return rows[rows["source"] == source].pivot(index="threshold", columns="metric", values=column)
