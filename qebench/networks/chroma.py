"""Chroma of people's own pictures, as JPEG codes it: full-range Cb and Cr (ITU-T T.871), of fewer samples than luma.

A luma network enhances such a plane as if it were luma. What it changes there is brought to the size of the picture and
added, so nothing else of the picture is resampled.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.nn.functional import interpolate

STRIP = 256  # rows converted at a time, as floats of a large picture take gigabytes
NEUTRAL = 128  # Cb and Cr of gray
# Of full range, without the offset of Cb and Cr: rows Y, Cb, Cr over R, G, B, and rows R, G, B over Y, Cb, Cr.
FROM_RGB = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], np.float32)

Subsampling = tuple[int, int]  # the rows and the columns of pixels that share one sample of chroma: 4:2:0 is (2, 2)


def planes(picture: np.ndarray, subsampling: Subsampling) -> Iterator[np.ndarray]:
    """Yield Cb, then Cr of a uint8 (H, W, 3) picture, each uint8 with one sample for every `subsampling` pixels.

    A sample is the mean over its pixels; of a picture whose sides they do not divide, the last pixels are repeated.
    """
    tall, wide = subsampling
    height, width = (-(-side // step) for side, step in zip(picture.shape, subsampling, strict=False))
    for weights in FROM_RGB[1:]:
        plane = np.empty((height, width), np.uint8)
        for top in range(0, height, STRIP):
            rows = picture[top * tall : (top + STRIP) * tall] @ weights + NEUTRAL
            missing = [(0, -side % step) for side, step in zip(rows.shape, subsampling, strict=True)]
            rows = np.pad(rows, missing, mode="edge").reshape(-1, tall, width, wide).mean(axis=(1, 3))
            plane[top : top + STRIP] = rows.round().clip(0, 255)
        yield plane


def enlarged(change: np.ndarray, height: int, width: int, subsampling: Subsampling) -> np.ndarray:
    """Return the change of a plane, float (h, w), for all pixels of the picture, float16, by triangle filters."""
    scale = [float(step) for step in subsampling]
    whole = interpolate(
        torch.from_numpy(change)[None, None].float(), scale_factor=scale, mode="bilinear", align_corners=False
    )
    return whole[0, 0, :height, :width].half().numpy()


def changed(picture: np.ndarray, changes: Sequence[np.ndarray]) -> np.ndarray:
    """Return a uint8 (H, W, 3) picture whose luma, Cb and Cr are changed by so many full-range gray levels (H, W)."""
    result = np.empty_like(picture)
    for top in range(0, len(picture), STRIP):
        rows = slice(top, top + STRIP)
        change = np.stack([each[rows].astype(np.float32) for each in changes], axis=-1)
        result[rows] = (picture[rows] + change @ TO_RGB[:, : change.shape[-1]].T).round().clip(0, 255)
    return result
