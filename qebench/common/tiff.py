"""What Pillow does not tell of a TIFF file (TIFF 6.0; BigTIFF), by tifffile: its main page, and 16-bit samples."""

from io import BytesIO

import numpy as np
import tifffile

REDUCED = 1  # bit of NewSubfileType: a thumbnail of another page
ALPHA = (1, 2)  # ExtraSamples: associated and unassociated alpha; 0 is unspecified and means nothing
WHITE_IS_ZERO = 0  # PhotometricInterpretation


def main_page(encoded: bytes) -> tuple[int, int]:
    """Return which page of a file, from 0, holds its picture, and how many there are without thumbnails."""
    with tifffile.TiffFile(BytesIO(encoded)) as file:
        main = [number for number, page in enumerate(file.pages) if not page.aspage().subfiletype & REDUCED]
    return (main or [0])[0], len(main) or 1


def segments(encoded: bytes, page: int) -> tuple[int, bytes, list[bytes]]:
    """Return the compression of a page (a number), the JPEG tables that its segments share, and the segments.

    Raises ValueError if one is not wholly there.
    """
    with tifffile.TiffFile(BytesIO(encoded)) as file:
        found = file.pages[page].aspage()
        places = list(zip(found.dataoffsets, found.databytecounts, strict=True))
        if any(not size or start + size > len(encoded) for start, size in places):
            raise ValueError("a segment is missing")
        return (
            int(found.compression),
            found.jpegtables or b"",
            [encoded[start : start + size] for start, size in places],
        )


def wide(encoded: bytes, page: int) -> np.ndarray:
    """Return the 16-bit samples of a page of gray or RGB as uint16 (H, W) or (H, W, 2 to 4), the last being alpha.

    Extra samples that are not alpha are left out. Raises ValueError, or what tifffile raises, if the page is damaged.
    """
    with tifffile.TiffFile(BytesIO(encoded)) as file:
        found = file.pages[page].aspage()
        if not all(found.databytecounts):
            raise ValueError("a segment is missing")  # which tifffile fills with zeros
        samples = found.asarray(maxworkers=1)
        if found.planarconfig == tifffile.PLANARCONFIG.SEPARATE and found.samplesperpixel > 1:
            samples = np.moveaxis(samples, 0, -1)
        samples = samples.reshape(found.imagelength, found.imagewidth, found.samplesperpixel)
        colours = found.samplesperpixel - len(found.extrasamples)
        alpha = [colours + place for place, kind in enumerate(found.extrasamples) if kind in ALPHA]
        samples = samples[..., [*range(colours), *alpha[:1]]]
        if found.photometric == WHITE_IS_ZERO:
            samples = np.concatenate([65535 - samples[..., :1], samples[..., 1:]], axis=2)
    return samples[..., 0] if samples.shape[2] == 1 else samples
