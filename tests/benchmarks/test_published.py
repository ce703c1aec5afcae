"""Published numbers are tidy, and agree with the averages and figures that their own papers print."""

import pytest

from qebench.common import plugins, published

PAPERS = ["eccv2020", "jpeg_literature", "powerqe_v1"]
ALL = published.read_all()


def test_all_papers_are_read_and_no_number_is_there_twice() -> None:
    assert sorted(ALL["paper"].unique()) == PAPERS
    assert not ALL.duplicated(["paper", "source", *published.KEYS]).any()
    assert ALL[["source", "protocol", "method", "metric", "value"]].notna().all(axis=None)


def test_every_number_says_what_it_is_in_names_of_this_repository() -> None:
    configs = {path.stem for path in (plugins.ROOT / "workflow/config").glob("*.yaml")}
    assert set(ALL["protocol"]) <= configs | {"jpeg-literature", "complexity"}
    assert set(ALL["compressor"].dropna()) <= set(plugins.names("compressors"))
    assert set(ALL["method"]) <= {*plugins.names("methods"), "tnrd"}  # nobody here has TNRD
    assert (ALL["protocol"] == "complexity").eq(ALL["dataset"].isna()).all()


@pytest.mark.parametrize("compressor", ["hevc", "jpeg"])
def test_the_averages_of_table_1_are_those_of_its_rows(compressor: str) -> None:
    table = published.read("eccv2020").query("source == 'Table 1' and compressor == @compressor")
    gains = table.pivot(index="quality", columns="method", values="value")
    means = gains.drop(index="ave.").mean()
    off = (gains.loc["ave."] - means).abs()
    assert len(off) == 5
    # Both sides are rounded to 0.001: they may differ by 0.001, and no column does.
    assert off.max() < 0.001 + 1e-9


def test_the_sweep_passes_through_table_1_and_figure_5a_at_the_threshold_in_use() -> None:
    papers = published.read("eccv2020")
    chosen = papers.query("source == 'Fig. 6a' and threshold == 0.89").set_index("metric")["value"]
    assert chosen["delta_psnr"] == 0.510  # Table 1, RBQE, ave.
    gmacs = papers.query("source == 'Fig. 5a' and method == 'rbqe'")["value"]
    assert len(gmacs) == 5
    assert gmacs.mean() == pytest.approx(chosen["gmacs_paper"], abs=0.05)


def test_the_ends_of_the_sweep_are_the_first_and_the_last_exit() -> None:
    papers = published.read("eccv2020")
    exits = papers.query("source == 'Fig. 6b' and metric == 'delta_psnr'").groupby("exit")["value"].mean()
    sweep = papers.query("source == 'Fig. 6a' and metric == 'delta_psnr'").set_index("threshold")["value"]
    # Two plots, each read to 0.01 dB
    assert sweep[0.0] == pytest.approx(exits[1], abs=0.02)
    assert sweep[1.0] == pytest.approx(exits[5], abs=0.02)


def test_early_exit_gains_more_than_the_jpeg_and_bpg_images_in_all_of_powerqe() -> None:
    psnr = published.read("powerqe_v1").query("metric == 'psnr_unrounded'")
    decoded = psnr[psnr["method"] == "decoded"].set_index(["compressor", "quality"])["value"]
    assert len(decoded) == 10
    enhanced = psnr[psnr["method"] != "decoded"].set_index(["compressor", "quality"])["value"]
    assert len(enhanced) == 3 * 10 + 3 * 2
    assert (enhanced > decoded.reindex(enhanced.index)).all()


def test_uncertainty_is_half_a_unit_of_the_last_digit_unless_read_off_a_plot() -> None:
    papers = published.read("eccv2020").set_index(["source", "metric"])["uncertainty"].sort_index()
    assert set(papers["Table 1", "delta_psnr"]) == {0.0005}
    assert set(papers["Fig. 3", "psnr"]) == {0.05}
    assert set(papers["Fig. 6b", "delta_psnr"]) == {0.01}
    assert set(published.read("powerqe_v1").query("metric == 'params'")["uncertainty"]) == {0.5}
