"""Every kind of picture file is read exactly, or refused with its name, the reason and a remedy."""

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from helpers.pictures import cmyk_profile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from qebench.common import images

GRAY = np.random.default_rng(0).integers(0, 256, (18, 25), np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (18, 25, 3), np.uint8)
SMOOTH = np.add.outer(np.arange(40) * 3, np.arange(50) * 2).astype(np.uint8)  # what JPEG keeps
LEVELS = np.arange(65536, dtype=np.uint16).reshape(256, 256)  # every 16-bit sample once
WIDE = np.stack([LEVELS, LEVELS[::-1], LEVELS.T], axis=2)


def rounded(samples: np.ndarray) -> np.ndarray:
    """Return samples x 255 / 65535, rounded to nearest in whole numbers."""
    return ((2 * 255 * samples.astype(np.int64) + 65535) // (2 * 65535)).astype(np.uint8)


def encoded(image: np.ndarray | Image.Image, container: str, **options) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(file, container, **options)
    return file.getvalue()


def wide_png(samples: np.ndarray, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """Return a 16-bit PNG of (H, W, 1 to 4) samples, put together as the standard (ISO/IEC 15948) says."""
    height, width, channels = samples.shape
    adam7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    passes = [samples[y::down, x::right] for x, y, right, down in (adam7 if interlaced else [(0, 0, 1, 1)])]
    data = b"".join(b"\0" + row.astype(">u2").tobytes() for part in passes for row in part)  # filter 0: none
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, interlaced)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(samples: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **({"photometric": "rgb"} if samples.ndim == 3 else {}) | options)
    return file.getvalue()


def lzw_tiff(samples: np.ndarray) -> bytes:
    """Return a 16-bit RGB TIFF as FFmpeg packs it, because tifffile and Pillow cannot."""
    codec = av.CodecContext.create("tiff", "w")
    codec.height, codec.width = samples.shape[:2]
    codec.pix_fmt, codec.options, codec.time_base = "rgb48le", {"compression_algo": "lzw"}, Fraction(1)
    packets = codec.encode(av.VideoFrame.from_ndarray(samples, format="rgb48le")) + codec.encode(None)
    return b"".join(bytes(packet) for packet in packets)


def with_alpha(colours: np.ndarray, alpha: int) -> np.ndarray:
    """Return an image with an opaque alpha channel except for one pixel."""
    channel = np.full(colours.shape[:2], np.iinfo(colours.dtype).max, colours.dtype)
    channel[3, 4] = alpha
    return np.dstack([colours, channel])


def read(tmp_path: Path, content: bytes, name: str = "image.png") -> np.ndarray:
    path = tmp_path / name
    path.write_bytes(content)
    return images.read(path)


@pytest.mark.parametrize("image", [GRAY, RGB], ids=["gray", "rgb"])
@pytest.mark.parametrize(
    ("container", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
    ],
)
def test_lossless_files_keep_every_sample(tmp_path, image, container, options):
    result = read(tmp_path, encoded(image, container, **options))
    assert result.dtype == np.uint8
    assert np.array_equal(result, image)
    result[0, 0] = 0  # torch warns of arrays that cannot be written to


def test_lossless_webp_keeps_every_sample(tmp_path):
    assert np.array_equal(read(tmp_path, encoded(RGB, "WEBP", lossless=True)), RGB)


@pytest.mark.parametrize("image", [SMOOTH, np.dstack([SMOOTH, SMOOTH, SMOOTH])], ids=["gray", "rgb"])
def test_jpeg_is_read_as_gray_or_rgb(tmp_path, image):
    result = read(tmp_path, encoded(image, "JPEG", quality=100))
    assert result.shape == image.shape
    assert np.abs(result.astype(int) - image).max() <= 2  # JPEG rounds its coefficients


def test_content_decides_not_the_suffix(tmp_path):
    assert np.array_equal(read(tmp_path, encoded(RGB, "PNG"), "image.jpg"), RGB)


def test_black_and_white_becomes_gray(tmp_path):
    bits = GRAY > 127
    assert np.array_equal(read(tmp_path, encoded(Image.fromarray(bits), "PNG")), bits * np.uint8(255))


def test_palette_becomes_rgb(tmp_path):
    indices = Image.fromarray(GRAY % 3).convert("P")
    palette = np.array([[1, 2, 3], [40, 50, 60], [255, 0, 128]], np.uint8)
    indices.putpalette(palette.tobytes())
    assert np.array_equal(read(tmp_path, encoded(indices, "PNG")), palette[GRAY % 3])


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("samples", [LEVELS[..., None], WIDE], ids=["gray", "rgb"])
def test_16_bit_png_is_rounded_not_truncated(tmp_path, samples, interlaced):
    result = read(tmp_path, wide_png(samples, interlaced))
    assert np.array_equal(result, rounded(samples).squeeze())
    assert not np.array_equal(result, (samples >> 8).squeeze())  # what Pillow makes of colours


def test_16_bit_images_of_odd_size_are_read_whole(tmp_path):
    samples = WIDE[:37, :19]  # FFmpeg pads its rows to multiples of 32 or 64 bytes
    assert np.array_equal(read(tmp_path, wide_png(samples)), rounded(samples))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}], ids=str)
