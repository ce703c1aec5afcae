"""A JPEG file's steps are read as they lie in it, and a projected change leaves no coefficient beyond its bounds."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from scipy.fft import dctn
from skimage import data

from qebench import library
from qebench.common import images, quantisation
from qebench.common.quantisation import NARROW

# ITU-T T.81, table K.1: luma's steps at QF 50, rows and columns of frequencies.
FIRST_ROW, FIRST_COLUMN = [16, 11, 10, 16, 24, 40, 51, 61], [16, 12, 14, 14, 18, 24, 49, 72]
PICTURE = data.coffee()[100:260, 200:361]


def coded(picture: np.ndarray, **options: object) -> Image.Image:
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", **options)
    return Image.open(file)


def coefficients(plane: np.ndarray) -> np.ndarray:
    """Return the DCT of the whole 8x8 blocks of a plane, (rows of blocks, 8, columns of blocks, 8)."""
    height, width = (side // 8 for side in plane.shape)
    blocks = plane[: 8 * height, : 8 * width].reshape(height, 8, width, 8)
    return dctn(blocks.astype(float), axes=(1, 3), norm="ortho")


def test_steps_are_those_of_the_standard() -> None:
    luma, cb, cr = quantisation.of_file(coded(PICTURE, quality=50)).steps
    assert luma[0].tolist() == FIRST_ROW and luma[:, 0].tolist() == FIRST_COLUMN
    assert (cb == cr).all() and cb[0, 0] == 17
    (gray,) = quantisation.of_file(coded(PICTURE[..., 0], quality=50)).steps
    assert (gray == luma).all()


def test_files_whose_planes_are_not_luma_and_chroma_have_none(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    assert images.load(tmp_path / "a.png").quantisation is None
    assert quantisation.of_file(coded(PICTURE, keep_rgb=True)) is None
    file = BytesIO()
    Image.fromarray(PICTURE).convert("CMYK").save(file, "JPEG")
    assert quantisation.of_file(Image.open(file)) is None


def test_the_original_is_within_half_a_step_and_stays() -> None:
    gray = 64 + np.asarray(Image.fromarray(PICTURE).convert("L"))[:, :160] // 2  # nothing is clipped
    image = coded(gray, quality=30)
    steps = quantisation.of_file(image)
    away = coefficients(gray.astype(float) - np.asarray(image)) / steps.steps[0][:, None]
    assert np.quantile(np.abs(away), 0.999) < 0.51  # but for the rounding of pixels
    exact = 2 * 0.6 / NARROW * steps.steps[0]  # bounds of 0.6 steps
    change = (gray.astype(float) - np.asarray(image)).astype(np.float16)
    assert np.abs(quantisation.projected(change, exact) - change).max() < 0.01


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_enhanced_as_it_is_stored(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    original = PICTURE[:100]  # 161x100 pixels: blocks would lie elsewhere if it were enhanced upright
    Image.fromarray(original).save(tmp_path / "turned.jpg", quality=50, subsampling="4:2:2", exif=exif)
    Image.fromarray(original).save(tmp_path / "plain.jpg", quality=50, subsampling="4:2:2")
    turned, plain = (images.load(tmp_path / f"{name}.jpg") for name in ("turned", "plain"))
    assert (turned.quantisation.stored(turned.pixels) == plain.pixels).all()
    assert (turned.quantisation.upright(plain.pixels) == turned.pixels).all()
    trained = library.load("pixelunet", "jpeg")
    one, other = (
        library.enhance(each.pixels, trained, subsampling=each.subsampling, quantisation=each.quantisation).picture
        for each in (turned, plain)
    )
    assert (turned.quantisation.stored(one) == other).all()


def test_no_coefficient_leaves_its_bounds() -> None:
    steps = quantisation.of_file(coded(PICTURE, quality=50)).steps[0]
    change = np.random.default_rng(0).normal(0, 30, PICTURE.shape[:2]).astype(np.float16)
    kept = quantisation.projected(change, steps)
    bounds = NARROW / 2 * steps[:, None]
    before, after = coefficients(change), coefficients(kept)
    assert (np.abs(after) <= bounds + 0.1).all()
    assert np.abs(after - before.clip(-bounds, bounds)).max() < 0.1  # rounded to half precision


def test_tables_that_come_late_or_are_missing_are_none_at_all() -> None:
    image = coded(PICTURE, quality=50)
    del image.quantization[1]
    assert quantisation.of_file(image) is None


def test_planes_of_unusual_sampling_have_none() -> None:
    image = coded(PICTURE, quality=50)
    assert [layer[1:3] for layer in image.layer] == [(2, 2), (1, 1), (1, 1)]
    image.layer[2] = (3, 2, 2, 1)
    assert quantisation.of_file(image) is None
    image.layer[0], image.layer[1] = (1, 1, 1, 0), (2, 2, 2, 1)
    assert quantisation.of_file(image) is None


def test_a_picture_that_was_saved_more_coarsely_before_is_not_held_back(tmp_path: Path) -> None:
    trained = library.load("pixelunet", "jpeg")
    gains = {}
    for first in (None, 10):
        picture = PICTURE if first is None else np.asarray(coded(PICTURE, quality=first))
        Image.fromarray(picture).save(tmp_path / "a.jpg", quality=85)
        again = images.load(tmp_path / "a.jpg")
        results = [library.enhance(again.pixels, trained, quantisation=each) for each in (None, again.quantisation)]
        gains[first] = [-np.square(result.picture.astype(float) - PICTURE).mean() for result in results]
    assert gains[None][1] > gains[None][0] and gains[10][1] == gains[10][0]


def test_quantisation_of_other_planes_is_refused() -> None:
    gray = quantisation.of_file(coded(PICTURE[..., 0], quality=50))
    with pytest.raises(ValueError, match="3 channels, its quantisation is of 1"):
        library.enhance(PICTURE, library.load("pixelunet", "jpeg"), quantisation=gray)


def test_exits_of_an_rgb_network_do_not_depend_on_the_file() -> None:
    trained = library.load("rbqe-powerqe-v3", "methods/weights/rbqe-powerqe-v3-rgb-jpeg.safetensors")
    image = coded(PICTURE[:96, :104], quality=10)
    picture, steps = np.asarray(image.convert("RGB")), quantisation.of_file(image)
    one, other = (library.enhance(picture, trained, quantisation=each) for each in (None, steps))
    assert (one.exit, one.scores) == (other.exit, other.scores)


@pytest.mark.parametrize(
    ("method", "weights", "subsampling"),
    [
        ("pixelunet", "jpeg", "4:2:0"),
        ("pixelunet", "jpeg", "4:4:4"),
        ("pixelunet", "jpeg", "gray"),
        ("cbdnet", "methods/weights/cbdnet-rgb-jpeg.safetensors", "4:2:0"),
    ],
)
def test_an_enhanced_picture_keeps_to_its_file(method: str, weights: str, subsampling: str, tmp_path: Path) -> None:
    trained = library.load(method, weights)
    original = PICTURE[..., 1] if subsampling == "gray" else PICTURE
    options = {} if subsampling == "gray" else {"subsampling": subsampling}
    Image.fromarray(original).save(tmp_path / "a.jpg", quality=40, **options)
    picture = images.load(tmp_path / "a.jpg")
    free, kept = (
        library.enhance(picture.pixels, trained, subsampling=picture.subsampling, quantisation=steps).picture
        for steps in (None, picture.quantisation)
    )
    bounds = NARROW / 2 * picture.quantisation.steps[0][:, None] + 1.5  # pictures have 8 bits
    changes = (each.astype(float) - picture.pixels for each in (free, kept))
    lumas = (change @ [0.299, 0.587, 0.114] if change.ndim == 3 else change for change in changes)
    left, still = (np.abs(coefficients(luma)) > bounds for luma in lumas)
    assert left.sum() > 20 and still.sum() < left.sum() / 20
    errors = [np.square(each.astype(float) - original).mean() for each in (free, kept)]
    assert errors[1] < errors[0]
