"""The head of an exit, compiled for CPUs by numba: its depthwise and pointwise convolutions as the one that they are.

PyTorch reads the feature, writes it convolved depthwise, and reads that again; one dense convolution with a single
output channel takes longer than both. Here the feature is read once. On one core of an EPYC (AVX2), 512x512 pixels
took 7 ms of processor time, the two convolutions 15, and all of the network 1,800.
"""

from typing import Any

import numpy as np

from qebench.common import compiling

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz"},
}  # sums in any order: of 288 products, by eights
WIDTH = 32  # channels; the compiler turns a loop whose length it knows into vector instructions
SPAN = 3 * WIDTH  # three neighbours in a row: their channels lie one after the other


@compiling.kept(OPTIONS)
def convolve(feature: np.ndarray, filters: np.ndarray, offset: np.float32, result: np.ndarray) -> None:
    """Write to `result` (H, W) the 3x3 convolution of a feature (H, W * WIDTH), with zeros around it, plus an offset.

    All are float32, W is even; `filters` are (3, 3 * WIDTH), rows by columns and channels.
    """
    height, width = result.shape
    upper, middle, lower = filters[0].copy(), filters[1].copy(), filters[2].copy()
    for row in range(height):
        if row == height - 1:
            lower[:] = 0
        upper[:] = filters[0] if row else np.zeros_like(upper)
        above, here, below = feature[max(row - 1, 0)], feature[row], feature[min(row + 1, height - 1)]
        for column in range(1, width - 2, 2):  # two at a time share the filters
            first = (column - 1) * WIDTH
            last = first + SPAN + WIDTH
            a, h, b = above[first:last], here[first:last], below[first:last]
            left, right = np.float32(0), np.float32(0)
            for i in range(SPAN):
                left += a[i] * upper[i] + h[i] * middle[i] + b[i] * lower[i]
                right += a[i + WIDTH] * upper[i] + h[i + WIDTH] * middle[i] + b[i + WIDTH] * lower[i]
            result[row, column], result[row, column + 1] = left + offset, right + offset
        for column in (0, width - 1):
            total = np.float32(0)
            for i in range(WIDTH if column == 0 else 0, SPAN if column < width - 1 else SPAN - WIDTH):
                place = (column - 1) * WIDTH + i
                total += above[place] * upper[i] + here[place] * middle[i] + below[place] * lower[i]
            result[row, column] = total + offset
