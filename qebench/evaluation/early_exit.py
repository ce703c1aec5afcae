"""Early exit as a query: which exit an image takes at a threshold, from the measured scores of all exits.

An image takes the first exit whose IQAM score reaches its threshold, else the last (RBQE, ECCV 2020, section 3.4). The
last exit is never scored when stopping for real, so its own score does not matter.
"""

import numpy as np
import pandas as pd

from qebench.networks.thresholds import Threshold, per_exit

KEYS = ["dataset", "image", "compressor", "quality", "method", "trained_on"]


def chosen(rows: pd.DataFrame, thresholds: dict[str, Threshold]) -> pd.DataFrame:
    """Return the exit that each image takes: the columns KEYS and `exit`, for methods of several exits only.

    `rows` are measurements; `thresholds` gives the threshold of each compressor. A method takes that of the compressor
    which its weights are for.

    Raises ValueError if one has no threshold.
    """
    scores = rows[rows["metric"] == "iqam"].reset_index(drop=True)
    last = scores.groupby(KEYS, sort=False)["exit"].transform("max")
    codec = scores["trained_on"].where(scores["trained_on"] != "", scores["compressor"])
    several = scores[last > 1]
    missing = [name for name in codec[several.index].unique() if name not in thresholds]
    if missing:
        raise ValueError(f"there is no threshold of early exit for {missing[0]}: add {missing[0]}=T to the thresholds")
    limits = pd.Series(np.inf, scores.index)
    for (name, count), exits in several["exit"].groupby([codec, last], sort=False):
        limits[exits.index] = np.array([*per_exit(thresholds[name], count), np.inf])[exits - 1]
    reached = scores["value"] >= limits
    candidates = scores[(last > 1) & (reached | (scores["exit"] == last))]
    return candidates.groupby(KEYS, sort=False, as_index=False)["exit"].min()


def taken(rows: pd.DataFrame, exits: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the exit that each image takes, `exits` being the result of `chosen`."""
    return rows.merge(exits, on=[*KEYS, "exit"])


def stopped(rows: pd.DataFrame, exits: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of methods with one exit, then of the others those of the exit that each image takes."""
    several = rows["method"].isin(exits["method"])
    return pd.concat([rows[~several], taken(rows[several], exits)])


def last(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each method's last exit."""
    return rows[rows["exit"] == rows.groupby("method")["exit"].transform("max")]
