"""Double JPEG: the PSNR gain of every method on pictures saved twice, and how much less it is than on single JPEG."""

import pandas as pd

from qebench.common.ranking import rank
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import AVERAGE, Results, qualities

SINGLE = "jpeg"
DOUBLE = "double_jpeg"  # how the names of its compressors begin
FALL = "_fall"


def tabulate(results: Results) -> pd.DataFrame:
    """Return compressor, quality, then per method its gain in dB, and how much less that is than on single JPEG.

    A fall is the mean over images of the gain on single JPEG at the quality of the second file less that on double
    JPEG; single JPEG itself has none. Gains are as in table 1, with weights for JPEG or none; the row "ave." ends each
    compressor.

    Raises ValueError if single JPEG was not measured at the same qualities.
    """
    gains = _gains(results)
    if gains.empty:
        raise ValueError("this table needs a method that enhances: none was run")
    rows = []
    for compressor, levels in qualities(results.all_measurements).items():
        if compressor != SINGLE and not compressor.startswith(DOUBLE):
            continue
        columns = gains.loc[compressor]
        if compressor != SINGLE:
            known = ", ".join(map(str, levels))
            if SINGLE not in gains.index or not set(levels) <= set(gains.loc[SINGLE].index):
                raise ValueError(f"{compressor} is compared with {SINGLE}: give both the qualities {known}")
            columns = columns.join((gains.loc[SINGLE] - columns).add_suffix(FALL))
        for quality in [*levels, AVERAGE]:
            line = columns.loc[levels].mean() if quality == AVERAGE else columns.loc[quality]
            numbers = {str(name): round(float(value), 3) for name, value in line.items()}
            rows.append({"compressor": compressor, "quality": quality} | numbers)
    return pd.DataFrame(rows, columns=None if rows else ["compressor", "quality"])


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every gain among those of its row."""
    return rank(frame[[name for name in frame.columns[2:] if not name.endswith(FALL)]].T).T


def _gains(results: Results) -> pd.DataFrame:
    """Return mean gains over images, by compressor and quality, with a column per method."""
    rows = results.all_measurements
    rows = rows[rows["trained_on"].isin(["", SINGLE])]
    gains = measurements.gains(rows, "psnr_unrounded")
    gains = early_exit.stopped(gains, early_exit.chosen(rows, results.thresholds))
    means = gains.groupby(["compressor", "quality", "method"], sort=False)["value"].mean().unstack("method")
    return means[[method for method in results.methods if method in means]]


def note(results: Results) -> str:
    """Return what a reader must know to compare: data, unit, protocol."""
    rows = results.all_measurements
    return (
        f"PSNR gain in dB (unrounded output), mean over n = {rows['image'].nunique()} images of "
        f"{', '.join(rows['dataset'].unique())}; {results.protocol}. quality: that of the second file; the first and "
        f"its shift are in the settings of each compressor. {FALL.strip('_')}: how much less it is than the gain on "
        "single JPEG of that quality. Weights for JPEG; multi-exit methods with early exit at JPEG's threshold "
        f"({results.named_thresholds([SINGLE])}). Confidence intervals and tests: intervals.md."
    )
