"""Colour conversions agree with MATLAB's rgb2ycbcr and with ITU-R BT.601, and lose no more than their rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qebench.common import colour

COLOURS = arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.just(3)))


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        # rgb2ycbcr of MATLAB R2024a; before rounding 16, 235, 81.481, 144.553, 40.966, 125.93
        ((0, 0, 0), 16),
        ((255, 255, 255), 235),
        ((255, 0, 0), 81),
        ((0, 255, 0), 145),
        ((0, 0, 255), 41),
        ((128, 128, 128), 126),
    ],
)
def test_luma_is_that_of_matlab(rgb, expected):
    assert colour.luma(np.array([[rgb]], np.uint8)).tolist() == [[expected]]


@given(COLOURS)
def test_luma_is_bt601_within_its_rounding(rgb):
    full = rgb @ np.array([0.299, 0.587, 0.114])  # BT.601-7, 2.5.1
    # MATLAB's coefficients are rounded to 0.001, which moves a sample by at most 3 x 0.0005
    assert np.abs(colour.luma(rgb) - (16 + full * 219 / 255)).max() <= 0.5 + 0.0015


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_8_bit_rgb_image_is_refused(image):
    with pytest.raises(ValueError, match="expected a uint8"):
        colour.luma(image)
    with pytest.raises(ValueError, match="expected a uint8"):
        colour.to_yuv420(image)


def test_chroma_of_the_primaries_is_that_of_matlab():
    primaries = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    planes = [colour.to_yuv420(np.tile(rgb, (2, 2, 1))) for rgb in primaries]
    # before rounding (90.203, 240), (53.797, 34.214), (240, 109.786)
    assert [(int(cb[0, 0]), int(cr[0, 0])) for _, cb, cr in planes] == [(90, 240), (54, 34), (240, 110)]


@given(COLOURS)
def test_chroma_is_the_mean_of_four_before_it_is_rounded(blocks):
    rgb = blocks[: len(blocks) // 2 * 2, : blocks.shape[1] // 2 * 2]
    y, cb, cr = colour.to_yuv420(rgb)
    assert (y == colour.luma(rgb)).all()
    mean = (rgb[::2, ::2].astype(float) + rgb[1::2, ::2] + rgb[::2, 1::2] + rgb[1::2, 1::2]) / 4
    full = mean @ np.array([0.299, 0.587, 0.114])
    for plane, primary, weight in ((cb, mean[..., 2], 0.114), (cr, mean[..., 0], 0.299)):
        expected = 128 + 112 * (primary - full) / (1 - weight) / 255  # BT.601-7, 2.5.2
        assert plane.shape == expected.shape
        assert (np.abs(plane - expected) <= 0.5 + 0.0015).all()


@given(COLOURS)
def test_round_trip_of_2x2_blocks_loses_only_the_rounding(blocks):
    rgb = blocks.repeat(2, axis=0).repeat(2, axis=1)
    error = np.abs(colour.from_yuv420(*colour.to_yuv420(rgb)).astype(int) - rgb).max(axis=(0, 1))
    # half a level of Y, Cb and Cr is 0.58 + 0.80 in R, 0.58 + 0.20 + 0.41 in G and 0.58 + 1.01 in B
    assert (error <= [1, 1, 2]).all()


def test_samples_outside_the_limited_range_are_clipped():
    neutral = np.full((1, 1), 128, np.uint8)
    for level, expected in ((0, 0), (16, 0), (235, 255), (255, 255)):
        rgb = colour.from_yuv420(np.full((2, 2), level, np.uint8), neutral, neutral)
        assert (rgb == expected).all()


@pytest.mark.parametrize("shape", [(3, 4, 3), (4, 3, 3)])
def test_odd_sizes_have_no_halved_chroma(shape):
    with pytest.raises(ValueError):
        colour.to_yuv420(np.zeros(shape, np.uint8))
