"""Tables: one module per table, with `tabulate(results) -> DataFrame` and `note(results) -> str`.

A table is a pure function of `Results`. `write` prints it as CSV for programs, Markdown and LaTeX for people, with a
star at the cells for which the module's `marked(results) -> DataFrame` is true, if it has one.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks import files

AVERAGE = "ave."  # in place of a quality: the mean over a compressor's qualities


@dataclass(frozen=True)
class Results:
    """Everything measured in one workflow run: the input of tables and figures."""

    measurements: pd.DataFrame  # see `benchmarks.measurements`; native ones, see `native` there
    complexity: pd.DataFrame  # see `benchmarks.complexity.measure`
    latency: pd.DataFrame  # see `benchmarks.latency.measure`
    thresholds: dict[str, float]  # of early exit, by compressor
    methods: list[str]  # in the order to print
    protocol: str  # in words
    all_measurements: pd.DataFrame = field(default_factory=pd.DataFrame)  # with the weights of other compressors, too

    @property
    def image_count(self) -> int:
        return self.measurements["image"].nunique()

    @property
    def datasets(self) -> str:
        return ", ".join(self.measurements["dataset"].unique())


def qualities(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Return the qualities of each compressor in measurements, both in the order measured."""
    return {compressor: list(found.unique()) for compressor, found in rows.groupby("compressor", sort=False)["quality"]}


def write(frame: pd.DataFrame, note: str, output: Path, marked: pd.DataFrame | None = None) -> None:
    """Write a table as `output` (.csv) and beside it as .md and .tex, each with `note` but the CSV.

    Numbers are rounded already; those of a column are printed with equally many decimals. Missing cells are empty. In
    the versions for people, cells where `marked` (bool, shaped like `frame`) is true get a star.
    """
    from tabulate import tabulate

    cells = frame.apply(_aligned)
    shown = cells if marked is None else cells.where(~marked, cells + "*")
    texts = {
        output: cells.to_csv(index=False, lineterminator="\n"),
        output.with_suffix(".md"): tabulate(shown, "keys", "pipe", showindex=False, disable_numparse=True)
        + f"\n\n{note}\n",
        output.with_suffix(".tex"): tabulate(shown, "keys", "latex_booktabs", showindex=False, disable_numparse=True)
        + f"\n% {note}\n",
    }
    for path, text in texts.items():
        with files.replacing(path) as temporary:
            temporary.write_text(text)


def _aligned(column: pd.Series) -> pd.Series:
    """Return a column as text, numbers with the decimals of the longest."""
    texts = column.map(lambda cell: "" if pd.isna(cell) else str(cell))
    if column.map(lambda cell: isinstance(cell, float)).all():
        decimals = texts.str.partition(".")[2].str.len().max()
        texts = column.map(lambda cell: "" if pd.isna(cell) else f"{cell:.{decimals}f}")
    return texts
