"""The leaderboard says which method gains most, how sure that is, and at what cost, of measurements made by hand."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from helpers.measured import rows

from benchmarks.tables import leaderboard
from qebench.common import typesetting
from qebench.evaluation import statistics
from qebench.evaluation.results import Results

IMAGES = "abcdefgh"
# of image number i, dB: `first` gains most; `second` is at times better than it; `third` is never
GAINS = {
    "third": [0.5 + 0.01 * i for i in range(8)],
    "first": [1.0 + 0.01 * i for i in range(8)],
    "second": [1.0 + 0.01 * i + (0.1 if i % 2 else -0.2) for i in range(8)],
}
GMACS = {"decoded": 0.0, "third": 5.0, "first": 10.0, "second": 20.0}
MILLISECONDS = {"decoded": 0.0, "third": 12.0, "first": 8.0, "second": 30.0}


def measured(gains: dict[str, list[float]]) -> pd.DataFrame:
    """Return measurements at two qualities, at which an image gains 0.1 dB less and more than its mean."""
    values = {}
    for number, image in enumerate(IMAGES):
        for quality, offset in ((20, -0.1), (10, 0.1)):
            case = (image, "jpeg", quality)
            for method, own in ({"decoded": [-offset] * 8} | gains).items():
                values[*case, method, 1, "psnr_unrounded"] = 30 + number + own[number] + offset
                values[*case, method, 1, "iqam"] = 0.5
    return rows(values)


def results(gains: dict[str, list[float]] = GAINS) -> Results:
    place = {"early_exit": False, "exit": 1, "device": "a processor", "threads": 2}
    cost = [
        {"method": name, "exit": 1, "params": 1, "gmacs": gmacs, "gmacs_so_far": gmacs, "gmacs_paper": gmacs}
        for name, gmacs in GMACS.items()
    ]
    latency = [{"method": name, "median_ms": value} | place for name, value in MILLISECONDS.items()]
    weights = {"file": "first.safetensors", "sha256": "ab", "million_pixels": 98.304}
    records = [
        {"method": "decoded", "compressor": "jpeg", "trained_on": "", "weights": None},
        {"method": "first", "compressor": "jpeg", "trained_on": "hevc", "weights": weights | {"million_pixels": 7}},
        {"method": "first", "compressor": "jpeg", "trained_on": "jpeg", "weights": weights},
        {"method": "third", "compressor": "jpeg", "trained_on": "jpeg", "weights": {"file": "t.pt", "sha256": "cd"}},
    ]
    rows = measured(gains)
    whole = pd.DataFrame(cost), pd.DataFrame(latency), {"jpeg": 0.7}
    return Results(rows, *whole, ["decoded", *gains], "BT.601 luma", rows, records=records)


@pytest.fixture(scope="module")
def board() -> pd.DataFrame:
    return leaderboard.tabulate(results()).set_index("method")


def test_methods_stand_by_their_mean_gain(board):
    assert list(board.index) == ["first", "second", "third"]
    assert board["place"].to_list() == [1, 2, 3]
    assert board["delta_psnr"].to_list() == [1.035, 0.985, 0.535]  # 0.035: the mean of 0.00 to 0.07
    assert set(board["n"]) == {8}


def test_gains_have_the_interval_over_images(board):
    low, high = statistics.interval(np.array(GAINS["second"]))
    found = board.loc["second", ["delta_psnr_low", "delta_psnr_high"]].to_list()
    assert found == pytest.approx([low, high], abs=6e-4)  # they are rounded, and gains differ in their last digit


def test_places_are_sure_where_no_resample_changes_them(board):
    # `second` is ahead in some 1 of 6 resamples: its mean lead is -0.05 with a standard error of 0.053
    assert board[["place_low", "place_high"]].to_numpy().tolist() == [[1, 2], [1, 2], [3, 3]]


def test_the_first_is_told_apart_from_those_that_are_worse_on_every_image(board):
    # All 8 differences of one sign: p = 2 / 2^8. So it is between `second` and `third`: the two smallest of three.
    assert board.loc["third", "p"] == float(f"{3 * 2 / 2**8:.2g}")
    assert board.loc["second", "p"] > 0.05
    assert math.isnan(board.loc["first", "p"])
    assert board["as_good_as_first"].to_list() == ["yes", "yes", "no"]


def test_costs_pixels_and_fronts_stand_beside_the_gains(board):
    assert board["gmacs"].to_list() == [10, 20, 5]
    assert board["latency_ms"].to_list() == [8, 30, 12]
    assert board["million_pixels"].fillna(-1).to_list() == [98, -1, -1]
    assert board["pareto_gmacs"].to_list() == ["yes", "no", "yes"]
    assert board["pareto_latency"].to_list() == ["yes", "no", "no"]  # `first` is faster than `third`, too


def test_who_gains_less_than_nothing_is_on_no_front():
    harmful = leaderboard.tabulate(results({"third": [-0.1] * 8, "first": GAINS["first"]})).set_index("method")
    assert harmful["pareto_gmacs"].to_list() == ["yes", "no"]


def test_a_method_that_lacks_a_quality_is_left_out():
    found = results()
    partial = found.measurements.query("not (method == 'second' and quality == 10)")
    board = leaderboard.tabulate(dataclasses.replace(found, measurements=partial))
    assert list(board["method"]) == ["first", "third"]


def test_results_of_others_have_rows_among_ours_with_their_own_costs():
    theirs = dataclasses.replace(
        results({"first": [gain + 1 for gain in GAINS["first"]]}), complexity=results().complexity.assign(gmacs=99.0)
    )
    board = leaderboard.tabulate(dataclasses.replace(results(), contributed={"lab": theirs}))
    assert list(zip(board["origin"], board["method"], strict=True)) == [
        ("lab", "first"),
        ("here", "first"),
        ("here", "second"),
        ("here", "third"),
    ]
    assert board["delta_psnr"].to_list() == [2.035, 1.035, 0.985, 0.535]
    assert board["gmacs"].to_list() == [99, 10, 20, 5]
    assert board["place_low"].to_list()[0] == board["place_high"].to_list()[0] == 1


def test_times_are_compared_on_one_device_alone():
    found = results({"first": GAINS["first"]})
    theirs = results({"first": [gain - 0.5 for gain in GAINS["first"]]})
    for device, expected in (("a processor", "no"), ("another", "yes")):
        other = dataclasses.replace(theirs, latency=theirs.latency.assign(device=device))
        board = leaderboard.tabulate(dataclasses.replace(found, contributed={"lab": other})).set_index("origin")
        assert board["pareto_latency"].to_dict() == {"here": "yes", "lab": expected}
        assert board["pareto_gmacs"].to_dict() == {"here": "yes", "lab": "no"}


def test_one_method_alone_is_the_first():
    alone = leaderboard.tabulate(results({"first": GAINS["first"]}))
    assert alone[["place", "place_low", "place_high", "as_good_as_first"]].to_numpy().tolist() == [[1, 1, 1, "yes"]]


def test_people_get_gains_and_costs_apart_with_the_best_in_bold(tmp_path):
    frame = leaderboard.tabulate(results())
    parts = leaderboard.parts(frame)
    typesetting.write(
        frame, leaderboard.note(results()), tmp_path / "leaderboard.csv", None, leaderboard.places(frame), parts
    )
    gains, costs = (tmp_path / "leaderboard.md").read_text().split("\n\n")[:2]
    assert "**1.035**" in gains and "<ins>0.985</ins>" in gains
    assert "**5.0**" in costs and " 98 |" in costs
    assert len(pd.read_csv(tmp_path / "leaderboard.csv")) == 3
