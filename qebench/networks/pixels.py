"""Pixels to tensors and back: 8-bit pictures, network values in [0, 1], rounding, and padding."""

import numpy as np
import torch
from torch import Tensor

ROWS = 1024  # converted at a time, as temporary floats of a large picture take gigabytes


def to_tensor(images: list[np.ndarray], device: str | torch.device) -> Tensor:
    """Return images (H, W) or (H, W, 3) of one size, in [0, 255], as float32 (N, C, H, W) in [0, 1]."""
    return stack(images, device).float().div_(255)


def stack(images: list[np.ndarray], device: str | torch.device) -> Tensor:
    """Return images (H, W) or (H, W, 3) of one size as (N, C, H, W) of the same type."""
    batch = torch.from_numpy(np.stack([np.atleast_3d(image) for image in images])).to(device)
    return batch.permute(0, 3, 1, 2)


def to_unit(x: Tensor) -> Tensor:
    """Return uint8 values as float32 in [0, 1], float ones as they are."""
    return x if x.is_floating_point() else x.float().div_(255)


def to_images(batch: Tensor) -> list[np.ndarray]:
    """Return (N, C, H, W), of values as in `to_bytes`, as uint8 images (H, W) or (H, W, 3)."""
    pixels = to_bytes(batch).permute(0, 2, 3, 1).cpu().numpy()
    return list(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def to_levels(batch: Tensor) -> Tensor:
    """Return float values in [0, 1] as float32 in [0, 255], clipped, not rounded."""
    return (batch.float() * 255).clamp(0, 255)


def to_bytes(batch: Tensor) -> Tensor:
    """Return float values in [0, 1] as uint8, clipped and rounded to nearest, not truncated; uint8 ones as they are."""
    if batch.dtype == torch.uint8:
        return batch
    result = torch.empty_like(batch, dtype=torch.uint8)
    for top in range(0, batch.shape[-2], ROWS):
        rows = (..., slice(top, top + ROWS), slice(None))
        result[rows] = to_levels(batch[rows]).round_()
    return result


def pad(x: Tensor, multiple: int) -> Tensor:
    """Return images (N, C, H, W) mirrored at the bottom and right up to multiples of `multiple`, of any size."""
    for dimension in (2, 3):
        size = x.shape[dimension]
        target = size + -size % multiple
        if target > size:
            places = torch.arange(target, device=x.device) % max(2 * size - 2, 1)
            x = x.index_select(dimension, torch.minimum(places, (2 * size - 2 - places).clamp(min=0)))
    return x
