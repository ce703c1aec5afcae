"""Learned: an image goes on while a small regression expects more gain of it than it costs.

From the last exit back, ridge regression predicts from all that is known at an exit how much going on is worth, the
rule deciding at the exits after it: optimal stopping by least squares (F. A. Longstaff, E. S. Schwartz, Review of
Financial Studies 2001, 10.1093/rfs/14.1.113). The settings have the regression of each exit but the last.
"""

import numpy as np

from benchmarks.exit_rules import change
from qebench.networks.rules import PRICES, Evidence

USES = ("scores", "change", "quality", "bpp")
CALIBRATED = True
RIDGE = 0.1  # of the number of images, for features of variance 1


def choose(evidence: Evidence, settings: list[dict]) -> np.ndarray:
    """Return the exit reached where going on is worth nothing, else the next."""
    exit = evidence.exit
    if exit == 0:
        return np.ones(len(evidence), int)
    return np.where(_predict(settings[exit - 1], _features(evidence, exit)) > 0, exit + 1, exit)


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[list[dict]]:
    """Return the regressions at every price."""
    features = [_features(evidence, exit) for exit in range(1, len(cost))]
    return [_fit(features, gains - price * cost) for price in PRICES]


def _fit(features: list[np.ndarray], worth: np.ndarray) -> list[dict]:
    found: list[dict] = []
    later = worth[:, -1]
    for exit in range(len(features), 0, -1):
        here = worth[:, exit - 1]
        found.insert(0, _regression(features[exit - 1], later - here))
        later = np.where(_predict(found[0], features[exit - 1]) > 0, later, here)
    return found


def _features(evidence: Evidence, exit: int) -> np.ndarray:
    """Return (N, 2 exit + 2): scores and changes (dB) so far, quality, logarithm of the rate; NaN if unknown."""
    likeness = change.likeness(evidence)
    return np.column_stack([evidence.scores[:, :exit], likeness[:, :exit], evidence.quality, np.log2(evidence.bpp)])


def _regression(features: np.ndarray, target: np.ndarray) -> dict:
    """Return mean, weight and offset; a feature that is nowhere known has no weight."""
    known = ~np.isnan(features).all(axis=0)
    mean = np.where(known, np.nanmean(np.where(known, features, 0), axis=0), 0)
    centred = np.nan_to_num(features - mean)
    scale = np.maximum(centred.std(axis=0), 1e-9)
    scaled = centred / scale
    gram = scaled.T @ scaled + RIDGE * len(target) * np.eye(scaled.shape[1])
    weight = np.linalg.solve(gram, scaled.T @ (target - target.mean())) / scale
    return {"mean": mean.tolist(), "weight": weight.tolist(), "offset": float(target.mean())}


def _predict(regression: dict, features: np.ndarray) -> np.ndarray:
    """Return what going on is worth, dB; what is not known of an image counts as the mean."""
    centred = np.nan_to_num(features - np.array(regression["mean"]))
    return centred @ np.array(regression["weight"]) + regression["offset"]
