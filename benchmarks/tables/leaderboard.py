"""Leaderboard: per codec all methods by gain, how sure their places are, what they cost, who is as good as the first.

Methods of several exits stand there twice, at their last exit and with early exit, as in table 2. Results of others
(benchmarks/contributed/) have rows among ours.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables import table2
from qebench.common import ranking
from qebench.evaluation import early_exit, measurements, statistics
from qebench.evaluation.results import Results, qualities

KEYS = ["compressor", "place", "method", "early_exit", "origin"]
ENTRY = ["origin", "method", "early_exit"]
GAINS = ["place_low", "place_high", "n", "delta_psnr", "delta_psnr_low", "delta_psnr_high", "p", "as_good_as_first"]
COSTS = ["gmacs", "latency_ms", "device", "million_pixels", "pareto_gmacs", "pareto_latency"]
HERE = "here"  # the origin of our own results
SURE = 0.05  # corrected p-values from here on tell nothing apart


def tabulate(results: Results) -> pd.DataFrame:
    """Return KEYS, GAINS and COSTS with a row per compressor and entry, the highest gain first.

    delta_psnr is the mean over images of the PSNR gain in dB, of each image the mean over the compressor's qualities;
    low and high bound it, and the place, with 95 % confidence. p is corrected (Holm) for all pairs of the compressor;
    as_good_as_first is "yes" where it tells no difference. Costs are those of table 2, but with early exit of the
    compressor's images alone; million_pixels is what the training of the weights saw.

    A method without measurements at one of the qualities is left out there.
    """
    everyone = {HERE: results} | results.contributed
    gains = pd.concat(
        {origin: entry_gains(each) for origin, each in everyone.items()}, axis="columns", names=["origin"]
    )
    boards = []
    for compressor in qualities(results.measurements):
        if compressor in gains.index.unique("compressor"):
            wide = gains.loc[compressor].dropna(axis="columns")
            by_image = wide.groupby(level=["dataset", "image"], sort=False).mean()
            board = _judge(by_image).join(_costs(everyone, compressor, list(wide)))
            board["compressor"] = compressor
            boards.append(_front(board).sort_values("place", kind="stable").reset_index())
    if not boards:
        return pd.DataFrame(columns=[*KEYS, *GAINS, *COSTS])
    return pd.concat(boards, ignore_index=True)[[*KEYS, *GAINS, *COSTS]]


def entry_gains(results: Results) -> pd.DataFrame:
    """Return gains with a row per compressor, quality, data set and image, and a column per method and early_exit."""
    gains = measurements.gains(results.measurements, "psnr_unrounded")
    early = early_exit.taken(gains, early_exit.chosen(results.measurements, results.thresholds))
    points = pd.concat([early_exit.last(gains).assign(early_exit="no"), early.assign(early_exit="yes")])
    wide = points.pivot(index=["compressor", "quality", "dataset", "image"], columns=ENTRY[1:], values="value")
    return wide[sorted(wide.columns, key=lambda entry: results.methods.index(entry[0]))]


def _judge(gains: pd.DataFrame) -> pd.DataFrame:
    """Return place and GAINS of each entry, given gains with a row per image and a column per entry."""
    values, means = gains.to_numpy(), gains.mean()
    places = ranking.rank(means.to_frame("place"))["place"].clip(lower=1)  # one alone has no place there
    first = int(places.to_numpy().argmin())
    pairs, p_values = statistics.pairwise(values)
    against = {sum(pair) - first: p for pair, p in zip(pairs, statistics.holm(p_values), strict=True) if first in pair}
    against[first] = math.nan
    bounds = np.array([statistics.interval(column) for column in values.T]).round(3)
    found = pd.DataFrame({"place": places, "n": len(gains), "delta_psnr": means.round(3)})
    found[["place_low", "place_high"]] = statistics.place_intervals(values)
    found[["delta_psnr_low", "delta_psnr_high"]] = bounds
    found["p"] = [float(f"{against[column]:.2g}") for column in range(len(found))]
    found["as_good_as_first"] = ["no" if against[column] < SURE else "yes" for column in range(len(found))]
    return found


def _costs(everyone: dict[str, Results], compressor: str, entries: list[tuple[str, str, str]]) -> pd.DataFrame:
    """Return what each entry costs on the images of a compressor."""
    rows: list[dict[str, Any]] = []
    taken = {origin: early_exit.chosen(each.measurements, each.thresholds) for origin, each in everyone.items()}
    for origin, method, early in entries:
        results, exits = everyone[origin], taken[origin]
        own = exits[(exits["method"] == method) & (exits["compressor"] == compressor)]
        cost = table2.cost(results, method, own if early == "yes" else None)
        seen = _million_pixels(results.records, compressor, method)
        rows.append({name: cost[name] for name in ("gmacs", "latency_ms", "device")} | {"million_pixels": seen})
    costs = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(entries, names=ENTRY))
    return costs.assign(million_pixels=costs["million_pixels"].round().astype("Int64"))


def _million_pixels(records: list[dict], compressor: str, method: str) -> float:
    """Return what a method's own weights for a compressor have seen in training; NaN if they do not say."""
    weights = [
        record["weights"]
        for record in records
        if (record["method"], record["compressor"]) == (method, compressor)
        and record.get("trained_on") == compressor
        and record["weights"]
    ]
    return float(weights[0].get("million_pixels", math.nan)) if weights else math.nan


def _front(board: pd.DataFrame) -> pd.DataFrame:
    """Return a board with whether each entry is on the Pareto front of gain over GMACs, and over milliseconds.

    The decoded image, which costs and gains nothing, is a rival. Where a cost is not known, neither is that.
    """
    for cost, column in (("gmacs", "pareto_gmacs"), ("latency_ms", "pareto_latency")):
        points = pd.DataFrame({"cost": board[cost], "gain": board["delta_psnr"]}).dropna()
        front = ranking.pareto(points[points["gain"] > 0]).index
        board[column] = ["yes" if entry in front else "no" if entry in points.index else "" for entry in board.index]
    return board


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the places of gains and costs among those of the same codec, of latency on one device."""
    found = ranking.rank(frame[["delta_psnr"]], frame[["compressor"]])
    found = found.join(ranking.rank(frame[["gmacs"]], frame[["compressor"]], highest=False))
    return found.join(ranking.rank(frame[["latency_ms"]], frame[["compressor", "device"]], highest=False))


def parts(frame: pd.DataFrame) -> list[list[str]]:
    """Return the columns of gains with their certainty, and those of costs."""
    return [[*KEYS, *GAINS], [*KEYS, *COSTS]]


def note(results: Results) -> str:
    """Return what a reader must know: the statistics, data, units, protocol."""
    return (
        f"PSNR gain in dB (unrounded output), mean over n = {results.image_count} images of {results.datasets}, of "
        f"each the mean over the codec's qualities; {results.protocol}. low and high: 95 % confidence intervals by "
        "bootstrap over images, of "
        f"gains BCa, of places percentiles ({statistics.RESAMPLES:,} resamples, seed {statistics.SEED}). p: against "
        "the first, two-sided Wilcoxon signed-rank test over the images, corrected by Holm for all pairs of the codec; "
        f"as_good_as_first: not told apart from the first at {SURE}. With few images even a clear difference is not. "
        "gmacs, latency_ms: one 512x512 image, float32, as in table2.md. million_pixels: what the training run of the "
        "weights saw, without that of weights it started from. pareto: no other entry costs at most as much and gains "
        f"more, in GMACs or milliseconds. Early exit at the IQAM thresholds {results.named_thresholds()}."
        f"{measurements.identical(results.measurements)}"
    )
