"""Read the quantisation parameter of an HEVC still picture from its headers, as an HEIF file (HEIC) holds it.

SliceQpY is 26 + init_qp_minus26 of the PPS + slice_qp_delta of the slice (ITU-T H.265, equation 7-54). Encoders may
move it from block to block around that value. Fields are named as in clause 7.3 of H.265.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

from bitstring import Bits, Reader

from compressors.bpg import hevc

# Bytes of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.2.1): lengthSizeMinusOne, and where the arrays are.
LENGTH_SIZE, ARRAYS = 21, 22
HEADER = 64  # bytes of a slice that are looked at, far more than its header has
INTRA = 2  # slice_type
FULL_CHROMA = 3  # chroma_format_idc of 4:4:4


def of_file(path: Path) -> float | None:
    """Return the mean QP (as of 8-bit HEVC, 0..51) of the slices of an HEIF file's picture, or None.

    None is for other files, other codecs, and streams whose headers are not those of intra pictures by themselves
    (IDR). Of a picture in tiles all are read; thumbnails are smaller than those and are not.
    """
    import av

    try:
        with av.open(BytesIO(Path(path).read_bytes()), "r") as container:
            streams = [stream for stream in container.streams.video if stream.codec_context.name == "hevc"]
            largest = max((stream.width * stream.height for stream in streams), default=0)
            main = [stream for stream in streams if stream.width * stream.height == largest]
            packets = [(packet.stream.codec_context.extradata, bytes(packet)) for packet in container.demux(main)]
        found = [qp for record, data in packets if data and record for qp in _qps(record, data)]
    except (av.error.FFmpegError, ValueError, IndexError, EOFError, OSError):
        return None
    return sum(found) / len(found) if found else None


def _qps(record: bytes, data: bytes) -> list[float]:
    """Return the QP of each slice segment that begins a slice; raise ValueError for what is not read here."""
    sets = {hevc.kind(unit): unit for unit in _parameter_sets(record)}
    chroma, sao = _read_sps(sets.get(hevc.SPS, b""))
    size = (record[LENGTH_SIZE] & 3) + 1
    found, place = [], 0
    while place + size < len(data):
        length = int.from_bytes(data[place : place + size])
        unit = data[place + size : place + size + length]
        place += size + length
        if hevc.kind(unit) in hevc.SLICES and hevc.layer(unit) == 0:
            if hevc.kind(unit) not in hevc.IDR:
                raise ValueError("a picture that may refer to others has more in its header than is read here")
            if unit[2] & 0x80:  # first_slice_segment_in_pic_flag: one slice a picture is what encoders write
                found.append(_slice_qp(unit, sets.get(hevc.PPS, b""), chroma, sao))
    return found


def _parameter_sets(record: bytes) -> list[bytes]:
    units, place = [], ARRAYS + 1
    for _ in range(record[ARRAYS]):
        count, place = int.from_bytes(record[place + 1 : place + 3]), place + 3
        for _ in range(count):
            length = int.from_bytes(record[place : place + 2])
            units.append(record[place + 2 : place + 2 + length])
            place += 2 + length
    return units


def _fields(unit: bytes) -> Reader:
    """Return a reader of a NAL unit after its header, without emulation prevention (clause 7.3.1.1)."""
    return Reader(Bits.from_bytes(unit[2:].replace(b"\0\0\3", b"\0\0")))


def _read_sps(unit: bytes) -> tuple[bool, bool]:
    """Return whether there is chroma in the slices and sample_adaptive_offset_enabled_flag."""
    bits = _fields(unit)
    if bits.read_list(["u4", "u3", "u1", "bytes12"])[1]:  # sps_max_sub_layers_minus1; ..., profile and level
        raise ValueError("a stream in temporal layers")
    bits.read_value("ue")
    chroma: Any = bits.read_value("ue")  # bitstring's types do not tell which kind of field gives which
    separate = chroma == FULL_CHROMA and bool(bits.read_value("bool"))
    bits.read_list(["ue", "ue"])  # width and height
    if bits.read_value("bool"):
        bits.read_list(["ue"] * 4)  # conformance window
    bits.read_list(["ue", "ue", "ue", "bool", *["ue"] * 9])  # bit depths, order, buffers, block sizes and depths
    if bits.read_value("bool") and bits.read_value("bool"):
        raise ValueError("scaling lists, behind which nothing is read here")
    return chroma > 0 and not separate, bool(bits.read_list(["bool", "bool"])[1])


def _slice_qp(unit: bytes, pps: bytes, chroma: bool, sao: bool) -> float:
    fields = _fields(pps)
    sets: list[Any] = list(fields.read_list(["ue", "ue", "bool", "bool", "u3", "bool", "bool", "ue", "ue", "se"]))
    with_output, extra, initial = sets[3], sets[4], sets[-1]
    bits = _fields(unit[:HEADER])
    bits.read_list(["bool", "bool", "ue", *["bool"] * extra])  # first segment, output of prior pictures, PPS
    if bits.read_value("ue") != INTRA:
        raise ValueError("a slice that is not intra")
    if with_output:
        bits.read_value("bool")
    if sao:
        bits.read_list(["bool"] * (1 + chroma))
    delta: Any = bits.read_value("se")
    return float(26 + initial + delta)
