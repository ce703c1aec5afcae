"""Image codecs: one module per compressor, each with `encode` and `decode`.

A compressor module defines

- `QUALITY`: the name of its quality parameter, as "qp" or "qf": a QP falls with better quality, all others rise,
- `QUALITIES`: the range of whole numbers it accepts,
- `SUFFIX`: the file name ending of its bitstreams,
- `Settings`: a frozen dataclass of its choices with their defaults (`NoSettings` if there is nothing to choose),
- `version(settings)`: the codec that makes and reads the bits, with versions,
- `describe(image, settings)`: everything else that decides the bits, in words a reader can repeat,
- `encode(image, quality, settings)`: uint8 (H, W) luma or (H, W, 3) RGB to the bytes of a decodable bitstream,
- `encode_and_tell(image, quality, settings)`, if its encoder measures, too: the bitstream, and what that says of it,
- `decode(bitstream, settings)`: those bytes back to a uint8 image of the same shape,
- `quality_of_file(path)`, if picture files tell it: the quality, a float on the scale of QUALITIES, that a file of this
  codec was compressed at; None for files that are another codec's or do not tell.

`settings` may be left out of each, for the defaults. External programs that are missing are a FileNotFoundError, those
that fail a RuntimeError (see `qebench.coding.tools`), and what cannot be coded or decoded is a ValueError.
"""
