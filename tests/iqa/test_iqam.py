"""IQAM gives the scores of the authors' MATLAB code and of their Python code, and a number where those give none."""

import functools
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pictures import photograph
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from compressors import jpeg
from qebench.common import colour
from qebench.iqa import definition, iqam, tensors

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/iqam.json").read_text())
NAMES = list(GOLDEN["images"])
SCORES = {(name, size): GOLDEN["images"][name][str(size)]["matlab"]["score"] for name in NAMES for size in (4, 8)}
DEFINED = [case for case, score in SCORES.items() if not math.isnan(float(score))]  # by the MATLAB code
CRASHED = [(name, size) for name in NAMES for size in (4, 8) if GOLDEN["images"][name][str(size)]["powerqe"] is None]
every_image = pytest.mark.parametrize("name", NAMES)
every_block_size = pytest.mark.parametrize("size", [4, 8])
every_variant = pytest.mark.parametrize("variant", definition.VARIANTS)
every_way = pytest.mark.parametrize("way", ["torch", "compiled"])


@functools.cache
def luma(name: str) -> np.ndarray:
    image = photograph(name)
    return image if image.ndim == 2 else colour.luma(image)


@functools.cache
def edge_cases() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    images = {"noise": random.integers(0, 256, (65, 79)), "lownoise": random.integers(126, 131, (63, 66))}
    images |= {"black": np.zeros((64, 64)), "const128": np.full((64, 64), 128), "white": np.full((64, 64), 255)}
    images["ramp"] = np.tile(np.arange(0, 256, 4), (64, 1))
    images["tinydot"] = np.zeros((64, 64))
    images["tinydot"][::5, ::3] = 1
    for height, width in ((8, 8), (16, 16), (15, 17)):
        images[f"small{height}x{width}"] = luma("astronaut")[200 : 200 + height, 200 : 200 + width]
    for name, black in (("blackcorner", np.s_[:3, :3]), ("blackpatch", np.s_[8:24, 8:40])):
        images[name] = luma("astronaut")[100:164, 100:164].copy()
        images[name][black] = 0
    return images


@functools.cache
def image(name: str) -> Tensor:
    """Return a picture that the originals scored, made anew: uint8 (1, 1, H, W)."""
    kind, _, detail = name.partition("_")
    if kind == "edge":
        pixels = edge_cases()[detail].astype(np.uint8)
    else:
        pixels = luma(kind)
        pixels = jpeg.decode(jpeg.encode(pixels, int(detail.removeprefix("qf")))) if detail else pixels
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == GOLDEN["images"][name]["sha256"]
    return torch.from_numpy(pixels.copy())[None, None]


def golden(name: str, size: int, variant: str) -> dict:
    """Return what an original gave: numbers, some of them NaN."""
    return {key: float(value) for key, value in GOLDEN["images"][name][str(size)][variant].items()}


def assess(way: str, images: Tensor, size: int) -> iqam.Assessment:
    """Return the assessment by "matlab" in torch, which is the definition, or compiled for the CPU."""
    if way == "compiled":
        return iqam.assess(images, size, "matlab")
    values = images[:, 0] if images.is_floating_point() else images[:, 0].double()
    return iqam.judge(tensors.measure(values, size, "matlab", nan=False), *definition.grid(values.shape[1:], size))


def numbers(assessment: iqam.Assessment) -> dict[str, float]:
    """Return an assessment of one image under the names of the fixture."""
    return {
        "score": float(assessment.score),
        "score_blocky": float(assessment.smooth_score),
        "score_blurring": float(assessment.textured_score),
        "n_textured": int(assessment.is_textured.sum()),
        "n_smooth": int((~assessment.is_textured).sum()),
    }


@every_block_size
def test_polynomials_are_those_of_the_matlab_code(size):
    expected = np.array(GOLDEN[f"tchebichef_{size}"], float).reshape(size, size)
    np.testing.assert_allclose(definition.tchebichef(size), expected, rtol=0, atol=1e-14)  # a recurrence in float64


@pytest.mark.original("IQAM: the authors' MATLAB code")
@every_image
@every_block_size
def test_matlab_scores_are_those_of_the_matlab_code(name, size, device):
    # by torch, as the compiled code has no NaN
    found = numbers(iqam.assess(image(name).to(device), size, "matlab", nan=True))
    # sums of up to 16,129 blocks in float64, in another order; NaN where a block is black
    assert found == pytest.approx(golden(name, size, "matlab"), abs=1e-10, nan_ok=True)


