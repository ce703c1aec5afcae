"""Weights in less room: as float16, or as 8-bit integers with a scale for each filter.

Only tensors that are LARGE are rounded: biases, first and last layers have fewer elements, count most, and cost next to
nothing to keep. Scales lie beside their tensor, as `NAME.scale`, so that every reader of safetensors can multiply them.
"""

from torch import Tensor, int8

LARGE = 4096  # elements
LARGEST = 127  # of the integers; -128 would make them lopsided
SCALE = ".scale"


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with large tensors as float16."""
    return {name: tensor.half() if _is_large(tensor) else tensor for name, tensor in weights.items()}


def integers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with large tensors as int8, and for each `NAME.scale`, float32 (out, 1, ...), to multiply with."""
    stored = {}
    for name, tensor in weights.items():
        if _is_large(tensor):
            largest = tensor.flatten(1).abs().amax(dim=1).reshape(-1, *[1] * (tensor.ndim - 1))
            stored[name + SCALE] = scale = largest.where(largest > 0, 1).float() / LARGEST
            tensor = (tensor / scale).round().to(int8)
        stored[name] = tensor
    return stored


def floats(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights as `integers` was given them, rounded; others as they are.

    Raises ValueError if integers have no scale for each filter.
    """
    weights = dict(stored)
    for name, tensor in stored.items():
        if tensor.dtype == int8:
            scale = weights.pop(name + SCALE, None)
            if scale is None or scale.shape != (len(tensor), *[1] * (tensor.ndim - 1)):
                raise ValueError(f"{name} holds integers without a scale for each filter")
            weights[name] = tensor * scale
    return weights


def _is_large(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() >= LARGE and tensor.ndim > 1