@pytest.mark.parametrize("samples", [LEVELS, WIDE], ids=["gray", "rgb"])
def test_16_bit_tiff_is_rounded_not_truncated(tmp_path, samples, options, byteorder):
    content = tiff(samples, byteorder=byteorder, rowsperstrip=50, **options)
    assert np.array_equal(read(tmp_path, content, "image.tif"), rounded(samples))


def test_16_bit_lzw_tiff_is_rounded_not_truncated(tmp_path):
    content = lzw_tiff(WIDE)
    assert Image.open(io.BytesIO(content)).info["compression"] == "tiff_lzw"
    assert np.array_equal(read(tmp_path, content, "image.tif"), rounded(WIDE))


def test_16_bit_tiff_whose_zero_is_white_is_inverted(tmp_path):
    assert np.array_equal(read(tmp_path, tiff(65535 - LEVELS, photometric="miniswhite")), rounded(LEVELS))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(with_alpha(RGB, 255), "PNG"), RGB),
        (encoded(with_alpha(RGB, 255), "TIFF"), RGB),
        (encoded(with_alpha(RGB, 255), "WEBP", lossless=True), RGB),
        (encoded(with_alpha(GRAY, 255), "PNG"), GRAY),
        (encoded(GRAY.clip(1), "PNG", transparency=0), GRAY.clip(1)),
        (encoded(RGB.clip(1), "PNG", transparency=(0, 0, 0)), RGB.clip(1)),
        (wide_png(with_alpha(WIDE, 65535)), rounded(WIDE)),
        (wide_png(with_alpha(LEVELS, 65535)), rounded(LEVELS)),
        (tiff(with_alpha(WIDE, 65535), extrasamples=["unassalpha"]), rounded(WIDE)),
    ],
    ids=["png", "tiff", "webp", "gray", "gray colour key", "colour key", "png 16", "gray 16", "tiff 16"],
)
def test_opaque_alpha_is_dropped(tmp_path, content, expected):
    assert np.array_equal(read(tmp_path, content), expected)


