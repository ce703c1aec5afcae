"""JPEG by libjpeg-turbo, as Pillow ships it.

Gray images become one-component files, as in the eccv2020 protocol and the JPEG literature. RGB images are coded in
full-range BT.601 YCbCr (ITU-T T.871) with 4:2:0 chroma, Pillow's and OpenCV's default. Huffman tables are the
standard ones (`optimize` is off) and the inverse DCT is the accurate integer one.
"""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from compressors import NoSettings as Settings

QUALITY = "qf"
QUALITIES = range(1, 101)
SUFFIX = ".jpg"
DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the name and version of the JPEG library inside Pillow."""
    return f"libjpeg-turbo {features.version('libjpeg_turbo')} (Pillow {Image.__version__})"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    return "gray (4:0:0)" if image.ndim == 2 else "YCbCr 4:2:0"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a baseline JPEG file of quality factor `quality` (1..100)."""
    file = io.BytesIO()
    chroma = {} if image.ndim == 2 else {"subsampling": "4:2:0"}
    Image.fromarray(image).save(file, "JPEG", quality=quality, **chroma)
    return file.getvalue()


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a JPEG file to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` is no whole JPEG file of gray or YCbCr.
    """
    try:
        image = Image.open(io.BytesIO(bitstream), formats=["JPEG"])
        pixels = np.asarray(image)
    except OSError as error:
        reason = "of another format" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"not a whole JPEG file: {reason}") from None
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"expected a gray or YCbCr JPEG file, found {image.mode}")
    return pixels
