"""Read back the images that a manifest lists, and no others.

A manifest is a CSV file with one row per image of a folder; two of its columns are `image`, the name of a PNG file
without its suffix, and `sha256`, that of the pixels.
"""

import csv
from pathlib import Path

import numpy as np

from benchmarks import images


def rows(manifest: Path) -> list[dict[str, str]]:
    """Return the rows of a manifest by column; raises FileNotFoundError without one."""
    with Path(manifest).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
