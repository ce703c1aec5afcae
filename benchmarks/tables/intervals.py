"""How sure the gains are: 95 % confidence intervals over images, and a paired test against the best other method.

The gains are those of tables 1, 2 and 3 and of generalization: with early exit, and of each exit forced on all images.
"""

import math
from collections.abc import Iterator

import pandas as pd

from qebench.evaluation import early_exit, measurements, statistics
from qebench.evaluation.results import AVERAGE, Results, qualities

METRICS = {"psnr_unrounded": ("delta_psnr", 3), "ssim": ("delta_ssim", 4)}  # with the decimals of their gains
POINT = ["method", "trained_on", "exit"]
EARLY = "early"  # in place of an exit
COLUMNS = ["compressor", "quality", *POINT, "metric", "n", "mean", "low", "high", "rival", "difference", "p"]


def tabulate(results: Results) -> pd.DataFrame:
    """Return COLUMNS, the numbers as text.

    low and high bound the mean over n images with 95 % confidence. rival is the method (with the compressor that its
    weights are for, if that is another) whose mean is the best of all others, so for the best method the runner-up;
    difference is the mean less the rival's, and p its significance over the same images. Methods of several exits are
    rivals with early exit. exit is empty for methods of one.

    Rows of quality "ave." are of each image's mean over the compressor's qualities.
    """
    rows = []
    for metric in [name for name in METRICS if name in set(results.all_measurements["metric"])]:
        gains = _gains(results, metric)
        if gains.empty:  # nothing but the decoded images was measured
            continue
        for compressor, levels in qualities(results.all_measurements).items():
            if compressor not in gains.index.unique("compressor"):
                continue
            wide = gains.loc[compressor]
            by_image = wide.groupby(level=["dataset", "image"], sort=False)
            for quality in [*levels, AVERAGE]:
                columns = by_image.mean() if quality == AVERAGE else wide.loc[quality]
                rows += [
                    {"compressor": compressor, "quality": quality} | row
                    for row in _rows(columns.dropna(axis="columns"), metric, compressor)
                ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _gains(results: Results, metric: str) -> pd.DataFrame:
    """Return gains with a row per compressor, quality, data set and image, and a column per POINT."""
    gains = measurements.gains(results.all_measurements, metric)
    exits = early_exit.chosen(results.all_measurements, results.thresholds)
    several = gains["method"].isin(exits["method"])
    early = early_exit.taken(gains, exits).assign(exit=EARLY)
    labels = gains["exit"].astype(str).where(several, "")
    points = pd.concat([early, gains.assign(exit=labels)])
    wide = points.pivot(index=["compressor", "quality", "dataset", "image"], columns=POINT, values="value")
    return wide[
        sorted(wide.columns, key=lambda point: results.methods.index(point[0]))
    ]  # stable: exits keep their order


def _rows(gains: pd.DataFrame, metric: str, compressor: str) -> Iterator[dict[str, object]]:
    """Yield the rows of one compressor and quality; `gains` has a row per image and a column per POINT."""
    name, decimals = METRICS[metric]
    means = gains.mean()
    rivals = means[means.index.get_level_values("exit").isin(["", EARLY])]
    for point, mean in means.items():
        low, high = statistics.interval(gains[point].to_numpy())
        numbers = {"mean": mean, "low": low, "high": high}
        others = rivals[[other[:2] != point[:2] for other in rivals.index]]
        rival, p = "", math.nan
        if len(others):
            best = others.idxmax()
            rival = "_".join(best[:2]) if best[1] not in ("", compressor) else best[0]
            differences = (gains[point] - gains[best]).to_numpy()
            numbers["difference"], p = differences.mean(), statistics.p_value(differences)
        texts = {key: _text(value, f".{decimals}f") for key, value in numbers.items()}
        row = dict(zip(POINT, point, strict=True)) | {"metric": name, "n": len(gains)} | texts
        yield row | {"rival": rival, "difference": texts.get("difference", ""), "p": _text(p, ".2g")}


def _text(value: float, form: str) -> str:
    """Return a number as text: PSNR and SSIM, in one column, have their own decimals."""
    return "" if math.isnan(value) else f"{value:z{form}}"  # z: no -0


def note(results: Results) -> str:
    """Return what a reader must know: the statistics, data, unit, protocol."""
    rows = results.all_measurements
    return (
        "Gains: PSNR in dB (unrounded output) and SSIM (8-bit picture), means over n images; "
        f"n = {rows['image'].nunique()} images of {', '.join(rows['dataset'].unique())}; {results.protocol}. "
        f"low and high: 95 % confidence interval by bootstrap over images (BCa, {statistics.RESAMPLES:,} resamples, "
        f"seed {statistics.SEED}). rival: the best other method, so the runner-up in the rows of the best; difference: "
        "gain less the rival's; p: two-sided Wilcoxon signed-rank test of that over the images (paired; by ranks, for "
        "gains are skewed), without correction for the number of tests."
        f"{measurements.identical(results.all_measurements)}"
    )
