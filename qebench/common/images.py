"""Read a picture file as 8-bit gray or RGB, or say why it must not be measured; write PNG.

Reading is strict because a wrong pixel is worse than a refused file: Pillow cuts 16-bit colours down to their high
byte without a word, and what is transparent, animated or CMYK has no one RGB picture. Sample values are taken as they
are stored: gamma and the colour profiles of gray and RGB files are left alone, as the literature does. The profile
goes with the pixels into what is written of them.
"""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from qebench.common import damage, files, metadata, quantisation, tiff
from qebench.common.quantisation import Quantisation

if find_spec("pillow_heif"):  # training on a pack reads no such file, and a lent GPU machine may lack it
    import pillow_heif

    pillow_heif.register_heif_opener()

FORMATS = ["PNG", "TIFF", "BMP", "JPEG", "WEBP", "AVIF", "HEIF"]
COMPRESSION = 3  # zlib's level: half the time of its default 6, for files as large in colour and 9 % larger in gray
SMALLEST = 16  # pixels a side: SSIM's window takes 11, IQAM two blocks of 8
LARGEST = 2 * (2**30 // 4 // 3)  # 179 million pixels (512 MiB as RGB): Pillow itself stops there
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # it warns from half of that on

# Pillow's modes that hold 8-bit samples, and what they become; "1" is black and white, "P" has a palette.
_MODES = {"1": "L", "L": "L", "LA": "L", "RGB": "RGB", "RGBA": "RGB", "P": "RGB", "PA": "RGB", "YCbCr": "RGB"}
_WIDE_MODES = ("I;16", "I;16B", "RGB", "RGBA")  # Pillow's modes of 16-bit files
_CHANNELS = {"gray16": 1, "ya16": 2, "rgb48": 3, "rgba64": 4}  # FFmpeg's names of them, less the byte order


@dataclass(frozen=True)
class Picture:
    """A picture file: uint8 (H, W) or (H, W, 3), what goes with it, and a remark on how it was read, or "".

    `subsampling` are the rows and the columns of pixels that share one sample of chroma in it. Of files that do not
    tell it is that of 4:2:0, which most codecs use. `quantisation` is that of a JPEG file, None
    of others.
    """

    pixels: np.ndarray
    about: metadata.Metadata
    remark: str = ""
    subsampling: tuple[int, int] = (2, 2)
    quantisation: Quantisation | None = None


def read(path: Path) -> np.ndarray:
    """Return a PNG, TIFF, BMP, JPEG, WebP, AVIF or HEIF file as uint8: (H, W) if gray, else RGB.

    The content decides, not the suffix. Pictures are turned upright as their EXIF orientation says; 16-bit samples are
    scaled to 8 bits and rounded to nearest; palettes become RGB; CMYK goes to sRGB through the profile in the file. Of
    a JPEG file of several pictures (MPO) it is the first, and of a TIFF file the one that is no thumbnail.

    Raises FileNotFoundError if there is no such file, and ValueError if it is something else, damaged, animated,
    transparent, of samples that do not fit 8 bits (float, 32 bits, CIELAB), under 16x16 or over 179 megapixels.
    """
    return load(path).pixels


def load(path: Path) -> Picture:
    """Return what `read` returns with its colour profile, EXIF and XMP, and a remark where pictures were left out."""
    encoded = Path(path).read_bytes()
    with _named(path):
        picture = _picture(encoded)
    return replace(picture, remark=picture.remark and f"{path} {picture.remark}")


def container(path: Path) -> str:
    """Return Pillow's name of a file's format, such as "JPEG" or "HEIF", from its content; errors as in `read`.

    Phones write JPEG files with more than one picture (MPO), which are JPEG files all the same.
    """
    with _named(path), _decoding(), Image.open(path, formats=FORMATS) as image:
        return "JPEG" if image.format == "MPO" else str(image.format)


def write(path: Path, image: np.ndarray, about: metadata.Metadata | None = None) -> None:
    """Write a uint8 (H, W) or (H, W, 3) image as PNG, whole or not at all, with the metadata of its source if given.

    Raises ValueError if `path` does not end in .png or the image is of another kind.
    """
    if Path(path).suffix.lower() != ".png" or image.dtype != np.uint8 or image.shape[2:] not in [(), (3,)]:
        raise ValueError(f"{path}: give a name in .png and uint8 (H, W) or (H, W, 3), not {image.dtype} {image.shape}")
    with files.replacing(path) as temporary:
        options = about.options() if about else {}
        Image.fromarray(image).save(temporary, format="PNG", compress_level=COMPRESSION, **options)


def sha256(image: np.ndarray) -> str:
    """Return the hexadecimal SHA-256 of an image's samples, row by row."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def check_largest(width: int, height: int) -> None:
    """Raise ValueError if a header promises an image of more pixels than are read, before memory is taken for them."""
    if width * height > LARGEST:
        raise ValueError(f"is {width}x{height}, which is over {LARGEST / 1e6:.0f} megapixels")


def check_size(width: int, height: int) -> None:
    """Raise ValueError if an image is too small for SSIM and IQAM."""
    if min(width, height) < SMALLEST:
        raise ValueError(f"is {width}x{height} pixels: use an image of {SMALLEST}x{SMALLEST} or more")


def _picture(encoded: bytes) -> Picture:
    with _decoding():
        Image.open(BytesIO(encoded), formats=FORMATS).verify()  # the checksums of PNG, which load() skips
        image: Image.Image = Image.open(BytesIO(encoded), formats=FORMATS)
        page, count = _main(image, encoded)
        about, orientation = metadata.take(image)
    if count > 1 and image.format != "MPO":
        raise ValueError(f"holds {count} pictures: save the one you mean as a file of its own")
    wide = _is_wide(image, encoded)
    _check_damage(image, encoded, page, wide)
    with _decoding():
        image.load()
        if image.format == "TIFF" and not wide:
            orientation = 1  # load() has turned it
        if wide:
            image = _narrowed(encoded, image, page)
    subsampling, steps = _subsampling(image), quantisation.of_file(image, orientation)
    if image.mode == "CMYK":
        image, about = _from_cmyk(image), replace(about, icc_profile=None)  # it is sRGB then, and needs none
    remark = f"holds {count} pictures: the first is taken" if count > 1 else ""
    if orientation > 4:  # turned by a quarter
        subsampling = subsampling[::-1]
    return Picture(_upright(_opaque(image), orientation), about, remark, subsampling, steps)


def _subsampling(image: Image.Image) -> tuple[int, int]:
    """Return the rows and columns of pixels that share one sample of chroma, in a JPEG file as its header says."""
    layers = getattr(image, "layer", [])  # number, samples across and down, table
    if len(layers) != 3 or not all(layers[1][1:3]):
        return 2, 2
    (_, across, down, _), (_, chroma_across, chroma_down, _) = layers[:2]
    return max(down // chroma_down, 1), max(across // chroma_across, 1)


def _main(image: Image.Image, encoded: bytes) -> tuple[int, int]:
    """Go to the main picture of a file; return its number, from 0, and how many pictures there are but thumbnails."""
    count = getattr(image, "n_frames", 1)
    if image.format != "TIFF" or count == 1:
        return 0, count
    page, count = tiff.main_page(encoded)
    image.seek(page)
    return page, count


def _check_damage(image: Image.Image, encoded: bytes, page: int, wide: bool) -> None:
    """Raise ValueError for damage that the decoder of a file would pass over."""
    if image.format in ("JPEG", "MPO"):
        damage.check_jpeg(encoded)
    elif image.format == "HEIF":
        damage.check_heif(encoded)
    elif image.format == "TIFF" and not wide:  # of 16 bits, all is decoded anew
        with _decoding():
            segments = tiff.segments(encoded, page)
        damage.check_tiff(*segments)


def _upright(image: Image.Image, orientation: int) -> np.ndarray:
    check_size(*image.size)
    if orientation == 1:  # each copy of a large picture takes as much memory again
        return np.array(image)
    upright = Image.fromarray(np.asarray(image))  # without the file's other tags, which may be malformed
    upright.getexif()[ExifTags.Base.Orientation] = orientation
    return np.array(ImageOps.exif_transpose(upright))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{files.named(path)} {error}") from error


@contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ValueError(f"has over {LARGEST / 1e6:.0f} megapixels: crop or scale it down first") from error
    except FileNotFoundError:
        raise
    except Exception as error:  # decoders raise a dozen kinds for damaged files
        raise ValueError(
            "is no PNG, TIFF, BMP, JPEG, WebP, AVIF or HEIF picture that can be read, but damaged, of another format or"
            " of an unusual kind: get it again, or export it as an 8- or 16-bit PNG"
        ) from error


def _is_wide(image: Image.Image, encoded: bytes) -> bool:
    """Return whether an opened file has 16-bit samples, which Pillow's mode does not tell for colours."""
    bits = 8
    if image.format == "PNG":
        bits = encoded[24]  # in the header chunk, which comes first (PNG, clause 11.2.1)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        bits = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
        if set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))) != {1}:  # Pillow takes signed bytes for unsigned ones
            raise ValueError("has signed or float samples: export it as an 8- or 16-bit PNG")
    if image.mode not in (_WIDE_MODES if bits == 16 else [*_MODES, "CMYK"]):
        raise ValueError(f"has samples of Pillow's kind {image.mode}: export it as an 8- or 16-bit gray or RGB PNG")
    return bits == 16


