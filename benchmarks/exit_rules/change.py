"""Change: an image leaves where the network has changed it little since the exit before.

The settings are limits for every exit but the last, of the PSNR in dB between an exit and the one before: it must be
reached.
"""

import numpy as np

from qebench.evaluation import threshold_search
from qebench.networks.rules import Evidence

USES = ("change",)
CALIBRATED = True
GRID = np.arange(25.0, 75.1)
LEAST = 1e-9  # squared levels: an image that is not changed at all


def choose(evidence: Evidence, settings: list[float]) -> np.ndarray:
    """Return the exit reached where the change is small enough, else the next."""
    return threshold_search.first_enough(evidence.exit, likeness(evidence), settings)


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[list[float]]:
    """Return the best limits of the grid at every price."""
    return threshold_search.search(likeness(evidence), gains, cost, GRID)


def likeness(evidence: Evidence) -> np.ndarray:
    """Return the PSNR (N, exits) in dB of each exit against the one before, of the first against the decoded image."""
    return 10 * np.log10(255**2 / np.maximum(evidence.change, LEAST))
