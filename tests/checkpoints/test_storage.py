"""Weights stored as integers come back within half a step, and files whose integers have no scale are refused."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from qebench.checkpoints import reading, rounding


@given(st.integers(1, 5), st.sampled_from([(64, 64), (16, 16, 4, 4), (4096, 1)]), st.floats(1e-6, 1e6))
def test_integers_come_back_within_half_a_step_of_their_filter(seed, shape, size):
    torch.manual_seed(seed)
    sizes = size * torch.rand(shape[0], *[1] * (len(shape) - 1)) ** 4  # filters of unlike sizes
    weight = torch.randn(shape) * sizes
    stored = rounding.integers({"w": weight, "bias": weight.flatten()[:9]})
    assert stored["w"].dtype == torch.int8
    found = rounding.floats(stored)
    assert found.keys() == {"w", "bias"}
    assert torch.equal(found["bias"], weight.flatten()[:9])
    steps = weight.flatten(1).abs().amax(1) / 127
    assert ((found["w"] - weight).flatten(1).abs().amax(1) <= 0.501 * steps).all()


def test_filters_of_zeros_stay_zeros():
    found = rounding.floats(rounding.integers({"w": torch.zeros(64, 64)}))
    assert torch.equal(found["w"], torch.zeros(64, 64))


@pytest.mark.parametrize("scale", [None, torch.ones(1), torch.ones(1, 64), torch.ones(64)], ids=str)
def test_integers_without_their_scales_are_refused(scale, tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    tensors = {"w": torch.ones(64, 64, dtype=torch.int8)} | ({} if scale is None else {"w.scale": scale})
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"weights\.safetensors cannot be read.*w holds integers without a scale"):
        reading.read(path)