# EXIF 2.32, 4.6.4: where the stored 0th row and 0th column lie in the upright picture
ORIENTATIONS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_pictures_are_turned_upright(tmp_path, orientation):
    def stored(upright: np.ndarray) -> np.ndarray:
        row, column = ORIENTATIONS[orientation]
        turned = upright.swapaxes(0, 1) if row in ("left", "right") else upright
        turned = turned[::-1] if row in ("bottom", "right") else turned
        return np.ascontiguousarray(turned[:, ::-1] if column in ("bottom", "right") else turned)

    exif = Image.Exif()
    exif[274] = orientation
    tag = [(274, "H", 1, orientation, True)]
    wide = WIDE[:30, :20]
    assert np.array_equal(read(tmp_path, encoded(stored(RGB), "PNG", exif=exif)), RGB)
    assert np.array_equal(read(tmp_path, encoded(stored(GRAY), "PNG", exif=exif)), GRAY)
    assert np.array_equal(read(tmp_path, encoded(stored(RGB), "WEBP", lossless=True, exif=exif)), RGB)
    assert np.array_equal(read(tmp_path, tiff(stored(RGB), extratags=tag)), RGB)
    assert np.array_equal(read(tmp_path, tiff(stored(wide), extratags=tag)), rounded(wide))
    described = wide_png(stored(wide), extra=chunk(b"eXIf", exif.tobytes()[6:]))  # less "Exif\0\0"
    assert np.array_equal(read(tmp_path, described), rounded(wide))
    jpeg = read(tmp_path, encoded(stored(SMOOTH), "JPEG", quality=100, exif=exif))
    assert np.abs(jpeg.astype(int) - SMOOTH).max() <= 2


@pytest.mark.parametrize(("container", "options"), [("TIFF", {}), ("JPEG", {"quality": 100})])
def test_cmyk_goes_through_its_profile(tmp_path, container, options):
    inks = Image.new("CMYK", (32, 32), (0, 0, 0, 102))  # 40 % black, so L* is 60
    result = read(tmp_path, encoded(inks, container, icc_profile=cmyk_profile(), **options))
    luminance = ((60 + 16) / 116) ** 3  # CIE 15
    expected = 255 * (1.055 * luminance ** (1 / 2.4) - 0.055)  # IEC 61966-2-1: 144.6
    assert result.shape == (32, 32, 3)
    assert np.abs(result - expected).max() <= 1.5  # L* passes through 8 bits


RGB_PROFILE_IN_CMYK = encoded(Image.new("CMYK", (32, 32)), "TIFF", icc_profile=b"no profile")
HUGE = struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0)  # 400 megapixels
PAGES = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]

