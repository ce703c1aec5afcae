"""Tables: one module per table, with `tabulate(results) -> DataFrame` and `note(results) -> str`.

A table is a pure function of `Results`. `write` prints it as CSV for programs, Markdown and LaTeX for people. There
the best cells are bold and the second underlined, where the module says by `places(frame) -> DataFrame` which they are,
those have a dagger for which its `marked(results) -> DataFrame` is true, and the table is cut into those of the columns
`parts(frame) -> list[list[str]]`, if it has these functions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from qebench.common import files, typesetting
from qebench.networks.thresholds import Threshold
from qebench.networks.thresholds import text as threshold_text

AVERAGE = "ave."  # in place of a quality: the mean over a compressor's qualities


@dataclass(frozen=True)
class Results:
    """Everything measured in one workflow run: the input of tables and figures."""

    measurements: pd.DataFrame  # see `benchmarks.measurements`; native ones, see `native` there
    complexity: pd.DataFrame  # see `benchmarks.complexity.measure`
    latency: pd.DataFrame  # see `benchmarks.latency.measure`
    thresholds: dict[str, Threshold]  # of early exit, by compressor
    methods: list[str]  # in the order to print
    protocol: str  # in words
    all_measurements: pd.DataFrame = field(default_factory=pd.DataFrame)  # with the weights of other compressors, too

    @property
    def image_count(self) -> int:
        return self.measurements["image"].nunique()

    @property
    def datasets(self) -> str:
        return ", ".join(self.measurements["dataset"].unique())

    def named_thresholds(self, compressors: Iterable[str] | None = None) -> str:
        """Return in words the thresholds of some compressors, those measured unless others are asked for."""
        compressors = self.measurements["compressor"].unique() if compressors is None else compressors
        return ", ".join(f"{name} {threshold_text(self.thresholds[name])}" for name in compressors)


def qualities(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Return the qualities of each compressor in measurements, both in the order measured."""
    return {compressor: list(found.unique()) for compressor, found in rows.groupby("compressor", sort=False)["quality"]}


def rank(values: pd.DataFrame, keys: pd.DataFrame | None = None, highest: bool = True) -> pd.DataFrame:
    """Return the places of numbers, 1 for the best, in their column, among the rows with equal `keys` (default: all).

    Equal numbers share a place. Where there is nothing to compare with, and at missing numbers, the place is 0.
    """
    groups = [np.zeros(len(values))] if keys is None else [keys[name] for name in keys]
    rivals = values.astype(float).groupby(groups, dropna=False)
    places = rivals.rank(method="dense", ascending=not highest)
    return places.where(rivals.transform("count") > 1).fillna(0).astype(int)


def write(
    frame: pd.DataFrame,
    note: str,
    output: Path,
    marked: pd.DataFrame | None = None,
    places: pd.DataFrame | None = None,
    parts: list[list[str]] | None = None,
) -> list[Path]:
    """Write a table as `output` (.csv) and beside it as .md and .tex, each with `note` but the CSV; return the three.

    Numbers are rounded already; those of a column are printed with equally many decimals. Missing cells are empty. In
    the versions for people, cells where `marked` (bool) is true get a dagger; those where `places` is 1 are bold, and 2
    underlined. `marked` is shaped like `frame`, or has some of its rows and columns; the rest is as in `typesetting`.
    """
    cells = frame.apply(aligned)
    shown = cells.where(~typesetting.like(frame, marked, False), cells + typesetting.MARK)
    texts = {
        output: cells.to_csv(index=False, lineterminator="\n"),
        output.with_suffix(".md"): f"{typesetting.markdown(shown, places, parts)}\n\n{note}\n",
        output.with_suffix(".tex"): f"{typesetting.latex(shown, places, parts)}% {typesetting.PACKAGES} {note}\n",
    }
    for path, text in texts.items():
        with files.replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return list(texts)


def aligned(column: pd.Series) -> pd.Series:
    """Return a column as text, numbers with the decimals of the longest."""
    texts = column.map(lambda cell: "" if pd.isna(cell) else str(cell))
    if column.map(lambda cell: isinstance(cell, float)).all():
        decimals = texts.str.partition(".")[2].str.len().max()
        texts = column.map(lambda cell: "" if pd.isna(cell) else f"{cell:.{decimals}f}")
    return texts
