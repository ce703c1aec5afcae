"""BPG (Better Portable Graphics): an HEVC intra picture in full-range YCbCr, by default without bpgenc.

F. Bellard, BPG Specification 0.9.5, and libbpg 0.9.8. Which encoder makes the bits is a setting, never a guess.
`libx265` (default) needs no other program: bpgenc's colour conversion, libx265 with the lambda of the HM encoder,
decoding by libavcodec and bpgdec's way back to RGB. Conversions and decoding equal libbpg's bit for bit, and the files
open in bpgdec. `jctvc` (HM 16.2) and `x265` are those inside bpgenc, and bpgdec decodes. PowerQE (ryanxingql/powerqe)
used effort 1 in version 1 and bpgenc's defaults in version 3: those below, but for the encoder, which depends on how
bpgenc was built.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from compressors.bpg import bpgenc, colour, container
from qebench.coding import x265

QUALITY = "qp"
QUALITIES = range(0, 52)
SUFFIX = ".bpg"
DEFAULT_EFFORT = 8
NAMES = {"ycbcr": "BT.601", "ycbcr_bt709": "BT.709", "ycbcr_bt2020": "BT.2020", "rgb": "RGB", "ycgco": "YCgCo"}
PIXEL_FORMATS = {"gray": "gray", "420": "yuv420p", "422": "yuv422p", "444": "yuv444p"}  # as libavcodec calls them
TAILS = bytes(64), b"\xa5" * 64  # what may follow a picture


@dataclass(frozen=True)
class Settings:
    """What can be chosen; in parentheses the options of bpgenc.

    `effort` and `depth` are for bpgenc alone. bpgenc codes RGB without halved chroma whatever is asked: here it must be
    asked for. Raises ValueError for settings that exclude each other.
    """

    encoder: Literal["libx265", "jctvc", "x265"] = "libx265"  # (-e) the latter two by bpgenc
    subsampling: Literal["420", "422", "444"] = "420"  # (-f) of chroma, in colour images; gray ones have none
    colour: Literal["ycbcr", "rgb", "ycgco", "ycbcr_bt709", "ycbcr_bt2020"] = "ycbcr"  # (-c)
    depth: int = 8  # (-b) bits of the coded planes, 8 to 12; images are 8 bit all the same
    effort: int = DEFAULT_EFFORT  # (-m) 1 (fast) to 9 (slow)

    def __post_init__(self) -> None:
        if self.encoder == "libx265" and (self.depth, self.effort) != (8, DEFAULT_EFFORT):
            raise ValueError("bpg: depth and effort are bpgenc's: they need encoder=jctvc or encoder=x265")
        if self.colour == "rgb" and self.subsampling != "444":
            raise ValueError(f"bpg: colour=rgb has no chroma to halve: subsampling is {self.subsampling}, not 444")
        if self.depth not in range(8, 13) or self.effort not in range(1, 10):
            raise ValueError(f"bpg takes depth 8..12 and effort 1..9, not {self.depth} and {self.effort}")


DEFAULT = Settings()


def version(settings: Settings = DEFAULT) -> str:
    """Return the encoder and decoder with their versions.

    Raises FileNotFoundError if bpgenc or bpgdec are needed and missing, or if bpgenc was built without the encoder.
    """
    if settings.encoder == "libx265":
        import av

        avcodec = ".".join(str(part) for part in av.library_versions["libavcodec"])
        return f"libx265 in PyAV {av.__version__}, decoded by libavcodec {avcodec}"
    return bpgenc.version(settings.encoder)


def describe(image: np.ndarray, settings: Settings = DEFAULT) -> str:
    """Return the settings used for images of this kind."""
    subsampling = ":".join(settings.subsampling)
    coded = "gray (4:0:0)" if image.ndim == 2 else f"{NAMES[settings.colour]} full range, {subsampling}"
    if settings.encoder != "libx265":
        return f"{coded}, bpgenc {' '.join(_options(settings, 'QP'))}"
    return f"{coded}, {x265.SETTINGS}{x265.smallest_block(_block(*image.shape[:2]))}"


def encode(image: np.ndarray, quality: int, settings: Settings = DEFAULT) -> bytes:
    """Encode a uint8 (H, W) or (H, W, 3) image as a BPG file at QP `quality` (0..51).

    Any size will do: planes are padded with their edges, as bpgenc does it, and the file's header has the true size.
    Raises ValueError with encoder=x265 for sides under 57 pixels, less than a block of 64, on which it often crashes.
    """
    height, width = image.shape[:2]
    if settings.encoder == "x265" and min(height, width) <= 64 - 8:
        raise ValueError(f"bpgenc's x265 crashes on images under 57 pixels a side, and this one is {width}x{height}")
    if settings.encoder != "libx265":
        return bpgenc.compress(image, _options(settings, quality))
    kind = ("gray", "ycbcr") if image.ndim == 2 else (settings.subsampling, settings.colour)
    header = container.Header(width, height, *kind)
    block = _block(height, width)
    coded = replace(header, width=-(-width // block) * block, height=-(-height // block) * block)
    planes = colour.planes(image, *kind)
    raw = b"".join(_padded(plane, size).tobytes() for plane, size in zip(planes, coded.planes, strict=True))
    stream = x265.encode_apart(raw, coded.width, coded.height, PIXEL_FORMATS[header.chroma], quality, block)
    return container.write(header, stream)


def decode(bitstream: bytes, settings: Settings = DEFAULT) -> np.ndarray:
    """Decode a BPG file to a uint8 (H, W) or (H, W, 3) image; an alpha plane is left out.

    Raises ValueError if it is no BPG file, or not a whole one. Without bpgdec (setting libx265) also if it is animated,
    lossless, CMYK, of more than 8 bits, of limited range or has premultiplied alpha. Damage inside a picture goes
    unnoticed, as HEVC has no checksum unless the encoder adds one.
    """
    header, data = container.read(bitstream)
    if settings.encoder != "libx265":
        image = bpgenc.decompress(bitstream)
        return image[..., 0] if header.chroma == "gray" else image
    stream = container.stream(header, data)
    # What follows a whole picture does not matter; of a file cut short the decoder goes on with it. (With nothing after
    # the end, it goes on with what the memory there happens to hold.)
    planes, others = (_decoded(stream + tail, header) for tail in TAILS)
    if any(not np.array_equal(*pair) for pair in zip(planes, others, strict=True)):
        raise ValueError("not a whole BPG file: the picture ends too early")
    return colour.image(planes, header.chroma, header.colour)


def _block(height: int, width: int) -> int:
    """Return the side of the smallest coding block: 8 as in bpgenc, more where libx265 refuses the padded picture."""
    return next(block for block in (8, 16, 32) if -(-min(height, width) // block) * block >= x265.MIN_SIDE)


def _padded(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.pad(plane, [(0, larger - side) for side, larger in zip(plane.shape, size, strict=True)], mode="edge")


def _decoded(stream: bytes, header: container.Header) -> list[np.ndarray]:
    """Return the planes of an Annex B stream, cropped to the picture."""
    import av

    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    try:
        frames = [*context.decode(av.Packet(stream)), *context.decode(None)]
    except av.error.FFmpegError as error:
        raise ValueError(f"not a BPG file that libavcodec decodes: {error}") from None
    expected = PIXEL_FORMATS[header.chroma.removesuffix("_video")]
    if len(frames) != 1 or frames[0].format.name != expected:
        raise ValueError(f"not a BPG file: expected one {expected} picture, found {[f.format.name for f in frames]}")
    planes = []
    for plane, (height, width) in zip(frames[0].planes, header.planes, strict=True):
        samples = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(samples[:height, :width].copy())
    return planes


def _options(settings: Settings, quality: int | str) -> list[str]:
    """Return the options of bpgenc."""
    options = {"-e": settings.encoder, "-m": settings.effort, "-f": settings.subsampling, "-c": settings.colour}
    return [str(word) for option in {**options, "-b": settings.depth, "-q": quality}.items() for word in option]
