"""JPEG quality is read off pictures; re-applied JPEG and spp compute what they say, and say what they cannot."""

import io
import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter

from compressors import hevc, jpeg
from compressors.jpeg import estimate
from methods import reapply, spp
from qebench.common import colour
from qebench.networks import pixels, tiling
from qebench.networks.network import describe

INNER = np.s_[16:-16, 16:-16]  # where the border does not reach


def decoded(image: np.ndarray, quality: int) -> np.ndarray:
    return jpeg.decode(jpeg.encode(image, quality))


def texture(side: int, smoothness: float, contrast: float, seed: int) -> np.ndarray:
    """Return a random gray picture: filtered noise around middle gray."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), smoothness)
    return (128 + contrast * noise / noise.std()).round().clip(0, 255).astype(np.uint8)


def gain(method: ModuleType, original: np.ndarray, picture: np.ndarray) -> float:
    """Return by how many dB of PSNR a method brings a picture closer to the original."""
    result = pixels.to_images(
        tiling.enhance(describe(method.load(None, "cpu")), pixels.to_tensor([picture], "cpu"))[0]
    )[0]
    before, after = (np.mean((image.astype(float) - original) ** 2) for image in (picture, result))
    return float(10 * np.log10(before / after))


def over_shifts(image: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the mean over the 64 places of the grid of pictures whose DCT coefficients, (., 8, ., 8), are changed."""
    total = np.zeros(image.shape)
    for shift in np.ndindex(8, 8):
        moved = np.roll(image - 128.0, shift, axis=(0, 1))
        blocks = moved.reshape(image.shape[0] // 8, 8, image.shape[1] // 8, 8)
        coefficients = fft.dctn(blocks, axes=(1, 3), norm="ortho")
        changed = fft.idctn(change(coefficients), axes=(1, 3), norm="ortho").reshape(image.shape)
        total += np.roll(changed, (-shift[0], -shift[1]), axis=(0, 1))
    return total / 64 + 128


@settings(max_examples=40)
@example(1, 0.0, 33.0, 21641)  # one block with one coefficient, whose roundings repeat
@given(st.integers(1, 100), st.floats(0, 3), st.floats(10, 35), st.integers(0, 2**32 - 1))
def test_the_quality_factor_of_a_random_picture_is_read_off_it(quality, smoothness, contrast, seed):
    picture = decoded(texture(128, smoothness, contrast, seed), quality)
    found = estimate.estimate(picture)
    if found != quality:  # then no tool can tell: at either one, JPEG leaves the picture as it is
        for either in (found, quality):
            assert np.abs(decoded(picture, either).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("quality", [5, 10, 30, 50, 75, 95, 99])
def test_the_quality_factor_of_a_photograph_of_odd_size_is_read_off_it(quality, astronaut, camera):
    for picture in (camera, astronaut):
        assert estimate.estimate(decoded(picture[:301, :203], quality)) == quality


def test_pictures_that_were_not_decoded_from_jpeg_have_no_quality_factor(astronaut, camera):
    strangers = [camera, astronaut, colour.luma(astronaut), texture(64, 1, 30, seed=0)]
    strangers += [hevc.decode(hevc.encode(camera[:256, :256], qp)) for qp in (22, 42)]
    strangers += [decoded(camera, 50)[1:, 3:], np.asarray(Image.fromarray(decoded(camera, 50)).resize((300, 300)))]
    assert [estimate.estimate(picture) for picture in strangers] == [None] * len(strangers)


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (8, 8), (33, 40)])
def test_pictures_that_say_nothing_pass_for_the_highest_quality(size):
    assert estimate.estimate(np.full(size, 77, np.uint8)) == 100


@pytest.mark.parametrize("quality", [10, 40])
def test_reapply_is_the_mean_of_the_picture_quantised_at_64_places(quality, camera):
    bitstream = jpeg.encode(camera[:128, 128:256], quality)
    steps = np.reshape(Image.open(io.BytesIO(bitstream)).quantization[0], (1, 8, 1, 8))
    picture = jpeg.decode(bitstream)
    error = reapply.reapply(picture) - over_shifts(picture, lambda blocks: steps * np.round(blocks / steps))
    assert np.abs(error[INNER]).mean() < 0.15  # of 1.2 and more that change: the codec rounds each of the 64, and clips


