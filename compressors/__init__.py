"""Image codecs: one module per compressor, each with `encode` and `decode`.

A compressor module defines

- `QUALITY`: "qp" or "qf", the name of its quality parameter,
- `QUALITIES`: the range of values it accepts,
- `SUFFIX`: the file name ending of its bitstreams,
- `version()`: the codec library that makes the bits, with its version,
- `settings(image)`: everything else that decides the bits, in words a reader can repeat,
- `encode(image, quality)`: uint8 (H, W) luma or (H, W, 3) RGB to the bytes of a decodable bitstream,
- `decode(bitstream)`: those bytes back to a uint8 image of the same shape.
"""

from types import ModuleType


def check_quality(compressor: ModuleType, quality: int) -> None:
    """Raise ValueError if a compressor does not take a quality."""
    if quality not in compressor.QUALITIES:
        span = f"{compressor.QUALITY} {compressor.QUALITIES[0]}..{compressor.QUALITIES[-1]}"
        raise ValueError(f"{compressor.__name__.split('.')[-1]} takes {span}, not {quality}")
