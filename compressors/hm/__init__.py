"""HEVC still pictures by HM, the reference software of HEVC and the codec of the RBQE paper (HM 16.5).

Main Still Picture profile, 8 bit, constant QP, one picture per run; everything else is in `hm_main_still_picture.cfg`,
which fits HM 16.0 to 18.0. Versions differ: 16.5 and 16.8 are 0.02 dB apart at the same QP, so tables name theirs. RGB
images are coded as 4:2:0 in limited-range BT.601 YCbCr, chroma as 2x2 means, and decoded by repeating each chroma
sample; odd sizes as `compressors.odd_size` has them. Each encode is checked: see `compressors.hm_programs`.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from compressors.hm import programs
from qebench.coding import hevc_metadata, odd_size
from qebench.common import colour, images

QUALITY = "qp"
QUALITIES = range(0, 52)
SUFFIX = ".hevc"
NEUTRAL = 128  # the chroma of gray
BT601 = 6  # matrix_coeffs of H.265, table E.5


@dataclass(frozen=True)
class Settings:
    """What can be chosen.

    `gray` is how gray images are coded. Main Still Picture, the paper's profile, has 4:2:0 only, here with neutral
    chroma; 400 is in the Monochrome profile of the range extensions. Odd widths and heights are coded as 400, whatever
    is chosen. Chroma, even of no content, moves HM's choices in luma: by +0.02 dB and 0.5 % more bits at QP 22, by
    +0.09 dB and 2 % at QP 42 (scikit-image's astronaut).
    `encoder` and `decoder` are names on PATH (with "Static" at their end, as HM's makefile adds it, will do) or paths;
    the environment's HM_ENCODER and HM_DECODER go before them.
    """

    gray: Literal["420", "400"] = "420"
    encoder: str = "TAppEncoder"
    decoder: str = "TAppDecoder"


DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the versions of HM that encode and decode; raises FileNotFoundError if one of the programs is missing."""
    return programs.version(*_programs(settings))


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    if image.ndim == 3:
        kind = f"BT.601 limited range, 4:2:0{odd_size.describe(image)}, main still picture"
    elif not _alone(image, settings):
        kind = "gray as 4:2:0 with neutral chroma, main still picture"
    else:
        kind = "gray (4:0:0), monochrome profile"
    return f"{kind}, {programs.CONFIGURATION.name}"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as one HEVC intra picture (Annex B) at QP `quality` (0..51).

    Sizes that are not multiples of 8 are padded by HM with the picture's edge and cropped again by any decoder, through
    the conformance window (H.265 clause 7.4.3.2.1).
    Raises RuntimeError if HM fails or a check does.
    """
    return encode_and_tell(image, quality, settings)[0]


def encode_and_tell(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> tuple[bytes, str]:
    """Return what `encode` does, and the bits and PSNR that HM prints, without the notes on colour and size."""
    planes = _planes(image, settings)
    bitstream, decoded, told = programs.compress(_programs(settings), planes, quality)
    if image.ndim == 2:
        return bitstream, told
    if _neutral(decoded):  # `decode` takes this for gray, unless the stream speaks of colour
        bitstream = hevc_metadata.edit(bitstream, f"matrix_coefficients={BT601}")  # up to 6 bytes
    return odd_size.note(bitstream, image), told


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode an HEVC intra picture to a uint8 (H, W) or (H, W, 3) image.

    4:2:0 whose chroma is neutral throughout is a gray image, unless the stream says that its colours are of BT.601.
    Raises ValueError if `bitstream` does not hold exactly one 8-bit 4:0:0 or 4:2:0 picture, or HM's decoder gives up.
    """
    shapes, coloured = _probe(bitstream)
    try:
        decoded = programs.decompress(_programs(settings)[1], bitstream)
    except RuntimeError as error:
        raise ValueError(f"not an HEVC bitstream that HM decodes: {error}") from None
    size = sum(height * width for height, width in shapes)
    if len(decoded) != size:
        raise ValueError(f"expected one HEVC picture of {size} samples, found {len(decoded)} samples")
    planes = programs.split(decoded, shapes)
    return odd_size.crop(planes[0] if _neutral(planes) and not coloured else colour.from_yuv420(*planes), bitstream)


def _programs(settings: Settings) -> tuple[Path, Path]:
    return programs.find(settings.encoder, settings.decoder)


def _alone(image: np.ndarray, settings: Settings) -> bool:
    """Return whether a gray image is coded as luma alone: if asked to, or because 4:2:0 has even sides only."""
    return settings.gray == "400" or any(side % 2 for side in image.shape)


def _planes(image: np.ndarray, settings: Settings) -> list[np.ndarray]:
    """Return what HM is to code of an image: luma alone, or luma and two planes of halved chroma."""
    if image.ndim == 3:
        return colour.to_yuv420(odd_size.pad(image))
    if _alone(image, settings):
        return [image]
    return [image, *[np.full((image.shape[0] // 2, image.shape[1] // 2), NEUTRAL, np.uint8)] * 2]


def _neutral(planes: list[np.ndarray]) -> bool:
    return all((plane == NEUTRAL).all() for plane in planes[1:])


def _probe(bitstream: bytes) -> tuple[list[tuple[int, int]], bool]:
    """Return the shapes of a stream's planes, which HM's decoder does not tell, and whether it notes BT.601 colours."""
    import av

    try:
        with av.open(io.BytesIO(bitstream), format="hevc") as container:
            context = container.streams.video[0].codec_context
            (width, height), form, matrix = (context.width, context.height), context.pix_fmt, context.colorspace
    except av.error.FFmpegError as error:
        raise ValueError(f"not an HEVC bitstream: {error}") from None
    images.check_largest(width, height)
    if form not in ("gray", "yuv420p"):
        raise ValueError(f"expected an 8-bit gray or yuv420p HEVC picture, found {form}")
    chroma = [(height // 2, width // 2)] * 2 if form == "yuv420p" else []
    return [(height, width), *chroma], matrix == BT601