@pytest.mark.parametrize("method", [reapply, spp])
def test_pictures_of_a_batch_have_their_own_quality(method, camera):
    x = pixels.to_tensor([decoded(camera[:64, 64:160], quality) for quality in (10, 60)], "cpu")
    together = tiling.enhance(describe(method.load(None, "cpu")), x)[0]
    for number in (0, 1):
        assert torch.equal(
            together[number], tiling.enhance(describe(method.load(None, "cpu")), x[number : number + 1])[0][0]
        )


@pytest.mark.parametrize("method", [reapply, spp])
@pytest.mark.parametrize("size", [(16, 16), (37, 53)])
def test_a_flat_picture_stays_as_it_is(method, size):
    x = torch.full((1, 3, *size), 77 / 255)
    torch.testing.assert_close(tiling.enhance(describe(method.load(None, "cpu")), x)[0], x)


# The gains on these pictures are larger; a shift in the wrong direction or a wrong QP loses decibels.
@pytest.mark.parametrize(("method", "least"), [(reapply, 0.4), (spp, 0.4)])
def test_both_bring_jpeg_pictures_closer_to_the_original(method, least, astronaut, camera):
    for original in (camera, astronaut):
        assert gain(method, original, decoded(original, 10)) > least


def test_reapply_says_that_it_is_for_jpeg(camera):
    picture = hevc.decode(hevc.encode(camera[128:256, 128:256], 32))
    with pytest.raises(ValueError, match="reapply is for JPEG, but this picture was not decoded from it"):
        reapply.reapply(picture)


@pytest.mark.parametrize("qp", [4, 20])
def test_spp_drops_coefficients_under_twice_the_qp_at_64_places(qp, camera):
    picture = camera[:128, 128:256]

    # vf_spp.c, hardthresh_c: levels over 16 qp - 1 survive, of a DCT that is 8 times the orthonormal one; so does DC.
    def threshold(blocks: np.ndarray) -> np.ndarray:
        kept = np.abs(blocks) > 2 * qp - 1 / 8
        kept[:, 0, :, 0] = True
        return blocks * kept

    error = spp.postprocess(picture[None], qp)[0] - over_shifts(picture, threshold)
    assert np.abs(error[INNER]).mean() < 0.4  # rounding the result gives 0.25, and ffmpeg computes in integers


def test_spp_takes_planes_of_any_size_apart(camera):
    planes = np.stack([camera[:37, :53], camera[100:137, 200:253]])
    together = spp.postprocess(planes, 10)
    assert (together.shape, together.dtype) == (planes.shape, np.uint8)
    for plane, result in zip(planes, together, strict=True):
        np.testing.assert_array_equal(spp.postprocess(plane[None], 10)[0], result)


def test_the_qp_follows_the_quality_between_those_of_the_table():
    for quality, qp in spp.JPEG_QP.items():
        assert spp.choose_qp(quality) == qp
    assert spp.choose_qp(15) == round((spp.JPEG_QP[10] + spp.JPEG_QP[20]) / 2)
    assert spp.choose_qp(1) == spp.JPEG_QP[10]
    assert spp.choose_qp(100) == spp.JPEG_QP[90]
    assert spp.choose_qp(None) == spp.OTHER_QP


def test_spp_of_a_picture_that_was_not_jpeg_is_that_at_the_other_qp(camera):
    picture = hevc.decode(hevc.encode(camera[128:224, 128:224], 37))
    result = tiling.enhance(describe(spp.load(None, "cpu")), pixels.to_tensor([picture], "cpu"))[0]
    np.testing.assert_array_equal(pixels.to_images(result)[0], spp.postprocess(picture[None], spp.OTHER_QP)[0])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no such filter: spp >&2; exit 8", r"exit status 8\): no such filter: spp"),
        ("cat > /dev/null; echo short", r"exit status 0\): 6 of 256 bytes came back"),
        ("sleep 20", "took more than 1 s"),
        (None, "No such file or directory"),
    ],
)
def test_spp_says_what_is_wrong_with_ffmpeg(script, message, tmp_path, monkeypatch):
    binary = tmp_path / "ffmpeg"
    if script:
        binary.write_text(f"#!/bin/sh\n{script}\n")
        binary.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(binary))
    monkeypatch.setattr(spp, "TIME_LIMIT", 1)
    with pytest.raises(RuntimeError, match=message) as caught:
        spp.postprocess(np.zeros((1, 16, 16), np.uint8), 10)
    assert str(binary) in str(caught.value)


def test_spp_without_imageio_ffmpeg_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(RuntimeError, match="pip install imageio-ffmpeg"):
        spp.postprocess(np.zeros((1, 16, 16), np.uint8), 10)
