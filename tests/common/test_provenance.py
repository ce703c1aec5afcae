"""Results say what they come from, what no longer holds is found, and archives and comparisons say what there is."""

import contextlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from scipy.ndimage import gaussian_filter

from qebench.__main__ import main
from qebench.common import files, images, plugins, provenance
from qebench.evaluation import measurements

METHODS = {"decoded": None, "dcad": plugins.ROOT / "methods/weights/dcad-luma-jpeg.safetensors"}
CONFIG = {"dataset": "tiny", "metrics": ["psnr", "psnr_unrounded"]}


def run(*arguments: object) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit status, stdout and error."""
    error, printed = "", io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            main(list(map(str, arguments)))
        except SystemExit as stopped:
            error = str(stopped.code)
    return int(bool(error)), printed.getvalue(), error


def done(*arguments: object) -> str:
    """Return what a command line that succeeds prints."""
    status, printed, error = run(*arguments)
    assert status == 0, error
    return printed


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results of DCAD on two pictures by JPEG at QF 10, and its weights beside, made."""
    folder = tmp_path_factory.mktemp("made")
    results, weights = folder / "results", folder / "dcad.safetensors"
    shutil.copy(METHODS["dcad"], weights)
    for seed, name in enumerate(("10", "02")):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=(48, 64)), 1 + seed)
        pixels = (255 * (noise - noise.min()) / np.ptp(noise)).round().astype(np.uint8)
        images.write(folder / f"pictures/{name}.png", pixels)
    manifest, decoded = results / "originals/tiny.csv", results / "decoded/tiny/jpeg/10.csv"
    done("step", "prepare", folder / "pictures", "-o", manifest, "--colour", "luma")
    done("step", "compress", "jpeg", manifest, "-q", 10, "-o", decoded)
    parts = []
    for method in METHODS:
        parts.append(results / f"measurements/tiny/jpeg/10/jpeg/{method}.parquet")
        trained = ["--weights", weights, "--trained-on", "jpeg"] if method == "dcad" else []
        where = ["--originals", manifest, "--decoded", decoded, "--keys", "tiny", "jpeg", "--block-size", 8]
        metrics = ["--metrics", *CONFIG["metrics"], "--device", "cpu", "--threads", 1]
        done("step", "evaluate", method, *trained, *where, *metrics, "-o", parts[-1])
        done("step", "complexity", method, "-o", results / f"complexity/{method}.csv")
    done("step", "merge", *parts, "-o", results / "measurements.parquet")
    publish(results)
    return folder


def publish(results: Path) -> None:
    measured = ["--measurements", results / "measurements.parquet", "--methods", *METHODS, "--protocol", "small"]
    # Table 1 prints no latency: the files of complexity stand in for those that would take long to make.
    cost = [results / f"complexity/{method}.csv" for method in METHODS]
    rest = ["--complexity", *cost, "--latency", *cost, "--thresholds", "jpeg=0.8", "--config", json.dumps(CONFIG)]
    done("step", "table", "table1", *measured, *rest, "-o", results / "table1.csv")


@pytest.fixture
def made(finished: Path, tmp_path: Path) -> Path:
    """Return a copy for one test to change; the weights that its measurements name stay those of `finished`."""
    return shutil.copytree(finished / "results", tmp_path / "results", symlinks=True)


def verify(results: Path) -> tuple[int, str, str]:
    return run("verify", results, "--device", "cpu", "--threads", 1, "--sample", 3)


def test_a_table_says_what_it_was_made_of(finished):
    results = finished / "results"
    record = json.loads((results / "table1.provenance.json").read_text())
    assert set(record["files"]) == {"table1.csv", "table1.md", "table1.tex"}
    for name, sha256 in {**record["files"], **record["inputs"]}.items():
        assert files.sha256(results / name) == sha256
    assert "measurements.parquet" in record["inputs"]
    assert record["config"] == CONFIG
    assert record["commit"] == provenance.commit()
    assert record["versions"]["torch"]
    measured = record["measured"]
    assert measured["data"] == [
        {"dataset": "tiny", "count": 2, "manifest_sha256": files.sha256(results / "originals/tiny.csv")}
    ]
    assert [each["weights"] and each["weights"]["sha256"] for each in measured["methods"]] == [
        None,
        files.sha256(METHODS["dcad"]),
    ]
    assert measured["devices"] == [provenance.device_name("cpu")]
    assert [each["compressor"] for each in measured["codecs"]] == ["jpeg"]


def test_untouched_results_hold(finished):
    status, printed, error = verify(finished / "results")
    assert status == 0, printed + error
    assert printed.count(": ok\n") == len(printed.splitlines()) == 6
    assert "3 images measured again, to 0.0005: ok" in printed


def tamper_table(results: Path) -> None:
    path = results / "table1.csv"
    text = path.read_text()
    assert "jpeg,10," in text
    path.write_text(text.replace("jpeg,10,", "jpeg,10,9"))


def tamper_measurement(results: Path) -> None:
    """Add 0.01 dB to all of DCAD and publish anew, so that all checksums agree."""
    rows, records = measurements.read(results / "measurements.parquet")
    enhanced = (rows["method"] == "dcad") & (rows["metric"] == "psnr")
    measurements.write(rows.assign(value=rows["value"] + 0.01 * enhanced), records, results / "measurements.parquet")
    publish(results)


