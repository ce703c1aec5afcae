"""The paper's orderings on our pictures, each with the number of pictures and a p-value.

Digits need the authors' pictures and weights; an order does not. Every trend is a chain of one-sided comparisons of the
same pictures, one between each two neighbours (Wilcoxon's signed-rank test). It holds if every mean is in the paper's
order and the largest p-value of the chain is under ALPHA, which keeps the chance of a false "holds" at ALPHA whatever
the length of the chain (Berger, "Multiparameter Hypothesis Testing and Acceptance Sampling", Technometrics 1982).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from qebench.common import published
from qebench.common.published import IN_THE_PAPER
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import Results

ALPHA = 0.05
VERDICTS = ("holds", "undecided", "contrary", "not run")
COLUMNS = ["trend", "source", "dataset", "compressor", "n", "means", "p_value", "verdict", "note"]
HEVC = ("hm", "hevc")  # the paper's encoder first
RULE = f"""\
Trends: orders that the paper shows, tested on our pictures. **holds**: all means are in that order, and p, the \
largest of one-sided Wilcoxon signed-rank tests between neighbours, is under {ALPHA}; **undecided**: the order is \
right, but p is not; **contrary**: a mean is out of order; **not run**: with what is missing. n: pictures."""


def judge(results: Results) -> pd.DataFrame:
    """Return COLUMNS, one row for each trend and compressor or method."""
    rows = [
        *_first_of_all(results),
        *_gmacs_rise(results),
        *_scores_fall(results),
        *_jpeg_gains_more(results),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def p_value(chain: pd.DataFrame) -> float:
    """Return the largest one-sided p-value between neighbouring columns, of which the right one is to be the larger.

    The rows are pictures; those with equal values are left out of a comparison. NaN for fewer than two
    pictures or columns.
    """
    from scipy import stats

    if min(chain.shape) < 2:
        return float("nan")
    differences = [(chain[right] - chain[left]).to_numpy() for left, right in pairwise(chain)]
    return max(
        float(stats.wilcoxon(each, alternative="greater").pvalue) if np.any(each) else 1.0 for each in differences
    )


def _row(
    trend: str,
    source: str,
    results: Results,
    compressor: str,
    chain: pd.DataFrame,
    note: str = "",
    p: float | None = None,
) -> list:
    """Return a row of COLUMNS of pictures whose values are to rise along the columns; `p` is `p_value` by default."""
    means, p = chain.mean(), p_value(chain) if p is None else p
    ordered = all(right > left for left, right in pairwise(means))
    verdict = "contrary" if not ordered else "holds" if p < ALPHA else "undecided"
    shown = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
    return [trend, source, results.datasets, compressor, len(chain), shown, p, verdict, note]


def _missing(trend: str, source: str, results: Results, compressor: str, note: str) -> list:
    return [trend, source, results.datasets, compressor, 0, "", float("nan"), "not run", note]


def _gains(results: Results) -> pd.DataFrame:
    """Return the gain of every image in dB, with early exit where there are several."""
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    return early_exit.stopped(gains, early_exit.chosen(results.measurements, results.thresholds))


def _first_of_all(results: Results) -> Iterator[list]:
    """RBQE gains most of the paper's methods, at each quality (Table 1)."""
    source = "Table 1"
    papers = published.read("eccv2020").query("source == @source")
    rivals = [name for name in papers["method"].unique() if name != "rbqe" and name in results.methods]
    gains = _gains(results)
    for compressor, quality in gains[["compressor", "quality"]].drop_duplicates().itertuples(index=False):
        if IN_THE_PAPER.get(compressor, compressor) not in set(papers["compressor"]):
            continue
        trend = f"RBQE gains most at {quality}"
        wide = gains.query("compressor == @compressor and quality == @quality").pivot(
            index="image", columns="method", values="value"
        )
        if "rbqe" not in wide or not rivals:
            yield _missing(trend, source, results, compressor, "name rbqe and others of Table 1 under methods")
            continue
        pairs = [wide[[rival, "rbqe"]] for rival in rivals]
        closest = max(pairs, key=lambda pair: (pair.iloc[:, 0] - pair["rbqe"]).mean())
        note = f"of {', '.join(rivals)}: the closest is shown; trainings are not equal"
        yield _row(trend, source, results, compressor, closest, note, max(map(p_value, pairs)))


def _gmacs_rise(results: Results) -> Iterator[list]:
    """Early exit of RBQE takes more arithmetic the worse the quality (Fig. 5a: QP 22 to 42)."""
    trend, source = "early exit's GMACs rise with QP", "Fig. 5a"
    exits = early_exit.chosen(results.measurements, results.thresholds).query("method == 'rbqe'")
    compressor = _hevc(exits)
    if compressor is None:
        yield _missing(trend, source, results, "hevc", "name rbqe and hevc in the config")
        return
    cost = results.complexity.query("method == 'rbqe'").set_index("exit")["gmacs_paper"]
    exits = exits[exits["compressor"] == compressor]
    spent = exits.assign(value=exits["exit"].map(cost))
    yield _row(trend, source, results, compressor, _by_quality(spent), "paper's accounting, thresholds of this run")


def _scores_fall(results: Results) -> Iterator[list]:
    """The quality score of compressed pictures falls with QP (Fig. 3)."""
    trend, source = "IQAM of compressed pictures falls with QP", "Fig. 3"
    scores = results.measurements.query("method == 'decoded' and metric == 'iqam'")
    compressor = _hevc(scores)
    if compressor is None:
        yield _missing(trend, source, results, "hevc", "name hevc in the config")
        return
    falling = _by_quality(scores[scores["compressor"] == compressor])
    yield _row(trend, source, results, compressor, falling[falling.columns[::-1]])


def _jpeg_gains_more(results: Results) -> Iterator[list]:
    """Every method of Table 1 gains more with JPEG than with HEVC, in the mean of the qualities."""
    trend, source = "gains of JPEG above those of HEVC", "Table 1"
    gains = _gains(results)
    compressor = _hevc(gains)
    methods = set(published.read("eccv2020").query("source == @source")["method"])
    for method in (name for name in results.methods if name in methods):
        means = gains[gains["method"] == method].groupby(["image", "compressor"])["value"].mean().unstack()
        if compressor is None or not {"jpeg", compressor} <= set(means):
            yield _missing(trend, source, results, "jpeg, hevc", f"{method}: name jpeg and hevc in the config")
            continue
        yield _row(trend, source, results, f"jpeg, {compressor}", means[[compressor, "jpeg"]], method)


def _by_quality(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the values of pictures (rows) by QP (columns), from the lowest."""
    return rows.pivot(index="image", columns="quality", values="value").sort_index(axis=1)


def _hevc(rows: pd.DataFrame) -> str | None:
    """Return the compressor that stands for the paper's HEVC, None if there is none."""
    return next((name for name in HEVC if name in set(rows["compressor"])), None)
