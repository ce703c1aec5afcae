"""A folder is compressed whole or not at all, whatever goes wrong with one image, which the error names."""

import csv
import hashlib
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from compressors import jpeg
from qebench.coding import folder, processes
from qebench.common import images
from qebench.datasets.originals import Protocol
from qebench.datasets.originals import sources as sources_of
from qebench.datasets.originals import write as write_originals

ROOT = Path(__file__).parents[2]


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """Return the manifest of three prepared images."""
    return prepare([(16, 24), (40, 16), (18, 20)], tmp_path)


def prepare(sizes: list[tuple[int, int]], tmp_path: Path) -> Path:
    for number, (height, width) in enumerate(sizes):
        slope = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
        images.write(tmp_path / f"pictures/{number}.png", slope)
    sources = sources_of(tmp_path / "pictures")
    write_originals(sources, Protocol("luma"), tmp_path / "originals", tmp_path / "originals.csv")
    return tmp_path / "originals.csv"


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_a_compressed_folder_is_listed_with_bits_hashes_and_versions(originals, tmp_path):
    table = tmp_path / "results/jpeg-30.csv"
    folder.compress(jpeg, 30, jpeg.DEFAULT, originals, table, workers=2)
    listed = rows(table)
    assert [row["image"] for row in listed] == ["0", "1", "2"]
    for row in listed:
        original = images.read(tmp_path / "originals" / f"{row['image']}.png")
        stream = (tmp_path / "results/jpeg-30" / f"{row['image']}.jpg").read_bytes()
        decoded = images.read(tmp_path / "results/jpeg-30" / f"{row['image']}.png")
        assert stream == jpeg.encode(original, 30)
        assert np.array_equal(decoded, jpeg.decode(stream))
        assert row["sha256"] == hashlib.sha256(decoded.tobytes()).hexdigest()
        assert int(row["bits"]) == 8 * len(stream)
        assert float(row["bpp"]) == pytest.approx(8 * len(stream) / original.size, abs=5e-7)  # six decimals
        assert (row["compressor"], row["version"]) == ("jpeg", jpeg.version())
        assert (row["settings"], row["told"]) == (jpeg.describe(original), "")
    assert len(list((tmp_path / "results").rglob("*"))) == 1 + 1 + 6  # table, folder and a pair of files per image


def test_command_compresses_a_folder_to_the_same_bytes_with_any_number_of_workers(originals, tmp_path):
    command = [sys.executable, "-m", "qebench", "step", "compress", "jpeg", originals, "-q", "30", "--workers", "2"]
    done = subprocess.run([*command, "-o", tmp_path / "x.csv"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder.compress(jpeg, 30, jpeg.DEFAULT, originals, tmp_path / "y.csv", workers=1)
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "y.csv").read_bytes()


FAULTY = """
import os, signal, time
from compressors import jpeg
from qebench.coding import tools
from compressors.jpeg import DEFAULT, SUFFIX, decode, describe, version

def encode(image, quality, settings=DEFAULT):
    if image.shape == (40, 16):
        {fault}
    return jpeg.encode(image, quality, settings)
"""


def faulty(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a compressor, `faulty`, that does `fault` instead of encoding the second image."""
    (tmp_path / "module").mkdir()
    (tmp_path / "module/faulty.py").write_text(FAULTY.format(fault=fault))
    monkeypatch.syspath_prepend(tmp_path / "module")  # which the pool's processes take over
    sys.modules.pop("faulty", None)
    return importlib.import_module("faulty")


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        (
            "tools.run(['sh', '-c', 'echo no memory for tables >&2; exit 3'])",
            RuntimeError,
            "1: sh failed with exit status 3: no memory for tables",
        ),
        ("raise ValueError('no odd widths')", RuntimeError, "1: no odd widths"),
        ("return jpeg.encode(image[:8], quality)", ValueError, r"1: faulty turned \(40, 16\) into \(8, 16\)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", RuntimeError, "1: faulty crashed its process with signal 11"),
    ],
    ids=["fails", "refuses", "wrong size", "crashes"],
)
def test_a_codec_that_fails_is_told_with_the_image_and_leaves_nothing(
    fault, error, message, originals, tmp_path, monkeypatch
):
    table = tmp_path / "results/jpeg-30.csv"
    with pytest.raises(error, match=f"^{message}$"):
        folder.compress(faulty(fault, tmp_path, monkeypatch), 30, jpeg.DEFAULT, originals, table, workers=2)
    assert names(table.parent) == []


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the manifest of ten images, 2 and 3 of which are one batch of one process; `faulty` fails at 3."""
    monkeypatch.setattr(processes, "BATCH", 60)
    return prepare([(16, 24), (16, 25), (16, 26), (40, 16), *[(18, 20)] * 6], tmp_path)


def test_a_codec_that_hangs_is_stopped_with_the_program_it_runs(batch, tmp_path, monkeypatch):
    fault = f"tools.run(['sh', '-c', 'echo $$ > {tmp_path}/number; exec sleep 600'])"
    monkeypatch.setattr(folder, "TIME_LIMIT", 1)
    with pytest.raises(RuntimeError, match=r"^3: faulty took over 1 s and was stopped$"):
        folder.compress(faulty(fault, tmp_path, monkeypatch), 30, jpeg.DEFAULT, batch, tmp_path / "x.csv", 1)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "number").read_text()), 0)


