"""Pairs of original and decoded images in one mapped file, and random crops of them.

The file is a safetensors file with `pixels`, uint8 (1 + Q, C, P): the originals and then each quality, all images one
after the other, each image row by row; and `sizes`, int64 (N, 2): height and width of each image. Its metadata says
what was compressed, with which codec, and has a checksum of both. It is read through the page cache, so training needs
no memory for it, and a batch is one gather: no worker processes, and nothing to resume but a number.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

CHECKSUM = "sha256"  # of the tensors, in the file's metadata
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

    def batch(self, count: int, patch: int, seed: int, part: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
        """Return `count` random crops as (original, decoded, quality index), a function of `seed` alone.

        Original and decoded are float (count, C, patch, patch) in [0, 1], flipped and transposed at random; the quality
        indices (count,) count `qualities` from 0. Images are drawn by area. Of a batch that several processes share,
        `part` says which crops to make here.

        Raises ValueError if an image is smaller than a crop.
        """
        if patch > (smallest := int(self.sizes.min())):
            folder = self.description.get("folder")
            raise ValueError(
                f"{folder} has a picture of {smallest} pixels in height or width: crops of {patch} need more"
            )
        generator = torch.Generator().manual_seed(seed)
        image = torch.multinomial(self.shares, count, replacement=True, generator=generator)[part]
        places, qualities, flips = (torch.rand(count, number, generator=generator)[part] for number in (2, 1, 3))
        room = (self.sizes[image] - patch) // ALIGNMENT + 1
        corner = (places * room).long() * ALIGNMENT
        quality = (qualities[:, 0] * len(self.qualities)).long()
        flip = flips < 0.5

        device = self.pixels.device
        offset, width = self.offsets[image], self.sizes[image, 1]
        offset, width, corner, quality, flip = (tensor.to(device) for tensor in (offset, width, corner, quality, flip))
        steps = torch.arange(patch, device=device)
        rows, columns = (
            corner[:, axis, None] + torch.where(flip[:, axis, None], steps.flip(0), steps) for axis in (0, 1)
        )
        spots = (offset[:, None] + rows * width[:, None])[:, :, None] + columns[:, None, :]
        spots = torch.where(flip[:, 2, None, None], spots.transpose(1, 2), spots)
        original = self.pixels[0][:, spots].transpose(0, 1)
        decoded = self.pixels[1 + quality[:, None, None], :, spots].permute(0, 3, 1, 2)
        return original.float() / 255, decoded.float() / 255, quality


def read(path: Path) -> Pairs:
    """Open a file of pairs; raise ValueError if its pixels are not those that were written, or it is something else."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            description, pixels, sizes = file.metadata(), file.get_tensor("pixels"), file.get_tensor("sizes")
        whole = description.pop(CHECKSUM) == sha256(pixels, sizes)
        pairs = Pairs(pixels, sizes, json.loads(description["qualities"]), description)
    except OSError:
        raise
    except Exception as error:  # safetensors has errors of its own
        raise ValueError(f"{path} holds no pairs to train on: delete it and run again") from error
    if not whole:
        raise ValueError(f"{path} is damaged: delete it and run again")
    return pairs


def sha256(*tensors: Tensor) -> str:
    """Return the hexadecimal SHA-256 of the bytes of tensors, one after the other."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().data)
    return digest.hexdigest()
