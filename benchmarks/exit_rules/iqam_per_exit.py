"""IQAM per exit: a threshold of the score for every exit but the last, found exactly on a grid of 0.02."""

import numpy as np

from qebench.evaluation import threshold_search
from qebench.networks.rules import Evidence

USES = ("scores",)
CALIBRATED = True
GRID = np.round(np.arange(0, 1.0001, 0.02), 2)


def choose(evidence: Evidence, settings: list[float]) -> np.ndarray:
    """Return the exit reached where its score is enough, else the next."""
    return threshold_search.first_enough(evidence.exit, evidence.scores, settings)


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[list[float]]:
    """Return the best thresholds of the grid at every price."""
    return threshold_search.search(evidence.scores, gains, cost, GRID)