def test_of_a_batch_the_image_is_named_that_crashes_the_process(batch, tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match=r"^3: faulty crashed its process with exit status 3$"):
        folder.compress(faulty("os._exit(3)", tmp_path, monkeypatch), 30, jpeg.DEFAULT, batch, tmp_path / "x.csv", 1)


def test_batches_hold_every_item_once_and_grow_and_shrink():
    with processes.pool(2) as pool:
        batches = [(batch, job.result()) for batch, job in processes.share(pool, sorted, range(200), 2, limit=60)]
    assert all(batch == result for batch, result in batches)
    assert sorted(item for batch, _ in batches for item in batch) == list(range(200))
    sizes = [len(batch) for batch, _ in batches]
    assert (sizes[0], sizes[-1]) == (1, 1)
    assert 1 < max(sizes) <= 200 / 2 / 4  # an eighth of what is left


def test_a_missing_program_is_told_before_anything_is_done(originals, tmp_path, monkeypatch):
    monkeypatch.setenv("CJPEG", str(tmp_path / "cjpeg"))
    with pytest.raises(FileNotFoundError, match=r"^CJPEG is .*cjpeg, which is no program that can be run\. It comes"):
        folder.compress(jpeg, 30, jpeg.Settings(library="cjpeg"), originals, tmp_path / "results/x.csv", workers=1)
    assert not (tmp_path / "results").exists()


def test_an_original_that_is_not_the_listed_one_is_refused(originals, tmp_path):
    images.write(tmp_path / "originals/1.png", np.zeros((40, 16), np.uint8))
    with pytest.raises(ValueError, match=r"1\.png is not the image listed in .*originals\.csv: delete the manifest"):
        folder.compress(jpeg, 30, jpeg.DEFAULT, originals, tmp_path / "x.csv", workers=1)


def test_a_killed_run_leaves_nothing_half_and_is_no_obstacle_to_the_next(originals, tmp_path):
    (tmp_path / "hevc-30").mkdir()
    (tmp_path / "hevc-30/old.png").write_bytes(b"of an earlier run")
    table = tmp_path / "hevc-30.csv"
    command = [
        sys.executable,
        "-m",
        "qebench",
        "step",
        "compress",
        "hevc",
        str(originals),
        "-q",
        "30",
        "-o",
        str(table),
    ]
    run = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    while not list(tmp_path.glob(".hevc-30.*.tmp/*.png")):
        assert run.poll() is None
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not table.exists()
    assert names(tmp_path / "hevc-30") == ["old.png"]
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    assert len(rows(table)) == 3
    assert names(tmp_path / "hevc-30") == [f"{number}{suffix}" for number in range(3) for suffix in (".hevc", ".png")]
    assert [name for name in names(tmp_path) if name.endswith(".tmp")] == []


def test_the_processes_of_a_killed_run_end_by_themselves(originals, tmp_path):
    command = [sys.executable, "-m", "qebench", "step", "compress", "hevc", str(originals), "-q", "30"]
    run = subprocess.Popen([*command, "-o", str(tmp_path / "x.csv")], cwd=ROOT, start_new_session=True)
    while not list(tmp_path.glob(".x.*.tmp/*.png")):
        assert run.poll() is None
        time.sleep(0.02)
    run.kill()
    run.wait()
    for _ in range(600):  # what is under way may be finished
        try:
            os.killpg(run.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    pytest.fail("processes were left running")