@pytest.mark.parametrize(("name", "size"), DEFINED)
def test_compiled_matlab_scores_are_those_of_the_matlab_code(name, size):
    found = numbers(assess("compiled", image(name), size))
    assert found == pytest.approx(golden(name, size, "matlab"), abs=1e-10)


@pytest.mark.parametrize(("name", "size"), DEFINED)
@every_way
def test_matlab_scores_in_float32_stay_close(name, size, way):
    found = float(assess(way, image(name).float(), size).score)
    # rounding gives 3e-7, but a block at the threshold may change its class, and is 1 of some thousand
    assert found == pytest.approx(golden(name, size, "matlab")["score"], abs=1e-4)


PATTERNS = {
    "noise": lambda random, shape: random.uniform(0, random.choice([1, 3, 30, 255]), shape) + random.integers(0, 250),
    "beyond": lambda random, shape: random.uniform(-100, 400, shape),
    "ramp": lambda random, shape: np.linspace(0, random.integers(0, 260), shape[2]) + np.zeros(shape),
    "smooth": lambda random, shape: 128 + random.normal(0, 3, shape).cumsum(axis=1).cumsum(axis=2) / 9,
    "constant": lambda random, shape: np.full(shape, random.integers(0, 256)),
    "dots": lambda random, shape: 255.0 * (random.random(shape) < 0.02),  # most blocks are black
}
LAYOUTS = {
    "plain": lambda images: images[:, None],
    "transposed": lambda images: images.mT[:, None],
    "stepped": lambda images: images[:, None, ::2, 1::3],
    "channel": lambda images: torch.stack([images, 255 - images], dim=1)[:, 1:],
    "repeated": lambda images: images[:1, None].expand(3, -1, -1, -1),
}


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 3), st.integers(1, 100), st.integers(1, 100)),
    st.sampled_from(list(PATTERNS)),
    st.sampled_from(list(LAYOUTS)),
    st.sampled_from([4, 8]),
)
def test_compiled_scores_are_those_of_torch(seed, shape, pattern, layout, size):
    pixels = PATTERNS[pattern](np.random.default_rng(seed), shape)
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):  # 4e-7 and 1e-14 were the worst of 12,000
        images = LAYOUTS[layout](torch.from_numpy(pixels).to(dtype))
        texture = tensors.measure(images[:, 0], size, "matlab", nan=False)[0]
        assume(((texture - definition.TEXTURED).abs() > 1e-8).all())  # at the threshold, rounding decides
        found, expected = assess("compiled", images, size), assess("torch", images, size)
        assert found.score.dtype == found.block_scores.dtype == dtype
        assert torch.equal(found.is_textured, expected.is_textured)
        torch.testing.assert_close(found.score, expected.score, rtol=0, atol=tolerance)
        # a block's likeness is a mean of ratios of small numbers
        torch.testing.assert_close(found.block_scores, expected.block_scores, rtol=0, atol=10 * tolerance)


@every_block_size
@every_way
def test_what_is_no_number_has_no_score(size, way):
    images = image("camera").float()
    images[..., 100, 100] = math.nan
    assert assess(way, images, size).score.isnan().all()


@pytest.mark.original("IQAM: PowerQE's Python code")
@every_image
@every_block_size
def test_powerqe_scores_are_those_of_the_python_code(name, size, device):
    if (name, size) in CRASHED:
        return  # see test_black_smooth_blocks_score_1_where_powerqe_crashes
    expected = golden(name, size, "powerqe")  # by float32, which moves its scores by up to 9e-6
    found = iqam.assess(image(name).to(device), size, "powerqe")
    assert float(found.score) == pytest.approx(expected["score_nan_blocks_as_0"], abs=1e-5)
    original = iqam.assess(image(name).to(device), size, "powerqe", nan=True)
    assert float(original.score) == pytest.approx(expected["score"], abs=1e-5, nan_ok=True)
    assert int(original.block_scores.isnan().sum()) == expected["n_nan"]
    counts = numbers(found)
    assert (counts["n_textured"], counts["n_smooth"]) == (expected["n_textured"], expected["n_smooth"])


def test_black_smooth_blocks_score_1_where_powerqe_crashes():
    assert CRASHED == [("edge_black", 4), ("edge_black", 8), ("edge_tinydot", 4)]
    assert float(iqam.score(image("edge_black"), 8, "powerqe")) == 1.0
    assert float(iqam.assess(image("edge_tinydot"), 4, "powerqe").smooth_score) == 1.0


