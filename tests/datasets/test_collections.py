"""Folders are the data sets that they are said to be, whole or in part, and splits are those of the protocols."""

import dataclasses
import functools
import http.server
import io
import os
import re
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qebench.__main__ import main
from qebench.common import images, plugins
from qebench.datasets import fetch, known, membership, originals, splits
from qebench.datasets.known import COLLECTIONS, Archive

TEST_IMAGES = Path(os.environ.get("QEBENCH_TEST_IMAGES", plugins.ROOT.parent / "shared/data/test"))
SPLITS = plugins.ROOT / "workflow/splits"
NAMES = ("baboon", "barbara", "boats", "lena", "peppers")


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.fixture
def classic5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of five pictures in five kinds of file, and let their pixels be those of classic5."""
    lines = ["dataset,picture,width,height,channels,sha256"]
    (tmp_path / "pictures").mkdir()
    for seed, (name, suffix) in enumerate(zip(NAMES, ("png", "bmp", "tif", "webp", "PNG"), strict=True)):
        picture = noise(seed, 16, 24)
        lines.append(f"classic5,{name},24,16,1,{images.sha256(picture)}")
        # WebP has no gray, so this one is a PNG file under a wrong name
        Image.fromarray(picture).save(tmp_path / f"pictures/{seed}.{suffix}", "PNG" if suffix == "webp" else None)
    (tmp_path / "checksums.csv").write_text("\n".join(lines))
    monkeypatch.setattr(membership, "CHECKSUMS", tmp_path / "checksums.csv")
    membership._checksums.cache_clear()
    yield tmp_path / "pictures"
    membership._checksums.cache_clear()


@pytest.mark.parametrize(("name", "folder"), [("kodak", "kodak24"), ("live1", "live1"), ("classic5", "classic5")])
def test_the_checksums_are_those_of_the_data_set(name, folder):
    assert len(membership.pictures(name)) == COLLECTIONS[name].count
    if not (TEST_IMAGES / folder).is_dir():
        pytest.skip(f"{TEST_IMAGES / folder} is not here: set QEBENCH_TEST_IMAGES to the folder that has it")
    assert (
        fetch.verify(name, TEST_IMAGES / folder) == f"{COLLECTIONS[name].title}, all {COLLECTIONS[name].count} pictures"
    )


def test_the_pixels_decide_whatever_the_file_is_called(classic5):
    assert fetch.verify("classic5", classic5) == "classic5, all 5 pictures"


def test_a_part_is_called_a_subset(classic5):
    for number in (1, 2, 3):
        next(classic5.glob(f"{number}.*")).unlink()
    words = "subset of classic5, 2 of 5 pictures; missing: barbara, boats, lena"
    assert fetch.verify("classic5", classic5) == words
    assert membership.describe("raise", 6) == "subset of RAISE, 6 of 8,156 pictures"


def test_a_wrong_pixel_is_refused_by_name(classic5):
    images.write(classic5 / "0.png", noise(0, 16, 24) ^ np.eye(16, 24, dtype=np.uint8))
    with pytest.raises(
        ValueError, match=r"0\.png \(24x16, gray\) has the pixels of no picture of classic5: get it again"
    ):
        fetch.verify("classic5", classic5)


def test_the_same_samples_in_another_shape_are_another_picture(classic5):
    images.write(classic5 / "0.png", noise(0, 16, 24).reshape(24, 16))
    with pytest.raises(ValueError, match=r"0\.png \(16x24, gray\) has the pixels of no picture"):
        fetch.verify("classic5", classic5)


def test_gray_kept_as_colour_is_refused_because_its_luma_would_be_another(classic5):
    images.write(classic5 / "0.png", noise(0, 16, 24)[..., None].repeat(3, axis=2))
    with pytest.raises(ValueError, match=r"0\.png \(24x16, RGB\) has the pixels of no picture of classic5"):
        fetch.verify("classic5", classic5)


def test_a_foreign_file_and_a_twin_are_refused_by_name(classic5):
    next(classic5.glob("1.*")).unlink()
    images.write(classic5 / "9.png", noise(0, 16, 24))
    with pytest.raises(ValueError, match=r"0\.png has the pixels of another picture in its folder"):
        fetch.verify("classic5", classic5)
    images.write(classic5 / "99.png", noise(99, 16, 24))
    with pytest.raises(ValueError, match="has 6 pictures, and classic5 5"):
        fetch.verify("classic5", classic5)


@pytest.mark.parametrize("shape", [(3264, 4928, 3), (4288, 2848, 3), (2000, 3008, 3)])
def test_raise_has_three_sizes_upright_or_not(shape):
    path = Path("raise/r000da54ft.TIF")
    assert membership.identify("raise", path, np.zeros(shape, np.uint8)) == "r000da54ft"
    for wrong in (np.zeros(shape[:2], np.uint8), np.zeros((shape[0] - 1, *shape[1:]), np.uint8)):
        with pytest.raises(ValueError, match=r"r000da54ft\.TIF \(.*\) is not of RAISE, which is RGB and 4928x3264 or"):
            membership.identify("raise", path, wrong)


def test_one_side_of_div2k_is_2040():
    assert membership.identify("div2k", Path("0801.png"), np.zeros((1356, 2040, 3), np.uint8)) == "0801"
    with pytest.raises(ValueError, match=r"0801\.png \(2048x1356, RGB\) is not of DIV2K"):
        membership.identify("div2k", Path("0801.png"), np.zeros((1356, 2048, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("raise", ["r000da54ft.TIF", "r1f5c8451t.tif"], ["r000da54f.tif", "R000da54ft.tif", "x.tif"]),
        ("div2k", ["0001.png", "0801.png", "0900.png"], ["0000.png", "0901.png", "0801x2.png", "1.png"]),
    ],
)
def test_pictures_with_other_names_are_refused(name, good, bad):
    membership.check_names(name, [Path(path) for path in good])
    for path in bad:
        with pytest.raises(ValueError, match=rf"{re.escape(path)} is not of {COLLECTIONS[name].title}, whose pictures"):
            membership.check_names(name, [*map(Path, good), Path(path)])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_an_absent_data_set_is_told_with_its_source(name, tmp_path, capsys):
    with pytest.raises(NotADirectoryError, match=re.escape(COLLECTIONS[name].source)):
        originals.choose(name, tmp_path / "absent")
    main(["dataset", name])
    printed = capsys.readouterr().out
    for fact in (f"{COLLECTIONS[name].count:,} pictures", COLLECTIONS[name].terms, COLLECTIONS[name].citation):
        assert fact in printed


def test_the_command_checks_a_folder_and_names_what_is_wrong(classic5, capsys):
    main(["dataset", "classic5", str(classic5)])
    assert capsys.readouterr().out == "classic5, all 5 pictures\n"
    next(classic5.glob("0.*")).write_text("no picture")
    with pytest.raises(SystemExit, match=r"error: .*0\.png is no PNG"):
        main(["dataset", "classic5", str(classic5)])
    with pytest.raises(SystemExit, match="error: there is no data set 'classic6': there are raise, div2k"):
        main(["dataset", "classic6"])


def paths(names: list[str]) -> list[Path]:
    return [Path(f"folder/{name}.png") for name in names]


def test_powerqe_splits_div2k_by_name():
    # ryanxingql/powerqe, tag v1.0, README section 2: 0001-0700 training, 0701-0800 validation, 0801-0900 test
    everything = paths([f"{number:04}" for number in range(1, 901)])
    split = SPLITS / "powerqe.csv"
    parts = {part: splits.choose(everything, split, part) for part in splits.read(split)}
    spans = {part: (found[0].stem, found[-1].stem, len(found)) for part, found in parts.items()}
    assert spans == {
        "training": ("0001", "0700", 700),
        "validation": ("0701", "0800", 100),
        "test": ("0801", "0900", 100),
    }
    assert {part: len(found) for part, found in parts.items()} == {
        part: row.count for part, row in splits.read(split).items()
    }


def test_eccv2020_splits_raise_into_blocks_that_do_not_overlap():
    everything = paths([f"r{number:08x}t" for number in np.random.default_rng(0).permutation(8156)])
    split = SPLITS / "eccv2020.csv"
    test, validation, training = (splits.choose(everything, split, part) for part in ("test", "validation", "training"))
    assert [len(part) for part in (test, validation, training)] == [1000, 1000, 3000]  # as many as in the paper
    assert [*test, *validation, *training] == sorted(everything)[:5000]
    assert splits.choose(everything[:6], split, "test") == sorted(everything[:6])
    with pytest.raises(ValueError, match=r"folder has no picture of the training part of .*eccv2020\.csv"):
        splits.choose(everything[:6], split, "training")


def test_a_split_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.csv is missing: workflow/splits/ has"):
        splits.read(tmp_path / "absent.csv")
    for text in ("part,count\ntest,3\n", "part,count,first,last\ntest,many,,\n"):
        (tmp_path / "split.csv").write_text(text)
        with pytest.raises(ValueError, match=r"split\.csv is no split file: its columns are part, count, first, last"):
            splits.read(tmp_path / "split.csv")
    with pytest.raises(ValueError, match="has no part 'exam': it has test, validation, training"):
        splits.choose(paths(["a"]), SPLITS / "eccv2020.csv", "exam")


def test_what_is_measured_is_said_plainly(tmp_path):
    for name in ("0001", "0801", "0802"):
        images.write(tmp_path / f"{name}.png", noise(0, 16, 24, 3))
    assert originals.describe("div2k", tmp_path) == "subset of DIV2K, 3 of 900 pictures"
    split = SPLITS / "powerqe.csv"
    assert (
        originals.describe("div2k", tmp_path, split)
        == "subset of DIV2K, 2 of 900 pictures where the protocol takes 100"
    )
    for number in range(803, 901):
        images.write(tmp_path / f"{number:04}.png", noise(0, 16, 24, 3))
    assert originals.describe("div2k", tmp_path, split) == "100 of 900 pictures of DIV2K"
    assert originals.describe("mine", tmp_path, split) == ""
    (tmp_path / "raise").mkdir()
    for number in range(1000):
        (tmp_path / f"raise/r{number:08x}t.TIF").touch()
    words = "1,000 of 8,156 pictures of RAISE, not those of the paper, which it does not name"
    assert originals.describe("raise", tmp_path / "raise", SPLITS / "eccv2020.csv") == words


class Server:
    """A web server on this machine with the files of one folder."""

    def __init__(self, folder: Path) -> None:
        handler = functools.partial(_Quiet, directory=folder)
        self.server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://localhost:{self.server.server_port}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a zip archive with two pictures of DIV2K's names and sizes, which passes for its validation part."""
    (tmp_path / "web").mkdir()
    path = tmp_path / "web/DIV2K_valid_HR.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name in ("0801", "0802"):
            encoded = io.BytesIO()
            Image.new("RGB", (2040, 48)).save(encoded, "PNG")
            opened.writestr(f"DIV2K_valid_HR/{name}.png", encoded.getvalue())
        opened.writestr("DIV2K_valid_HR/readme.txt", "no picture")
    server = Server(tmp_path / "web")
    known = Archive("valid", f"{server.address}/DIV2K_valid_HR.zip", fetch.files.sha256(path))
    monkeypatch.setitem(COLLECTIONS, "div2k", dataclasses.replace(COLLECTIONS["div2k"], archives=(known,)))
    yield path
    server.server.shutdown()
    server.server.server_close()


