"""Measuring a method: what may be measured, and that images really stop where the measurements say."""

import re
import shutil
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.measured import compressed
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from benchmarks.studies import exit_check
from qebench import config
from qebench.common import images, plugins
from qebench.datasets import originals
from qebench.evaluation import batches, measurements
from qebench.evaluation.evaluate import evaluate
from qebench.evaluation.pace import Pace

DEFAULT = config.default()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two small pictures, prepared and compressed at QF 40 and 10."""
    return compressed(tmp_path_factory.mktemp("measured"))


def measured(folder: Path, method: str, weights: str | None, qf: int, trained_on: str = ""):
    originals, decoded = folder / "originals/tiny.csv", folder / f"decoded/tiny/jpeg/{qf}.csv"
    path = plugins.ROOT / weights if weights else None
    rows, _, _ = evaluate(method, path, originals, [decoded], ["psnr"], 8, "matlab", "cpu")
    keys = {"dataset": "tiny", "compressor": "jpeg", "method": method}
    return rows.assign(**keys, trained_on=trained_on)[measurements.COLUMNS]


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """Images of one size are handed on one by one: what is in memory at a time is the same for 4 and for 24."""
    peaks = []
    for count in (4, 24):
        noise = np.random.default_rng(0).integers(0, 256, (count, 256, 256), np.uint8)
        for number, image in enumerate(noise):
            images.write(tmp_path / f"{count}/{number}.png", image)
        manifest = tmp_path / f"originals{count}.csv"
        originals.write(
            originals.sources(tmp_path / str(count)), originals.Protocol("luma"), manifest.with_suffix(""), manifest
        )
        tracemalloc.start()
        assert len([names for names, _, _ in batches.read(manifest, manifest, lambda image: 1)]) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 256**2  # less than one image more


def test_a_network_without_weights_is_not_measured(folder):
    with pytest.raises(ValueError, match="dcad was given no weights, and its start values are random"):
        measured(folder, "dcad", None, 10)


def test_batches_give_the_measurements_of_images_alone(folder, monkeypatch):
    (weights,) = config.weights(DEFAULT, "dcad", "jpeg")
    alone = measured(folder, "dcad", weights, 10)
    monkeypatch.setattr("qebench.evaluation.batches.CPU_BATCH", 2)
    together = measured(folder, "dcad", weights, 10)
    pd.testing.assert_frame_equal(
        alone.sort_values(["image", "metric"], ignore_index=True),
        together.sort_values(["image", "metric"], ignore_index=True),
        rtol=0,
        atol=1e-4,  # dB: convolutions may sum in another order, which decides how a half is rounded
    )


def test_all_qualities_of_a_codec_are_measured_in_one_go(folder):
    decoded = [folder / f"decoded/tiny/jpeg/{qf}.csv" for qf in (40, 10)]
    rows, records, pace = evaluate(
        "decoded", None, folder / "originals/tiny.csv", decoded, ["psnr", "ssim"], 8, "matlab", "cpu"
    )
    assert [record["quality"] for record in records] == [40, 10]
    assert rows.groupby("metric")["value"].count().to_dict() == {"bpp": 4, "iqam": 4, "psnr": 4, "ssim": 4}
    for _, image in rows.groupby("image"):
        values = image.set_index(["quality", "metric"])["value"]
        assert all(values[40, metric] > values[10, metric] for metric in ("bpp", "psnr", "ssim"))
    original, picture = (
        np.asarray(Image.open(folder / f"{place}/02.png")) for place in ("originals/tiny", "decoded/tiny/jpeg/40")
    )
    expected = peak_signal_noise_ratio(original, picture)
    found = rows.query("image == '02' and quality == 40 and metric == 'psnr'")["value"]
    assert found.to_list() == pytest.approx([expected], abs=1e-9)
    assert pace.startswith("4 images in ")


def test_a_picture_that_is_not_the_listed_one_is_refused_though_it_is_read_ahead(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    Image.new("L", (64, 96)).save(tmp_path / "copy/decoded/tiny/jpeg/10/02.png")
    with pytest.raises(ValueError, match=r"10/02\.png"):
        measured(tmp_path / "copy", "decoded", None, 10)


def test_the_parts_of_a_job_are_counted_in_its_pace():
    timer = Pace("cpu")
    for _ in timer.each("reading", iter([1, 2])):
        with timer.part("network"):
            time.sleep(0.05)
    time.sleep(0.05)
    line = timer.text(2)
    seconds, rate, reading, network, other = map(float, re.findall(r"\d+\.\d+", line))
    assert line.startswith("2 images in ")
    assert seconds >= 0.1  # of three naps, rounded
    assert rate == pytest.approx(2 / seconds, rel=0.5)
    assert reading + network + other == pytest.approx(100, abs=0.2)
    assert network > reading
    assert min(network, other) > 10


def test_a_method_that_needs_no_weights_is_measured_without(folder):
    rows = measured(folder, "decoded", None, 10)
    assert set(rows["metric"]) == {"iqam", "psnr", "bpp"}
    assert set(rows["image"]) == {"10", "02"}  # names, not numbers


@pytest.mark.parametrize(("threshold", "codec"), [(0.0, "jpeg"), (0.9, "jpeg"), (0.9, "hevc"), (2.0, "jpeg")])
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
