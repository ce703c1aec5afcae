"""RGB of odd size goes through HEVC's 4:2:0 and comes back whole, and other decoders read the same streams."""

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compressors import hevc, hm
from compressors.hm import programs
from qebench.coding import odd_size
from qebench.common import colour

try:
    ABSENT = ""
    hm.version()
except FileNotFoundError as error:
    ABSENT = str(error)
needs_hm = pytest.mark.skipif(bool(ABSENT), reason=ABSENT)
NOTE = 26  # bytes: start code 3, header 2, payload type and size 2, UUID 16, rows and columns 2, trailing bits 1


def picture(height: int, width: int) -> np.ndarray:
    """Return smooth colours with some noise, which a wrong crop or shift would not leave as they are."""
    rows, columns = np.mgrid[:height, :width]
    planes = np.stack([5 * columns + 20, 5 * rows + 30, 240 - 3 * columns - 2 * rows], axis=2) % 256
    return (planes * 0.8 + np.random.default_rng(0).integers(0, 40, planes.shape)).astype(np.uint8)


def padded(image: np.ndarray) -> np.ndarray:
    """Return what HEVC is to code, by taking the last row and column twice."""
    height, width = image.shape[:2]
    return image[[*range(height), *[-1] * (height % 2)]][:, [*range(width), *[-1] * (width % 2)]]


def by_libavcodec(bitstream: bytes) -> np.ndarray:
    """Return the RGB picture that FFmpeg's decoder makes of a stream, by our conversion."""
    context = av.CodecContext.create("hevc", "r")
    frames = [frame for packet in (av.Packet(bitstream), None) for frame in context.decode(packet)]
    planes = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in frames[0].planes]
    return colour.from_yuv420(
        *(samples[: p.height, : p.width] for samples, p in zip(planes, frames[0].planes, strict=True))
    )


def check(codec, height: int, width: int, qp: int) -> None:
    """Check an odd picture against the even one that is coded in its place."""
    image = picture(height, width)
    bitstream, whole = codec.encode(image, qp), codec.encode(padded(image), qp)
    odd = height % 2 or width % 2
    assert bitstream[: len(whole)] == whole
    assert len(bitstream) - len(whole) == (NOTE if odd else 0)
    decoded, expected = codec.decode(bitstream), codec.decode(whole)[:height, :width]
    assert decoded.shape == image.shape
    assert np.array_equal(decoded, expected)  # so PSNR is that of the padded coding, cropped
    assert np.array_equal(by_libavcodec(bitstream), codec.decode(whole))  # the padded size
    assert ("edge repeated to an even size" in codec.describe(image)) == bool(odd)


@settings(max_examples=2)  # libx265 starts a process for each picture
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 51))
@example(1, 1, 30)
@example(33, 34, 51)
def test_hevc_codes_odd_sizes_as_the_even_ones_and_crops(height, width, qp):
    check(hevc, height, width, qp)


@needs_hm
@settings(max_examples=6)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 51))
@example(1, 1, 30)
@example(2, 1, 51)
@example(33, 64, 0)
def test_hm_codes_odd_sizes_as_the_even_ones_and_crops(height, width, qp):
    check(hm, height, width, qp)


@needs_hm
@pytest.mark.parametrize("codec", [hevc, hm], ids=["hevc", "hm"])
def test_the_decoder_of_hm_passes_over_the_note(codec):
    image = picture(19, 33)
    bitstream, whole = codec.encode(image, 30), codec.encode(padded(image), 30)
    decoder = programs.find("TAppEncoder", "TAppDecoder")[1]
    assert programs.decompress(decoder, bitstream) == programs.decompress(decoder, whole)
    assert np.array_equal(hm.decode(bitstream), hevc.decode(bitstream))


@needs_hm
@settings(max_examples=6)
@given(st.integers(1, 40), st.integers(1, 40))
@example(1, 1)
@example(2, 7)
def test_gray_of_odd_size_is_coded_by_hm_without_chroma_and_described_so(height, width):
    image = picture(height, width)[..., 0]
    bitstream, odd = hm.encode(image, 30), height % 2 or width % 2
    assert hm.decode(bitstream).shape == image.shape
    alone = hm.Settings(gray="400")
    assert (bitstream == hm.encode(image, 30, alone)) == bool(odd)
    assert (hm.describe(image) == hm.describe(image, alone)) == bool(odd)


@pytest.mark.parametrize("odd", [b"", b"\0", b"\2\0", b"\0\xff", b"\x80"])
def test_a_note_that_cannot_be_right_is_refused(odd):
    with pytest.raises(ValueError, match=r"are said to be added to a picture of 4x2"):
        odd_size.crop(np.zeros((2, 4, 3), np.uint8), b"picture" + odd_size.NOTE + odd)


def test_there_is_nothing_to_escape_in_a_note():
    for shape in [(1, 1), (1, 2), (2, 1)]:
        unit = odd_size.note(b"", np.zeros((*shape, 3), np.uint8))
        assert unit.startswith(b"\0\0\1")
        assert len(unit) == NOTE
        assert b"\0\0" not in unit[3:]  # no start code, and nothing that emulation prevention would change
        assert unit[-1] != 0
