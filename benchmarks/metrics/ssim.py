"""SSIM of the 8-bit picture (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004).

Gaussian window 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, mean over the positions where the
window lies inside the picture; the mean over channels for RGB. These are the numbers of scikit-image, in a third of the
time. In float32 they would be off by 5e-6 for a noisy photograph and by 5e-5 for flat bright areas, whose variances are
small differences of large squares.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from qebench.common import metrics

UNIT = ""
HIGHER_IS_BETTER = True
ROUNDED = True
RADIUS, SIGMA = 5, 1.5  # of the window, pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the mean structural similarities.

    Raises ValueError if images have under 11x11 pixels.
    """
    metrics.check_size(originals, 2 * RADIUS + 1, "SSIM")
    luminance, contrast = compare(originals, enhanced, gaussian)
    return (luminance * contrast).mean(dim=(1, 2, 3))


def compare(
    originals: Tensor, enhanced: Tensor, mean: Callable[[Tensor], Tensor], correction: float = 1
) -> tuple[Tensor, Tensor]:
    """Return the maps of luminance, and of contrast and structure, whose product is SSIM (Wang et al., equation 13).

    `mean` takes the local means of a batch; `correction` is a factor of variances and covariances.
    """
    maps = [originals, enhanced, originals.square(), enhanced.square(), originals * enhanced]
    mx, my, xx, yy, xy = map(mean, maps)
    product, squares = mx * my, mx.square() + my.square()
    covariance, variances = (xy - product) * correction, (xx + yy - squares) * correction
    return (2 * product + C1) / (squares + C1), (2 * covariance + C2) / (variances + C2)


def gaussian(values: Tensor) -> Tensor:
    """Return the means under the Gaussian window where it lies inside the picture, 2 * RADIUS fewer a side."""
    return _mean(_mean(values, 2), 3)


def _mean(values: Tensor, dimension: int) -> Tensor:
    """Return the Gaussian-weighted means along a dimension, 2 * RADIUS fewer than there are values."""
    falloff = [math.exp(-(distance**2) / (2 * SIGMA**2)) for distance in range(RADIUS + 1)]
    total = falloff[0] + 2 * sum(falloff[1:])
    count = values.shape[dimension] - 2 * RADIUS
    means = torch.mul(values.narrow(dimension, RADIUS, count), falloff[0] / total)
    for distance in range(1, RADIUS + 1):
        for first in (RADIUS - distance, RADIUS + distance):
            means.add_(values.narrow(dimension, first, count), alpha=falloff[distance] / total)
    return means
