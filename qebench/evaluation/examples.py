"""Pictures to look at: a few images of a data set, enhanced again by every method, for the report.

Evaluation keeps numbers and no pixels. The images are chosen by rule, not by hand: those of the median and of the
largest PSNR gain, which is the mean over qualities and methods at their last exits.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from qebench.common import files, images, plugins
from qebench.datasets import manifests
from qebench.evaluation import early_exit, measurements
from qebench.networks import loading, pixels, tiling
from qebench.networks.thresholds import Threshold

TOLERANCE = 1e-3  # dB, between the PSNR measured and that of the pixels computed again
METRICS = ["psnr", "ssim", "iqam"]
COLUMNS = ["image", "picture", "chosen", "quality", "method", "exit", "taken", *METRICS, "sha256"]


@dataclass(frozen=True)
class Sources:
    """Where the images of one data set and compressor are, and the weights that methods were measured with."""

    originals: Path  # a manifest, beside its folder
    decoded: list[Path]  # manifests named by their quality, beside their folders
    weights: dict[str, Path | None]  # by method, in the order to show


def choose(rows: pd.DataFrame) -> dict[str, str]:
    """Return the pictures to show, each with the rule that chose it; `rows` are measurements of one compressor.

    Raises ValueError if PSNR or no method but `decoded` was measured.
    """
    gains = early_exit.last(measurements.gains(rows, "psnr"))
    if gains.empty:
        raise ValueError("examples need a method that enhances: none was measured but decoded")
    ranked = gains.groupby("image")["value"].mean().sort_values(kind="stable").index
    chosen = {ranked[(len(ranked) - 1) // 2]: "median gain"}
    return chosen | ({ranked[-1]: "largest gain"} if len(ranked) > 1 else {})


def worst(original: np.ndarray, decoded: np.ndarray, side: int) -> tuple[slice, slice]:
    """Return the rows and columns of the square with the largest squared error, at most `side` pixels wide and high."""
    errors = np.square(original.astype(float) - decoded).reshape(*original.shape[:2], -1).sum(axis=2)
    sums = np.pad(errors, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    height, width = (min(side, size) for size in errors.shape)
    within = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(within.argmax(), within.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def write(
    rows: pd.DataFrame,
    thresholds: dict[str, Threshold],
    sources: Sources,
    device: str,
    output: Path,
    precision: str = "float32",
) -> None:
    """Write the chosen images as `output` (.csv) with one row per quality, method and exit, and PNG files beside it.

    `rows` are the native measurements of one data set and compressor. The original comes as the method `original`,
    without numbers. `taken` says whether early exit stops at that exit. Images are chosen from the manifest's.

    Raises ValueError if the PSNR of an image differs from the measured one by more than TOLERANCE.
    """
    rows = rows[rows["image"].isin([row["image"] for row in manifests.rows(sources.originals)])]
    keys = ["image", "quality", "method", "exit"]
    taken = early_exit.chosen(rows, thresholds)[keys].itertuples(index=False, name=None)
    several = set(rows.loc[rows["exit"] > 1, "method"])
    stops = set(taken)
    wide = rows[rows["metric"].isin(METRICS)].pivot(index=keys, columns="metric", values="value")
    numbers = wide.reindex(columns=METRICS).to_dict("index")
    networks = {method: loading.load(method, path, device, precision) for method, path in sources.weights.items()}
    records = []
    for picture, rule in choose(rows).items():
        original = _read(sources.originals, picture)
        for manifest in sources.decoded:
            quality, decoded = int(manifest.stem), _read(manifest, picture)
            shown = {("original", 0): original}
            for method, network in networks.items():
                exits = tiling.enhance(network, pixels.to_tensor([decoded], device))
                shown |= {(method, exit): pixels.to_images(x)[0] for exit, x in enumerate(exits, start=1)}
            for (method, exit), image in shown.items():
                key = (picture, quality, method, exit)
                measured = numbers.get(key, {})
                if method != "original":
                    _check(original, image, measured["psnr"], key)
                name = f"{quality}-{picture}-{method}-{exit}"
                images.write(output.with_suffix("") / f"{name}.png", image)
                stop = method not in several or key in stops
                start = [name, picture, rule, quality, method, exit, stop]
                records.append([*start, *(measured.get(metric) for metric in METRICS), images.sha256(image)])
    with files.replacing(output) as temporary:
        pd.DataFrame(records, columns=COLUMNS).to_csv(temporary, index=False, lineterminator="\n")


def _read(manifest: Path, picture: str) -> np.ndarray:
    row = next(row for row in manifests.rows(manifest) if row["image"] == picture)
    return manifests.read(manifest.with_suffix(""), manifest, row)


def _check(original: np.ndarray, image: np.ndarray, measured: float, key: tuple[str, int, str, int]) -> None:
    both = (pixels.stack([picture], "cpu").to(torch.float64) for picture in (original, image))
    psnr = plugins.find("benchmarks/metrics", "psnr").measure(*both).item()
    if abs(psnr - measured) > TOLERANCE:
        picture, quality, method, exit = key
        raise ValueError(
            f"{picture} at quality {quality}, {method} exit {exit}: its PSNR is now {psnr:.4f} dB and was measured as "
            f"{measured:.4f} dB: weights, program or device changed; delete results/measurements and run again"
        )
