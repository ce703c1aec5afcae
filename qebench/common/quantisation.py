"""What a JPEG file tells of its original: the steps of its DCT coefficients, and how its 8x8 blocks lie.

An encoder rounds each coefficient to a whole number of steps, so that of the original is at most half a step away.
Where an enhanced picture leaves these bounds, moving it back brings it nearer to the original (projection onto the
quantisation constraint set). As coefficients are not spread evenly, narrower bounds gain more on average (S. H. Park,
D. S. Kim, "Theory of Projection onto the Narrow Quantization Constraint Set and Its Application", IEEE Transactions on
Image Processing 8(10), 1999).

The steps are those of the last save. A picture that was saved more coarsely before needs larger changes than these
allow.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

# Both from validation pictures, by `qebench study jpeg-bounds`:
NARROW = 0.8  # of half a step: of 0.6, 0.8, 1 and 1.2 what gains most at QF 10 to 85
SAVED_ONCE = 0.6  # of the energy of luma's change: where less is kept, the picture was saved more coarsely before
SIDE = 8  # samples of a block
STRIP = 32 * SIDE  # rows at a time, as floats of a large picture take gigabytes
_RGB = [ord(letter) for letter in "RGB"]  # the numbers of components that libjpeg takes for R, G and B


@dataclass(frozen=True, eq=False)
class Quantisation:
    """The steps of a JPEG file's planes, gray or Y, Cb and Cr: each (8, 8), of rows and columns of frequencies.

    `orientation` is EXIF's (1..8), by which the picture was turned upright after it was decoded.
    """

    steps: tuple[np.ndarray, ...]
    orientation: int = 1

    def stored(self, upright: np.ndarray) -> np.ndarray:
        """Return an upright picture, (H, W) or (H, W, 3), as the file has it, whose blocks begin at its first pixel."""
        return np.ascontiguousarray(self._turned(upright)[self._flips()])

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """Return what `stored` was given."""
        return np.ascontiguousarray(self._turned(stored[self._flips()]))

    def _turned(self, picture: np.ndarray) -> np.ndarray:
        return picture.swapaxes(0, 1) if self.orientation > 4 else picture

    def _flips(self) -> tuple[slice, slice]:
        rows, columns = self.orientation in (3, 4, 6, 7), self.orientation in (2, 3, 7, 8)
        return slice(None, None, -1 if rows else 1), slice(None, None, -1 if columns else 1)


def of_file(image: Image.Image, orientation: int = 1) -> Quantisation | None:
    """Return the quantisation of an opened JPEG file of gray or YCbCr, None of all others.

    None is also that of files whose luma has fewer samples than the picture, or Cb and Cr different numbers, and of
    those that do not have all tables before the first scan.
    """
    tables, layers = getattr(image, "quantization", {}), getattr(image, "layer", [])
    if len(layers) not in (1, 3) or any(table not in tables for *_, table in layers):
        return None
    if len(layers) == 3:
        numbers, (luma, cb, cr) = [layer[0] for layer in layers], [layer[1:3] for layer in layers]
        as_rgb = image.info.get("adobe_transform") == 0 or numbers == _RGB
        if as_rgb or cb != cr or luma[0] < cb[0] or luma[1] < cb[1]:
            return None
    return Quantisation(tuple(np.reshape(tables[table], (SIDE, SIDE)) for *_, table in layers), orientation)


def projected(change: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the change of a plane with its coefficients clipped to NARROW bounds of `steps`, (8, 8).

    `change` is float16 (H, W), in gray levels from the decoded plane as it is stored; so is the result.
    """
    from scipy.fft import dctn, idctn  # late: SciPy takes long to import

    result = np.empty_like(change)
    most = (NARROW / 2 * steps)[:, None].astype(np.float32)
    for top in range(0, len(change), STRIP):
        rows = change[top : top + STRIP].astype(np.float32)
        whole = np.pad(rows, [(0, -length % SIDE) for length in rows.shape], mode="edge")
        blocks = whole.reshape(-1, SIDE, whole.shape[1] // SIDE, SIDE)
        coefficients = dctn(blocks, axes=(1, 3), norm="ortho").clip(-most, most)
        kept = idctn(coefficients, axes=(1, 3), norm="ortho").reshape(whole.shape)
        result[top : top + STRIP] = kept[: rows.shape[0], : rows.shape[1]]
    return result


def share_kept(change: np.ndarray, kept: np.ndarray) -> float:
    """Return which share (0..1) of the energy of a change `projected` keeps; of no change 1."""
    energy = _energy(change)
    return _energy(kept) / energy if energy else 1.0


def _energy(change: np.ndarray) -> float:
    strips = (change[top : top + STRIP] for top in range(0, len(change), STRIP))
    return sum(float(np.square(strip, dtype=np.float32).sum()) for strip in strips)
