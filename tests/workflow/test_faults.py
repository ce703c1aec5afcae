"""Faults that are really injected: after each, the message says what happened and the next run ends as if nothing had.

QEBENCH_FAULTS is the number of kills of each command at random moments (default: 2); the counts are printed at the end.
"""

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from helpers.faults import ROOT, Commands, Ended, disk, fill, mount
from helpers.pictures import photographs
from safetensors.numpy import load_file

from qebench.evaluation import measurements

pytestmark = pytest.mark.long
KILLS = int(os.environ.get("QEBENCH_FAULTS", "2"))
CPU = ["--device", "cpu", "--threads", "1"]
KEYS = ["--keys", "mine", "jpeg", "--metrics", "psnr", "psnr_unrounded", "--block-size", "8"]
RESULTS = [
    "--measurements",
    "all.parquet",
    "--complexity",
    "dcad.csv",
    "--latency",
    "dcad.csv",
    "--thresholds",
    "jpeg=0.9",
]
RESULTS += ["--methods", "decoded", "dcad", "--protocol", "luma"]
COMPRESS = ["qebench", "step", "compress", "jpeg", "originals.csv", "--workers", "2"]
EVALUATE = ["qebench", "step", "evaluate"]
IMAGES = ["--originals", "originals.csv", "--decoded", "decoded/50.csv", "decoded/10.csv", *KEYS, *CPU]
TRAIN = ["qebench", "train", "dcad", "--compressor", "jpeg", "--qualities", "50", "10", "--steps", "4", "--batch", "2"]
TRAIN += ["--patch", "32", "--no-half", "--data", "pictures", "--validation", "validation", "--pairs", "pairs", *CPU]

# What is run, in this order, and what it makes. Paths are relative to the folder of the run.
STAGES = {
    "prepare": (["qebench", "step", "prepare", "pictures", "--colour", "luma", "-o", "originals.csv"], ["originals*"]),
    "compress 50": ([*COMPRESS, "-q", "50", "-o", "decoded/50.csv"], ["decoded/50*"]),
    "compress 10": ([*COMPRESS, "-q", "10", "-o", "decoded/10.csv"], ["decoded/10*"]),
    "evaluate decoded": ([*EVALUATE, "decoded", *IMAGES, "-o", "decoded.parquet"], ["decoded.parquet"]),
    "evaluate dcad": (
        [*EVALUATE, "dcad", "--weights", "dcad-luma-jpeg.safetensors", *IMAGES, "-o", "dcad.parquet"],
        ["dcad.parquet"],
    ),
    "merge": (["qebench", "step", "merge", "decoded.parquet", "dcad.parquet", "-o", "all.parquet"], ["all.parquet"]),
    "complexity": (["qebench", "step", "complexity", "dcad", "-o", "dcad.csv"], ["dcad.csv"]),
    "table": (["qebench", "step", "table", "bd_rate", *RESULTS, "-o", "published/bd_rate.csv"], ["published/bd_rate*"]),
    "figure": (
        ["qebench", "step", "figure", "gain_by_quality", *RESULTS, "-o", "published/gains.pdf"],
        ["published/gains*"],
    ),
    "pairs": ([*TRAIN, "-o", "trained/dcad-luma-jpeg.safetensors"], ["trained", "pairs"]),
    "train": ([*TRAIN, "-o", "trained/dcad-luma-jpeg.safetensors"], ["trained"]),
}
CJPEG = shutil.which("cjpeg") and shutil.which("djpeg")
if CJPEG:
    STAGES["cjpeg"] = (
        [*COMPRESS, "-q", "50", "--set", "library=cjpeg", "-o", "decoded/by-cjpeg.csv"],
        ["decoded/by-cjpeg*"],
    )
CONSTANTS = {"qebench.training.loop.CHECKPOINT_EVERY": 0, "qebench.training.loop.VALIDATIONS": 2}  # seconds; in a run


