"""Read networks that were trained with MatConvNet (MATLAB), without running anything that the file holds.

Its wrapper simplenn (Vedaldi, Lenc, "MatConvNet: Convolutional Neural Networks for MATLAB", ACM Multimedia 2015,
arXiv:1412.4564) keeps a network as a struct `net` with a cell array `layers`. MATLAB 7.3 files are HDF5, with all axes
reversed; older ones are read by SciPy. Chains of convolutions and ReLUs are taken and anything else is refused by name.

The networks published so, those of K. Zhang et al. (DnCNN, `dncnn`), give what has to be subtracted from the decoded
image; ours add their result, so the last convolution is negated.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

CHANGES = "axes to (out, in, height, width); last convolution negated, as the authors subtract and we add its result"
HDF5 = b"\x89HDF\r\n\x1a\n"  # the signature, after MATLAB's own header
USER_BLOCK = 512  # bytes of that header
FIELDS = {"type", "weights", "stride", "pad", "dilate", "leak"}  # of a layer; the others only matter in training


def read(path: Path) -> dict[str, Tensor]:
    """Return the weights and biases of a network, float32, as those of an `nn.Sequential` named "layers".

    The keys "layers.0.weight", "layers.0.bias", "layers.2.weight", ... count convolutions and ReLUs alike.

    Raises ValueError if the file is damaged, holds no simplenn network, or one of other layers than convolutions that
    keep the size and ReLUs, or one that does not end with a convolution.
    """
    weights: dict[str, Tensor] = {}
    layers = _layers(path)
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


def _layers(path: Path) -> list[dict[str, Any]]:
    """Return the FIELDS of each layer: arrays as MATLAB indexes them, kernels as (height, width, in, out)."""
    with path.open("rb") as file:
        try:
            version_7_3 = HDF5 in file.read(USER_BLOCK + len(HDF5))
            file.seek(0)
            layers = list(_hdf5(file) if version_7_3 else _version_5(file))
            for layer in layers:
                if layer["type"] == "conv":
                    kernel, bias = layer["weights"]
                    # MATLAB drops the last axes of length 1.
                    layer["weights"] = [kernel.reshape((*kernel.shape, 1, 1)[:4]), bias]
        except Exception as error:  # damaged files fail in many ways, from KeyError to MemoryError
            raise ValueError(
                f"{path} cannot be read as a simplenn network of MatConvNet, a struct `net` with a cell array `layers`:"
                " it is truncated or holds something else (nothing in it was run)"
            ) from error
    return layers


def _hdf5(file: BinaryIO) -> Iterator[dict[str, Any]]:
    import h5py

    with h5py.File(file, "r") as root:

        def value(item: h5py.Dataset) -> Any:
            if item.attrs.get("MATLAB_class") == b"char":
                return "".join(map(chr, item[()].ravel()))
            if h5py.check_ref_dtype(item.dtype) is not None:
                return [value(root[reference]) for reference in item[()].ravel()]
            return item[()].T.astype(np.float32)

        for reference in root["net/layers"][()].ravel():
            yield {name: value(item) for name, item in root[reference].items() if name in FIELDS}


def _version_5(file: BinaryIO) -> Iterator[dict[str, Any]]:
    from scipy.io import loadmat

    def value(item: np.ndarray) -> Any:
        if item.dtype.kind == "U":
            return str(item.item())
        return [value(cell) for cell in item.ravel()] if item.dtype.kind == "O" else item.astype(np.float32)

    for layer in loadmat(file, variable_names=["net"])["net"]["layers"].item().ravel():
        yield {name: value(layer[name].item()) for name in layer.dtype.names if name in FIELDS}


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
