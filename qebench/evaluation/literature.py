"""Measure a method as the literature on JPEG artifacts does, and put the published numbers beside ours.

The protocol, which gives the JPEG rows of that literature to the printed digit: LIVE1 reduced to luma by MATLAB's
rgb2ycbcr, rounded to 8 bits, and classic5 as stored; one-component JPEG files; PSNR and SSIM of the 8-bit result, no
border cropped; means over the images.
"""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate
from tqdm import tqdm

from qebench.checkpoints import cards
from qebench.common import images, plugins, published
from qebench.common.metrics import of_pictures
from qebench.datasets import originals
from qebench.networks import loading, pixels, tiling

COUNTS = {"classic5": 5, "live1": 29}  # images per data set
QUALITIES = (10, 20, 30, 40)
QUALITY = "{quality}"  # stands for it in the name of weights that are for one quality only
FORMATS = {"psnr": (".3f", ".2f"), "ssim": (".5f", ".4g")}  # of ours, and as published: SSIM with three or four digits
KEYS = ["dataset", "quality", "method", "metric"]


def compare(
    method: str, weights: Path | None, folders: dict[str, Path], device: str, qualities: tuple[int, ...] = QUALITIES
) -> pd.DataFrame:
    """Return the means for the decoded images and for a method at its last exit, beside the published ones.

    `weights` with QUALITY in the name are a file for every quality, as AR-CNN's authors published. `folders` has the
    pictures of "classic5", "live1" or both. The columns are dataset, quality, method, metric ("psnr" in dB or "ssim"),
    ours, published, difference (ours less published; both are NaN where nothing was published) and weights, the
    official file that the network came from, published.OWN or, where none was needed, nothing.

    Raises what the method's `load` raises, and ValueError if a folder has another number of pictures than its data set.
    """
    originals = [(dataset, image) for dataset, folder in folders.items() for image in _read(dataset, folder)]
    metrics = {name: plugins.find("benchmarks/metrics", name) for name in FORMATS}
    jpeg = plugins.find("compressors", "jpeg")
    files = {quality: weights and Path(str(weights).replace(QUALITY, str(quality))) for quality in qualities}
    networks = {file: loading.load(method, file, device) for file in dict.fromkeys(files.values())}
    rows = []
    for (dataset, original), quality in tqdm(list(product(originals, qualities)), unit="picture", disable=None):
        decoded = jpeg.decode(jpeg.encode(original, quality))
        exits = tiling.enhance(networks[files[quality]], pixels.to_tensor([decoded], device))
        enhanced = pixels.to_images(exits[-1])[0]
        for (name, picture), metric in product({"decoded": decoded, method: enhanced}.items(), metrics):
            rows.append((dataset, quality, name, metric, of_pictures(metrics[metric], original, picture)))
    ours = pd.DataFrame(rows, columns=[*KEYS, "ours"]).groupby(KEYS, sort=False).mean()
    papers = published.read("jpeg_literature").astype({"quality": int}).set_index(KEYS)["value"]
    table = ours.join(papers.rename("published"))
    table = table.assign(difference=table["ours"] - table["published"]).reset_index()
    names = {quality: _origin(file) for quality, file in files.items()}
    return table.assign(weights=table["quality"].map(names).where(table["method"] != "decoded", ""))


def _origin(weights: Path | None) -> str:
    """Return the name of the official file that weights are, or were imported from; OWN for a training of ours."""
    if weights is None or weights.suffix != ".safetensors":
        return weights.name if weights else ""
    record = json.loads(cards.metadata(weights).get("import", "null"))
    return record["source"]["file"] if record else published.OWN


def text(comparison: pd.DataFrame) -> str:
    """Return a comparison as a table to print, one line per data set, quality and method, and how it was measured."""
    lines = []
    for keys, rows in comparison.groupby(KEYS[:3], sort=False):
        values = rows.set_index("metric")
        line = [keys[0], COUNTS[keys[0]], *keys[1:]]
        for metric, (exact, printed) in FORMATS.items():
            ours, paper, difference = values.loc[metric, ["ours", "published", "difference"]]
            known = [f"{paper:{printed}}", f"{difference:+{exact}}"] if pd.notna(paper) else ["", ""]
            line += [f"{ours:{exact}}", *known]
        lines.append(line)
    columns = ["PSNR (dB)", "published", "difference", "SSIM", "published", "difference"]
    align = ["left", "right", "right", "left"] + ["right"] * 6
    headers = ["dataset", "n", "QF", "method", *columns]
    table = tabulate(lines, headers, "simple", disable_numparse=True, colalign=align)
    jpeg = plugins.find("compressors", "jpeg")
    note = f"Luma, 8-bit results, no border cropped; JPEG by {jpeg.version()}; sources: benchmarks/published/README.md"
    return f"{table}\n\n{note}"


def _read(dataset: str, folder: Path) -> list[np.ndarray]:
    """Return the luma of the pictures in a folder, uint8 (H, W), if there are as many as the data set has."""
    sources = originals.sources(folder)
    if len(sources) != COUNTS[dataset]:
        raise ValueError(f"{folder} has {len(sources)} pictures, and {dataset} {COUNTS[dataset]}: name its folder")
    return [originals.prepare(images.read(source), originals.Protocol("luma")) for source in sources]
