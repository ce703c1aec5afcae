"""JPEG is that of OpenCV and of libjpeg's programs; WebP, AVIF, JPEG 2000 and JPEG XL code what they say they code."""

import hashlib
import io
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.pictures import photograph
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import AvifImagePlugin, Image, JpegImagePlugin
from skimage.metrics import peak_signal_noise_ratio

from compressors import avif, jpeg, jpeg2000, jpegxl, webp

OPENCV = json.loads((Path(__file__).parents[1] / "golden/jpeg_opencv.json").read_text())["files"]
SAMPLING = {"444": 0, "422": 1, "420": 2}  # Pillow's numbers
WHOLE = [avif, jpeg, jpeg2000, jpegxl, webp]  # files that tell their length or their end
every_file_format = pytest.mark.parametrize("compressor", WHOLE, ids=lambda module: module.SUFFIX)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)


@pytest.mark.original("JPEG: files and pixels of OpenCV")
@pytest.mark.parametrize("golden", OPENCV, ids="{0[image]}-{0[qf]}".format)
def test_jpeg_is_what_opencv_writes_and_reads(golden):
    stream = jpeg.encode(photograph(golden["image"]), golden["qf"])
    assert (len(stream), sha256(stream)) == (golden["bytes"], golden["sha256_file"])
    assert sha256(jpeg.decode(stream).tobytes()) == golden["sha256_pixels"]


@pytest.mark.parametrize("subsampling", SAMPLING)
def test_jpeg_has_the_chosen_chroma_format(subsampling, astronaut):
    chosen = jpeg.Settings(subsampling)
    file = Image.open(io.BytesIO(jpeg.encode(astronaut[:64, :64], 30, chosen)))
    assert JpegImagePlugin.get_sampling(file) == SAMPLING[subsampling]
    assert (file.mode, file.info["jfif_version"]) == ("RGB", (1, 1))  # JFIF: YCbCr as ITU-T T.871 has it
    assert ":".join(subsampling) in jpeg.describe(astronaut, chosen)


