"""The tests of every two methods and the figures of the ranking say what the measurements do, made here by hand."""

import dataclasses
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.measured import rows
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import critical_difference, overview
from benchmarks.tables import leaderboard, pairwise
from benchmarks.tables import overview as overview_table
from qebench.common import names
from qebench.evaluation import statistics
from qebench.evaluation.results import Results

NETWORKS = ["arcnn", "unet", "dcad", "dncnn", "qecnn", "cbdnet", "pixelunet", "rbqe"]
KEYS = ["method", "early_exit"]
QUALITIES = {"jpeg": (50, 40, 30, 20, 10), "hevc": (22, 27, 32, 37, 42)}


def measured(gains: dict[str, list[float]], compressors: dict[str, tuple[int, ...]]) -> Results:
    """Return results of methods that gain this much on each image, the same at all qualities."""
    values, cost, latency = {}, [], []
    place = {"device": "a processor", "threads": 2, "busy_cores": 0.02}
    everyone = {"decoded": [0.0] * len(next(iter(gains.values())))} | gains
    for number, (method, own) in enumerate(everyone.items()):
        for exit in range(1, 6) if method == "rbqe" else [1]:
            for image, gain in enumerate(own):
                for case in [(name, quality) for name, levels in compressors.items() for quality in levels]:
                    values[f"{image:02}", *case, method, exit, "psnr_unrounded"] = (
                        30 + gain - 0.01 * (5 - exit) * (method == "rbqe")
                    )
                    values[f"{image:02}", *case, method, exit, "iqam"] = 0.1 * exit
            spent = {"gmacs": 10.0 * number + exit, "gmacs_so_far": 10.0 * number + exit + 0.5, "gmacs_paper": 1.0}
            cost.append({"method": method, "exit": exit, "params": 1} | spent)
            for early in (False, True) if method == "rbqe" else (False,):
                times = {"median_ms": 100.0 * number + 10 * exit + early, "early_exit": early}
                latency.append({"method": method, "exit": exit} | times | place)
    found = rows(values)
    frames = pd.DataFrame(cost), pd.DataFrame(latency)
    return Results(found, *frames, dict.fromkeys(compressors, 0.25), list(everyone), "BT.601 luma", found)


# of image number i, dB: `first` beats `last` on all ten images, `middle` on nine
GAINS = {
    "last": [0.5 + 0.01 * i for i in range(10)],
    "first": [1.0 + 0.01 * i for i in range(10)],
    "middle": [0.9 + 0.01 * i + (0.2 if i == 3 else 0.0) for i in range(10)],
}
RESULTS = measured(GAINS, {"jpeg": (20, 10)})


def many(images: int, count: int = len(NETWORKS), seed: int = 0) -> Results:
    """Return results of networks with both codecs; their gains are near to each other."""
    rng = np.random.default_rng(seed)
    gains = {name: list(0.5 + 0.03 * k + 0.05 * rng.normal(size=images)) for k, name in enumerate(NETWORKS[-count:])}
    return measured(gains, QUALITIES)


@pytest.fixture(autouse=True)
def closed():
    """Free the figures of a test."""
    yield
    plt.close("all")


def test_every_pair_has_a_row_and_the_better_method_comes_first():
    found = pairwise.tabulate(RESULTS)
    assert list(found) == pairwise.COLUMNS
    assert list(zip(found["method"], found["rival"], strict=True)) == [
        ("first", "middle"),
        ("first", "last"),
        ("middle", "last"),
    ]
    assert found["difference"].to_list() == [0.08, 0.5, 0.42]  # 0.1 less on one image of ten: 0.02
    assert found["won"].to_list() == [90.0, 100.0, 100.0]
    assert set(found["n"]) == {10}


def test_pairs_have_wilcoxons_p_and_holms_correction():
    found = pairwise.tabulate(RESULTS).set_index(["method", "rival"])
    # all 10 differences of one sign: 2 / 2^10, the smallest of three p-values or the second: times 3, then no less
    assert found.loc[[("first", "last"), ("middle", "last")], "p"].to_list() == [0.002] * 2
    assert found.loc[[("first", "last"), ("middle", "last")], "p_holm"].to_list() == [0.0059] * 2
    # one difference of ten has the other sign, and all are of one size: so it is the normal distribution's
    assert found.loc[("first", "middle"), "p_holm"] == found.loc[("first", "middle"), "p"] > 0.002


