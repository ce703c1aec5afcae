"""Enhance the decoded images of one compressor by one method, and measure every exit.

Networks run in batches of images of one size (`batches`). The next batch is read meanwhile, and metrics and scores are
computed on the network's device.
"""

import math
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import torch

from qebench.checkpoints import cards
from qebench.common import files, plugins, provenance
from qebench.common.metrics import IDENTICAL
from qebench.evaluation import batches, pace
from qebench.networks import loading, multi_exit, outputs, pixels, tiling
from qebench.networks.network import Network

SCORE = "iqam"  # a metric of every exit, without reference
CHANGE = "change"  # another, of networks of several exits: see `multi_exit.change`


def evaluate(
    method: str,
    weights: Path | None,
    originals: Path,
    decoded: list[Path],
    metrics: list[str],
    block_size: int,
    variant: str,
    device: str,
    precision: str = "float32",
) -> tuple[pd.DataFrame, list[dict], str]:
    """Return the rows (quality, image, exit, metric, value) of one method, where they come from, and the pace.

    `originals` and `decoded` are manifests, each beside its folder of images; those of `decoded` are named by their
    quality, and each gets a record of provenance. `block_size` and `variant` are those of the IQAM; `precision` is that
    of the network (`networks.precision`). The method `decoded` also gets the bits per pixel of the bitstreams.

    Raises ValueError if the method has random start values and was given no weights, returns what is no image, or if a
    metric is NaN or infinite: it names method, image and exit.
    """
    timer = pace.Pace(device)
    network = loading.load(method, weights, device, precision)
    modules = {metric: plugins.find("benchmarks/metrics", metric) for metric in metrics}
    size = batches.size(network, device)
    measure = partial(_measure, network, modules, (block_size, variant), device, timer)
    rows: list[tuple] = []
    records: list[dict] = []
    order: dict[tuple[int, str], int] = {}
    for manifest in decoded:
        quality = int(manifest.stem)
        bits = files.read_csv(manifest)
        read = batches.ahead(batches.read(originals, manifest, size))
        for batch in timer.each("waiting for images", read):
            try:
                for names, found in batches.measured(batch, measure, device):
                    for exit, metric, values in found:
                        rows += [
                            (quality, name, exit, metric, value) for name, value in zip(names, values, strict=True)
                        ]
            except outputs.WrongOutput as error:
                raise ValueError(f"{method}, image {batch[0][error.place]} at quality {quality}: {error}") from error
            except torch.OutOfMemoryError:
                raise ValueError(
                    f"{method} at quality {quality}: {provenance.device_name(device)} has too little memory left for "
                    f"{batch[0][0]} or its neighbours, even by tiles: end what else runs on it, or take --device cpu"
                ) from None
        order |= {(quality, name): len(order) + place for place, name in enumerate(bits["image"])}
        if method == "decoded":
            rows += [(quality, name, 1, "bpp", bpp) for name, bpp in zip(bits["image"], bits["bpp"], strict=True)]
        codec = {"version": bits["version"].iat[0], "settings": bits["settings"].iat[0]}
        listed = {"count": len(bits), "manifest_sha256": files.sha256(originals)}
        scored = {"block_size": block_size, "variant": variant}
        records.append({"quality": quality, "codec": codec, "images": listed, "iqam": scored})
    _check_finite(rows, method)
    rows.sort(key=lambda row: order[row[:2]])  # so that the rows of parts, joined, are those of the whole
    frame = pd.DataFrame(rows, columns=["quality", "image", "exit", "metric", "value"])
    count = sum(record["images"]["count"] for record in records)
    common = _origin(network, weights, metrics, device)
    return frame, [record | common for record in records], timer.text(count)


def _check_finite(rows: list[tuple], method: str) -> None:
    """Raise ValueError with the first row (quality, image, exit, metric, value) that no mean can be taken over."""
    for quality, name, exit, metric, value in rows:
        if not math.isfinite(value):
            raise ValueError(
                f"{method}, image {name} at quality {quality}: {metric} of exit {exit} is {value}, over which there is "
                f"no mean: a metric gives a finite number, as PSNR does by {IDENTICAL:.0f} dB for equal pictures"
            )


def _origin(network: Network, weights: Path | None, metrics: list[str], device: str) -> dict:
    file = {"file": weights.as_posix(), "sha256": files.sha256(weights)} if weights else None
    seen = cards.million_pixels(weights) if weights else None
    return {
        "method": network.name,
        "weights": file | {"million_pixels": seen} if file and seen else file,
        "device": provenance.device_name(device),
        "precision": network.precision,
        "metrics": {metric: provenance.code(f"benchmarks.metrics.{metric}") for metric in metrics},
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }


def _per_image(values: object, metric: str, count: int) -> torch.Tensor:
    """Return the values of a metric; raise ValueError unless they are one real number per image."""
    if not isinstance(values, torch.Tensor) or values.shape != (count,) or values.is_complex():
        found = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, torch.Tensor) else type(values).__name__
        raise ValueError(f"the metric {metric} returns {found} for {count} images: it should be float64 ({count},)")
    return values.double()


@torch.inference_mode()
def _measure(
    network: Network,
    metrics: dict[str, ModuleType],
    scoring: tuple[int, str],
    device: str,
    timer: pace.Pace,
    references: list[np.ndarray],
    images: list[np.ndarray],
    budget: float,
) -> list[tuple[int, str, list[float]]]:
    """Return exit, metric and the values of all images, for every exit and metric; `budget` as in `tiling`."""
    decoded = pixels.to_tensor(images, device)
    with timer.part("network"):
        exits = tiling.enhance(network, decoded, budget)
    originals = pixels.stack(references, device).double()
    found = {}
    with timer.part("metrics and scores"):
        for exit, enhanced in enumerate(exits, start=1):
            found[exit, SCORE] = multi_exit.score(enhanced, *scoring).double()
            if len(exits) > 1:
                found[exit, CHANGE] = multi_exit.change(enhanced, [decoded, *exits][exit - 1]).double()
            rounded, unrounded = pixels.to_bytes(enhanced).double(), pixels.to_levels(enhanced).double()
            for name, metric in metrics.items():
                value = metric.measure(originals, rounded if metric.ROUNDED else unrounded)
                found[exit, name] = _per_image(value, name, len(images))
        values = torch.stack([*found.values()]).tolist()  # the only time that a GPU's results are waited for
    return [(*key, value) for key, value in zip(found, values, strict=True)]
