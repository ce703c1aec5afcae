"""Pictures for an ONNX file in 8-bit integers: some choose its ranges, others of the same folders judge it."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from torch import Tensor

from qebench.checkpoints import cards
from qebench.networks import onnx_export, onnx_int8, pixels
from qebench.training import export
from qebench.training.pairs import ALIGNMENT, Pairs

SHOWN = 72  # images that show the ranges of features
SIDE = 256  # pixels of their centre crop


def quantize(weights: Path, exact: Path, folders: list[Path], cache: Path, workers: int) -> str:
    """Replace `exact`, the ONNX file of some weights, by one in 8-bit integers; return what that costs, in words.

    The pictures of `folders` are compressed as in the training of the weights. Every second one shows the ranges of
    features, the others judge.

    Raises ValueError if the weights do not tell how they were trained, or there are fewer than two pictures.
    """
    record = json.loads(cards.metadata(weights).get("training", "{}"))
    if "training_images" not in record:
        raise ValueError(f"{weights} does not tell which pictures it was trained on, so none can be made for --int8")
    pairs = export.compressed(record["training_images"], folders, workers, cache)
    if len(pairs.sizes) < 2:
        raise ValueError(f"{folders[0]} has one picture: --int8 needs one to show ranges and another to judge")
    rounded = exact.with_suffix(".int8.onnx")
    shown = (decoded for _, decoded in _images(pairs, 0))
    onnx_int8.quantize(exact, islice(shown, SHOWN), rounded)
    losses = onnx_int8.losses(exact, rounded, list(islice(_images(pairs, 1), SHOWN)))
    rounded.replace(exact)
    return f"int8: {-losses.mean():+.3f} dB in the mean of {len(losses)} other images, {-losses.max():+.3f} at worst"


def _images(pairs: Pairs, first: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (original, decoded), float32 (1, C, H, W), of every second picture from `first` on, at all qualities."""
    count = len(pairs.qualities)
    for turn in range(count):
        for number in range(first, len(pairs.sizes), 2):
            layer = 1 + (number // 2 + turn) % count
            yield _centre(pairs.image(number, 0)), _centre(pairs.image(number, layer))


def _centre(image: Tensor) -> np.ndarray:
    """Return the centre crop, on the codecs' grid, of an image that is mirrored up to what every network takes."""
    padded = pixels.pad(image, onnx_export.SAFE_MULTIPLE)
    top, left = (max(0, (side - SIDE) // 2) // ALIGNMENT * ALIGNMENT for side in padded.shape[2:])
    return padded[..., top : top + SIDE, left : left + SIDE].numpy()
