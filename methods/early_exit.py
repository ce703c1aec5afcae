"""Early exit for real: stop a multi-exit network as soon as an image is good enough.

After each exit but the last, the image is scored by IQAM; the images that reach its threshold leave the batch, and the
network goes on with the rest (RBQE, ECCV 2020, Fig. 2).
"""

import torch
from torch import Tensor

from methods import iqam, network, thresholds


@torch.inference_mode()
def enhance(
    model: network.MultiExit, x: Tensor, block_size: int, threshold: thresholds.Threshold, variant: str = "matlab"
) -> tuple[Tensor, Tensor]:
    """Return the enhanced images and the exit (N,) that each took, counted from 1.

    `x` and the enhanced images are float (N, C, H, W) in [0, 1], the latter unclipped. `model` has
    several exits.

    Raises ValueError if there are not as many thresholds as exits.
    """
    height, width = x.shape[2:]
    enhanced, exits = torch.empty_like(x), torch.zeros(len(x), dtype=torch.long, device=x.device)
    limits = thresholds.per_exit(threshold, model.exit_count)
    places = torch.arange(len(x), device=x.device)  # of the images that are still there
    stages = model.exits(network.pad(x, getattr(model, "multiple", 1)))
    kept = None  # a generator starts without indices
    for number in range(1, model.exit_count + 1):
        images = stages.send(kept)[..., :height, :width]
        enhanced.index_copy_(0, places, images)
        exits.index_fill_(0, places, number)
        if number < model.exit_count:
            kept = (score(images, block_size, variant) < limits[number - 1]).nonzero()[
                :, 0
            ]  # here a GPU is waited for, once
            if not len(kept):
                break
            if len(kept) == len(places):
                kept = None  # all go on, and nothing need be copied
            else:
                places = places[kept]
    return enhanced, exits


def score(images: Tensor, block_size: int, variant: str = "matlab") -> Tensor:
    """Return the IQAM score (N,) of enhanced images (N, C, H, W), float in [0, 1] or uint8: of luma, or of R in RGB.

    "matlab" scores the 8-bit picture, "powerqe" the values as they are.
    """
    first = network.to_bytes(images[:, :1]) if variant == "matlab" else images[:, :1]
    values = 255 * first.float() if first.is_floating_point() else first.float()
    return iqam.score(values, block_size, variant)


def change(images: Tensor, before: Tensor) -> Tensor:
    """Return the mean squared change (N,) of images from what they were `before`, in squared 8-bit levels.

    Both are float (N, C, H, W) in [0, 1], unclipped: those of an exit and of the one before it, or the decoded ones.
    """
    return (images - before).square_().mean(dim=(1, 2, 3)) * 255**2
