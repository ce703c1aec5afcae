"""Choose the threshold of early exit on a validation set: where the curve of gain over cost turns flat.

RBQE, ECCV 2020, Fig. 6a sweeps the threshold and takes "the turning point". As a rule: the cheapest threshold whose
mean gain is within TOLERANCE of the best. On the figure's own points that is 0.89, the paper's choice, with any
tolerance from 0.01 to 0.03 dB.
"""

import numpy as np
import pandas as pd

from benchmarks import early_exit, measurements

TOLERANCE = 0.01  # dB
THRESHOLDS = np.round(np.arange(0, 1.0001, 0.01), 2)


def sweep(rows: pd.DataFrame, complexity: pd.DataFrame, method: str, compressor: str) -> pd.DataFrame:
    """Return threshold, gmacs (in the paper's accounting) and delta_psnr (dB): means over all images and qualities.

    `rows` are measurements, `complexity` the cost per exit. Thresholds run from 0 (all leave at exit 1) to 1.
    """
    rows = rows[(rows["compressor"] == compressor) & rows["method"].isin([method, "decoded"])]
    gains = measurements.gains(rows, "psnr_unrounded")
    cost = complexity[complexity["method"] == method].set_index("exit")["gmacs_paper"]
    points = []
    for threshold in THRESHOLDS:
        exits = early_exit.chosen(rows, {compressor: threshold})
        gain = early_exit.taken(gains, exits)["value"].mean()
        points.append((threshold, exits["exit"].map(cost).mean(), gain))
    return pd.DataFrame(points, columns=["threshold", "gmacs", "delta_psnr"])


def turning_point(curve: pd.DataFrame) -> float:
    """Return the cheapest threshold of a sweep whose gain is within TOLERANCE of the best (the lowest of equals)."""
    good = curve[curve["delta_psnr"] >= curve["delta_psnr"].max() - TOLERANCE - 1e-9]
    return float(good.sort_values(["gmacs", "threshold"])["threshold"].iat[0])
