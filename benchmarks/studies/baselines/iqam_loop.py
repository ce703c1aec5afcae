"""The IQAM score block by block in Python, as the released implementations compute it (see `methods.iqam`)."""

import math

import numpy as np
from scipy.ndimage import correlate

from qebench.iqa import definition


def score(image: np.ndarray, block_size: int) -> float:
    """Return the score, variant "matlab", of a uint8 (H, W) image without black blocks."""
    polynomials = definition.tchebichef(block_size).numpy()
    line = np.exp(-np.array([1.0, 0.0, 1.0]) / (2 * 5**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    smooth, textured = [], []
    height, width = image.shape
    for top in range(block_size // 2, height - block_size + 1, block_size):
        for left in range(block_size // 2, width - block_size + 1, block_size):
            block = image[top : top + block_size, left : left + block_size].astype(np.float64)
            moments = _moments(block, polynomials)
            if np.sum(moments**2) - moments[0, 0] ** 2 > definition.TEXTURED:
                blurred = _moments(correlate(block, kernel, mode="constant"), polynomials)
                likeness = (2 * moments * blurred + definition.STABLE) / (moments**2 + blurred**2 + definition.STABLE)
                textured.append(1 - likeness.mean())
            else:
                rest = np.abs(moments).sum() - abs(moments[0, 0]) + definition.STABLE
                steps = [np.abs(edge).sum() / rest for edge in (moments[-1], moments[:, -1])]
                mean = sum(min(step, definition.BLOCKY_CAP) for step in steps) / 2
                smooth.append(math.log(1 - mean) / math.log(1 - definition.BLOCKY_CAP))
    blocky, blurring = (np.mean(scores) if scores else 1.0 for scores in (smooth, textured))
    return float(blocky**definition.SMOOTH_SHARE * blurring**definition.TEXTURED_SHARE)


def _moments(block: np.ndarray, polynomials: np.ndarray) -> np.ndarray:
    normalised = block / np.sqrt(block.size * np.mean(block**2))
    return polynomials @ (normalised - normalised.mean()) @ polynomials.T
