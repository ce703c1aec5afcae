"""How sure a mean over images is, and whether two methods differ on the same images."""

import math

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
