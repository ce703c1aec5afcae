"""Double JPEG: a picture that was a JPEG file before, saved once more; the second quality factor is the one asked for.

Pictures are like that after an upload, an edit or a message. The 8x8 grid of the second file begins at the first pixel,
as always. The grid of the first is the same (aligned), or a crop in between has moved it (shifted). Such a crop is made
here by continuing the picture by `shift` rows and columns of its edge before the first file and cutting them off after
it, so that all sizes stay. The bits are those of the second file.

J. Jiang, K. Zhang, R. Timofte, "Towards Flexible Blind JPEG Artifacts Removal", ICCV 2021: networks for single JPEG
fail where the grid is shifted and the first quality is not above the second; other cases are much like single JPEG.
The test there crops 4 rows and columns off, and takes 10, 30 and 50 for both qualities.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from compressors import jpeg

QUALITY, QUALITIES, SUFFIX = jpeg.QUALITY, jpeg.QUALITIES, jpeg.SUFFIX


@dataclass(frozen=True)
class Settings:
    """The quality factor of the first file, the pixels by which its grid is shifted, and the chroma of RGB images."""

    first: int = 90
    shift: int = 0
    subsampling: Literal["420", "422", "444"] = "420"

    def __post_init__(self) -> None:
        if self.first not in QUALITIES or not 0 <= self.shift < 16:
            raise ValueError(f"first is {self.first} and shift {self.shift}: they go from 1 to 100 and from 0 to 15")


DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the JPEG library with its version."""
    return jpeg.version()


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    grid = f"grid shifted by {settings.shift}" if settings.shift else "grid aligned"
    return f"{jpeg.describe(image, _single(settings))} twice, first at qf {settings.first}, {grid}"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a JPEG file at `settings.first`, and what that decodes to as another.

    The second file, of quality factor `quality` (1..100), is returned.
    """
    single, shift = _single(settings), settings.shift
    continued = np.pad(image, ((shift, 0), (shift, 0)) + ((0, 0),) * (image.ndim - 2), mode="edge")
    first = jpeg.decode(jpeg.encode(continued, settings.first, single))
    return jpeg.encode(np.ascontiguousarray(first[shift:, shift:]), quality, single)


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a JPEG file to a uint8 (H, W) or (H, W, 3) image; errors as in `jpeg.decode`."""
    return jpeg.decode(bitstream)


def _single(settings: Settings) -> jpeg.Settings:
    return jpeg.Settings(settings.subsampling)
