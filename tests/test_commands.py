"""The command line of the benchmarks answers at once, and measures what it says."""

import subprocess
import sys

import numpy as np
import pytest
from skimage import data

from benchmarks.studies import folder_speed, training_speed
from benchmarks.studies.baselines import iqam_loop
from qebench import iqam
from qebench.commands.steps import main
from qebench.common import plugins
from qebench.networks import pixels

HEAVY = {"h5py", "matplotlib", "numba", "numpy", "pandas", "scipy", "skimage", "snakemake", "torch"}


def test_help_imports_nothing_that_takes_long():
    code = "import sys, benchmarks.__main__ as it; it.main(sys.argv[1:])"
    for arguments in (["--help"], ["evaluate", "--help"]):
        command = [sys.executable, "-X", "importtime", "-c", code, *arguments]
        done = subprocess.run(command, cwd=plugins.ROOT, capture_output=True, text=True, check=True)
        assert "usage: python -m benchmarks" in done.stdout
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "argparse" in imported
        assert not imported & HEAVY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exit-cost", "--method", "dcad"], "dcad has one exit: name a method that has several"),
        (["training-speed", "spp"], "spp has no weights: there is nothing to train"),
        (["dataset", "kodak", "--download", "all"], "there is no folder to put the pictures into"),
        (["jpeg-literature", "dcad"], "there is nothing to measure on: name a folder by --classic5, --live1 or both"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_message(arguments, message):
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        main(arguments)


@pytest.mark.parametrize("block_size", [4, 8])
def test_the_loop_over_blocks_gives_the_score_of_the_tensors(block_size):
    crop = data.camera()[160:224, 220:300]  # coat, face and sky: smooth and textured blocks
    tensor = pixels.stack([crop], "cpu").double()
    assert iqam_loop.score(crop, block_size) == pytest.approx(float(iqam.score(tensor, block_size)), abs=1e-12)


def test_the_table_of_folder_speed_divides_the_times_that_it_shows():
    codec, unit, quality, pictures, *numbers = folder_speed.text(["jpeg"], 2).splitlines()[-1].split()
    assert (codec, unit, quality, pictures) == ("jpeg", "qf", "51", "2")
    one, two, ratio = map(float, numbers)
    assert one > 0
    assert np.isclose(ratio, one / two, atol=0.05)


def test_the_table_of_training_speed_divides_the_times_that_it_shows(monkeypatch):
    monkeypatch.setattr(training_speed, "RUNS", 1)
    plain, rbqe = [line.split() for line in training_speed.text(["dcad", "rbqe"], "cpu").splitlines()[-2:]]
    assert (plain[0], len(plain)) == ("dcad", 3)  # written as it trains
    written, trains, ratio = map(float, rbqe[2:])
    assert ratio == pytest.approx(written / trains, rel=0.03)
