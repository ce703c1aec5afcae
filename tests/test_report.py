"""The report in a real browser, and the images in it against what was measured."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from qebench.__main__ import main
from qebench.common import typesetting
from qebench.common.metrics import IDENTICAL
from qebench.datasets import manifests, originals
from qebench.evaluation import examples, measurements
from qebench.publishing import qualitative, report

QUALITIES = [40, 10]
WEIGHTS = Path(__file__).resolve().parent.parent / "methods/weights/rbqe-luma-jpeg.safetensors"
THRESHOLDS = {"jpeg": 0.7}
METHODS = ["decoded", "rbqe"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray, camera: np.ndarray) -> Path:
    """Return a folder with measurements of RBQE on two pictures at two qualities, and with its examples."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "pictures").mkdir()
    for name, picture in (("7", astronaut), ("camera", camera)):
        Image.fromarray(picture[100:172, 200:280]).save(folder / f"pictures/{name}.png")
    main(["step", "prepare", str(folder / "pictures"), "--colour", "luma", "-o", str(folder / "originals.csv")])
    decoded = [folder / f"decoded/{quality}.csv" for quality in QUALITIES]
    for path in decoded:
        main(
            [
                "step",
                "compress",
                "jpeg",
                str(folder / "originals.csv"),
                "-q",
                path.stem,
                "-o",
                str(path),
                "--workers",
                "1",
            ]
        )
    common = ["--originals", str(folder / "originals.csv"), "--decoded", *map(str, decoded)]
    common += ["--keys", "mine", "jpeg", "--device", "cpu", "--threads", "1"]
    for method, options in (("decoded", []), ("rbqe", ["--weights", str(WEIGHTS), "--trained-on", "jpeg"])):
        output = ["-o", str(folder / f"{method}.parquet")]
        metrics = ["--metrics", "psnr", "psnr_unrounded", "ssim", "--block-size", "8"]
        main(["step", "evaluate", method, *options, *common, *metrics, *output])
    parts = [str(folder / f"{method}.parquet") for method in METHODS]
    main(["step", "merge", *parts, "-o", str(folder / "measurements.parquet")])
    shown = ["--measurements", str(folder / "measurements.parquet"), "--methods", "decoded", f"rbqe={WEIGHTS}"]
    main(["step", "examples", *shown, *common, "--thresholds", "jpeg=0.7", "-o", str(folder / "examples/jpeg.csv")])
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """Return the report of these measurements, with a table made by hand."""
    frame = pd.DataFrame({"compressor": ["jpeg"] * 3, "quality": ["40", "10", "ave."], "rbqe": [10.5, 9.25, 9.875]})
    typesetting.write(frame, "PSNR gain in dB, by hand.", folder / "table1.csv")
    options = ["--tables", str(folder / "table1.csv"), "--examples", str(folder / "examples/jpeg.csv")]
    options += ["--thresholds", "jpeg=0.7", "--methods", *METHODS, "--protocol", "luma", "--config", "a: <b>"]
    main(
        [
            "step",
            "report",
            "--measurements",
            str(folder / "measurements.parquet"),
            *options,
            "-o",
            str(folder / "page.html"),
        ]
    )
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=[1280, 400])
def opened(request: pytest.FixtureRequest, page: Path, browser) -> Iterator:
    """Yield the page as shown in a window of that width; it must neither complain nor ask for anything."""
    view = browser.new_page(viewport={"width": request.param, "height": 900})
    found: list[str] = []
    view.on("console", lambda message: found.append(message.text))
    view.on("pageerror", lambda error: found.append(str(error)))
    view.on("request", lambda asked: found.append(asked.url) if asked.url.startswith("http") else None)
    view.goto(page.as_uri())
    view.wait_for_selector("table.dataTable")
    yield view
    assert found == []
    view.close()


@in_browser
def test_the_page_fits_its_window(opened) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@in_browser
def test_a_table_sorts_by_number_at_a_click_and_by_the_keyboard(opened) -> None:
    from playwright.sync_api import expect  # waits for the table, which is drawn a little after the click

    column = opened.locator("#tables tbody td:nth-child(3)")
    expect(column).to_have_text(["10.500", "9.250", "9.875"])
    opened.locator("#tables th").nth(2).click()
    expect(column).to_have_text(["9.250", "9.875", "10.500"])
    opened.locator("#tables th .dt-column-order").nth(2).press("Enter")
    expect(column).to_have_text(["10.500", "9.875", "9.250"])


@in_browser
def test_filters_leave_the_quality_and_the_averages(opened) -> None:
    assert opened.locator(".compare:visible").count() == 4  # two pictures at two qualities
    opened.locator("#quality").select_option("10")
    assert opened.locator("#tables tbody td:nth-child(2)").all_text_contents() == ["10", "ave."]
    assert opened.locator(".compare:visible").count() == 2
    assert opened.evaluate("document.getElementById('plot-0').layout.xaxis.range") == [0.5, 1.5]  # 40, then 10
    opened.locator("#quality").select_option("")
    assert opened.locator(".compare:visible").count() == 4
    opened.locator("#compressor").select_option("jpeg")
    assert opened.locator("#plots figure:visible").count() == 3


