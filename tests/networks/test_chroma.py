"""Chroma of people's own pictures: its planes, what is added to them, and that enhancing makes them better."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from skimage import data

from qebench import library
from qebench.common import images
from qebench.networks import chroma

ORIGINAL = data.coffee()[100:260, 200:361]


def chroma_error(picture: np.ndarray) -> float:
    """Return the mean squared error of Cb and Cr, by Pillow's conversion."""
    ours, original = (np.asarray(Image.fromarray(each).convert("YCbCr"), float) for each in (picture, ORIGINAL))
    return float(np.square(ours - original)[..., 1:].mean())


def test_planes_are_means_of_pillows_chroma() -> None:
    pillow = np.asarray(Image.fromarray(ORIGINAL).convert("YCbCr"), float)[..., 1:]
    for step, expected in {1: pillow, 2: pillow[:, :160].reshape(80, 2, 80, 2, 2).mean(axis=(1, 3))}.items():
        ours = np.stack(list(chroma.planes(ORIGINAL, (step, step))), axis=-1).astype(float)
        assert ours.shape[:2] == (160 // step, -(-161 // step))
        assert np.abs(ours[:, : expected.shape[1]] - expected).max() <= 1.5  # Pillow cuts, and ours are rounded


def test_a_change_is_enlarged_by_the_triangle_filter_of_libjpeg() -> None:
    change = np.array([[0.0, 4.0], [8.0, 12.0]], np.float16)
    expected = [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    assert chroma.enlarged(change, 4, 4, (2, 2)).tolist() == expected
    assert chroma.enlarged(change, 3, 3, (2, 2)).tolist() == [row[:3] for row in expected[:3]]
    assert chroma.enlarged(change, 2, 2, (1, 1)).tolist() == change.tolist()


def test_luma_is_added_to_red_green_and_blue_alike_and_chroma_leaves_luma_alone() -> None:
    still = np.zeros(ORIGINAL.shape[:2], np.float16)
    assert (chroma.changed(ORIGINAL, [still, still, still]) == ORIGINAL).all()
    middle = np.full_like(ORIGINAL, 128)
    assert (chroma.changed(middle, [still + 3, still, still]) == 131).all()
    changed = chroma.changed(middle, [still, still + 10, still - 10]).astype(float)
    assert np.abs(changed @ [0.299, 0.587, 0.114] - 128).max() < 0.5


@pytest.mark.parametrize(("subsampling", "rows_and_columns"), [("4:4:4", (1, 1)), ("4:2:2", (1, 2)), ("4:2:0", (2, 2))])
def test_the_chroma_of_a_jpeg_file_gets_better(subsampling: str, rows_and_columns: tuple, tmp_path: Path) -> None:
    Image.fromarray(ORIGINAL).save(tmp_path / "a.jpg", quality=20, subsampling=subsampling)
    picture = images.load(tmp_path / "a.jpg")
    assert picture.subsampling == rows_and_columns
    network = library.load("pixelunet", "jpeg")
    enhanced = library.enhance(picture.pixels, network, subsampling=picture.subsampling).picture
    assert chroma_error(enhanced) < 0.85 * chroma_error(picture.pixels)


def test_a_quarter_turn_turns_the_subsampling(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(ORIGINAL).save(tmp_path / "a.jpg", subsampling="4:2:2", exif=exif)
    assert images.load(tmp_path / "a.jpg").subsampling == (2, 1)


def test_of_files_that_do_not_tell_it_is_that_of_most_codecs(tmp_path: Path) -> None:
    images.write(tmp_path / "a.png", ORIGINAL)
    assert images.load(tmp_path / "a.png").subsampling == (2, 2)


def test_gray_stored_as_rgb_stays_gray() -> None:
    gray = np.asarray(Image.fromarray(ORIGINAL).convert("L"))
    decoded, _ = library.compress(gray, "jpeg", 20)
    enhanced = library.enhance(np.stack([decoded] * 3, axis=-1), library.load("pixelunet", "jpeg")).picture
    assert (enhanced == enhanced[..., :1]).all()
    assert (enhanced[..., 0] != decoded).any()
