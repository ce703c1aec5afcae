"""RBQE run as its authors' code does (ryanxingql/rbqe): every exit from scratch, then its score block by block.

The plain network that this and `rbqe_speed` compare with is `methods.rbqe.RBQE` as it is loaded: eager modules,
float32, NCHW. It is the network of the original but for one thing, which makes it a per cent or two faster: it pools a
feature once, not for every attention that reads it.
"""

import numpy as np
import torch
from torch import Tensor

from benchmarks.studies.baselines import iqam_loop
from methods.rbqe import network
from qebench.networks import pixels
from qebench.networks.thresholds import Threshold, per_exit


@torch.inference_mode()
def enhance(model: network.RBQE, decoded: np.ndarray, block_size: int, threshold: Threshold) -> tuple[np.ndarray, int]:
    """Return the enhanced image and the exit it took, counted from 1; `decoded` is uint8 (H, W), multiples of 32."""
    x = nchw(decoded)
    limits = per_exit(threshold, model.exit_count)
    for exit in range(1, model.exit_count + 1):
        enhanced = pixels.to_images(model(x, exit))[0]
        if exit == model.exit_count or iqam_loop.score(enhanced, block_size) >= limits[exit - 1]:
            break
    return enhanced, exit


def nchw(decoded: np.ndarray) -> Tensor:
    """Return a uint8 (H, W) image as float32 (1, 1, H, W) in [0, 1] with the strides of NCHW.

    `network.to_tensor` gives the strides of NHWC, which describe the same memory for one channel, and by which PyTorch
    would run all of the network in NHWC.
    """
    return pixels.to_tensor([decoded], "cpu").clone(memory_format=torch.contiguous_format)
