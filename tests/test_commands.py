"""The command line of the benchmarks answers at once, and measures what it says."""

import subprocess
import sys

import pytest
from skimage import data

from benchmarks.studies import training_speed
from benchmarks.studies.baselines import iqam_loop
from qebench.__main__ import main
from qebench.common import plugins
from qebench.iqa import iqam
from qebench.networks import pixels

HELP = {
    "": "enhance your own pictures",
    "--help": "enhance your own pictures",
    "step": "measure one method",
    "enhance --help": "usage: qebench enhance",
    "step evaluate --help": "usage: qebench step evaluate",
}
HEAVY = {"h5py", "matplotlib", "numba", "numpy", "pandas", "scipy", "skimage", "snakemake", "torch"}


def test_help_imports_nothing_that_takes_long():
    code = "import sys, qebench.__main__ as it; it.main(sys.argv[1:])"
    for arguments, shown in HELP.items():
        command = [sys.executable, "-X", "importtime", "-c", code, *arguments.split()]
        done = subprocess.run(command, cwd=plugins.ROOT, capture_output=True, text=True, check=True)
        assert shown in done.stdout
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "argparse" in imported
        assert not imported & HEAVY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "exit-cost", "--method", "dcad"], "dcad has one exit: name a method that has several"),
        (["study", "training-speed", "spp"], "spp has no weights: there is nothing to train"),
        (["dataset", "kodak", "--download", "all"], "there is no folder to put the pictures into"),
        (
            ["study", "jpeg-literature", "dcad"],
            "there is nothing to measure on: name a folder by --classic5, --live1 or both",
        ),
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


def test_the_table_of_training_speed_divides_the_times_that_it_shows(monkeypatch):
    monkeypatch.setattr(training_speed, "RUNS", 1)
    plain, rbqe = [line.split() for line in training_speed.text(["dcad", "rbqe"], "cpu").splitlines()[-2:]]
    assert (plain[0], len(plain)) == ("dcad", 3)  # written as it trains
    written, trains, ratio = map(float, rbqe[2:])
    assert ratio == pytest.approx(written / trains, rel=0.03)
