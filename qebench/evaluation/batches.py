"""Batches of images of one size: as many as a GPU's memory holds, halved where that was too many; one on a CPU.

On a CPU larger batches only spill caches. On a GPU the network's measured bytes per pixel decide (`footprint`).
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch

from qebench.common import devices
from qebench.datasets import manifests, originals
from qebench.networks import footprint, outputs, tiling
from qebench.networks.network import Network

Batch = tuple[list[str], list[np.ndarray], list[np.ndarray]]  # names, originals, decoded images
Found = list[tuple[int, str, list[float]]]  # exit, metric, the values of all images
Measure = Callable[[list[np.ndarray], list[np.ndarray], float], Found]  # the last: see `tiling.enhance`

CPU_BATCH = 1  # images
MOST = 8  # images: beyond that a GPU gains little, and the CPU holds two such batches
SHARE = 0.7  # of the memory that is free: the rest is for pieces between tensors
METRICS = 192  # bytes per value of an image that metrics and scores take in float64, beside the network or after it


def size(network: Network, device: str) -> Callable[[np.ndarray], int]:
    """Return how many images like a given one a device takes at a time, as a function of the image."""
    if device == "cpu":
        return lambda image: CPU_BATCH
    per_pixel = footprint.bytes_per_pixel(network, device)
    free = SHARE * devices.free_bytes(device)

    def count(image: np.ndarray) -> int:
        taken = image.size if network.channels != 3 else image.size // 3  # R, G and B apart, or together
        return max(1, min(MOST, int(free / (taken * per_pixel + image.size * METRICS))))

    return count


def measured(batch: Batch, measure: Measure, device: str) -> Iterator[tuple[list[str], Found]]:
    """Yield names and what was measured of them: of all of a batch, or by halves where a GPU has too little memory.

    If an image is too large alone, it and those after it go by tiles.

    Raises what `measure` does, torch.OutOfMemoryError included if even tiles are too large; the `place` of an
    outputs.WrongOutput is that in the batch.
    """
    waiting, budget, tiled = [range(len(batch[0]))], tiling.MEASURED, False
    while waiting:
        places = waiting.pop(0)
        names = [batch[0][place] for place in places]
        references, images = ([part[place] for place in places] for part in batch[1:])
        try:
            found = measure(references, images, budget)
        except outputs.WrongOutput as error:
            error.place = places[error.place]
            raise
        except torch.OutOfMemoryError:
            if len(places) == 1 and tiled:
                raise
            found = None  # and the tensors go with the frames of the error
        if found is not None:
            yield names, found
            continue
        devices.release(device)
        if len(places) > 1:
            waiting[:0] = [places[: len(places) // 2], places[len(places) // 2 :]]
        else:
            print(f"from {names[0]} on by tiles: {device} has too little memory for it in one piece", file=sys.stderr)
            waiting, tiled = [places, *waiting], True
            budget = min(tiling.BUDGET, SHARE * devices.free_bytes(device))


def read(manifest: Path, decoded: Path, size: Callable[[np.ndarray], int]) -> Iterator[Batch]:
    """Yield batches of neighbours of one shape, as many as `size` says of the first.

    Raises ValueError if the manifests list other images.
    """
    listed, wanted = ([row["image"] for row in manifests.rows(path)] for path in (decoded, manifest))
    if listed != wanted:
        raise ValueError(f"{decoded} does not list the images of {manifest}: delete it and run again")
    pairs = zip(*(originals.load(path.with_suffix(""), path) for path in (manifest, decoded)), strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0][1].shape):
        for first in group:
            batch = [first, *islice(group, size(first[1][1]) - 1)]  # noqa: B031  # the rest of them, once each
            names = [name for (name, _), _ in batch]
            yield names, [original for (_, original), _ in batch], [image for _, (_, image) in batch]


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches, the next being read while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        upcoming = reader.submit(next, batches, None)
        while (batch := upcoming.result()) is not None:
            upcoming = reader.submit(next, batches, None)
            yield batch
