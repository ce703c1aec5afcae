"""HEVC parameter sets as BPG files keep them: the few fields of the SPS that matter to an intra picture, and back.

A BPG file drops HEVC's VPS and SPS and carries instead the "hevc_header" of F. Bellard, BPG Specification 0.9.5,
clause 3.1; decoders imply the rest (clause 3.2). Fields are named as in ITU-T H.265 (2013), clause 7.3.2.
"""

import re
from dataclasses import dataclass
from typing import Any

from bitstring import Bits, Reader, pack

START = b"\0\0\1"
VPS, SPS, PPS = 32, 33, 34  # nal_unit_type (H.265, table 7-1)
SLICES = range(0, 32)
IDR = range(19, 21)
RANGE_EXTENSION = 9  # flags in the SPS
CHROMA_FORMATS = ["gray", "420", "422", "444"]  # chroma_format_idc


@dataclass(frozen=True)
class Tools:
    """The fields of an SPS that a BPG file keeps."""

    sizes: tuple[int, ...]  # log2 of min. coding block - 3, max. over min.; the same of transform blocks, but - 2
    depth: int  # max_transform_hierarchy_depth_intra
    sao: bool
    pcm: tuple[int, ...]  # bit depths - 1, log2 of sizes, loop filter flag; empty if there is no PCM
    strong_smoothing: bool
    range_extension: tuple[bool, ...]  # its 9 flags; empty if it is absent

    @property
    def block(self) -> int:
        """The side of the smallest coding block; the coded width and height are multiples of it."""
        return 8 << self.sizes[0]


