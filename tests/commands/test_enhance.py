"""`qebench enhance`: anybody's own pictures, by the weights that ship or by none at all."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from safetensors.torch import load_file, save_file
from skimage import data

from qebench import library
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


def photo(folder: Path, name: str = "photo.jpg", subsampling: str = "4:2:0") -> Path:
    """Return a colour photograph as JPEG of QF 20."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ORIGINAL).save(path, quality=20, subsampling=subsampling)
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


def enhance(*words: str | Path) -> None:
    """Run `enhance` by the fastest method."""
    main(["enhance", *map(str, words), "--method", "dcad"])


@pytest.mark.parametrize("quality", [9, 51, 90, 95])
def test_outside_the_qualities_of_training_a_picture_is_left_alone(quality: int, tmp_path: Path, capsys) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source, output = tmp_path / "photo.jpg", tmp_path / "enhanced.png"
    Image.fromarray(ORIGINAL).save(source, quality=quality, icc_profile=profile)
    enhance(source, "-o", output)
    assert (images.read(output) == images.read(source)).all()
    assert Image.open(output).info["icc_profile"] == profile
    said = capsys.readouterr().out
    assert f"QF {quality}, left as it is: the weights are for QF 10 to 50 (--force" in said
    enhance(source, "-o", output, "--force")
    assert (images.read(output) != images.read(source)).any()
    assert f"QF {quality}, dcad" in capsys.readouterr().out


@pytest.mark.parametrize("quality", [10, 30, 50])
@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_within_them_it_gets_better(name: str, quality: int, tmp_path: Path, capsys) -> None:
    original = getattr(data, name)()[:160, 100:260]
    Image.fromarray(original).save(tmp_path / "a.jpg", quality=quality)
    enhance(tmp_path / "a.jpg", "-o", tmp_path / "b.png")
    before, after = (np.square(images.read(tmp_path / f) - original.astype(float)).mean() for f in ("a.jpg", "b.png"))
    assert after < before
    assert f"QF {quality}, dcad" in capsys.readouterr().out


def test_the_quality_of_a_heic_file_is_its_qp(tmp_path: Path, capsys) -> None:
    Image.fromarray(ORIGINAL).save(tmp_path / "photo.heic", quality=95)
    enhance(tmp_path / "photo.heic", "-o", tmp_path / "enhanced.png")
    assert "left as it is: the weights are for QP 22 to 42" in capsys.readouterr().out


def test_where_nothing_tells_the_quality_there_is_a_warning(tmp_path: Path, capsys) -> None:
    images.write(tmp_path / "decoded.png", images.read(photo(tmp_path)))
    enhance(tmp_path / "decoded.png", "-o", tmp_path / "enhanced.png", "--compressor", "jpeg")
    assert "does not tell its QF, and the weights are for QF 10 to 50" in capsys.readouterr().err
    save_file(load_file(library.shipped("dcad", "jpeg")), tmp_path / "own.safetensors")
    enhance(
        photo(tmp_path),
        "-o",
        tmp_path / "enhanced.png",
        "--weights",
        tmp_path / "own.safetensors",
        "--compressor",
        "jpeg",
    )
    assert "do not tell which qualities they are for" in capsys.readouterr().err


def test_the_range_is_that_of_the_weights_own_record(tmp_path: Path, capsys) -> None:
    record = {"training_images": {"compressor": "jpeg", "qualities": "[95, 80]"}}
    weights = tmp_path / "wide.safetensors"
    save_file(load_file(library.shipped("dcad", "jpeg")), weights, {"training": json.dumps(record)})
    enhance(photo(tmp_path), "-o", tmp_path / "enhanced.png", "--weights", weights)
    assert "QF 20, left as it is: the weights are for QF 80 to 95" in capsys.readouterr().out


BEST = {
    (90, "4:2:0"): "pixelunet-colour",
    (91, "4:2:0"): "left as it is: the weights are for QF 5 to 90",
    (95, "4:4:4"): "pixelunet",
}


@pytest.mark.parametrize(("quality", "subsampling"), BEST)
def test_good_photographs_get_better_or_stay(quality: int, subsampling: str, tmp_path: Path, capsys) -> None:
    before, after = tmp_path / "a.jpg", tmp_path / "a.png"
    Image.fromarray(ORIGINAL).save(before, quality=quality, subsampling=subsampling)
    main(["enhance", str(before), "-o", str(after)])
    said = BEST[quality, subsampling]
    assert f"QF {quality}, {said}" in capsys.readouterr().out
    assert error(after) == error(before) if "left" in said else error(after) < error(before)


@pytest.mark.parametrize("strength", [0.0, 0.25])
def test_strength_blends_towards_the_decoded_picture(strength: float, tmp_path: Path) -> None:
    source = photo(tmp_path)
    for name, value in {"full": 1, "part": strength}.items():
        enhance(source, "-o", tmp_path / f"{name}.png", "--strength", str(value))
    decoded, full, part = (
        images.read(path).astype(float) for path in (source, *map(tmp_path.joinpath, ("full.png", "part.png")))
    )
    assert np.abs(part - (decoded + strength * (full - decoded))).max() <= 0.5


