"""Read networks that a MATLAB file keeps as named arrays: `weights_conv1`, `biases_conv1`, `weights_conv2`, ...

So C. Dong et al. published SRCNN and AR-CNN, with MATLAB code that filters by `imfilter(..., 'same', 'replicate')`: a
correlation whose border repeats the edge. Kernels are (in, height x width, out), column by column as MATLAB reshapes
them; the axis of a single input (SRCNN) or output channel may be missing.
"""

import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from qebench.checkpoints import matlab

CHANGES = "axes to (out, in, height, width), values to float32"
KERNEL = re.compile(r"weights_(conv\d+)")


def is_one(names: set[str]) -> bool:
    """Return whether a MATLAB file with arrays of these names keeps a network so."""
    return any(KERNEL.fullmatch(name) for name in names)


def read(path: Path) -> dict[str, Tensor]:
    """Return the weights and biases of a network, float32, as "conv1.weight", "conv1.bias" and so on, in its order.

    Raises ValueError if the file is damaged, holds no such network, or one whose layers do not fit each other.
    """
    arrays = matlab.arrays(path)
    layers = sorted(found[1] for name in arrays if (found := KERNEL.fullmatch(name)))  # conv1, conv2, conv22, conv3
    if not layers:
        raise ValueError(f"{path} holds no arrays weights_conv1, biases_conv1, ... of a network")
    weights: dict[str, Tensor] = {}
    channels = 1  # what goes into the first layer: luma
    for layer in layers:
        kernel, bias = arrays[f"weights_{layer}"], np.ravel(arrays.get(f"biases_{layer}", np.empty(0)))
        side = math.isqrt(kernel.size // max(channels * bias.size, 1))
        if not bias.size or kernel.size != channels * side**2 * bias.size:
            raise ValueError(
                f"{path}: weights_{layer} is {kernel.shape} with {bias.size} biases, which is no square filter of "
                f"{channels} channels"
            )
        shaped = kernel.reshape(channels, side, side, bias.size, order="F")  # column by column
        weights[f"{layer}.weight"] = torch.from_numpy(shaped.transpose(3, 0, 1, 2).astype(np.float32))
        weights[f"{layer}.bias"] = torch.from_numpy(bias.astype(np.float32))
        channels = bias.size
    return weights
