"""Estimate the quality factor of a JPEG file: from its own tables, or from the picture it was decoded to.

The 8x8 DCT coefficients of a decoded picture are multiples of the quantisation steps, but for the rounding of its
pixels. Each quality factor is judged by how much more likely its steps make the coefficients than no steps at all: the
question and the likelihood are those of Z. Fan, R. L. de Queiroz, "Identification of Bitmap Compression History: JPEG
Detection and Quantizer Estimation", IEEE TIP 2003 (10.1109/TIP.2002.807361), here for the 100 tables of libjpeg alone
and with a share of outliers.
"""

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from scipy import fft

from qebench.coding import pillow

QUALITIES = range(1, 101)
NOISE = 1 / 12  # variance of what rounding pixels adds to a coefficient of an orthonormal DCT
ZERO = 1.0  # coefficients up to 3.5 standard deviations of it are zero, which every step explains
OUTLIERS = 0.01  # share of coefficients that clipping at 0 and 255 may have moved anywhere
REPEATED = 2  # gray levels by which rows or columns of a block differ that are as good as alike
BLOCKS = 1024  # are enough
DOUBT = np.log(1e6)  # of a true quality factor, the evidence falls below -DOUBT once in a million pictures


def estimate(image: np.ndarray) -> int | None:
    """Return the quality factor (1..100) of a picture decoded from JPEG, or None if it cannot be such a picture.

    `image` is uint8 (H, W), or (H, W, 3) RGB, whose luma is looked at; a block begins at its first pixel. Of quality
    factors that explain it equally well, as all of them do a flat picture, it is the highest. If the evidence is thin,
    as of a block or two with coefficients, it is for (H, W) the likeliest at which JPEG leaves the picture as it is.
    At quality factors under 5 clipping can leave too few blocks to tell.
    """
    coefficients = _coefficients(image).reshape(64, -1)
    evidence = np.zeros(len(QUALITIES))
    for frequency, values in enumerate(coefficients):
        values = values[np.abs(values) > ZERO]
        steps, places = np.unique(_tables()[:, frequency], return_inverse=True)
        evidence += np.array([_evidence(values, step) for step in steps.tolist()])[places]
    likeliest = np.lexsort([-np.arange(len(evidence)), -evidence]).tolist()
    best = likeliest[0]
    if evidence[best] <= -DOUBT:
        return None
    close = [place for place in likeliest if evidence[place] >= evidence[best] - DOUBT]
    if image.ndim == 2 and len(close) > 1:
        best = next((place for place in close if _is_left(image, QUALITIES[place])), best)
    return QUALITIES[best]


def _is_left(image: np.ndarray, quality: int) -> bool:
    """Return whether coding a gray image changes no pixel by more than a gray level."""
    with Image.open(io.BytesIO(pillow.save(image, "JPEG", {"quality": quality}))) as decoded:
        return int(np.abs(np.asarray(decoded, np.int16) - image).max()) <= 1


def _coefficients(image: np.ndarray) -> np.ndarray:
    """Return the DCT coefficients (8, 8, N) of up to BLOCKS blocks of luma, if possible of blocks without clipping."""
    luma = image if image.ndim == 2 else np.asarray(Image.fromarray(image).convert("L"))  # full range, as in the file
    clipped = ((image == 0) | (image == 255)).reshape(*luma.shape, -1).any(axis=2)
    luma, clipped = _blocks(luma), _blocks(clipped).any(axis=(0, 1))
    # Where rows or columns repeat, so do their roundings, which then do not average to the variance above.
    varied = np.minimum(np.ptp(luma, axis=0).max(axis=0), np.ptp(luma, axis=1).max(axis=0)) > REPEATED
    chosen = np.flatnonzero(varied & ~clipped)
    chosen = chosen if chosen.size else np.flatnonzero(varied)
    chosen = chosen[np.linspace(0, chosen.size - 1, min(chosen.size, BLOCKS)).round().astype(int)]
    return fft.dctn(luma[..., chosen].astype(np.float32) - 128, axes=(0, 1), norm="ortho")


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Return the blocks of a plane as (8, 8, N), without those that the edge cuts: the codec filled them up."""
    rows, columns = (side // 8 for side in plane.shape)
    whole = plane[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    return whole.transpose(1, 3, 0, 2).reshape(8, 8, rows * columns)


def _evidence(values: np.ndarray, step: int) -> float:
    """Return the logarithm of how many times likelier `values` are as multiples of `step` with noise than without."""
    rest = np.abs(values - step * np.round(values / step))
    density = np.exp(rest**2 / (-2 * NOISE)) + np.exp((step - rest) ** 2 / (-2 * NOISE))  # of the two nearest multiples
    ratio = step * density / np.sqrt(2 * np.pi * NOISE)
    return float(np.log((1 - OUTLIERS) * ratio + OUTLIERS).sum(dtype=np.float64))


@functools.cache
def _tables() -> np.ndarray:
    """Return the quantisation steps of luma, (100, 64) in row-major order, that the codec writes for each quality."""
    files = (pillow.save(np.zeros((8, 8), np.uint8), "JPEG", {"quality": quality}) for quality in QUALITIES)
    return np.array([JpegImageFile(io.BytesIO(file)).quantization[0] for file in files])


def of_file(path: Path) -> int | None:
    """Return the quality factor (1..100) that the quantisation tables in a JPEG file come nearest to, None for others.

    The nearest is by the mean distance of the logarithms of the steps of luma: encoders that scale tables of their own,
    as those of phones do, get the quality factor of libjpeg with steps of about their size.
    """
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            steps = np.array(image.quantization[0], float) if isinstance(image, JpegImageFile) else np.empty(0)
    except (OSError, SyntaxError, ValueError, KeyError):
        return None
    if steps.size != 64 or (steps < 1).any():
        return None
    distances = np.abs(np.log(_tables()) - np.log(steps)).mean(axis=1)
    return QUALITIES[len(distances) - 1 - int(distances[::-1].argmin())]
