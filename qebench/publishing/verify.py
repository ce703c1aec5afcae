"""Does a folder of results still hold? Checksums of all that was published, of data and weights; a sample, anew.

What is checked follows the record: published files and what they were made of (NAME.provenance.json), the weights and
manifests named in the measurements, the pixels of every listed picture. Then some measurements are made again.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from qebench import runs
from qebench.common import files, provenance
from qebench.common.plugins import ROOT
from qebench.datasets import originals, shards
from qebench.evaluation import measurements

PUBLISHED = (".csv", ".md", ".tex", ".pdf", ".png", ".html")
# Rows of latency carry their own record; Snakemake writes workflow.html.
UNRECORDED = {"README.md", "latency.csv", "latency.md", "latency_grid.csv", "latency_grid.md", "workflow.html"}
TOLERANCE = 5e-4  # dB and the like: half of the last decimal of the tables; other devices and libraries differ by less
KEYS = ["dataset", "compressor", "quality", "method", "trained_on"]


def verify(results: Path, count: int, device: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what was checked, in words, and what of it no longer holds: an empty list is good news.

    `count` images are measured again, by their recorded method and weights, on `device`.

    Raises FileNotFoundError if the folder has no measurements.
    """
    path = results / "measurements.parquet"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: name a folder of results in which measurements were made")
    rows, records = measurements.read(path)
    found = runs.records(results)
    yield f"{len(found)} published tables and figures", [text for path in found for text in _published(path)]
    yield "files without a record", list(_unrecorded(results, found))
    weights = provenance.distinct(record["weights"] for record in records if record["weights"])
    yield f"{len(weights)} files of weights", [text for each in weights for text in _weights(each)]
    manifests = sorted([*results.glob("originals/*.csv"), *results.glob("decoded/*/*/*.csv")])
    yield f"pictures of {len(manifests)} manifests", [text for each in manifests for text in _pictures(each)]
    yield "manifests that were measured", list(_measured(results, records))
    sample = _sample(rows, count)
    yield (
        f"{len(sample)} images measured again, to {TOLERANCE:g}",
        [text for key in sample for text in _again(results, rows, records, key, device)],
    )


def _published(path: Path) -> Iterator[str]:
    record = provenance.read(path)
    for name, sha256 in {**record["files"], **record["inputs"]}.items():
        yield from _unchanged(path.parent / name, sha256, f"as {path.name} has it")


def _unchanged(path: Path, sha256: str, source: str) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is missing"
    elif files.sha256(path) != sha256:
        yield f"{path} is not the file that it was ({source})"


def _unrecorded(results: Path, found: list[Path]) -> Iterator[str]:
    known = {path.parent / name for path in found for name in provenance.read(path)["files"]}
    for path in sorted([*results.glob("*"), *results.glob("figures/**/*")]):
        if path.suffix in PUBLISHED and path not in known and path.name not in UNRECORDED:
            yield f"{path} has no {path.with_suffix(provenance.SUFFIX).name}: nothing says what it was made of"


def _weights(weights: dict) -> Iterator[str]:
    return _unchanged(ROOT / weights["file"], weights["sha256"], "in the measurements")


def _pictures(manifest: Path) -> Iterator[str]:
    try:
        for _ in originals.load(manifest.with_suffix(""), manifest):
            pass
    except ValueError as error:
        yield str(error)


def _measured(results: Path, records: list[dict]) -> Iterator[str]:
    for record in provenance.distinct({key: record[key] for key in ("dataset", "images")} for record in records):
        manifest = results / f"originals/{record['dataset']}.csv"
        yield from _unchanged(manifest, record["images"]["manifest_sha256"], "in the measurements")


def _sample(rows: pd.DataFrame, count: int) -> list[tuple]:
    """Return as many different images of a method at a quality, the same each time."""
    keys = list(rows[["image", *KEYS]].drop_duplicates().itertuples(index=False, name=None))
    return random.Random(0).sample(keys, min(count, len(keys)))


def _again(results: Path, rows: pd.DataFrame, records: list[dict], key: tuple, device: str) -> Iterator[str]:
    from qebench.evaluation.evaluate import evaluate

    image, dataset, compressor, quality, method, trained_on = key
    record = next(each for each in records if tuple(each[name] for name in KEYS) == key[1:])
    weights = record["weights"] and ROOT / record["weights"]["file"]
    recorded = rows[(rows[["image", *KEYS]] == list(key)).all(axis=1)].set_index(["exit", "metric"])["value"]
    metrics = [name for name in recorded.index.unique("metric") if name not in ("iqam", "change", "bpp")]
    name = f"{image} of {dataset}, {compressor} {quality}, {method} {trained_on}".rstrip()
    with TemporaryDirectory() as folder:
        originals, decoded = Path(folder) / "originals.csv", Path(folder) / f"{quality}.csv"
        try:
            shards.excerpt(results / f"originals/{dataset}.csv", image, originals)
            shards.excerpt(_decoded(results, dataset, compressor, quality, image), image, decoded)
            scoring = record["iqam"]["block_size"], record["iqam"]["variant"]
            precision = record.get("precision", "float32")  # before it was a setting
            measured, _, _ = evaluate(method, weights, originals, [decoded], metrics, *scoring, device, precision)
        except (ValueError, OSError, RuntimeError) as error:
            yield f"{name} cannot be measured again: {error}"
            return
    values = measured.set_index(["exit", "metric"])["value"].reindex(recorded.index)
    for exit, metric in recorded.index[~((values - recorded).abs() <= TOLERANCE)]:
        yield f"{name}: {metric} of exit {exit} was {recorded[exit, metric]:.6g} and is {values[exit, metric]:.6g}"


def _decoded(results: Path, dataset: str, compressor: str, quality: int, image: str) -> Path:
    """Return the manifest of the data set's part that has an image."""
    for manifest in shards.manifests(results / "decoded", dataset, f"{compressor}/{quality}.csv"):
        if image in set(files.read_csv(manifest)["image"]):
            return manifest
    raise FileNotFoundError(f"{results}/decoded has no {image} of {dataset} by {compressor} at {quality}")
