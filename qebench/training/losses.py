"""What training minimises, over exits, qualities and crops."""

import functools

import torch
from torch import Tensor

# Rows are qualities from best to worst, columns exits 1..5. Those of the paper (RBQE, ECCV 2020, section 3.5) make each
# exit the best for its quality; `raised` lets none deeper weigh under 1, for images that the IQAM sends there.
PAPER = [
    [2, 1, 1, 0.5, 0.5],
    [1, 2, 1, 0.5, 0.5],
    [0.5, 1, 2, 1, 0.5],
    [0.5, 0.5, 1, 2, 1],
    [0.5, 0.5, 1, 1, 2],
]
EXIT_WEIGHTS: dict[str, list[list[float]]] = {
    "paper": PAPER,
    "raised": [[*row[:quality], *(max(weight, 1) for weight in row[quality:])] for quality, row in enumerate(PAPER)],
}
EQUAL = "equal"  # in place of a name of EXIT_WEIGHTS: all exits alike, whatever their number
ERROR_FLOOR = (0.5 / 255) ** 2  # added to the decoded crop's squared error: flat crops have almost none
CHARBONNIER = 1e-3  # where its slope turns: Lai et al., "Fast and Accurate Image Super-Resolution ...", TPAMI 2019


def relative(enhanced: Tensor, original: Tensor, decoded: Tensor) -> Tensor:
    """Return each crop's squared error relative to the decoded crop's; 1 means no gain.

    Raw errors differ by a factor of ten between qualities, so that the worst quality would drown the best.
    """
    return mse(enhanced, original, decoded) / (mse(decoded, original, decoded) + ERROR_FLOOR)


def mse(enhanced: Tensor, original: Tensor, decoded: Tensor) -> Tensor:
    """Return each crop's mean squared error, the loss of the RBQE paper."""
    return (enhanced - original).square().mean(dim=(1, 2, 3))


def charbonnier(enhanced: Tensor, original: Tensor, decoded: Tensor) -> Tensor:
    """Return each crop's Charbonnier error, quadratic below CHARBONNIER and absolute above it."""
    return ((enhanced - original).square() + CHARBONNIER**2).sqrt().mean(dim=(1, 2, 3))


LOSSES = {"relative": relative, "mse": mse, "charbonnier": charbonnier}


def loss(
    enhanced: list[Tensor],
    original: Tensor,
    decoded: Tensor,
    quality: Tensor,
    exit_weights: str = "paper",
    name: str = "relative",
) -> Tensor:
    """Return the mean over crops of the mean over exits, weighted by EXIT_WEIGHTS or equally, of one of LOSSES.

    All images are float (N, C, H, W) in [0, 1]; `quality` (N,) counts qualities from the best.
    """
    errors = torch.stack([LOSSES[name](image.float(), original, decoded) for image in enhanced], dim=1)
    if len(enhanced) == 1 or exit_weights == EQUAL:
        weights = torch.ones_like(errors)
    else:
        weights = _table(exit_weights, str(errors.device))[quality]
    return ((errors * weights).sum(1) / weights.sum(1)).mean()


@functools.cache
def _table(exit_weights: str, device: str) -> Tensor:
    """Return EXIT_WEIGHTS on a device, moved there once: a graph of a GPU's work takes nothing from the CPU."""
    return torch.tensor(EXIT_WEIGHTS[exit_weights], device=device)
