"""Pictures and data sets of any name are measured like others, or refused in one sentence before any work."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qebench import config
from qebench.__main__ import main as benchmarks
from qebench.__main__ import main as compressors
from qebench.common import files, images
from qebench.datasets import originals
from qebench.evaluation import measurements

PICTURE = np.add.outer(np.arange(24) * 3, np.arange(32) * 2).astype(np.uint8)
MISSING = ["NA", "null", "None", "nan", "N", "#N", "-NaN", "inf", "True", "007", "1e5", "2020"]
STRANGE = [
    "<b>",
    "a & b",
    'q"uote',
    "it's",
    "-o",
    "--help",
    "a,b;c",
    "写真",
    "صورة",
    "фото",
    "e\u0301te",
    "🖼",
    "a b.c",
    "%s",
    "\\n",
]


def pictures(folder: Path, names: list[str]) -> Path:
    for name in names:
        images.write(folder / f"{name}.png", PICTURE)
    return folder


def test_every_name_is_measured_under_that_name_in_a_data_set_called_by_a_number(tmp_path):
    names = sorted(MISSING + STRANGE)
    folder, manifest = pictures(tmp_path / "pictures", names), tmp_path / "originals/2020.csv"
    decoded, rows = tmp_path / "decoded/2020/jpeg/10.csv", tmp_path / "rows.parquet"
    benchmarks(["step", "prepare", "-o", str(manifest), "--colour", "luma", "--dataset", "2020", "--", str(folder)])
    compressors(["step", "compress", "jpeg", str(manifest), "-q", "10", "-o", str(decoded), "--workers", "1"])
    where = ["--originals", str(manifest), "--decoded", str(decoded), "--keys", "2020", "jpeg"]
    benchmarks(["step", "evaluate", "decoded", *where, "--metrics", "psnr", "--block-size", "8", "-o", str(rows)])
    found, _ = measurements.read(rows)
    assert sorted(found["image"].unique()) == names
    assert set(found["dataset"]) == {"2020"}
    assert found["value"].notna().all()
    assert sorted(files.read_csv(manifest)["image"]) == sorted(files.read_csv(decoded)["image"]) == names


def test_columns_of_names_are_text_and_others_numbers(tmp_path):
    written = pd.DataFrame(
        {
            "image": ["NA", "007"],
            "dataset": ["2020", "null"],
            "value": [1.5, None],
            "exit": [1, 2],
            "stop": [True, False],
        }
    )
    files.write_csv(written, tmp_path / "x.csv")
    found = files.read_csv(tmp_path / "x.csv")
    assert found["image"].tolist() == ["NA", "007"]
    assert found["dataset"].tolist() == ["2020", "null"]
    assert found["value"].dtype == float
    assert found["value"].isna().tolist() == [False, True]
    assert found["exit"].tolist() == [1, 2]
    assert found["stop"].tolist() == [True, False]


REFUSED = {
    "new line": ("a\nb", r"has the character '\\n' in its name"),
    "tab": ("a\tb", r"has the character '\\t' in its name"),
    "line separator": ("a\u2028b", r"has the character '\\u2028' in its name"),
    "no UTF-8": (os.fsdecode(b"caf\xe9"), "has a byte that is no UTF-8 in its name"),
    "long": ("x" * 200, "has a name of over 180 bytes"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_name_that_cannot_be_kept_is_refused_before_any_work(kind, tmp_path, capsys):
    name, words = REFUSED[kind]
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").touch()
    (folder / f"{name}.png").touch()
    with pytest.raises(SystemExit, match=f"^error: .*{words}.*: rename it$"):
        benchmarks(["step", "prepare", str(folder), "-o", str(tmp_path / "x.csv"), "--colour", "luma"])
    assert not (tmp_path / "x.csv").exists()


def test_two_ways_to_write_one_accent_are_one_name(tmp_path):
    folder = pictures(tmp_path, ["\u00e9", "e\u0301"])
    with pytest.raises(ValueError, match=r"has both .*: rename or remove one"):
        originals.sources(folder)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=60))
def test_any_name_is_listed_and_read_back_or_refused_in_words(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("names")
    try:
        (folder / "in").mkdir()
        images.write(folder / "in/x.png", PICTURE)
        (folder / "in/x.png").rename(folder / f"in/{name}.png")
    except (OSError, UnicodeEncodeError):
        return  # no name of a file here
    try:
        sources = originals.sources(folder / "in")
    except ValueError as error:
        assert str(error)
        return
    originals.write(sources, originals.Protocol("luma"), folder / "out", folder / "out.csv")
    assert [found for found, _ in originals.load(folder / "out", folder / "out.csv")] == [name]
    assert files.read_csv(folder / "out.csv")["image"].tolist() == [name]


def test_a_data_set_called_by_a_number_is_taken_from_yaml(tmp_path):
    settings = config.default() | {"dataset": 2020, "folders": {2020: str(pictures(tmp_path, ["NA"]))}}
    config.check(settings)
    assert settings["dataset"] == "2020"
    assert config.pictures(settings, "2020") == [tmp_path / "NA.png"]


@pytest.mark.parametrize("name", ["-x", "a b", "<b>", "", "x/y", "\u00e9", None, 1.5])
def test_a_name_of_a_data_set_that_makes_no_path_is_refused(name, tmp_path):
    settings = config.default() | {"folders": {name: str(pictures(tmp_path, ["a"]))}}
    if name is None:
        settings["dataset"] = None
    with pytest.raises(ValueError, match=r"folders|dataset"):
        config.check(settings)


@pytest.mark.parametrize("pair", ["hevc", "jpeg=", "jpeg=high", "=0.8/", "jpeg=0.8=0.9"])
def test_a_threshold_that_is_none_is_refused_with_the_right_form(pair):
    from qebench.commands import arguments

    with pytest.raises(ValueError, match=r"--thresholds .*: write COMPRESSOR=T, as jpeg=0.8"):
        arguments.thresholds([pair])


def multi_exit_run(folder: Path, compressor: str) -> Path:
    """Return a folder of results of another config: rbqe on a compressor, two exits."""
    keys = {"dataset": "x", "image": "a", "compressor": compressor, "quality": 10, "method": "rbqe", "metric": "iqam"}
    rows = pd.DataFrame([keys | {"trained_on": compressor, "exit": exit, "value": 0.5} for exit in range(1, 6)])
    measurements.write(rows, [{}], folder / "measurements.parquet")
    return folder


@pytest.mark.parametrize(
    ("compressor", "options", "words"),
    [
        ("webp", [], "there is no threshold of early exit for webp: add webp=T"),
        ("hevc", ["--thresholds", "hevc"], "--thresholds 'hevc': write COMPRESSOR=T"),
        ("hevc", ["--thresholds", "jpeg=0.8"], "results"),
        ("hevc", ["--thresholds", "hevc=0.8/0.7"], "the threshold 0.8/0.7 is 2 numbers"),
        ("hevc", ["--weights", "x-{colour}.pt"], r"--weights 'x-\{colour\}.pt': \{compressor\} alone may stand"),
        ("hevc", ["--weights", "absent-{compressor}.pt"], "absent-hevc.pt is missing"),
    ],
)
def test_exit_check_of_another_run_says_what_is_missing(compressor, options, words, tmp_path):
    folder = multi_exit_run(tmp_path / "results", compressor)
    options = (
        options
        if "--weights" in options
        else [*options, "--weights", "methods/weights/rbqe-luma-{compressor}.safetensors"]
    )
    with pytest.raises(SystemExit, match=f"^error: .*{words}"):
        benchmarks(["study", "exit-check", "rbqe", "--results", str(folder), "--device", "cpu", *options])


def test_exit_check_of_a_method_that_was_not_run_says_so(tmp_path):
    folder = multi_exit_run(tmp_path, "jpeg")
    with pytest.raises(SystemExit, match=r"^error: dcad was not measured: the run has rbqe"):
        benchmarks(["study", "exit-check", "dcad", "--results", str(folder), "--weights", "x", "--device", "cpu"])
