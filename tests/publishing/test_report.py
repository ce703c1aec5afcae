"""The report in a real browser, and the images in it against what was measured."""

import base64
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
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
from qebench.publishing import qualitative
from qebench.publishing.report import headline, viewer

QUALITIES = [40, 10]
WEIGHTS = Path(__file__).resolve().parents[2] / "methods/weights/rbqe-luma-jpeg.safetensors"
THRESHOLDS = {"jpeg": 0.7}
METHODS = ["decoded", "rbqe"]
INSIDE = ("file:", "data:", "blob:")  # addresses of requests that leave no page
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
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
    frame = frame.assign(other=[1.0, 12.0, 6.5], rbqe_paper=[1.5, 2.5, 2.0])
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
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    """Yield a Chromium that asks nothing of any network by itself."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("chromium")
        started = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


WINDOWS = {"desk": (1280, "light"), "phone": (390, "dark")}
on_both = pytest.mark.parametrize("opened", WINDOWS, indirect=True)  # what depends on width or colours; else desk alone


@pytest.fixture(scope="module")
def views(page: Path, browser) -> Callable[[str], tuple]:
    """Return a function from a window to the page as shown there, loaded once, and to all that it complains of."""

    @cache
    def load(window: str) -> tuple:
        width, scheme = WINDOWS[window]
        view = browser.new_page()
        view.set_default_timeout(120_000)  # milliseconds; of a busy machine
        view.set_viewport_size({"width": width, "height": 844})
        view.emulate_media(color_scheme=scheme)
        found: list[str] = []
        view.on("console", lambda message: found.append(message.text))
        view.on("pageerror", lambda error: found.append(str(error)))
        view.on("request", lambda asked: found.append(asked.url) if not asked.url.startswith(INSIDE) else None)
        view.goto(page.as_uri())
        view.wait_for_selector("html[data-ready]")
        view.wait_for_selector("#viewer[data-shown]")
        return view, found

    return load


@pytest.fixture
def opened(request: pytest.FixtureRequest, views) -> Iterator:
    """Yield the page as shown in a window; it must neither complain nor ask. A test leaves it as it was."""
    view, found = views(getattr(request, "param", "desk"))
    view.bring_to_front()
    found.clear()
    yield view
    assert found == []


def downloaded(view, selector: str) -> bytes:
    """Return what a click on a button downloads."""
    with view.expect_download() as download:
        view.locator(selector).first.click()
    return Path(download.value.path()).read_bytes()


def shown(view, side: str) -> np.ndarray:
    """Return the pixels of a canvas of the viewer: uint8 (H, W, 3)."""
    address = view.locator(f"#viewer canvas.{side}").evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


@on_both
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
    opened.locator("#tables th .dt-column-order").nth(2).press("Enter")
    expect(column).to_have_text(["10.500", "9.250", "9.875"])  # as in the file


@in_browser
def test_headings_and_cells_are_as_people_write_them_and_the_best_is_bold(opened) -> None:
    assert opened.locator("#tables th").all_text_contents() == ["codec", "quality", "RBQE", "other"]
    assert opened.locator("#tables tbody td:first-child").all_text_contents() == ["JPEG"] * 3
    assert opened.locator("#tables td b").all_text_contents() == ["10.500", "12.0", "9.875"]


@in_browser
def test_the_chooser_brings_the_paper_s_values_and_the_csv_has_the_names_of_the_file(opened) -> None:
    assert (
        downloaded(opened, "#tables .buttons-csv").decode().splitlines()[0] == '"compressor","quality","rbqe","other"'
    )
    opened.locator("#tables .buttons-colvis").click()
    opened.locator(".dt-button-collection button", has_text="RBQE, paper").click()
    opened.keyboard.press("Escape")
    text = downloaded(opened, "#tables .buttons-csv").decode().splitlines()
    assert text[0] == '"compressor","quality","rbqe","other","rbqe_paper"'
    assert text[1] == '"jpeg","40","10.500","1.0","1.5"'
    opened.locator("#tables .buttons-colvis").click()
    opened.locator(".dt-button-collection button", has_text="RBQE, paper").click()
    opened.keyboard.press("Escape")
    assert opened.locator("#tables th").all_text_contents() == ["codec", "quality", "RBQE", "other"]


@in_browser
def test_filters_leave_the_quality_and_the_averages(opened) -> None:
    opened.locator("#quality").select_option(label="QF 10")
    assert opened.locator("#tables tbody td:nth-child(2)").all_text_contents() == ["QF 10", "ave."]
    range_of = "document.querySelector('.plot').layout.xaxis.range"
    assert opened.evaluate(range_of) == [0.5, 1.5]  # 40, then 10
    opened.locator("#quality").select_option("")
    assert opened.evaluate(range_of) == [-0.5, 1.5]
    opened.locator("#compressor").select_option(label="JPEG")
    assert opened.locator("#plots figure:visible").count() == 3
    opened.locator("#compressor").select_option("")


@in_browser
def test_a_method_that_is_switched_off_leaves_plots_and_tables(opened) -> None:
    opened.locator("#methods button", has_text="RBQE").click()
    assert opened.locator("#tables th").all_text_contents() == ["codec", "quality", "other"]
    assert set(opened.evaluate("document.querySelector('.plot').data.map(t => t.visible)")) == {False}
    opened.locator("#methods button", has_text="RBQE").click()
    assert opened.locator("#tables th").all_text_contents() == ["codec", "quality", "RBQE", "other"]


@in_browser
def test_the_viewer_shows_the_pixels_of_the_examples(opened, folder: Path) -> None:
    listed = pd.read_csv(folder / "examples/jpeg.csv", dtype={"picture": str})
    right = opened.locator("[data-side=right]")
    for quality in QUALITIES:
        opened.locator("#view-quality").select_option(label=f"QF {quality}")
        for exit in (1, 5):
            right.locator(".exit").select_option(str(exit))
            picture = opened.locator("#view-picture").input_value()
            opened.wait_for_selector(f"[data-shown='{picture} jpeg {quality} decoded-0 rbqe-{exit} picture']")
            row = listed[(listed["picture"] == picture) & (listed["quality"] == quality)]
            row = row[(row["method"] == "rbqe") & (row["exit"] == exit)]
            image = manifests.read(folder / "examples/jpeg", folder / "examples/jpeg.csv", row.to_dict("records")[0])
            assert (shown(opened, "right") == image[:, :, None]).all()  # smaller than a crop, so all of it
            assert (
                right.locator("output").text_content() == f"{row['psnr'].item():.2f} dB, SSIM {row['ssim'].item():.4f}"
            )


@in_browser
def test_the_viewer_shows_differences_to_the_original_and_zooms(opened) -> None:
    before = opened.locator("[data-side=left] .method").input_value()
    opened.locator("[data-side=left] .method").select_option(label="original")
    opened.locator("#view-what").select_option(label="difference to the original")
    opened.wait_for_selector("[data-shown*='original-0'][data-shown$=difference]")
    assert np.unique(shown(opened, "left").reshape(-1, 3), axis=0).tolist() == [[0, 0, 4]]  # magma's first colour
    assert len(np.unique(shown(opened, "right"))) > 10
    assert opened.locator("#viewer .scale").is_visible()
    for zoom in (2, 4, 3):
        opened.locator("#view-zoom").select_option(str(zoom))
        assert opened.locator("#viewer .pair").evaluate("pair => pair.style.width") == f"{zoom * 80}px"
    opened.locator("[data-side=left] .method").select_option(before)
    opened.locator("#view-what").select_option(label="picture")
    opened.wait_for_selector(f"[data-shown*='{before}-0'][data-shown$=picture]")


@on_both
@in_browser
def test_the_border_of_the_viewer_moves(opened) -> None:
    style = "() => getComputedStyle(document.querySelector('#viewer canvas.right')).clipPath"
    assert opened.evaluate(style) == "inset(0px 0px 0px 50%)"
    opened.locator("#view-border").press("End")
    assert opened.evaluate(style) == "inset(0px 0px 0px 100%)"
    opened.locator("#view-border").fill("50")
    assert opened.evaluate(style) == "inset(0px 0px 0px 50%)"


@in_browser
def test_a_plot_has_the_measured_mean_and_gives_it_away(opened, folder: Path) -> None:
    rows, _ = measurements.read(folder / "measurements.parquet")
    gains = measurements.gains(rows[rows["quality"] == 10], "psnr_unrounded")
    mean = gains.loc[gains["exit"] == 5, "value"].mean()
    lines = downloaded(opened, "#plots [data-format=csv]").decode().splitlines()
    assert lines[0] == "method,quality,gain,low,high,n"
    assert float(next(line for line in lines if line.startswith("RBQE,10")).split(",")[2]) == pytest.approx(mean)
    assert downloaded(opened, "#plots [data-format=png]").startswith(b"\x89PNG")


@on_both
@in_browser
def test_the_page_follows_the_scheme_of_the_system(opened) -> None:
    colours, before = [], opened.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        plot = "() => document.querySelector('.plot').layout.font.color"
        opened.wait_for_function(f"getComputedStyle(document.body).color === ({plot})()")
        colours.append(opened.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(255, 255, 255)", "rgb(21, 24, 29)"]
    opened.emulate_media(color_scheme="dark" if before else "light")


def test_the_page_is_small_and_links_to_nothing_outside(page: Path) -> None:
    assert page.stat().st_size < 6_000_000
    addresses = re.findall(r'<[a-z]+ [^<>]*?(?:src|href)="([^"]*)"', page.read_text(encoding="utf-8"))
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)


def written(folder: Path, name: str, rows: list[dict]) -> Path:
    """Write rows as the CSV file of a table."""
    pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder / f"{name}.csv"


def test_the_first_verdicts_are_the_first_places_of_the_leaderboard(tmp_path: Path) -> None:
    shared = {"dataset": "demo", "n": 8, "delta_psnr_low": "0.254", "delta_psnr_high": "0.424"}
    first = {"method": "rbqe", "early_exit": "no", "delta_psnr": "0.346", "p": "", "as_good_as_first": "yes"}
    early = {"method": "rbqe", "early_exit": "yes", "delta_psnr": "0.340", "p": "0.062", "as_good_as_first": "yes"}
    other = {"method": "dcad", "early_exit": "no", "delta_psnr": "0.177", "p": "0.023", "as_good_as_first": "no"}
    alike = other | {"delta_psnr": "0.300", "p": "0.310", "as_good_as_first": "yes"}
    rows = [{"compressor": "hevc"} | row for row in (first, early, other)]
    rows += [{"compressor": "jpeg"} | row for row in (early | {"p": ""}, alike)]
    saved = {"compressor": "hevc", "method": "rbqe", "bd_psnr": "0.3"}
    bits = [saved | {"early_exit": "no", "bd_rate": "-5.66"}, saved | {"early_exit": "yes", "bd_rate": "-5.57"}]
    kept = {"compressor": "jpeg"} | other | shared | {"dataset": "kodak"}
    board = written(tmp_path, "leaderboard", [*(row | shared for row in rows), kept])
    hevc, jpeg = headline.verdicts([board, written(tmp_path, "bd_rate", bits)])
    assert (hevc.title, hevc.answer, hevc.method) == ("HEVC: largest PSNR gain", "RBQE +0.346 dB", "rbqe")
    assert hevc.details == [
        "95 % interval +0.254 to +0.424, n = 8 images of demo, mean over all qualities",
        "0.169 dB above DCAD (p = 0.023)",
        "\u22125.66 % bits at equal PSNR (BD-rate)",
    ]
    assert jpeg.details[0].endswith("mean over all qualities, early exit")
    assert jpeg.details[1:] == ["0.040 dB above DCAD, which is no proof of a difference (p = 0.310)"]


def test_the_scoreboard_counts_what_can_be_compared(tmp_path: Path) -> None:
    verdicts = ["reproduced", "reproduced", "deviates", "other data", "not run", "not run"]
    (found,) = headline.verdicts([written(tmp_path, "reproduction", [{"verdict": each} for each in verdicts])])
    assert found.answer == "2 of 3 comparable numbers reproduced"
    assert found.details == ["of 6 published: 1 of other pictures or by another protocol, 2 not run"]


def test_an_exit_rule_beats_a_coin_where_its_interval_says_so(tmp_path: Path) -> None:
    row = {"method": "rbqe", "compressor": "jpeg", "rule": "quality", "to_coin": "-2.2", "low": "-2.6", "high": "-0.2"}
    rows = [row, row | {"rule": "oracle", "to_coin": "-9"}, row | {"rule": "iqam", "to_coin": "1.0", "high": "2.0"}]
    rows += [row | {"compressor": "hevc", "rule": "iqam_per_exit", "to_coin": "-2.0", "high": "0.0"}]
    rows += [row | {"method": "rbqe (paper)", "to_coin": "-8.9"}]  # of the paper, not of the run
    (found,) = headline.verdicts([written(tmp_path, "exit_rules", rows)])
    assert (found.title, found.answer) == ("RBQE: best exit rule", "beats a coin with JPEG")
    assert found.details[0] == "JPEG: rule quality, \u22122.2 points [\u22122.6, \u22120.2]"
    assert found.details[1] == "HEVC: rule iqam per exit, \u22122.0 points [\u22122.6, +0.0]"
    (none,) = headline.verdicts([written(tmp_path, "exit_rules", rows[3:])])
    assert none.answer == "no surer than a coin"


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


def test_pictures_beyond_the_limit_are_left_out_and_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = viewer.collect([folder / "examples/jpeg.csv"])
    assert (len(found["views"]), found["count"]) == (4, 4)
    size = len(found["views"][0]["source"]) * 3 // 4
    monkeypatch.setattr(viewer, "LARGEST", size + 1)
    assert len(viewer.collect([folder / "examples/jpeg.csv"])["views"]) == 1


def test_the_page_says_where_its_numbers_come_from(page: Path, folder: Path) -> None:
    text = page.read_text(encoding="utf-8")
    _, records = measurements.read(folder / "measurements.parquet")
    for record in records:
        assert record["images"]["manifest_sha256"] in text
        assert record["codec"]["version"] in text
    assert next(record["weights"]["sha256"] for record in records if record["weights"]) in text
    assert "a: &lt;b&gt;" in text
