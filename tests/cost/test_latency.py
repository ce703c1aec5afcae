"""Times are taken in turn, with what else the machine did, and early exit is timed where it really stops."""

import copy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from benchmarks.studies.baselines import rbqe_released
from compressors import jpeg
from methods import rbqe
from methods.rbqe import network
from qebench.common import plugins
from qebench.cost import clock, exit_latency, latency, latency_grid, machine, measured
from qebench.datasets import originals
from qebench.networks import loading, multi_exit, pixels, tiling
from qebench.networks.network import describe

WEIGHTS = plugins.ROOT / "methods/weights/rbqe-luma-jpeg.safetensors"
# The names that issue 7 promises, in its order.
PROMISED = [
    *(
        "method",
        "early_exit",
        "rule",
        "exit",
        "compressor",
        "quality",
        "device",
        "precision",
        "batch",
        "height",
        "width",
    ),
    *("median_ms", "q25_ms", "q75_ms", "images_per_s", "peak_mb"),
]
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory and the work of processes so")


def test_computations_run_in_turn_and_the_first_round_is_not_counted():
    called = []
    times = clock.times([lambda: called.append("a"), lambda: (called.append("b"), time.sleep(0.01))], 3, "cpu")
    assert called == ["a", "b"] * 4
    assert times.shape == (2, 3)
    assert (times[1] >= 10).all()  # milliseconds
    assert (times[0] < times[1]).all()


def test_runs_are_summarised_by_their_quartiles():
    summary = clock.summarise(np.array([5.0, 1.0, 2.0, 4.0, 3.0]))
    assert summary == {"median_ms": 3.0, "q25_ms": 2.0, "q75_ms": 4.0, "min_ms": 1.0, "runs": 5}


@gpu
def test_a_gpus_clock_counts_what_runs_after_the_launch():
    x = torch.rand(4096, 4096, device="cuda")
    once, often = np.median(clock.times([lambda: x @ x, lambda: [x @ x for _ in range(20)]], 5, "cuda"), axis=1)
    assert often > 10 * once


@linux
def test_the_peak_of_memory_is_that_of_each_computation():
    def allocate(megabytes: int):
        return lambda: torch.ones(megabytes * 1_000_000, dtype=torch.uint8)

    assert machine.peak_mb(allocate(200), "cpu") == pytest.approx(200, abs=10)  # other threads of the process
    assert machine.peak_mb(allocate(50), "cpu") == pytest.approx(50, abs=10)  # after a higher peak


@gpu
def test_the_peak_of_a_gpus_memory_is_that_of_its_tensors():
    assert machine.peak_mb(lambda: torch.ones(50_000_000, device="cuda"), "cuda") == pytest.approx(200, abs=3)


@linux
def test_a_busy_machine_is_told():
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with machine.Watch() as watch:
            time.sleep(1)
    finally:
        other.kill()
        other.wait()
    assert watch.busy_cores > machine.BUSY
    assert f"others kept {watch.busy_cores} of" in watch.warning


def test_a_machine_at_rest_is_no_reason_to_warn():
    watch = machine.Watch()
    assert "cannot be told" in watch.warning
    watch.busy_cores = machine.BUSY
    assert watch.warning == ""


def test_a_record_has_the_promised_columns_and_says_where_it_was_measured():
    (record,) = latency.measure("decoded", 1, 8, "cpu")
    assert list(record) == list(latency.COLUMNS)
    assert list(record)[: len(PROMISED)] == PROMISED
    expected = {"method": "decoded", "early_exit": False, "exit": 1, "precision": "float32", "batch": 1}
    expected |= {"height": 512, "width": 512, "threads": torch.get_num_threads(), "runs": latency.RUNS}
    assert {name: record[name] for name in expected} == expected
    assert torch.__version__ in record["versions"]
    assert record["images_per_s"] == pytest.approx(1e3 / record["median_ms"], rel=1e-3)


def test_the_share_of_scores_is_their_part_of_the_time():
    assert latency.share(np.array([4.0, 5.0, 9.0]), 4, np.array([90.0, 100.0, 200.0])) == 0.2


