"""Two pictures are compared as other programs compare them, and folders by the names of their files."""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage import data

from qebench.__main__ import main
from qebench.common import images, plugins
from qebench.common.metrics import of_pictures
from qebench.evaluation import score, views

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/metrics.json").read_text())
SIZES = {name: fixture["size"] for name, fixture in GOLDEN["fixtures"].items()}


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a photograph and what blocks and noise make of it, by integers alone."""
    reference = data.astronaut()[40 : 40 + height, 100 : 100 + width]
    rows, columns = -(-height // 8), -(-width // 8)
    padded = np.pad(reference, ((0, rows * 8 - height), (0, columns * 8 - width), (0, 0)), mode="edge").astype(np.int64)
    means = padded.reshape(rows, 8, columns, 8, 3).sum(axis=(1, 3)) // 64
    blocks = means.repeat(8, 0).repeat(8, 1)[:height, :width]
    y, x, c = np.indices(reference.shape)
    noise = (y * 7 + x * 13 + c * 5 + x * y) % 17 - 8
    image = ((3 * reference.astype(np.int64) + blocks) // 4 + noise).clip(0, 255).astype(np.uint8)
    return reference, image


@pytest.mark.parametrize("name", SIZES)
def test_the_fixtures_are_those_that_other_programs_measured(name):
    digests = [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pair(*SIZES[name])]
    assert digests == GOLDEN["fixtures"][name]["sha256"]


@pytest.mark.parametrize("row", GOLDEN["rows"], ids=lambda row: "-".join(map(str, row[:5])))
def test_a_metric_is_that_of_other_programs(row):
    name, colour, border, metric, tool, value = row
    module = plugins.find("benchmarks/metrics", metric)
    if not find_spec(getattr(module, "NEEDS", "torch")):
        pytest.skip(f"{module.NEEDS} is not installed")
    view = views.View(colour, border)
    both = [view.of(picture[..., 1] if colour == "gray" else picture) for picture in pair(*SIZES[name])]
    tolerance = GOLDEN["tools"][tool]["tolerance"][metric]
    assert of_pictures(module, *both) == pytest.approx(value, abs=tolerance)


def test_the_two_lumas_differ_by_their_range():
    reference, image = pair(*SIZES["even"])
    psnr = plugins.find("benchmarks/metrics", "psnr")
    limited, full = (
        of_pictures(psnr, *(views.View(name, 0).of(picture) for picture in (reference, image)))
        for name in ("luma_float", "luma_full_float")
    )
    assert limited - full == pytest.approx(1.3219, abs=5e-5)  # 20 log10(255 / 219)


def test_a_gray_picture_has_no_luma():
    assert [view.colour for view in views.of_picture(np.zeros((16, 16), np.uint8))] == ["gray", "gray"]


def test_psnr_b_of_a_picture_without_block_edges_is_its_psnr():
    reference = np.full((32, 48), 100.0)
    image = reference + 2  # no steps at all
    psnr, psnr_b = (plugins.find("benchmarks/metrics", name) for name in ("psnr", "psnr_b"))
    assert of_pictures(psnr_b, reference, image) == of_pictures(psnr, reference, image)


def test_psnr_b_counts_the_steps_at_block_edges():
    reference = np.full((16, 16), 100.0)
    image = reference.copy()
    image[:, 8:] += 4  # MSE 8; 16 steps of 16 over N_HB + N_VB = 32 edges, none elsewhere; log2 8 / log2 16 = 3 / 4
    metric = plugins.find("benchmarks/metrics", "psnr_b")
    assert of_pictures(metric, reference, image) == pytest.approx(10 * np.log10(255**2 / (8 + 0.75 * 8)), abs=1e-10)


@pytest.mark.parametrize("name", ["psnr_b", "ms_ssim", "ssim_skimage"])
def test_too_small_a_picture_is_refused_with_the_size_it_needs(name):
    metric = plugins.find("benchmarks/metrics", name)
    with pytest.raises(ValueError, match=r"needs \d+x\d+ pixels, and images have \(6, 400\)"):
        of_pictures(metric, np.zeros((6, 400)), np.zeros((6, 400)))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with two pictures in common, one of them in another format, and others that do not fit."""
    first, second = tmp_path / "first", tmp_path / "second"
    reference, image = pair(*SIZES["even"])
    for name, shown in (
        ("a", reference),
        ("b", reference[..., 1]),
        ("small", reference[:40, :40]),
        ("alone", reference),
    ):
        images.write(first / f"{name}.png", shown)
    for name, shown in (("a", image), ("b", image[..., 1]), ("small", image[:48, :40]), ("other", image)):
        images.write(second / f"{name}.png", shown)
    (second / "broken.png").write_bytes(b"no picture")
    (first / "broken.png").write_bytes((first / "a.png").read_bytes())
    return first, second


