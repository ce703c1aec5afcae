"""Change what the parameter sets of an HEVC stream say, without coding it again. Used by `compressors.hevc`
and `compressors.hm`."""

import io


def edit(bitstream: bytes, fields: str) -> bytes:
    """Return an Annex B stream with other parameter sets.

    `fields` are options of FFmpeg's bitstream filter hevc_metadata (FFmpeg Bitstream Filters Documentation), as in
    "crop_right=3:crop_bottom=1", in samples of luma.
    """
    import av.bitstream

    with av.open(io.BytesIO(bitstream), "r", format="hevc") as container:
        change = av.bitstream.BitStreamFilterContext(f"hevc_metadata={fields}", container.streams.video[0])
        packets = [change.filter(packet) for packet in container.demux() if packet.size]
    return b"".join(bytes(packet) for changed in packets for packet in changed)
