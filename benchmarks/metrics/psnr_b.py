"""PSNR-B: PSNR that also counts the steps at the edges of 8x8 blocks (Yim, Bovik, IEEE TIP 2011).

10 log10(255^2 / (MSE + BEF)), where BEF is how far the mean square of steps over block edges exceeds that of all other
steps between neighbours, in the enhanced picture alone. The numbers of edges are the paper's, which are exact for sides
that are multiples of 8. For RGB it is the mean over channels. A block begins at the first pixel, so that no border may
be cut off.
"""

import math

from torch import Tensor

from qebench.common import metrics

UNIT = "dB"
HIGHER_IS_BETTER = True
ROUNDED = True
VIEWS = "whole"
BLOCK = 8  # pixels a side


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the PSNR-B in dB, at most IDENTICAL.

    Raises ValueError if images have under two blocks a side.
    """
    metrics.check_size(originals, 2 * BLOCK, "PSNR-B")
    errors = (enhanced - originals).square().mean(dim=(2, 3)) + _blocking(enhanced)
    return (10 * (255**2 / errors).log10()).clamp(max=metrics.IDENTICAL).mean(dim=1)


def _blocking(images: Tensor) -> Tensor:
    """Return the blocking effect factors (N, C), equations 7 to 13 of the paper."""
    height, width = images.shape[2:]
    edges, others = images.new_zeros(images.shape[:2]), images.new_zeros(images.shape[:2])
    for dimension in (2, 3):
        steps = images.diff(dim=dimension).square().sum(dim=5 - dimension)
        at_edges = steps[..., BLOCK - 1 :: BLOCK].sum(dim=2)
        edges += at_edges
        others += steps.sum(dim=2) - at_edges
    edge_count = height * (width / BLOCK - 1) + width * (height / BLOCK - 1)
    other_count = height * (width - 1) + width * (height - 1) - edge_count
    excess = edges / edge_count - others / other_count
    return excess.clamp(min=0) * math.log2(BLOCK) / math.log2(min(height, width))
