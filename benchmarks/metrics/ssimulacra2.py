"""SSIMULACRA2 of the 8-bit picture (Sneyers, Cloudinary, 2023): how good a compressed picture looks, 100 at best.

By the package ssimulacra2, which has its weights inside: a port to Python of the program in libjxl. That program's own
words for its scores: 90 very high quality, 70 high, 50 medium, 30 low; very bad pictures are below zero. Gray pictures
are taken for RGB of three equal channels.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

UNIT = ""
HIGHER_IS_BETTER = True
ROUNDED = True
VIEWS = "seen"
NEEDS = "ssimulacra2"


def measure(originals: Tensor, enhanced: Tensor) -> Tensor:
    """Return the scores, 100 at best.

    Raises RuntimeError if the package is missing.
    """
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ModuleNotFoundError:
        raise RuntimeError("ssimulacra2 is not installed: pip install ssimulacra2") from None
    pairs = zip(originals, enhanced, strict=True)
    values = [compute_ssimulacra2(*(_file(image) for image in pair)) for pair in pairs]
    return torch.tensor(values, dtype=originals.dtype, device=originals.device)


def _file(image: Tensor) -> io.BytesIO:
    """Return a PNG file of an image (C, H, W), as the package reads nothing else."""
    samples = image.round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(np.broadcast_to(samples, (*samples.shape[:2], 3))).save(file, "PNG", compress_level=0)
    file.seek(0)
    return file
