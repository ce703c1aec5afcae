"""Split a data set by its manifest into parts, which jobs compress and measure apart from each other.

A part is a data set of its own with the name NAME.KofN: neighbouring rows of the manifest, beside them a link to the
same folder of images.
"""

import csv
import io
import os
import re
from pathlib import Path

from qebench.common import files

NAME = r"\.[1-9]\d*of[1-9]\d*"  # what a part has after the name of its data set


def names(dataset: str, count: int) -> list[str]:
    """Return the names of the parts of a data set in its order, or its own alone if it is not split."""
    return [dataset] if count == 1 else [f"{dataset}.{number}of{count}" for number in range(1, count + 1)]


def dataset(part: str) -> str:
    """Return the name of the data set that a part is of; a whole one is of itself."""
    return re.sub(f"{NAME}$", "", part)


def write(manifest: Path, number: int, count: int, output: Path) -> None:
    """Write part `number` (from 1) of `count` of a manifest, and the link beside it; sizes differ by one at most.

    Raises ValueError if the manifest lists fewer images than there are parts.
    """
    listed = len(_rows(manifest)) - 1
    if listed < count:
        raise ValueError(f"{manifest} lists {listed} images, too few for {count} parts: set shards to {listed} or less")
    chosen = range((number - 1) * listed // count, number * listed // count)
    _write(manifest, [place in chosen for place in range(listed)], output)


def excerpt(manifest: Path, image: str, output: Path) -> None:
    """Write the row of one image of a manifest, and the link beside it; raise ValueError if it is not listed."""
    chosen = [row[0] == image for row in _rows(manifest)[1:]]
    if not any(chosen):
        raise ValueError(f"{manifest} does not list {image}")
    _write(manifest, chosen, output)


def manifests(folder: Path, dataset: str, rest: str) -> list[Path]:
    """Return `folder`/`dataset`/`rest`, or those of all parts of the data set; those written last if there are both.

    Raises FileNotFoundError if neither is complete.
    """
    found: dict[int, list[Path]] = {1: [Path(folder) / dataset / rest]}
    for path in Path(folder).glob(f"{dataset}.*of*"):
        count = int(path.name.rpartition("of")[2])
        found[count] = [Path(folder) / name / rest for name in names(dataset, count)]
    complete = [paths for paths in found.values() if all(path.is_file() for path in paths)]
    if not complete:
        raise FileNotFoundError(f"{folder / dataset / rest} is missing, and so are those of parts: run the workflow")
    return max(complete, key=lambda paths: max(path.stat().st_mtime_ns for path in paths))


def _rows(manifest: Path) -> list[list[str]]:
    with Path(manifest).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _write(manifest: Path, chosen: list[bool], output: Path) -> None:
    header, *rows = _rows(manifest)
    link, folder = output.with_suffix(""), manifest.with_suffix("")
    output.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(folder.resolve(), link.parent.resolve()), target_is_directory=True)
    text = io.StringIO()
    kept = [row for row, keep in zip(rows, chosen, strict=True) if keep]
    csv.writer(text, lineterminator="\n").writerows([header, *kept])
    with files.replacing(output) as path:
        path.write_text(text.getvalue(), encoding="utf-8")
