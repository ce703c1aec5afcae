"""What a codec is given of a picture, and what is measured of what it decodes to.

The JPEG literature codes luma alone. The authors of RBQE code colour and take the luma of the decoded picture, and they
crop before HM but after JPEG. Here each is a choice by name. The luma is always `colour.luma` (limited-range BT.601,
rounded, as MATLAB's rgb2ycbcr) of the RGB picture that the codec decodes to, not the codec's own Y plane.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qebench.common import images
from qebench.datasets import originals

CODED = ("luma", "colour")
CROPPED = ("before", "after")


@dataclass(frozen=True)
class Coding:
    """How the pictures of a protocol are coded: as luma or in colour, cropped before coding or after decoding.

    `coded` matters where the protocol measures luma; RGB is coded as RGB. Pictures that are gray are coded as gray.
    """

    protocol: originals.Protocol
    coded: str = "luma"
    cropped: str = "before"

    def __post_init__(self) -> None:
        if self.coded not in CODED or self.cropped not in CROPPED:
            raise ValueError(
                f"coded is {self.coded!r} and crop {self.cropped!r}: choose luma or colour, before or after"
            )

    @property
    def is_plain(self) -> bool:
        """Whether what is coded is what is measured: the prepared originals themselves."""
        in_colour = self.coded == "colour" and self.protocol.colour == "luma"
        return not in_colour and (self.cropped == "before" or self.protocol.crop is None)

    def given(self, image: np.ndarray) -> np.ndarray:
        """Return what the codec gets of a picture, uint8 (H, W) or (H, W, 3)."""
        in_colour = self.coded == "colour" and image.ndim == 3
        crop = self.protocol.crop if self.cropped == "before" else None
        return originals.prepare(
            image, replace(self.protocol, colour="rgb" if in_colour else self.protocol.colour, crop=crop)
        )

    def measured(self, decoded: np.ndarray) -> np.ndarray:
        """Return what is measured of what the codec decodes `given` to, uint8 of the prepared original's shape."""
        return originals.prepare(decoded, replace(self.protocol, scale=1))

    def describe(self, given: np.ndarray) -> str:
        """Return words on how a picture that was `given` became what is measured, to go after the codec's settings."""
        luma = (
            "; RGB to BT.601 limited-range luma after decoding"
            if given.ndim == 3 and self.protocol.colour == "luma"
            else ""
        )
        after = self.cropped == "after" and self.protocol.crop is not None
        return luma + (f"; cropped to {self.protocol.crop}x{self.protocol.crop} after decoding" if after else "")


@dataclass(frozen=True)
class Source:
    """The pictures that a data set was prepared from (None: the demo), to be coded otherwise than prepared."""

    folder: Path | None
    coding: Coding

    def picture(self, name: str, original: np.ndarray) -> np.ndarray:
        """Return what the codec gets of the picture in the file `name` whose prepared original is `original`.

        Raises ValueError if it is no longer the picture that was prepared.
        """
        folder = originals.sources(None)[0].parent if self.folder is None else self.folder
        image = images.read(folder / name)
        if not np.array_equal(originals.prepare(image, self.coding.protocol), original):
            raise ValueError(
                f"{folder / name} is not what the originals were made of: delete their manifest and run again"
            )
        return self.coding.given(image)
