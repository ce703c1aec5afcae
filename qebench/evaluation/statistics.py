"""How sure a mean over images is, and whether two methods differ on the same images."""

import math
from itertools import combinations

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 9_999
MEMORY = 1_000_000  # values that are resampled at once; the result does not depend on it
SEED = 0  # the same interval in every run


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % confidence interval of the mean by bootstrap, bias-corrected and accelerated; NaN for one value.

    Efron, Better Bootstrap Confidence Intervals, JASA 1987, as scipy has it.
    """
    from scipy import stats

    if len(values) < 2:
        return math.nan, math.nan
    if np.ptp(values) == 0:  # no resample differs, and the correction would divide by zero
        return float(values[0]), float(values[0])
    rng, batch = np.random.default_rng(SEED), max(1, MEMORY // len(values))
    options = {"n_resamples": RESAMPLES, "batch": batch, "confidence_level": CONFIDENCE, "rng": rng}
    found = stats.bootstrap((values,), np.mean, **options)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def place_intervals(values: np.ndarray) -> np.ndarray:
    """Return the 95 % confidence intervals (methods, 2) of the places of methods, given `values` (images, methods).

    Place 1 has the highest mean; equal means share a place. The images are resampled for all methods alike, and an
    interval leaves out 2.5 % of the places on each side (percentile bootstrap).
    """
    from scipy import stats

    count, methods = values.shape
    rng, batch = np.random.default_rng(SEED), max(1, MEMORY // max(count, methods))
    parts = []
    for start in range(0, RESAMPLES, batch):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(batch, RESAMPLES - start))
        means = (drawn @ values / count).round(12)  # sums of equal values may differ in their last digit
        parts.append(stats.rankdata(-means, method="dense", axis=1))
    ends = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    return np.quantile(np.concatenate(parts), ends, axis=0, method="inverted_cdf").T.astype(int)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number, in their order; NaN stays so.

    Those under a level are then all true with at least that certainty (Holm, A Simple Sequentially Rejective Multiple
    Test Procedure, Scandinavian Journal of Statistics 1979).
    """
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def p_value(differences: np.ndarray) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test on paired differences; NaN for fewer than two.

    Gains are skewed and a few images decide a mean, so the test goes by ranks and not by a normal distribution. Images
    without a difference are left out (Wilcoxon, Individual Comparisons by Ranking Methods, Biometrics 1945); with
    none left the p-value is 1.
    """
    from scipy import stats

    if len(differences) < 2:
        return math.nan
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def pairwise(values: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return all pairs of methods and the p-value of each, not corrected, given `values` (images, methods)."""
    pairs = [*combinations(range(values.shape[1]), 2)]
    return pairs, np.array([p_value(values[:, one] - values[:, two]) for one, two in pairs])


def smallest_p(images: int, pairs: int) -> float:
    """Return the smallest corrected p-value that any of `pairs` can have: all differences are of one sign.

    2 of the 2^n signs of n differences are as extreme, and Holm's first step multiplies by the number of pairs.
    """
    return min(1.0, 2.0 ** (1 - images) * pairs)
