"""What goes with a picture: the colour profile byte for byte, EXIF but for the orientation, XMP; odd TIFF files."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from helpers.pictures import cmyk_profile
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from qebench.common import images

COLUMNS, ROWS = np.meshgrid(np.arange(96), np.arange(64))
SLOPES = np.stack([2 * COLUMNS + ROWS, 255 - COLUMNS - ROWS, COLUMNS * ROWS // 24], axis=2).astype(np.uint8)
PICTURE = Image.fromarray(SLOPES)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + b"\0\1\2 and more"  # as it is, unparsed
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6" say="\xc3\xa4"/></x:xmpmeta>'


def exif(orientation: int | None = None) -> bytes:
    """Return EXIF data with a camera's name, its own notes and a place, and if given an orientation."""
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = "A camera"
    tags[ExifTags.IFD.Exif] = {ExifTags.Base.MakerNote: b"notes", ExifTags.Base.ISOSpeedRatings: 200}
    tags[ExifTags.IFD.GPSInfo] = {1: "N"}
    if orientation:
        tags[ExifTags.Base.Orientation] = orientation
    return tags.tobytes()


def saved(folder: Path, container: str, **options) -> Path:
    path = folder / f"photo.{container.lower()}"
    PICTURE.save(path, container, **options)
    return path


def copied(path: Path) -> Image.Image:
    """Return what our PNG file of a picture says."""
    picture = images.load(path)
    output = path.with_name("copied.png")
    images.write(output, picture.pixels, picture.about)
    assert np.array_equal(images.read(output), picture.pixels)
    return Image.open(output)


@pytest.mark.parametrize("container", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_the_colour_profile_goes_on_byte_for_byte(container, tmp_path):
    assert copied(saved(tmp_path, container, icc_profile=PROFILE)).info["icc_profile"] == PROFILE
    assert "icc_profile" not in copied(saved(tmp_path, container)).info


@pytest.mark.parametrize("container", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [None, 1, 6])
def test_exif_goes_on_but_for_the_orientation(container, orientation, tmp_path):
    path = saved(tmp_path, container, exif=exif(orientation))
    found = copied(path).getexif()
    assert found[ExifTags.Base.Make] == "A camera"
    assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] == b"notes"
    assert found.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"
    assert found.get(ExifTags.Base.Orientation, 1) == 1
    assert images.read(path).shape == ((96, 64, 3) if orientation == 6 else (64, 96, 3))


def test_exif_of_a_jpeg_changes_in_no_byte_but_the_orientation(tmp_path):
    given = exif(6)
    found = copied(saved(tmp_path, "JPEG", exif=given)).info["exif"]
    places = [place for place, (old, new) in enumerate(zip(given, found, strict=True)) if old != new]
    assert [(given[place], found[place]) for place in places] == [(6, 1)]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("damage", [b"", b"II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"], ids=repr)
def test_damaged_exif_costs_no_picture(damage, tmp_path):
    path = saved(tmp_path, "JPEG", exif=damage or b"Exif\0\0")
    assert images.load(path).pixels.shape == (64, 96, 3)


