"""The constants, the block grid and the polynomials of the IQAM score (see `iqam`)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

TEXTURED = 0.004  # energy of the normalised moments above which a block is textured
STABLE = 1e-5  # the C of both ratios
BLOCKY_CAP = 0.05  # the step ratio that counts as fully blocky
SMOOTH_SHARE, TEXTURED_SHARE = 0.9, 0.1  # exponents of the two sub-scores
VARIANTS = ("matlab", "powerqe")


def grid(shape: Sequence[int], block_size: int) -> tuple[int, int]:
    """Return how many rows and columns of blocks an image of that shape (H, W) has."""
    rows, columns = (max(side // block_size - 1, 0) for side in shape)
    return rows, columns


def line_matrices(size: int, variant: str) -> tuple[Tensor, Tensor]:
    """Return the moment transform and the blur of a line of pixels, float64 (size, size)."""
    polynomials = tchebichef(size)
    if variant == "powerqe":
        polynomials = (polynomials * 1e4).round() / 1e4
    falloff = torch.exp(-torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64) / (2 * 5**2))
    diagonals = [
        torch.diag(torch.full((size - abs(shift),), float(weight), dtype=torch.float64), shift)
        for shift, weight in zip((-1, 0, 1), falloff / falloff.sum(), strict=True)
    ]
    return polynomials, torch.stack(diagonals).sum(dim=0)


def tchebichef(size: int) -> Tensor:
    """Return the orthonormal discrete Tchebichef polynomials, float64 (size, size): row n is order n.

    The three-term recurrence of Mukundan, Ong and Lee (2001).
    """
    x = torch.arange(size, dtype=torch.float64)
    rows = [torch.full((size,), size**-0.5, dtype=torch.float64)]
    rows.append((2 * x + 1 - size) * math.sqrt(3 / (size * (size**2 - 1))))
    for n in range(2, size):
        scale = math.sqrt((4 * n**2 - 1) / (size**2 - n**2)) / n
        before = (n - 1) / n * math.sqrt((2 * n + 1) / (2 * n - 3) * (size**2 - (n - 1) ** 2) / (size**2 - n**2))
        rows.append((2 * x + 1 - size) * scale * rows[-1] - before * rows[-2])
    return torch.stack(rows)
