"""The page of the scoreboard: counts first, then each source, sorted by verdict, with commands and what is missing."""

import math

import pandas as pd

from qebench.common import typesetting
from qebench.publishing import trends as tested
from qebench.publishing.reproduction import KINDS, RULE, VERDICTS

NUMBERS = ("ours", "difference", "tolerance", "uncertainty")
PROGRAMS = "original programs"


def combine(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return one comparison of several runs (`reproduction.compare`): of each number the verdict that says most.

    That is an exact one, then one by the same protocol, then a trend, then none.
    """
    joined = pd.concat([table.assign(row=range(len(table))) for table in tables], ignore_index=True)
    rank = joined["kind"].map(KINDS.index).where(joined["verdict"] != "not run", len(KINDS))
    best = joined.assign(rank=rank).sort_values(["row", "rank"], kind="stable").drop_duplicates("row")
    return best.drop(columns=["row", "rank"]).reset_index(drop=True)


def counts(table: pd.DataFrame, programs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how many numbers of each of KINDS have which verdict; those of original programs are exact ones."""
    judged = table[["kind", "verdict", "note"]]
    if programs is not None:
        judged = pd.concat([judged, programs.assign(kind="exact")[["kind", "verdict", "note"]]])
    found = judged.groupby("kind")["verdict"].value_counts().unstack(fill_value=0)
    found = found.reindex(index=list(KINDS), columns=list(VERDICTS), fill_value=0)
    unexplained = judged[(judged["verdict"] == "deviates") & (judged["note"].fillna("") == "")]
    without = unexplained["kind"].value_counts().reindex(list(KINDS), fill_value=0)
    found.insert(2, "of these unexplained", without)
    return found


def page(
    table: pd.DataFrame,
    protocol: str,
    trends: pd.DataFrame | None = None,
    programs: pd.DataFrame | None = None,
) -> str:
    """Return the scoreboard in Markdown: counts, the rule, trends, each source, original programs."""
    parts = ["# What reproduces", f"This run: {protocol}. Sources: benchmarks/published/README.md."]
    parts += [typesetting.markdown(counts(table, programs).rename_axis("kind").reset_index().astype(str)), RULE]
    parts.append(typesetting.markdown(_summary(table).astype(str)))
    if trends is not None:
        parts += ["## Trends", tested.RULE, typesetting.markdown(_trends(trends))]
    for (paper, source), rows in table.groupby(["paper", "source"], sort=False):
        data = ", ".join(rows["dataset"].dropna().unique())
        parts += [f"## {paper}: {source}{f' ({data})' if data else ''}", typesetting.markdown(_cells(rows))]
        parts += [f"    {command}" for command in rows["command"].unique()]
    if programs is not None:
        parts += _programs(programs)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the number of each verdict by paper and source, and of all."""
    found = table.groupby(["paper", "source"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    found = found.reindex(columns=list(VERDICTS), fill_value=0)
    total = found.sum().to_frame(("all", "")).T
    return pd.concat([found, total]).rename_axis(["paper", "source"]).reset_index()


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of one source as text, sorted by verdict."""
    rows = rows.sort_values("verdict", key=lambda column: column.map(VERDICTS.index), kind="stable")
    shown = rows.drop(columns=["paper", "source", "protocol", "dataset", "command"]).dropna(axis="columns", how="all")
    shown = shown.assign(published=[f"{value:g}" for value in rows["published"]])
    for name in NUMBERS:
        if name in shown:
            shown[name] = ["" if math.isnan(value) else f"{value:.4g}" for value in shown[name]]
    for name in ("exit", "n"):
        if name in shown:
            shown[name] = shown[name].astype("Int64")
    return shown.astype(object).where(shown.notna(), "").astype(str)


def _trends(trends: pd.DataFrame) -> pd.DataFrame:
    shown = trends.assign(p_value=["" if math.isnan(p) else f"{p:.2g}" for p in trends["p_value"]])
    shown = shown.sort_values("verdict", key=lambda column: column.map(tested.VERDICTS.index), kind="stable")
    return shown.astype(object).where(shown.notna(), "").astype(str)


def _programs(programs: pd.DataFrame) -> list[str]:
    """Return the section of what original programs gave: counts by program, and what is missing."""
    found = programs.groupby("source", sort=False)["verdict"].value_counts().unstack(fill_value=0)
    found = found.reindex(columns=[name for name in VERDICTS if name != "other data"], fill_value=0)
    others = programs[programs["verdict"] != "reproduced"]
    groups = others.groupby(["source", "verdict", "note", "command"], sort=False).size().rename("numbers").reset_index()
    commands = [f"    {command}" for command in programs["command"].unique()]
    parts = [f"## {PROGRAMS.capitalize()}", typesetting.markdown(found.reset_index().astype(str)), *commands]
    return [*parts, typesetting.markdown(groups.astype(str))] if len(groups) else parts