@pytest.mark.parametrize("way", ["download", "zip"])
def test_an_archive_becomes_a_folder_of_its_pictures(archive, tmp_path, capsys, way):
    options = ["--download", "valid"] if way == "download" else ["--zip", str(archive)]
    main(["dataset", "div2k", str(tmp_path / "data"), *options])
    assert capsys.readouterr().out == "subset of DIV2K, 2 of 900 pictures\n"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["0801.png", "0802.png"]


@pytest.mark.parametrize(
    ("way", "message"), [("download", "does not match the known hash"), ("zip", "is not DIV2K_valid")]
)
def test_another_archive_is_refused_and_leaves_nothing(archive, tmp_path, way, message):
    archive.write_bytes(archive.read_bytes()[:-1])
    options = ["--download", "valid"] if way == "download" else ["--zip", str(archive)]
    with pytest.raises(SystemExit, match=message):
        main(["dataset", "div2k", str(tmp_path / "data"), *options])
    assert not list(tmp_path.glob("data/*"))


def test_an_address_that_does_not_answer_is_named(archive, tmp_path):
    archive.unlink()
    with pytest.raises(SystemExit, match=r"DIV2K_valid_HR\.zip cannot be downloaded: .*404.* Its official page is"):
        main(["dataset", "div2k", str(tmp_path / "data"), "--download", "valid"])


