"""The images of the report: lossless crops of the examples, as many as the page may hold."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from qebench.common import files
from qebench.datasets import manifests
from qebench.evaluation import examples

SIDE = 256  # of the crops, pixels
LARGEST = 7_000_000  # bytes of all images together, as WebP: 9.3 MB in the page, which is to stay under 20 MB


def groups(paths: list[Path]) -> tuple[list[dict], int]:
    """Return what to show of each picture, compressor and quality, and how many of those there are.

    Each is cropped to the square of SIDE pixels where the decoded image has the largest squared error. Crops are
    lossless. Once LARGEST is reached, the rest is left out: last are the qualities in the middle.
    """
    listed: list[tuple[int, int, str, list[dict]]] = []
    for path in paths:
        rows = [row | {"manifest": path} for row in files.read_csv(path).to_dict("records")]
        qualities = sorted({row["quality"] for row in rows})
        for quality in qualities:
            middle = min(qualities.index(quality), len(qualities) - 1 - qualities.index(quality))
            for picture in dict.fromkeys(row["picture"] for row in rows):
                alike = [row for row in rows if (row["quality"], row["picture"]) == (quality, picture)]
                listed.append((middle, len(listed), path.stem, alike))
    shown, size = [], 0
    for _, place, compressor, rows in sorted(listed, key=lambda entry: entry[:2]):
        group = _group(compressor, rows)
        size += sum(len(image["source"]) for image in group["images"]) * 3 // 4
        if size > LARGEST:
            break
        shown.append((place, group))
    return [group for _, group in sorted(shown, key=lambda entry: entry[0])], len(listed)


def _group(compressor: str, rows: list[dict]) -> dict:
    pixels = [manifests.read(row["manifest"].with_suffix(""), row["manifest"], row) for row in rows]
    names = [row["method"] for row in rows]
    place = examples.worst(pixels[names.index("original")], pixels[names.index("decoded")], SIDE)
    images = [
        {"label": _label(row, names), "numbers": _numbers(row), "source": _webp(image[place])}
        for row, image in zip(rows, pixels, strict=True)
    ]
    before = images[names.index("decoded")]
    last = max(range(len(rows)), key=lambda number: (bool(rows[number]["taken"]), number))
    first = rows[0]
    return {
        "compressor": compressor,
        "quality": first["quality"],
        "picture": first["picture"],
        "chosen": first["chosen"],
        "images": images,
        "before": images.index(before),
        "after": last,
    }


def _label(row: dict, names: list[str]) -> str:
    """Return the method, with the exit if it has several and whether early exit stops there."""
    if names.count(row["method"]) == 1:
        return row["method"]
    return f"{row['method']}, exit {row['exit']}{' (taken)' if row['taken'] else ''}"


def _numbers(row: dict) -> str:
    if pd.isna(row["psnr"]):
        return ""
    ssim = "" if pd.isna(row["ssim"]) else f", SSIM {row['ssim']:.4f}"
    return f"{row['psnr']:.2f} dB{ssim}"


def _webp(image: np.ndarray) -> str:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