def test_a_strength_over_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        enhance(photo(tmp_path), "-o", tmp_path / "x.png", "--strength", "1.5")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("x.png", "x.png is the picture itself"),
        ("enh.jpg", r"enh\.jpg is no name for a PNG file: name one in \.png"),
        ("enh.heif", r"enh\.heif is no name for a PNG file"),
        ("note", "note is a file: name a folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(output: str, message: str, tmp_path: Path) -> None:
    photo(tmp_path).rename(tmp_path / "x.png")
    (tmp_path / "note").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit, match=message):
        enhance(tmp_path / "x.png", "-o", tmp_path / output)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_output_through_a_link_to_the_source_is_refused(tmp_path: Path) -> None:
    source = photo(tmp_path)
    (tmp_path / "link.png").symlink_to(source)
    (tmp_path / "hard.png").hardlink_to(source)
    for name in ("link.png", "hard.png"):
        with pytest.raises(SystemExit, match="is the picture itself"):
            enhance(source, "-o", tmp_path / name)


def test_capital_letters_are_png_too(tmp_path: Path) -> None:
    enhance(photo(tmp_path), "-o", tmp_path / "out.PNG")
    assert error(tmp_path / "out.PNG") < error(tmp_path / "photo.jpg")


def folder_of_many(folder: Path) -> Path:
    for name in ("a.jpg", "b.jfif", "c.jpe", "sub/d.jpg"):
        photo(folder, "photo.jpg").rename(folder / Path(name).name)
    (folder / "sub").mkdir()
    (folder / "d.jpg").rename(folder / "sub" / "d.jpg")
    Image.fromarray(ORIGINAL).save(folder / "e.ppm")
    (folder / "f.jp2").write_bytes(b"not read by us")
    (folder / "g.jpg").symlink_to("nowhere.jpg")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_of_a_folder_what_can_be_is_enhanced_and_the_rest_is_listed_first(tmp_path: Path, capsys) -> None:
    folder = folder_of_many(tmp_path / "many")
    with pytest.raises(SystemExit, match="4 of 7 were not enhanced"):
        enhance(folder, "-o", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c.png"]
    listed = capsys.readouterr().err
    assert "4 of 7 cannot be enhanced:" in listed
    for part in (
        "e.ppm is no PNG",
        "f.jp2 is no PNG",
        "g.jpg",
        "is a link to a file that is not there",
        "add --recursive",
    ):
        assert part in listed
    assert "notes.txt" not in listed


def test_recursive_takes_sub_folders_and_keeps_their_places(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="3 of 7 were not enhanced"):
        enhance(folder_of_many(tmp_path / "many"), "-o", tmp_path / "out", "--recursive")
    assert (tmp_path / "out" / "sub" / "d.png").exists()


def test_strict_enhances_nothing_unless_all_can_be(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"e\.ppm is no PNG.*and 3 others"):
        enhance(folder_of_many(tmp_path / "many"), "-o", tmp_path / "out", "--strict")
    assert not (tmp_path / "out").exists()


def test_errors_name_a_file_as_it_was_given_and_where_that_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.jpg").write_bytes(b"nothing")
    with pytest.raises(SystemExit, match=rf"broken\.jpg \({tmp_path.resolve()}{os.sep}broken\.jpg\) is no PNG"):
        enhance("broken.jpg", "-o", "x.png")


def test_progress_counts_the_tiles_of_a_large_picture() -> None:
    trained = library.load("dcad", "jpeg")
    tiles: list[int] = []
    picture = np.tile(data.camera()[:64], (1, 2))
    library.enhance(picture, trained, track=lambda places: tiles.append(len(places)) or places)
    assert tiles == []  # it is within the budget
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qebench.networks.tiling.BUDGET", 2e7)
        library.enhance(picture, trained, track=lambda places: tiles.append(len(places)) or places)
    assert tiles[0] > 1


def test_a_photograph_goes_by_our_own_network_and_one_with_an_exit_or_a_rule_by_rbqe(tmp_path: Path, capsys) -> None:
    halved, whole, gray = photo(tmp_path), photo(tmp_path, "whole.jpg", "4:4:4"), tmp_path / "gray.jpg"
    Image.fromarray(ORIGINAL[..., 1]).save(gray, quality=20)
    main(["enhance", str(halved), str(whole), str(gray), "-o", str(tmp_path / "out")])
    main(["enhance", str(halved), "-o", str(tmp_path / "b.png"), "--exit", "2"])
    said = [line.rsplit(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["QF 20, pixelunet-colour", *["QF 20, pixelunet"] * 2, "QF 20, rbqe, exit 2"]
