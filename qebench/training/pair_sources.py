"""What training pairs are made of: pictures of folders, compressed once per quality."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qebench.common import files, plugins
from qebench.training import pairs, varying

QUALITIES = {"qp": [22, 27, 32, 37, 42], "qf": [50, 40, 30, 20, 10]}  # the paper's, from best to worst
PACK = ".zip"  # what `packs` writes ends so
# Originals, uint8 (H, W) or (H, W, 3), each with a bitstream per quality.
Compressed = list[tuple[np.ndarray, list[bytes]]]


@dataclass(frozen=True)
class Recipe:
    """What pairs are made of: every image of `folders` at `qualities`, from best to worst, in "luma" or "rgb".

    Images are first scaled down by `scale`, as `datasets.Protocol` does. When `varied`, every image is there once more,
    as `varying` makes it.
    """

    folders: list[Path]
    compressor: str
    qualities: list[int]
    colour: str
    varied: bool = False
    scale: int = 1

    @property
    def name(self) -> str:
        return " + ".join(folder.name for folder in self.folders)


def compress(recipe: Recipe, workers: int) -> tuple[Compressed, dict[str, str]]:
    """Return the originals and bitstreams of a recipe, and the description that goes with them into every file."""
    from tqdm import tqdm

    from qebench.common import images
    from qebench.datasets import originals

    compressor = plugins.find("compressors", recipe.compressor)
    sources = [source for folder in recipe.folders for source in originals.sources(folder)]
    protocol = originals.Protocol(recipe.colour, scale=recipe.scale)

    def one(source: Path, noise: np.random.Generator | None) -> tuple[np.ndarray, list[bytes]]:
        original = originals.prepare(images.read(source), protocol)
        if noise is not None:
            original = varying.vary(original, noise)
        return original, [compressor.encode(original, quality) for quality in recipe.qualities]

    jobs: list[tuple] = [(source, None) for source in sources]
    if recipe.varied:
        jobs += [(source, np.random.default_rng(number)) for number, source in enumerate(sources)]
    with ThreadPoolExecutor(workers) as pool:
        made = pool.map(lambda job: one(*job), jobs)
        pictures = list(tqdm(made, f"{recipe.compressor} pairs", len(jobs), disable=None))
    description = {
        "folder": recipe.name,
        "images": str(len(sources)),
        "version": compressor.version(),
        "settings": compressor.describe(pictures[0][0]),
    }
    return pictures, description | choices(recipe)


def choices(recipe: Recipe) -> dict[str, str]:
    """Return what a recipe chooses besides the pictures, as descriptions have it."""
    return {
        "varied": str(recipe.varied),
        "compressor": recipe.compressor,
        "qualities": json.dumps(recipe.qualities),
        "colour": recipe.colour,
        "scale": str(recipe.scale),
    }


def decode(pictures: Compressed, recipe: Recipe, workers: int) -> Tensor:
    """Return the originals and what their bitstreams decode to as the `pixels` of a file of pairs (`crops`)."""
    compressor = plugins.find("compressors", recipe.compressor)
    places = np.cumsum([0, *(original.shape[0] * original.shape[1] for original, _ in pictures)])
    channels = {"luma": 1, "rgb": 3}[recipe.colour]
    pixels = np.empty((1 + len(recipe.qualities), channels, places[-1]), np.uint8)

    def fill(number: int) -> None:
        original, bitstreams = pictures[number]
        for layer, image in enumerate([original, *map(compressor.decode, bitstreams)]):
            pixels[layer, :, places[number] : places[number + 1]] = image.reshape(-1, channels).T

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(len(pictures))))
    return torch.from_numpy(pixels)


def write(path: Path, pixels: Tensor, pictures: Compressed, description: dict[str, str]) -> None:
    """Write a file of pairs, whole or not at all."""
    from safetensors.torch import save_file

    sizes = torch.tensor([original.shape[:2] for original, _ in pictures])
    with files.replacing(path) as temporary:
        metadata = description | {pairs.CHECKSUM: pairs.sha256(pixels, sizes)}
        save_file({"pixels": pixels, "sizes": sizes}, temporary, metadata=metadata)
