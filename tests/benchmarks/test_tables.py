"""Costs are the paper's and the exact ones; tables and figures show what measurements made by hand must give."""

import dataclasses
import functools
import io
import math
import shutil
import subprocess

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.parquet
import pytest
from helpers.measured import COLUMNS, PSNRS, rows
from matplotlib.figure import Figure

from benchmarks.figures import exit_shares, gain_over_cost
from benchmarks.figures import rate_distortion as curves
from benchmarks.tables import bd_rate, calibration, generalization, intervals, leaderboard, table1, table2, table3
from qebench.common import names, plugins, published, ranking, style, typesetting
from qebench.cost import complexity
from qebench.evaluation import early_exit, figures, measurements, rate_distortion
from qebench.evaluation.calibration import sweep, sweep_per_exit, turning_point
from qebench.evaluation.results import Results

TABLES, FIGURES = plugins.names("benchmarks/tables"), plugins.names("benchmarks/figures")

# RBQE, ECCV 2020, Fig. 6b; then the same by thop 0.0.30's rules and exactly, counted apart from this code
RBQE_PUBLISHED = [10.2, 14.7, 18.7, 22.9, 27.6]
RBQE_PAPER = [10.2386, 14.6730, 18.6694, 22.9170, 27.5769]
RBQE_EXACT = [9.3114, 12.6395, 15.4597, 18.4968, 21.9320]


@pytest.fixture(scope="module")
def rbqe_cost() -> pd.DataFrame:
    return pd.DataFrame(complexity.measure("rbqe", 1))


def test_rbqe_costs_what_the_paper_says(rbqe_cost):
    assert list(rbqe_cost["gmacs_paper"].round(1)) == RBQE_PUBLISHED
    assert list(rbqe_cost["gmacs_paper"].round(4)) == RBQE_PAPER


def test_rbqe_costs_exactly_this(rbqe_cost):
    assert list(rbqe_cost["gmacs"].round(4)) == RBQE_EXACT
    assert set(rbqe_cost["params"]) == {300_455}
    assert list(rbqe_cost["exit"]) == [1, 2, 3, 4, 5]


def test_stopping_at_an_exit_costs_the_heads_before_it(rbqe_cost):
    # a head: depthwise 3x3 and pointwise 32 to 1 on 512^2 pixels, and its attention's kernel of 3 on 32 channels
    head = ((9 * 32 + 32) * 512**2 + 3 * 32) / 1e9
    extra = rbqe_cost["gmacs_so_far"] - rbqe_cost["gmacs"]
    assert list(extra) == pytest.approx([0, head, 2 * head, 3 * head, 4 * head], abs=1e-9)
    assert rbqe_cost["gmacs_so_far"].iat[-1] == pytest.approx(22.2675, abs=5e-5)


def test_dcad_costs_what_the_paper_says():
    (cost,) = complexity.measure("dcad", 1)
    assert round(cost["gmacs_paper"], 1) == 77.8  # RBQE, ECCV 2020, Fig. 5a
    # two convolutions between 1 and 64 channels and eight of 64: 3x3 kernels on 512^2 pixels; the paper adds biases
    assert cost["gmacs"] == pytest.approx(9 * (2 * 64 + 8 * 64**2) * 512**2 / 1e9, abs=1e-9)
    assert round(cost["gmacs"], 4) == 77.6114
    assert cost["gmacs_paper"] == pytest.approx(cost["gmacs"] + (9 * 64 + 1) * 512**2 / 1e9, abs=1e-9)
    assert cost["params"] == 296_641


def test_a_luma_network_costs_three_times_as_much_for_rgb():
    (luma,), (rgb,) = complexity.measure("dcad", 1), complexity.measure("dcad", 3)
    assert rgb["gmacs"] == pytest.approx(3 * luma["gmacs"], rel=1e-12)
    assert rgb["params"] == luma["params"]


def test_the_decoded_image_costs_nothing():
    (cost,) = complexity.measure("decoded", 1)
    assert (cost["params"], cost["gmacs"], cost["gmacs_paper"], cost["gmacs_so_far"]) == (0, 0, 0, 0)


def test_gains_are_differences_to_the_same_decoded_image():
    found = measurements.gains(PSNRS, "psnr")
    assert list(found.columns) == COLUMNS
    found = found.set_index(["image", "quality", "method", "exit"])["value"].to_dict()
    assert found == {
        ("a", 10, "net", 1): 0.5,
        ("a", 10, "net", 2): 1.0,
        ("a", 20, "net", 1): -0.25,
        ("b", 10, "net", 1): 2.0,
    }


def test_a_decoded_image_measured_twice_is_refused():
    with pytest.raises(ValueError, match="many-to-one"):
        measurements.gains(pd.concat([PSNRS, PSNRS[:1]]), "psnr")


def test_measurements_are_read_as_they_were_written(tmp_path):
    records = [{"method": "net", "weights": {"file": "net.safetensors", "sha256": "ab"}, "commit": "c0ffee"}]
    measurements.write(PSNRS.assign(extra=1), records, tmp_path / "deep/rows.parquet")
    read, provenance = measurements.read(tmp_path / "deep/rows.parquet")
    pd.testing.assert_frame_equal(read, PSNRS)
    assert provenance == records