def test_single_pictures_are_downloaded_as_they_are(classic5, tmp_path, monkeypatch, capsys):
    server = Server(classic5)
    archives = tuple(Archive("all", f"{server.address}/{path.name}") for path in classic5.iterdir())
    monkeypatch.setitem(COLLECTIONS, "classic5", dataclasses.replace(COLLECTIONS["classic5"], archives=archives))
    main(["dataset", "classic5", str(tmp_path / "data"), "--download", "all"])
    assert capsys.readouterr().out == "classic5, all 5 pictures\n"
    server.server.shutdown()
    server.server.server_close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["div2k", "data", "--download", "test"], "DIV2K has no part 'test' to download: its parts are valid, train"),
        (["live1", "data", "--download", "all"], "LIVE1 has no part 'all' to download: it cannot be downloaded. Ask"),
        (["live1", "data", "--zip", __file__], "is nothing that can be checked: unpack it yourself"),
        (["div2k", "--download", "valid"], "there is no folder to put the pictures into"),
    ],
)
def test_what_cannot_be_got_is_said(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=re.escape(message)):
        main(["dataset", *arguments])
    assert not list(tmp_path.iterdir())


def test_every_data_set_can_be_found_by_its_name():
    assert all(known.find(name) is collection for name, collection in COLLECTIONS.items())
