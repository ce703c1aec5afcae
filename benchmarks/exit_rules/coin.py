"""Coin: two neighbouring exits, mixed at random; the rule that knows nothing, which every other must beat.

The settings are the share of images for each exit.
"""

import numpy as np

from qebench.networks.rules import Evidence

USES = ("draw",)
CALIBRATED = False
STEPS = 20  # mixes between two exits


def choose(evidence: Evidence, settings: list[float]) -> np.ndarray:
    """Return the exit on which each image's number falls."""
    return 1 + np.searchsorted(np.cumsum(settings[:-1]).round(9), evidence.draw, side="right")


def candidates(evidence: Evidence, gains: np.ndarray, cost: np.ndarray) -> list[list[float]]:
    """Return the mixes of neighbours from the first exit to the last, in steps of 1 / STEPS."""
    exits = np.arange(len(cost))
    places = np.arange((len(cost) - 1) * STEPS + 1) / STEPS
    return [np.interp(np.abs(exits - place), [0, 1], [1, 0]).round(9).tolist() for place in places]