def test_intervals_of_differences_are_those_over_images():
    row = pairwise.tabulate(RESULTS).iloc[0]
    interval = statistics.interval(np.array(GAINS["first"]) - np.array(GAINS["middle"]))
    assert [row["low"], row["high"]] == pytest.approx(interval, abs=6e-4)  # they are rounded


def test_corrected_p_values_are_those_of_the_leaderboard():
    found = many(12, count=4)
    board, pairs = leaderboard.tabulate(found), pairwise.tabulate(found)
    for compressor in QUALITIES:
        own = board[board["compressor"] == compressor]
        first = own.iloc[0]
        of_first = pairs.query("compressor == @compressor and method == @first.method")
        of_first = of_first[of_first["early_exit"] == first["early_exit"]]
        assert of_first["p_holm"].to_list() == own["p"].to_list()[1:]


def test_few_images_are_said_to_tell_no_pair_apart():
    assert "With 8 images p_holm is at least 0.28 for 36 pairs" in pairwise.note(many(8))  # 36 * 2 / 2^8
    assert pairwise.tabulate(many(8))["p_holm"].min() >= 0.28
    assert "p_holm is at least" not in pairwise.note(many(24))


def test_mean_ranks_are_over_images_and_ties_share_theirs():
    gains = pd.DataFrame({"a": [1.0, 1.0], "b": [2.0, 1.0], "c": [3.0, 0.0]})
    assert critical_difference.mean_ranks(gains).to_dict() == {"b": 1.75, "c": 2.0, "a": 2.25}


def test_bars_join_neighbours_of_which_no_two_are_told_apart():
    alike = np.eye(5, dtype=bool)
    for one, two in ((0, 1), (1, 2), (0, 2), (2, 3), (0, 3)):  # 1 and 3 are told apart; 4 from all
        alike[one, two] = alike[two, one] = True
    assert critical_difference.groups(alike) == [(0, 2), (2, 3)]
    assert critical_difference.groups(np.eye(3, dtype=bool)) == []
    assert critical_difference.groups(np.ones((3, 3), dtype=bool)) == [(0, 2)]


def test_the_diagram_has_the_ranks_and_joins_those_that_the_tests_do_not_tell_apart():
    (panel,) = critical_difference.draw(RESULTS).axes
    points = {line.get_color(): line.get_xdata()[0] for line in panel.get_lines() if len(line.get_xdata()) == 1}
    ranks = {"first": 1.1, "middle": 1.9, "last": 3.0}
    assert points == {names.colour(name): pytest.approx(rank) for name, rank in ranks.items()}
    bars = [line for line in panel.get_lines() if line.get_linewidth() == 3]
    pairs = pairwise.tabulate(RESULTS).set_index(["method", "rival"])["p_holm"]
    expected = [] if pairs["first", "middle"] < 0.05 else [[1.1, 1.9]]
    wide = critical_difference.WIDE
    assert [[bar.get_xdata()[0] + wide, bar.get_xdata()[1] - wide] for bar in bars] == [
        pytest.approx(ends) for ends in expected
    ]


def texts(figure: Figure) -> dict[Axes, list]:
    """Return the boxes of all texts of each panel that are written beside its curves or its left axis."""
    figure.canvas.draw()
    found = {}
    for panel in figure.axes:
        labels = [*panel.texts, *panel.get_yticklabels()]
        found[panel] = [label.get_window_extent() for label in labels if label.get_text()]
    return found


@pytest.mark.parametrize("count", [3, 8])  # 8: nine, as rbqe stands there twice
@pytest.mark.parametrize("images", [8, 24])
def test_names_in_the_diagram_never_overlap(images: int, count: int):
    figure = critical_difference.draw(many(images, count))
    for panel, boxes in texts(figure).items():
        assert len(boxes) == count + 1
        assert not any(one.overlaps(two) for one, two in combinations(boxes, 2)), panel.get_ylabel()
        assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize(("images", "said"), [(8, True), (24, False)])
def test_the_diagram_says_where_images_are_too_few(images: int, said: bool):
    assert ("With 8 images" in critical_difference.draw(many(images)).get_supxlabel().replace("\n", " ")) is said


