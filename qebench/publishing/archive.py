"""Results as one archive: what was published, the measurements and the manifests, described by an RO-Crate; reading it.

RO-Crate 1.1 is the convention of research data for "what is in this archive and how was it made": each published file
is the result of an action of this program at a commit, its objects are the inputs and the weights. Pictures stay out:
they are large and not ours to give on; their checksums are in the manifests.
"""

import mimetypes
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

import pandas as pd

from qebench import runs
from qebench.common import files, provenance
from qebench.evaluation import measurements
from qebench.evaluation.results import Results

if TYPE_CHECKING:
    from rocrate.model.file import File
    from rocrate.rocrate import ROCrate

LICENCE = "https://spdx.org/licenses/Apache-2.0"
TABLES = ("complexity/*.csv", "latency/**/*.csv", "examples/*/*.csv", "originals/*.csv", "decoded/*/*/*.csv")
DATA = ("measurements.parquet", *TABLES)
WANTED = ("measurements.parquet", "complexity/*.csv", "latency/*.csv", f"*{provenance.SUFFIX}")  # to read results
TYPES = {".parquet": "application/vnd.apache.parquet", ".md": "text/markdown", ".tex": "application/x-tex"}


def write(results: Path, archive: Path) -> None:
    """Write a folder of results to a ZIP archive with an RO-Crate.

    Raises ValueError if the archive's name does not end in .zip, nothing is published in the folder, or what is
    published is no longer what its record says.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    if archive.suffix != ".zip":
        raise ValueError(f"{archive} does not end in .zip: name the archive so")
    found = {path: provenance.read(path) for path in runs.records(results)}
    if not found:
        raise ValueError(f"{results} has no {provenance.SUFFIX[1:]}: make tables or figures in it first")
    crate = ROCrate()
    crate.name, crate.license = "QEBench results", LICENCE
    crate.description = "Tables and figures on quality enhancement of compressed images, with the measurements behind."
    included = {path.resolve() for pattern in DATA for path in results.glob(pattern)} | {
        path.resolve() for path in found
    }
    for path, record in found.items():
        for name, sha256 in (record["inputs"] | record["files"]).items():
            file = (path.parent / name).resolve()
            if not file.is_file() or files.sha256(file) != sha256:
                raise ValueError(
                    f"{file} is not what {path} says: run the workflow again, or `verify`, which says more"
                )
            included.add(file)
    entities = {path: _add(crate, results.resolve(), path) for path in sorted(included)}
    for path, record in found.items():
        program = crate.add(
            ContextEntity(
                crate,
                f"#qebench-{record['commit']}",
                {"@type": "SoftwareApplication", "name": "QEBench", "softwareVersion": record["commit"]},
            )
        )
        weights = [
            crate.add(
                ContextEntity(
                    crate,
                    f"#{each['weights']['sha256']}",
                    {"@type": "CreativeWork", "name": each["weights"]["file"], "sha256": each["weights"]["sha256"]},
                )
            )
            for each in record["measured"]["methods"]
            if each["weights"]
        ]
        made_of, published = (
            [entities[(path.parent / name).resolve()] for name in record[kind]] for kind in ("inputs", "files")
        )
        crate.add_action(
            program,
            f"#{path.relative_to(results).as_posix()}",
            object=made_of + weights,
            result=published,
            properties={"name": f"{path.name.removesuffix(provenance.SUFFIX)} of QEBench"},
        )
    with files.replacing(archive) as temporary:
        crate.write_zip(temporary)


def _add(crate: "ROCrate", root: Path, path: Path) -> "File":
    inside = path.is_relative_to(root)
    name = path.relative_to(root).as_posix() if inside else f"inputs/{files.sha256(path)[:12]}-{path.name}"
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    about = {"sha256": files.sha256(path), "contentSize": str(path.stat().st_size)}
    return crate.add_file(path, name, properties=about | ({"encodingFormat": kind} if kind else {}))


def read(archive: Path) -> tuple[Results, dict]:
    """Return the results in an archive, and the part of the configuration that decided them.

    Raises ValueError that names the archive if there are none.
    """
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
