"""The form of RBQE that runs fastest gives what RBQE gives, at every exit, for any size, batch and images kept."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compressors import jpeg
from methods import dcad, decoded, rbqe
from methods.rbqe import cpu, network
from qebench.common import plugins
from qebench.networks import loading, multi_exit, pixels, tiling
from qebench.networks.network import describe

WEIGHTS = plugins.ROOT / "methods/weights"


@pytest.fixture(scope="module")
def plain() -> network.RBQE:
    """Return RBQE with start values that keep the variance of features, so that every part of it shows."""
    torch.manual_seed(0)
    model = rbqe.load(None, "cpu")
    for parameter in model.parameters():
        if parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter)
        elif parameter.dim() == 3:  # of attention
            nn.init.normal_(parameter)
    return model


@pytest.fixture(scope="module")
def fast(plain: network.RBQE) -> nn.Module:
    return loading.prepare(copy.deepcopy(plain))


def images(count: int, height: int, width: int) -> Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(count))


def assert_equal(ours: Tensor, expected: Tensor) -> None:
    """Compare to 1e-5 of the largest value: float32 rounds at 1e-7, and a hundred layers follow each other."""
    assert ours.shape == expected.shape
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5 * float(max(expected.abs().max(), 1)))


def test_a_loaded_rbqe_runs_in_its_fast_form(fast: nn.Module) -> None:
    assert isinstance(fast, cpu.RBQE)
    assert loading.prepare(fast) is fast


def test_networks_without_a_fast_form_stay_themselves() -> None:
    for load in (dcad.load, decoded.load):
        model = load(None, "cpu")
        assert loading.prepare(model) is model


@settings(max_examples=6)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
@torch.inference_mode()
def test_every_exit_is_rbqes_at_any_size_and_batch(plain, fast, count: int, height: int, width: int) -> None:
    x = images(count, height, width)
    whole = tiling.enhance(describe(plain), x)
    assert len(whole) == 5
    for ours, expected in zip(tiling.enhance(describe(fast), x), whole, strict=True):
        assert_equal(ours, expected)


@torch.inference_mode()
def test_an_exit_computed_alone_is_rbqes(plain, fast) -> None:
    x = images(2, 32, 64)
    for exit in range(1, 6):
        assert_equal(fast(x, exit), plain(x, exit))
    assert_equal(fast(x), plain(x))


@torch.inference_mode()
def test_images_may_leave_on_the_way(plain, fast) -> None:
    x = images(3, 32, 32)
    both = [model.exits(x) for model in (fast, plain)]
    for kept in (None, [0, 1, 2], [True, False, True], [1]):
        ours, expected = (walk.send(kept and torch.tensor(kept)) for walk in both)
        assert_equal(ours, expected)


@pytest.mark.parametrize("compressor", ["jpeg", "hevc"])
@torch.inference_mode()
def test_a_photograph_in_float32_is_rbqes_to_a_hundred_thousandth(camera, compressor: str) -> None:
    plain = rbqe.load(WEIGHTS / f"rbqe-luma-{compressor}.safetensors", "cpu")
    fast = loading.prepare(copy.deepcopy(plain))
    x = pixels.to_tensor([jpeg.decode(jpeg.encode(camera[100:229, 100:261], 20))], "cpu")
    whole = tiling.enhance(describe(plain), x)
    for ours, expected in zip(tiling.enhance(describe(fast), x), whole, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)
        assert (ours - x).abs().max() > 0.01  # it does something
    threshold = float(multi_exit.score(whole[1], 8))
    assert (
        multi_exit.enhance(describe(fast), x, multi_exit.Rule(8, threshold - 1e-3))[1]
        == multi_exit.enhance(describe(plain), x, multi_exit.Rule(8, threshold - 1e-3))[1]
    )


def test_sizes_that_are_no_multiples_of_32_are_refused(fast) -> None:
    with pytest.raises(ValueError, match=r"RBQE needs height and width in multiples of 32, got \(1, 1, 64, 95\)"):
        next(fast.exits(images(1, 64, 95)))


def test_nothing_is_computed_for_later_exits(fast) -> None:
    fast, called = copy.deepcopy(fast), []
    for layer in fast.modules():
        if isinstance(layer, cpu.UpConv):
            layer.register_forward_hook(lambda *_: called.append(1))
    assert [len(called) for _ in fast.exits(images(1, 32, 32))] == [1, 3, 6, 10, 15]  # stage k has k upsamplings
