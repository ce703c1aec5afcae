"""A run that takes little: two small pictures, a method of one layer, and the config of both."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from helpers import trees, workflows

CONFIG = """\
dataset: mine
folders: {mine: pictures}
compressors:
  jpeg: {qualities: [50, 10], threshold: 0.91} # so that some images leave early and some do not
  hevc: {qualities: [37], threshold: [0.70]} # of the one exit that is not the last
methods: {tiny: {}}
only: [tiny]
tables: [table1, table2]
figures: [gain_over_cost]
"""
TINY = '''\
"""Tiny: a share of a 3x3 mean, without weights."""

from torch import nn

from qebench.checkpoints import reading

SHARE = 0.2


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.channels = 1
        self.mean = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        nn.init.constant_(self.mean.weight, 1 / 9)

    def forward(self, x):
        return (1 - SHARE) * x + SHARE * self.mean(x)


def load(weights, device):
    return reading.restore(Tiny(), weights, device)
'''


def tree(folder: Path) -> Path:
    """Fill a folder with a copy of the tree with all that the run needs."""
    trees.copy(folder)
    (folder / "methods/tiny.py").write_text(TINY)
    (folder / "mine.yaml").write_text(CONFIG)
    write_picture(folder / "pictures/hill.png", 64, 64, seed=0)
    write_picture(folder / "pictures/lake.png", 48, 72, seed=1)
    return folder


def copy(tree: Path, folder: Path) -> Path:
    return shutil.copytree(tree, folder / "tree")


def write_picture(path: Path, height: int, width: int, seed: int) -> None:
    """Write smooth noise that fills 0..255, as 8-bit gray."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * (noise - noise.min()) / np.ptp(noise)).round().astype(np.uint8)).save(path)


def command(*arguments: str) -> list[str]:
    """Return the plain command on two cores, with the config file of the run."""
    return [workflows.COMMAND, *_words(arguments)]


def snakemake(tree: Path, *arguments: str, seconds: int = 300) -> subprocess.CompletedProcess:
    """Run Snakemake in a tree as users do; what it prints is in `stdout`."""
    return workflows.run(tree, *_words(arguments), seconds=seconds)


def forked(tree: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Return what `snakemake` does, by a fork."""
    return workflows.fork(tree, *_words(arguments))


def _words(arguments: tuple[str, ...]) -> list[str]:
    return ["--cores", "2", *arguments, "--configfile", "mine.yaml"]
