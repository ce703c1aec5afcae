"""SSIM as scikit-image's `structural_similarity` gives it by default: a flat window of 7x7 and sample covariances.

Variances and covariances are divided by one less than the 49 pixels of the window; the mean is over the positions where
the window lies inside the picture, and over channels for RGB.
"""

from torch import Tensor
from torch.nn import functional

from benchmarks.metrics import ssim
from qebench.common import metrics

UNIT = ""
HIGHER_IS_BETTER = True
ROUNDED = True
WINDOW = 7  # pixels a side


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the mean structural similarities.

    Raises ValueError if images have under 7x7 pixels.
    """
    metrics.check_size(originals, WINDOW, "SSIM of scikit-image")
    luminance, contrast = ssim.compare(originals, enhanced, _mean, WINDOW**2 / (WINDOW**2 - 1))
    return (luminance * contrast).mean(dim=(1, 2, 3))


def _mean(values: Tensor) -> Tensor:
    return functional.avg_pool2d(values, WINDOW, stride=1)
