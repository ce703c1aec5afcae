"""The scoreboard counts by kind, keeps the best verdict of several runs, and judges trends by one-sided tests."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.pictures import photograph
from scipy import stats

from qebench.common import files, images
from qebench.cost import complexity
from qebench.evaluation import measurements
from qebench.evaluation.results import Results
from qebench.networks import catalogue
from qebench.publishing import explained, ours, programs, reproducing, reproduction, scoreboard, trends

QPS, QFS = (22, 27, 32, 37, 42), (50, 40, 30, 20, 10)
LUMA = ("rbqe", "dcad", "qecnn", "cbdnet", "dncnn")  # whose GMACs the paper prints
GMACS = (10.2, 14.7, 18.7, 22.9, 27.6)


def results(gain: float = 0.5, methods: tuple[str, ...] = ("decoded", "dcad", "rbqe")) -> Results:
    """Return a run on eight pictures: RBQE gains `gain` dB with HEVC, DCAD 0.3, both 1 dB more with JPEG."""
    random, rows = np.random.default_rng(0), []
    for picture, (codec, qualities) in product(range(8), {"hevc": QPS, "jpeg": QFS}.items()):
        for place, quality in enumerate(qualities):
            keys, more = ("kodak", str(picture), codec, quality), random.uniform(0, 0.1) + (codec == "jpeg")
            rows += [
                (*keys, "decoded", "", 1, "psnr_unrounded", 30.0),
                (*keys, "decoded", "", 1, "iqam", 0.8 - 0.05 * place),
            ]
            if "dcad" in methods:
                rows.append((*keys, "dcad", codec, 1, "psnr_unrounded", 30.3 + more))
            for exit in range(1, 6):
                rows.append((*keys, "rbqe", codec, exit, "psnr_unrounded", 30 + gain + more + 0.001 * picture))
                rows.append((*keys, "rbqe", codec, exit, "iqam", 0.9 if exit > place else 0.5))
    frame = pd.DataFrame(rows, columns=measurements.COLUMNS)
    cost = pd.DataFrame([{"method": "rbqe", "exit": exit, "gmacs_paper": value} for exit, value in enumerate(GMACS, 1)])
    return Results(frame, cost, pd.DataFrame(), {"hevc": 0.8, "jpeg": 0.8}, list(methods), "luma")


def test_trends_that_hold_name_pictures_and_p() -> None:
    found = trends.judge(results()).set_index(["trend", "compressor"])
    assert set(found["verdict"]) == {"holds"}
    assert set(found["n"]) == {8}
    # all eight differences of one sign: one side of Wilcoxon's exact distribution is 1 in 2^8
    assert found.loc[("early exit's GMACs rise with QP", "hevc"), "p_value"] == pytest.approx(1 / 256)
    dcad, rbqe = (float(word.split()[1]) for word in found.loc[("RBQE gains most at 22", "hevc"), "means"].split(","))
    assert rbqe - dcad == pytest.approx(0.5 - 0.3 + 0.0035, abs=0.001)  # both are rounded
    assert len(found) == 10 + 1 + 1 + 2


def test_a_trend_the_other_way_is_contrary_and_a_small_one_undecided() -> None:
    contrary = trends.judge(results(gain=0.2)).query("source == 'Table 1' and compressor == 'hevc'")
    assert set(contrary["verdict"]) == {"contrary"}
    few = results()
    few = Results(
        few.measurements.query("image < '3'"), few.complexity, few.latency, few.thresholds, few.methods, few.protocol
    )
    assert set(trends.judge(few)["verdict"]) == {"undecided"}  # three pictures: p is 1/8 at best


def test_a_chain_has_the_largest_p_of_its_links() -> None:
    random = np.random.default_rng(1)
    chain = pd.DataFrame(random.normal([0, 0.5, 5], 1, (12, 3)), columns=list("abc"))
    weak = stats.wilcoxon(chain["b"], chain["a"], alternative="greater").pvalue
    assert trends.p_value(chain) == pytest.approx(weak)
    assert trends.p_value(chain[["a", "a"]].set_axis(["x", "y"], axis=1)) == 1  # nothing differs


def test_trends_without_rivals_say_what_is_missing() -> None:
    found = trends.judge(results(methods=("decoded", "rbqe")))
    lacking = found[found["trend"].str.startswith("RBQE gains most")]
    assert set(lacking["verdict"]) == {"not run"}
    assert lacking["note"].str.contains("under methods").all()


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Return the comparison of a run of nothing but counts, of the networks whose counts are published."""
    run = results()
    rows = [record for method in LUMA for record in complexity.measure(method, 1)]
    rows += complexity.measure("rbqe-powerqe-v1", 3)
    for method in ("arcnn", "cbdnet", "dcad", "dncnn"):
        for network in catalogue.networks(method):
            count = sum(parameter.numel() for parameter in network.module.parameters())
            kind = {"form": network.form, "exit": 1, "channels": network.channels}
            rows.append({"method": method, **kind, "params": count})
    counted = pd.DataFrame(rows).query("channels == 1 and gmacs_paper.notna() or channels == 3")
    return reproduction.compare(ours.collect(run, counted, []), "", run.methods)


