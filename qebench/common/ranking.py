"""Places of numbers among their rivals, and who is beaten by none."""

import numpy as np
import pandas as pd


def rank(values: pd.DataFrame, keys: pd.DataFrame | None = None, highest: bool = True) -> pd.DataFrame:
    """Return the places of numbers, 1 for the best, in their column, among the rows with equal `keys` (default: all).

    Equal numbers share a place. Where there is nothing to compare with, and at missing numbers, the place is 0.
    """
    groups = [np.zeros(len(values))] if keys is None else [keys[name] for name in keys]
    rivals = values.astype(float).groupby(groups, dropna=False)
    places = rivals.rank(method="dense", ascending=not highest)
    return places.where(rivals.transform("count") > 1).fillna(0).astype(int)


def pareto(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points that no other beats: none costs at most as much and gains more; from the cheapest on.

    `points` has the columns cost and gain. Of equal points the first is returned.
    """
    ordered = points.sort_values(["cost", "gain"], ascending=[True, False])
    return ordered[ordered["gain"] > ordered["gain"].cummax().shift(fill_value=float("-inf"))]
