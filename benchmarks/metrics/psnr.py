"""PSNR of the 8-bit picture, as the JPEG literature measures it: peak 255, no border crop, all channels together."""

from torch import Tensor

from qebench.common.metrics import IDENTICAL

UNIT = "dB"
HIGHER_IS_BETTER = True
ROUNDED = True


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratios in dB, at most IDENTICAL."""
    errors = (enhanced - originals).square().mean(dim=(1, 2, 3))
    return (10 * (255**2 / errors).log10()).clamp(max=IDENTICAL)
