"""Table 1: PSNR gain of every method at every quality of every compressor, the paper's values beside ours."""

import math
from typing import Any

import pandas as pd

from qebench.common import published
from qebench.common.published import IN_THE_PAPER
from qebench.common.ranking import rank
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import AVERAGE, Results, qualities

KEYS = ["compressor", "quality"]


def tabulate(results: Results) -> pd.DataFrame:
    """Return compressor, quality, then per method its gain in dB, the paper's and ours less that (`<method>_...`).

    Gains are means over images of the PSNR gain on unrounded output, as the paper's code measures it, with early exit
    for multi-exit methods. Each compressor ends with the row "ave.", the mean over its qualities, beside which the
    paper's stands only if it is over the same ones.
    """
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    gains = early_exit.stopped(gains, early_exit.chosen(results.measurements, results.thresholds))
    means = gains.groupby(["compressor", "quality", "method"], sort=False)["value"].mean()
    papers = published.read("eccv2020").query("source == 'Table 1'")
    papers = papers.set_index(["compressor", "quality", "method"])["value"]

    rows = []
    for compressor, levels in qualities(results.measurements).items():
        named = IN_THE_PAPER.get(compressor, compressor)
        equal = published.averages(named, levels)  # of other qualities, averages say nothing about each other
        for quality in [*levels, AVERAGE]:
            row: dict[str, Any] = {"compressor": compressor, "quality": quality}
            for method in (name for name in results.methods if name in means.index.unique("method")):
                over = levels if quality == AVERAGE else [quality]
                gain = sum(means.get((compressor, level, method), math.nan) for level in over) / len(over)
                row[method] = round(float(gain), 3)
                told = quality != AVERAGE or equal
                paper = papers.get((named, str(quality), method), math.nan) if told else math.nan
                row |= {f"{method}_paper": paper, f"{method}_difference": round(row[method] - paper, 3)}
            rows.append(row)
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every method's gain among those of its row."""
    ours, _ = parts(frame)
    return rank(frame[ours].drop(columns=KEYS).T).T


def parts(frame: pd.DataFrame) -> list[list[str]]:
    """Return the columns of our gains, and those of the paper's with the differences."""
    papers = [name for name in frame if name.endswith(("_paper", "_difference"))]
    return [[name for name in frame if name not in papers], [*KEYS, *papers]]


def note(results: Results) -> str:
    """Return what a reader must know to compare: data, unit, protocol."""
    return (
        f"PSNR gain in dB (unrounded output), mean over n = {results.image_count} images of {results.datasets}; "
        f"{results.protocol}; multi-exit methods with early exit. Confidence intervals and tests are in intervals.md. "
        "The columns of the paper (RBQE, ECCV 2020, Table 1) are of other images than these, 1,000 of RAISE, with HM "
        "16.5 as encoder of HEVC: compare signs and order. Differences are ours less the paper's."
        f"{measurements.identical(results.measurements)}"
    )