@pytest.mark.parametrize("container", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_an_orientation_in_xmp_alone_turns_nothing_and_xmp_goes_on(container, tmp_path):
    options = {"xmp": XMP}
    if container == "TIFF":
        options = {"tiffinfo": TiffImagePlugin.ImageFileDirectory_v2()}
        options["tiffinfo"][TiffImagePlugin.XMP], options["tiffinfo"].tagtype[TiffImagePlugin.XMP] = XMP, 1
    elif container == "PNG":
        options = {"pnginfo": (text := images.metadata.PngImagePlugin.PngInfo())}
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif container == "HEIF":  # pillow-heif would write the orientation beside XMP, too
        options = {"xmp": XMP.replace(b'"6"', b'"1"')}
    path = saved(tmp_path, container, **options)
    path.write_bytes(path.read_bytes().replace(options.get("xmp", XMP), XMP))
    assert images.read(path).shape == (64, 96, 3)
    assert copied(path).info["xmp"] == XMP or container == "HEIF"  # pillow-heif takes the orientation out of it


def test_xmp_of_a_turned_picture_does_not_turn_it_again(tmp_path):
    path = saved(tmp_path, "JPEG", exif=exif(6), xmp=XMP)
    assert copied(path).info["xmp"] == XMP.replace(b'"6"', b'"1"')


def test_cmyk_becomes_srgb_without_the_profile_of_its_inks(tmp_path):
    Image.new("CMYK", (32, 32)).save(tmp_path / "inks.tif", icc_profile=cmyk_profile())
    assert images.load(tmp_path / "inks.tif").about.icc_profile is None


def test_of_a_jpeg_of_two_pictures_the_first_is_taken_and_that_is_said(tmp_path):
    path, other = tmp_path / "phone.jpg", Image.fromarray(SLOPES[::-1].copy())
    PICTURE.save(path, "MPO", save_all=True, append_images=[other], quality=90)
    PICTURE.save(tmp_path / "alone.jpg", quality=90)
    found = images.load(path)
    assert found.remark == f"{path} holds 2 pictures: the first is taken"
    assert np.array_equal(found.pixels, images.read(tmp_path / "alone.jpg"))
    assert images.container(path) == "JPEG"
    assert images.load(tmp_path / "alone.jpg").remark == ""


def heif(image: Image.Image, folder: Path) -> Path:
    image.save(folder / "photo.heic", "HEIF", quality=-1, chroma=444, matrix_coefficients=0)  # lossless
    return folder / "photo.heic"


def test_heic_is_read(tmp_path):
    path = heif(PICTURE, tmp_path)
    assert images.container(path) == "HEIF"
    assert np.abs(images.read(path).astype(int) - SLOPES).max() <= 1


WIDE = SLOPES.astype(np.uint16) * 257
KINDS_OF_TIFF = {
    "big": {"bigtiff": True},
    "zstd": {"compression": "zstd"},
    "lzma": {"compression": "lzma"},
    "lzw": {"compression": "lzw"},
    "lzma, predictor": {"compression": "lzma", "predictor": True},
    "tiles": {"tile": (16, 32)},
    "big endian, tiles, zstd": {"tile": (16, 32), "compression": "zstd", "byteorder": ">"},
    "strips": {"rowsperstrip": 7, "compression": "zlib"},
}


@pytest.mark.parametrize("samples", [WIDE, SLOPES], ids=["16 bits", "8 bits"])
@pytest.mark.parametrize("kind", KINDS_OF_TIFF)
def test_tiff_of_every_kind_is_read_alike_with_16_bits_and_8(kind, samples, tmp_path):
    tifffile.imwrite(tmp_path / "photo.tif", samples, photometric="rgb", **KINDS_OF_TIFF[kind])
    assert np.array_equal(images.read(tmp_path / "photo.tif"), SLOPES)


@pytest.mark.parametrize("samples", [WIDE, SLOPES], ids=["16 bits", "8 bits"])
def test_tiff_of_separate_planes_is_read(samples, tmp_path):
    planes = samples.transpose(2, 0, 1).copy()
    tifffile.imwrite(tmp_path / "photo.tif", planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(images.read(tmp_path / "photo.tif"), SLOPES)


@pytest.mark.parametrize("samples", [WIDE, SLOPES], ids=["16 bits", "8 bits"])
def test_a_fourth_sample_that_means_nothing_is_left_out(samples, tmp_path):
    extended = np.dstack([samples, samples[..., 0]])
    tifffile.imwrite(tmp_path / "photo.tif", extended, photometric="rgb", extrasamples=["unspecified"])
    assert np.array_equal(images.read(tmp_path / "photo.tif"), SLOPES)


@pytest.mark.parametrize("samples", [WIDE, SLOPES], ids=["16 bits", "8 bits"])
@pytest.mark.parametrize("first", [True, False], ids=["picture first", "thumbnail first"])
def test_a_thumbnail_page_of_a_tiff_does_not_stop_the_picture(first, samples, tmp_path):
    pages = [(samples, 0), (samples[::4, ::4].copy(), 1)]  # NewSubfileType 1: reduced resolution
    with tifffile.TiffWriter(tmp_path / "photo.tif") as file:
        for page, kind in pages if first else pages[::-1]:
            file.write(page, photometric="rgb", subfiletype=kind, metadata=None)
    assert np.array_equal(images.read(tmp_path / "photo.tif"), SLOPES)


def test_two_pages_of_full_size_are_refused_beside_a_thumbnail(tmp_path):
    with tifffile.TiffWriter(tmp_path / "photo.tif") as file:
        for page, kind in ((SLOPES, 0), (SLOPES[::4, ::4].copy(), 1), (SLOPES, 0)):
            file.write(page, photometric="rgb", subfiletype=kind, metadata=None)
    with pytest.raises(ValueError, match=r"photo\.tif holds 2 pictures"):
        images.read(tmp_path / "photo.tif")