def test_merged_measurements_keep_all_rows_and_records_in_order(tmp_path):
    for number, part in enumerate([PSNRS[:3], PSNRS[3:]]):
        measurements.write(part, [{"part": number}], tmp_path / f"{number}.parquet")
    measurements.merge([tmp_path / "1.parquet", tmp_path / "0.parquet"], tmp_path / "all.parquet")
    read, provenance = measurements.read(tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(read, pd.concat([PSNRS[3:], PSNRS[:3]], ignore_index=True))
    assert provenance == [{"part": 1}, {"part": 0}]


def test_what_holds_no_measurements_is_refused(tmp_path):
    (tmp_path / "text.parquet").write_bytes(b"no table at all")
    PSNRS.to_parquet(tmp_path / "foreign.parquet")
    table = pyarrow.Table.from_pandas(PSNRS.drop(columns="trained_on"))  # of an earlier version
    pyarrow.parquet.write_table(table.replace_schema_metadata({"qebench": "[]"}), tmp_path / "earlier.parquet")
    measurements.write(PSNRS, [], tmp_path / "whole.parquet")
    (tmp_path / "half.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:500])
    for name in ("text", "foreign", "earlier", "half"):
        with pytest.raises(ValueError, match=rf"{name}\.parquet holds no measurements .*delete it and run again"):
            measurements.read(tmp_path / f"{name}.parquet")


# Two images, two compressors. dcad gains this many dB; exit k of rbqe gains 0.1 k, and the image takes this exit:
DCAD = {("a", "jpeg", 20): 0.5, ("b", "jpeg", 20): 0.3, ("a", "jpeg", 10): 0.7, ("b", "jpeg", 10): 0.9}
DCAD |= {("a", "hevc", 37): 0.1, ("b", "hevc", 37): 0.2}
TAKEN = {("a", "jpeg", 20): 2, ("b", "jpeg", 20): 5, ("a", "jpeg", 10): 5, ("b", "jpeg", 10): 1}
TAKEN |= {("a", "hevc", 37): 3, ("b", "hevc", 37): 1}
THRESHOLDS = {"jpeg": 0.7, "hevc": 0.9}
GMACS = {"dcad": [77.61], "rbqe": [9.3, 12.6, 15.5, 18.5, 21.9], "decoded": [0.0]}
SO_FAR = {"dcad": [77.61], "rbqe": [9.3, 12.7, 15.6, 18.8, 22.3], "decoded": [0.0]}
PAPER = {"dcad": [77.8], "rbqe": RBQE_PUBLISHED, "decoded": [0.0]}
PARAMS = {"dcad": 296_641, "rbqe": 300_455, "decoded": 0}


def all_rows() -> pd.DataFrame:
    values = {}
    for number, (case, gain) in enumerate(DCAD.items()):
        psnr, ssim, threshold = 28.0 + number, 0.8 + 0.01 * number, THRESHOLDS[case[1]]
        values |= {(*case, "decoded", 1, "iqam"): 0.5, (*case, "dcad", 1, "iqam"): 1.0}
        values[*case, "decoded", 1, "bpp"] = 10 / case[2]
        for metric in ("psnr", "psnr_unrounded"):
            values |= {(*case, "decoded", 1, metric): psnr, (*case, "dcad", 1, metric): psnr + gain}
        values |= {(*case, "decoded", 1, "ssim"): ssim, (*case, "dcad", 1, "ssim"): ssim + 0.01}
        for exit in range(1, 6):
            values[*case, "rbqe", exit, "iqam"] = threshold if exit == TAKEN[case] else threshold - 0.05
            values[*case, "rbqe", exit, "ssim"] = ssim + 0.002 * exit
            for metric in ("psnr", "psnr_unrounded"):
                values[*case, "rbqe", exit, metric] = psnr + 0.1 * exit
    return rows(values)


def results(methods: list[str]) -> Results:
    place = {"device": "a processor", "threads": 2, "busy_cores": 0.02}
    cost, latency = [], []
    for method in ["decoded", *methods]:
        for exit, (gmacs, so_far, paper) in enumerate(
            zip(GMACS[method], SO_FAR[method], PAPER[method], strict=True), 1
        ):
            head = {"method": method, "exit": exit}
            costs = {"gmacs": gmacs, "gmacs_so_far": so_far, "gmacs_paper": paper, "gmacs_published": paper}
            cost.append(head | {"params": PARAMS[method]} | costs)
            for stops in [False, True] if method == "rbqe" else [False]:
                times = {"median_ms": (10.0 if stops else 9.0) * exit, "peak_mb": 100.0 * exit}
                latency.append(head | {"early_exit": stops} | times | place)
    measured = all_rows()
    measured = measured[measured["method"].isin(["decoded", *methods])]
    return Results(
        measured, pd.DataFrame(cost), pd.DataFrame(latency), THRESHOLDS, ["decoded", *methods], "BT.601 luma", measured
    )


RESULTS = results(["dcad", "rbqe"])
KEPT = RESULTS.measurements.copy()


@functools.cache
def tabulated(name: str) -> pd.DataFrame:
    """Return a table of RESULTS; several tests read it, and none writes in it."""
    return plugins.find("benchmarks/tables", name).tabulate(RESULTS)


@functools.cache
def drawn(name: str) -> Figure:
    """Return a figure of RESULTS; several tests read it, and none draws in it."""
    return plugins.find("benchmarks/figures", name).draw(RESULTS)


@functools.cache
def drawn_as_published(name: str) -> Figure:
    """Return a figure of `as_published()`, as `drawn`."""
    return plugins.find("benchmarks/figures", name).draw(as_published())


def test_table1_has_mean_gains_with_early_exit_and_their_average():
    found = table1.tabulate(RESULTS).set_index(["compressor", "quality"])
    assert list(found.index) == [("jpeg", 20), ("jpeg", 10), ("jpeg", "ave."), ("hevc", 37), ("hevc", "ave.")]
    assert found["dcad"].to_list() == pytest.approx([0.4, 0.8, 0.6, 0.15, 0.15], abs=1e-9)
    # jpeg 20: exits 2 and 5, jpeg 10: 5 and 1, hevc: 3 and 1
    assert found["rbqe"].to_list() == pytest.approx([0.35, 0.3, 0.325, 0.2, 0.2], abs=1e-9)


def test_table1_has_the_papers_numbers_beside_ours():
    found = table1.tabulate(RESULTS).set_index(["compressor", "quality"])
    # RBQE, ECCV 2020, Table 1
    nan = math.nan  # the averages are over five qualities there, and over two and one here
    assert found["dcad_paper"].to_list() == pytest.approx([1.501, 1.676, nan, 0.353, nan], nan_ok=True)
    assert found["rbqe_paper"].to_list() == pytest.approx([1.713, 1.920, nan, 0.494, nan], nan_ok=True)
    assert "decoded_paper" not in found


def at_the_papers_qualities() -> Results:
    """Return RESULTS for jpeg alone, at the five qualities of the paper, the last three as QF 10."""
    measured = RESULTS.measurements[RESULTS.measurements["compressor"] == "jpeg"]
    more = [measured[measured["quality"] == 10].assign(quality=quality) for quality in (30, 40, 50)]
    measured = pd.concat([measured, *more], ignore_index=True)
    return dataclasses.replace(RESULTS, measurements=measured, all_measurements=measured)


def test_an_average_of_the_paper_stands_beside_ours_over_the_same_qualities_alone():
    found = at_the_papers_qualities()
    average = table1.tabulate(found).set_index("quality").loc["ave."]
    # RBQE, ECCV 2020, Table 1; ours: (0.4 + 4 * 0.8) / 5 and (0.35 + 4 * 0.3) / 5
    assert (average["dcad"], average["dcad_paper"], average["dcad_difference"]) == (0.72, 1.451, -0.731)
    assert (average["rbqe"], average["rbqe_paper"], average["rbqe_difference"]) == (0.31, 1.678, -1.368)
    line = table2.tabulate(found).set_index(["method", "early_exit"]).loc["rbqe", "yes"]
    assert line[["delta_psnr_jpeg_paper", "delta_psnr_jpeg_difference"]].to_list() == [1.678, -1.368]
    assert "gmacs_published" not in line.dropna()  # the paper's GMACs with early exit are means over HEVC

    fewer = found.measurements.query("quality != 40")
    fewer = dataclasses.replace(found, measurements=fewer, all_measurements=fewer)
    average = table1.tabulate(fewer).set_index("quality").loc["ave."]
    assert math.isnan(average["rbqe_paper"])
    assert math.isnan(average["rbqe_difference"])
    assert "delta_psnr_jpeg_paper" not in table2.tabulate(fewer)


def test_costs_with_early_exit_stand_beside_the_papers_for_hevc_at_its_qualities_alone():
    measured = RESULTS.measurements[RESULTS.measurements["compressor"] == "hevc"]
    measured = pd.concat([measured.assign(quality=qp) for qp in (22, 27, 32, 37, 42)], ignore_index=True)
    found = table2.tabulate(dataclasses.replace(RESULTS, measurements=measured, all_measurements=measured))
    found = found.set_index(["method", "early_exit"])["gmacs_published"]
    assert found["rbqe", "no"] == 27.6  # Fig. 6b
    assert found["rbqe", "yes"] > 0  # Fig. 5a
    assert math.isnan(table2.tabulate(RESULTS).set_index(["method", "early_exit"])["gmacs_published"]["rbqe", "yes"])


def decoded_alone() -> Results:
    measured = RESULTS.measurements.query("method == 'decoded' and compressor == 'jpeg'")
    return dataclasses.replace(RESULTS, measurements=measured, all_measurements=measured, methods=["decoded"])


@pytest.mark.parametrize("name", TABLES)
def test_a_run_of_decoded_images_alone_has_a_table_or_a_reason(name, tmp_path):
    found, module = decoded_alone(), plugins.find("benchmarks/tables", name)
    try:
        frame = module.tabulate(found)
    except ValueError as error:
        assert "none was run" in str(error)
        return
    places, parts = (getattr(module, kind)(frame) if hasattr(module, kind) else None for kind in ("places", "parts"))
    typesetting.write(frame, module.note(found), tmp_path / f"{name}.csv", None, places, parts)
    assert (tmp_path / f"{name}.csv").read_text().startswith(",".join(list(frame)[:2]))


@pytest.mark.parametrize("name", FIGURES)
def test_a_run_of_decoded_images_alone_has_a_figure_or_a_reason(name):
    try:
        assert plugins.find("benchmarks/figures", name).draw(decoded_alone()).axes
    except ValueError as error:
        assert "none was run" in str(error)


def test_a_compressor_without_a_threshold_is_named():
    with pytest.raises(ValueError, match="there is no threshold of early exit for hevc: add hevc=T to the thresholds"):
        early_exit.chosen(RESULTS.measurements, {"jpeg": 0.7})
    assert len(early_exit.chosen(RESULTS.measurements.query("compressor == 'jpeg'"), {"jpeg": 0.7}))


def test_table1_and_table2_have_these_columns():
    columns = ["compressor", "quality"]
    columns += [f"{method}{of}" for method in ("dcad", "rbqe") for of in ("", "_paper", "_difference")]
    assert list(table1.tabulate(RESULTS)) == columns
    columns = ["method", "early_exit", "params", "gmacs", "gmacs_paper", "latency_ms"]
    columns += ["peak_mb", "device", "busy_cores"]
    columns += [f"{name}_{codec}" for name in ("delta_psnr", "delta_ssim") for codec in ("jpeg", "hevc")]
    found = list(table2.tabulate(RESULTS))
    assert found[: len(columns)] == columns
    columns += ["exit_shares_jpeg", "exit_shares_hevc", "gmacs_published", "gmacs_difference"]
    assert sorted(found) == sorted(columns)


@pytest.mark.parametrize("missing", ["jpeg", "hevc"])
def test_a_method_for_one_compressor_is_blank_at_others(missing):
    rows = RESULTS.measurements
    partial = rows[(rows["method"] != "dcad") | (rows["compressor"] != missing)]
    found = dataclasses.replace(RESULTS, measurements=partial)
    gains = table1.tabulate(found).set_index(["compressor", "quality"])
    assert gains.loc[missing, "dcad"].isna().all()
    whole = table1.tabulate(RESULTS).set_index(["compressor", "quality"])
    other = {"jpeg": "hevc", "hevc": "jpeg"}[missing]
    pd.testing.assert_series_equal(gains.loc[other, "dcad"], whole.loc[other, "dcad"])
    line = table2.tabulate(found).set_index(["method", "early_exit"]).loc[("dcad", "no")]
    assert line[[f"delta_psnr_{missing}", f"delta_ssim_{missing}"]].isna().all()
    assert line[f"delta_psnr_{other}"] > 0


@pytest.mark.parametrize("missing", ["jpeg", "hevc"])
def test_a_multi_exit_method_may_be_for_one_compressor(missing):
    measured = RESULTS.measurements
    measured = measured[(measured["method"] != "rbqe") | (measured["compressor"] != missing)]
    partial = dataclasses.replace(RESULTS, measurements=measured, all_measurements=measured)
    for name in TABLES:
        assert len(plugins.find("benchmarks/tables", name).tabulate(partial))
    for name in FIGURES:
        assert plugins.find("benchmarks/figures", name).draw(partial).axes


def test_table1_keeps_the_order_of_qualities():
    measured = RESULTS.measurements
    webp = measured[measured["compressor"] == "jpeg"].assign(compressor="webp")
    webp = webp.assign(quality=webp["quality"] + 10, trained_on=webp["trained_on"].replace("jpeg", "webp"))
    both = dataclasses.replace(
        RESULTS, measurements=pd.concat([measured, webp]), thresholds=THRESHOLDS | {"webp": THRESHOLDS["jpeg"]}
    )
    found = table1.tabulate(both).set_index("compressor")
    assert found.loc["webp", "quality"].to_list() == [30, 20, "ave."]
    assert found.loc["webp", "rbqe"].to_list() == found.loc["jpeg", "rbqe"].to_list()


def test_table1_keeps_the_order_of_methods():
    swapped = dataclasses.replace(RESULTS, methods=["rbqe", "decoded", "dcad"])
    assert [name for name in table1.tabulate(swapped) if name in ("dcad", "rbqe")] == ["rbqe", "dcad"]


def test_table2_has_costs_and_gains_without_and_with_early_exit():
    found = table2.tabulate(RESULTS).set_index(["method", "early_exit"])
    assert list(found.index) == [("decoded", "no"), ("dcad", "no"), ("rbqe", "no"), ("rbqe", "yes")]
    assert found["params"].to_list() == [0, 296_641, 300_455, 300_455]
    # early exit takes 2, 5, 5, 1, 3, 1: (12.7 + 22.3 + 22.3 + 9.3 + 15.6 + 9.3) / 6 = 15.25
    assert found["gmacs"].to_list() == pytest.approx([0, 77.61, 21.9, 15.25], abs=1e-9)
    # (14.7 + 27.6 + 27.6 + 10.2 + 18.7 + 10.2) / 6 = 18.17
    assert found["gmacs_paper"].to_list() == pytest.approx([0, 77.8, 27.6, 18.2], abs=1e-9)
    # 10 ms per exit on the way: 170 / 6 = 28.3
    assert found["latency_ms"].to_list() == pytest.approx([9.0, 9.0, 45.0, 28.3], abs=1e-9)
    assert found["delta_psnr_jpeg"].to_list() == pytest.approx([0, 0.6, 0.5, 0.325], abs=1e-9)
    assert found["delta_psnr_hevc"].to_list() == pytest.approx([0, 0.15, 0.5, 0.2], abs=1e-9)
    assert found["delta_ssim_jpeg"].to_list() == pytest.approx([0, 0.01, 0.01, 0.0065], abs=1e-9)
    assert found["delta_ssim_hevc"].to_list() == pytest.approx([0, 0.01, 0.01, 0.004], abs=1e-9)


def transferred() -> Results:
    """Return RESULTS and: dcad with the weights for hevc on jpeg, 0.1 dB lower; rbqe with both on webp, 1 dB higher."""
    native = RESULTS.measurements
    psnr = native["metric"] == "psnr_unrounded"
    lower = native["value"] - 0.1 * psnr
    foreign = native.assign(value=lower, trained_on="hevc").query("method == 'dcad' and compressor == 'jpeg'")
    webp = native[native["compressor"] == "jpeg"].assign(compressor="webp", quality=lambda rows: rows["quality"] + 10)
    decoded, rbqe = webp[webp["method"] == "decoded"], webp[webp["method"] == "rbqe"]
    higher = rbqe["value"] + 1.0 * (rbqe["metric"] == "psnr_unrounded")
    webp = [rbqe.assign(value=higher, trained_on=codec) for codec in ("jpeg", "hevc")]
    everything = pd.concat([native, foreign, decoded, *webp], ignore_index=True)
    thresholds = THRESHOLDS | {"webp": 0.7}
    native = measurements.native(everything)
    return dataclasses.replace(RESULTS, measurements=native, all_measurements=everything, thresholds=thresholds)


def test_other_tables_and_figures_have_native_weights_alone():
    everything = transferred()
    pd.testing.assert_frame_equal(everything.measurements, RESULTS.measurements)
    for name in set(TABLES) - {"generalization", "intervals"}:
        module = plugins.find("benchmarks/tables", name)
        pd.testing.assert_frame_equal(module.tabulate(everything), tabulated(name))
        assert module.note(everything) == module.note(RESULTS)


def test_a_compressor_without_weights_of_its_own_is_native_to_methods_without_weights():
    everything = transferred().all_measurements
    spp = everything.query("compressor == 'webp' and method == 'decoded'").assign(method="spp", trained_on="")
    native = measurements.native(pd.concat([everything, spp], ignore_index=True))
    assert set(native.loc[native["compressor"] == "webp", "method"]) == {"decoded", "spp"}


def test_generalization_has_the_gain_of_every_weights_on_every_compressor():
    found = generalization.tabulate(transferred())
    gains = found.set_index(["compressor", "quality"])
    assert list(gains) == ["dcad_jpeg", "dcad_hevc", "rbqe_jpeg", "rbqe_hevc"]
    jpeg = [("jpeg", 20), ("jpeg", 10), ("jpeg", "ave.")]
    webp = [("webp", 30), ("webp", 20), ("webp", "ave.")]  # in the order measured, though jpeg has 20 before
    assert list(gains.index) == [*jpeg, ("hevc", 37), ("hevc", "ave."), *webp]
    assert gains.loc[jpeg, "dcad_jpeg"].to_list() == pytest.approx([0.4, 0.8, 0.6])  # as in table 1
    assert gains.loc[jpeg, "dcad_hevc"].to_list() == pytest.approx([0.3, 0.7, 0.5])
    assert gains.loc[jpeg, "rbqe_jpeg"].to_list() == pytest.approx([0.35, 0.3, 0.325])
    assert gains.loc["hevc", "dcad_hevc"].to_list() == pytest.approx([0.15, 0.15])
    # early exit at the threshold for jpeg: as on jpeg; at that for hevc, 0.9, which no score reaches: at the last
    assert gains.loc[webp, "rbqe_jpeg"].to_list() == pytest.approx([1.35, 1.3, 1.325])
    assert gains.loc[webp, "rbqe_hevc"].to_list() == pytest.approx([1.5, 1.5, 1.5])
    assert gains.loc[jpeg, "rbqe_hevc"].isna().all()
    assert gains.loc["webp", "dcad_jpeg"].isna().all()


def test_generalization_needs_no_native_measurements():
    everything = transferred()
    webp = everything.all_measurements.query("compressor == 'webp'")
    alone = dataclasses.replace(everything, measurements=measurements.native(webp), all_measurements=webp)
    assert alone.measurements.empty
    assert list(generalization.tabulate(alone)) == ["compressor", "quality", "rbqe_jpeg", "rbqe_hevc"]
    assert not generalization.marked(alone).to_numpy().any()
    assert "n = 2 images of set; BT.601 luma" in generalization.note(alone)


def test_native_cells_of_generalization_have_a_star_for_people_alone(tmp_path):
    everything = transferred()
    marked = generalization.marked(everything).set_index(generalization.tabulate(everything)["compressor"])
    assert list(marked.loc["jpeg"].iloc[0]) == [False, False, True, False, True, False]
    assert list(marked.loc["hevc"].iloc[0]) == [False, False, False, True, False, True]
    assert not marked.loc["webp"].to_numpy().any()
    frame = pd.DataFrame({"compressor": ["jpeg"], "dcad_jpeg": [0.5], "dcad_hevc": [0.25]})
    marks = pd.DataFrame({"compressor": [False], "dcad_jpeg": [True], "dcad_hevc": [False]})
    typesetting.write(frame, "A note.", tmp_path / "table.csv", marks)
    assert (tmp_path / "table.csv").read_text() == "compressor,dcad_jpeg,dcad_hevc\njpeg,0.5,0.25\n"
    assert (tmp_path / "table.md").read_text().splitlines()[2].split() == ["|", "jpeg", "|", "0.5†", "|", "0.25", "|"]
    assert r"jpeg & 0.5$^\dagger$ & 0.25 \\" in (tmp_path / "table.tex").read_text()


def curve(gain: float, bpps: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)) -> pd.DataFrame:
    """Return the points of an image whose PSNR rises by 3 dB when its rate doubles, before and after a gain in dB."""
    before = [36 + 3 * math.log2(bpp) for bpp in bpps]
    return pd.DataFrame({"bpp": bpps, "before": before, "after": [psnr + gain for psnr in before]})


@pytest.mark.parametrize("gain", [1.0, 0.1, -0.5])
def test_a_gain_at_every_rate_is_bd_psnr_and_bd_rate_the_rate_it_is_worth(gain):
    found = rate_distortion.deltas(curve(gain).sample(frac=1, random_state=0))
    assert found["bd_psnr"] == pytest.approx(gain, abs=1e-9)
    assert found["bd_rate"] == pytest.approx(100 * (2 ** (-gain / 3) - 1), abs=1e-9)  # 3 dB are worth half the rate
    assert found["overlap"] == pytest.approx((9 - abs(gain)) / (9 + abs(gain)), abs=1e-9)  # the curve spans 9 dB


def test_a_gain_that_grows_with_the_rate_is_its_mean_over_the_logarithm_of_the_rate():
    points = curve(0.0)
    points["after"] += [0.0, 1.0, 2.0, 3.0]
    assert rate_distortion.deltas(points)["bd_psnr"] == pytest.approx(1.5, abs=1e-9)


FLAT, LOSSLESS, EQUAL = curve(0.5), curve(0.5), curve(0.5)
FLAT.loc[2, "after"] = FLAT.loc[1, "after"]
LOSSLESS.loc[3, "before"] = 100.0
EQUAL.loc[1, "bpp"] = 0.25
DEGENERATE = {
    "fewer than 4 qualities": curve(0.5, (0.25, 0.5, 1.0)),
    "PSNR after does not rise with the rate": FLAT,
    "a quality without loss": LOSSLESS,
    "two qualities of one rate": EQUAL,
    "no PSNR in common": curve(9.5),
}


@pytest.mark.parametrize("reason", DEGENERATE)
def test_a_curve_that_cannot_be_compared_is_left_out_with_the_reason(reason):
    assert rate_distortion.deltas(DEGENERATE[reason]) == {"left_out": reason}


def rates(curves: dict[str, pd.DataFrame]) -> Results:
    """Return results of dcad on images with these curves, and of rbqe, whose exits gain 0.1 dB to 0.5 dB."""
    values = {}
    for image, points in curves.items():
        for quality, point in enumerate(points.itertuples(), start=1):
            case = (image, "jpeg", quality)
            values |= {(*case, "decoded", 1, "bpp"): point.bpp, (*case, "decoded", 1, "psnr_unrounded"): point.before}
            values[*case, "dcad", 1, "psnr_unrounded"] = point.after
            for exit in range(1, 6):
                values[*case, "rbqe", exit, "psnr_unrounded"] = point.before + 0.1 * exit
                values[*case, "rbqe", exit, "iqam"] = 0.2 * exit
    return dataclasses.replace(RESULTS, measurements=rows(values))


def test_bd_rate_is_averaged_over_images_without_and_with_early_exit():
    found = bd_rate.tabulate(rates({"a": curve(1.0), "b": curve(2.0)}))
    assert list(found) == ["compressor", "method", "early_exit", "bd_rate", "bd_psnr", "overlap", "n"]
    lines = found.set_index(["method", "early_exit"])
    # dcad: 2^(-1/3) = 0.7937 and 2^(-2/3) = 0.6300; rbqe: 0.5 dB at the last exit, 0.4 dB at the first with 0.7 or more
    assert lines["bd_rate"].to_dict() == {("dcad", "no"): -28.82, ("rbqe", "no"): -10.91, ("rbqe", "yes"): -8.83}
    assert lines["bd_psnr"].to_dict() == {("dcad", "no"): 1.5, ("rbqe", "no"): 0.5, ("rbqe", "yes"): 0.4}
    assert lines["overlap"]["dcad", "no"] == pytest.approx(50 * (8 / 10 + 7 / 11), abs=0.05)
    assert set(lines["n"]) == {2}


def test_bd_rate_says_how_many_images_it_leaves_out_and_why():
    found = bd_rate.tabulate(rates({"a": curve(1.0), "flat": FLAT, "far": curve(9.5)}))
    line = found.set_index(["method", "early_exit"]).loc[("dcad", "no")]
    assert (line["bd_rate"], line["bd_psnr"], line["n"]) == (-20.63, 1.0, 1)  # of the one image with a number
    assert line["left_out"] == "PSNR after does not rise with the rate: 1, no PSNR in common: 1"


def test_bd_rate_without_a_number_is_empty(tmp_path):
    found = bd_rate.tabulate(rates({"a": curve(1.0, (0.5, 1.0))}))
    typesetting.write(found, "A note.", tmp_path / "table.csv")
    line = (tmp_path / "table.csv").read_text().splitlines()[1]
    assert line == "jpeg,dcad,no,,,,0,fewer than 4 qualities: 1"


def test_table2_has_the_share_of_images_per_exit():
    found = table2.tabulate(RESULTS)
    early = found[found["early_exit"] == "yes"].iloc[0]
    assert early["exit_shares_jpeg"] == "25/25/0/0/50"  # 1, 2, 5, 5
    assert early["exit_shares_hevc"] == "50/0/50/0/0"  # 1, 3
    assert found["exit_shares_jpeg"].isna().sum() == 3


def test_notes_name_the_data_the_protocol_and_the_thresholds():
    for name in TABLES:
        note = plugins.find("benchmarks/tables", name).note(RESULTS)
        assert "n = 2 images of set" in note
        assert "BT.601 luma" in note
    assert "jpeg 0.7, hevc 0.9" in table2.note(RESULTS)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_written_in_three_formats(name, tmp_path):
    module = plugins.find("benchmarks/tables", name)
    frame = tabulated(name)
    typesetting.write(frame, module.note(RESULTS), tmp_path / f"{name}.csv")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".md", ".tex"]
    read = pd.read_csv(tmp_path / f"{name}.csv")
    pd.testing.assert_frame_equal(read, pd.read_csv(io.StringIO(frame.to_csv(index=False))))
    markdown = (tmp_path / f"{name}.md").read_text()
    assert all(column in markdown.splitlines()[0] for column in frame.columns)
    assert len(markdown.splitlines()) == 2 + len(frame) + 2
    assert markdown.endswith(f"\n\n{module.note(RESULTS)}\n")
    latex = (tmp_path / f"{name}.tex").read_text()
    assert latex.count(" \\\\\n") == 1 + len(frame)
    assert latex.startswith(r"\begin{tabular}")


