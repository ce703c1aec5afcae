"""JPEG 2000 by OpenJPEG, as Pillow ships it: a JP2 file (ITU-T T.800), steered by PSNR.

The quality is the PSNR (dB), of all channels together, at which the encoder cuts the bits off; on the demo's
photographs the decoded images are 0 to 1 dB below it from 24 to 41, and further below above. Steering by the rate
instead would give all pictures the same number of bits, and qualities 15 dB apart.
"""

import numpy as np
from PIL import Image, features

from qebench.coding import pillow
from qebench.coding.interface import NoSettings as Settings

QUALITY = "psnr"
QUALITIES = range(20, 51)
SUFFIX = ".jp2"
DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the version of OpenJPEG inside Pillow."""
    return f"OpenJPEG {features.version('jpg_2000')} (Pillow {Image.__version__})"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    kind = "gray" if image.ndim == 2 else "RGB by the irreversible colour transform, 4:4:4"
    return f"{kind}, 9/7 wavelet, one tile, one layer, 64x64 code-blocks, up to 6 resolutions"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a JP2 file of about `quality` dB PSNR (20..50)."""
    options = {
        "quality_mode": "dB",
        "quality_layers": [quality],
        "irreversible": True,  # the 9/7 wavelet; the reversible 5/3 is for lossless files
        "mct": int(image.ndim == 3),  # the colour transform, which Pillow leaves out by itself
    }
    return pillow.save(image, "JPEG2000", options)


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a JPEG 2000 file or codestream to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` is no whole 8-bit gray or RGB one.
    """
    return pillow.read(bitstream, "JPEG2000")
