"""The pictures of the report's viewer: lossless crops of the examples, as many as the page may hold.

All versions of a picture at a quality go into one WebP image, one below the other: the first as it is, each other as
the difference to the one above it, which takes less room. viewer.js adds them up.
"""

import base64
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from PIL import Image

from qebench.common import files, names
from qebench.datasets import manifests
from qebench.evaluation import examples

SIDE = 176  # of the crops, pixels
LARGEST = 1_800_000  # bytes of all images together, 2.4 MB in the page, which is to stay under 6 MB
MIDDLE = 128  # the level of no difference
LEVELS = 32  # grey levels: differences from the last on have the last colour
ORIGINAL = "original"


def collect(paths: list[Path]) -> dict:
    """Return what viewer.js shows: `views`, how many there are in all (`count`), and the colours of differences.

    `paths` are files of `examples.write`, named by the compressor. A view is a picture at a quality, cropped to the
    square of SIDE pixels where the decoded image of the worst quality has the largest squared error. Once LARGEST
    bytes are reached, the rest is left out: the qualities in the middle.
    """
    listed: list[tuple[int, int, str, list[dict], tuple[slice, slice]]] = []
    for path in paths:
        rows = [row | {"manifest": path} for row in files.read_csv(path).to_dict("records")]
        for picture in dict.fromkeys(row["picture"] for row in rows):
            own = [row for row in rows if row["picture"] == picture]
            qualities = list(dict.fromkeys(row["quality"] for row in own))
            groups = {quality: [row for row in own if row["quality"] == quality] for quality in qualities}
            place = _worst(list(groups.values()))
            for number, rows_of_view in enumerate(groups.values()):
                middle = min(number, len(groups) - 1 - number)
                listed.append((middle, len(listed), path.stem, rows_of_view, place))
    shown, size = [], 0
    for _, number, compressor, rows_of_view, place in sorted(listed, key=lambda entry: entry[:2]):
        image = _webp(_stack([_read(row)[place] for row in rows_of_view]))
        size += len(image)
        if size > LARGEST:
            break
        shown.append((number, _view(compressor, rows_of_view, image)))
    views = [view for _, view in sorted(shown, key=lambda entry: entry[0])]
    return {"views": views, "count": len(listed), "colours": _colours()}


def _worst(groups: list[list[dict]]) -> tuple[slice, slice]:
    """Return the square to show of a picture: that of the decoded image with the lowest PSNR, at every quality."""
    decoded = [next(row for row in rows if row["method"] == names.DECODED) for rows in groups]
    worst = min(range(len(groups)), key=lambda number: decoded[number]["psnr"])
    original = next(row for row in groups[worst] if row["method"] == ORIGINAL)
    return examples.worst(_read(original), _read(decoded[worst]), SIDE)


def _read(row: dict) -> np.ndarray:
    return manifests.read(row["manifest"].with_suffix(""), row["manifest"], row)


def _stack(crops: list[np.ndarray]) -> np.ndarray:
    """Return uint8 crops one below the other, each but the first as its difference to the one before it, modulo 256."""
    differences = [(after.astype(int) - before + MIDDLE) % 256 for before, after in pairwise(crops)]
    return np.concatenate([crops[0], *differences]).astype(np.uint8)


def _view(compressor: str, rows: list[dict], image: bytes) -> dict:
    several = {row["method"] for row in rows if row["exit"] > 1}
    first = rows[0]
    versions = [
        {
            "method": row["method"],
            "name": names.display_name(row["method"]),
            "exit": row["exit"] if row["method"] in several else 0,
            "taken": bool(row["taken"]),
            "numbers": _numbers(row),
        }
        for row in rows
    ]
    return {
        "compressor": compressor,
        "quality": first["quality"],
        "picture": first["picture"],
        "chosen": first["chosen"],
        "versions": versions,
        "source": f"data:image/webp;base64,{base64.b64encode(image).decode()}",
    }


def _numbers(row: dict) -> str:
    if pd.isna(row["psnr"]):
        return ""
    ssim = "" if pd.isna(row["ssim"]) else f", SSIM {row['ssim']:.4f}"
    return f"{row['psnr']:.2f} dB{ssim}"


def _colours() -> list[list[int]]:
    """Return the colour of a difference of 0, 1, ... LEVELS - 1 grey levels, as red, green and blue in 0..255."""
    colours = matplotlib.colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3]
    return (255 * colours).round().astype(int).tolist()


def _webp(image: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, quality=100, method=4)
    return stream.getvalue()
