"""Results of others are read from their archive, and refused if pictures, codecs, protocol or code are other ones."""

from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from helpers.measured import rows

from qebench.common import files, provenance
from qebench.evaluation import measurements
from qebench.evaluation.results import Results
from qebench.publishing import archive, contributed

PROTOCOL = {"colour": "luma", "crop": 512}
CODEC = {"version": "libjpeg-turbo 3.2.0", "settings": "4:0:0"}


def record(quality: int, changes: dict | None = None) -> dict:
    """Return where measurements at a quality come from, changed in part."""
    images = {"count": 1, "manifest_sha256": "feed"}
    common = {"dataset": "set", "compressor": "jpeg", "quality": quality, "codec": CODEC, "images": images}
    method = {"method": "net", "trained_on": "jpeg", "weights": None, "device": "d", "commit": "c", "versions": {}}
    return common | method | {"metrics": {"psnr_unrounded": "code"}} | (changes or {})


def measured(qualities: list[int]) -> pd.DataFrame:
    values = {}
    for quality in qualities:
        values |= {("a", "jpeg", quality, "decoded", 1, "psnr_unrounded"): 30.0}
        values |= {("a", "jpeg", quality, "net", 1, "psnr_unrounded"): 31.0}
    return rows(values)


def ours(changes: dict | None = None) -> Results:
    found = measured([10])
    return Results(
        found, pd.DataFrame(), pd.DataFrame(), {}, ["decoded", "net"], "", found, records=[record(10, changes)]
    )


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Return an archive of results of another lab, at QF 10 and 20."""
    folder = tmp_path / "results"
    measurements.write(measured([10, 20]), [record(10), record(20)], folder / "measurements.parquet")
    files.write_csv([{"method": "net", "exit": 1, "gmacs": 5.0}], folder / "complexity/net.csv")
    files.write_csv([{"method": "net", "exit": 1, "median_ms": 7.0}], folder / "latency/net.csv")
    files.write_csv([{"method": "net", "compressor": "jpeg", "median_ms": 9.0}], folder / "latency/jpeg/net.csv")
    files.write_csv([{"place": 1}], folder / "leaderboard.csv")
    config = {"protocol": PROTOCOL, "compressors": {"jpeg": {"threshold": 0.78}}}
    inputs = [folder / "measurements.parquet"]
    provenance.write([folder / "leaderboard.csv"], inputs, config, [record(10), record(20)])
    archive.write(folder, tmp_path / "lab.zip")
    return tmp_path / "lab.zip"


def test_an_archive_gives_what_was_measured_here_too(lab: Path) -> None:
    found = contributed.read([lab], ours(), PROTOCOL)
    assert list(found) == ["lab"]
    theirs = found["lab"]
    assert set(theirs.measurements["quality"]) == {10}
    assert theirs.measurements["value"].to_list() == [30, 31]
    assert (theirs.thresholds, theirs.methods) == ({"jpeg": 0.78}, ["decoded", "net"])
    assert theirs.complexity["gmacs"].to_list() == [5]
    assert theirs.latency["median_ms"].to_list() == [7]  # of the photograph, not of pictures


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": {"count": 1, "manifest_sha256": "beef"}},
            "the manifest of the originals differs for set, jpeg, 10",
        ),
        ({"codec": CODEC | {"version": "libjpeg 9"}}, "the codec differs for set, jpeg, 10"),
        ({"metrics": {"psnr_unrounded": "other"}}, "the code of psnr_unrounded differs: code there"),
        ({"quality": 50}, "no picture set, codec and quality is in both"),
    ],
)
def test_what_was_measured_otherwise_is_refused(lab: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=rf"lab\.zip cannot be compared with these results: {message}"):
        contributed.read([lab], ours(changes), PROTOCOL)


def test_another_protocol_is_refused(lab: Path) -> None:
    with pytest.raises(ValueError, match="crop of its protocol is 512, of ours None"):
        contributed.read([lab], ours(), PROTOCOL | {"crop": None})


@pytest.mark.parametrize("kind", ["text", "zip"])
def test_what_is_no_archive_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "other.zip"
    path.write_text("no archive")
    if kind == "zip":
        with ZipFile(path, "w") as file:
            file.writestr("readme.txt", "nothing measured")
    with pytest.raises(ValueError, match=r"other\.zip is no archive of `qebench archive`.*Remove it from its folder"):
        contributed.read([path], ours(), PROTOCOL)