def test_the_grid_covers_batches_sizes_and_precisions(monkeypatch, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")  # compiling takes minutes
    monkeypatch.setattr(clock, "WARM_UP", 0)
    monkeypatch.setattr(latency_grid, "RUNS", 1)
    monkeypatch.setattr(latency_grid, "SIDES", (32, 64))
    monkeypatch.setattr(latency_grid, "MOST_PIXELS", 4 * 64**2)  # which leaves 16 x 64 x 64 out
    rows = pd.DataFrame(latency_grid.measure("decoded", 1, "cpu"))
    cases = {("float32", batch, side) for batch, side in [(1, 32), (1, 64), (4, 32), (4, 64), (16, 32)]}
    cases |= {("bfloat16", *case[1:]) for case in cases}
    assert set(zip(rows["precision"], rows["batch"], rows["height"], strict=True)) == cases
    assert len(rows) == len(cases)
    assert set(rows["execution"]) == {"eager"}
    assert "no C++ compiler, so nothing compiled is timed" in capsys.readouterr().err


@pytest.fixture(scope="module")
def plain() -> network.RBQE:
    return rbqe.load(WEIGHTS, "cpu")


@pytest.fixture(scope="module")
def fast(plain):
    return loading.prepare(copy.deepcopy(plain))


@pytest.fixture(scope="module")
def pictures(camera) -> list[np.ndarray]:
    """Return three decoded pictures of 64x64 pixels, of sky, of edges and of grass."""
    return [jpeg.decode(jpeg.encode(camera[y : y + 64, x : x + 64], 20)) for y, x in [(0, 400), (64, 200), (440, 20)]]


def thresholds(model, pictures: list[np.ndarray]) -> list[float]:
    """Return thresholds halfway between the scores of the first four exits, so that exits differ."""
    x = pixels.to_tensor(pictures, "cpu")
    scores = np.sort(
        torch.cat([multi_exit.score(enhanced, 8) for enhanced in tiling.enhance(describe(model), x)[:-1]]).numpy()
    )
    return list((scores[1:] + scores[:-1])[::3] / 2)


def test_timed_pictures_stop_where_images_do(fast, pictures):
    exits = []
    for threshold in thresholds(fast, pictures):
        for picture in [*pictures, pictures[1][:45, :60]]:
            x = pixels.to_tensor([picture], "cpu")
            exit = multi_exit.stop(describe(fast), x, multi_exit.Rule(8, threshold, "matlab")).exit
            assert exit == int(multi_exit.enhance(describe(fast), x, multi_exit.Rule(8, threshold))[1])
            exits.append(exit)
    assert {1, 5} < set(exits)  # else this shows little


def test_the_released_procedure_gives_the_same_pictures(plain, fast, pictures):
    threshold = thresholds(fast, pictures)[1]
    for picture in pictures:
        enhanced, exit = rbqe_released.enhance(plain, picture, 8, threshold)
        ours, ours_exit = multi_exit.enhance(
            describe(fast), pixels.to_tensor([picture], "cpu"), multi_exit.Rule(8, threshold)
        )
        assert exit == int(ours_exit)
        assert np.abs(enhanced.astype(int) - pixels.to_images(ours)[0]).max() <= 1  # where a value is a half


def test_the_plain_network_gets_nchw(pictures):
    x = rbqe_released.nchw(pictures[0])
    assert x.stride() == (4096, 4096, 64, 1)
    assert torch.equal(x, pixels.to_tensor([pictures[0]], "cpu"))


def test_pictures_are_timed_with_early_exit_and_without(fast, pictures, tmp_path):
    for number, picture in enumerate([*pictures, pictures[0][:32]]):  # the last has another size
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f"mine/{number}.png")
    protocol = originals.Protocol("luma")
    originals.write(originals.sources(tmp_path / "mine"), protocol, tmp_path / "20", tmp_path / "20.csv")
    rule = multi_exit.Rule(8, thresholds(fast, pictures)[1], "matlab")
    table = pd.read_csv(tmp_path / "20.csv").assign(bpp=0.5)
    table.to_csv(tmp_path / "20.csv", index=False)
    beforehand = multi_exit.Rule(8, [[20, 3], [50, 1]], name="quality")
    records = exit_latency.measure("rbqe", WEIGHTS, "jpeg", [tmp_path / "20.csv"], [rule, beforehand], "cpu")
    whole, early, known = records
    assert [list(record) for record in records] == [list(latency.COLUMNS)] * 3
    assert [record["rule"] for record in records] == [None, "iqam", "quality"]
    assert (known["mean_exit"], known["score_share"]) == (3, 0)
    for record in records:
        assert (record["compressor"], record["quality"], record["pictures"]) == ("jpeg", 20, 3)
        assert (record["height"], record["width"], record["runs"]) == (64, 64, 3 * exit_latency.RUNS)
        assert record["images_per_s"] == pytest.approx(1e3 / record["mean_ms"], rel=1e-3)
    assert (whole["early_exit"], whole["exit"], early["early_exit"], early["exit"]) == (False, 5, True, None)
    taken = multi_exit.enhance(describe(fast), pixels.to_tensor(pictures, "cpu"), rule)[1]
    assert early["mean_exit"] == pytest.approx(float(taken.float().mean()), abs=1e-3)
    assert 0 < early["score_share"] < 1
    assert f"ratio {early['mean_ms'] / whole['mean_ms']:.3f}" in exit_latency.text(records)


