"""Generalisation: the PSNR gain of every method on every compressor, with the weights for each compressor."""

import pandas as pd

from qebench.common.ranking import rank
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import AVERAGE, Results, qualities


def tabulate(results: Results) -> pd.DataFrame:
    """Return compressor, quality, then the gain in dB of each method with each weights (`<method>_<compressor>`).

    A method without weights has one column, named by itself. Gains are as in table 1; so is the row "ave." that ends
    each compressor.
    """
    means = _means(results)
    rows = []
    for compressor, levels in qualities(results.all_measurements).items():
        gains = means.reindex(pd.MultiIndex.from_product([[compressor], levels], names=means.index.names)).loc[
            compressor
        ]
        for quality in [*levels, AVERAGE]:
            line = gains.mean() if quality == AVERAGE else gains.loc[quality]
            names = {_name(*column): round(float(gain), 3) for column, gain in line.items()}
            rows.append({"compressor": compressor, "quality": quality} | names)
    return pd.DataFrame(rows)


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every gain among those of its row."""
    return rank(frame.drop(columns=["compressor", "quality"]).T).T


def marked(results: Results) -> pd.DataFrame:
    """Return which cells of the table are native: gains with the weights for that compressor."""
    frame = tabulate(results)
    native = {_name(*column): frame["compressor"] == column[1] for column in _means(results).columns}
    return pd.DataFrame(native, index=frame.index).reindex(columns=frame.columns, fill_value=False)


def _means(results: Results) -> pd.DataFrame:
    """Return mean gains over images, by compressor and quality, with columns (method, trained_on)."""
    gains = measurements.gains(results.all_measurements, "psnr_unrounded")
    gains = early_exit.stopped(gains, early_exit.chosen(results.all_measurements, results.thresholds))
    keys = ["compressor", "quality", "method", "trained_on"]
    means = gains.groupby(keys, sort=False)["value"].mean().unstack(["method", "trained_on"])
    return means[[column for method in results.methods for column in means.columns if column[0] == method]]


def _name(method: str, trained_on: str) -> str:
    return f"{method}_{trained_on}" if trained_on else method


def note(results: Results) -> str:
    """Return what a reader must know to compare: data, unit, weights, thresholds, protocol."""
    rows = results.all_measurements  # there may be no native ones
    compressors = (name for name in rows["trained_on"].unique() if name)
    used = results.named_thresholds(compressors)
    return (
        f"PSNR gain in dB (unrounded output), mean over n = {rows['image'].nunique()} images of "
        f"{', '.join(rows['dataset'].unique())}; {results.protocol}. Columns: method and the compressor that its "
        "weights are for (†: that of the row). Multi-exit methods with early exit, IQAM block size and threshold being "
        f"those of the compressor that the weights are for ({used}). Confidence intervals and tests: intervals.md."
        f"{measurements.identical(rows)}"
    )