class Folder:
    """A folder in which everything has been run, but for what a test takes away and makes again."""

    def __init__(self, place: Path, whole: Path, commands: Commands, record: Callable[[str, object], None]) -> None:
        self.place, self._whole, self._commands, self._record = place, whole, commands, record

    def run(self, stage: str, **options: object) -> Ended:
        return self._commands.run(
            STAGES[stage][0], self.place, constants=CONSTANTS | options.pop("constants", {}), **options
        )

    def fault(self, stage: str, *words: str, **options: object) -> None:
        """Run a stage in which something is wrong, and look for the words that must tell it."""
        self._record("injected", 1)
        ended = self.run(stage, **options)
        assert ended.status == 1, ended.words
        told = [line for line in ended.words.splitlines() if line.startswith("error: ")]
        assert len(told) == 1, ended.words  # TensorBoard's writer complains at the end, too
        for word in words:
            assert word in told[0]

    def remove(self, stage: str) -> None:
        for pattern in STAGES[stage][1]:
            for path in self.place.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def kill(self, stage: str, after: float) -> bool:
        """Kill a stage after some seconds; return False if it has ended before."""
        killed = self.run(stage, after=after).status == -signal.SIGKILL
        self._record("injected", int(killed))
        return killed

    def finish(self, *stages: str) -> None:
        """Run stages in peace, and compare everything with the run that was never disturbed."""
        for stage in stages:
            ended = self.run(stage)
            assert ended.status == 0, ended.words
        assert_equal(self.place, self._whole)
        self._record("identical", 1)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files by their names, less those of training, which hold seconds."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "trained"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def assert_equal(place: Path, whole: Path) -> None:
    found, expected = contents(place), contents(whole)
    assert sorted(found) == sorted(expected)  # nothing is left over, either
    assert [name for name in found if found[name] != expected[name]] == []
    names = [sorted(path.name for path in (folder / "trained").glob("[!.]*.safetensors")) for folder in (place, whole)]
    assert names[0] == names[1]
    assert not list(place.glob("trained/.*"))
    for name in names[0]:
        weights, undisturbed = (load_file(folder / "trained" / name) for folder in (place, whole))
        assert {key: array.tobytes() for key, array in weights.items()} == {
            key: array.tobytes() for key, array in undisturbed.items()
        }


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    started = Commands(tmp_path_factory.mktemp("commands"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def undisturbed(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Return a folder in which all stages were run in peace, and the seconds that each of them took."""
    place = tmp_path_factory.mktemp("undisturbed")
    photographs(place / "pictures")
    (place / "validation").mkdir()
    shutil.copy(place / "pictures/0.png", place / "validation")
    shutil.copy(ROOT / "methods/weights/dcad-luma-jpeg.safetensors", place)
    whole, seconds = Folder(place, place, commands, lambda *_: None), {}
    for stage in STAGES:
        whole.remove(stage)
        ended = whole.run(stage)
        assert ended.status == 0, ended.words
        seconds[stage] = ended.seconds
    return place, seconds


@pytest.fixture
def folder(undisturbed, commands: Commands, tmp_path: Path, record_property) -> Folder:
    """Return a copy of that folder to inject faults in."""
    place = shutil.copytree(undisturbed[0], tmp_path / "place")
    return Folder(place, undisturbed[0], commands, record_property)


@pytest.mark.parametrize("stage", ["prepare", "compress 50", "evaluate dcad", "table", "figure", "pairs"])
def test_a_command_killed_at_any_moment_is_made_up_for_by_the_next_run(stage, folder, undisturbed):
    moments, count = random.Random(stage), 0
    while count < KILLS:
        folder.remove(stage)
        if folder.kill(stage, moments.uniform(0, undisturbed[1][stage])):
            count += 1
            folder.finish(stage)


@pytest.fixture
def small(undisturbed, commands: Commands, tmp_path: Path, record_property) -> Iterator[Folder]:
    """Return a copy of that folder on a small disk."""
    with disk(tmp_path / "disk", "size=64m") as place:
        shutil.copytree(undisturbed[0], place, dirs_exist_ok=True)
        yield Folder(place, undisturbed[0], commands, record_property)


# What is told to be in the way of each stage.
WRITTEN = {
    "prepare": "originals",
    "compress 50": "decoded/",
    "evaluate dcad": "dcad.parquet",
    "table": "published/bd_rate",
    "figure": "published/gains",
    "pairs": "pairs/",
    "train": "trained/",
}


@pytest.mark.parametrize("stage", WRITTEN)
def test_a_full_disk_is_named_and_does_no_harm(stage, small):
    small.remove(stage)
    filling = fill(small.place)
    small.fault(stage, WRITTEN[stage], "cannot be written: No space left on device: free some space")
    filling.unlink()
    small.finish(stage)


@pytest.mark.parametrize("stage", ["prepare", "compress 50", "table", "train"])
def test_a_read_only_folder_is_named_and_does_no_harm(stage, small):
    small.remove(stage)
    assert mount("-o", "remount,ro", str(small.place))
    try:
        small.fault(stage, WRITTEN[stage], "Read-only file system: name another place, or mount it")
    finally:
        assert mount("-o", "remount,rw", str(small.place))
    small.finish(stage)


def test_a_full_disk_for_temporary_files_is_named_and_does_no_harm(folder):
    folder.remove("compress 50")
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as short,  # pytest's own is too long a path for sockets
        disk(Path(short) / "full", "size=1m,nr_inodes=2") as full,  # Python looks for another place if there is nothing
    ):
        folder.fault("compress 50", str(full), "No space left", "TMPDIR", environment={"TMPDIR": str(full)})
    folder.finish("compress 50")


def test_too_long_a_path_for_temporary_files_is_named(folder, tmp_path):
    folder.remove("compress 50")
    long = tmp_path / ("long" * 25)
    long.mkdir()
    folder.fault("compress 50", str(long), "too long a path", "TMPDIR", environment={"TMPDIR": str(long)})
    folder.finish("compress 50")


# A file, what makes it (None: the reader), what reads it then, and what that says if it is damaged.
NOT_LISTED, LIST = "1.png is not the image listed in", "is no whole list of images: delete it and run again"
CHECKPOINT = "trained/dcad-luma-jpeg.safetensors.checkpoint"
READ = {
    "originals/1.png": ("prepare", "compress 50", f"{NOT_LISTED} originals.csv: delete the manifest and run again"),
    "decoded/50/1.png": ("compress 50", "evaluate dcad", f"{NOT_LISTED} decoded/50.csv: delete the manifest and run"),
    "dcad.parquet": ("evaluate dcad", "merge", "dcad.parquet holds no measurements"),
    "pairs/pictures-*.safetensors": (None, "train", "delete it and run again"),
    CHECKPOINT: (None, "train", ".checkpoint is damaged: remove it, and the same command trains from the start"),
    "originals.csv": ("prepare", "compress 50", f"originals.csv {LIST}"),
    "decoded/50.csv": ("compress 50", "evaluate dcad", f"decoded/50.csv {LIST}"),
    "all.parquet": ("merge", "table", "all.parquet holds no measurements"),
    "dcad.csv": ("complexity", "table", "dcad.csv is no table"),
}
CHECKED = list(READ)[:5]  # by checksums of their content


@pytest.mark.parametrize("name", READ)
def test_a_truncated_file_is_named_and_made_again(name, folder):
    (path,) = folder.place.glob(name)
    # With fewer numbers in it, a table of costs would be another table.
    os.truncate(path, 0 if name == "dcad.csv" else random.Random(name).randrange(path.stat().st_size - 1))
    assert_made_again(path, name, folder)


@pytest.mark.parametrize("name", CHECKED)
def test_a_flipped_bit_is_named_and_the_file_made_again(name, folder):
    (path,) = folder.place.glob(name)
    content = bytearray(path.read_bytes())
    place = end_of_values(path) if path.suffix == ".parquet" else len(content) // 2
    content[place] ^= 4
    path.write_bytes(content)
    assert_made_again(path, name, folder)


def end_of_values(path: Path) -> int:
    """Return where the last byte of the column of values lies: headers in Parquet files have no checksum."""
    column = pyarrow.parquet.read_metadata(path).row_group(0).column(measurements.COLUMNS.index("value"))
    return (column.dictionary_page_offset or column.data_page_offset) + column.total_compressed_size - 1


def assert_made_again(path: Path, name: str, folder: Folder) -> None:
    """Let the damaged file be read, do what the message says, and look at the end."""
    maker, reader, words = READ[name]
    folder.fault(reader, words)
    (path.parent.with_suffix(".csv") if path.suffix == ".png" else path).unlink()
    folder.finish(*filter(None, [maker, reader]))


# What a program does in place of cjpeg, which encodes, and the words in which that is told.
ENCODERS = {
    "hangs": ("exec sleep 600", "jpeg took over 1 s and was stopped"),
    "crashes": ("kill -SEGV $$", "encoder failed with signal 11"),
    "writes garbage": ("cat > /dev/null; echo garbage", "not a whole JPEG file: djpeg failed"),
    "stops early": ('cjpeg "$@" | head -c 300', "not a whole JPEG file: djpeg failed"),
}


@pytest.mark.skipif(not CJPEG, reason="cjpeg and djpeg are not installed: they come with libjpeg-turbo")
@pytest.mark.parametrize("fault", ENCODERS)
def test_an_encoder_that_fails_is_told_and_does_no_harm(fault, folder, tmp_path):
    action, words = ENCODERS[fault]
    encoder = tmp_path / "encoder"
    encoder.write_text(f'#!/bin/sh\n[ "$1" = -verbose ] && exec cjpeg -verbose\n{action}\n')
    encoder.chmod(0o755)
    folder.remove("cjpeg")
    limits = {"qebench.coding.folder.TIME_LIMIT": 1} if fault == "hangs" else {}
    folder.fault("cjpeg", words, environment={"CJPEG": str(encoder)}, constants=limits)
    assert not list(folder.place.glob("decoded/*by-cjpeg*"))
    folder.finish("cjpeg")
