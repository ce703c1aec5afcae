"""Originals are prepared as the protocol says, and what is not whole or not the listed one never passes for it."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from compressors import jpeg
from qebench.common import images
from qebench.datasets import originals
from qebench.datasets.known import COLLECTIONS
from qebench.datasets.originals import Protocol

LUMA = Protocol("luma")


def picture(height: int = 20, width: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a gray and two colour pictures."""
    images.write(tmp_path / "pictures" / "01.png", picture(seed=1))
    Image.fromarray(picture(seed=2)).save(tmp_path / "pictures" / "leaf, green.TIFF")
    Image.fromarray(picture(seed=3)[..., 0]).save(tmp_path / "pictures" / "boat.bmp")
    return tmp_path / "pictures"


def prepare(folder: Path, output: Path, protocol: Protocol = LUMA) -> None:
    originals.write(originals.sources(folder), protocol, output, output.with_suffix(".csv"))


def near_zero(gray: np.ndarray, top: int, left: int) -> float:
    """Return the share of coefficients below 0.5 of the 8x8 DCTs on a grid that starts at (top, left)."""
    height, width = ((size - 8) // 8 * 8 for size in gray.shape)
    blocks = gray[top : top + height, left : left + width].reshape(height // 8, 8, width // 8, 8)
    return float((np.abs(dctn(blocks.astype(np.float32), axes=(1, 3), norm="ortho")) < 0.5).mean())


UNTOUCHED = [source for source in originals.sources(None) if source.stem != "chelsea"]  # see datasets.DEMO


@pytest.mark.parametrize("source", UNTOUCHED, ids=lambda source: source.stem)
def test_demo_images_show_no_traces_of_jpeg(source, tmp_path):
    def rise(path: Path) -> float:
        gray = np.asarray(Image.open(path).convert("L"))
        return (
            near_zero(gray, 0, 0) / np.mean([near_zero(gray, 4, 4), near_zero(gray, 3, 5), near_zero(gray, 5, 2)]) - 1
        )

    Image.fromarray(images.read(source)).save(tmp_path / "compressed.jpg", quality=98)
    assert rise(source) < 0.05
    assert rise(tmp_path / "compressed.jpg") > 0.4  # so the measure would have shown them


def test_sources_are_the_pictures_of_a_folder_by_name(folder):
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "more.png").mkdir()
    assert [path.name for path in originals.sources(folder)] == ["01.png", "boat.bmp", "leaf, green.TIFF"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(NotADirectoryError, match="absent is no folder"):
        originals.sources(tmp_path / "absent")


def test_a_folder_without_pictures_is_told_what_counts(tmp_path):
    with pytest.raises(ValueError, match=r"has no pictures.*\.png.*\.webp"):
        originals.sources(tmp_path)


@pytest.mark.parametrize("twin", ["boat.png", "Boat.jpg"])
def test_two_pictures_of_one_name_are_both_named(folder, twin):
    (folder / twin).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"boat\.bmp.*{twin}|{twin}.*boat\.bmp"):
        originals.sources(folder)


def test_gray_files_pass_for_luma_as_they_are():
    gray = picture()[..., 0]
    assert np.array_equal(originals.prepare(gray, LUMA), gray)


def test_gray_files_are_repeated_for_rgb():
    gray = picture()[..., 0]
    assert np.array_equal(originals.prepare(gray, Protocol("rgb")), np.dstack([gray, gray, gray]))


def test_luma_of_colours_is_limited_range():
    white = np.full((16, 16, 3), 255, np.uint8)
    assert (originals.prepare(white, LUMA) == 235).all()  # ITU-R BT.601
    assert np.array_equal(originals.prepare(white, Protocol("rgb")), white)


def test_crop_is_the_centre_or_less():
    image = picture(21, 40)
    cropped = originals.prepare(image, Protocol("rgb", crop=18))
    assert np.array_equal(cropped, image[1:19, 11:29])
    assert np.array_equal(originals.prepare(image, Protocol("rgb", crop=30)), image[:, 5:35])
    assert np.array_equal(originals.prepare(image, Protocol("rgb", crop=64)), image)


def test_scaling_by_two_takes_means_of_four_rounded_half_up():
    # as OpenCV's INTER_AREA does: checked against cv2.resize of OpenCV 5.0 on random images when this was written
    quads = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [10, 20, 30, 41], [255, 255, 255, 254]], np.uint8)
    tiled = quads.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    scaled = originals.prepare(np.tile(tiled, (8, 8)), Protocol("luma", scale=2))
    assert np.array_equal(scaled, np.tile([[0, 1], [25, 255]], (8, 8)))


