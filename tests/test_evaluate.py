"""Measuring a method: what may be measured, and that images really stop where the measurements say."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks import config, exit_check, measurements, plugins
from benchmarks.evaluate import evaluate

DEFAULT = config.default()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two small pictures, prepared and compressed by JPEG at QF 40 and 10, as in a run."""
    folder = tmp_path_factory.mktemp("measured")
    for seed, name in enumerate(("10", "02")):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 64)), 1 + 2 * seed)
        pixels = 255 * (noise - noise.min()) / np.ptp(noise)
        (folder / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels.round().astype(np.uint8)).save(folder / f"pictures/{name}.png")
    run("benchmarks", "prepare", folder / "pictures", "-o", folder / "originals/tiny.csv", "--colour", "luma")
    for qf in (40, 10):
        decoded = folder / f"decoded/tiny/jpeg/{qf}.csv"
        run("compressors", "folder", "jpeg", folder / "originals/tiny.csv", "-q", qf, "-o", decoded, "--workers", 1)
    return folder


def run(package: str, *arguments: object) -> None:
    command = [sys.executable, "-m", package, *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, cwd=plugins.ROOT)


def measured(folder: Path, method: str, weights: str | None, qf: int, trained_on: str = ""):
    originals, decoded = folder / "originals/tiny.csv", folder / f"decoded/tiny/jpeg/{qf}.csv"
    path = plugins.ROOT / weights if weights else None
    rows, _ = evaluate(method, path, originals, decoded, ["psnr"], 8, "matlab", "cpu")
    keys = {"dataset": "tiny", "compressor": "jpeg", "quality": qf, "method": method}
    return rows.assign(**keys, trained_on=trained_on)[measurements.COLUMNS]


def test_a_network_without_weights_is_not_measured(folder):
    with pytest.raises(ValueError, match="dcad was given no weights, and its start values are random"):
        measured(folder, "dcad", None, 10)


def test_a_method_that_needs_no_weights_is_measured_without(folder):
    rows = measured(folder, "decoded", None, 10)
    assert set(rows["metric"]) == {"iqam", "psnr", "bpp"}
    assert set(rows["image"]) == {"10", "02"}  # names, not numbers


@pytest.mark.parametrize(("threshold", "codec"), [(0.0, "jpeg"), (0.5, "jpeg"), (0.9, "hevc"), (2.0, "jpeg")])
def test_images_really_stop_where_the_measurements_say(folder, threshold, codec):
    (weights,) = config.weights(DEFAULT, "rbqe", codec)
    rows = pd.concat([measured(folder, "rbqe", weights, qf, codec) for qf in (40, 10)], ignore_index=True)
    settings = {codec: {"threshold": threshold, "iqam_block_size": 8}}  # those of the compressor trained on
    weights = str(plugins.ROOT / DEFAULT["methods"]["rbqe"]["weights"]).replace("{colour}", "luma")
    table = exit_check.compare(rows, "rbqe", weights, folder / "decoded", settings, "cpu")
    assert len(table) == 4
    assert table["queried"].tolist() == table["stopped"].tolist()
    assert exit_check.text(table) == "jpeg: 0 of 4 images stop elsewhere"
    wrong = rows.assign(value=rows["value"] + 3 * (rows["metric"] == "iqam"))  # every score reaches the threshold
    table = exit_check.compare(wrong, "rbqe", weights, folder / "decoded", settings, "cpu")
    assert (table["queried"] == 1).all()
    assert (table["stopped"] > 1).any() == (threshold > 0)
