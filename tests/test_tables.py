"""Costs are the paper's and the exact ones; tables and figures show what measurements made by hand must give."""

import dataclasses
import io

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks import complexity, figures, measurements, plugins, published, tables, thresholds
from benchmarks.figures import exit_shares, gain_over_cost
from benchmarks.tables import calibration, table1, table2

COLUMNS = measurements.COLUMNS
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


def rows(values: dict[tuple, float]) -> pd.DataFrame:
    """Return measurements; keys are (image, compressor, quality, method, exit, metric)."""
    return pd.DataFrame([("set", *key, value) for key, value in values.items()], columns=COLUMNS)


PSNRS = rows(
    {
        ("a", "jpeg", 10, "decoded", 1, "psnr"): 30.0,
        ("a", "jpeg", 20, "decoded", 1, "psnr"): 33.0,
        ("b", "jpeg", 10, "decoded", 1, "psnr"): 25.0,
        ("a", "jpeg", 10, "net", 1, "psnr"): 30.5,
        ("a", "jpeg", 10, "net", 2, "psnr"): 31.0,
        ("a", "jpeg", 20, "net", 1, "psnr"): 32.75,
        ("b", "jpeg", 10, "net", 1, "psnr"): 27.0,
        ("a", "jpeg", 10, "net", 1, "ssim"): 0.9,
    }
)


def test_gains_are_differences_to_the_same_decoded_image():
    gains = measurements.gains(PSNRS, "psnr")
    assert list(gains.columns) == COLUMNS
    found = gains.set_index(["image", "quality", "method", "exit"])["value"].to_dict()
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
    measurements.write(PSNRS, [], tmp_path / "whole.parquet")
    (tmp_path / "half.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:500])
    for name in ("text", "foreign", "half"):
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
        for metric in ("psnr", "psnr_unrounded"):
            values |= {(*case, "decoded", 1, metric): psnr, (*case, "dcad", 1, metric): psnr + gain}
        values |= {(*case, "decoded", 1, "ssim"): ssim, (*case, "dcad", 1, "ssim"): ssim + 0.01}
        for exit in range(1, 6):
            values[*case, "rbqe", exit, "iqam"] = threshold if exit == TAKEN[case] else threshold - 0.05
            values[*case, "rbqe", exit, "ssim"] = ssim + 0.002 * exit
            for metric in ("psnr", "psnr_unrounded"):
                values[*case, "rbqe", exit, metric] = psnr + 0.1 * exit
    return rows(values)


def results(methods: list[str]) -> tables.Results:
    place = {"device": "a processor", "threads": 2}
    cost, latency = [], []
    for method in ["decoded", *methods]:
        for exit, (gmacs, so_far, paper) in enumerate(
            zip(GMACS[method], SO_FAR[method], PAPER[method], strict=True), 1
        ):
            head = {"method": method, "exit": exit}
            costs = {"gmacs": gmacs, "gmacs_so_far": so_far, "gmacs_paper": paper, "gmacs_published": paper}
            cost.append(head | {"params": PARAMS[method]} | costs)
            for stops in [False, True] if method == "rbqe" else [False]:
                latency.append(head | {"early_exit": stops, "median_ms": (10.0 if stops else 9.0) * exit} | place)
    measured = all_rows()
    measured = measured[measured["method"].isin(["decoded", *methods])]
    return tables.Results(
        measured, pd.DataFrame(cost), pd.DataFrame(latency), THRESHOLDS, ["decoded", *methods], "BT.601 luma"
    )


RESULTS = results(["dcad", "rbqe"])


def test_table1_has_mean_gains_with_early_exit_and_their_average():
    found = table1.tabulate(RESULTS).set_index(["compressor", "quality"])
    assert list(found.index) == [("jpeg", 20), ("jpeg", 10), ("jpeg", "ave."), ("hevc", 37), ("hevc", "ave.")]
    assert found["dcad"].to_list() == pytest.approx([0.4, 0.8, 0.6, 0.15, 0.15], abs=1e-9)
    # jpeg 20: exits 2 and 5, jpeg 10: 5 and 1, hevc: 3 and 1
    assert found["rbqe"].to_list() == pytest.approx([0.35, 0.3, 0.325, 0.2, 0.2], abs=1e-9)


def test_table1_has_the_papers_numbers_beside_ours():
    found = table1.tabulate(RESULTS).set_index(["compressor", "quality"])
    # RBQE, ECCV 2020, Table 1
    assert found["dcad_paper"].to_list() == [1.501, 1.676, 1.451, 0.353, 0.316]
    assert found["rbqe_paper"].to_list() == [1.713, 1.920, 1.678, 0.494, 0.510]
    assert "decoded_paper" not in found


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
    frame = module.tabulate(RESULTS)
    tables.write(frame, module.note(RESULTS), tmp_path / f"{name}.csv")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".csv", ".md", ".tex"]
    read = pd.read_csv(tmp_path / f"{name}.csv")
    pd.testing.assert_frame_equal(read, pd.read_csv(io.StringIO(frame.to_csv(index=False))))
    markdown = (tmp_path / f"{name}.md").read_text()
    assert all(column in markdown.splitlines()[0] for column in frame.columns)
    assert len(markdown.splitlines()) == 2 + len(frame) + 2
    assert markdown.endswith(f"\n\n{module.note(RESULTS)}\n")
    latex = (tmp_path / f"{name}.tex").read_text()
    assert latex.count(r"\\") == 1 + len(frame)
    assert latex.startswith(r"\begin{tabular}")