REFUSED = {
    "text": (b"no picture at all", "damaged"),
    "empty": (b"", "damaged"),
    "gif": (encoded(GRAY, "GIF"), "of another format"),
    "transparent": (encoded(with_alpha(RGB, 254), "PNG"), "transparent: flatten"),
    "transparent webp": (encoded(with_alpha(RGB, 254), "WEBP", lossless=True), "transparent: flatten"),
    "transparent tiff": (encoded(with_alpha(RGB, 254), "TIFF"), "transparent: flatten"),
    "transparent gray": (encoded(with_alpha(GRAY, 254), "PNG"), "transparent: flatten"),
    "transparent level": (encoded(GRAY, "PNG", transparency=int(GRAY[0, 0])), "transparent: flatten"),
    "transparent colour": (encoded(RGB, "PNG", transparency=tuple(RGB[0, 0].tolist())), "transparent: flatten"),
    "transparent index": (
        encoded(Image.fromarray(GRAY).convert("P"), "PNG", transparency=int(GRAY[0, 0])),
        "transparent: flatten",
    ),
    "transparent 16": (wide_png(with_alpha(WIDE, 0)), "transparent: flatten"),
    "transparent gray 16": (wide_png(with_alpha(LEVELS, 0)), "transparent: flatten"),
    "transparent colour 16": (
        wide_png(WIDE, extra=chunk(b"tRNS", WIDE[0, 0].astype(">u2").tobytes())),
        "transparent: flatten",
    ),
    "transparent tiff 16": (tiff(with_alpha(WIDE, 0), extrasamples=["unassalpha"]), "transparent: flatten"),
    "cmyk": (encoded(Image.new("CMYK", (32, 32)), "TIFF"), "without a colour profile.*convert it to RGB"),
    "cmyk jpeg": (encoded(Image.new("CMYK", (32, 32)), "JPEG"), "without a colour profile.*convert it to RGB"),
    "cmyk, wrong profile": (RGB_PROFILE_IN_CMYK, "profile that fails.*convert it to RGB"),
    "float": (tiff(GRAY / np.float32(255)), "float samples: export"),
    "float rgb": (tiff(RGB / np.float32(255)), "unusual kind.*export"),
    "32 bits": (tiff(GRAY.astype(np.uint32)), "kind I: export"),
    "signed": (tiff(GRAY.astype(np.int8)), "signed or float samples: export"),
    "lab": (tiff(RGB, photometric="cielab"), "kind LAB: export"),
    "two pages": (encoded(PAGES[0], "TIFF", save_all=True, append_images=PAGES[1:]), "holds 2 pictures"),
    "animated png": (encoded(PAGES[0], "PNG", save_all=True, append_images=PAGES[1:]), "holds 2 pictures"),
    "animated webp": (encoded(PAGES[0], "WEBP", save_all=True, append_images=PAGES[1:]), "holds 2 pictures"),
    "low": (encoded(GRAY[:15], "PNG"), "25x15 pixels: use an image of 16x16 or more"),
    "narrow": (encoded(GRAY[:, :15], "BMP"), "15x18 pixels: use an image of 16x16 or more"),
    "bomb": (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", HUGE) + chunk(b"IDAT", b""), "over 179 megapixels: crop or scale"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_has_no_one_8_bit_picture_is_refused(tmp_path, kind):
    content, reason = REFUSED[kind]
    with pytest.raises(ValueError, match=rf"image\.png .*({reason})"):
        read(tmp_path, content)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow, of the end of a TIFF file
@pytest.mark.parametrize(
    "content",
    [
        encoded(RGB, "PNG"),
        encoded(RGB, "BMP"),
        encoded(RGB, "TIFF"),
        encoded(RGB, "TIFF", compression="tiff_lzw"),
        encoded(RGB, "JPEG"),
        encoded(RGB, "WEBP"),
        encoded(RGB, "WEBP", lossless=True),
        wide_png(WIDE),
        tiff(WIDE),
        tiff(WIDE, compression="zlib"),
        lzw_tiff(WIDE),
    ],
    ids=["png", "bmp", "tiff", "lzw", "jpeg", "webp", "lossless webp", "png 16", "tiff 16", "deflate 16", "lzw 16"],
)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path, content, part):
    with pytest.raises(ValueError, match=r"image\.png .*damaged.*get it again"):
        read(tmp_path, content[: int(len(content) * part)])


@pytest.mark.parametrize(
    "content", [encoded(SMOOTH, "PNG"), wide_png(SMOOTH[..., None].astype(np.uint16) * 257)], ids=["8 bits", "16 bits"]
)
def test_no_flipped_bit_of_a_png_goes_unnoticed(tmp_path, content):
    for place in range(8 * (len(content) - 12)):  # the last 12 bytes are the end chunk, without samples
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"image\.png"):
            read(tmp_path, flipped)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        images.read(tmp_path / "absent.png")


@given(image=arrays(np.uint8, st.tuples(st.integers(16, 20), st.integers(16, 20), st.sampled_from([1, 3]))))
def test_written_images_are_read_back_exactly(tmp_path_factory, image):
    image = image.squeeze()
    path = tmp_path_factory.mktemp("written") / "image.png"
    images.write(path, image)
    assert np.array_equal(images.read(path), image)
    assert [file.name for file in path.parent.iterdir()] == ["image.png"]


@pytest.mark.parametrize(
    ("name", "image"),
    [("image.jpg", RGB), ("image.png", RGB / 255), ("image.png", WIDE), ("image.png", with_alpha(RGB, 255))],
    ids=["suffix", "float", "16 bits", "alpha"],
)
def test_only_8_bit_gray_and_rgb_go_into_png_files(tmp_path, name, image):
    with pytest.raises(ValueError, match=rf"{name}.*uint8"):
        images.write(tmp_path / name, image)
    assert not list(tmp_path.iterdir())
