"""Quality: the exit is known beforehand, from the codec's quality alone, so no other head is computed.

The settings pair qualities with exits; a quality between takes the exit of the nearest, and an image of unknown quality
the last. PowerQE v1.0 fixes the exits 1 to 5 likewise for its five qualities.
"""

from itertools import product

import numpy as np

from qebench.networks.rules import PRICES, Evidence

USES = ("quality",)
CALIBRATED = True
MOST = 6  # qualities of which every choice is tried: with five exits 15,625
LOSSES = np.array([-np.inf, 0.0, *np.geomspace(1e-3, 0.3, len(PRICES) - 2)])  # dB, of the last exit's gain


def choose(evidence: Evidence, settings: list[list[float]]) -> np.ndarray:
    """Return the exit of the nearest quality."""
    known, exits = np.array(settings).T
    nearest = np.abs(evidence.quality[:, None] - known).argmin(axis=1)
    return np.where(np.isnan(evidence.quality), evidence.exit_count, exits[nearest]).astype(int)


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[list[list[float]]]:
    """Return for each of LOSSES the cheapest choice of exits that loses no more; of over MOST qualities, at each price.

    The latter leave out those choices that a mixture of two others beats.
    """
    known, places = np.unique(evidence.quality, return_inverse=True)
    share = np.bincount(places)[:, None] / len(places)
    means = share * np.array([gains[places == place].mean(axis=0) for place in range(len(known))])
    if len(known) > MOST:
        chosen = np.array([(means - price * share * cost).argmax(axis=1) for price in PRICES])
    else:
        chosen = _cheapest(means, share * cost, gains[:, -1].mean() - LOSSES)
    return [np.column_stack([known, 1 + exits]).tolist() for exits in chosen]


def _cheapest(gain: np.ndarray, cost: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return for each target the places (qualities,) in (qualities, exits) that cost least and sum to it, else most."""
    rows = np.arange(len(gain))
    every = np.array(list(product(range(gain.shape[1]), repeat=len(gain))))
    every = every[np.argsort(cost[rows, every].sum(axis=1), kind="stable")]
    gained = gain[rows, every].sum(axis=1)
    first = (gained >= np.minimum(targets, gained.max())[:, None] - 1e-9).argmax(axis=1)
    return every[first]
