"""Enhance the decoded images of one compressor and quality by one method, and measure every exit.

Networks run in batches of images of one size; a batch is one image on a CPU, where larger ones only spill caches.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks import datasets, files, plugins, provenance
from methods import early_exit, inference, network

GPU_BATCH = 8
SCORE = "iqam"  # a metric of every exit, without reference


def evaluate(
    method: str,
    weights: Path | None,
    originals: Path,
    decoded: Path,
    metrics: list[str],
    block_size: int,
    variant: str,
    device: str,
) -> tuple[pd.DataFrame, dict]:
    """Return the rows (image, exit, metric, value) of one method, and where they come from.

    `originals` and `decoded` are manifests, each beside its folder of images; `block_size` and `variant` are those of
    the IQAM. The method `decoded` also gets the bits per pixel of the bitstreams.

    Raises ValueError if the method has random start values and was given no weights.
    """
    model = plugins.find("methods", method).load(weights, device)
    if weights is None:
        _check_fixed(method, model)
    model = inference.prepare(model)
    bits = pd.read_csv(decoded, dtype={"image": str})  # a picture may be named by a number
    scoring = (block_size, variant)
    batches = _batches(originals, decoded, GPU_BATCH if device.startswith("cuda") else 1)
    rows = [
        (name, exit, metric, value)
        for names, references, images in batches
        for exit, metric, name, value in _measure(model, names, references, images, metrics, scoring, device)
    ]
    if method == "decoded":
        rows += [(name, 1, "bpp", bpp) for name, bpp in zip(bits["image"], bits["bpp"], strict=True)]
    record = {
        "method": method,
        "weights": {"file": weights.name, "sha256": files.sha256(weights)} if weights else None,
        "codec": {"version": bits["version"].iat[0], "settings": bits["settings"].iat[0]},
        "images": {"count": len(bits), "manifest_sha256": files.sha256(originals)},
        "device": provenance.device_name(device),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }
    return pd.DataFrame(rows, columns=["image", "exit", "metric", "value"]), record


def _check_fixed(method: str, model: nn.Module) -> None:
    again = plugins.find("methods", method).load(None, "cpu").state_dict()
    for name, tensor in model.state_dict().items():
        if not torch.equal(tensor.cpu(), again[name]):
            raise ValueError(
                f"{method} was given no weights, and its start values are random: name a file under methods in the "
                "config; methods/weights/README.md says where to get one and how to train it"
            )


def _batches(
    originals: Path, decoded: Path, size: int
) -> Iterator[tuple[list[str], list[np.ndarray], list[np.ndarray]]]:
    """Yield (names, originals, decoded images) of up to `size` neighbours of one shape."""
    pairs = zip(*(datasets.load(path.with_suffix(""), path) for path in (originals, decoded)), strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0][1].shape):
        members = list(group)
        for first in range(0, len(members), size):
            batch = members[first : first + size]
            names, references = zip(*(original for original, _ in batch), strict=True)
            yield names, references, [image for _, (_, image) in batch]


def _measure(
    model: nn.Module,
    names: list[str],
    references: list[np.ndarray],
    images: list[np.ndarray],
    metrics: list[str],
    scoring: tuple[int, str],
    device: str,
) -> Iterator[tuple[int, str, str, float]]:
    modules = {metric: plugins.find("benchmarks/metrics", metric) for metric in metrics}
    for exit, enhanced in enumerate(network.enhance(model, network.to_tensor(images, device)), start=1):
        for name, score in zip(names, early_exit.score(enhanced, *scoring).tolist(), strict=True):
            yield exit, SCORE, name, score
        rounded = network.to_images(enhanced)
        unrounded = network.to_arrays(enhanced)
        for metric, module in modules.items():
            pictures = rounded if module.ROUNDED else unrounded
            for name, reference, picture in zip(names, references, pictures, strict=True):
                yield exit, metric, name, module.measure(reference.astype(np.float64), picture.astype(np.float64))
