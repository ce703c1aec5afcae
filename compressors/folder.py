"""Compress a prepared data set at one quality: bitstreams, decoded images and a manifest of both.

<folder>/<image><suffix>    the bitstream
<folder>/<image>.png        what it decodes to
<manifest>                  image, bits, bpp, sha256 (of the decoded pixels), compressor, version, settings

Each image is one task of a pool of processes: most codecs run inside Python, where a thread that hangs could not be
stopped and a crash would end everything. The processes are forked from one that has imported what they need.
"""

import csv
import importlib
import io
import multiprocessing
import shutil
import signal
import tempfile
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from types import ModuleType
from typing import Any

import pebble
from tqdm import tqdm

from benchmarks import files
from compressors import tools

COLUMNS = ["image", "bits", "bpp", "sha256", "compressor", "version", "settings"]
TIME_LIMIT = 3 * tools.TIME_LIMIT  # seconds for one image; programs, with a limit of their own, are to speak first


def prepare(compressor: str) -> None:
    """Start the process that those of `compress` are forked from, unless it runs, and let it import their modules.

    It takes its time, so call this before this process imports the same: both then do it at once.
    """
    forkserver.set_forkserver_preload(["benchmarks.manifests", "compressors.folder", compressor])
    meeting = Path(tempfile.gettempdir())  # of the processes, by a socket there
    try:
        with files.writing(meeting):
            forkserver.ensure_running()
    except OSError as error:
        if "path too long" not in str(error):  # a socket's may have 107 bytes
            raise
        raise OSError(f"{meeting} is too long a path for processes to meet: name a shorter one by TMPDIR") from error


def compress(compressor: ModuleType, quality: int, settings: Any, manifest: Path, table: Path, workers: int) -> None:
    """Compress every image of a prepared data set and write `table` and the folder beside it.

    `manifest` is that of `datasets.write`, beside its folder of images. The folder is written under another name and
    renamed, the table comes last: neither is ever half written. `workers` images are done at a time; their progress
    goes to stderr if that is a terminal.

    Raises what `compressor.version` raises if a program is missing. Raises, with the image's name, ValueError if an
    original is not the one listed or what it decodes to is of another shape, and RuntimeError if the codec fails (with
    its words), crashes its process or takes over TIME_LIMIT.
    """
    from benchmarks import manifests

    prepare(compressor.__name__)
    kind, version = compressor.__name__.split(".")[-1], compressor.version(settings)
    listed = manifests.rows(manifest)
    output = table.with_suffix("")
    # A name of its own, because the processes of a killed run may still be writing to theirs.
    temporary = files.temporary_name(output)
    with files.writing(output):
        temporary.mkdir(parents=True)
    task = partial(_compress, compressor.__name__, quality, settings, manifest, temporary)
    context, workers = multiprocessing.get_context("forkserver"), min(workers, len(listed))
    started = context.Semaphore(0)
    pool = pebble.ProcessPool(workers, context=context, initializer=_start, initargs=[started])
    rows = []
    try:
        # A process that starts while the pool ends would miss its locks, and say so.
        for _ in range(workers):
            while pool.active and not started.acquire(timeout=1):
                pass
        jobs = [pool.schedule(task, [row], timeout=TIME_LIMIT) for row in listed]
        for row, job in tqdm(list(zip(listed, jobs, strict=True)), f"{kind} {quality}", unit="image", disable=None):
            bits, bpp, digest, described = _result(job, f"{row['image']}: {kind}")
            rows.append([row["image"], bits, bpp, digest, kind, version, described])
        table.unlink(missing_ok=True)  # an old one lists other images
        shutil.rmtree(output, ignore_errors=True)
        temporary.replace(output)
    finally:
        pool.stop()
        pool.join()
        shutil.rmtree(temporary, ignore_errors=True)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    with files.replacing(table) as path:
        path.write_text(text.getvalue(), encoding="utf-8")


def _result(job: pebble.ProcessFuture, name: str) -> tuple[int, str, str, str]:
    try:
        return job.result()
    except TimeoutError:
        raise RuntimeError(f"{name} took over {TIME_LIMIT:g} s and was stopped") from None
    except pebble.ProcessExpired as crash:
        reason = f"signal {-crash.exitcode}" if crash.exitcode < 0 else f"exit status {crash.exitcode}"
        raise RuntimeError(f"{name} crashed its process with {reason}") from None


def _start(started: Any) -> None:
    """Let the pool's SIGTERM unwind a process, so that `tools.run` stops its program; Pebble's own exits at once."""

    def stop(*_: object) -> None:
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    started.release()


def _compress(
    module: str, quality: int, settings: Any, manifest: Path, folder: Path, row: dict[str, str]
) -> tuple[int, str, str, str]:
    """Write the bitstream and decoded image of one original; return bits, bpp, the pixels' SHA-256 and the settings."""
    from benchmarks import images, manifests

    compressor, name = importlib.import_module(module), row["image"]
    original = manifests.read(manifest.with_suffix(""), manifest, row)
    try:
        bitstream = compressor.encode(original, quality, settings)
        decoded = compressor.decode(bitstream, settings)
    except (ValueError, OSError, RuntimeError) as error:
        raise RuntimeError(f"{name}: {error}") from error
    if decoded.shape != original.shape or decoded.dtype != original.dtype:
        raise ValueError(f"{name}: {module} turned {original.shape} into {decoded.shape}")
    with files.writing(folder / name):
        (folder / f"{name}{compressor.SUFFIX}").write_bytes(bitstream)
    images.write(folder / f"{name}.png", decoded)
    bits, pixels = 8 * len(bitstream), original.shape[0] * original.shape[1]
    return bits, f"{bits / pixels:.6f}", images.sha256(decoded), compressor.describe(original, settings)