def units(stream: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B stream, with or without a start code before the first."""
    return [unit for unit in re.split(rb"\x00\x00+\x01", stream) if unit]


def kind(unit: bytes) -> int:
    """Return the nal_unit_type of a NAL unit."""
    return unit[0] >> 1 & 63


def layer(unit: bytes) -> int:
    """Return the nuh_layer_id of a NAL unit: 0 for colour, 1 for the alpha plane of a BPG file."""
    return (unit[0] & 1) << 5 | unit[1] >> 3


def read_sps(unit: bytes) -> Tools:
    """Return what a BPG file keeps of an encoder's SPS.

    Raises ValueError if the SPS has something that BPG decoders do not expect of an IDR picture, or ends too early.
    """
    bits = Reader(Bits.from_bytes(unit[2:].replace(b"\0\0\3", b"\0\0")))
    bits.read_list(["u8", "bytes12", "ue"])  # ids, profile, tier and level
    if bits.read_value("ue") == CHROMA_FORMATS.index("444"):
        bits.read_value("bool")  # separate_colour_plane_flag
    bits.read_list(["ue", "ue"])  # width and height
    if bits.read_value("bool"):
        raise ValueError("the SPS crops the picture, which a BPG file does by its own header")
    bits.read_list(["ue", "ue", "ue", "bool", "ue", "ue", "ue"])  # bit depths, picture order, buffers
    return _read(bits, whole=True)


def read_header(data: bytes) -> Tools:
    """Return the fields of a BPG file's hevc_header; raises ValueError if it ends too early or they are out of range.

    The ranges are those of H.265, clause 7.4.3.2, for the sizes. Only these decide how much memory a decoder takes.
    """
    tools = _read(Reader(Bits.from_bytes(data)), whole=False)
    coding, more, transform, further = tools.sizes
    if not (max(coding, more) <= 3 and 4 <= coding + 3 + more <= 6 and transform <= coding and further <= 3):
        raise ValueError(f"block sizes that HEVC does not have: {tools.sizes}")
    return tools


def write_header(tools: Tools) -> bytes:
    """Return a BPG file's hevc_header, without the length before it."""
    return _write(tools, whole=False).tobytes()  # pads with zeros


def parameter_sets(tools: Tools, width: int, height: int, chroma: str) -> bytes:
    """Return the VPS and the SPS of an 8-bit picture, with start codes, as BPG decoders imply them.

    `width` and `height` are those of the picture; the coded ones are the next multiples of the smallest block.
    `chroma` is one of CHROMA_FORMATS.
    """
    coded = [-(-side // tools.block) * tools.block for side in (width, height)]
    # main tier, profile 4 (format range extensions), no constraints, level 8.5
    profile = pack("u2, bool, u5, u32, u48, u8", 0, False, 4, 1 << 27, 0, 255)
    # one layer, one sub-layer, buffers for one picture, no timing, no extension
    vps = pack(
        "u4, u2, u6, u3, bool, u16, bits, bool, ue, ue, ue, u6, ue, bool, bool",
        *(0, 3, 0, 0, True, 0xFFFF, profile, True, 0, 0, 0, 0, 0, False, False),
    )
    form = CHROMA_FORMATS.index(chroma)
    sps = pack("u4, u3, bool, bits, ue, ue", 0, 0, True, profile, 0, form) + Bits.from_zeros(form == 3)
    # no conformance window, 8 bit, log2_max_pic_order_cnt_lsb 8, buffers for one picture
    sps += pack("ue, ue, bool, ue, ue, ue, bool, ue, ue, ue", *coded, False, 0, 0, 4, True, 0, 0, 0)
    return _unit(VPS, vps) + _unit(SPS, sps + _write(tools, whole=True))


def lossless(unit: bytes) -> bool:
    """Return whether a PPS lets blocks bypass transform and quantisation; raises ValueError if it ends too early."""
    bits = Reader(Bits.from_bytes(unit[2:].replace(b"\0\0\3", b"\0\0")))
    bits.read_list(["ue", "ue", "u7", "ue", "ue", "se", "u2"])  # ids, ..., init_qp, intra prediction, transform skip
    if bits.read_value("bool"):
        bits.read_value("ue")  # diff_cu_qp_delta_depth
    bits.read_list(["se", "se", "u3"])  # chroma QP offsets, weighted prediction
    return bool(bits.read_value("bool"))


def _read(bits: Reader, whole: bool) -> Tools:
    """Read from log2_min_luma_coding_block_size on, of a `whole` SPS or of a hevc_header."""
    # Any: bitstring's types do not tell which kind of field gives which.
    sizes: tuple[Any, ...] = tuple(bits.read_list(["ue"] * 4))
    if whole:
        bits.read_value("ue")  # the depth in inter blocks, of which there are none
    depth: Any = bits.read_value("ue")
    if whole and bits.read_list(["bool", "bool"])[0]:  # the other, asymmetric partitions, is for inter blocks
        raise ValueError("the SPS has scaling lists, which a BPG file cannot have")
    sao, with_pcm = map(bool, bits.read_list(["bool", "bool"]))
    pcm: tuple[Any, ...] = tuple(bits.read_list(["u4", "u4", "ue", "ue", "u1"])) if with_pcm else ()
    if whole and bits.read_list(["ue", "bool", "bool"])[:2] != [0, False]:
        raise ValueError("the SPS has reference pictures, which a BPG still picture cannot have")
    strong_smoothing = bool(bits.read_value("bool"))
    if whole and bits.read_value("bool"):
        _skip_vui(bits)
    flags: list[bool] = []
    if bits.read_value("bool"):
        with_flags, others = bits.read_list(["bool", "u7"])
        if others:
            raise ValueError("the SPS has other extensions than the range extension")
        flags = [*map(bool, bits.read_list(["bool"] * RANGE_EXTENSION))] if with_flags else []
    return Tools(sizes, depth, sao, pcm, strong_smoothing, tuple(flags))


def _write(tools: Tools, whole: bool) -> Bits:
    depths = [tools.depth] * (2 if whole else 1)  # inter, intra
    fields = pack(["ue"] * (4 + len(depths)), *tools.sizes, *depths)
    fields += pack("bool, bool", False, True) if whole else Bits()  # scaling lists, asymmetric partitions
    fields += pack("bool, bool", tools.sao, bool(tools.pcm))
    fields += pack("u4, u4, ue, ue, u1", *tools.pcm) if tools.pcm else Bits()
    fields += pack("ue, bool, bool", 0, False, True) if whole else Bits()  # references, temporal motion vectors
    fields += pack("bool", tools.strong_smoothing)
    fields += pack("bool", False) if whole else Bits()  # VUI
    fields += pack("bool", bool(tools.range_extension))
    if tools.range_extension:
        fields += pack("bool, u7" + ", bool" * RANGE_EXTENSION, True, 0, *tools.range_extension)
    return fields


def _skip_vui(bits: Reader) -> None:
    """Read over the video usability information (H.265, clause E.2.1)."""

    def present(*fields: str) -> bool:
        flag = bool(bits.read_value("bool"))
        if flag:
            bits.read_list([*fields])
        return flag

    if bits.read_value("bool") and bits.read_value("u8") == 255:  # aspect ratio
        bits.read_value("u32")
    present("bool")  # overscan
    if present("u4"):  # video signal
        present("u24")  # colour description
    present("ue", "ue")  # chroma sample location
    bits.read_value("u3")
    present("ue", "ue", "ue", "ue")  # default display window
    if present("u32", "u32"):  # timing
        present("ue")
        if bits.read_value("bool"):
            raise ValueError("the SPS has parameters of a reference decoder, which are not read here")
    present("u3", "ue", "ue", "ue", "ue", "ue")  # restrictions


def _unit(kind: int, fields: Bits) -> bytes:
    """Return a NAL unit of layer 0 with its start code, trailing bits and emulation prevention (clause 7.3.1)."""
    payload = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", (fields + pack("bool", True)).tobytes())
    return START + bytes([kind << 1, 1]) + payload