def test_files_of_folders_are_matched_by_name_and_the_rest_is_listed(folders):
    found, left_out = score.pairs(*folders)
    assert [pair.name for pair in found] == ["a", "b"]
    first, second = folders
    assert f"{first}/alone.png has no partner in {second}" in left_out
    assert f"{second}/other.png has no partner in {first}" in left_out
    assert any("small.png is 40x40 RGB and" in line and "is 40x48 RGB" in line for line in left_out)
    assert any("broken.png is no PNG" in line for line in left_out)
    assert len(left_out) == 4


def test_folders_give_every_number_as_csv_and_the_means_of_those_on_screen(folders, tmp_path, capsys):
    main(["score", *map(str, folders), "--metrics", "psnr", "ssim", "--csv", str(tmp_path / "scores.csv")])
    shown = capsys.readouterr()
    rows = pd.read_csv(tmp_path / "scores.csv")
    assert list(rows.columns) == ["image", "colour", "border", "metric", "value"]
    golden = {tuple(row[:4]): row[5] for row in GOLDEN["rows"] if row[4] == "scikit-image"}
    written = rows.set_index(["image", "colour", "border", "metric"])["value"]
    for name, colour in (("a", "rgb"), ("b", "gray")):
        assert written[name, colour, 4, "psnr"] == pytest.approx(golden["even", colour, 4, "psnr"], abs=1e-8)
    assert "means over n = 2 pairs" in shown.out
    assert "alone.png has no partner" in shown.err


def test_two_files_give_a_line_per_view_and_the_iqam_of_both(folders, capsys):
    main(["score", *(str(folder / "a.png") for folder in folders), "--metrics", "psnr"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["picture", "border", "psnr", "(dB)"]
    octave = next(row[5] for row in GOLDEN["rows"] if row[:5] == ["even", "luma", 0, "psnr", "octave"])
    assert f"BT.601 luma 16..235, 8 bits         0      {octave:.4f}" in lines
    assert [line.split()[0] for line in lines[-2:]] == ["8x8", "4x4"]


def test_equal_pictures_are_perfect():
    reference, _ = pair(*SIZES["even"])
    rows, left_out = score.score(reference, reference.copy(), ["psnr", "ssim", "ms_ssim", "ssim_matlab"])
    assert {row.value for row in rows if row.metric == "psnr"} == {100.0}
    assert all(row.value == pytest.approx(1, abs=1e-12) for row in rows if "ssim" in row.metric)
    assert left_out == []


def test_a_metric_that_a_picture_is_too_small_for_is_left_out_and_told():
    reference, image = (picture[:100, :100] for picture in pair(*SIZES["even"]))
    rows, left_out = score.score(reference, image, ["psnr", "ms_ssim"])
    assert {row.metric for row in rows if "iqam" not in row.metric} == {"psnr"}
    assert left_out == ["ms_ssim: MS-SSIM needs 161x161 pixels, and images have (92, 92): leave them or it out"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["first/a.png", "second"], "are a file and a folder: name two files or two folders"),
        (["first/small.png", "second/small.png"], "give two pictures of one size, both gray or both RGB"),
        (["first/a.png", "second/b.png"], "is 240x208 RGB and .* is 240x208 gray"),
        (["first/a.png", "second/nothing.png"], "nothing.png"),
        (["first", "second", "--metrics", "snr"], "there is no 'snr' in benchmarks/metrics"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(folders, arguments, message):
    there = [str(folders[0].parent / word) if word.startswith(("first", "second")) else word for word in arguments]
    with pytest.raises(SystemExit, match=message):
        main(["score", *there])