@every_block_size
@every_variant
def test_nan_of_the_originals_counts_as_0_unless_asked_for(size, variant):
    black, gray = image("edge_black"), image("edge_const128")
    undefined = black if variant == "matlab" else gray
    assert float(iqam.score(undefined, size, variant)) == 0.0
    assert math.isnan(iqam.assess(undefined, size, variant, nan=True).score)
    half = image("camera").clone()
    half[..., :256] = undefined[0, 0, 0, 0]
    assert 0 < float(iqam.score(half, size, variant)) < 1
    assert math.isnan(iqam.assess(half, size, variant, nan=True).score)


@every_block_size
@every_variant
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (7, 7), (8, 15), (16, 16), (33, 47)])
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_constant_images_of_any_size_have_a_score_from_0_to_1(size, variant, dtype, shape, level):
    score = float(iqam.score(torch.full((1, 1, *shape), level, dtype=dtype), size, variant))
    assert 0 <= score <= 1  # which NaN is not


@every_block_size
@every_variant
def test_an_image_without_blocks_scores_1(size, variant):
    assert iqam.score(image("camera")[..., : 2 * size - 1, :], size, variant).tolist() == [1.0]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 30, 255]), st.sampled_from([4, 8]))
def test_any_image_has_a_finite_score(seed, contrast, size):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, contrast + 1, (2, 1, *random.integers(1, 40, 2)), np.uint8)
    for variant in definition.VARIANTS:
        scores = iqam.score(torch.from_numpy(pixels), size, variant)
        # above 1 only where a blur turns textured blocks into their opposite: their likeness is then -1 at worst
        assert ((scores >= 0) & (scores <= 2**0.1)).all()


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 5]), st.sampled_from([4, 8]), st.sampled_from(definition.VARIANTS)
)
def test_contrast_does_not_change_the_score(seed, factor, size, variant):
    pixels = torch.from_numpy(np.random.default_rng(seed).integers(0, 52, (1, 1, 40, 48)).astype(np.float64))
    pixels[..., 24:] = pixels[..., 24:].cumsum(dim=-1) // 30  # a smoother half
    # blocks are divided by their energy, which leaves the rounding of float64
    assert float(iqam.score(pixels * factor, size, variant)) == pytest.approx(
        float(iqam.score(pixels, size, variant)), abs=1e-10
    )


@every_block_size
@every_variant
def test_a_batch_scores_like_its_images_alone(size, variant):
    batch = torch.cat([image(name) for name in ("camera", "camera_qf10", "camera_qf50", "astronaut_qf30")])
    alone = [float(iqam.score(batch[number : number + 1], size, variant)) for number in range(4)]
    # float64; matrix products of another width may sum in another order
    assert iqam.score(batch, size, variant).tolist() == pytest.approx(alone, abs=1e-12)


@every_block_size
@every_variant
def test_bytes_score_like_float64(size, variant):
    pixels = image("camera_qf30")
    assert torch.equal(iqam.score(pixels, size, variant), iqam.score(pixels.double(), size, variant))


def test_matlab_scores_the_clipped_rounded_picture():
    output = image("camera_qf30").double() + 0.4
    output[output > 255] = 300.0
    assert torch.equal(iqam.score(output, 8), iqam.score(image("camera_qf30"), 8))


@every_block_size
@every_variant
def test_block_maps_have_a_value_per_block(size, variant):
    found = iqam.assess(image("chelsea"), size, variant)
    assert found.block_scores.shape == found.is_textured.shape == (1, 300 // size - 1, 451 // size - 1)
    smooth, textured = (found.block_scores[mask].mean() for mask in (~found.is_textured, found.is_textured))
    assert float(found.score) == pytest.approx(float(smooth) ** 0.9 * float(textured) ** 0.1, abs=1e-12)  # eq. 8


@pytest.mark.parametrize("shape", [(16, 16), (1, 16, 16), (1, 3, 16, 16), (1, 1, 1, 16, 16)])
def test_what_is_no_batch_of_gray_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"expected images \(N, 1, H, W\), got \("):
        iqam.score(torch.zeros(shape), 4)


def test_other_block_sizes_and_variants_are_refused():
    with pytest.raises(ValueError, match="got 16 and 'matlab'"):
        iqam.score(torch.zeros(1, 1, 32, 32), 16)
    with pytest.raises(ValueError, match="got 4 and 'octave'"):
        iqam.score(torch.zeros(1, 1, 32, 32), 4, "octave")
