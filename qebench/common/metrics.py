"""What callers of metrics (`benchmarks/metrics/`) share: the PSNR of equal pictures, and arrays in place of batches."""

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

IDENTICAL = 100.0  # PSNR in dB of equal pictures instead of infinity, so that gains and means stay finite


def of_pictures(metric: ModuleType, original: np.ndarray, enhanced: np.ndarray) -> float:
    """Return the metric of two arrays (H, W) or (H, W, 3) in [0, 255] of any type."""
    import torch

    pair = [torch.from_numpy(np.atleast_3d(image).astype(np.float64)) for image in (original, enhanced)]
    return float(metric.measure(*(image.permute(2, 0, 1)[None] for image in pair)))


def check_size(images: "Tensor", side: int, name: str) -> None:
    """Raise ValueError if a batch (N, C, H, W) has fewer pixels a side than a metric needs."""
    if min(images.shape[2:]) < side:
        found = tuple(images.shape[2:])
        raise ValueError(f"{name} needs {side}x{side} pixels, and images have {found}: leave them or it out")
