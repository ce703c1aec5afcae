"""JPEG XL, lossy (VarDCT), by libjxl, as imagecodecs ships it: a bare codestream (ISO/IEC 18181-1).

The quality is that of libjxl's own `cjxl -q`, which stands for a Butteraugli distance: 90 for 1, 30 for 6.4, 5 for
19.7. Below 5, libjxl halves the picture first and quality no longer falls. Images are coded in XYB, from sRGB or its
gray.
"""

import numpy as np

from qebench.coding.interface import NoSettings as Settings

QUALITY = "quality"
QUALITIES = range(5, 100)
SUFFIX = ".jxl"
DEFAULT = Settings()

EFFORT = 7  # of 1 (fast) to 10 (thorough); libjxl's default


def version(settings: Settings = DEFAULT) -> str:
    """Return the version of libjxl inside imagecodecs."""
    import imagecodecs

    return f"{imagecodecs.jpegxl_version()} (imagecodecs {imagecodecs.__version__})"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    return f"{'gray' if image.ndim == 2 else 'RGB'} as sRGB in XYB, VarDCT, effort {EFFORT}"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a JPEG XL codestream of libjxl's `quality` (5..99)."""
    import imagecodecs

    # Threads do not change the bits; one leaves the other cores to other pictures.
    return bytes(imagecodecs.jpegxl_encode(image, level=quality, effort=EFFORT, lossless=False, numthreads=1))


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a JPEG XL file or codestream to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` is no whole one of one 8-bit gray or RGB picture.
    """
    import imagecodecs

    try:
        image = imagecodecs.jpegxl_decode(bitstream, numthreads=1)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"not a whole JPEG XL file: {error}") from None
    if image.dtype != np.uint8 or image.shape[2:] not in [(), (3,)]:
        found = f"{image.dtype} {image.shape}"
        raise ValueError(f"expected one 8-bit gray or RGB picture in the JPEG XL file, found {found}")
    return image
