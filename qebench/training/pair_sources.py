"""What training pairs are made of: pictures of folders, compressed once per quality."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from qebench.coding.coded import Coding
from qebench.common import files, plugins
from qebench.datasets import originals
from qebench.training import pairs, varying

QUALITIES = {"qp": [22, 27, 32, 37, 42], "qf": [50, 40, 30, 20, 10]}  # the paper's, from best to worst
PACK = ".zip"  # what `packs` writes ends so
# Originals, uint8 (H, W) or (H, W, 3), each with a bitstream per quality.
Compressed = list[tuple[np.ndarray, list[bytes]]]


@dataclass(frozen=True)
class Recipe:
    """What pairs are made of: every image of `folders` at `qualities`, from best to worst, in "luma" or "rgb".

    Images are first scaled down by `scale`, as `datasets.Protocol` does. When `varied`, every image is there once more,
    as `varying` makes it. With `coded` "colour" luma is that of what was coded in colour, as `coding.Coding` has it.
    """

    folders: list[Path]
    compressor: str
    qualities: list[int]
    colour: str
    varied: bool = False
    scale: int = 1
    coded: str = "luma"

    @property
    def coding(self) -> Coding:
        return Coding(originals.Protocol(self.colour, scale=self.scale), self.coded)

    @property
    def name(self) -> str:
        return " + ".join(folder.name for folder in self.folders)


def compress(recipe: Recipe, workers: int) -> tuple[Compressed, dict[str, str]]:
    """Return the originals and bitstreams of a recipe, and the description that goes with them into every file."""
    from tqdm import tqdm

    from qebench.common import images

    compressor = plugins.find("compressors", recipe.compressor)
    sources = [source for folder in recipe.folders for source in originals.sources(folder)]

    def one(source: Path, noise: np.random.Generator | None) -> tuple[np.ndarray, list[bytes]]:
        picture = recipe.coding.given(images.read(source))
        if noise is not None:
            picture = varying.vary(picture, noise)
        bitstreams = [compressor.encode(picture, quality) for quality in recipe.qualities]
        return recipe.coding.measured(picture), bitstreams

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
        "settings": _settings(recipe, compressor, sources[0]),
    }
    return pictures, description | choices(recipe)


def _settings(recipe: Recipe, compressor: ModuleType, source: Path) -> str:
    from qebench.common import images

    given = recipe.coding.given(images.read(source))
    return compressor.describe(given) + recipe.coding.describe(given)


def choices(recipe: Recipe) -> dict[str, str]:
    """Return what a recipe chooses besides the pictures, as descriptions have it."""
    chosen = {
        "varied": str(recipe.varied),
        "compressor": recipe.compressor,
        "qualities": json.dumps(recipe.qualities),
        "colour": recipe.colour,
        "scale": str(recipe.scale),
    }
    return chosen if recipe.coded == "luma" else chosen | {"coded": recipe.coded}


def decode(pictures: Compressed, recipe: Recipe, workers: int) -> Tensor:
    """Return the originals and what their bitstreams decode to as the `pixels` of a file of pairs (`crops`)."""
    compressor = plugins.find("compressors", recipe.compressor)
    places = np.cumsum([0, *(original.shape[0] * original.shape[1] for original, _ in pictures)])
    channels = {"luma": 1, "rgb": 3}[recipe.colour]
    pixels = np.empty((1 + len(recipe.qualities), channels, places[-1]), np.uint8)

    def fill(number: int) -> None:
        original, bitstreams = pictures[number]
        decoded = [recipe.coding.measured(compressor.decode(bitstream)) for bitstream in bitstreams]
        for layer, image in enumerate([original, *decoded]):
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
