"""Quality: the exit is known beforehand, from the codec's quality alone, so no other head is computed.

The settings pair qualities with exits; a quality between takes the exit of the nearest, and an image of unknown quality
the last. PowerQE v1.0 fixes the exits 1 to 5 likewise for its five qualities.
"""

import numpy as np

from qebench.networks.rules import PRICES, Evidence

USES = ("quality",)
CALIBRATED = True


def choose(evidence: Evidence, settings: list[list[float]]) -> np.ndarray:
    """Return the exit of the nearest quality."""
    known, exits = np.array(settings).T
    nearest = np.abs(evidence.quality[:, None] - known).argmin(axis=1)
    return np.where(np.isnan(evidence.quality), evidence.exit_count, exits[nearest]).astype(int)


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[list[list[float]]]:
    """Return at every price the best exit of each quality."""
    known, places = np.unique(evidence.quality, return_inverse=True)
    means = np.array([gains[places == place].mean(axis=0) for place in range(len(known))])
    best = [1 + (means - price * cost).argmax(axis=1) for price in PRICES]
    return [np.column_stack([known, exits]).tolist() for exits in best]
