"""Choose the thresholds of early exit on a validation set: where the curve of gain over cost turns flat.

RBQE, ECCV 2020, Fig. 6a sweeps one threshold for all exits and takes "the turning point". As a rule: the cheapest
threshold whose mean gain is within TOLERANCE of the best. On the figure's own points that is 0.89, the paper's choice,
with any tolerance from 0.01 to 0.03 dB.

A score means less at a late exit, where little can still be won, so a threshold for each saves more at the same gain.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qebench.evaluation import early_exit, measurements, threshold_search
from qebench.networks.thresholds import Threshold, per_exit

TOLERANCE = 0.01  # dB
THRESHOLDS = np.round(np.arange(0, 1.0001, 0.01), 2)
GRID = np.round(np.arange(0, 1.0001, 0.02), 2)  # of thresholds per exit, all tuples of which are compared


def sweep(rows: pd.DataFrame, complexity: pd.DataFrame, method: str, compressor: str) -> pd.DataFrame:
    """Return threshold, gmacs (in the paper's accounting) and delta_psnr (dB): means over all images and qualities.

    `rows` are measurements, `complexity` the cost per exit. Thresholds run from 0 (all leave at exit 1) to 1.
    """
    return _curve([float(value) for value in THRESHOLDS], *_by_exit(rows, complexity, method, compressor))


def sweep_per_exit(rows: pd.DataFrame, complexity: pd.DataFrame, method: str, compressor: str) -> pd.DataFrame:
    """Return the same with a threshold for every exit but the last, only where none that costs less gains as much.

    They are the best of GRID at each price of cost (`threshold_search`); equal thresholds are tried, too.
    """
    gains, scores, cost = _by_exit(rows, complexity, method, compressor)
    chosen = [(float(value),) * (len(cost) - 1) for value in THRESHOLDS]
    chosen += [tuple(each) for each in threshold_search.search(scores, gains, cost, GRID)]
    curve = _curve(chosen, gains, scores, cost).sort_values(["gmacs", "delta_psnr"], ascending=[True, False])
    return curve[curve["delta_psnr"] > curve["delta_psnr"].cummax().shift(fill_value=-np.inf)]


def point(
    threshold: Threshold, rows: pd.DataFrame, complexity: pd.DataFrame, method: str, compressor: str
) -> pd.Series:
    """Return threshold, gmacs and delta_psnr, as `sweep` does, of one threshold."""
    return _curve([threshold], *_by_exit(rows, complexity, method, compressor)).iloc[0]


def turning_point(curve: pd.DataFrame) -> pd.Series:
    """Return the cheapest point of a sweep whose gain is within TOLERANCE of the best (the lowest of equals)."""
    good = curve[curve["delta_psnr"] >= curve["delta_psnr"].max() - TOLERANCE - 1e-9]
    return good.sort_values(["gmacs", "threshold"]).iloc[0]


def _by_exit(
    rows: pd.DataFrame, complexity: pd.DataFrame, method: str, compressor: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return gains in dB and scores, both (images, exits), and the cost of each exit in GMACs."""
    rows = rows[(rows["compressor"] == compressor) & rows["method"].isin([method, "decoded"])]
    frames = measurements.gains(rows, "psnr_unrounded"), rows[rows["metric"] == "iqam"]
    gains, scores = (
        frame[frame["method"] == method].pivot(index=early_exit.KEYS, columns="exit", values="value")
        for frame in frames
    )
    cost = complexity[complexity["method"] == method].set_index("exit")["gmacs_paper"]
    return gains.to_numpy(), scores.loc[gains.index].to_numpy(), cost[gains.columns].to_numpy()


def _curve(chosen: Sequence[Threshold], gains: np.ndarray, scores: np.ndarray, cost: np.ndarray) -> pd.DataFrame:
    points = []
    for threshold in chosen:
        left = scores >= [*per_exit(threshold, len(cost)), np.nan]
        left[:, -1] = True
        exits = left.argmax(axis=1)
        points.append((threshold, cost[exits].mean(), gains[np.arange(len(gains)), exits].mean()))
    return pd.DataFrame(points, columns=["threshold", "gmacs", "delta_psnr"])
