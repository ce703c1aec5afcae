"""PSNR of the clipped but unrounded network output, as the code of RBQE (ECCV 2020) measures it.

It is 0.005 to 0.02 dB above the PSNR of the 8-bit picture.
"""

from torch import Tensor

from benchmarks.metrics import psnr

UNIT = psnr.UNIT
HIGHER_IS_BETTER = True
ROUNDED = False


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratios in dB, as `psnr.measure` does."""
    return psnr.measure(originals, enhanced)