def test_missing_cells_are_empty(tmp_path):
    frame = pd.DataFrame([{"method": "dcad", "n": 3}, {"method": "rbqe", "n": 4, "shares": "50/50"}])
    tables.write(frame, "A note.", tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == "method,n,shares\ndcad,3,\nrbqe,4,50/50\n"
    assert "nan" not in (tmp_path / "table.md").read_text() + (tmp_path / "table.tex").read_text()


def test_tables_work_without_a_multi_exit_method():
    single = results(["dcad"])
    assert table1.tabulate(single)["dcad"].to_list() == pytest.approx([0.4, 0.8, 0.6, 0.15, 0.15], abs=1e-9)
    assert table2.tabulate(single)["early_exit"].to_list() == ["no", "no"]
    assert gain_over_cost.draw(single).axes
    with pytest.raises(ValueError, match="needs a multi-exit method such as rbqe"):
        calibration.tabulate(single)


def test_published_numbers_are_tidy():
    papers = published.read("eccv2020")
    assert list(papers.columns) == ["source", "compressor", "quality", "method", "exit", "metric", "value"]
    assert not papers.duplicated(["source", "compressor", "quality", "method", "exit", "metric"]).any()
    gains = papers[(papers["metric"] == "delta_psnr") & (papers["quality"] != "ave.")]
    assert len(gains) == 2 * 5 * 5  # Table 1: compressors, qualities, methods


def test_the_turning_point_of_the_papers_sweep_is_its_threshold():
    # RBQE, ECCV 2020, Fig. 6a, read off the plot: threshold, GMACs, gain in dB
    points = [(0.0, 10.2, 0.40), (0.5, 11.4, 0.43), (0.6, 12.6, 0.43), (0.7, 14.7, 0.45), (0.8, 18.3, 0.48)]
    points += [(0.89, 24.1, 0.51), (0.9, 24.6, 0.51), (1.0, 27.6, 0.52)]
    curve = pd.DataFrame(points, columns=["threshold", "gmacs", "delta_psnr"])
    assert thresholds.turning_point(curve) == 0.89


def test_a_sweep_goes_from_the_first_to_the_last_exit():
    curve = thresholds.sweep(RESULTS.measurements, RESULTS.complexity, "rbqe", "jpeg").set_index("threshold")
    assert list(curve.loc[0.0]) == pytest.approx([10.2, 0.1])
    assert list(curve.loc[1.0]) == pytest.approx([27.6, 0.5])
    assert list(curve.loc[0.7]) == pytest.approx([(14.7 + 27.6 + 27.6 + 10.2) / 4, 0.325])  # in use, as in table 1


@pytest.fixture(autouse=True)
def closed():
    """Free the figures of a test."""
    yield
    plt.close("all")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_draws_and_leaves_the_measurements_alone(name):
    kept = RESULTS.measurements.copy()
    figure = plugins.find("benchmarks/figures", name).draw(RESULTS)
    pd.testing.assert_frame_equal(RESULTS.measurements, kept)
    assert isinstance(figure, Figure)
    assert all(axes.get_xlabel() for axes in figure.axes)
    assert figure.axes[0].get_ylabel()


def test_the_gain_over_cost_figure_shows_the_numbers_of_the_tables():
    panel = gain_over_cost.draw(RESULTS).axes[0]
    assert panel.get_title() == "jpeg"
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.get_lines()}
    for label, (gmacs, gains) in {
        "dcad": ([77.8, 77.8], [0.4, 0.8]),
        "rbqe": ([27.6, 27.6], [0.5, 0.5]),
        "rbqe, early exit": ([(14.7 + 27.6) / 2, (27.6 + 10.2) / 2], [0.35, 0.3]),
    }.items():
        assert lines[label][0] == pytest.approx(gmacs)
        assert lines[label][1] == pytest.approx(gains)


def test_the_exit_share_figure_stacks_to_100_per_cent():
    for panel in exit_shares.draw(RESULTS).axes:
        heights: dict[float, list[float]] = {}
        for bar in panel.patches:
            heights.setdefault(round(bar.get_x(), 3), []).append(bar.get_height())
        assert all(sum(bars) == pytest.approx(100) and len(bars) == 5 for bars in heights.values())
    jpeg = exit_shares.draw(RESULTS).axes[0]
    first = [bar.get_height() for bar in jpeg.patches if bar.get_x() < 0.2]
    assert first == pytest.approx([0, 50, 0, 0, 50])  # QF 20: exits 2 and 5


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        figures.write(gain_over_cost.draw(RESULTS), tmp_path / folder / "figure.pdf")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["figure.pdf", "figure.png"]
    for name in ("figure.pdf", "figure.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
