"""HEVC without HM comes close to HM, in any size, and x265 keeps to its own process."""

import hashlib
import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from compressors import hevc
from qebench.coding import x265
from qebench.common import colour


def slope(height: int, width: int, channels: int = 1) -> np.ndarray:
    """Return a plane that rises by 3 and 2 gray levels per row and column: codecs keep it, and it shows shifts."""
    gray = np.add.outer(np.arange(height) * 3, np.arange(width) * 2).astype(np.uint8)
    return gray if channels == 1 else np.stack([gray] * channels, axis=2)


def hevc_comes_back(image: np.ndarray) -> bool:
    decoded = hevc.decode(hevc.encode(image, 0))
    # QP 0 quantises by less than 1; a level of Y, Cb or Cr is up to 2 levels of R, G or B
    return decoded.shape == image.shape and np.abs(decoded.astype(int) - image).max() <= (1 if image.ndim == 2 else 3)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (8, 8), (16, 16), (17, 33), (31, 45), (65, 32)])
def test_gray_hevc_of_any_size_comes_back_in_place(size):
    assert hevc_comes_back(slope(*size))


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (16, 16), (18, 34), (66, 32)])
def test_colour_hevc_of_even_size_comes_back_in_place(size):
    assert hevc_comes_back(slope(*size, 3))


@settings(max_examples=4)
@given(st.integers(1, 50), st.integers(1, 50))
def test_gray_hevc_comes_back_whatever_the_size(height, width):
    assert hevc_comes_back(slope(height, width))


def test_padding_for_hevc_costs_no_bits():
    flat = np.full((40, 40), 200, np.uint8)
    # 33x33 is coded as 40x40; the crop itself takes 2 bytes, black padding would take 27
    assert len(hevc.encode(flat[:33, :33], 30)) - len(hevc.encode(flat, 30)) <= 4


def test_hevc_refuses_what_holds_not_exactly_one_picture():
    stream = hevc.encode(slope(40, 40), 30)
    with pytest.raises(ValueError, match=r"expected one .* picture, found \['gray', 'gray'\]"):
        hevc.decode(stream + stream)
    with pytest.raises(ValueError, match=r"found \[\]"):
        hevc.decode(stream[: len(stream) // 2])  # in the middle of x265's note on itself, before the picture


def plain_x265(image: np.ndarray) -> bytes:
    """Encode by libx265 in this process, with its own lambda."""
    context = av.CodecContext.create("libx265", "w")
    context.height, context.width = image.shape
    context.pix_fmt, context.time_base = "gray", Fraction(1)
    context.options = {"x265-params": "log-level=error:info=0:pools=none:frame-threads=1:qp=30"}
    packets = context.encode(av.VideoFrame.from_ndarray(image, format="gray")) + context.encode(None)
    return b"".join(bytes(packet) for packet in packets)


def test_hevc_leaves_other_x265_encodes_of_the_process_alone():
    image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    before = plain_x265(image)
    hevc.encode(image, 30)
    assert plain_x265(image) == before


def test_lambda_table_is_that_of_hm():
    numbers = [float(number) for number in x265.lambda_table().replace("\n", "").split(",") if number]
    assert len(numbers) == 140
    # HM 16.5, TEncSlice::initEncSlice: 0.57 * 2^((QP - 12) / 3) for intra pictures, computed apart from this code
    golden = {0: 0.035625, 12: 0.57, 22: 5.74523999, 32: 57.90839038, 51: 4669.44, 69: 298844.16}
    for qp, value in golden.items():
        assert numbers[70 + qp] == pytest.approx(value, abs=1e-8)  # x265 reads 8 decimals
        assert numbers[qp] == pytest.approx(value**0.5, abs=1e-8)


# HM 16.5 on scikit-image's astronaut (encoder_intra_main.cfg, main still picture; 512x512, 4:2:0): luma PSNR, bits
HM = {22: (43.1727, 243232), 27: (39.9194, 150104), 32: (36.5432, 90992), 37: (33.2710, 54560), 42: (30.0180, 30888)}
HM_INPUT = "3cd2a50232f40c671743a388582c6f6f88141cef8557fb06ebdd0cb494f3e5f8"  # sha256 of the planes it was given


def test_hevc_comes_close_to_hm(astronaut):
    planes = colour.to_yuv420(astronaut)
    assert hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).hexdigest() == HM_INPUT
    differences = []
    for qp, (luma_psnr, bits) in HM.items():
        stream = hevc.encode(astronaut, qp)
        with av.open(io.BytesIO(stream), format="hevc") as file:
            luma = next(file.decode(video=0)).to_ndarray()[:512]  # the rows after it are chroma
        differences.append(abs(peak_signal_noise_ratio(planes[0], luma) - luma_psnr))
        assert 8 * len(stream) == pytest.approx(bits, rel=0.01)  # measured: up to 0.8 % more
    assert np.mean(differences) < 0.02  # dB, the mean over 20 pictures that x265.OPTIONS claims; measured: 0.014
    assert max(differences) < 0.057  # the largest of the 20


def test_failures_of_x265_come_with_its_own_words():
    with pytest.raises(RuntimeError, match=r"(?s)64x64 picture at QP 99.*QP exceeds supported range"):
        x265.encode_apart(bytes(64 * 64), 64, 64, "gray", 99)


def test_an_encode_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(x265, "TIME_LIMIT", 0.01)  # seconds; Python alone takes longer to start
    with pytest.raises(RuntimeError, match=r"over 0\.01 s for a 64x64 picture at QP 30"):
        x265.encode_apart(bytes(64 * 64), 64, 64, "gray", 30)
