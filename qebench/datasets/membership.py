"""Tell whether pictures are of a data set of `benchmarks.collections`, and how much of it.

A folder that holds a part of one is a subset and is called so; what is not of the data set is refused by name. Pictures
of Kodak, LIVE1 and classic5 are known by the SHA-256 of their pixels (checksums.csv), whatever file format and name
they have. For those of RAISE and DIV2K nobody publishes such checksums, so they are known by name and size.
"""

import csv
import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import numpy as np

from qebench.common import images
from qebench.datasets.known import COLLECTIONS

CHECKSUMS = Path(__file__).with_name("checksums.csv")
_REMEDY = "get it again from the source, move it elsewhere, or use the folder as a data set of your own name"


def check_names(name: str, paths: list[Path]) -> None:
    """Raise ValueError for files that, by their names or number, cannot all be of the data set `name`; reads none."""
    collection = COLLECTIONS[name]
    for path in paths:
        if collection.names and not re.fullmatch(collection.names, path.stem):
            raise ValueError(f"{path} is not of {collection.title}, whose pictures have other names: {_REMEDY}")
    if len(paths) > collection.count:
        raise ValueError(
            f"{paths[0].parent} has {len(paths):,} pictures, and {collection.title} {collection.count:,}: {_REMEDY}"
        )


def identify(name: str, path: Path, image: np.ndarray) -> str:
    """Return which picture of the data set `name` an image is, uint8 (H, W) or (H, W, 3), that was read from `path`.

    Raises ValueError if it is none of them.
    """
    collection = COLLECTIONS[name]
    height, width = image.shape[:2]
    channels = 1 if image.ndim == 2 else 3
    what = f"{path} ({width}x{height}, {'gray' if channels == 1 else 'RGB'})"
    if collection.names:
        size = f"{max(width, height)}x{min(width, height)}"
        if channels == 1 or not any(fnmatch(size, allowed) for allowed in collection.sizes):
            sizes = " or ".join(collection.sizes)
            raise ValueError(f"{what} is not of {collection.title}, which is RGB and {sizes}: {_REMEDY}")
        return path.stem
    key = (width, height, channels, images.sha256(image))
    if key not in _checksums(name):
        raise ValueError(f"{what} has the pixels of no picture of {collection.title}: {_REMEDY}")
    return _checksums(name)[key]


def describe(name: str, count: int) -> str:
    """Return what `count` pictures of the data set `name` are: all of it, or a subset."""
    collection = COLLECTIONS[name]
    if count == collection.count:
        return f"{collection.title}, all {count:,} pictures"
    return f"subset of {collection.title}, {count:,} of {collection.count:,} pictures"


def pictures(name: str) -> list[str]:
    """Return the names of the pictures of a data set that is known by its pixels; none for others."""
    return list(_checksums(name).values())


@cache
def _checksums(name: str) -> dict[tuple[int, int, int, str], str]:
    """Return names by (width, height, channels, SHA-256)."""
    known = {}
    with CHECKSUMS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["dataset"] == name:
                shape = (int(row["width"]), int(row["height"]), int(row["channels"]))
                known[(*shape, row["sha256"])] = row["picture"]
    return known
