"""Places of numbers among their rivals."""

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
