"""IQAM: an image takes the first exit whose score reaches one threshold (RBQE, ECCV 2020, section 3.4 and Fig. 6a).

The settings are the threshold in use: that of all exits, or one for every exit but the last.
"""

import numpy as np

from qebench.evaluation import threshold_search
from qebench.networks import thresholds
from qebench.networks.rules import Evidence
from qebench.networks.thresholds import Threshold

USES = ("scores",)
CALIBRATED = False
THRESHOLDS = np.round(np.arange(0, 1.0001, 0.01), 2)


def choose(evidence: Evidence, settings: Threshold) -> np.ndarray:
    """Return the exit reached where its score is enough, else the next."""
    limits = thresholds.per_exit(settings, evidence.exit_count)
    return threshold_search.first_enough(evidence.exit, evidence.scores, limits)


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[float]:
    """Return the thresholds from 0 (all leave at exit 1) to 1."""
    return THRESHOLDS.tolist()
