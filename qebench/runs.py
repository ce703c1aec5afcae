"""The folder of a run: results/ or results/NAME/, with a record of its pictures and protocol.

Paths of results name neither the protocol nor where the pictures are, so another run in the same folder would replace
them. The record, RECORD in the folder, is what such a run is refused by.
"""

import json
from pathlib import Path

from qebench.common import files, plugins, provenance

RECORD = "run.json"
# Folders of the unnamed run in results/, and what commands other than the workflow write there: no names of runs.
TAKEN = (
    *("complexity", "decoded", "examples", "figures", "jpeg_literature", "latency", "latency_grid", "measurements"),
    *("originals", "pairs", "reproduction", "weights"),
)


def folder(name: str | None, root: str = "results") -> Path:
    """Return the folder in `root` of a run, `root` itself for one without a name."""
    return Path(root, name or "")


def check(name: str | None) -> None:
    """Raise ValueError if a run cannot have a name because results/ has something else of it."""
    if name in TAKEN:
        raise ValueError(f"run: results/{name}/ has a part of other results: choose another name")


def check_target(name: str | None, target: str) -> None:
    """Raise ValueError if a file that Snakemake is asked for is in the folder of a run of another name."""
    root, *rest = Path(target).parts
    if root != "results" or not rest:
        return
    found = rest[0] if len(rest) > 1 and rest[0] not in TAKEN else ""
    if found == (name or ""):
        return
    if not name:
        raise ValueError(f"{target} is of a run of that name: add --config run={found}")
    raise ValueError(f"{target} is not of the run {name}: ask for {folder(name).joinpath(*rest[bool(found) :])}")


def records(place: Path) -> list[Path]:
    """Return the records of what was published in a folder of results; named runs in it are not part of them."""
    found = sorted(place.rglob(f"*{provenance.SUFFIX}"))
    return [path for path in found if path.parent == place or path.relative_to(place).parts[0] in TAKEN]


def claim(place: Path, config: dict) -> None:
    """Write into the folder of a run which data and protocol it has.

    Raises ValueError in one sentence if it has others already.
    """
    wanted, record = describe(config), place / RECORD
    if record.is_file():
        found = json.loads(record.read_text(encoding="utf-8"))
        for key in wanted:
            if found.get(key) != wanted[key]:
                raise ValueError(
                    f"{place}/ has results with {key} {found.get(key)}, and this run has {wanted[key]}: give it a "
                    "folder of its own with --config run=NAME (CONFIG='run=NAME' for make) and ask for files in "
                    "results/NAME/"
                )
        return
    with files.replacing(record) as temporary:
        temporary.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")


def describe(config: dict) -> dict[str, object]:
    """Return what runs in one folder have in common: the pictures (name, folder and split) and the protocol.

    A folder in the repository is named from its root on, so that the repository can be moved.
    """
    pictures = config["folders"].get(config["dataset"])
    if pictures is not None:
        path = Path(pictures).resolve()
        pictures = (path.relative_to(plugins.ROOT) if path.is_relative_to(plugins.ROOT) else path).as_posix()
    protocol = {f"protocol.{key}": value for key, value in config["protocol"].items()}
    return {"dataset": config["dataset"], "folder": pictures, "split": config.get("split")} | protocol