def test_numbers_that_need_no_data_are_exact_and_none_deviates_without_an_explanation(table: pd.DataFrame) -> None:
    counted = table[table["protocol"] == "complexity"]
    assert counted["verdict"].value_counts().to_dict() == {"reproduced": 17, "deviates": 1}
    assert counted.loc[counted["verdict"] == "deviates", "note"].str.contains("docs/errata.md").all()
    assert scoreboard.counts(table).loc["exact", "of these unexplained"] == 0


def test_every_explanation_is_of_a_published_number(table: pd.DataFrame) -> None:
    reasons = [explained.reason(row) for row in table.itertuples()]
    assert sorted(filter(None, reasons)) == sorted(explained.EXPLAINED.values())


def test_of_several_runs_each_number_keeps_the_verdict_that_says_most(table: pd.DataFrame) -> None:
    measured = table.copy()
    row = measured.index[measured["source"] == "JPEG rows"][0]
    measured.loc[row, ["ours", "verdict"]] = [27.821, "reproduced"]
    for order in ([table, measured], [measured, table]):
        combined = scoreboard.combine(order)
        assert len(combined) == len(table)
        assert combined.loc[row, "verdict"] == "reproduced"
        assert list(combined["published"]) == list(table["published"])


def test_original_programs_are_rows_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(
        '<testsuites><testsuite><testcase name="test_bits[astronaut-22]"><properties><property name="original" '
        'value="HM 16.5"/></properties><skipped message="HM is missing: build it"/></testcase><testcase '
        'name="test_scores[4-black]"><properties><property name="original" value="IQAM"/></properties></testcase>'
        '<testcase name="test_scores[8-black]"><properties><property name="original" value="IQAM"/></properties>'
        '<failure message="assert 1 == 2&#10; more">text</failure></testcase></testsuite></testsuites>'
    )
    found = programs.read(tmp_path / "report.xml")
    assert found.values.tolist() == [
        ["HM 16.5", "astronaut-22", "not run", "HM is missing: build it", "python -m pytest -m original -k test_bits"],
        ["IQAM", "4-black", "reproduced", "", "python -m pytest -m original -k test_scores"],
        ["IQAM", "8-black", "deviates", "assert 1 == 2", "python -m pytest -m original -k test_scores"],
    ]
    (tmp_path / "report.xml").write_text("no report")
    with pytest.raises(ValueError, match=r"report\.xml is no report of pytest"):
        programs.read(tmp_path / "report.xml")


def test_the_page_begins_with_counts_and_sorts_by_verdict(table: pd.DataFrame, tmp_path: Path) -> None:
    held = pd.DataFrame([["HM", "1", "not run", "build it", "pytest"]], columns=programs.COLUMNS)
    files.write_csv(table, tmp_path / "kodak.reproduction.csv")
    files.write_csv(trends.judge(results()), tmp_path / "kodak.trends.csv")
    text = reproducing.write([tmp_path / "kodak.reproduction.csv"], held, tmp_path / "scoreboard.csv", [])
    page = (tmp_path / "scoreboard.md").read_text()
    order = [page.index(text) for text in ("| exact", "## Trends", "## eccv2020", "## Original programs")]
    assert order == sorted(order)
    assert "| HM       | not run   | build it" in page
    assert "    qebench step survey -o results/complexity.csv" in page
    section = page[page.index("README 6, Non-blind (") :]
    assert section.index("deviates") < section.index("not run")
    assert "| nan" not in page
    assert "exact" in text
    assert len(pd.read_csv(tmp_path / "scoreboard.csv")) == len(table) + 1
    with pytest.raises(RuntimeError, match=r"scoreboard\.md is written, but without: snakemake"):
        reproducing.write([tmp_path / "kodak.reproduction.csv"], held, tmp_path / "scoreboard.csv", ["snakemake"])


def test_data_sets_are_found_by_their_pictures(tmp_path: Path) -> None:
    images.write(tmp_path / "some/pictures/r000da54ft.png", np.zeros((2000, 3008, 3), np.uint8))
    images.write(tmp_path / "kodak/kodim01.png", photograph("astronaut"))  # the name alone does not make it one
    assert reproducing.find(tmp_path) == {"raise": tmp_path / "some/pictures"}
    assert reproducing.find(None) == {}
    with pytest.raises(NotADirectoryError, match="absent is no folder: name the one that your data sets are in"):
        reproducing.find(tmp_path / "absent")


def test_the_literature_is_a_step_that_the_command_line_knows(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    failures = reproducing._literature("decoded", {"classic5": tmp_path})
    assert [failure.partition(" (status")[1] for failure in failures] == [" (status"]
    assert f"{tmp_path} has no pictures: put files in it" in capfd.readouterr().err  # the study was reached
