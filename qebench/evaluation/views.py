"""The pictures that papers mean when they print "PSNR": RGB or a luma, rounded or not, with or without its border.

Two lumas go by the name of Y, both with the weights of ITU-R BT.601: `luma` in 16..235, as MATLAB's rgb2ycbcr gives it,
and `luma_full` in 0..255, as JPEG files have it (ITU-T T.871) and as Pillow, OpenCV and MATLAB's rgb2gray give it.
Their PSNRs differ by 20 log10(255 / 219) = 1.32 dB. MATLAB and OpenCV round luma to 8 bits if the picture has them;
BasicSR and what builds on it do not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BORDERS = (0, 4)  # pixels cut off each side: none, as for restoration, or as for super-resolution by 4

Conversion = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class View:
    """What of a picture is measured: its colour, a key of COLOURS, and the pixels that are cut off each side."""

    colour: str
    border: int

    def of(self, picture: np.ndarray) -> np.ndarray:
        """Return float64 (H, W, C) in [0, 255] of a uint8 (H, W) or (H, W, 3) picture."""
        _, convert = COLOURS[self.colour]
        inside = slice(self.border, -self.border or None)
        return np.atleast_3d(convert(picture[inside, inside].astype(np.float64)))


def of_picture(picture: np.ndarray) -> Iterator[View]:
    """Yield the views that there are of a uint8 picture: a gray one, (H, W), has but one colour."""
    for colour in COLOURS:
        if (colour == "gray") == (picture.ndim == 2):
            yield from (View(colour, border) for border in BORDERS)


def _luma(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.array([65481.0, 128553.0, 24966.0]) / 255_000 + 16  # times 255,000 they are whole: sums are exact


def _luma_full(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.array([299.0, 587.0, 114.0]) / 1000


def _rounded(convert: Conversion) -> Conversion:
    return lambda rgb: np.floor(convert(rgb) + 0.5)


COLOURS: dict[str, tuple[str, Conversion]] = {  # by name: what a reader calls it, and how it comes from the picture
    "gray": ("gray", lambda gray: gray),
    "rgb": ("RGB", lambda rgb: rgb),
    "luma_float": ("BT.601 luma 16..235, float", _luma),
    "luma": ("BT.601 luma 16..235, 8 bits", _rounded(_luma)),
    "luma_full_float": ("BT.601 luma 0..255, float", _luma_full),
    "luma_full": ("BT.601 luma 0..255, 8 bits", _rounded(_luma_full)),
}
