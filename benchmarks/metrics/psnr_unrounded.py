"""PSNR of the clipped but unrounded network output, as the code of RBQE (ECCV 2020) measures it.

It is 0.005 to 0.02 dB above the PSNR of the 8-bit picture.
"""

from benchmarks.metrics.psnr import HIGHER_IS_BETTER, UNIT, measure

__all__ = ["HIGHER_IS_BETTER", "ROUNDED", "UNIT", "measure"]
ROUNDED = False
