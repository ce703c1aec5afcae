"""PSNR of the clipped but unrounded network output, as the code of RBQE (ECCV 2020) measures it.

It is 0.005 to 0.02 dB above the PSNR of the 8-bit picture.
"""

import numpy as np

from benchmarks.metrics import psnr

UNIT = psnr.UNIT
HIGHER_IS_BETTER = True
ROUNDED = False


def measure(original: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB, as `psnr.measure` does."""
    return psnr.measure(original, enhanced)
