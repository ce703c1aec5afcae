"""Pairwise: per codec every two methods on the same images, how far apart they are and how sure that is.

Methods of several exits stand there twice, at their last exit and with early exit, as in the leaderboard.
"""

from itertools import combinations

import pandas as pd

from benchmarks.tables.leaderboard import SURE, entry_gains
from qebench.evaluation import measurements, statistics
from qebench.evaluation.results import Results, qualities

COLUMNS = [
    *("compressor", "method", "early_exit", "rival", "rival_early_exit"),
    *("n", "difference", "low", "high", "won", "p", "p_holm"),
]


def tabulate(results: Results) -> pd.DataFrame:
    """Return COLUMNS with a row per compressor and pair; `method` has the higher mean gain, and the best come first.

    difference is the mean over n images of the method's PSNR gain less the rival's in dB, of each image the mean over
    the compressor's qualities; low and high bound it with 95 % confidence. won is the share of images, in per cent,
    on which the method gains more. p is that of the differences, p_holm corrected for all pairs of the compressor.

    A method without measurements at one of the qualities is left out there.
    """
    rows = []
    for compressor, gains in image_gains(results).items():
        values = gains.to_numpy()
        _, p_values = statistics.pairwise(values)
        for (one, two), p, corrected in zip(
            combinations(range(len(gains.columns)), 2), p_values, statistics.holm(p_values), strict=True
        ):
            differences = values[:, one] - values[:, two]
            low, high = statistics.interval(differences)
            row = {"compressor": compressor, "n": len(differences), "difference": round(differences.mean(), 3)}
            row |= dict(zip(COLUMNS[1:5], (*gains.columns[one], *gains.columns[two]), strict=True))
            row |= {"low": round(low, 3), "high": round(high, 3), "won": round(100 * (differences > 0).mean(), 1)}
            rows.append(row | {"p": float(f"{p:.2g}"), "p_holm": float(f"{corrected:.2g}")})
    return pd.DataFrame(rows, columns=COLUMNS)


def image_gains(results: Results) -> dict[str, pd.DataFrame]:
    """Return per compressor a row per image and a column per method and early_exit, the highest mean gain first.

    Of each image it is the mean over the compressor's qualities, in dB.
    """
    gains, found = entry_gains(results), {}
    for compressor in qualities(results.measurements):
        if compressor in gains.index.unique("compressor"):
            wide = gains.loc[compressor].dropna(axis="columns")
            means = wide.groupby(level=["dataset", "image"], sort=False).mean()
            found[compressor] = means[means.mean().sort_values(ascending=False, kind="stable").index]
    return found


def note(results: Results) -> str:
    """Return what a reader must know: the statistics, data, unit, protocol."""
    return (
        "difference: PSNR gain of the method less the rival's in dB (unrounded output), mean over "
        f"n = {results.image_count} images of {results.datasets}, of each the mean over the codec's qualities; "
        f"{results.protocol}. low and high: 95 % confidence interval by bootstrap over images (BCa, "
        f"{statistics.RESAMPLES:,} resamples, seed {statistics.SEED}). won: per cent of the images on which the method "
        "gains more. p: two-sided Wilcoxon signed-rank test over the images; p_holm: corrected by Holm for all pairs "
        f"of the codec. {few(results)}Early exit at the IQAM thresholds {results.named_thresholds()}."
        f"{measurements.identical(results.measurements)}"
    )


def few(results: Results) -> str:
    """Return a sentence on compressors with so few images that the tests tell no pair apart, "" if there is none."""
    for gains in image_gains(results).values():
        images, entries = gains.shape
        pairs = entries * (entries - 1) // 2
        smallest = statistics.smallest_p(images, pairs)
        if smallest >= SURE and pairs:
            return (
                f"With {images} images p_holm is at least {smallest:.2g} for {pairs} pairs, even if a method wins on "
                "all images: the tests tell none apart, and only the intervals say how sure a difference is. "
            )
    return ""
