"""Published numbers, as tidy tables; README.md names the papers and their protocols."""

from collections.abc import Iterable
from functools import cache

import pandas as pd

from qebench.common import files, plugins

FOLDER = plugins.ROOT / "benchmarks/published"
KEYS = ["dataset", "compressor", "quality", "method", "form", "exit", "threshold", "metric"]
OWN = "own training"  # in place of the official file that weights are from
COLUMNS = ["source", "protocol", *KEYS, "value", "uncertainty"]


@cache
def read(paper: str) -> pd.DataFrame:
    """Return the numbers of one paper, the name of a CSV file here; not to be changed in place.

    The columns are COLUMNS. A number depends on those of KEYS that are not empty: text, but for exit and threshold.
    quality "ave." is the mean over a compressor's qualities. uncertainty is how far the value may be from what the
    authors had: where the file does not say, half a unit of the last digit printed.
    """
    rows = files.read_csv(FOLDER / f"{paper}.csv", text=True)[COLUMNS]
    decimals = rows["value"].str.partition(".")[2].str.len()
    numbers = rows[["exit", "threshold", "value", "uncertainty"]].astype(float)
    numbers["uncertainty"] = numbers["uncertainty"].fillna(0.5 * 10.0**-decimals)
    return rows.assign(**numbers)


def read_all() -> pd.DataFrame:
    """Return the numbers of all papers, `paper` being the first column."""
    papers = sorted(path.stem for path in FOLDER.glob("*.csv"))
    return pd.concat([read(paper).assign(paper=paper) for paper in papers], ignore_index=True)[["paper", *COLUMNS]]


IN_THE_PAPER = {"hm": "hevc"}  # its HEVC is HM; other compressors are called the same


def averages(compressor: str, qualities: Iterable) -> bool:
    """Return whether the averages in Table 1 of eccv2020 for a compressor, as it names it, are over these qualities."""
    rows = read("eccv2020").query("source == 'Table 1' and compressor == @compressor and quality != 'ave.'")
    return set(rows["quality"]) == {str(quality) for quality in qualities}
