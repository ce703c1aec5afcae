"""Results of other people and machines: archives of `qebench archive`, read if they can be compared with ours.

Gains are comparable if the protocol, the originals, the codecs and the code of the metric are the same.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

import pandas as pd

from qebench.common import files, provenance
from qebench.evaluation import measurements
from qebench.evaluation.results import Results

METRIC = "psnr_unrounded"
KEYS = ["dataset", "compressor", "quality"]
WANTED = ("measurements.parquet", "complexity/*.csv", "latency/*.csv", f"*{provenance.SUFFIX}")


def read(archives: Iterable[Path], ours: Results, protocol: dict) -> dict[str, Results]:
    """Return the results in some archives by the name of the archive, of what was measured in `ours`, too.

    `protocol` is that of our configuration.

    Raises ValueError that names the archive, if it is none of ours or cannot be compared.
    """
    return {archive.stem: _comparable(archive, ours, protocol) for archive in archives}


def _comparable(archive: Path, ours: Results, protocol: dict) -> Results:
    results, config = _open(archive)
    reason = next(_differences(results, config, ours, protocol), None)
    if reason:
        raise ValueError(f"{archive} cannot be compared with these results: {reason}. Remove it from its folder")
    shared = pd.DataFrame(_facts(ours.records).keys(), columns=KEYS)
    rows = results.measurements.merge(shared, on=KEYS)
    return replace(results, measurements=rows, all_measurements=rows)


def _open(archive: Path) -> tuple[Results, dict]:
    """Return the results in an archive, and the part of the configuration that decided them."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            with ZipFile(archive) as file:
                file.extractall(root, [name for name in file.namelist() if any(map(Path(name).match, WANTED))])
            rows, records = measurements.read(root / WANTED[0])
            config = next(provenance.read(path)["config"] for path in sorted(root.glob(WANTED[-1])))
            costs, latency = (
                pd.concat(map(files.read_csv, sorted(root.glob(pattern))), ignore_index=True) for pattern in WANTED[1:3]
            )
        except (BadZipFile, FileNotFoundError, StopIteration, ValueError) as error:
            why = f": {error}" if str(error) else ""
            raise ValueError(f"{archive} is no archive of `qebench archive`{why}. Remove it from its folder") from None
    thresholds = {
        name: entry["threshold"] for name, entry in config.get("compressors", {}).items() if "threshold" in entry
    }
    native = measurements.native(rows)
    methods = list(dict.fromkeys(rows["method"]))
    return Results(native, costs, latency, thresholds, methods, "", rows, records=records), config


def _differences(theirs: Results, config: dict, ours: Results, protocol: dict) -> Iterator[str]:
    """Yield why results cannot be compared."""
    if config.get("protocol") != protocol:
        yield f"its protocol is {config.get('protocol')}, ours is {protocol}"
    here, there = _facts(ours.records), _facts(theirs.records)
    if not {*here} & {*there}:
        yield "no picture set, codec and quality is in both"
    for key in (key for key in there if key in here):
        for what, value in there[key].items():
            if value != here[key][what]:
                yield f"{what} differs for {', '.join(map(str, key))}: {value} there, {here[key][what]} here"


def _facts(records: list[dict]) -> dict[tuple[str, str, int], dict[str, object]]:
    """Return what must be equal, by data set, compressor and quality."""
    return {
        (record["dataset"], record["compressor"], record["quality"]): {
            "the manifest of the originals": record["images"]["manifest_sha256"],
            "the codec": record["codec"],
            f"the code of {METRIC}": record.get("metrics", {}).get(METRIC),
        }
        for record in records
    }
