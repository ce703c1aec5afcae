"""Read back the images that a manifest lists, and no others.

A manifest is a CSV file with one row per image of a folder; two of its columns are `image`, the name of a PNG file
without its suffix, and `sha256`, that of the pixels.
"""

import csv
from pathlib import Path

import numpy as np

from qebench.common import images


def rows(manifest: Path) -> list[dict[str, str]]:
    """Return the rows of a manifest by column.

    Raises FileNotFoundError without one, and ValueError if it is damaged or something else.
    """
    try:
        with Path(manifest).open(newline="", encoding="utf-8") as file:
            lines = file.readlines()
        listed = list(csv.DictReader(lines, strict=True))
    except (csv.Error, UnicodeDecodeError):
        listed = []
    whole = listed and lines[-1].endswith("\n") and {"image", "sha256"} <= {*listed[0]}
    if not whole or any(None in row or None in row.values() for row in listed):  # fields too many or too few
        raise ValueError(f"{manifest} is no whole list of images: delete it and run again")
    for row in listed:
        if Path(row["image"]).name != row["image"]:
            raise ValueError(f"{manifest} lists {row['image']!r}, which is no name of an image beside it: delete it")
    return listed


def read(folder: Path, manifest: Path, row: dict[str, str]) -> np.ndarray:
    """Return the image of one row of `manifest`, uint8 (H, W) or (H, W, 3), from its folder.

    Raises ValueError if it is missing or not the one listed.
    """
    path = Path(folder) / f"{row['image']}.png"
    try:
        image = images.read(path)
        listed = images.sha256(image) == row["sha256"]
    except (FileNotFoundError, ValueError):
        listed = False
    if not listed:
        raise ValueError(f"{path} is not the image listed in {manifest}: delete the manifest and run again")
    return image
