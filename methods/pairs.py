"""Training pairs: the original images of a folder and their decoded versions at every quality, in one mapped file.

The file is a safetensors file with `pixels`, uint8 (1 + Q, C, P): the originals and then each quality, all images one
after the other, each image row by row; and `sizes`, int64 (N, 2): height and width of each image. Its metadata says
what was compressed, with which codec. It is read through the page cache, so training needs no memory for it.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import files, plugins

QUALITIES = {"qp": [22, 27, 32, 37, 42], "qf": [50, 40, 30, 20, 10]}  # the paper's, from best to worst
SOFTNESS = 1.5  # most blur of varied copies, and of the grain on them: standard deviation, pixels
GRAIN = 6.0  # most noise on varied copies: standard deviation, of 255
ALIGNMENT = 8  # crops start on the codecs' block grid, as the images themselves do


@dataclass
class Pairs:
    """Originals and decoded images; `pixels` and `sizes` as in the file, `qualities` from best to worst."""

    pixels: Tensor
    sizes: Tensor
    qualities: list[int]
    description: dict[str, str]

    def __post_init__(self) -> None:
        areas = self.sizes.prod(dim=1)
        self.offsets = areas.cumsum(0) - areas
        self.shares = areas.double()

    def to(self, device: str) -> "Pairs":
        """Return the pairs with their pixels on `device`."""
        return Pairs(self.pixels.to(device), self.sizes, self.qualities, self.description)

    def image(self, number: int, layer: int) -> Tensor:
        """Return image `number` as float (1, C, H, W) in [0, 1]: the original (layer 0) or quality `layer` - 1."""
        height, width = self.sizes[number].tolist()
        start = int(self.offsets[number])
        pixels = self.pixels[layer, :, start : start + height * width]
        return pixels.reshape(1, -1, height, width).float() / 255

    def batch(self, count: int, patch: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return `count` random crops as (original, decoded, quality index), a function of `seed` alone.

        Original and decoded are float (count, C, patch, patch) in [0, 1], flipped and transposed at random; the quality
        indices (count,) count `qualities` from 0. Images are drawn by area.

        Raises ValueError if an image is smaller than a crop.
        """
        if patch > (smallest := int(self.sizes.min())):
            folder = self.description.get("folder")
            raise ValueError(
                f"{folder} has a picture of {smallest} pixels in height or width: crops of {patch} need more"
            )
        generator = torch.Generator().manual_seed(seed)
        image = torch.multinomial(self.shares, count, replacement=True, generator=generator)
        room = (self.sizes[image] - patch) // ALIGNMENT + 1
        corner = (torch.rand(count, 2, generator=generator) * room).long() * ALIGNMENT
        quality = torch.randint(len(self.qualities), (count,), generator=generator)
        flip = torch.rand(count, 3, generator=generator) < 0.5

        device = self.pixels.device
        offset, width = self.offsets[image], self.sizes[image, 1]
        offset, width, corner, quality, flip = (tensor.to(device) for tensor in (offset, width, corner, quality, flip))
        steps = torch.arange(patch, device=device)
        rows, columns = (
            corner[:, axis, None] + torch.where(flip[:, axis, None], steps.flip(0), steps) for axis in (0, 1)
        )
        places = (offset[:, None] + rows * width[:, None])[:, :, None] + columns[:, None, :]
        places = torch.where(flip[:, 2, None, None], places.transpose(1, 2), places)
        original = self.pixels[0][:, places].transpose(0, 1)
        decoded = self.pixels[1 + quality[:, None, None], :, places].permute(0, 3, 1, 2)
        return original.float() / 255, decoded.float() / 255, quality


@dataclass(frozen=True)
class Recipe:
    """What pairs are made of: every image of `folders` at `qualities`, from best to worst, in "luma" or "rgb".

    When `varied`, every image is there once more: a third softened, a third with grain, a third with both. Sharp, clean
    pictures alone teach a network to sharpen what is soft (the last exit of RBQE lost 0.45 dB at QP 22 on upscaled
    pictures) and to wipe grain off.
    """

    folders: list[Path]
    compressor: str
    qualities: list[int]
    colour: str
    varied: bool = False

    @property
    def name(self) -> str:
        return " + ".join(folder.name for folder in self.folders)


