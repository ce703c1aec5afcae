"""What blocks are judged by in the IQAM score, in tensors on any device: both variants (see `iqam`)."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from qebench.iqa.definition import BLOCKY_CAP, STABLE, grid, line_matrices


def measure(values: Tensor, block_size: int, variant: str, nan: bool) -> Tensor:
    """Return what blocks are judged by, (3, N, rows * columns), for float images (N, H, W) in [0, 255].

    First the energy of a block's normalised moments beside its mean, then its score if it is smooth, and if textured.
    """
    if variant == "matlab":
        values = values.round().clamp(0, 255)
    blocks = _blocks(values, block_size, block_size // 2 - (variant == "powerqe"))
    transform, blur = _matrices(block_size, variant, values.dtype, values.device)
    moments, black = _moments(blocks, transform)
    blurred, _ = _moments(blur @ blocks, transform)

    power = moments.square()
    texture = power.sum(dim=1) - power[:, 0]
    likeness = (moments * blurred).mul_(2).add_(STABLE).div_(power.add_(blurred.square_()).add_(STABLE)).mean(dim=1)
    return torch.stack([texture, _smooth_scores(moments, black, variant, nan), 1 - likeness])


def _blocks(images: Tensor, size: int, offset: int) -> Tensor:
    """Return the blocks (N, size * size, rows * columns) of images (N, H, W), pixels in row-major order."""
    rows, columns = grid(images.shape[1:], size)
    inner = images[:, offset : offset + rows * size, offset : offset + columns * size]
    blocks = inner.reshape(len(images), rows, size, columns, size).permute(0, 2, 4, 1, 3)
    return blocks.reshape(len(images), size * size, rows * columns)


def _moments(blocks: Tensor, transform: Tensor) -> tuple[Tensor, Tensor]:
    """Return the moments of energy-normalised, centred blocks, shaped like `blocks`, and which blocks are black.

    Centring comes before the transform (the order does not matter in exact arithmetic): of 8-bit pixels it is exact, so
    constant blocks have moments 0 in float32, too.
    """
    energy = blocks.square().sum(dim=1, keepdim=True).sqrt()
    centred = blocks - blocks.mean(dim=1, keepdim=True)
    scale = energy.clamp(min=torch.finfo(blocks.dtype).tiny).reciprocal()
    return (transform @ centred).mul_(scale), energy[:, 0] == 0


def _smooth_scores(moments: Tensor, black: Tensor, variant: str, nan: bool) -> Tensor:
    size = math.isqrt(moments.shape[1])
    magnitudes = moments.abs()
    square = magnitudes.reshape(len(moments), size, size, -1)
    steps = torch.stack([square[:, -1].sum(dim=1), square[:, :, -1].sum(dim=1)])
    total, first = magnitudes.sum(dim=1), magnitudes[:, 0]
    if variant == "matlab":
        ratios = steps / (total - first + STABLE)
        undefined = black
    else:
        undefined = (total == 0) & ~black
        ratios = steps / total.masked_fill(total == 0, 1) - first + STABLE
    scores = torch.log(1 - ratios.clamp(max=BLOCKY_CAP).mean(dim=0)) / math.log(1 - BLOCKY_CAP)
    if variant == "powerqe":
        scores = scores.masked_fill(black, 1.0)  # as its code says
    return scores.masked_fill(undefined, math.nan if nan else 0.0)


@lru_cache
def _matrices(size: int, variant: str, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the moment transform and the 3x3 blur (sigma 5, zero outside the block), for flattened blocks."""
    transform, blur = (torch.kron(matrix, matrix) for matrix in line_matrices(size, variant))
    return transform.to(device, dtype), blur.to(device, dtype)
