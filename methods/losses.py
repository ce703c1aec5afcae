"""What training minimises, over exits, qualities and crops."""

import torch
from torch import Tensor

# RBQE, ECCV 2020, section 3.5: rows are qualities from best to worst, columns exits 1..5.
EXIT_WEIGHTS = [
    [2, 1, 1, 0.5, 0.5],
    [1, 2, 1, 0.5, 0.5],
    [0.5, 1, 2, 1, 0.5],
    [0.5, 0.5, 1, 2, 1],
    [0.5, 0.5, 1, 1, 2],
]
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
    equal_exits: bool = False,
    name: str = "relative",
) -> Tensor:
    """Return the mean over crops of the mean over exits, weighted as in the paper or equally, of one of LOSSES.

    All images are float (N, C, H, W) in [0, 1]; `quality` (N,) counts qualities from the best.
    """
    errors = torch.stack([LOSSES[name](image.float(), original, decoded) for image in enhanced], dim=1)
    if len(enhanced) == len(EXIT_WEIGHTS[0]) and not equal_exits:
        weights = torch.tensor(EXIT_WEIGHTS, device=errors.device)[quality]
    else:
        weights = torch.ones_like(errors)
    return ((errors * weights).sum(1) / weights.sum(1)).mean()
