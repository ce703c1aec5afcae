"""MS-SSIM of the 8-bit picture (Wang, Simoncelli, Bovik, Asilomar 2003): SSIM over five scales.

Each scale halves the picture by means of 2x2 pixels; an odd last row or column is doubled, as the authors' MATLAB code
does (others, such as pytorch-msssim, put zeros before the first). The five exponents are the paper's. For RGB it is the
mean over channels. A scale on which the pictures are anticorrelated in the mean counts as 0; its power would be no
number.
"""

from torch import Tensor
from torch.nn import functional

from benchmarks.metrics import ssim
from qebench.common import metrics

UNIT = ""
HIGHER_IS_BETTER = True
ROUNDED = True
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from the full size down; section 3.2 of the paper
SMALLEST = 2 * ssim.RADIUS * 2 ** (len(EXPONENTS) - 1) + 1  # 161 pixels, of which the window's 11 are left at last


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the multi-scale structural similarities.

    Raises ValueError if images have under 161x161 pixels.
    """
    metrics.check_size(originals, SMALLEST, "MS-SSIM")
    product = originals.new_ones(originals.shape[:2])
    for exponent in EXPONENTS[:-1]:
        _, contrast = ssim.compare(originals, enhanced, ssim.gaussian)
        product *= contrast.mean(dim=(2, 3)).clamp(min=0) ** exponent
        originals, enhanced = _halved(originals), _halved(enhanced)
    luminance, contrast = ssim.compare(originals, enhanced, ssim.gaussian)
    product *= (luminance * contrast).mean(dim=(2, 3)).clamp(min=0) ** EXPONENTS[-1]
    return product.mean(dim=1)


def _halved(images: Tensor) -> Tensor:
    height, width = images.shape[2:]
    return functional.avg_pool2d(functional.pad(images, (0, width % 2, 0, height % 2), mode="replicate"), 2)
