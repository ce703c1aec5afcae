"""Tables of text for people: in Markdown, and in LaTeX with the rules of the package booktabs.

The best cells are bold and the second underlined, as `places` says (1, 2, anything else), a frame like the table's or
some of its rows and columns. Columns of numbers are flush right. A wide table is cut: `parts` are the columns of each
piece, one under the other; those that all have in common name the rows, and a row is in the pieces that say more of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from qebench.common import files

MARK = "†"  # a star would be taken for Markdown's emphasis
SPACE = "\n\\bigskip\n\n"  # between tables in LaTeX
PACKAGES = "Needs \\usepackage{booktabs}."


def markdown(cells: pd.DataFrame, places: pd.DataFrame | None = None, parts: list[list[str]] | None = None) -> str:
    """Return a table in Markdown, without a line end."""
    from tabulate import tabulate

    places = like(cells, places, 0)
    shown = cells.where(places != 1, "**" + cells + "**").where(places != 2, "<ins>" + cells + "</ins>")
    pieces = []
    for piece in _pieces(cells, parts):
        aligned = ["right" if _is_numeric(piece[name]) else "left" for name in piece]
        rows = shown.loc[piece.index, piece.columns]
        pieces.append(tabulate(rows, "keys", "pipe", showindex=False, disable_numparse=True, colalign=aligned))
    return "\n\n".join(pieces)


def latex(cells: pd.DataFrame, places: pd.DataFrame | None = None, parts: list[list[str]] | None = None) -> str:
    """Return a table in LaTeX, with a line end; headings are broken at their underscores."""
    commands = like(cells, places, 0).map({1: "textbf:--rwrap", 2: "underline:--rwrap"}.get).fillna("")
    pieces = []
    for piece in _pieces(cells, parts):
        wrapped = commands.loc[piece.index, piece.columns].reset_index(drop=True)
        aligned = {name: "r" if _is_numeric(piece[name]) else "l" for name in piece}
        headings = {name: _heading(name, side) for name, side in aligned.items()}
        style = piece.reset_index(drop=True).style.hide(axis="index").format(escape="latex")
        style = style.format_index(headings.get, axis="columns").apply(lambda _: wrapped, axis=None)  # noqa: B023
        text = style.to_latex(hrules=True, column_format="".join(aligned.values()))
        pieces.append(text.replace(MARK, r"$^\dagger$"))
    return SPACE.join(pieces)


def like(frame: pd.DataFrame, values: pd.DataFrame | None, other: object) -> pd.DataFrame:
    """Return a frame shaped like `frame` with `values`, and with `other` where they say nothing."""
    values = pd.DataFrame() if values is None else values
    return values.reindex(index=frame.index, columns=frame.columns, fill_value=other)


def _pieces(cells: pd.DataFrame, parts: list[list[str]] | None) -> Iterator[pd.DataFrame]:
    if not parts:
        yield cells
        return
    shared = set.intersection(*map(set, parts))
    for part in parts:
        says_more = cells[[name for name in part if name not in shared]].ne("").any(axis=1)
        if says_more.any():
            yield cells.loc[says_more, part]


def _is_numeric(column: pd.Series) -> bool:
    """Return whether all cells of text that are not empty are numbers, and there is one."""
    texts = column[column != ""].str.removesuffix(MARK)
    return len(texts) > 0 and bool(pd.to_numeric(texts, errors="coerce").notna().all())


def _heading(name: str, side: str) -> str:
    """Return the name of a column with a word a line, flush to the side (l or r) of its cells."""
    lines = name.replace("_", r"\\")
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{lines}\end{{tabular}}" if "_" in name else name


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
    shown = cells.where(~like(frame, marked, False), cells + MARK)
    texts = {
        output: cells.to_csv(index=False, lineterminator="\n"),
        output.with_suffix(".md"): f"{markdown(shown, places, parts)}\n\n{note}\n",
        output.with_suffix(".tex"): f"{latex(shown, places, parts)}% {PACKAGES} {note}\n",
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
