"""The tidy measurements: one row per number, the one truth behind every table and figure.

Columns: dataset, image, compressor, quality, method, trained_on, exit, metric, value. bpp, the IQAM score and the mean
squared change from exit to exit are metrics like PSNR. trained_on is the compressor that the method's weights are for,
empty if it has none. Exits count from 1; single-exit methods have exit 1. Where the numbers come from (data, codec,
weights, commit, library versions, device) rides in the parquet file's own metadata, one record per compressor, quality,
method and trained_on.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from qebench.common import files
from qebench.common.metrics import IDENTICAL

COLUMNS = ["dataset", "image", "compressor", "quality", "method", "trained_on", "exit", "metric", "value"]
PROVENANCE = b"qebench"


def write(rows: pd.DataFrame, provenance: list[dict], path: Path) -> None:
    """Write measurements and their provenance records to a parquet file."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pandas(rows[COLUMNS], preserve_index=False)
    table = table.replace_schema_metadata({PROVENANCE: json.dumps(provenance, sort_keys=True).encode()})
    with files.replacing(path) as temporary:
        pyarrow.parquet.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def read(path: Path) -> tuple[pd.DataFrame, list[dict]]:
    """Return the measurements of a parquet file and their provenance records.

    Raises ValueError if the file is damaged or is no file of measurements.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, page_checksum_verification=True)
        provenance = json.loads(table.schema.metadata[PROVENANCE])
        rows = table.select(COLUMNS).to_pandas()
        _check_finite(rows)
    except FileNotFoundError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no measurements ({error}): delete it and run again") from None
    return rows, provenance


def merge(paths: list[Path], output: Path, whole: Path | None = None) -> None:
    """Write the rows and provenance of several files of measurements to one, in the order given.

    If they are of parts of a data set, `whole` is its manifest, and the records of parts become one.
    """
    parts = [read(path) for path in paths]
    rows = pd.concat([rows for rows, _ in parts], ignore_index=True)
    records = [record for _, records in parts for record in records]
    if whole is not None:
        groups = rows.groupby(["compressor", "method", "trained_on", "quality"], sort=False).ngroup()
        rows = rows.iloc[groups.argsort(kind="stable")].reset_index(drop=True)
        records = _joined(records, files.sha256(whole))
    write(rows, records, output)


def _joined(records: list[dict], manifest_sha256: str) -> list[dict]:
    """Return the records with one for all that tell apart by their images alone, which are those of the manifest."""
    joined: dict[str, dict] = {}
    for record in records:
        same = json.dumps(record | {"images": None}, sort_keys=True)
        count = record["images"]["count"] + (joined[same]["images"]["count"] if same in joined else 0)
        joined[same] = record | {"images": {"count": count, "manifest_sha256": manifest_sha256}}
    return list(joined.values())


def native(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of methods without weights and of those with weights for the compressor that they enhance.

    Compressors that are enhanced by weights for others alone are left out.
    """
    foreign = (rows["trained_on"] != "") & (rows["trained_on"] != rows["compressor"])
    enhanced = rows.loc[~foreign & (rows["method"] != "decoded"), "compressor"]
    only_foreign = set(rows.loc[foreign, "compressor"]) - set(enhanced)
    return rows[~foreign & ~rows["compressor"].isin(only_foreign)]


def select(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of a metric; raise ValueError if it was not measured, or is NaN or infinite somewhere."""
    chosen = rows[rows["metric"] == metric]
    if chosen.empty:
        raise ValueError(f"{metric} was not measured: add it to metrics in the config")
    _check_finite(chosen)
    return chosen


def identical(rows: pd.DataFrame) -> str:
    """Return a sentence, after a blank, on results that equal their original (their PSNR is infinite), or ""."""
    keys = ["dataset", "image", "compressor", "quality", "method", "trained_on", "exit"]
    psnr = rows[rows["metric"].isin(["psnr", "psnr_unrounded"])]
    count = len(psnr.loc[psnr["value"] >= IDENTICAL, keys].drop_duplicates())
    total = len(psnr[keys].drop_duplicates())
    return (
        f" {count} of {total} results equal their original: their PSNR counts as {IDENTICAL:.0f} dB." if count else ""
    )


def _check_finite(rows: pd.DataFrame) -> None:
    wrong = rows[~np.isfinite(rows["value"].to_numpy(float))]
    if len(wrong):
        first = wrong.iloc[0]
        raise ValueError(
            f"{first['metric']} of {first['method']}, image {first['image']} by {first['compressor']} at "
            f"{first['quality']}, exit {first['exit']} is {first['value']}, as are {len(wrong) - 1} others: no mean "
            "can be taken; delete the measurements and run again"
        )


def gains(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return each image's gain in a metric over the decoded image, for all methods but `decoded`.

    The result has the columns of the measurements, with the gain as `value`.

    Raises ValueError if the metric was not measured, or is NaN or infinite somewhere.
    """
    rows = select(rows, metric)
    keys = ["dataset", "image", "compressor", "quality"]
    decoded = rows.loc[rows["method"] == "decoded", [*keys, "value"]].rename(columns={"value": "zero"})
    enhanced = rows[rows["method"] != "decoded"].merge(decoded, on=keys, validate="many_to_one")
    return enhanced.assign(value=enhanced["value"] - enhanced["zero"])[COLUMNS]
