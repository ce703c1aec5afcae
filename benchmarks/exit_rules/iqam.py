"""IQAM: an image takes the first exit whose score reaches one threshold (RBQE, ECCV 2020, section 3.4 and Fig. 6a)."""

import numpy as np

from benchmarks.exit_rules import iqam_per_exit
from qebench.networks.rules import Evidence

USES = ("scores",)
CALIBRATED = False
THRESHOLDS = np.round(np.arange(0, 1.0001, 0.01), 2)


def choose(evidence: Evidence, settings: float) -> np.ndarray:
    """Return the exit reached where its score is enough, else the next."""
    return iqam_per_exit.choose(evidence, [settings] * (evidence.exit_count - 1))


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[float]:
    """Return the thresholds from 0 (all leave at exit 1) to 1."""
    return THRESHOLDS.tolist()
