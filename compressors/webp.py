"""WebP, lossy, by libwebp, as Pillow ships it: VP8 key frames (RFC 6386) in a RIFF file (RFC 9649).

WebP codes limited-range BT.601 YCbCr 4:2:0 and nothing else. Gray images are coded as R = G = B, whose chroma costs
next to nothing; their 256 levels become 220, which alone is an error of 57 dB. A file tells gray by its pixels: R, G
and B agree but for libwebp's rounding, by which G may be one level away. RGB images that come out that way get an EXIF
tag that says RGB (52 bytes).
"""

import io

import numpy as np
from PIL import ExifTags, Image, features

from qebench.coding import pillow
from qebench.coding.interface import NoSettings as Settings

QUALITY = "quality"
QUALITIES = range(0, 101)
SUFFIX = ".webp"
DEFAULT = Settings()

METHOD = 4  # of 0 (fast) to 6 (thorough); libwebp's default
RGB = 2  # in EXIF's PhotometricInterpretation


def version(settings: Settings = DEFAULT) -> str:
    """Return the version of libwebp inside Pillow."""
    return f"libwebp {features.version('webp')} (Pillow {Image.__version__})"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    kind = "gray as R = G = B, " if image.ndim == 2 else ""
    return f"{kind}BT.601 limited range, 4:2:0, method {METHOD}"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a lossy WebP file of libwebp's `quality` (0..100)."""
    options = {"quality": quality, "method": METHOD}
    file = pillow.save(image, "WEBP", options)
    if image.ndim == 3 and _is_gray(pillow.read(file, "WEBP")):
        exif = Image.Exif()
        exif[ExifTags.Base.PhotometricInterpretation] = RGB
        file = pillow.save(image, "WEBP", options | {"exif": exif})
    return file


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a WebP file to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` is no whole WebP file with one opaque picture.
    """
    pixels = pillow.read(bitstream, "WEBP")
    tag = Image.open(io.BytesIO(bitstream)).getexif().get(ExifTags.Base.PhotometricInterpretation)
    return pixels[..., 0].copy() if _is_gray(pixels) and tag != RGB else pixels


def _is_gray(pixels: np.ndarray) -> bool:
    red, green, blue = np.moveaxis(pixels.astype(np.int16), -1, 0)
    return bool((red == blue).all() and np.abs(red - green).max() <= 1)
