"""Colour conversions, each named by its standard and range.

"Luma" alone says too little. Here `luma` is the limited-range BT.601 one (16..235) of the HEVC path, of MATLAB's
rgb2ycbcr and of the eccv2020 protocol. JPEG files carry a full-range luma (ITU-T T.871), which stays inside libjpeg.
"""

import numpy as np

# ITU-R BT.601, limited range: rows Y, Cb, Cr over R, G, B in 0..255 (the coefficients of MATLAB's rgb2ycbcr).
# Times _UNIT they are whole numbers, so sums are exact and halves round up on every machine.
_MATRIX = np.array([[65481.0, 128553.0, 24966.0], [-37797.0, -74203.0, 112000.0], [112000.0, -93786.0, -18214.0]])
_UNIT = 255_000
_OFFSET = np.array([16.0, 128.0, 128.0])
LUMA_WEIGHTS = tuple((_MATRIX[0] / _UNIT).tolist())  # what R, G and B give to limited-range luma
LUMA_BLACK, LUMA_RANGE = 16, 219  # of 255: the luma of black, and that of white less it
_STRIP = 256  # rows converted at a time
_INVERSE = np.linalg.inv(_MATRIX / _UNIT)


def luma(rgb: np.ndarray) -> np.ndarray:
    """Return the limited-range BT.601 luma of an RGB image.

    `rgb` is uint8 (H, W, 3); the result is uint8 (H, W) in 16..235, rounded half up as MATLAB's rgb2ycbcr does.

    Raises ValueError if `rgb` is not uint8 with three channels.
    """
    _check(rgb)
    result = np.empty(rgb.shape[:2], np.uint8)
    for top in range(0, len(rgb), _STRIP):  # in float64 a large picture takes gigabytes
        result[top : top + _STRIP] = _rounded(rgb[top : top + _STRIP] @ _MATRIX[0] / _UNIT + _OFFSET[0])
    return result


def to_yuv420(rgb: np.ndarray) -> list[np.ndarray]:
    """Return the limited-range BT.601 Y, Cb and Cr planes of an RGB image, chroma halved as 2x2 means.

    `rgb` is uint8 (H, W, 3) of even height and width; the planes are uint8 (H, W), (H/2, W/2), (H/2, W/2). Chroma is
    averaged before it is rounded.
    """
    _check(rgb)
    height, width = rgb.shape[:2]
    chroma = rgb.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)) @ _MATRIX[1:].T / _UNIT + _OFFSET[1:]
    return [luma(rgb), *np.moveaxis(_rounded(chroma), -1, 0)]


def from_yuv420(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    """Return the uint8 (H, W, 3) RGB image of limited-range BT.601 4:2:0 planes, each chroma sample repeated 2x2."""
    cb, cr = (plane.repeat(2, axis=0).repeat(2, axis=1) for plane in (cb, cr))
    return _rounded((np.stack([y, cb, cr], axis=-1) - _OFFSET) @ _INVERSE.T)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5).clip(0, 255).astype(np.uint8)


def _check(rgb: np.ndarray) -> None:
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected a uint8 (H, W, 3) RGB image, got {rgb.dtype} {rgb.shape}")
