"""Read networks that were trained with MatConvNet (MATLAB), without running anything that the file holds.

Its wrapper simplenn (Vedaldi, Lenc, "MatConvNet: Convolutional Neural Networks for MATLAB", ACM Multimedia 2015,
arXiv:1412.4564) keeps a network as a struct `net` with a cell array `layers`, which `matlab`
reads. Chains of convolutions and ReLUs are taken and anything else is refused by name.

The networks published so, those of K. Zhang et al. (DnCNN, `dncnn`), give what has to be subtracted from the decoded
image; ours add their result, so the last convolution is negated.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qebench.checkpoints import matlab

CHANGES = "axes to (out, in, height, width); last convolution negated, as the authors subtract and we add its result"


def read(path: Path) -> dict[str, Tensor]:
    """Return the weights and biases of a network, float32, as those of an `nn.Sequential` named "layers".

    The keys "layers.0.weight", "layers.0.bias", "layers.2.weight", ... count convolutions and ReLUs alike.

    Raises ValueError if the file is damaged, holds no simplenn network, or one of other layers than convolutions that
    keep the size and ReLUs, or one that does not end with a convolution.
    """
    weights: dict[str, Tensor] = {}
    layers = matlab.layers(path)
    for number, layer in enumerate(layers):
        if (reason := _unknown(layer)) is not None:
            raise ValueError(
                f"{path}: layer {number + 1} of {len(layers)} {reason}: only chains of convolutions and ReLUs that "
                "keep the size of the image can be read"
            )
        if layer["type"] == "conv":
            kernel, bias = layer["weights"]
            weights[f"layers.{number}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
            weights[f"layers.{number}.bias"] = torch.from_numpy(bias.ravel().copy())
    if not layers or layers[-1]["type"] != "conv":
        raise ValueError(f"{path}: the network does not end with a convolution, whose result could be subtracted")
    for name in ("weight", "bias"):
        weights[f"layers.{len(layers) - 1}.{name}"].neg_()
    return weights


def _unknown(layer: dict[str, Any]) -> str | None:
    """Return why a layer is neither a convolution that keeps the size nor a ReLU, or None if it is one."""
    if layer["type"] == "relu":
        return "is a ReLU that leaks" if np.any(layer.get("leak", 0)) else None
    if layer["type"] == "bnorm":
        return "is a batch normalisation (bnorm), which the authors' vl_simplenn_mergebnorm.m merges into a convolution"
    if layer["type"] != "conv":
        return f"is of type {layer['type']!r}"
    kernel, bias = layer["weights"]
    height, width, _, count = kernel.shape
    if bias.size != count:
        return f"has a kernel for {count} channels and {bias.size} biases"
    pad = np.ravel(layer.get("pad", 0))  # one number, or (top, bottom, left, right)
    wanted = [height // 2] * 2 + [width // 2] * 2
    if height % 2 == 0 or width % 2 == 0 or pad.size not in (1, 4) or np.any(pad != wanted):
        return f"is a {height}x{width} convolution padded by {pad.tolist()}"
    for name in ("stride", "dilate"):
        if np.any(np.asarray(layer.get(name, 1)) != 1):
            return f"is a convolution of {name} {np.ravel(layer[name]).tolist()}"
    return None