def test_scaling_comes_before_the_crop_and_leaves_odd_rests_out():
    steps = (np.arange(83) // 4 * 10).clip(0, 255).astype(np.uint8)[None].repeat(65, axis=0)  # each 4 pixels wide
    scaled = originals.prepare(steps, Protocol("luma", scale=2))
    assert np.array_equal(scaled, (np.arange(41) // 2 * 10).clip(0, 255)[None].repeat(32, axis=0))
    assert np.array_equal(originals.prepare(steps, Protocol("luma", crop=16, scale=2)), scaled[8:24, 12:28])


@pytest.mark.parametrize("size", COLLECTIONS["raise"].sizes)
@pytest.mark.parametrize("upright", [False, True])
def test_cropping_raise_before_jpeg_is_cropping_after_it(size, upright):
    # The paper crops after JPEG, we before; in RAISE's three sizes the crop starts on a block, so its blocks are equal.
    height, width = sorted(map(int, size.split("x")), reverse=upright)
    whole = np.resize(np.random.default_rng(0).integers(0, 256, 9973, np.uint8), (height, width))
    crop = Protocol("luma", crop=512)
    before = jpeg.decode(jpeg.encode(originals.prepare(whole, crop), 10))
    assert np.array_equal(before, originals.prepare(jpeg.decode(jpeg.encode(whole, 10)), crop))


@pytest.mark.parametrize("protocol", [Protocol("luma", scale=2), Protocol("rgb", crop=16, scale=2)], ids=str)
def test_too_little_left_is_refused(protocol):
    with pytest.raises(ValueError, match=r"is .*x15 pixels: use an image of 16x16 or more"):
        originals.prepare(picture(31, 40), protocol)


@pytest.mark.parametrize("options", [{"colour": "y"}, {"colour": "rgb", "crop": 8}, {"colour": "rgb", "scale": 0}])
def test_a_protocol_that_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match=r"choose luma or rgb|start at 1 and 16"):
        Protocol(**options)


def test_prepared_images_are_listed_and_loaded_as_they_are(folder, tmp_path):
    prepare(folder, tmp_path / "originals", Protocol("luma", crop=18))
    with (tmp_path / "originals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["image", "source", "sha256_source", "sha256", "height", "width"]
    loaded = list(originals.load(tmp_path / "originals", tmp_path / "originals.csv"))
    assert [name for name, _ in loaded] == [row["image"] for row in rows] == ["01", "boat", "leaf, green"]
    for row, (name, image) in zip(rows, loaded, strict=True):
        assert np.array_equal(image, np.asarray(Image.open(tmp_path / "originals" / f"{name}.png")))
        assert row["sha256"] == hashlib.sha256(image.tobytes()).hexdigest()
        assert row["sha256_source"] == hashlib.sha256((folder / row["source"]).read_bytes()).hexdigest()
        assert (row["height"], row["width"]) == ("18", "18")


def test_the_manifest_is_the_same_every_time_and_everywhere(folder, tmp_path):
    prepare(folder, tmp_path / "first")
    prepare(folder.rename(tmp_path / "moved"), tmp_path / "elsewhere" / "second")
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "elsewhere" / "second.csv").read_bytes()


def test_another_protocol_replaces_everything(folder, tmp_path):
    prepare(folder, tmp_path / "originals")
    (folder / "boat.bmp").unlink()
    prepare(folder, tmp_path / "originals", Protocol("rgb"))
    assert sorted(path.name for path in (tmp_path / "originals").iterdir()) == ["01.png", "leaf, green.png"]
    assert all(image.ndim == 3 for _, image in originals.load(tmp_path / "originals", tmp_path / "originals.csv"))


def test_one_failure_leaves_nothing_that_passes_for_complete(folder, tmp_path):
    prepare(folder, tmp_path / "originals")
    (folder / "last.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"last\.png"):
        prepare(folder, tmp_path / "originals")
    assert list(tmp_path.iterdir()) == [folder]


def test_a_source_of_which_too_little_is_left_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"01\.png as the protocol prepares it is 15x10 pixels: use"):
        prepare(folder, tmp_path / "originals", Protocol("luma", scale=2))


def test_folders_with_other_things_are_not_replaced(folder, tmp_path):
    with pytest.raises(ValueError, match="holds the sources"):
        prepare(folder, folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match=r"mine .*holds thesis\.tex"):
        prepare(folder, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").exists()
    assert len(originals.sources(folder)) == 3


def test_pictures_of_a_known_data_set_are_checked_while_they_are_prepared(tmp_path):
    for name, size in {"r000da54ft": (3008, 2000), "r001d260dt": (300, 200)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.TIF")
    output = tmp_path / "originals"
    with pytest.raises(
        ValueError, match=r"r001d260dt\.TIF \(300x200, RGB\) is not of RAISE, which is RGB and 4928x3264"
    ):
        originals.write(
            originals.choose("raise", tmp_path), Protocol("luma", 64), output, output.with_suffix(".csv"), "raise"
        )
    assert not output.exists()
    originals.write(
        originals.choose("mine", tmp_path), Protocol("luma", 64), output, output.with_suffix(".csv"), "mine"
    )
    assert len(list(output.iterdir())) == 2


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
def test_an_image_that_is_not_the_listed_one_is_refused(folder, tmp_path, damage):
    prepare(folder, tmp_path / "originals")
    path = tmp_path / "originals" / "boat.png"
    if damage == "changed":
        images.write(path, images.read(path) ^ 1)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-50])
    else:
        path.unlink()
    loading = originals.load(tmp_path / "originals", tmp_path / "originals.csv")
    assert next(loading)[0] == "01"
    with pytest.raises(ValueError, match=r"boat\.png is not the image listed.*delete the manifest and run again"):
        next(loading)
