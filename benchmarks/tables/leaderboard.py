"""Leaderboard: per data set and codec all methods by gain, how sure their places are, what they cost.

Methods of several exits stand there twice, at their last exit and with early exit, as in table 2. Our own data set
comes first. Boards of other data sets follow, of results that are kept in benchmarks/measured/. Where others measured
the same as one of these (benchmarks/contributed/ or kept), they have rows in its board.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.tables import table2
from qebench.common import ranking
from qebench.cost import BUSY
from qebench.evaluation import early_exit, measurements, statistics
from qebench.evaluation.results import Results

BOARD = ["dataset", "compressor"]
KEYS = [*BOARD, "place", "method", "early_exit", "origin"]
ENTRY = ["origin", "method", "early_exit"]
GAINS = ["place_low", "place_high", "n", "delta_psnr", "delta_psnr_low", "delta_psnr_high", "p", "as_good_as_first"]
MEASURED = ["gmacs", "latency_ms", "peak_mb", "device", "busy_cores"]  # of table 2
COSTS = [*MEASURED, "million_pixels", "pareto_gmacs", "pareto_latency"]
HERE = "here"  # the origin of our own results
SURE = 0.05  # corrected p-values from here on tell nothing apart


def tabulate(results: Results) -> pd.DataFrame:
    """Return KEYS, GAINS and COSTS with a row per board and entry, the highest gain of a board first.

    A board is a data set and a compressor. delta_psnr is the mean over images of the PSNR gain in dB, of each image the
    mean over the compressor's qualities; low and high bound it, and the place, with 95 % confidence. p is corrected
    (Holm) for all pairs of the board; as_good_as_first is "yes" where it tells no difference. Costs are those of table
    2, but with early exit of the board's images alone; million_pixels is what the training of the weights saw.

    A method without measurements at one of the qualities is left out there.
    """
    everyone = {HERE: results} | results.kept | results.contributed
    exits = {origin: early_exit.chosen(each.measurements, each.thresholds) for origin, each in everyone.items()}
    boards = [pd.DataFrame(columns=[*KEYS, *GAINS, *COSTS])]
    for key, wide in _boards(everyone):
        board = _judge(wide.groupby(level="image", sort=False).mean()).join(_costs(everyone, exits, wide))
        board[BOARD] = key
        boards.append(_front(board).sort_values("place", kind="stable").reset_index())
    return pd.concat(boards[1:] or boards, ignore_index=True)[[*KEYS, *GAINS, *COSTS]]


def _boards(everyone: dict[str, Results]) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Yield each BOARD with gains, a row per image and quality and a column per entry.

    The images and qualities are those of the first who measured the board. Who lacks one of them is left out.
    """
    found: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    for origin, results in everyone.items():
        gains = dict(iter(entry_gains(results).groupby(level=BOARD)))
        for key in results.measurements[BOARD].drop_duplicates().itertuples(index=False, name=None):
            if key in gains:
                found.setdefault(key, {})[origin] = gains[key]
    for key, parts in found.items():
        index = next(iter(parts.values())).index
        same = {origin: gains.reindex(index) for origin, gains in parts.items()}
        yield key, pd.concat(same, axis="columns", names=["origin"]).dropna(axis="columns")


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


def _costs(everyone: dict[str, Results], exits: dict[str, pd.DataFrame], gains: pd.DataFrame) -> pd.DataFrame:
    """Return what each entry of a board costs, given its gains as of `_boards` and all `exits` that images take."""
    rows: list[dict[str, Any]] = []
    for origin, method, early in gains.columns:
        results, taken = everyone[origin], exits[origin].set_index(gains.index.names)
        own = taken[taken.index.isin(gains.index) & (taken["method"] == method)]
        cost = table2.cost(results, method, own if early == "yes" else None)
        seen = _million_pixels(results.records, gains.index.unique("compressor")[0], method)
        rows.append({name: cost[name] for name in MEASURED} | {"million_pixels": seen})
    costs = pd.DataFrame(rows, index=gains.columns)
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
    """Return a board with whether each entry is on the Pareto front of gain over GMACs, and over one device's time."""
    board["pareto_gmacs"] = _on_front(board["gmacs"], board["delta_psnr"])
    times = [_on_front(rivals["latency_ms"], rivals["delta_psnr"]) for _, rivals in board.groupby("device")]
    return board.assign(pareto_latency=pd.concat(times))


def _on_front(cost: pd.Series, gain: pd.Series) -> pd.Series:
    """Return "yes" for entries on the Pareto front of gain over cost, else "no"; "" where the cost is not known.

    The decoded image, which costs and gains nothing, is a rival.
    """
    points = pd.DataFrame({"cost": cost, "gain": gain}).dropna()
    front = ranking.pareto(points[points["gain"] > 0]).index
    words = ["yes" if entry in front else "no" if entry in points.index else "" for entry in cost.index]
    return pd.Series(words, cost.index)


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the places of gains and costs in their board, of latency and memory among those of one device."""
    found = ranking.rank(frame[["delta_psnr"]], frame[BOARD])
    found = found.join(ranking.rank(frame[["gmacs"]], frame[BOARD], highest=False))
    return found.join(ranking.rank(frame[["latency_ms", "peak_mb"]], frame[[*BOARD, "device"]], highest=False))


def parts(frame: pd.DataFrame) -> list[list[str]]:
    """Return the columns of gains with their certainty, and those of costs."""
    return [[*KEYS, *GAINS], [*KEYS, *COSTS]]


def note(results: Results) -> str:
    """Return what a reader must know: the statistics, data, units, protocol, and what is kept from elsewhere."""
    return (
        "PSNR gain in dB (unrounded output), mean over the images of a data set (here n = "
        f"{results.image_count} images of {results.datasets}), of each the mean over the codec's qualities; "
        f"{results.protocol}. low and high: 95 % confidence intervals by bootstrap over images, of "
        f"gains BCa, of places percentiles ({statistics.RESAMPLES:,} resamples, seed {statistics.SEED}). p: against "
        "the first, two-sided Wilcoxon signed-rank test over the images, corrected by Holm for all pairs of the codec "
        f"and data set; as_good_as_first: not told apart from the first at {SURE}. With few images even a clear "
        "difference is not. gmacs, latency_ms, peak_mb (memory at its peak beyond what was in use before, 10^6 bytes): "
        "one 512x512 image, float32, as in table2.md; busy_cores: those that other work kept busy meanwhile, more than "
        f"{BUSY} make the latency too long. million_pixels: what the training run of the weights saw, without that of "
        "weights it started from. pareto: no other entry costs at most as much and gains more, in GMACs, or in "
        f"milliseconds on its device. Early exit at the IQAM thresholds {results.named_thresholds()}{_kept(results)}"
        f"{measurements.identical(results.measurements)}"
    )


def _kept(results: Results) -> str:
    """Return the end of the sentence on thresholds, with other ones of others, and what else is said of them."""
    others = {origin: each for origin, each in (results.kept | results.contributed).items() if len(each.measurements)}
    ends = []
    for origin, each in others.items():
        used = each.measurements["compressor"].unique()
        unlike = [
            name for name in used if name in each.thresholds and each.thresholds[name] != results.thresholds.get(name)
        ]
        ends += [f"; in {origin} {each.named_thresholds(unlike)}"] if unlike else []
    origins = [f"origin: {HERE}, this run, or a file of benchmarks/measured or of others."] if others else []
    return f"{''.join(ends)}. {' '.join([*origins, *results.left_out])}".rstrip()
