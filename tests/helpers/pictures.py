"""Pictures and pairs for the tests of training: small, and different in every 8x8 block."""

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