def times(path: Path, busy: float, **columns: object) -> Path:
    """Write a row of latency as one of the parts that are combined."""
    row = dict.fromkeys(latency.COLUMNS) | {"method": "rbqe", "exit": 5, "median_ms": 480.5, "busy_cores": busy}
    pd.DataFrame([row | columns]).to_csv(path, index=False)
    return path


def test_kept_latencies_stand_beside_those_measured_here(tmp_path):
    parts = [times(tmp_path / "exits.csv", 0.0), times(tmp_path / "pictures.csv", 0.05, exit=None, compressor="hevc")]
    here = measured.combine(parts, [])
    measured.write(here, tmp_path / "latency.csv")
    kept = measured.keep("epyc", tmp_path / "latency.csv", tmp_path)
    both = measured.combine(parts, [kept])
    measured.write(both, tmp_path / "both.csv")
    rows = pd.read_csv(tmp_path / "both.csv")
    assert list(rows["source"]) == ["here", "here", "epyc", "epyc"]
    assert (rows["median_ms"] == 480.5).all()
    assert (tmp_path / "both.csv").read_text().splitlines()[1].startswith("rbqe,,,5,")  # no 5.0
    assert "| epyc" in (tmp_path / "both.md").read_text()
    again = pd.read_csv(measured.keep("again", tmp_path / "both.csv", tmp_path))
    pd.testing.assert_frame_equal(again, pd.read_csv(kept))  # what others measured is not taken for ours


def test_times_are_placed_among_those_of_the_same_setting_alone(tmp_path):
    rows = [("decoded", 1, None, 0.1), ("dcad", 1, None, 389.0), ("rbqe", 1, None, 90.0), ("rbqe", 5, None, 303.0)]
    rows += [("dcad", 1, "jpeg", 390.0), ("rbqe", 5, "jpeg", 300.0), ("rbqe", None, "jpeg", 295.0)]
    parts = [
        times(tmp_path / f"{number}.csv", 0.0, method=method, exit=exit, compressor=compressor, median_ms=ms)
        for number, (method, exit, compressor, ms) in enumerate(rows)
    ]
    frame = measured.combine(parts, [])
    places = measured.places(frame)["median_ms"].reindex(range(len(rows))).fillna(0)
    assert list(places) == [0, 2, 0, 1, 3, 2, 1]  # not decoded, nor an exit on the way
    measured.write(frame, tmp_path / "latency.csv")
    pieces = (tmp_path / "latency.md").read_text().split("\n\n")
    assert [piece.count("**") for piece in pieces[:2]] == [2, 2]  # exits, then pictures
    assert (tmp_path / "latency.tex").read_text().count(r"\begin{tabular}{") == 2  # headings have [b]


def test_latencies_of_a_busy_machine_are_marked(tmp_path):
    parts = [times(tmp_path / "rest.csv", 0.1, exit=4), times(tmp_path / "busy.csv", 0.5)]
    measured.write(measured.combine(parts, []), tmp_path / "latency.csv")
    lines = [line for line in (tmp_path / "latency.md").read_text().splitlines() if line.startswith("|")]
    assert [line.count("†") for line in lines[2:]] == [0, 1]
    assert "†: more than 0.1" in (tmp_path / "latency.md").read_text()
    assert "†" not in (tmp_path / "latency.csv").read_text()


def test_latencies_of_a_busy_machine_are_not_kept(tmp_path):
    for busy in (0.5, None):
        measured.write(measured.combine([times(tmp_path / "part.csv", busy)], []), tmp_path / "latency.csv")
        with pytest.raises(ValueError, match=r"1 of 1 rows of .*latency.csv were measured while others"):
            measured.keep("epyc", tmp_path / "latency.csv", tmp_path)
    assert not (tmp_path / "epyc.csv").exists()