@in_browser
def test_the_slider_moves_the_border_and_the_lists_choose_both_sides(opened) -> None:
    first = opened.locator(".compare").first
    style = "element => getComputedStyle(element.querySelector('img.right')).clipPath"
    assert first.evaluate(style) == "inset(0px 0px 0px 50%)"
    first.locator("input").press("End")
    assert first.evaluate(style) == "inset(0px 0px 0px 100%)"
    first.locator("select.left").select_option(label="original")
    assert "original" in first.locator("img.left").get_attribute("alt")
    assert first.locator("img:visible").count() == 2
    assert first.locator("img:visible").first.evaluate("image => image.naturalWidth") == 80


@in_browser
def test_a_plot_tells_the_measured_mean_and_its_legend_hides_a_method(opened, folder: Path) -> None:
    rows, _ = measurements.read(folder / "measurements.parquet")
    gains = measurements.gains(rows[rows["quality"] == 10], "psnr_unrounded")
    mean = gains.loc[gains["exit"] == 5, "value"].mean()
    opened.evaluate("Plotly.Fx.hover('plot-0', [{curveNumber: 0, pointNumber: 1}])")
    assert f"quality 10: {mean:.3f} dB" in opened.locator("#plot-0 .hoverlayer").text_content()
    opened.locator("#plot-0 .legendtoggle").first.click()
    opened.wait_for_function("document.getElementById('plot-0').data[0].visible === 'legendonly'")


def test_examples_have_the_psnr_measured_and_mark_the_exit_taken(folder: Path) -> None:
    listed = pd.read_csv(folder / "examples/jpeg.csv", dtype={"picture": str})
    assert set(listed["picture"]) == {"7", "camera"}
    assert sorted(set(listed["chosen"])) == ["largest gain", "median gain"]
    references = dict(originals.load(folder / "originals", folder / "originals.csv"))
    for row in listed[listed["method"] != "original"].to_dict("records"):
        image = manifests.read(folder / "examples/jpeg", folder / "examples/jpeg.csv", row)
        error = np.square(references[row["picture"]].astype(float) - image).mean()
        assert row["psnr"] == pytest.approx(min(10 * np.log10(255**2 / error), IDENTICAL), abs=1e-3)
    exits = listed[listed["method"] == "rbqe"]
    for _, group in exits.groupby(["picture", "quality"]):
        reached = group.loc[group["iqam"] >= THRESHOLDS["jpeg"], "exit"].tolist()
        assert group.loc[group["taken"], "exit"].tolist() == [*reached, 5][:1]


def test_strips_show_the_numbers_measured_and_the_exit_taken(folder: Path) -> None:
    listed = pd.read_csv(folder / "examples/jpeg.csv", dtype={"picture": str})
    figure = qualitative.draw(folder / "examples/jpeg.csv", 8, "matlab")
    panels = figure.axes[: 2 * 3 * 7]  # two pictures; crop, errors and blocks; the original, the decoded and five exits
    below = [panel.get_xlabel() for panel in panels]
    titles = [panel.get_title() for panel in panels]
    shown = listed[(listed["quality"] == 40) & (listed["method"] != "original")]  # the middle of 10 and 40
    assert len(shown) == 12
    for row in shown.to_dict("records"):
        assert f"{row['psnr']:.2f} dB\nSSIM {row['ssim']:.4f}" in below
    assert sum("(taken)" in title for title in titles) == 2


def test_examples_of_other_weights_than_those_measured_are_refused(folder: Path, tmp_path: Path) -> None:
    decoded = [folder / f"decoded/{quality}.csv" for quality in QUALITIES]
    wrong = WEIGHTS.with_name("rbqe-luma-hevc.safetensors")
    sources = examples.Sources(folder / "originals.csv", decoded, {"decoded": None, "rbqe": wrong})
    rows, _ = measurements.read(folder / "measurements.parquet")
    with pytest.raises(ValueError, match=r"quality 40, rbqe exit 1: its PSNR is now .* dB and was measured as"):
        examples.write(rows, THRESHOLDS, sources, "cpu", tmp_path / "jpeg.csv")
    assert not (tmp_path / "jpeg.csv").exists()


def test_the_worst_square_is_the_one_with_the_error() -> None:
    original = np.zeros((30, 40), np.uint8)
    decoded = original.copy()
    decoded[20, 33] = 200  # 8 pixels wide, so the squares that hold it start at 13..20 and 26..33
    rows, columns = examples.worst(original, decoded, 8)
    assert (rows, columns) == (slice(13, 21), slice(26, 34))
    assert examples.worst(original, decoded, 64) == (slice(0, 30), slice(0, 40))


def test_images_beyond_the_limit_are_left_out_and_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, count = report.sliders.groups([folder / "examples/jpeg.csv"])
    assert (len(shown), count) == (4, 4)
    size = sum(len(image["source"]) for image in shown[0]["images"]) * 3 // 4
    monkeypatch.setattr(report.sliders, "LARGEST", size + 1)
    fewer, count = report.sliders.groups([folder / "examples/jpeg.csv"])
    assert (len(fewer), count) == (1, 4)


def test_the_page_says_where_its_numbers_come_from(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    _, records = measurements.read(folder / "measurements.parquet")
    for record in records:
        assert record["images"]["manifest_sha256"] in text
        assert record["codec"]["version"] in text
    assert next(record["weights"]["sha256"] for record in records if record["weights"]) in text
    assert "a: &lt;b&gt;" in text
