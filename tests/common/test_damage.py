"""Damaged pictures are refused in every format, also where the decoder only warns; harmless warnings pass."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage import data

from compressors import jpeg
from qebench.common import damage, images

PICTURE = Image.fromarray(data.astronaut()[:128, :160])
COLUMNS, ROWS = np.meshgrid(np.arange(96), np.arange(64))
SLOPES = np.stack([2 * COLUMNS + ROWS, 255 - COLUMNS - ROWS, COLUMNS * ROWS // 24], axis=2).astype(np.uint8)


def encoded(container: str, image: Image.Image = PICTURE, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, container, **options)
    return file.getvalue()


def zeroed(content: bytes, start: int, count: int = 60) -> bytes:
    """Return a file with some bytes set to zero."""
    return content[:start] + bytes(count) + content[start + count :]


def scan(content: bytes) -> int:
    """Return where the entropy-coded data of a JPEG file begins, or a little later."""
    return content.index(b"\xff\xda") + 120


JPEGS = {
    "colour": encoded("JPEG", quality=60),
    "gray": encoded("JPEG", PICTURE.convert("L")),
    "progressive": encoded("JPEG", progressive=True),
    "restart markers": encoded("JPEG", restart_marker_blocks=4),
    "rgb": encoded("JPEG", keep_rgb=True),
    "two pictures": encoded("MPO", save_all=True, append_images=[PICTURE]),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_with_damaged_entropy_data_is_refused(kind, tmp_path):
    path, content = tmp_path / "photo.jpg", JPEGS[kind]
    path.write_bytes(content)
    whole = images.read(path)
    path.write_bytes(zeroed(content, scan(content)))
    assert (np.asarray(Image.open(path).convert("RGB")) != np.atleast_3d(whole)).any()  # which Pillow reads in silence
    with pytest.raises(ValueError, match=r"photo\.jpg is damaged \(.*\): get it again"):
        images.read(path)


def test_a_jpeg_half_of_whose_pixels_are_lost_is_refused_in_libjpegs_words(tmp_path):
    content = encoded("JPEG", Image.fromarray(SLOPES), quality=60)
    (tmp_path / "damaged.jpg").write_bytes(zeroed(content, scan(content)))
    with pytest.raises(ValueError, match=r"damaged\.jpg is damaged \(premature end of data segment\): get it again"):
        images.read(tmp_path / "damaged.jpg")


@pytest.mark.parametrize(
    ("at", "extra"),
    [(20, b"\1\2\3"), (-2, bytes(4)), (None, b"more")],
    ids=["header", "before the end", "after the end"],
)
def test_extraneous_bytes_of_a_jpeg_are_harmless_but_hide_no_damage(at, extra, tmp_path):
    def padded(content: bytes) -> bytes:
        return content + extra if at is None else content[:at] + extra + content[at:]

    path, content = tmp_path / "photo.jpg", JPEGS["colour"]
    path.write_bytes(content)
    expected = images.read(path)
    path.write_bytes(padded(content))
    assert np.array_equal(images.read(path), expected)
    path.write_bytes(padded(zeroed(content, scan(content))))
    with pytest.raises(ValueError, match=r"photo\.jpg is damaged"):
        images.read(path)


def test_a_jpeg_without_its_end_marker_is_whole():
    damage.check_jpeg(JPEGS["colour"][:-2])


def test_the_compressor_refuses_a_damaged_jpeg_too():
    content = jpeg.encode(SLOPES, 60)
    jpeg.decode(content)
    with pytest.raises(ValueError, match=r"damaged \(premature end of data segment\)"):
        jpeg.decode(zeroed(content, scan(content)))


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "jpeg"])
def test_a_tiff_with_a_damaged_segment_is_refused(compression, tmp_path):
    path, content = tmp_path / "photo.tif", encoded("TIFF", compression=compression)
    path.write_bytes(content)
    images.read(path)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        place = page.dataoffsets[0] + page.databytecounts[0] // 2
    path.write_bytes(zeroed(content, place))
    with pytest.raises(ValueError, match=r"photo\.tif is damaged in its segment 0"):
        images.read(path)


@pytest.mark.parametrize("samples", [np.asarray(PICTURE), np.asarray(PICTURE).astype(np.uint16)], ids=["8", "16"])
def test_a_tiff_of_which_a_segment_is_missing_is_refused(samples, tmp_path):
    tifffile.imwrite(tmp_path / "photo.tif", samples, photometric="rgb", rowsperstrip=32)
    with tifffile.TiffFile(tmp_path / "photo.tif", mode="r+b") as file:
        counts = file.pages[0].tags["StripByteCounts"]
        counts.overwrite([0, *counts.value[1:]])
    with pytest.raises(ValueError, match=r"photo\.tif .*damaged"):
        images.read(tmp_path / "photo.tif")


def test_a_heif_picture_in_which_ffmpeg_finds_an_error_is_refused(tmp_path):
    path, content = tmp_path / "photo.heic", encoded("HEIF", quality=60)
    path.write_bytes(content)
    images.read(path)
    found = 0
    for start in range(len(content) // 3, len(content) - 200, 16):
        path.write_bytes(content[:start] + b"\xff" * 120 + content[start + 120 :])
        try:
            images.read(path)
        except ValueError as error:
            assert "photo.heic" in str(error)
            found += 1
    assert found > 0  # HEVC's arithmetic code takes most damage for other pixels
