"""Overview: the leaderboards of all codecs side by side, a row per method, short enough for a page.

Methods of several exits stand there twice, at their last exit and with early exit, as in the leaderboard.
"""

import pandas as pd

from benchmarks.tables import leaderboard
from qebench.common import ranking, typesetting
from qebench.cost import BUSY
from qebench.evaluation import measurements
from qebench.evaluation.results import Results

KEYS = ["method", "early_exit"]
COSTS = {"gmacs": ".2f", "latency_ms": ".1f"}


def tabulate(results: Results) -> pd.DataFrame:
    """Return KEYS, per compressor delta_psnr, interval and places, and COSTS, in the order of the first compressor.

    delta_psnr is the mean gain in dB; interval and places are its 95 % interval and that of its place, as text. COSTS
    are text, too: one number, or one for each compressor where early exit makes them differ.
    """
    board = leaderboard.tabulate(results)
    board = board[board["origin"] == leaderboard.HERE]
    board = board.assign(
        interval=[f"{low:.3f} to {high:.3f}" for low, high in board[["delta_psnr_low", "delta_psnr_high"]].to_numpy()],
        places=[
            f"{low}" if low == high else f"{low} to {high}"
            for low, high in board[["place_low", "place_high"]].to_numpy()
        ],
    )
    found = board[KEYS].drop_duplicates().set_index(KEYS)
    for compressor, own in board.groupby("compressor", sort=False):
        columns = own.set_index(KEYS)[["delta_psnr", "interval", "places"]]
        found = found.join(columns.add_suffix(f"_{compressor}"))
    for cost, form in COSTS.items():
        numbers = board.dropna(subset=cost).groupby(KEYS, sort=False)[cost]
        found[cost] = numbers.agg(lambda each, form=form: " / ".join(dict.fromkeys(f"{one:{form}}" for one in each)))
    return found.reset_index()


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every gain in its column."""
    return ranking.rank(frame.filter(like="delta_psnr_"))


def marked(results: Results) -> pd.DataFrame:
    """Return whether the machine was busy when a latency was measured."""
    frame, latency = tabulate(results), results.latency
    busy = latency.loc[latency["busy_cores"].astype(float) > BUSY, "method"] if "busy_cores" in latency else []
    return pd.DataFrame({"latency_ms": frame["method"].isin(busy)})


def note(results: Results) -> str:
    """Return what a reader must know: data, units, protocol."""
    devices = leaderboard.tabulate(results)["device"].unique()
    return (
        f"delta_psnr: PSNR gain in dB (unrounded output), mean over n = {results.image_count} images of "
        f"{results.datasets} and all qualities of a codec; {results.protocol}. interval, places: 95 % confidence by "
        "bootstrap over images. gmacs, latency_ms: one 512x512 image, float32, of each codec's images where early exit "
        f"makes that differ; {'; '.join(devices)}. {typesetting.MARK}: measured while others kept more than {BUSY} "
        "cores at work, thus too long. The statistics, tests and further columns: leaderboard.md, pairwise.md."
        f"{measurements.identical(results.measurements)}"
    )