def _narrowed(encoded: bytes, image: Image.Image, page: int) -> Image.Image:
    """Return a 16-bit PNG or TIFF as 8-bit L, LA, RGB or RGBA, each sample rounded to nearest."""
    samples = tiff.wide(encoded, page) if image.format == "TIFF" else _wide_png(encoded)
    return Image.fromarray(((samples.astype(np.uint32) + 128) // 257).astype(np.uint8))  # 65535 = 257 * 255: no ties


def _wide_png(encoded: bytes) -> np.ndarray:
    import av

    with av.open(BytesIO(encoded), "r", format="png_pipe") as stream:
        frame = next(stream.decode(video=0))
    kind, order = frame.format.name[:-2], frame.format.name[-2:]
    rows = np.frombuffer(memoryview(frame.planes[0]), "<u2" if order == "le" else ">u2").reshape(frame.height, -1)
    samples = rows[:, : frame.width * _CHANNELS[kind]].reshape(frame.height, frame.width, -1)
    return samples[..., 0] if kind == "gray16" else samples


def _from_cmyk(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile:
        raise ValueError("is CMYK without a colour profile, so its colours are unknown: convert it to RGB first")
    try:
        converted = ImageCms.profileToProfile(image, BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(f"is CMYK with a colour profile that fails ({error}): convert it to RGB first") from error
    assert converted is not None  # only a conversion in place gives nothing
    return converted


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image as L or RGB, without its alpha channel if that is opaque everywhere."""
    if image.has_transparency_data:
        alpha = (image if image.mode == "LA" else image.convert("RGBA")).getchannel("A")
        if alpha.getextrema() != (255, 255):
            raise ValueError("is transparent: flatten it first")
    return image.convert(_MODES[image.mode])
