"""Results of data sets whose pictures do not ship: small archives in benchmarks/measured/, with boards of their own.

They are made of a run with the weights that ship, and read with every leaderboard. They must never stop one: what no
longer fits, as the metric, the protocol or weights changed since, is left out, and the table says so.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from qebench.common import files, plugins, provenance
from qebench.evaluation import measurements
from qebench.evaluation.results import Results
from qebench.publishing import archive, contributed

FOLDER = plugins.ROOT / "benchmarks/measured"
WEIGHTS = plugins.ROOT / "methods/weights"
METRICS = (contributed.METRIC, "iqam")  # what a leaderboard is made of


def keep(name: str, results: Path, folder: Path = FOLDER) -> Path:
    """Write what the leaderboard of a folder of results is made of to NAME.zip in `folder`, and return the file.

    That is native measurements of METRICS, costs, and where all of it comes from; no pictures and no paths.

    Raises ValueError if there is no leaderboard, it is older than what it was made of, or weights do not ship.
    """
    made = _record(results)
    rows, records = measurements.read(results / "measurements.parquet")
    rows = measurements.native(rows)
    rows = rows[rows["metric"].isin(METRICS)]
    own = set(rows[["compressor", "method", "trained_on"]].itertuples(index=False, name=None))
    records = [each for each in records if (each["compressor"], each["method"], each["trained_on"]) in own]
    if changed := _changed(records):
        names = ", ".join(sorted({method for method, _ in changed}))
        raise ValueError(f"{results} is not of the weights in methods/weights: those of {names} are others")
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        measurements.write(rows, records, root / "measurements.parquet")
        costs = [root / path for path in made["inputs"] if path != "measurements.parquet"]
        for path in costs:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes((results / path.relative_to(root)).read_bytes())
        config = {key: value for key, value in made["config"].items() if key != "folder"}
        provenance.write([root / "measurements.parquet"], costs, config, records)
        return _pack(root, folder / f"{name}.zip")


def _record(results: Path) -> dict:
    """Return the record of the leaderboard in a folder, with those of its inputs that are in the folder.

    Raises ValueError if there is none, or an input has changed.
    """
    path = results / f"leaderboard{provenance.SUFFIX}"
    if not path.is_file():
        raise ValueError(f"{path} is missing: make {results}/leaderboard.csv first")
    record = provenance.read(path)
    inputs = {name: sha256 for name, sha256 in record["inputs"].items() if not name.startswith("..")}
    for name, sha256 in inputs.items():
        if not (results / name).is_file() or files.sha256(results / name) != sha256:
            raise ValueError(f"{results / name} is not what {path} says: make {results}/leaderboard.csv again")
    return record | {"inputs": inputs}


def _pack(root: Path, output: Path) -> Path:
    """Write the files of a folder to an archive that depends on nothing but their names and content."""
    with files.replacing(output) as temporary, ZipFile(temporary, "w") as file:
        for path in sorted(root.rglob("*.*")):
            file.writestr(ZipInfo(path.relative_to(root).as_posix()), path.read_bytes(), ZIP_DEFLATED, 9)
    return output


def read(archives: Iterable[Path], ours: Results, protocol: dict) -> Results:
    """Return our results with those in some archives of `keep` as `kept`, and what of these is `left_out`.

    `protocol` is that of our configuration.

    Raises ValueError that names the archive, if it is none.
    """
    for path in archives:
        results, config = archive.read(path)
        if reason := next(contributed.differences(results, config, ours, protocol), None):
            ours = replace(ours, left_out=[*ours.left_out, f"{path.stem} is left out: {reason}."])
            continue
        rows, changed = results.measurements, _changed(results.records)
        for method, compressor in changed:
            rows = rows[(rows["method"] != method) | (rows["compressor"] != compressor)]
        if changed:
            names = ", ".join(f"{method} ({compressor})" for method, compressor in changed)
            words = f"{path.stem} is without {names}: methods/weights has other weights now."
            ours = replace(ours, left_out=[*ours.left_out, words])
        results = replace(results, measurements=rows, all_measurements=rows)
        ours = replace(ours, kept=ours.kept | {path.stem: results})
    return ours


def _changed(records: list[dict]) -> list[tuple[str, str]]:
    """Return the methods and compressors whose weights were others than those in WEIGHTS now, in order."""
    used = {(each["method"], each["compressor"]): each["weights"] for each in records if each["weights"]}
    return [entry for entry, weights in used.items() if not _ships(plugins.ROOT / weights["file"], weights["sha256"])]


def _ships(path: Path, sha256: str) -> bool:
    return path.is_relative_to(WEIGHTS) and path.is_file() and files.sha256(path) == sha256