def test_the_overview_has_the_numbers_of_the_leaderboard():
    found = many(10)
    board, figure = leaderboard.tabulate(found), overview.draw(found)
    cases = [(cost, compressor) for cost in overview.COSTS for compressor in QUALITIES]
    for (cost, compressor), panel in zip(cases, figure.axes, strict=True):
        own = board[board["compressor"] == compressor]
        points = [line for line in panel.get_lines() if len(line.get_xdata()) == 1 and line.get_mfc() != "white"]
        points = [line for line in points if line.get_color() != overview.FRONT["color"]]
        drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in points]
        assert drawn == list(zip(own[cost], own["delta_psnr"], strict=True))
        (front,) = [line for line in panel.get_lines() if line.get_color() == overview.FRONT["color"]]
        on_front = own[own[overview.COSTS[cost]] == "yes"]
        assert set(front.get_xdata()) == set(on_front[cost])


def test_the_table_overview_has_the_leaderboards_side_by_side():
    found = many(10)
    table, board = overview_table.tabulate(found), leaderboard.tabulate(found).set_index("compressor")
    jpeg = board.loc["jpeg"]
    assert table["method"].to_list() == jpeg["method"].to_list()
    assert table["delta_psnr_jpeg"].to_list() == jpeg["delta_psnr"].to_list()
    assert (
        table["interval_jpeg"].iat[0] == f"{jpeg['delta_psnr_low'].iat[0]:.3f} to {jpeg['delta_psnr_high'].iat[0]:.3f}"
    )
    for place, low, high in zip(table["places_jpeg"], jpeg["place_low"], jpeg["place_high"], strict=True):
        assert place == (f"{low} to {high}" if high > low else f"{low}")
    early = table.set_index(KEYS).loc[("rbqe", "yes")]
    hevc = board.loc["hevc"].set_index(KEYS)
    assert early["delta_psnr_hevc"] == hevc.loc[("rbqe", "yes"), "delta_psnr"]
    assert early["gmacs"] == "83.50"  # the threshold stops at exit 3 of both codecs
    assert overview_table.marked(found)["latency_ms"].sum() == 0


def test_costs_of_early_exit_that_differ_between_codecs_stand_side_by_side():
    found = many(8, count=2)
    later = dataclasses.replace(found, thresholds={"jpeg": 0.15, "hevc": 0.25})
    early = overview_table.tabulate(later).set_index(KEYS).loc[("rbqe", "yes")]
    assert (early["gmacs"], early["latency_ms"]) == ("22.50 / 23.50", "221.0 / 231.0")  # exits 2 and 3 of 10 * 2 + exit


def test_the_overview_has_the_papers_averages_open():
    open_points = {}
    for panel in overview.draw(many(10)).axes[2:]:
        lines = [line for line in panel.get_lines() if line.get_mfc() == "white" and np.isfinite(line.get_xdata()[0])]
        open_points[len(open_points)] = {line.get_color(): (line.get_xdata()[0], line.get_ydata()[0]) for line in lines}
    jpeg, hevc = open_points.values()
    # RBQE, ECCV 2020, Table 1 and Fig. 5a; it prints no GMACs of RBQE with JPEG
    assert jpeg[names.colour("cbdnet")] == (160.5, pytest.approx(1.500, abs=5e-4))
    assert hevc[names.colour("cbdnet")] == (160.5, pytest.approx(0.409, abs=5e-4))
    assert hevc[names.colour("rbqe")] == (pytest.approx(24.08), pytest.approx(0.510, abs=2e-3))
    assert set(jpeg) == {names.colour(name) for name in ("dcad", "dncnn", "qecnn", "cbdnet")}


def test_the_overview_says_where_other_work_disturbed_the_times():
    found = many(8, count=3)
    busy = dataclasses.replace(found, latency=found.latency.assign(busy_cores=0.9))
    for results, words in ((found, "a processor, 2 threads"), (busy, "a processor, 2 threads, busy with other work")):
        assert overview.draw(results).axes[0].get_xlabel().endswith(f"\n{words}")


@pytest.mark.parametrize("count", [3, 8])
def test_names_in_the_overview_never_overlap(count: int):
    for panel, boxes in texts(overview.draw(many(10, count))).items():
        names_alone = boxes[: count + 1]
        assert not any(one.overlaps(two) for one, two in combinations(names_alone, 2)), panel.get_xlabel()
