"""Pictures and pairs for the tests of training: small, and different in every 8x8 block."""

import struct
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from torch import Tensor, nn

from qebench.common import images
from qebench.training import pair_files, pair_sources, pairs

QUALITIES = [50, 30, 10]
SIZES = [(72, 80), (80, 72), (40, 104)]


def photographs(folder: Path, colour: bool = False) -> Path:
    """Fill a folder with pictures in which every 8x8 block is another one."""
    random = np.random.default_rng(0)
    for number, (height, width) in enumerate(SIZES):
        coarse = random.uniform(0, 255, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
        noise = random.normal(0, 10, (height, width, 3))
        picture = (coarse[:height, :width] + noise).round().clip(0, 255).astype(np.uint8)
        images.write(folder / f"{number}.png", picture if colour else picture[..., 0])
    return folder


def recipe(
    folder: Path, qualities: list[int] = QUALITIES, colour: str = "luma", **choices: object
) -> pair_sources.Recipe:
    return pair_sources.Recipe([folder], "jpeg", qualities, colour, **choices)


def built(wanted: pair_sources.Recipe, path: Path) -> pairs.Pairs:
    """Return the pairs of a recipe, built at a path."""
    pair_files.build(wanted, 2, path)
    return pairs.read(path)


class Small(nn.Module):
    """Two convolutions, added to the decoded image: enough to learn something in a second."""

    channels = 1

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def small() -> nn.Module:
    """Return a network that starts the same each time."""
    torch.manual_seed(0)
    return Small()


def photograph(name: str) -> np.ndarray:
    """Return a picture of scikit-image's wheel, uint8 (H, W) or (H, W, 3), as it is stored."""
    return np.asarray(Image.open(Path(skimage.__file__).parent / "data" / f"{name}.png"))


def cmyk_profile() -> bytes:
    """Return an ICC profile (version 2, ICC.1:2001-04) of inks that each turn white paper black.

    Its L* is 100 (1 - C) (1 - M) (1 - Y) (1 - K): a table of two points per ink, interpolated linearly.
    """
    identity = bytes(range(256))
    corners = b"\xff\x80\x80" + b"\x00\x80\x80" * 15  # L*, a*, b*: white without ink, else black
    matrix = struct.pack(">9i", *(65536 * (place % 4 == 0) for place in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + identity * 4 + corners + identity * 3
    tags = {b"A2B0": table, b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)}
    offset, index, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        index += name + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)  # D50
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body
