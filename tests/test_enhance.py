"""`qebench enhance`: anybody's own pictures, by the weights that ship or by none at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

from qebench.__main__ import main
from qebench.common import images
from qebench.networks import catalogue

ORIGINAL = data.astronaut()[:160, 150:320]
SHIPPED = [
    (method, stem.removeprefix("luma-"))
    for method, stems in catalogue.weights().items()
    for stem in stems
    if stem.startswith("luma-")
]


def photo(folder: Path, name: str = "photo.jpg") -> Path:
    """Return a colour photograph as JPEG of QF 20."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ORIGINAL).save(path, quality=20)
    return path


def error(path: Path) -> float:
    return float(np.square(images.read(path).astype(float) - ORIGINAL).mean())


@pytest.mark.parametrize("method", [method for method, compressor in SHIPPED if compressor == "jpeg"])
def test_every_method_with_weights_for_jpeg_enhances_a_photograph(method: str, tmp_path: Path) -> None:
    source, output = photo(tmp_path), tmp_path / "enhanced.png"
    main(["enhance", str(source), "-o", str(output), "--method", method])
    assert error(output) < error(source)


def test_a_folder_of_photographs_becomes_a_folder_of_enhanced_ones(tmp_path: Path) -> None:
    sources = [photo(tmp_path / "photos", name) for name in ("a.jpg", "b.jpg")]
    main(["enhance", str(tmp_path / "photos"), "-o", str(tmp_path / "enhanced"), "--exit", "1"])
    assert sorted(path.name for path in (tmp_path / "enhanced").iterdir()) == ["a.png", "b.png"]
    assert all(error(tmp_path / "enhanced" / f"{source.stem}.png") < error(source) for source in sources)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "mprnet"], "no weights of mprnet for jpeg ship: name a file by --weights"),
        (["--compressor", "webp"], "compressor 'webp': weights ship for jpeg, hevc"),
        (["--method", "rqbe"], "rqbe"),
        (["--exit", "6"], "has no exit 6: choose 1 to 5"),
    ],
    ids=["no weights", "compressor", "method", "exit"],
)
def test_what_cannot_enhance_is_refused_and_writes_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    output = tmp_path / "enhanced.png"
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        main(["enhance", str(photo(tmp_path)), "-o", str(output), *arguments])
    assert not output.exists()


def test_a_picture_that_does_not_tell_its_compressor_needs_to_be_told(tmp_path: Path) -> None:
    source = tmp_path / "decoded.png"
    images.write(source, images.read(photo(tmp_path)))
    with pytest.raises(SystemExit, match=r"decoded\.png is PNG, which does not tell .*: add --compressor"):
        main(["enhance", str(source), "-o", str(tmp_path / "enhanced.png")])
    main(["enhance", str(source), "-o", str(tmp_path / "enhanced.png"), "--compressor", "jpeg"])
    assert error(tmp_path / "enhanced.png") < error(source)


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    sources = [str(photo(tmp_path / folder)) for folder in "ab"]
    with pytest.raises(SystemExit, match=r"two pictures would be written as .*photo\.png: rename"):
        main(["enhance", *sources, "-o", str(tmp_path / "enhanced")])
    with pytest.raises(SystemExit, match="is one file, but there are 2 pictures: name a folder"):
        main(["enhance", *sources, "-o", str(tmp_path / "enhanced.png")])


def test_the_colour_profile_of_a_photograph_is_that_of_the_enhanced_one(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(ORIGINAL).save(tmp_path / "photo.jpg", quality=20, icc_profile=profile)
    main(["enhance", str(tmp_path / "photo.jpg"), "-o", str(tmp_path / "enhanced.png"), "--exit", "1"])
    assert Image.open(tmp_path / "enhanced.png").info["icc_profile"] == profile


def test_of_a_phones_jpeg_with_two_pictures_the_first_is_enhanced_and_that_is_said(tmp_path: Path, capsys) -> None:
    picture = Image.fromarray(ORIGINAL)
    other = Image.fromarray(ORIGINAL[::2, ::2].copy())
    picture.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[other], quality=20)
    main(["enhance", str(tmp_path / "phone.jpg"), "-o", str(tmp_path / "enhanced.png"), "--exit", "1"])
    assert error(tmp_path / "enhanced.png") < error(tmp_path / "phone.jpg")
    assert "phone.jpg holds 2 pictures: the first is taken" in capsys.readouterr().err
