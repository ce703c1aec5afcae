"""RGB pictures of odd width or height in 4:2:0 HEVC, which has even ones only. Used by `compressors.hevc` and `hm`.

The last column or row is repeated before coding. How many there are to drop after decoding is noted at the end of the
stream, in a suffix SEI message of user data (H.265, clauses 7.3.2.4 and D.2.7): 26 bytes, which count as bits of the
picture. Other decoders give the padded picture: the conformance window that they crop to has even sides, too.
"""

import uuid

import numpy as np

SUFFIX_SEI = bytes([40 << 1, 1])  # NAL unit header: type 40, layer 0
USER_DATA = bytes([5, 16 + 2])  # unregistered: payload type and size
OURS = uuid.UUID("366c5142-91c6-415f-9e40-793dd9164022").bytes
NOTE = b"\0\0\1" + SUFFIX_SEI + USER_DATA + OURS  # then two bytes; a start code is nowhere else in a stream
END = b"\x80"  # a one and zeros to the end of the byte (clause 7.3.2.11)


def pad(image: np.ndarray) -> np.ndarray:
    """Return a (H, W, 3) image with its last row and column repeated where the height or width is odd."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def note(bitstream: bytes, image: np.ndarray) -> bytes:
    """Return the Annex B stream of a picture with a note on what `pad` added to `image`, if it added anything."""
    odd = bytes(side % 2 for side in image.shape[:2])
    # No emulation prevention: there are no two zeros in a row, as one side is odd and our UUID has none.
    return bitstream + NOTE + odd + END if any(odd) else bitstream


def describe(image: np.ndarray) -> str:
    """Return words on what `pad` adds to an image, to go after others; "" if that is nothing."""
    return " with the edge repeated to an even size" if any(side % 2 for side in image.shape[:2]) else ""


def crop(image: np.ndarray, bitstream: bytes) -> np.ndarray:
    """Return a decoded (H, W) or (H, W, 3) picture without what the note in its stream says was added, if there is one.

    Raises ValueError if the note cannot be right.
    """
    _, found, rest = bitstream.partition(NOTE)
    if not found:
        return image
    height, width = image.shape[:2]
    rows, columns = rest[:2].ljust(2, b"\xff")
    if max(rows, columns) > 1 or rows >= height or columns >= width:
        raise ValueError(f"{rows} rows and {columns} columns are said to be added to a picture of {width}x{height}")
    return image[: height - rows, : width - columns]