def build(recipe: Recipe, workers: int, path: Path) -> None:
    """Compress the images of a recipe and write the pairs to `path`; errors name the image that caused them."""
    from safetensors.torch import save_file
    from tqdm import tqdm

    from benchmarks import datasets, images

    compressor = plugins.find("compressors", recipe.compressor)
    sources = [source for folder in recipe.folders for source in datasets.sources(folder)]
    protocol = datasets.Protocol(recipe.colour)

    def layers(source: Path, noise: np.random.Generator | None) -> np.ndarray:
        original = datasets.prepare(images.read(source), protocol)
        if noise is not None:
            original = vary(original, noise)
        decoded = [compressor.decode(compressor.encode(original, quality)) for quality in recipe.qualities]
        return np.stack([original, *decoded])

    jobs: list[tuple] = [(source, None) for source in sources]
    if recipe.varied:
        jobs += [(source, np.random.default_rng(number)) for number, source in enumerate(sources)]
    with ThreadPoolExecutor(workers) as pool:
        made = pool.map(lambda job: layers(*job), jobs)
        stacks = list(tqdm(made, f"{recipe.compressor} pairs", len(jobs), disable=None))
    description = {
        "folder": recipe.name,
        "images": str(len(sources)),
        "varied": str(recipe.varied),
        "compressor": recipe.compressor,
        "version": compressor.version(),
        "settings": compressor.describe(stacks[0][0]),
        "qualities": json.dumps(recipe.qualities),
        "colour": recipe.colour,
    }
    tensors = {
        "pixels": torch.from_numpy(np.concatenate([flat(stack) for stack in stacks], axis=2)).contiguous(),
        "sizes": torch.tensor([stack.shape[1:3] for stack in stacks]),
    }
    with files.replacing(path) as temporary:
        save_file(tensors, temporary, metadata=description)


def cached(recipe: Recipe, workers: int, cache: Path) -> Pairs:
    """Return the pairs of a recipe from `cache`, building them there first if a picture or the codec is new."""
    from benchmarks import datasets

    module = plugins.find("compressors", recipe.compressor)
    contents = [[path.name, files.sha256(path)] for folder in recipe.folders for path in datasets.sources(folder)]
    identity = json.dumps([contents, module.version(), *astuple(recipe)[1:]])
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    path = cache / f"{recipe.name.replace(' + ', '-')}-{recipe.compressor}-{digest}.safetensors"
    if not path.exists():
        build(recipe, workers, path)
    return read(path)


def vary(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a uint8 image softened as by scaling or a lens, with grain, or both.

    Grain is white or blurred, as demosaicing, scaling and film leave it.
    """
    from scipy.ndimage import gaussian_filter

    kind = random.integers(3)
    blur, grain_blur, strength = random.uniform(0, (SOFTNESS, SOFTNESS, GRAIN))
    values = image.astype(np.float64)
    if kind != 1:
        values = gaussian_filter(values, blur, axes=(0, 1))
    if kind != 0:
        grain = gaussian_filter(random.standard_normal(image.shape), grain_blur, axes=(0, 1))
        values += strength / grain.std() * grain
    return values.round().clip(0, 255).astype(np.uint8)


def flat(image: np.ndarray) -> np.ndarray:
    """Return layers (1 + Q, H, W) or (1 + Q, H, W, C) as (1 + Q, C, H * W)."""
    layers = image.reshape(*image.shape[:3], -1)
    return layers.transpose(0, 3, 1, 2).reshape(layers.shape[0], layers.shape[3], -1)


def read(path: Path) -> Pairs:
    """Open a file of pairs without reading its pixels."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        return Pairs(file.get_tensor("pixels"), file.get_tensor("sizes"), json.loads(metadata["qualities"]), metadata)
