"""The folder of a run, results/ or results/NAME/, a record of its pictures and protocol, and the words at its end.

Paths of results name neither the protocol nor where the pictures are, so another run in the same folder would replace
them. The record, RECORD in the folder, is what such a run is refused by.
"""

import json
import os
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from qebench.common import files, plugins, provenance

RECORD = "run.json"
# Folders of the unnamed run in results/, and what commands other than the workflow write there: no names of runs.
TAKEN = (
    *("complexity", "decoded", "examples", "figures", "jpeg_literature", "latency", "latency_grid", "measurements"),
    *("originals", "pairs", "reproduction", "weights"),
)

LINES = 40  # of a table that are printed
WIDTH = 100  # characters of a line of its note


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

    Raises ValueError in one sentence if it has others already, or its record cannot be read.
    """
    wanted, record = describe(config), place / RECORD
    if record.is_file():
        found = _read(record)
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


def _read(record: Path) -> dict:
    try:
        return dict(json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{record} is no record of a run ({error}): remove {record.parent}, and run again") from None


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


def closing(name: str | None, targets: Iterable[str], configs: Iterable[object] = ()) -> str:
    """Return what to print when a run is done: the table, if one was asked for, and where it and the report are.

    Of several tables only the places are named; "" if none of `targets`, files and rules, is a result. `configs` are
    the configuration files that the run was given.
    """
    place = folder(name)
    asked = [Path(target) for target in sorted(targets)] or [Path("all")]
    if not any(path == Path("all") or path.is_relative_to(place) for path in asked):
        return ""
    tables = [path for path in asked if path.suffix == ".csv" and path.with_suffix(".md").is_file()]
    words = []
    if len(tables) == 1:
        words += [*_plain(tables[0].with_suffix(".md").read_text(encoding="utf-8"))[:LINES], ""]
        words.append(f"This table: {tables[0].with_suffix('.md')}, .csv and .tex")
    elif tables or Path("all") in asked:
        words.append(f"Tables: {place}/*.md, .csv and .tex; figures: {place}/figures/")
    report = place / "report.html"
    there, making = report.is_file(), _making(report, name, [os.path.relpath(str(path)) for path in configs])
    words.append(f"Report: {report}" if there else f"Report: none yet; `{making}` makes {report}")
    return "\n".join(words)


def _making(report: Path, name: str | None, configs: list[str]) -> str:
    """Return the command that makes the report of a run with the same configuration."""
    if configs:
        run = f" --config run={name}" if name else ""
        return f"snakemake --cores all {report} --configfile {' '.join(configs)}{run}"
    return f"make report CONFIG='run={name}'" if name else "make report"


def _plain(markdown: str) -> list[str]:
    """Return the lines of a table for a terminal: no tags, columns in line, notes in lines of WIDTH."""
    lines = re.sub(r"<ins>(.*?)</ins>", lambda tagged: tagged[1].rjust(len(tagged[0])), markdown).splitlines()
    return [part for line in lines for part in ([line] if line.startswith("|") else textwrap.wrap(line, WIDTH) or [""])]