def tamper_original(results: Path) -> None:
    images.write(results / "originals/tiny/10.png", 255 - images.read(results / "originals/tiny/10.png"))


def tamper_decoded(results: Path) -> None:
    images.write(results / "decoded/tiny/jpeg/10/02.png", 255 - images.read(results / "decoded/tiny/jpeg/10/02.png"))


def tamper_manifest(results: Path) -> None:
    path = results / "originals/tiny.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def add_a_table(results: Path) -> None:
    (results / "table9.csv").write_text("made,by,hand\n")


@pytest.mark.parametrize(
    ("tamper", "messages"),
    [
        (tamper_table, ["table1.csv is not the file that it was (as table1.provenance.json has it)"]),
        (tamper_measurement, ["dcad jpeg: psnr of exit 1 was"]),
        (tamper_original, ["originals/tiny/10.png is not the image listed in"]),
        (tamper_decoded, ["decoded/tiny/jpeg/10/02.png is not the image listed in"]),
        (tamper_manifest, ["originals/tiny.csv is not the file that it was (in the measurements)"]),
        (add_a_table, ["table9.csv has no table9.provenance.json"]),
    ],
)
def test_what_was_changed_is_found(made, tamper, messages):
    tamper(made)
    status, printed, error = verify(made)
    assert status == 1
    for message in messages:
        assert message in printed
    assert "no longer hold" in printed
    assert "findings, see above" in error


def test_changed_weights_are_found(finished, made):
    weights = finished / "dcad.safetensors"
    kept = weights.read_bytes()
    tensors = load_file(weights)
    name = next(iter(tensors))
    try:
        save_file(tensors | {name: tensors[name] + 0.01}, weights)
        status, printed, _ = verify(made)
    finally:
        weights.write_bytes(kept)
    assert status == 1
    assert "dcad.safetensors is not the file that it was (in the measurements)" in printed
    assert "dcad jpeg: psnr of exit 1 was" in printed


def test_an_archive_describes_every_file_in_it(finished, tmp_path):
    from rocrate.rocrate import ROCrate

    archive = tmp_path / "results.zip"
    done("archive", finished / "results", archive)
    with zipfile.ZipFile(archive) as opened:
        names = set(opened.namelist())
        opened.extractall(tmp_path / "unpacked")
    assert {"table1.csv", "table1.md", "table1.provenance.json", "measurements.parquet", "originals/tiny.csv"} <= names
    assert not [name for name in names if name.endswith(".png")]
    crate = ROCrate(tmp_path / "unpacked")
    described = {entity.id: entity for entity in crate.data_entities}
    assert set(described) == names - {"ro-crate-metadata.json"}
    for name, entity in described.items():
        assert entity["sha256"] == files.sha256(tmp_path / "unpacked" / name)
    action = crate.dereference("#table1.provenance.json")
    assert {each.id for each in action["result"]} == {"table1.csv", "table1.md", "table1.tex"}
    assert {each["sha256"] for each in action["object"]} >= {files.sha256(METHODS["dcad"])}
    assert action["instrument"]["softwareVersion"] == provenance.commit()


def test_an_archive_has_every_input_of_what_was_published(made, tmp_path):
    literature, elsewhere = made / "jpeg_literature/dcad.csv", tmp_path / "elsewhere.csv"
    for path in (literature, elsewhere):
        files.write_csv([{"dataset": "live1", "ours": 29.5}], path)
    provenance.write([made / "table1.csv"], [made / "measurements.parquet", literature, elsewhere], CONFIG, [])
    done("archive", made, tmp_path / "results.zip")
    names = set(zipfile.ZipFile(tmp_path / "results.zip").namelist())
    assert "jpeg_literature/dcad.csv" in names
    assert f"inputs/{files.sha256(elsewhere)[:12]}-elsewhere.csv" in names  # what lies outside of the results


def test_a_changed_table_is_not_exported(made, tmp_path):
    tamper_table(made)
    status, _, error = run("archive", made, tmp_path / "results.zip")
    assert status == 1
    assert "table1.csv is not what" in error
    assert not list(tmp_path.glob("*.zip"))


def test_equal_results_compare_as_unchanged(finished, made):
    assert done("compare", finished / "results", made) == "nothing changed\n"


def test_a_comparison_says_which_numbers_files_and_settings_changed(finished, made):
    rows, records = measurements.read(made / "measurements.parquet")
    first = (rows["method"] == "dcad") & (rows["metric"] == "psnr") & (rows["image"] == "10")
    rows = rows.assign(value=rows["value"] + 0.5 * first)[rows["metric"] != "bpp"]
    extra = rows.assign(quality=20)
    records[1]["device"] = "another"
    measurements.write(pd.concat([rows, extra]), records, made / "measurements.parquet")
    publish(made)
    text = done("compare", finished / "results", made)
    assert "measurements: 2 of decoded on jpeg are no longer there" in text
    assert f"measurements: {len(extra) // 2} of dcad on jpeg are new" in text
    assert "psnr of dcad on jpeg: 1 of 2 differ, by +0.250000 in the mean and 0.500000 at most" in text
    assert 'devices: now "another"' in text
    assert "published: table1.csv differs" in text
    assert "psnr_unrounded of dcad" not in text
