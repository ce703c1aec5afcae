"""The command line of the benchmarks answers at once, and measures what it says."""

import argparse
import importlib
import subprocess
import sys

import numpy as np
import pytest
from skimage import data

import qebench
from benchmarks.studies import training_speed
from benchmarks.studies.baselines import iqam_loop
from qebench.__main__ import main
from qebench.commands import PEOPLE, STEPS
from qebench.common import plugins
from qebench.iqa import iqam
from qebench.networks import pixels
from qebench.training.run import Settings

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
    monkeypatch.setattr(training_speed, "SETTINGS", Settings(batch=4, patch=32))
    plain, rbqe = [line.split() for line in training_speed.text(["dcad", "rbqe"], "cpu").splitlines()[-2:]]
    assert (plain[0], len(plain)) == ("dcad", 3)  # written as it trains
    written, trains, ratio = map(float, rbqe[2:])
    assert ratio == pytest.approx(written / trains, rel=0.03)


@pytest.mark.parametrize(("verb", "module"), [(verb, entry[0]) for verb, entry in (PEOPLE | STEPS).items()])
def test_every_verb_has_its_two_functions(verb, module):
    commands = importlib.import_module(f"qebench.commands.{module}")
    parser = argparse.ArgumentParser()
    getattr(commands, f"add_{verb.replace('-', '_')}")(parser)
    assert callable(getattr(commands, f"run_{verb.replace('-', '_')}"))


@pytest.mark.parametrize("name", plugins.names("benchmarks/studies"))
def test_every_study_adds_its_arguments(name):
    plugins.find("benchmarks/studies", name).add_arguments(argparse.ArgumentParser())


@pytest.mark.parametrize(
    ("words", "said"), [("enhanse x.jpg", "did you mean 'enhance'?"), ("step x", "it has prepare")]
)
def test_an_unknown_verb_is_told_what_there_is(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_overview_and_the_library_start_at_once():
    for code, limit in {"import qebench": 0.1, "from qebench.__main__ import main; main([])": 0.3}.items():
        timed = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
        runs = [subprocess.check_output([sys.executable, "-c", timed], cwd=plugins.ROOT, text=True) for _ in range(3)]
        assert min(float(run.split()[-1]) for run in runs) < limit


def test_the_library_enhances_scores_and_codes():
    decoded, bits = qebench.compress(data.camera()[:64, :96], "jpeg", 30)
    trained = qebench.load("rbqe", "jpeg", rule="iqam")
    result = qebench.enhance(decoded, trained)
    assert (result.picture.shape, result.picture.dtype) == (decoded.shape, decoded.dtype)
    assert result.exit == len(result.scores) + (result.exit == 5)
    assert 0 < qebench.iqam(decoded, block_size=8) < 1
    assert bits % 8 == 0
    file = plugins.ROOT / "methods/weights/rbqe-luma-jpeg.safetensors"
    again = qebench.load("rbqe", file, rule="iqam")
    assert again.rule == trained.rule
    assert np.array_equal(
        qebench.enhance(decoded, again, exit=1).picture, qebench.enhance(decoded, trained, exit=1).picture
    )
