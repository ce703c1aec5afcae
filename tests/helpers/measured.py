"""Measurements made by hand, and two small pictures that are prepared and compressed as in a run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from qebench.common import plugins
from qebench.evaluation import measurements

COLUMNS = measurements.COLUMNS


KEYS = ("dataset", "image", "compressor", "quality", "method", "exit", "metric", "value")


def rows(values: dict[tuple, float]) -> pd.DataFrame:
    """Return measurements, weights being native; keys are (image, compressor, quality, method, exit, metric)."""
    found = pd.DataFrame([("set", *key, value) for key, value in values.items()], columns=list(KEYS))
    return found.assign(trained_on=found["compressor"].where(found["method"] != "decoded", ""))[COLUMNS]


PSNRS = rows(
    {
        ("a", "jpeg", 10, "decoded", 1, "psnr"): 30.0,
        ("a", "jpeg", 20, "decoded", 1, "psnr"): 33.0,
        ("b", "jpeg", 10, "decoded", 1, "psnr"): 25.0,
        ("a", "jpeg", 10, "net", 1, "psnr"): 30.5,
        ("a", "jpeg", 10, "net", 2, "psnr"): 31.0,
        ("a", "jpeg", 20, "net", 1, "psnr"): 32.75,
        ("b", "jpeg", 10, "net", 1, "psnr"): 27.0,
        ("a", "jpeg", 10, "net", 1, "ssim"): 0.9,
    }
)


def compressed(folder: Path) -> Path:
    """Fill a folder with two small pictures, prepared and compressed by JPEG at QF 40 and 10, as in a run."""
    for seed, name in enumerate(("10", "02")):
        noise = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 64)), 1 + 2 * seed)
        pixels = 255 * (noise - noise.min()) / np.ptp(noise)
        (folder / "pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels.round().astype(np.uint8)).save(folder / f"pictures/{name}.png")
    run("step", "prepare", folder / "pictures", "-o", folder / "originals/tiny.csv", "--colour", "luma")
    for qf in (40, 10):
        decoded = folder / f"decoded/tiny/jpeg/{qf}.csv"
        run("step", "compress", "jpeg", folder / "originals/tiny.csv", "-q", qf, "-o", decoded, "--workers", 1)
    return folder


def run(*arguments: object) -> None:
    command = [sys.executable, "-m", "qebench", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, cwd=plugins.ROOT)
