"""Pictures are coded in colour or as luma, cropped before or after, as a script of Pillow and numpy alone does it."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pictures import QUALITIES, built, photograph, photographs, recipe
from PIL import Image

from compressors import hevc, jpeg
from qebench import config
from qebench.__main__ import main
from qebench.coding import folder
from qebench.coding.coded import Coding, Source
from qebench.common import colour, images
from qebench.datasets.originals import Protocol, sources
from qebench.datasets.originals import write as write_originals
from qebench.evaluation.evaluate import evaluate
from qebench.training import packs, pair_files

NAMES = ("astronaut", "coffee", "camera")  # the last is gray
CROP = 200


def by_hand(picture: np.ndarray, quality: int, chroma: int, after: bool) -> tuple[float, float]:
    """Return luma PSNR (dB) and bits per pixel of JPEG in colour, by Pillow and numpy alone.

    `chroma` is Pillow's number of a subsampling, 0 for 4:4:4 and 2 for 4:2:0; `after` crops after decoding.
    """
    weights = np.array([65_481, 128_553, 24_966])  # MATLAB's rgb2ycbcr, times 255,000: in whole numbers halves round up

    def luma(image):
        return 16.0 + (image @ weights + 127_500) // 255_000 if image.ndim == 3 else image.astype(float)

    def cropped(image):
        top, left = ((side - min(side, CROP)) // 2 for side in image.shape[:2])
        return image[top : top + CROP, left : left + CROP]

    given, file = picture if after else cropped(picture), io.BytesIO()
    options = {"subsampling": chroma} if picture.ndim == 3 else {}
    Image.fromarray(given).save(file, "JPEG", quality=quality, **options)
    error = luma(cropped(np.asarray(Image.open(file)))) - luma(cropped(picture))
    return 10 * np.log10(255**2 / np.mean(error**2)), 8 * len(file.getvalue()) / given.shape[0] / given.shape[1]


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """Return the manifest of crops of luma; the pictures are in `pictures` beside it."""
    for name in NAMES:
        images.write(tmp_path / f"pictures/{name}.png", photograph(name)[:300, :421])
    protocol = Protocol("luma", CROP)
    write_originals(sources(tmp_path / "pictures"), protocol, tmp_path / "originals", tmp_path / "originals.csv")
    return tmp_path / "originals.csv"


def source(originals: Path, coded: str = "colour", cropped: str = "before") -> Source:
    return Source(originals.with_name("pictures"), Coding(Protocol("luma", CROP), coded, cropped))


@pytest.mark.parametrize("cropped", ["before", "after"])
@pytest.mark.parametrize(("subsampling", "chroma"), [("420", 2), ("444", 0)])
def test_jpeg_in_colour_is_that_of_a_script_of_pillow_and_numpy(originals, subsampling, chroma, cropped):
    settings, quality = jpeg.Settings(subsampling), 20
    table = originals.with_name("jpeg") / f"{quality}.csv"
    folder.compress(jpeg, quality, settings, originals, table, 1, source(originals, cropped=cropped))
    rows, _, _ = evaluate("decoded", None, originals, [table], ["psnr"], 8, "matlab", "cpu")
    found = rows.pivot(index="image", columns="metric", values="value")
    for name in NAMES:
        expected, bpp = by_hand(photograph(name)[:300, :421], quality, chroma, cropped == "after")
        assert found.loc[name, "psnr"] == pytest.approx(expected, abs=1e-9)
        assert found.loc[name, "bpp"] == pytest.approx(bpp, abs=5e-7)  # six decimals
    described = {row["image"]: row["settings"] for row in csv.DictReader(table.open())}
    assert "; RGB to BT.601 limited-range luma after decoding" in described["coffee"]
    assert "luma" not in described["camera"]
    assert ("cropped to 200x200 after decoding" in described["coffee"]) == (cropped == "after")


def test_hevc_of_a_crop_is_the_crop_coded_alone(originals, tmp_path):
    folder.compress(hevc, 37, hevc.DEFAULT, originals, tmp_path / "37.csv", 1, source(originals))
    picture = photograph("coffee")[50:250, 110:310]
    expected = colour.luma(hevc.decode(hevc.encode(picture, 37)))
    assert np.array_equal(images.read(tmp_path / "37/coffee.png"), expected)
    assert (tmp_path / "37/coffee.hevc").read_bytes() == hevc.encode(picture, 37)


def test_the_command_codes_as_it_is_told(originals, tmp_path):
    options = ["--source", str(tmp_path / "pictures"), "--coded", "colour", "--cropped", "after", "--crop", str(CROP)]
    main(["step", "compress", "jpeg", str(originals), "-q", "20", "-o", str(tmp_path / "20.csv"), *options])
    folder.compress(jpeg, 20, jpeg.DEFAULT, originals, tmp_path / "x.csv", 1, source(originals, cropped="after"))
    assert (tmp_path / "20.csv").read_bytes() == (tmp_path / "x.csv").read_bytes()


def test_a_picture_that_changed_since_it_was_prepared_is_refused(originals, tmp_path):
    images.write(tmp_path / "pictures/coffee.png", photograph("coffee")[1:301, :421])
    with pytest.raises(ValueError, match=r"coffee\.png is not what the originals were made of: delete their manifest"):
        folder.compress(jpeg, 20, jpeg.DEFAULT, originals, tmp_path / "20.csv", 1, source(originals))


def test_luma_alone_cropped_before_is_what_is_prepared():
    protocol = Protocol("luma", CROP)
    assert Coding(protocol).is_plain
    assert not Coding(protocol, "colour").is_plain
    assert not Coding(protocol, cropped="after").is_plain
    assert Coding(Protocol("luma"), cropped="after").is_plain
    assert Coding(Protocol("rgb", CROP), "colour").is_plain
    with pytest.raises(ValueError, match="coded is 'chroma' and crop 'before': choose luma or colour, before or after"):
        Coding(protocol, "chroma")


def test_the_papers_code_colour_and_crop_before_hm_and_after_jpeg():
    paper = config.preset("eccv2020")
    found = {name: config.coding_of(paper, name) for name in ("jpeg", "hm", "hevc")}
    assert {name: (coding.coded, coding.cropped) for name, coding in found.items()} == {
        "jpeg": ("colour", "after"),
        "hm": ("colour", "before"),
        "hevc": ("colour", "before"),
    }
    assert config.coding_of(config.preset("literature"), "jpeg").is_plain
    assert all(config.coding_of(config.default(), name).is_plain for name in ("jpeg", "hevc"))


def test_pairs_may_be_of_what_was_coded_in_colour(tmp_path):
    pictures = photographs(tmp_path / "pictures", colour=True)
    wanted = recipe(pictures, coded="colour", varied=True)
    found = built(wanted, tmp_path / "pairs.safetensors")
    picture = images.read(pictures / "0.png")
    decoded = np.asarray(Image.open(io.BytesIO(jpeg.encode(picture, QUALITIES[1]))))
    for layer, image in ((0, picture), (2, decoded)):
        ours = (found.image(0, layer)[0, 0] * 255).round().byte().numpy()
        assert np.array_equal(ours, colour.luma(image))
    assert found.description["coded"] == "colour"
    assert "RGB to BT.601 limited-range luma after decoding" in found.description["settings"]
    packs.pack(wanted, 2, tmp_path / "train.zip")
    again = pair_files.cached(recipe(tmp_path / "train.zip", coded="colour", varied=True), 2, tmp_path / "cache")
    assert torch.equal(again.pixels, found.pixels)
    with pytest.raises(ValueError, match=r"train\.zip was packed with coded colour, but luma is asked for"):
        pair_files.cached(recipe(tmp_path / "train.zip", varied=True), 2, tmp_path / "cache")