@pytest.mark.parametrize("quality", [10, 50, 95])
@pytest.mark.parametrize(("name", "subsampling"), [("camera", "420"), *(("astronaut", format) for format in SAMPLING)])
def test_cjpeg_and_djpeg_give_the_pixels_of_pillow(name, subsampling, quality):
    pillow, programs = jpeg.Settings(subsampling), jpeg.Settings(subsampling, "cjpeg")
    try:
        version = jpeg.version(programs)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    if version.count("libjpeg-turbo") < 2:
        pytest.skip(f"others than libjpeg-turbo's have tables and transforms of their own: {version}")
    image = photograph(name)[100:227, 100:265]
    stream = jpeg.encode(image, quality, programs)
    decoded = jpeg.decode(stream, programs)
    assert np.array_equal(decoded, jpeg.decode(jpeg.encode(image, quality, pillow)))
    assert np.array_equal(decoded, jpeg.decode(stream))
    with pytest.raises(ValueError, match="not a whole JPEG file: djpeg failed"):
        jpeg.decode(stream[: len(stream) // 2], programs)


# At QF 100 all steps are 1, so that a coefficient errs by 0.5 and a pixel rarely by 2; RGB adds its own rounding.
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_jpeg_of_any_size_comes_back_in_place(height, width, channels):
    gray = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
    image = gray if channels == 1 else np.stack([gray] * 3, axis=2)
    decoded = jpeg.decode(jpeg.encode(image, 100))
    assert (decoded.shape, decoded.dtype) == (image.shape, np.uint8)
    assert np.abs(decoded.astype(int) - image).max() <= 3


def test_jpeg_refuses_cmyk_files():
    file = io.BytesIO()
    Image.new("CMYK", (16, 16)).save(file, "JPEG")
    with pytest.raises(ValueError, match="expected one gray or RGB picture in the JPEG file, found CMYK"):
        jpeg.decode(file.getvalue())


@pytest.mark.parametrize(("compressor", "container"), [(webp, "WEBP"), (avif, "AVIF")])
def test_animations_are_refused(compressor: ModuleType, container):
    file, frames = io.BytesIO(), [Image.fromarray(noise(16, 16)) for _ in range(2)]
    frames[1].paste(0, (0, 0, 8, 8))
    frames[0].save(file, container, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=f"one gray or RGB picture in the {container} file, found 2 pictures"):
        compressor.decode(file.getvalue())


@every_file_format
def test_sizes_down_to_one_pixel_come_back(compressor: ModuleType):
    for size in [(1, 1), (2, 3), (7, 5)]:
        for shape in (size, (*size, 3)):
            image = np.full(shape, 100, np.uint8)
            decoded = compressor.decode(compressor.encode(image, compressor.QUALITIES[-1]))
            assert decoded.shape == shape
            assert np.abs(decoded.astype(int) - image).max() <= 1


@every_file_format
@settings(max_examples=25)
@given(data=st.data())
def test_files_cut_short_are_refused(compressor: ModuleType, data):
    whole = compressor.encode(noise(24, 40), 30)
    size = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match=r"^not a whole .* file: ."):
        compressor.decode(whole[:size])


@every_file_format
@settings(max_examples=25)
@given(data=st.data())
def test_damaged_files_give_an_image_or_a_value_error(compressor: ModuleType, data):
    damaged = bytearray(compressor.encode(noise(24, 40), 30))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = compressor.decode(bytes(damaged))
    except ValueError as error:
        assert str(error)
    else:
        assert decoded.dtype == np.uint8


@pytest.mark.parametrize("quality", [0, 14, 70, 100])
@pytest.mark.parametrize("image", [photograph("camera")[:160, :160], noise(33, 47)], ids=["camera", "noise"])
def test_gray_webp_is_gray_and_gray_in_rgb_is_rgb(image, quality):
    gray = webp.encode(image, quality)
    assert webp.decode(gray).shape == image.shape
    assert "exif" not in Image.open(io.BytesIO(gray)).info
    rgb = webp.encode(np.stack([image] * 3, axis=2), quality)
    assert webp.decode(rgb).shape == (*image.shape, 3)
    assert np.array_equal(webp.decode(rgb)[..., 0], webp.decode(gray))
    assert len(rgb) - len(gray) == 52  # the tag's cost in the docstring


def test_webp_reads_colour_files_of_others_as_colour(astronaut):
    file = io.BytesIO()
    Image.fromarray(astronaut[:64, :64]).save(file, "WEBP", quality=10)
    assert webp.decode(file.getvalue()).shape == (64, 64, 3)
    assert file.getvalue() == webp.encode(astronaut[:64, :64], 10)  # the method is libwebp's default


def test_bits_of_avif_do_not_depend_on_the_number_of_cores(camera, monkeypatch):
    streams = []
    for threads in (1, 8):  # 8 would make tiles of 512x512 pixels
        monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", threads)
        streams.append(avif.encode(camera, 30))
    assert streams[0] == streams[1]


@pytest.mark.parametrize("quality", [24, 31, 37, 41])
@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee"])
def test_psnr_of_jpeg_2000_is_its_quality(name, quality):
    image = photograph(name)
    psnr = peak_signal_noise_ratio(image, jpeg2000.decode(jpeg2000.encode(image, quality)))
    assert quality - 1 < psnr < quality + 0.2


def test_threads_do_not_change_the_bits_of_jpeg_xl(camera):
    import imagecodecs

    threaded = imagecodecs.jpegxl_encode(camera, distance=6.4, effort=jpegxl.EFFORT, numthreads=4)
    assert (
        jpegxl.encode(camera, 30) == threaded
    )  # libjxl: quality 30 and above is distance 0.1 + 0.09 * (100 - quality)
