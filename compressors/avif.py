"""AVIF, lossy, by libavif and libaom, as Pillow ships them: AV1 key frames in an HEIF file (AOMedia, AVIF v1.1).

Gray images are coded as 4:0:0, RGB images in full-range BT.601 YCbCr 4:2:0, 8 bit. The decoder is dav1d.
"""

import numpy as np
from PIL import AvifImagePlugin, Image, features

from qebench.coding import pillow
from qebench.coding.interface import NoSettings as Settings

QUALITY = "quality"
QUALITIES = range(0, 101)
SUFFIX = ".avif"
DEFAULT = Settings()

SPEED = 6  # of 0 (thorough) to 10 (fast); libavif's default


def version(settings: Settings = DEFAULT) -> str:
    """Return the versions of the container, encoder and decoder libraries inside Pillow."""
    aom, dav1d = (AvifImagePlugin.get_codec_version(name) for name in ("aom", "dav1d"))
    return f"libaom {aom}, dav1d {dav1d}, libavif {features.version('avif')} (Pillow {Image.__version__})"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    kind = "gray (4:0:0), full range" if image.ndim == 2 else "BT.601 full range, 4:2:0"
    return f"{kind}, 8 bit, speed {SPEED}, one tile"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as an AVIF file of libavif's `quality` (0..100)."""
    options = {
        "quality": quality,
        "codec": "aom",
        "speed": SPEED,
        "subsampling": "4:0:0" if image.ndim == 2 else "4:2:0",
        "max_threads": 1,  # libavif takes more tiles for more threads: bits would depend on the machine
        "autotiling": False,
    }
    return pillow.save(image, "AVIF", options)


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode an AVIF file to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` is no whole AVIF file with one opaque picture.
    """
    return pillow.read(bitstream, "AVIF")