def test_a_wide_table_is_cut_for_people_alone(tmp_path):
    frame = pd.DataFrame({"method": ["decoded", "dcad"], "gmacs": [0.0, 77.6], "gmacs_published": [None, 77.8]})
    parts = [["method", "gmacs"], ["method", "gmacs_published"]]
    typesetting.write(frame, "A note.", tmp_path / "table.csv", parts=parts)
    assert (tmp_path / "table.csv").read_text() == "method,gmacs,gmacs_published\ndecoded,0.0,\ndcad,77.6,77.8\n"
    pieces = (tmp_path / "table.md").read_text().split("\n\n")
    cells = [[line.replace("|", " ").split() for line in piece.splitlines()[::2]] for piece in pieces]
    assert cells[0] == [["method", "gmacs"], ["decoded", "0.0"]]
    assert cells[1] == [["method", "gmacs_published"], ["dcad", "77.8"]]  # the paper has nothing of `decoded`
    assert cells[2] == [["A", "note."]]
    assert (tmp_path / "table.tex").read_text().count(r"\begin{tabular}{lr}") == 2


def test_the_parts_of_a_table_have_all_its_columns():
    for module in (table1, table2):
        frame = module.tabulate(RESULTS)
        assert set().union(*module.parts(frame)) == set(frame)
    assert table2.parts(table2.tabulate(RESULTS))[0][-4:] == [
        "latency_ms",
        "peak_mb",
        "device",
        "busy_cores",
    ]  # ours, all


