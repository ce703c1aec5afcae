"""Compress a prepared data set at one quality: bitstreams, decoded images and a manifest of both.

<folder>/<image><suffix>    the bitstream
<folder>/<image>.png        what is measured of what it decodes to
<manifest>                  image, bits, bpp, sha256 (of the decoded pixels), compressor, version, settings,
                            told (what the encoder itself says of an image, if it says anything)
"""

import csv
import importlib
import io
import shutil
from concurrent import futures
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qebench.coding import interface, processes, tools
from qebench.common import files

if TYPE_CHECKING:
    from qebench.coding.coded import Source

COLUMNS = ["image", "bits", "bpp", "sha256", "compressor", "version", "settings", "told"]
TIME_LIMIT = 3 * tools.TIME_LIMIT  # seconds for one image; programs, with a limit of their own, are to speak first
Coded = tuple[int, str, str, str, str]  # bits, bpp, SHA-256 of the decoded pixels, settings, the encoder's own words


def compress(
    compressor: ModuleType,
    quality: int,
    settings: Any,
    manifest: Path,
    table: Path,
    workers: int,
    source: "Source | None" = None,
) -> None:
    """Compress every image of a prepared data set and write `table` and the folder beside it.

    `manifest` is that of `datasets.write`, beside its folder of images. The folder is written under another name and
    renamed, the table comes last: neither is ever half written. `workers` images are done at a time; their progress
    goes to stderr if that is a terminal. With a `source`, its pictures are coded instead of the originals: bits are
    those of what is coded, and the folder has what is measured of them.

    Raises what `compressor.version` raises if a program is missing. Raises, with the image's name, ValueError if an
    original is not the one listed or what it decodes to is of another shape, and RuntimeError if the codec fails (with
    its words), crashes its process or takes over TIME_LIMIT.
    """
    from tqdm import tqdm  # late, as the processes need it not

    from qebench.datasets import manifests

    processes.prepare(compressor.__name__)
    kind, version = compressor.__name__.split(".")[-1], compressor.version(settings)
    listed = manifests.rows(manifest)
    output, workers = table.with_suffix(""), min(workers, len(listed))
    # A name of its own, because the processes of a killed run may still be writing to theirs.
    temporary = files.temporary_name(output)
    with files.writing(output):
        temporary.mkdir(parents=True)
    task = partial(_compress_batch, compressor.__name__, quality, settings, manifest, temporary, source)
    coded: dict[str, Coded] = {}
    try:
        with (
            processes.pool(workers) as pool,
            tqdm(desc=f"{kind} {quality}", total=len(listed), unit="image", disable=None) as progress,
        ):
            for batch, job in processes.share(pool, task, listed, workers, TIME_LIMIT):
                coded |= _result(job, batch, temporary, kind)
                progress.update(len(batch))
        table.unlink(missing_ok=True)  # an old one lists other images
        shutil.rmtree(output, ignore_errors=True)
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    rows = [[name, *coded[name][:3], kind, version, *coded[name][3:]] for name in (row["image"] for row in listed)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    with files.replacing(table) as path:
        path.write_text(text.getvalue(), encoding="utf-8")


def _result(job: futures.Future, batch: list[dict[str, str]], folder: Path, kind: str) -> dict[str, Coded]:
    """Return what `_compress_batch` did; where it did not return, the first image not yet written is to blame."""
    import pebble

    try:
        return job.result()
    except TimeoutError:
        reason = f"took over {TIME_LIMIT:g} s and was stopped"
    except pebble.ProcessExpired as crash:
        way = f"signal {-crash.exitcode}" if crash.exitcode < 0 else f"exit status {crash.exitcode}"
        reason = f"crashed its process with {way}"
    names = [row["image"] for row in batch]
    name = next((name for name in names if not (folder / f"{name}.png").exists()), names[-1])
    raise RuntimeError(f"{name}: {kind} {reason}")


def _compress_batch(
    module: str,
    quality: int,
    settings: Any,
    manifest: Path,
    folder: Path,
    source: "Source | None",
    batch: list[dict[str, str]],
) -> dict[str, Coded]:
    return {row["image"]: _compress(module, quality, settings, manifest, folder, source, row) for row in batch}


def _compress(
    module: str,
    quality: int,
    settings: Any,
    manifest: Path,
    folder: Path,
    source: "Source | None",
    row: dict[str, str],
) -> Coded:
    """Write the bitstream and decoded image of one original."""
    from qebench.common import images
    from qebench.datasets import manifests

    compressor, name = importlib.import_module(module), row["image"]
    original = manifests.read(manifest.with_suffix(""), manifest, row)
    picture = original if source is None else source.picture(row["source"], original)
    try:
        bitstream, told = interface.encoded(compressor, picture, quality, settings)
        decoded = compressor.decode(bitstream, settings)
    except (ValueError, OSError, RuntimeError) as error:
        raise RuntimeError(f"{name}: {error}") from error
    if decoded.shape != picture.shape or decoded.dtype != picture.dtype:
        raise ValueError(f"{name}: {module} turned {picture.shape} into {decoded.shape}")
    described = compressor.describe(picture, settings)
    if source is not None:
        decoded, described = source.coding.measured(decoded), described + source.coding.describe(picture)
    with files.writing(folder / name):
        (folder / f"{name}{compressor.SUFFIX}").write_bytes(bitstream)
    images.write(folder / f"{name}.png", decoded)
    bits, pixels = 8 * len(bitstream), picture.shape[0] * picture.shape[1]
    return bits, f"{bits / pixels:.6f}", images.sha256(decoded), described, told
