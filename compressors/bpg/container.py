"""The BPG file: its header, and the HEVC stream of the still picture that it holds.

F. Bellard, BPG Specification 0.9.5 (libbpg 0.9.8), clause 3. Extensions (Exif, colour profiles, ...) are skipped and
the alpha plane is left out. Written and read here are 8-bit full-range pictures; other files are refused by name.
"""

from dataclasses import dataclass

from compressors.bpg import hevc
from qebench.common import images

MAGIC = bytes.fromhex("425047fb")
CHROMA = ["gray", "420", "422", "444", "420_video", "422_video"]  # pixel_format; _video: with the siting of MPEG-2
COLOURS = ["ycbcr", "rgb", "ycgco", "ycbcr_bt709", "ycbcr_bt2020"]  # color_space, as bpgenc calls them
MAX_PIXELS_PER_BYTE = 1 << 16  # of picture data; HM codes 2048x2048 pixels of white in one byte per 1 << 14


@dataclass(frozen=True)
class Header:
    """What a BPG file says of its picture."""

    width: int
    height: int
    chroma: str = "420"  # one of CHROMA
    colour: str = "ycbcr"  # one of COLOURS
    depth: int = 8
    limited_range: bool = False
    alpha: bool = False
    second_alpha: bool = False  # with `alpha`: colours are premultiplied; without: CMYK
    animation: bool = False

    @property
    def planes(self) -> list[tuple[int, int]]:
        """Height and width of the luma plane and of the two of chroma, if there are any."""
        if self.chroma == "gray":
            return [(self.height, self.width)]
        rows, columns = 1 + self.chroma.startswith("420"), 1 + (self.chroma != "444")  # pixels per chroma sample
        return [(self.height, self.width), *[(-(-self.height // rows), -(-self.width // columns))] * 2]


def write(header: Header, stream: bytes) -> bytes:
    """Return the BPG file of an HEVC intra picture.

    `stream` is Annex B, an IDR picture with its parameter sets, coded at the size of `header` rounded up to whole
    smallest coding blocks. Raises ValueError if it has something that a BPG file cannot express.
    """
    units = hevc.units(stream)
    tools = next(hevc.read_sps(unit) for unit in units if hevc.kind(unit) == hevc.SPS)
    kept = [unit for unit in units if hevc.kind(unit) in (hevc.PPS, *hevc.SLICES)]
    if any(hevc.kind(unit) not in (hevc.PPS, *hevc.IDR) for unit in kept):
        raise ValueError("expected an IDR picture alone")
    flags = [
        CHROMA.index(header.chroma) << 5 | header.alpha << 4 | header.depth - 8,
        COLOURS.index(header.colour) << 4 | header.second_alpha << 2 | header.limited_range << 1 | header.animation,
    ]
    to_the_end = 0  # instead of a length, as bpgenc has it
    head = MAGIC + bytes(flags) + _ue7(header.width) + _ue7(header.height) + _ue7(to_the_end)
    fields = hevc.write_header(tools)
    return head + _ue7(len(fields)) + fields + hevc.START.join(kept)


def read(file: bytes) -> tuple[Header, bytes]:
    """Return the header of a BPG file and the picture data, hevc_header and all.

    Raises ValueError if this is no BPG file, too large, or if it ends within the header or before the data do.
    """
    if not file.startswith(MAGIC):
        raise ValueError("not a BPG file")
    if len(file) < 6:
        raise ValueError("not a whole BPG file")
    form, space = file[4] >> 5, file[5] >> 4
    if form >= len(CHROMA) or space >= len(COLOURS) or (form == 0 and space != 0):
        raise ValueError(f"not a BPG file: pixel format {form} and colour space {space}")
    with_extension = file[5] >> 3 & 1
    width, position = _read_ue7(file, 6)
    height, position = _read_ue7(file, position)
    length, position = _read_ue7(file, position)
    extension, position = _read_ue7(file, position) if with_extension else (0, position)
    position += extension
    end = position + length if length else len(file)
    if not width or not height or position >= len(file) or end > len(file):
        raise ValueError(f"not a whole BPG file: {width}x{height}, {len(file)} bytes of {max(end, position)}")
    try:
        images.check_largest(width, height)
    except ValueError as error:
        raise ValueError(f"a BPG file that {error}") from None
    header = Header(
        width,
        height,
        CHROMA[form],
        COLOURS[space],
        depth=8 + (file[4] & 15),
        limited_range=bool(file[5] & 2),
        alpha=bool(file[4] & 16),
        second_alpha=bool(file[5] & 4),
        animation=bool(file[5] & 1),
    )
    return header, file[position:end]


def stream(header: Header, data: bytes) -> bytes:
    """Return the Annex B stream of the colour planes, with the parameter sets that the file leaves out.

    Raises ValueError, saying what it is, if the file has something that cannot be decoded here.
    """
    for present, what in (
        (header.depth != 8, f"a BPG file of {header.depth} bits"),
        (header.animation, "an animated BPG file"),
        (header.limited_range, "a BPG file of limited range"),
        (header.second_alpha and header.alpha, "a BPG file of premultiplied alpha"),
        (header.second_alpha, "a BPG file of CMYK"),
    ):
        if present:
            raise ValueError(f"{what}: bpgdec can decode it (settings jctvc and x265), this decoder cannot")
    if header.width * header.height > MAX_PIXELS_PER_BYTE * len(data):
        raise ValueError(f"not a BPG file: {header.width}x{header.height} pixels in {len(data)} bytes")
    if header.alpha:
        _, data = _hevc_header(data)
    fields, data = _hevc_header(data)
    units = [unit for unit in hevc.units(data) if len(unit) > 2 and hevc.layer(unit) == 0]
    kept = [unit for unit in units if hevc.kind(unit) in (hevc.PPS, *hevc.SLICES)]
    try:
        tools = hevc.read_header(fields)
        bypass = [hevc.lossless(unit) for unit in kept if hevc.kind(unit) == hevc.PPS]
    except ValueError as error:
        raise ValueError(f"not a BPG file: {error}") from None
    if any(bypass) or any(tools.range_extension):  # libavcodec gets some pixels of these wrong
        raise ValueError("a lossless BPG file: bpgdec can decode it (settings jctvc and x265), this decoder cannot")
    form = header.chroma.removesuffix("_video")
    start = hevc.parameter_sets(tools, header.width, header.height, form)
    return start + b"".join(hevc.START + unit for unit in kept)


def _hevc_header(data: bytes) -> tuple[bytes, bytes]:
    """Return the fields of the hevc_header that `data` begins with, and what follows it."""
    length, position = _read_ue7(data, 0)
    if position + length >= len(data):
        raise ValueError("not a whole BPG file: it ends within the HEVC header")
    return data[position : position + length], data[position + length :]


def _ue7(value: int) -> bytes:
    """Return a number in groups of 7 bits, most significant first, all but the last with the top bit set."""
    groups = [value & 127]
    while value := value >> 7:
        groups.insert(0, value & 127 | 128)
    return bytes(groups)


def _read_ue7(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position` and the position after it; it has at most 32 bits, no leading zeros."""
    value, start = 0, position
    while True:
        if position >= len(data):
            raise ValueError("not a whole BPG file: it ends within a number")
        byte, position = data[position], position + 1
        value = value << 7 | byte & 127
        if (byte == 128 and value == 0) or value >> 32:
            raise ValueError(f"not a BPG file: no number at byte {start}")
        if byte < 128:
            return value, position
