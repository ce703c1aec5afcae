"""Colour as libbpg 0.9.8 has it, bit for bit: bpgenc's way from RGB to the coded planes, bpgdec's way back.

Matrices are those of ITU-R BT.601, BT.709 and BT.2020 in full range and of YCgCo (H.265, annex E), in fixed point.
Halved chroma lies between the pixels, as in JPEG files, and is filtered down and up, not averaged and repeated. Files
with the siting of MPEG-2 can be read as well. 8 bits throughout.
"""

import numpy as np
from scipy import ndimage

DOWN_BITS, UP_BITS = 23, 22  # fractional bits of the matrices there and back: int32 holds every sum
CENTRE = np.array([0, 128, 128], np.int32)  # of the planes Y, Cb, Cr
RED_BLUE = {"ycbcr": (0.299, 0.114), "ycbcr_bt709": (0.2126, 0.0722), "ycbcr_bt2020": (0.2627, 0.0593)}

# Chroma at half the sample rate: sample i weighs the pixels 2i - 5 to 2i + 5, and lies between 2i and 2i + 1.
HALF = np.array([0, 2, -4, -8, 17, 57, 57, 17, -8, -4, 2])  # / 128
# And back: pixels 2i and 2i + 1 weigh the chroma samples around i. With MPEG-2's siting pixel 2i has sample i itself.
DOUBLE = {
    "jpeg": (np.array([2, -6, 18, 57, -10, 4, -1]), np.array([-1, 4, -10, 57, 18, -6, 2])),  # / 64
    "mpeg2": (np.array([64]), np.array([0, -1, 4, -11, 40, 40, -11, 4, -1])),  # / 64
}


def planes(image: np.ndarray, chroma: str, colour: str) -> list[np.ndarray]:
    """Return the uint8 planes that bpgenc codes of a uint8 (H, W) or (H, W, 3) image.

    `chroma` is "420", "422" or "444" and `colour` as in `bpg_container.COLOURS`. Gray images are one plane. Sizes of
    chroma planes are rounded up.
    """
    if image.ndim == 2:
        return [image]
    forward = np.rint(_forward(colour) * (1 << DOWN_BITS)).astype(np.int32)
    coded = (image @ forward.T + (1 << DOWN_BITS - 1) >> DOWN_BITS) + _centre(colour)
    luma, *others = np.moveaxis(_clipped(coded), -1, 0)
    if chroma == "422":
        others = [_clipped(_halved(plane, 1) + 64 >> 7) for plane in others]
    if chroma == "420":  # rows keep one bit of the fraction, unclipped
        others = [_clipped(_halved(_halved(plane, 1) + 1 >> 1, 0) + 4096 >> 13) for plane in others]
    return [luma, *others]


def image(planes: list[np.ndarray], chroma: str, colour: str) -> np.ndarray:
    """Return the uint8 (H, W) or (H, W, 3) image that bpgdec makes of the uint8 planes; gray stays one plane.

    `chroma` and `colour` are as in `bpg_container`.
    """
    luma, *others = planes
    if not others:
        return luma
    height, width = luma.shape
    rows = DOUBLE["mpeg2" if chroma.endswith("_video") else "jpeg"]
    if chroma.startswith("422"):
        others = [_clipped(_doubled(plane, 1, rows) + 32 >> 6) for plane in others]
    if chroma.startswith("420"):  # columns are always sited as in JPEG files
        others = [_clipped(_doubled(_doubled(plane, 0, DOUBLE["jpeg"]), 1, rows) + 2048 >> 12) for plane in others]
    coded = np.stack([luma, *(plane[:height, :width] for plane in others)], axis=-1) - _centre(colour)
    backward = np.rint(_backward(colour) * (1 << UP_BITS)).astype(np.int32)
    return _clipped(coded @ backward.T + (1 << UP_BITS - 1) >> UP_BITS)


def _forward(colour: str) -> np.ndarray:
    """Return the rows of the three planes over R, G, B."""
    if colour == "rgb":
        return np.eye(3)[[1, 2, 0]]  # coded in the order G, B, R
    if colour == "ycgco":
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0, -0.5]])
    red, blue = RED_BLUE[colour]
    luma = np.array([red, 1 - red - blue, blue])
    cb = [-0.5 * luma[0] / (1 - blue), -0.5 * luma[1] / (1 - blue), 0.5]
    cr = [0.5, -0.5 * luma[1] / (1 - red), -0.5 * luma[2] / (1 - red)]
    return np.array([luma, cb, cr])


def _backward(colour: str) -> np.ndarray:
    """Return the rows of R, G, B over the three planes."""
    if colour == "rgb":
        return np.eye(3)[[2, 0, 1]]
    if colour == "ycgco":
        return np.array([[1, -1, 1], [1, 1, 0], [1, -1, -1]])
    red, blue = RED_BLUE[colour]
    green = 1 - blue - red
    to_green = [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green]
    return np.array([[1, 0, 2 * (1 - red)], to_green, [1, 2 * (1 - blue), 0]])


def _centre(colour: str) -> np.ndarray:
    return np.zeros(3, np.int32) if colour == "rgb" else CENTRE


def _halved(plane: np.ndarray, axis: int) -> np.ndarray:
    return _filtered(plane, HALF, axis)[(slice(None),) * axis + (slice(None, None, 2),)]


def _doubled(plane: np.ndarray, axis: int, filters: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    pairs = np.stack([_filtered(plane, taps, axis) for taps in filters], axis=axis + 1)
    return pairs.reshape([-1 if side == axis else length for side, length in enumerate(plane.shape)])


def _filtered(plane: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    """Correlate along an axis, in exact whole numbers, beyond whose ends the samples repeat."""
    return ndimage.correlate1d(plane, taps, axis, output=np.int32, mode="nearest")


def _clipped(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).astype(np.uint8)
