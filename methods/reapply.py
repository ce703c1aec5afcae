"""JPEG re-applied: the picture is shifted, compressed once more and shifted back, at 64 places, and averaged.

A. Nosratinia, "Enhancement of JPEG-Compressed Images by Re-application of JPEG", Journal of VLSI Signal Processing 27,
2001, pp. 69-79. Neither weights nor training: on a shifted grid, the codec's artifacts are what it codes worst. For
pictures decoded from JPEG only; their quality factor, which the paper knows, is estimated from the picture. On classic5
at QF 10, 20, 30 and 40 it gains 0.81, 0.75, 0.73 and 0.71 dB of PSNR, on LIVE1 0.64, 0.60, 0.60 and 0.63.
"""

from pathlib import Path

import numpy as np
from torch import Tensor, nn

from compressors import jpeg
from compressors.jpeg import estimate
from qebench.networks import pixels

CITATION = "Nosratinia, Journal of VLSI Signal Processing 27, 2001"

# In each direction all eight phases of luma's 8x8 blocks. For RGB their halves are also spread over the blocks of 4:2:0
# chroma, 16x16 pixels: with 0 to 7 it gains 0.49 instead of 0.62 dB (four validation pictures, QF 10).
SHIFTS = (0, 9, 2, 11, 4, 13, 6, 15)  # pixels


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the method; it has no weights."""
    return Reapply()


class Reapply(nn.Module):
    """JPEG re-applied to images, float (N, C, H, W) in [0, 1] with C of 1 or 3, each with its own quality factor.

    Raises ValueError for an image that was not decoded from JPEG.
    """

    channels = None

    def forward(self, x: Tensor) -> Tensor:
        return pixels.to_tensor([reapply(image) for image in pixels.to_images(x)], x.device).to(x.dtype)


def reapply(image: np.ndarray) -> np.ndarray:
    """Return the mean (float, 0..255) over all shifts of a decoded JPEG picture, uint8 (H, W) or (H, W, 3).

    Raises ValueError if the picture was not decoded from JPEG.
    """
    quality = estimate.estimate(image)
    if quality is None:
        raise ValueError(
            "reapply is for JPEG, but this picture was not decoded from it, or was changed since (cropped, scaled, "
            "filtered): leave reapply out here"
        )
    height, width = image.shape[:2]
    most = max(SHIFTS)
    padded = np.pad(image, ((most, 0), (most, 0)) + ((0, 0),) * (image.ndim - 2), mode="edge")
    total = np.zeros(image.shape, np.uint32)
    for down in SHIFTS:
        for right in SHIFTS:
            shifted = padded[most - down :, most - right :]
            total += jpeg.decode(jpeg.encode(shifted, quality))[down : down + height, right : right + width]
    return total / len(SHIFTS) ** 2
