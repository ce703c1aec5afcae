"""Results that are kept in benchmarks/measured/ have boards of their own, and never stop a leaderboard."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from helpers.measured import rows

from benchmarks.tables import leaderboard
from qebench.common import files, plugins, provenance
from qebench.evaluation import measurements
from qebench.evaluation.results import Results
from qebench.publishing import archive, contributed, kept

PROTOCOL = {"colour": "luma", "crop": 512}
CONFIG = {"dataset": "kodak", "protocol": PROTOCOL, "compressors": {"jpeg": {"threshold": 0.8}}, "folder": "/my/kodak"}
SHIPPED = sorted(plugins.ROOT.glob("methods/weights/*.safetensors"))[0]
WEIGHTS = {
    "file": SHIPPED.relative_to(plugins.ROOT).as_posix(),
    "sha256": files.sha256(SHIPPED),
    "million_pixels": 98.304,
}
OTHER = WEIGHTS | {"sha256": "0" * 64}
COSTS = {"params": 1, "gmacs": 5.0, "gmacs_so_far": 5.0, "gmacs_paper": 5.0}
TIMES = {"early_exit": False, "exit": 1, "median_ms": 7.0, "peak_mb": 90.5, "device": "a processor", "threads": 2}
METHODS = {"net": 1.0, "rival": 0.5}  # dB that they gain


def measured(dataset: str, changes: dict | None = None, qualities: tuple[int, ...] = (20, 10)) -> Results:
    """Return results of METHODS on three images; `changes` are of where they come from."""
    values = {}
    for quality in qualities:
        for number, image in enumerate("abc"):
            for method, gain in ({"decoded": 0.0} | METHODS).items():
                for metric, value in (("psnr_unrounded", 30 + gain * number), ("iqam", 0.5), ("ssim", 0.9)):
                    values[image, "jpeg", quality, method, 1, metric] = value
    found = rows(values).assign(dataset=dataset)
    common = {"dataset": dataset, "compressor": "jpeg", "codec": {"version": "3", "settings": ""}, "device": "d"}
    common |= {"images": {"count": 3, "manifest_sha256": dataset}, "metrics": {"psnr_unrounded": "code"}}
    common |= {"commit": "c", "versions": {}} | (changes or {})
    records = [
        {"weights": WEIGHTS if method == "net" else None, "method": method, "trained_on": on, "quality": quality}
        | common
        for quality in qualities
        for method, on in {"decoded": "", "net": "jpeg", "rival": "jpeg"}.items()
    ]
    costs, latency = (pd.DataFrame([{"method": name, "exit": 1} | each for name in METHODS]) for each in (COSTS, TIMES))
    return Results(found, costs, latency, {"jpeg": 0.7}, ["decoded", *METHODS], "luma", found, records=records)


def written(results: Results, folder: Path, config: dict = CONFIG) -> Path:
    """Write results as a run leaves them in its folder."""
    foreign = results.measurements.query("method == 'net'").assign(trained_on="hevc")
    everything = pd.concat([results.measurements, foreign], ignore_index=True)
    measurements.write(everything, results.records, folder / "measurements.parquet")
    inputs = [folder / "measurements.parquet"]
    for method in METHODS:
        for kind, frame in (("complexity", results.complexity), ("latency", results.latency)):
            inputs.append(folder / kind / f"{method}.csv")
            files.write_csv(frame[frame["method"] == method], inputs[-1])
    files.write_csv([{"place": 1}], folder / "leaderboard.csv")
    provenance.write([folder / "leaderboard.csv"], [*inputs, SHIPPED], config, results.records)
    return folder


@pytest.fixture
def kodak(tmp_path: Path) -> Path:
    """Return results of a data set that are kept."""
    return kept.keep("kodak-lab", written(measured("kodak"), tmp_path / "kodak"), tmp_path)


def test_kept_results_have_a_board_of_their_own_after_the_runs(kodak: Path) -> None:
    results = kept.read([kodak], measured("demo"), PROTOCOL)
    board = leaderboard.tabulate(results)
    assert board[["dataset", "origin", "method", "place"]].to_numpy().tolist() == [
        ["demo", "here", "net", 1],
        ["demo", "here", "rival", 2],
        ["kodak", "kodak-lab", "net", 1],
        ["kodak", "kodak-lab", "rival", 2],
    ]
    assert board["delta_psnr"].to_list() == [1, 0.5] * 2  # images a, b and c: 0, 1 and 2 times what a method gains
    alone = leaderboard.tabulate(measured("demo"))
    pd.testing.assert_frame_equal(board[:2], alone)  # p, intervals and fronts are of one board
    assert set(board["latency_ms"]) == {7}
    assert set(board["peak_mb"]) == {90.5}
    assert board["million_pixels"].fillna(-1).to_list() == [98, -1] * 2
    note = leaderboard.note(results)
    assert "Early exit at the IQAM thresholds jpeg 0.7; in kodak-lab jpeg 0.8. origin: here, this run, or a" in note


def test_a_run_without_a_method_has_the_kept_boards(kodak: Path) -> None:
    ours = measured("demo")
    decoded = ours.measurements.query("method == 'decoded'")
    board = leaderboard.tabulate(kept.read([kodak], replace(ours, measurements=decoded), PROTOCOL))
    assert set(board["dataset"]) == {"kodak"}


def test_kept_results_join_those_of_a_run_on_the_same_pictures(kodak: Path) -> None:
    results = kept.read([kodak], measured("kodak", qualities=(10,)), PROTOCOL)
    board = leaderboard.tabulate(results)
    assert set(board["dataset"]) == {"kodak"}
    assert board[["origin", "method", "place"]].to_numpy().tolist() == [
        ["here", "net", 1],
        ["kodak-lab", "net", 1],
        ["here", "rival", 2],
        ["kodak-lab", "rival", 2],
    ]
    assert set(board["n"]) == {3}


@pytest.mark.parametrize(
    ("ours", "protocol", "reason"),
    [
        (measured("demo", {"metrics": {"psnr_unrounded": "edited"}}), PROTOCOL, "the code of psnr_unrounded differs"),
        (measured("demo"), PROTOCOL | {"crop": None}, "crop of its protocol is 512, of ours None"),
        (measured("kodak", {"codec": {"version": "4"}}), PROTOCOL, "the codec differs for kodak, jpeg, 20"),
        (
            measured("kodak", {"images": {"count": 2, "manifest_sha256": "few"}}),
            PROTOCOL,
            "the manifest of the originals differs for kodak, jpeg, 20",
        ),
    ],
)
def test_what_cannot_be_compared_any_more_is_left_out_and_named(
    kodak: Path, ours: Results, protocol: dict, reason: str
) -> None:
    results = kept.read([kodak], ours, protocol)
    pd.testing.assert_frame_equal(leaderboard.tabulate(results), leaderboard.tabulate(ours))
    assert f" kodak-lab is left out: {reason}" in leaderboard.note(results)


def test_results_of_weights_that_no_longer_ship_are_left_out_and_named(tmp_path: Path) -> None:
    old = measured("kodak")
    folder = written(old, tmp_path / "kodak")
    path = kept.keep("kodak-lab", folder, tmp_path)
    for record in old.records:
        record["weights"] = OTHER if record["method"] == "net" else None
    with ZipFile(path) as file:
        file.extractall(tmp_path / "old")
    measurements.write(old.measurements, old.records, tmp_path / "old/measurements.parquet")
    with ZipFile(tmp_path / "kodak-old.zip", "w") as file:
        for each in sorted((tmp_path / "old").rglob("*.*")):
            file.write(each, each.relative_to(tmp_path / "old"))
    results = kept.read([tmp_path / "kodak-old.zip", path], measured("demo"), PROTOCOL)
    board = leaderboard.tabulate(results).query("dataset == 'kodak'")
    assert sorted(zip(board["origin"], board["method"], strict=True)) == [
        ("kodak-lab", "net"),
        ("kodak-lab", "rival"),
        ("kodak-old", "rival"),
    ]
    words = "kodak-old is without net (jpeg): methods/weights has other weights now."
    assert leaderboard.note(results).endswith(words)


def test_what_is_kept_is_native_small_and_names_no_folder(kodak: Path, tmp_path: Path) -> None:
    with ZipFile(kodak) as file:
        names = file.namelist()
        config = json.loads(file.read("measurements.provenance.json"))["config"]
    assert sorted(names) == [
        *("complexity/net.csv", "complexity/rival.csv", "latency/net.csv", "latency/rival.csv"),
        *("measurements.parquet", "measurements.provenance.json"),
    ]
    assert config == {key: value for key, value in CONFIG.items() if key != "folder"}
    found = archive.read(kodak)[0].all_measurements
    assert set(found["metric"]) == {"psnr_unrounded", "iqam"}
    assert set(found["trained_on"]) == {"", "jpeg"}
    again = kept.keep("again", tmp_path / "kodak", tmp_path)
    assert again.read_bytes() == kodak.read_bytes()


def test_results_of_weights_that_do_not_ship_are_not_kept(tmp_path: Path) -> None:
    folder = written(measured("kodak", {"weights": OTHER}), tmp_path / "kodak")
    with pytest.raises(
        ValueError, match="kodak is not of the weights in methods/weights: those of decoded, net, rival"
    ):
        kept.keep("kodak-lab", folder, tmp_path)


def test_only_results_of_a_leaderboard_that_holds_are_kept(tmp_path: Path) -> None:
    folder = written(measured("kodak"), tmp_path / "kodak")
    (folder / "latency/net.csv").write_text("changed")
    with pytest.raises(ValueError, match=r"latency/net\.csv is not what .*json says: make .*leaderboard\.csv again"):
        kept.keep("kodak-lab", folder, tmp_path)
    (folder / "leaderboard.provenance.json").unlink()
    with pytest.raises(
        ValueError, match=r"leaderboard\.provenance\.json is missing: make .*kodak/leaderboard\.csv first"
    ):
        kept.keep("kodak-lab", folder, tmp_path)
    assert not (tmp_path / "kodak-lab.zip").exists()


def test_results_of_others_join_a_kept_board(kodak: Path, tmp_path: Path) -> None:
    ours = kept.read([kodak], measured("demo"), PROTOCOL)
    (tmp_path / "others").mkdir()
    lab = kept.keep("lab", written(measured("kodak"), tmp_path / "theirs"), tmp_path / "others")
    both = replace(ours, contributed=contributed.read([lab], ours, PROTOCOL))
    board = leaderboard.tabulate(both).query("dataset == 'kodak'")
    assert set(board["origin"]) == {"kodak-lab", "lab"}
    with pytest.raises(
        ValueError, match=r"kodak-lab\.zip has the name of a file in benchmarks/measured: give it another"
    ):
        contributed.read([kodak], ours, PROTOCOL)


def test_the_command_makes_a_leaderboard_beside_what_it_has_to_leave_out(kodak: Path, tmp_path: Path) -> None:
    folder = written(measured("demo", {"metrics": {"psnr_unrounded": "edited"}}), tmp_path / "demo")
    command = [sys.executable, "-m", "qebench", "step", "table", "leaderboard"]
    command += ["--measurements", folder / "measurements.parquet", "--methods", "decoded", *METHODS]
    for kind in ("complexity", "latency"):
        command += [f"--{kind}", *sorted((folder / kind).glob("*.csv"))]
    command += ["--thresholds", "jpeg=0.7", "--protocol", "luma", "--config", json.dumps({"protocol": PROTOCOL})]
    command += ["--kept", kodak, "-o", tmp_path / "leaderboard.csv"]
    done = subprocess.run(list(map(str, command)), cwd=plugins.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(pd.read_csv(tmp_path / "leaderboard.csv")["dataset"]) == ["demo"] * 2
    assert "kodak-lab is left out: the code of psnr" in (tmp_path / "leaderboard.md").read_text()
    assert any("kodak-lab.zip" in name for name in provenance.read(tmp_path / "leaderboard.provenance.json")["inputs"])


@pytest.mark.parametrize("path", sorted(kept.FOLDER.glob("*.zip")), ids=lambda path: path.stem)
def test_what_ships_is_small_and_can_be_read(path: Path) -> None:
    assert path.stat().st_size < 400_000
    results, config = archive.read(path)
    assert len(results.measurements)
    assert "folder" not in config
