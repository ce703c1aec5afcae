"""Published numbers, as tidy tables; README.md names the papers and their protocols."""

from pathlib import Path

import pandas as pd


def read(paper: str) -> pd.DataFrame:
    """Return the numbers of one paper, the name of a CSV file here.

    The columns are source, compressor, quality, method, exit, metric, value; empty where a number has none.
    """
    return pd.read_csv(Path(__file__).with_name(f"{paper}.csv"), dtype={"quality": str})
