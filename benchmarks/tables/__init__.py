"""Tables: one module per table, with `tabulate(results) -> DataFrame` and `note(results) -> str`.

A table is a pure function of `Results`. `write` prints it as CSV for programs, Markdown and LaTeX for people.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import files


@dataclass(frozen=True)
class Results:
    """Everything measured in one workflow run: the input of tables and figures."""

    measurements: pd.DataFrame  # see `benchmarks.measurements`
    complexity: pd.DataFrame  # see `benchmarks.complexity.measure`
    latency: pd.DataFrame  # see `benchmarks.latency.measure`
    thresholds: dict[str, float]  # of early exit, by compressor
    methods: list[str]  # in the order to print
    protocol: str  # in words

    @property
    def image_count(self) -> int:
        return self.measurements["image"].nunique()

    @property
    def datasets(self) -> str:
        return ", ".join(self.measurements["dataset"].unique())


def write(frame: pd.DataFrame, note: str, output: Path) -> None:
    """Write a table as `output` (.csv) and beside it as .md and .tex, each with `note` but the CSV.

    The cells are strings already or numbers that need no rounding; missing ones are empty.
    """
    from tabulate import tabulate

    shown = frame.astype(object).where(frame.notna(), "")
    texts = {
        output: frame.to_csv(index=False, lineterminator="\n"),
        output.with_suffix(".md"): tabulate(shown, "keys", "pipe", showindex=False, disable_numparse=True)
        + f"\n\n{note}\n",
        output.with_suffix(".tex"): tabulate(shown, "keys", "latex_booktabs", showindex=False, disable_numparse=True)
        + f"\n% {note}\n",
    }
    for path, text in texts.items():
        with files.replacing(path) as temporary:
            temporary.write_text(text)
