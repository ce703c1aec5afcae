"""Save and read pictures in memory, for the compressors whose codec comes with Pillow."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from qebench.common import damage


def save(image: np.ndarray, container: str, options: Mapping[str, Any]) -> bytes:
    """Return the file that Pillow writes of a uint8 (H, W) or (H, W, 3) image.

    `container` is Pillow's name of the format. Pillow ignores options that the format does not have.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, container, **options)
    return file.getvalue()


def read(bitstream: bytes, container: str) -> np.ndarray:
    """Return the uint8 (H, W) or (H, W, 3) image in a file.

    Raises ValueError if it is not a whole file of `container` with one 8-bit gray or RGB picture.
    """
    try:
        image = Image.open(io.BytesIO(bitstream), formats=[container])
        if container == "JPEG":
            damage.check_jpeg(bitstream)
        frames = getattr(image, "n_frames", 1)
        pixels = np.asarray(image)
    except Exception as error:  # decoders raise a dozen kinds for damaged files
        reason = "of another format" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"not a whole {container} file: {reason}") from None
    if image.mode not in ("L", "RGB") or frames > 1:
        found = f"{frames} pictures" if frames > 1 else image.mode
        raise ValueError(f"expected one gray or RGB picture in the {container} file, found {found}")
    return pixels
