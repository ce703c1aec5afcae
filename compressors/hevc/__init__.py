"""HEVC still pictures by libx265, for machines without the HM reference software.

Intra only, 8 bit, constant QP, with the settings and the lambda of `compressors.x265`, which come within 0.03 dB of
HM 16.5 at the same QP. It is x265 all the same, and the tables say so. Gray images are coded as 4:0:0. RGB images are
coded as 4:2:0 in limited-range BT.601 YCbCr, chroma as 2x2 means, and decoded by repeating each chroma sample; odd
sizes as `compressors.odd_size` has them.
The decoder is libavcodec's, which agrees bit for bit with HM's.
"""

from pathlib import Path

import numpy as np

from qebench.coding import hevc_metadata, odd_size, x265
from qebench.coding.interface import NoSettings as Settings
from qebench.common import colour, images

QUALITY = "qp"
QUALITIES = range(0, 52)
SUFFIX = ".hevc"
DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the encoder and decoder libraries with their versions."""
    import av

    avcodec = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"libx265 in PyAV {av.__version__}, decoded by libavcodec {avcodec}"


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the encoder settings used for images of this kind."""
    kind = "gray (4:0:0)" if image.ndim == 2 else f"BT.601 limited range, 4:2:0{odd_size.describe(image)}"
    return f"{kind}, {x265.SETTINGS}"


def quality_of_file(path: Path) -> float | None:
    """Return the mean QP in the slice headers of an HEIF file's HEVC picture, None for other files."""
    from compressors.hevc import file_qp  # late, as it needs PyAV

    return file_qp.of_file(path)


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as one HEVC intra picture at QP `quality` (0..51).

    Sizes that are not multiples of 8, or under 32, are padded with the picture's edge and cropped again by decoders,
    through the conformance window (H.265 clause 7.4.3.2.1).
    """
    if image.ndim == 3:
        return odd_size.note(_encode(odd_size.pad(image), quality), image)
    return _encode(image, quality)


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode an HEVC intra picture to a uint8 (H, W) or (H, W, 3) image.

    Raises ValueError if `bitstream` does not hold exactly one 8-bit 4:0:0 or 4:2:0 picture. Damage inside a picture
    goes unnoticed: HEVC has no checksum unless the encoder adds one, and libavcodec fills in what it cannot read.
    """
    import av

    context = av.CodecContext.create("hevc", "r")
    context.options = {"max_pixels": str(images.LARGEST)}
    try:
        packets = [*context.parse(bitstream), *context.parse(None), None]
        frames = [frame for packet in packets for frame in context.decode(packet)]
    except av.error.FFmpegError as error:
        raise ValueError(f"not an HEVC bitstream: {error}") from None
    if len(frames) != 1 or frames[0].format.name not in ("gray", "yuv420p"):
        found = [frame.format.name for frame in frames]
        raise ValueError(f"expected one 8-bit gray or yuv420p HEVC picture, found {found}")
    planes = [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frames[0].planes
    ]
    return odd_size.crop(planes[0].copy() if len(planes) == 1 else colour.from_yuv420(*planes), bitstream)


def _encode(image: np.ndarray, quality: int) -> bytes:
    """Encode an image, of even width and height if it is RGB."""
    height, width = image.shape[:2]
    bottom, right = (max(side + -side % 8, x265.MIN_SIDE) - side for side in (height, width))
    padded = np.pad(image, ((0, bottom), (0, right)) + ((0, 0),) * (image.ndim - 2), mode="edge")
    if image.ndim == 2:
        planes, pixel_format = [padded], "gray"
    else:
        planes, pixel_format = colour.to_yuv420(padded), "yuv420p"
    raw = b"".join(plane.tobytes() for plane in planes)
    bitstream = x265.encode_apart(raw, width + right, height + bottom, pixel_format, quality)
    if not (right or bottom):
        return bitstream
    return hevc_metadata.edit(bitstream, f"crop_right={right}:crop_bottom={bottom}")
