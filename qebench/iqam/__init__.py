"""IQAM: the no-reference quality score by Tchebichef moments that decides when RBQE may exit.

RBQE, ECCV 2020, section 3.4, after L. Li et al., "No-Reference Quality Assessment of Deblocked Images", and the
polynomials of R. Mukundan, S. Ong, P. Lee, "Image Analysis by Tchebichef Moments", IEEE TIP 2001. Two variants:

- "matlab", the paper's: the authors' MATLAB code (ryanxingql/rbqe), on the clipped, rounded 8-bit picture;
- "powerqe", the authors' Python one (ryanxingql/powerqe): another block grid, rounded polynomials, another precedence
  in the blockiness ratio, and values scored as they are.

Blocks straddle the codec's block edges on purpose. A block is textured if it has much energy beside its mean, else
smooth. Smooth blocks are judged by their highest-order moments (blocking leaves a step there), textured ones by how
much one more blur would change them. Larger is better; 0 to 1 for pictures, and at most 2^0.1 = 1.07 for noise that a
blur turns into its opposite.

Where the original divides 0 by 0 (black blocks in "matlab", other constant blocks in "powerqe") and its score becomes
NaN, the block counts as smooth and scores 0, as constant blocks that are not black do in "matlab"; `nan=True` gives the
original's NaN back. A class without blocks scores 1, so an image under two blocks in height or width scores 1.

On a CPU, `methods.iqam_cpu` measures the blocks of "matlab": the same numbers in a fraction of the time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

TEXTURED = 0.004  # energy of the normalised moments above which a block is textured
STABLE = 1e-5  # the C of both ratios
BLOCKY_CAP = 0.05  # the step ratio that counts as fully blocky
SMOOTH_SHARE, TEXTURED_SHARE = 0.9, 0.1  # exponents of the two sub-scores
VARIANTS = ("matlab", "powerqe")


@dataclass
class Assessment:
    """Scores (N,) and what they are made of; `block_scores` and `is_textured` are (N, rows, columns) of blocks."""

    score: Tensor
    smooth_score: Tensor
    textured_score: Tensor
    block_scores: Tensor
    is_textured: Tensor


def score(images: Tensor, block_size: int, variant: str = "matlab") -> Tensor:
    """Return the quality score (N,) of images (N, 1, H, W), uint8 or float in [0, 255].

    `block_size` is 4 for HEVC and 8 for JPEG. Float images are scored in their own precision, uint8 ones in float64.

    Raises ValueError for another shape, block size or variant.
    """
    return assess(images, block_size, variant).score


@torch.no_grad()
def assess(images: Tensor, block_size: int, variant: str = "matlab", nan: bool = False) -> Assessment:
    """Return the score with its sub-scores and block maps; arguments and errors as in `score`.

    `nan` reproduces the original's NaN where it divides 0 by 0.
    """
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"expected images (N, 1, H, W), got {tuple(images.shape)}")
    if block_size not in (4, 8) or variant not in VARIANTS:
        raise ValueError(f"expected block size 4 or 8 and a variant of {VARIANTS}, got {block_size} and {variant!r}")
    values = images[:, 0] if images.is_floating_point() else images[:, 0].double()
    if variant == "matlab" and not nan and values.is_cpu and values.dtype in (torch.float32, torch.float64):
        from qebench.iqam import compiled  # numba takes a while

        measures = torch.from_numpy(compiled.measure(values.numpy(), block_size))
    else:
        measures = measure(values, block_size, variant, nan)
    return judge(measures, *grid(values.shape[1:], block_size))


def grid(shape: Sequence[int], block_size: int) -> tuple[int, int]:
    """Return how many rows and columns of blocks an image of that shape (H, W) has."""
    rows, columns = (max(side // block_size - 1, 0) for side in shape)
    return rows, columns


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


def judge(measures: Tensor, rows: int, columns: int) -> Assessment:
    """Return the assessment of images with that many rows and columns of blocks, from their measures."""
    texture, if_smooth, if_textured = measures
    is_textured = texture > TEXTURED
    block_scores = torch.where(is_textured, if_textured, if_smooth)
    classes = torch.stack([~is_textured, is_textured])
    counts = classes.sum(dim=2)
    means = block_scores.masked_fill(~classes, 0).sum(dim=2) / counts
    smooth_score, textured_score = torch.where(counts > 0, means, 1.0)
    total = smooth_score**SMOOTH_SHARE * textured_score**TEXTURED_SHARE
    maps = (values.reshape(len(total), rows, columns) for values in (block_scores, is_textured))
    return Assessment(total, smooth_score, textured_score, *maps)


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
