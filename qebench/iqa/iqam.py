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

On a CPU, `compiled` measures the blocks of "matlab": the same numbers in a fraction of the time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from qebench.iqa import tensors
from qebench.iqa.definition import SMOOTH_SHARE, TEXTURED, TEXTURED_SHARE, VARIANTS, grid


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
        from qebench.iqa import compiled  # numba takes a while

        measures = torch.from_numpy(compiled.measure(values.numpy(), block_size))
    else:
        measures = tensors.measure(values, block_size, variant, nan)
    return judge(measures, *grid(values.shape[1:], block_size))


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