def test_a_latency_of_a_busy_machine_is_marked_in_table2(tmp_path):
    busy = RESULTS.latency["method"].eq("dcad").map({True: 0.8, False: 0.1})
    disturbed = dataclasses.replace(RESULTS, latency=RESULTS.latency.assign(busy_cores=busy))
    frame, marked = table2.tabulate(disturbed), table2.marked(disturbed)
    assert frame.set_index("method")["busy_cores"].to_dict() == {"decoded": 0.1, "dcad": 0.8, "rbqe": 0.1}
    typesetting.write(frame, table2.note(disturbed), tmp_path / "table2.csv", marked, parts=table2.parts(frame))
    text = (tmp_path / "table2.md").read_text()
    assert [line.split()[1] for line in text.splitlines() if "†" in line and line.startswith("|")] == ["dcad"]
    assert "†: measured while others kept more than 0.1 cores at work" in text
    assert "†" not in (tmp_path / "table2.csv").read_text()


def test_where_the_system_tells_no_load_no_latency_is_marked():
    untold = dataclasses.replace(RESULTS, latency=RESULTS.latency.assign(busy_cores=None))
    assert not table2.marked(untold)["latency_ms"].any()
    assert "busy_cores" not in table2.tabulate(untold)


def test_latex_takes_every_table(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex on this machine: Debian's texlive-latex-recommended has it, and booktabs")
    for name in TABLES:
        module = plugins.find("benchmarks/tables", name)
        frame = tabulated(name)
        daggers = pd.DataFrame(True, frame.index, frame.columns[2:])
        layout = [getattr(module, key)(frame) if hasattr(module, key) else None for key in ("places", "parts")]
        typesetting.write(frame, module.note(RESULTS), tmp_path / f"{name}.csv", daggers, *layout)
    survey = complexity.survey(64, 64)
    layout = complexity.places(survey), complexity.PARTS
    typesetting.write(survey, complexity.NOTE, tmp_path / "complexity.csv", None, *layout)
    inputs = "".join(rf"\input{{{name}}}\newpage" for name in [*TABLES, "complexity"])
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}\tiny"
    (tmp_path / "all.tex").write_text(head + inputs + r"\end{document}")
    done = subprocess.run(["pdflatex", "-halt-on-error", "all"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_missing_cells_are_empty(tmp_path):
    frame = pd.DataFrame([{"method": "dcad", "n": 3}, {"method": "rbqe", "n": 4, "shares": "50/50"}])
    typesetting.write(frame, "A note.", tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "method,n,shares\ndcad,3,\nrbqe,4,50/50\n"
    assert "nan" not in (tmp_path / "table.md").read_text() + (tmp_path / "table.tex").read_text()


def test_tables_work_without_a_multi_exit_method():
    single = results(["dcad"])
    assert table1.tabulate(single)["dcad"].to_list() == pytest.approx([0.4, 0.8, 0.6, 0.15, 0.15], abs=1e-9)
    assert table2.tabulate(single)["early_exit"].to_list() == ["no", "no"]
    assert gain_over_cost.draw(single).axes
    with pytest.raises(ValueError, match="needs a multi-exit method such as rbqe"):
        calibration.tabulate(single)


def test_the_turning_point_of_the_papers_sweep_is_its_threshold():
    points = published.read("eccv2020").query("source == 'Fig. 6a'")
    curve = points.pivot(index="threshold", columns="metric", values="value").reset_index()
    curve = curve.rename(columns={"gmacs_paper": "gmacs"})
    assert len(curve) == 8
    assert turning_point(curve)["threshold"] == 0.89


def test_a_sweep_goes_from_the_first_to_the_last_exit():
    curve = sweep(RESULTS.measurements, RESULTS.complexity, "rbqe", "jpeg").set_index("threshold")
    assert list(curve.loc[0.0]) == pytest.approx([10.2, 0.1])
    assert list(curve.loc[1.0]) == pytest.approx([27.6, 0.5])
    assert list(curve.loc[0.7]) == pytest.approx([(14.7 + 27.6 + 27.6 + 10.2) / 4, 0.325])  # in use, as in table 1


def test_a_threshold_per_exit_saves_what_one_for_all_cannot():
    """Scores of exit 2 are lower than those of exit 1, for good images and for bad ones."""
    gains = {"easy": [1.0, 1.0, 1.0], "fair": [0.5, 1.0, 1.0], "hard": [0.5, 0.5, 1.0]}
    scores = {"easy": [0.9, 0.6, 0.0], "fair": [0.8, 0.6, 0.0], "hard": [0.8, 0.5, 0.0]}
    case = ("demo", "jpeg", 10)
    values = {
        (*case, name, "rbqe", exit, metric): value
        for name in gains
        for exit in (1, 2, 3)
        for metric, value in (("psnr_unrounded", 30 + gains[name][exit - 1]), ("iqam", scores[name][exit - 1]))
    }
    values |= {(*case, name, "decoded", 1, "psnr_unrounded"): 30.0 for name in gains}
    columns = ["dataset", "compressor", "quality", "image", "method", "exit", "metric"]
    rows = pd.Series(values).rename_axis(columns).rename("value").reset_index().assign(trained_on="")
    cost = pd.DataFrame({"method": "rbqe", "exit": [1, 2, 3], "gmacs_paper": [1.0, 2.0, 3.0]})
    best = turning_point(sweep_per_exit(rows, cost, "rbqe", "jpeg"))
    assert (best["gmacs"], best["delta_psnr"]) == pytest.approx((2.0, 1.0))
    assert 0.8 < best["threshold"][0] <= 0.9
    assert 0.5 < best["threshold"][1] <= 0.6
    front = sweep_per_exit(rows, cost, "rbqe", "jpeg")
    assert front["gmacs"].is_monotonic_increasing
    assert front["delta_psnr"].is_monotonic_increasing
    one = turning_point(sweep(rows, cost, "rbqe", "jpeg"))
    assert (one["gmacs"], one["delta_psnr"]) == pytest.approx((7 / 3, 1.0))
    query = early_exit.chosen(rows, {"jpeg": best["threshold"]})
    assert query.set_index("image")["exit"].to_dict() == {"easy": 1, "fair": 2, "hard": 3}


@pytest.fixture(autouse=True)
def closed():
    """Free the figures of a test."""
    yield
    plt.close("all")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_and_leaves_the_measurements_alone(name):
    figure = drawn(name)
    pd.testing.assert_frame_equal(RESULTS.measurements, KEPT)
    assert isinstance(figure, Figure)
    for axes in figure.axes:
        assert any(below.get_xlabel() for below in axes.get_shared_x_axes().get_siblings(axes))
    assert figure.axes[0].get_ylabel()


def test_the_gain_over_cost_figure_shows_the_numbers_of_the_tables():
    panel = drawn("gain_over_cost").axes[0]
    assert panel.get_title() == "JPEG"
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.get_lines()}
    for label, (cost, gain) in {
        "DCAD": ([77.8, 77.8], [0.4, 0.8]),
        "RBQE": ([27.6, 27.6], [0.5, 0.5]),
        "RBQE, early exit": ([(14.7 + 27.6) / 2, (27.6 + 10.2) / 2], [0.35, 0.3]),
    }.items():
        assert lines[label][0] == pytest.approx(cost)
        assert lines[label][1] == pytest.approx(gain)


def test_the_gain_over_latency_figure_shows_the_numbers_of_table2():
    panel = drawn("gain_over_latency").axes[0]
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.get_lines()}
    for label, (milliseconds, gain) in {
        "DCAD": ([9, 9], [0.4, 0.8]),
        "RBQE": ([45, 45], [0.5, 0.5]),
        "RBQE, early exit": ([(20 + 50) / 2, (50 + 10) / 2], [0.35, 0.3]),  # the exits 2 and 5, 5 and 1
    }.items():
        assert lines[label][0] == pytest.approx(milliseconds)
        assert lines[label][1] == pytest.approx(gain)
    assert panel.get_xlabel() == "latency (ms, 512x512)\na processor, 2 threads"


def test_the_rate_distortion_figure_shows_mean_rates_psnrs_and_gains():
    above, below = curves.draw(rates({"a": curve(1.0), "b": curve(2.0)})).axes
    assert above.get_title() == "JPEG"
    assert above.get_xscale() == "log"
    lines = {line.get_label(): line for line in above.get_lines()}
    assert list(lines) == ["decoded", "DCAD", "RBQE", "RBQE, early exit"]
    for label, gain in {"decoded": 0.0, "DCAD": 1.5, "RBQE": 0.5, "RBQE, early exit": 0.4}.items():
        assert list(lines[label].get_xdata()) == [0.25, 0.5, 1.0, 2.0]
        assert list(lines[label].get_ydata()) == pytest.approx([30 + gain, 33 + gain, 36 + gain, 39 + gain])
    _, *gains = below.get_lines()
    assert [list(line.get_ydata()) for line in gains] == [pytest.approx([gain] * 4) for gain in (1.5, 0.5, 0.4)]


def test_the_exit_share_figure_stacks_to_100_per_cent():
    for panel in drawn("exit_shares").axes:
        heights: dict[float, list[float]] = {}
        for bar in panel.patches:
            heights.setdefault(round(bar.get_x(), 3), []).append(bar.get_height())
        assert all(sum(bars) == pytest.approx(100) and len(bars) == 5 for bars in heights.values())
    jpeg = drawn("exit_shares").axes[0]
    first = [bar.get_height() for bar in jpeg.patches if bar.get_x() < 0.2]
    assert first == pytest.approx([0, 50, 0, 0, 50])  # QF 20: exits 2 and 5


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        style.write(gain_over_cost.draw(RESULTS), tmp_path / folder / "figure.pdf")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["figure.pdf", "figure.png"]
    for name in ("figure.pdf", "figure.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_best_is_bold_and_the_second_underlined_for_people_alone(tmp_path):
    frame = pd.DataFrame({"method": ["a_1", "b", "c", "d"], "gain": [0.5, 0.25, 0.5, None]})
    places = ranking.rank(frame[["gain"]])
    assert places["gain"].to_list() == [1, 2, 1, 0]
    assert ranking.rank(frame[["gain"]], highest=False)["gain"].to_list() == [2, 1, 2, 0]
    assert ranking.rank(frame[["gain"]].T).T["gain"].to_list() == [0, 0, 0, 0]  # one number a row
    typesetting.write(frame, "A note.", tmp_path / "table.csv", places=places)
    assert (tmp_path / "table.csv").read_text() == "method,gain\na_1,0.50\nb,0.25\nc,0.50\nd,\n"
    lines = (tmp_path / "table.md").read_text().splitlines()[2:6]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells == [["a_1", "**0.50**"], ["b", "<ins>0.25</ins>"], ["c", "**0.50**"], ["d", ""]]
    latex = (tmp_path / "table.tex").read_text()
    assert r"a\_1 & \textbf{0.50} \\" in latex
    assert r"b & \underline{0.25} \\" in latex
    assert r"\toprule" in latex and r"\bottomrule" in latex


def test_places_of_the_tables_are_those_of_gains_and_costs():
    first = table1.places(table1.tabulate(RESULTS))
    assert list(first) == ["dcad", "rbqe"]
    assert first["dcad"].to_list() == [1, 1, 1, 2, 2]
    second = table2.places(table2.tabulate(RESULTS))  # of dcad, rbqe without and with early exit
    assert second["gmacs"].to_list() == [3, 2, 1]
    assert second["delta_psnr_jpeg"].to_list() == [1, 2, 3]
    frame = table2.tabulate(RESULTS)
    frame.loc[frame["method"] == "dcad", "device"] = "another processor, 1 thread"
    assert table2.places(frame)["latency_ms"].to_list() == [0, *second["latency_ms"][1:].rank(method="dense")]


def test_intervals_compare_every_gain_with_the_best_other_method():
    found = intervals.tabulate(RESULTS)
    found = found[(found["metric"] == "delta_psnr") & (found["exit"].isin(["", "early"]))]
    lines = found.set_index(["compressor", "quality", "method"])
    best = lines.loc[("jpeg", 10, "dcad")]  # gains 0.7 and 0.9, rbqe 0.5 and 0.1
    assert (best["mean"], best["low"], best["high"], best["n"]) == ("0.800", "0.700", "0.900", 2)
    assert (best["rival"], best["difference"]) == ("rbqe", "0.500")
    assert best["p"] == "0.5"  # both differences of one sign: 2 of 4
    average = lines.loc[("jpeg", "ave.", "rbqe")]  # image a: (0.2 + 0.5) / 2, b: (0.5 + 0.1) / 2
    assert (average["mean"], average["low"], average["high"]) == ("0.325", "0.300", "0.350")
    assert average["difference"] == "-0.275"
    pd.testing.assert_frame_equal(intervals.tabulate(RESULTS), intervals.tabulate(RESULTS))


def test_table3_has_powerqes_rows_below_ours():
    measured = RESULTS.measurements.replace({"method": {"rbqe": "rbqe-powerqe-v1"}})
    measured = measured[measured["compressor"] == "jpeg"]
    methods = ["decoded", "dcad", "rbqe-powerqe-v1"]
    found = table3.tabulate(dataclasses.replace(RESULTS, measurements=measured, methods=methods))
    assert list(found) == ["method", "exit", "numbers", "jpeg_10", "jpeg_20"]
    lines = found.set_index(["method", "exit", "numbers"])
    assert list(lines.loc[("decoded", "", "ours")]) == [30.5, 28.5]
    assert list(lines.loc[("decoded", "", "paper")]) == [25.83, 28.00]  # README of PowerQE v1.0
    assert list(lines.loc[("decoded", "", "difference")]) == [4.67, 0.5]
    assert list(lines.loc[("rbqe-powerqe-v1", "early", "ours")]) == pytest.approx([30.8, 28.85])
    assert list(lines.loc[("rbqe-powerqe-v1", "early", "paper")]) == [27.78, 30.00]
    assert list(lines.loc[("rbqe-powerqe-v1", "3", "ours")]) == pytest.approx([30.8, 28.8])
    assert ("cbdnet", "", "paper") in lines.index
    places = table3.places(found)
    assert set(found.loc[places.index, "numbers"]) == {"ours"}
    assert "decoded" not in set(found.loc[places.index, "method"])


def test_an_exit_fixed_by_the_quality_goes_from_the_first_to_the_last():
    five = {"jpeg": [50, 40, 30, 20, 10]}
    values = {}
    for number, quality in enumerate(five["jpeg"], start=1):
        values["a", "jpeg", quality, "decoded", 1, "psnr_unrounded"] = 30.0
        for exit in range(1, 6):
            values["a", "jpeg", quality, "rbqe", exit, "psnr_unrounded"] = 30 + number + exit / 10
            values["a", "jpeg", quality, "rbqe", exit, "iqam"] = 0.9
    found = table3.tabulate(dataclasses.replace(RESULTS, measurements=rows(values), methods=["decoded", "rbqe"]))
    fixed = found.set_index(["method", "exit"]).loc[("rbqe", "by quality")]
    assert [fixed[f"jpeg_{quality}"] for quality in five["jpeg"]] == [31.1, 32.2, 33.3, 34.4, 35.5]


def lines_of(panel) -> list[tuple[list, list]]:
    """Return the points of every curve with open markers: what a paper printed."""
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in panel.get_lines() if line.get_mfc() == "white"]


def as_published() -> Results:
    """Return RESULTS with the QPs 22 and 37 of HEVC alone."""
    hevc = RESULTS.measurements[RESULTS.measurements["compressor"] == "hevc"]
    both = pd.concat([hevc, hevc.assign(quality=22)], ignore_index=True)
    return dataclasses.replace(RESULTS, measurements=both, all_measurements=both)


def test_published_points_lie_over_ours():
    """The values are those of RBQE, ECCV 2020, Table 1 and Figs. 3, 5a, 6a and 6b."""
    (cost,) = drawn_as_published("gain_over_cost").axes
    overlay = [points for points in lines_of(cost) if points[0]]
    assert overlay[0] == ([77.8] * 5, [0.311, 0.278, 0.314, 0.353, 0.321])
    assert overlay[1] == ([17.9, 22.3, 25.5, 27.2, 27.5], [0.604, 0.487, 0.464, 0.494, 0.504])
    (sweep,) = drawn_as_published("threshold_sweep").axes
    ((gmacs, gain),) = lines_of(sweep)
    assert (gmacs[5], gain[5]) == (24.1, 0.51)
    (forced,) = drawn_as_published("forced_exits").axes
    found = sorted(points[1] for points in lines_of(forced))
    assert found == [[0.35, 0.42, 0.47, 0.49, 0.50], [0.60, 0.62, 0.62, 0.62, 0.62]]
    (average,) = drawn_as_published("average_cost").axes
    assert [text.get_text() for text in average.texts] == ["77.8 (77.8)", "14.4 (27.2)", "14.4 (17.9)"]
    psnr, ssim = drawn_as_published("score_over_quality").axes
    assert lines_of(psnr)[-1] == ([43.6, 40.8, 38.3, 36.0, 33.6], [0.77, 0.72, 0.68, 0.64, 0.59])
    assert lines_of(ssim)[-1][0] == [0.98, 0.96, 0.93, 0.89, 0.85]


def test_published_points_are_explained_where_there_are_some():
    """The papers have none of VVC."""
    whole = as_published()
    unpublished = whole.measurements.assign(compressor="vvc")
    thresholds = whole.thresholds | {"vvc": whole.thresholds["hevc"]}
    others = dataclasses.replace(whole, measurements=unpublished, all_measurements=unpublished, thresholds=thresholds)
    for name in ("forced_exits", "gain_over_cost", "score_over_quality", "threshold_sweep"):
        unexplained = plugins.find("benchmarks/figures", name).draw(others)
        assert [captions(drawn_as_published(name)), captions(unexplained)] == [[figures.CAPTION], []], name


def captions(figure) -> list[str]:
    """Return the texts of a figure that speak of published points."""
    texts = [figure.get_supxlabel(), *(legend.get_title().get_text() for legend in figure.legends)]
    return [text for text in texts if "published" in text]


def test_the_figure_of_gains_by_quality_has_every_image_and_the_means_in_one_order():
    figure = drawn("gain_by_quality")
    jpeg20, jpeg10, hevc37, empty = figure.axes
    assert [panel.get_title() for panel in (jpeg20, jpeg10, hevc37)] == ["QF 20", "QF 10", "QP 37"]
    assert not empty.axison
    order = [label.get_text() for label in jpeg20.get_yticklabels()]
    assert order == ["RBQE", "DCAD", "RBQE, early exit"]  # 0.5; 2.7 / 6; 1.7 / 6: means of all gains
    # dcad: as above; rbqe: 0.5 at its last exit; early: the exits 2 and 5, 5 and 1, 3 and 1
    for panel, means in ((jpeg20, [0.5, 0.4, 0.35]), (jpeg10, [0.5, 0.8, 0.3]), (hevc37, [0.5, 0.15, 0.2])):
        lines = panel.get_lines()
        images = [sorted(line.get_xdata()) for line in lines if line.get_marker() == "|"]
        points = [line for line in lines if len(line.get_xdata()) == 1]
        assert [line.get_xdata()[0] for line in points] == pytest.approx(means)
        assert [line.get_ydata()[0] for line in points] == [0, 1, 2]
        assert [sum(each) / 2 for each in images] == pytest.approx(means)


def test_the_exit_share_figure_says_where_early_exit_is_off():
    never = dataclasses.replace(RESULTS, thresholds=dict.fromkeys(RESULTS.thresholds, 2.0))
    assert [panel.get_title() for panel in drawn("exit_shares").axes] == ["JPEG", "HEVC"]
    assert [panel.get_title() for panel in exit_shares.draw(never).axes] == [
        "JPEG: early exit is off",
        "HEVC: early exit is off",
    ]


def test_the_pareto_front_has_the_methods_that_no_other_beats():
    points = pd.DataFrame({"cost": [4.0, 1.0, 2.0, 3.0, 1.0], "gain": [0.9, 0.5, 0.4, 0.7, 0.3]}, index=list("abcde"))
    assert list(ranking.pareto(points).index) == ["b", "d", "a"]


def test_a_method_looks_the_same_whatever_else_was_run():
    alone = dataclasses.replace(RESULTS, methods=["decoded", "rbqe"], measurements=without(RESULTS, "dcad"))
    for name in ("rate_distortion", "gain_over_cost"):
        for figure in (drawn(name), plugins.find("benchmarks/figures", name).draw(alone)):
            colours = {line.get_label(): line.get_color() for line in figure.axes[0].get_lines()}
            assert colours["RBQE"] == names.colour("rbqe"), name


def without(results: Results, method: str) -> pd.DataFrame:
    return results.measurements[results.measurements["method"] != method]


def test_the_leaderboard_has_early_exit_with_the_cost_of_its_own_codec():
    found = leaderboard.tabulate(RESULTS).set_index(["compressor", "method", "early_exit"])
    jpeg = found.loc["jpeg"]
    assert list(jpeg.index) == [("dcad", "no"), ("rbqe", "no"), ("rbqe", "yes")]
    assert jpeg["delta_psnr"].to_list() == [0.6, 0.5, 0.325]
    # exits 2, 5, 5 and 1: (12.7 + 22.3 + 22.3 + 9.3) / 4, and 10 ms per exit on the way
    assert jpeg.loc[("rbqe", "yes"), ["gmacs", "latency_ms"]].to_list() == [16.65, 32.5]
    assert jpeg["peak_mb"].to_list() == [100, 500, 325]
    assert jpeg["pareto_gmacs"].to_list() == ["yes"] * 3
    assert jpeg["pareto_latency"].to_list() == ["yes", "no", "no"]
    assert list(found.loc["hevc"].index) == [("rbqe", "no"), ("rbqe", "yes"), ("dcad", "no")]
