"""Double JPEG with the first grid shifted by 4 pixels, by a name of its own so that one run has it beside the aligned.

All is as in `double_jpeg` but for the default of `shift`.
"""

from dataclasses import dataclass

import numpy as np

from compressors import double_jpeg
from compressors.double_jpeg import QUALITIES, QUALITY, SUFFIX

__all__ = ["QUALITIES", "QUALITY", "SUFFIX"]


@dataclass(frozen=True)
class Settings(double_jpeg.Settings):
    """Those of `double_jpeg`."""

    shift: int = 4


DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the JPEG library with its version."""
    return double_jpeg.version(settings)


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    return double_jpeg.describe(image, settings)


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image twice, as `double_jpeg.encode` does."""
    return double_jpeg.encode(image, quality, settings)


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a JPEG file to a uint8 (H, W) or (H, W, 3) image; errors as in `jpeg.decode`."""
    return double_jpeg.decode(bitstream, settings)
