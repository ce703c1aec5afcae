"""Compress a prepared data set at one quality: bitstreams, decoded images and a manifest of both.

<folder>/<image><suffix>    the bitstream
<folder>/<image>.png        what it decodes to
<manifest>                  image, bits, bpp, sha256 (of the decoded pixels), compressor, version, settings
"""

import csv
import hashlib
import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import datasets, files, images

COLUMNS = ["image", "bits", "bpp", "sha256", "compressor", "version", "settings"]


def compress(compressor: ModuleType, quality: int, settings: Any, manifest: Path, table: Path, workers: int) -> None:
    """Compress every image of a prepared data set and write `table` and the folder beside it.

    `manifest` is that of `datasets.write`, beside its folder of images. The folder is written under another name and
    renamed, the table comes last: neither is ever half written. Threads suffice, because codecs release the interpreter
    or run as processes.

    Raises ValueError naming the image if its bitstream does not decode to an image of the same shape.
    """
    output = table.with_suffix("")
    temporary = output.with_name(f".{output.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)

    def row(name: str, original: np.ndarray) -> list[str]:
        bitstream = compressor.encode(original, quality, settings)
        decoded = compressor.decode(bitstream, settings)
        if decoded.shape != original.shape or decoded.dtype != np.uint8:
            raise ValueError(f"{name}: {compressor.__name__} turned {original.shape} into {decoded.shape}")
        (temporary / f"{name}{compressor.SUFFIX}").write_bytes(bitstream)
        images.write(temporary / f"{name}.png", decoded)
        bits, kind = 8 * len(bitstream), compressor.__name__.split(".")[-1]
        pixels = original.shape[0] * original.shape[1]
        digest = hashlib.sha256(decoded.tobytes()).hexdigest()
        described = compressor.describe(original, settings)
        return [name, bits, f"{bits / pixels:.6f}", digest, kind, compressor.version(settings), described]

    with ThreadPoolExecutor(workers) as pool:
        rows = [
            job.result()
            for job in [pool.submit(row, *item) for item in datasets.load(manifest.with_suffix(""), manifest)]
        ]
    shutil.rmtree(output, ignore_errors=True)
    temporary.replace(output)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    with files.replacing(table) as path:
        path.write_text(text.getvalue())
