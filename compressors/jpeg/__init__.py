"""JPEG by libjpeg-turbo, as Pillow ships it, or by the programs `cjpeg` and `djpeg`.

Gray images become one-component files, as in the eccv2020 protocol and the JPEG literature. RGB images are coded in
full-range BT.601 YCbCr (ITU-T T.871), by default with 4:2:0 chroma. Files are baseline, with the standard Huffman
tables and quantisation steps up to 255; the inverse DCT is the accurate integer one, and chroma is interpolated.
By default the files are those of OpenCV's `imwrite`, byte for byte (the powerqe protocol).
"""

import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, features

from qebench.coding import pillow, tools

QUALITY = "qf"
QUALITIES = range(1, 101)
SUFFIX = ".jpg"

FORMATS = {"420": ("4:2:0", "2x2"), "422": ("4:2:2", "2x1"), "444": ("4:4:4", "1x1")}  # what Pillow and cjpeg call them
SOURCE = "It comes with libjpeg-turbo (Debian's libjpeg-turbo-progs), mozjpeg or the IJG's libjpeg."


@dataclass(frozen=True)
class Settings:
    """The chroma subsampling of RGB images, and who codes: Pillow's libjpeg-turbo, or the cjpeg and djpeg of PATH.

    The environment variables CJPEG and DJPEG name other programs. mozjpeg's has quantisation tables of its own.
    """

    subsampling: Literal["420", "422", "444"] = "420"
    library: Literal["pillow", "cjpeg"] = "pillow"


DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the JPEG library with its version; raise FileNotFoundError if its programs are missing."""
    if settings.library == "pillow":
        return f"libjpeg-turbo {features.version('libjpeg_turbo')} (Pillow {Image.__version__})"
    encoder = tools.run([_cjpeg(), "-verbose"], input=_pnm(np.zeros((1, 1), np.uint8)))
    decoder = tools.run([_djpeg(), "-verbose"], input=encoder.stdout)
    banners = [done.stderr.decode(errors="replace").splitlines()[0].strip() for done in (encoder, decoder)]
    return f"cjpeg: {banners[0]}, djpeg: {banners[1]}"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    return "gray (4:0:0)" if image.ndim == 2 else f"YCbCr {FORMATS[settings.subsampling][0]}"


def quality_of_file(path: Path) -> float | None:
    """Return the QF whose quantisation tables come nearest to those in a JPEG file, None for other files."""
    from compressors.jpeg import estimate  # late: SciPy takes long to import

    return estimate.of_file(path)


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a baseline JPEG file of quality factor `quality` (1..100)."""
    chroma, factors = FORMATS[settings.subsampling]
    if settings.library == "pillow":
        return pillow.save(image, "JPEG", {"quality": quality} | ({"subsampling": chroma} if image.ndim == 3 else {}))
    options = ["-quality", str(quality), "-baseline", "-sample", factors if image.ndim == 3 else "1x1"]
    return tools.run([_cjpeg(), *options], input=_pnm(image)).stdout


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a JPEG file to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` is no whole JPEG file of gray or YCbCr.
    """
    if settings.library == "pillow":
        return pillow.read(bitstream, "JPEG")
    try:
        with suppress(OSError):  # what is no JPEG file is left to djpeg
            Image.open(io.BytesIO(bitstream), formats=["JPEG"])
        picture = tools.run([_djpeg(), "-pnm"], input=bitstream).stdout
    except (RuntimeError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a whole JPEG file: {error}") from None
    return np.asarray(Image.open(io.BytesIO(picture), formats=["PPM"]))


def _cjpeg() -> Path:
    return tools.find("cjpeg", "CJPEG", SOURCE)


def _djpeg() -> Path:
    return tools.find("djpeg", "DJPEG", SOURCE)


def _pnm(image: np.ndarray) -> bytes:
    """Return a PGM or PPM file of an image."""
    return pillow.save(image, "PPM", {})
