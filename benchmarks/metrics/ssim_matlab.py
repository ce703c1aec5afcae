"""SSIM as MATLAB's function `ssim` averages it: over all pixels, the picture continued by its edge pixels.

Window and constants are those of `ssim`; only the mean differs, which there is over the positions where the window lies
inside the picture. For RGB it is the mean over channels (MATLAB's `DataFormat` "SSC"; without, MATLAB takes the three
channels for a volume).
"""

from torch import Tensor
from torch.nn import functional

from benchmarks.metrics import ssim

UNIT = ""
HIGHER_IS_BETTER = True
ROUNDED = True


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the mean structural similarities over all pixels."""
    margins = (ssim.RADIUS,) * 4
    return ssim.measure(*(functional.pad(images, margins, mode="replicate") for images in (originals, enhanced)))
