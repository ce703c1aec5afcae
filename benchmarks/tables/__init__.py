"""Tables: one module per table, with `tabulate(results) -> DataFrame` and `note(results) -> str`.

A table is a pure function of `Results`. `write` prints it as CSV for programs, Markdown and LaTeX for people. There
the best cells are bold and the second underlined, where the module says by `places(frame) -> DataFrame` which they are,
and those have a dagger for which its `marked(results) -> DataFrame` is true, if it has these functions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from benchmarks import files

AVERAGE = "ave."  # in place of a quality: the mean over a compressor's qualities
MARK = "†"  # a star would be taken for Markdown's emphasis


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

    def named_thresholds(self, compressors: Iterable[str] | None = None) -> str:
        """Return in words the thresholds of some compressors, those measured unless others are asked for."""
        compressors = self.measurements["compressor"].unique() if compressors is None else compressors
        return ", ".join(f"{name} {self.thresholds[name]}" for name in compressors)


def qualities(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Return the qualities of each compressor in measurements, both in the order measured."""
    return {compressor: list(found.unique()) for compressor, found in rows.groupby("compressor", sort=False)["quality"]}


def rank(values: pd.DataFrame, axis: int, highest: bool = True) -> pd.DataFrame:
    """Return the places of numbers, 1 for the best, among those of their row (`axis` 1) or of their column (0).

    Equal numbers share a place. Where there is nothing to compare with, and at missing numbers, the place is 0.
    """
    places = values.astype(float).rank(axis=axis, method="dense", ascending=not highest)
    contested = values.notna().sum(axis=axis) > 1
    return places.where(places.notna(), 0).mul(contested, axis=1 - axis).astype(int)


def write(
    frame: pd.DataFrame,
    note: str,
    output: Path,
    marked: pd.DataFrame | None = None,
    places: pd.DataFrame | None = None,
) -> list[Path]:
    """Write a table as `output` (.csv) and beside it as .md and .tex, each with `note` but the CSV; return the three.

    Numbers are rounded already; those of a column are printed with equally many decimals. Missing cells are empty. In
    the versions for people, cells where `marked` (bool) is true get a dagger; those where `places` is 1 are bold, and 2
    underlined. Both are shaped like `frame`, or have some of its rows and columns.
    """
    cells = frame.apply(_aligned)
    shown = cells.where(~_like(frame, marked, False), cells + MARK)
    texts = {
        output: cells.to_csv(index=False, lineterminator="\n"),
        output.with_suffix(".md"): f"{markdown(shown, places)}\n\n{note}\n",
        output.with_suffix(".tex"): f"{latex(shown, places)}% {note}\n",
    }
    for path, text in texts.items():
        with files.replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return list(texts)


def markdown(cells: pd.DataFrame, places: pd.DataFrame | None = None) -> str:
    """Return cells of text as a table in Markdown, without a line end; `places` as in `write`."""
    from tabulate import tabulate

    places = _like(cells, places, 0)
    shown = cells.where(places != 1, "**" + cells + "**").where(places != 2, "<ins>" + cells + "</ins>")
    return tabulate(shown, "keys", "pipe", showindex=False, disable_numparse=True)


def latex(cells: pd.DataFrame, places: pd.DataFrame | None = None) -> str:
    """Return cells of text as a table in LaTeX with the rules of the package booktabs; `places` as in `write`."""
    commands = _like(cells, places, 0).map({1: "textbf:--rwrap", 2: "underline:--rwrap"}.get).fillna("")
    style = cells.reset_index(drop=True).style.hide(axis="index")
    style = style.format(escape="latex").format_index(escape="latex", axis="columns")
    style = style.apply(lambda _: commands.reset_index(drop=True), axis=None)
    return style.to_latex(hrules=True, column_format="l" * len(cells.columns))


def _like(frame: pd.DataFrame, values: pd.DataFrame | None, other: object) -> pd.DataFrame:
    """Return a frame shaped like `frame` with `values`, and with `other` where they say nothing."""
    values = pd.DataFrame() if values is None else values
    return values.reindex(index=frame.index, columns=frame.columns, fill_value=other)


def _aligned(column: pd.Series) -> pd.Series:
    """Return a column as text, numbers with the decimals of the longest."""
    texts = column.map(lambda cell: "" if pd.isna(cell) else str(cell))
    if column.map(lambda cell: isinstance(cell, float)).all():
        decimals = texts.str.partition(".")[2].str.len().max()
        texts = column.map(lambda cell: "" if pd.isna(cell) else f"{cell:.{decimals}f}")
    return texts
