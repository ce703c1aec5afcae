"""Find damage that decoders pass over: they warn where nobody listens, and fill in the pixels that they lost.

JPEG: libjpeg goes on after a wrong code and warns (its jerror.h has the words). TIFF: libtiff stops reading a segment
once it has enough samples, before the checksum; its JPEG segments are as JPEG files. HEIF: libheif keeps the warnings
of libde265 to itself, so FFmpeg is asked to stop at errors. The decoders of PNG, WebP and AVIF fail by themselves.
"""

import re
import sys
import zlib
from functools import cache
from importlib.util import find_spec
from io import BytesIO

# Warnings after which pixels are wrong. Bytes left over before the end marker are padding and harmless; before a
# restart marker or the next scan, they mean that a part of the picture was decoded from fewer bytes than were written.
LOST = re.compile(r"Corrupt JPEG data: (?!\d+ extraneous bytes before marker 0xd9)")
START, END = b"\xff\xd8", b"\xff\xd9"
STANDALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length (ITU-T T.81, table B.1)
START_OF_SCAN = 0xDA
DEFLATE, JPEG = (8, 32946), 7  # TIFF's tag Compression


def check_jpeg(encoded: bytes) -> None:
    """Raise ValueError with libjpeg's words if the entropy-coded data of a JPEG file lost pixels.

    What is no JPEG file, or cut off in its header, passes: the decoder refuses that itself.
    """
    if not _can_check():
        return
    import simplejpeg

    whole = _without_padding(encoded) + END  # libjpeg tells the first warning only; a missing end loses nothing
    try:
        # An eighth of the size takes the least memory and time; the entropy decoder works as for the whole.
        simplejpeg.decode_jpeg(whole, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    except KeyError:
        pass  # a file that is cut off in its header
    except ValueError as error:
        if LOST.match(str(error)):
            raise ValueError(f"is damaged ({str(error).partition(': ')[2]}): get it again") from None


def check_tiff(compression: int, tables: bytes, segments: list[bytes]) -> None:
    """Raise ValueError if a segment of a TIFF page is damaged; the arguments are those of `tiff.segments`."""
    for number, segment in enumerate(segments):
        try:
            if compression in DEFLATE:
                zlib.decompress(segment)
            elif compression == JPEG:
                check_jpeg(tables.removesuffix(END) + segment.removeprefix(START) if tables else segment)
        except (ValueError, zlib.error) as error:
            reason = str(error).removeprefix("is damaged (").removesuffix("): get it again")
            raise ValueError(f"is damaged in its segment {number} ({reason}): get it again") from None


def check_heif(encoded: bytes) -> None:
    """Raise ValueError if FFmpeg finds an error in the pictures of an HEIF file; what it does not know passes."""
    import av

    try:
        with av.open(BytesIO(encoded), "r") as container:
            for stream in container.streams.video:
                stream.codec_context.options = {"err_detect": "explode"}
            for packet in container.demux():
                packet.decode()
    except av.error.InvalidDataError as error:
        raise ValueError(f"is damaged ({error.strerror}): get it again") from None
    except av.error.FFmpegError:
        pass


@cache
def _can_check() -> bool:
    """Return whether simplejpeg is there; if not, as on a machine lent to train on a pack, say once what that means."""
    if find_spec("simplejpeg"):
        return True
    print("warning: damage of JPEG files is not found without simplejpeg: pip install simplejpeg", file=sys.stderr)
    return False


def _without_padding(encoded: bytes) -> bytes:
    """Return a JPEG file without the bytes between the segments of its header that belong to none of them."""
    kept, place = encoded[:2], 2
    while (marker := encoded.find(b"\xff", place)) >= 0:
        while encoded[marker + 1 : marker + 2] == b"\xff":  # fill bytes (ITU-T T.81, B.1.1.2)
            marker += 1
        kind = encoded[marker + 1] if marker + 1 < len(encoded) else START_OF_SCAN
        if kind == START_OF_SCAN:
            return kept + encoded[marker:]
        if not kind:  # a stuffed zero: no marker
            place = marker + 2
            continue
        place = marker + 2 + (0 if kind in STANDALONE else int.from_bytes(encoded[marker + 2 : marker + 4]))
        kept += encoded[marker:place]
    return kept
