"""The networks are those of the original repositories, and run the same whatever the size, batch or tile."""

import functools
import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from methods import dcad, network, rbqe
from methods.rbqe_powerqe import PowerQERBQE

GOLDEN = Path(__file__).parent / "golden"
powerqe_v1 = importlib.import_module("methods.rbqe-powerqe-v1")
powerqe_v3 = importlib.import_module("methods.rbqe-powerqe-v3")

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "rbqe_eccv": lambda: rbqe.load(None, "cpu"),
    "powerqe_v1_rbqe": lambda: powerqe_v1.load(None, "cpu"),
    "powerqe_v3_rbqe": lambda: PowerQERBQE(replace(powerqe_v3.VERSION, multi_exit=False)).eval(),
    "powerqe_v3_rbqe_multi": lambda: powerqe_v3.load(None, "cpu"),
    "powerqe_v3_rbqe_multi_eca": lambda: PowerQERBQE(replace(powerqe_v3.VERSION, attention=True)).eval(),
}
MULTI_EXIT = [name for name in NETWORKS if name != "powerqe_v3_rbqe"]
every_network = pytest.mark.parametrize("name", NETWORKS)
every_multi_exit_network = pytest.mark.parametrize("name", MULTI_EXIT)


@functools.cache
def golden(name: str) -> dict:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@functools.cache
def filled(name: str, fill: str, dtype: torch.dtype) -> nn.Module:
    """Return a network in evaluation mode with the weights of a fixture's rule, rounded to float32."""
    waves = {
        "A": lambda i, j: np.sin(0.37 * i + 0.011 * j + 0.5),
        "B": lambda i, j: np.sin(0.37 * i + 0.5 + 40 * np.sin(0.3 * i + 1.7 * j)),
    }
    rule, model = golden(name)["fills"][fill], NETWORKS[name]()
    for number, tensor in enumerate(model.state_dict().values()):
        wave = waves[fill](number, np.arange(tensor.numel(), dtype=np.float64))
        fan_in = tensor[0].numel()
        values = wave * rule["gain"] / np.sqrt(fan_in) if tensor.dim() > 1 else wave * rule["scale_1d"]
        tensor.copy_(torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape))
    return model.to(dtype)


def wave_image(shape: list[int], dtype: torch.dtype) -> Tensor:
    """Return the fixtures' input, rounded to float32."""
    j = np.arange(np.prod(shape), dtype=np.float64)
    values = (0.5 + 0.5 * np.sin(0.05 * j) * np.cos(0.003 * j)).astype(np.float32)
    return torch.from_numpy(values).reshape(shape).to(dtype)


def images(model: nn.Module, count: int) -> Tensor:
    """Return random float64 images (count, C, H, W) in [0, 1] of a size that the network takes."""
    size = (32, 64) if hasattr(model, "multiple") else (13, 22)
    return torch.rand(count, model.channels, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@every_network
def test_state_dict_has_the_original_keys_shapes_and_order(name: str) -> None:
    state = NETWORKS[name]().state_dict()
    assert [[key, list(tensor.shape)] for key, tensor in state.items()] == golden(name)["keys"]


@every_network
def test_parameter_count_is_the_original_one(name: str) -> None:
    assert sum(parameter.numel() for parameter in NETWORKS[name]().parameters()) == golden(name)["num_params"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "run"), [(name, run) for name in NETWORKS for run in range(len(golden(name)["runs"]))]
)
@torch.no_grad()
def test_every_exit_gives_the_original_numbers(name: str, run: int, dtype: torch.dtype) -> None:
    expected = golden(name)["runs"][run]
    results = list(network.exits(filled(name, expected["fill"], dtype), wave_image(expected["input_shape"], dtype)))
    assert len(results) == len(expected["exits"])
    for result, numbers in zip(results, expected["exits"], strict=True):
        assert list(result.shape) == expected["input_shape"]
        assert result.dtype == dtype
        values = result.double().flatten().numpy()
        samples = values[np.arange(64) * (values.size - 1) // 63]
        tolerance = numbers[f"atol_{str(dtype).removeprefix('torch.')}"]
        np.testing.assert_allclose(samples, numbers["samples"], rtol=0, atol=tolerance)
        statistics = values.mean(), values.min(), values.max()
        np.testing.assert_allclose(statistics, [numbers[k] for k in ("mean", "min", "max")], rtol=0, atol=tolerance)


@every_network
@torch.no_grad()
def test_forward_is_the_last_exit(name: str) -> None:
    model = filled(name, "B", torch.float64)
    x = images(model, 2)
    assert torch.equal(model(x), list(model.exits(x))[-1])


@every_multi_exit_network
@torch.no_grad()
def test_an_exit_computes_nothing_of_the_next_stages(name: str) -> None:
    model, called = NETWORKS[name]().double(), []
    for layer in model.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda *_: called.append(1))
    counts = [len(called) for _ in model.exits(images(model, 1))]
    assert counts == [1, 3, 6, 10, 15]  # stage k has k upsamplings


# Float64 rounds at 1e-16 of outputs near 1; convolutions may sum in another order when the batch has another size.
ROUNDING = 1e-12


@every_multi_exit_network
@torch.no_grad()
def test_dropping_images_leaves_the_other_results_alone(name: str) -> None:
    model = filled(name, "B", torch.float64)
    x = images(model, 3)
    whole = list(model.exits(x))
    part = model.exits(x)
    results = [next(part), next(part)]
    results.append(part.send(torch.tensor([True, False, True])))
    results.append(part.send(torch.tensor([False, True])))
    results.append(next(part))
    for exit, kept in enumerate([[0, 1, 2], [0, 1, 2], [0, 2], [2], [2]]):
        torch.testing.assert_close(results[exit], whole[exit][kept], rtol=0, atol=ROUNDING)


@every_network
@torch.no_grad()
def test_results_do_not_depend_on_the_other_images_of_the_batch(name: str) -> None:
    model = filled(name, "B", torch.float64)
    x = images(model, 3)
    for exit, (batched, alone) in enumerate(zip(model.exits(x), model.exits(x[1:2]), strict=True)):
        torch.testing.assert_close(batched[1:2], alone, rtol=0, atol=ROUNDING, msg=lambda m, exit=exit: f"{exit}: {m}")


@every_network
def test_gradients_reach_every_parameter(name: str) -> None:
    model = filled(name, "B", torch.float64)
    error = sum(result.square().sum() for result in model.exits(images(model, 2)))
    assert all(gradient.abs().max() > 0 for gradient in torch.autograd.grad(error, model.parameters()))


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (31, 33), (64, 5)])
@torch.no_grad()
def test_powerqe_networks_take_any_size(size: tuple[int, int]) -> None:
    model = filled("powerqe_v3_rbqe_multi", "B", torch.float32)
    assert [result.shape[2:] for result in model.exits(torch.rand(1, 3, *size))] == [size] * 5


def test_rbqe_refuses_sizes_that_are_no_multiples_of_32() -> None:
    with pytest.raises(ValueError, match=r"multiples of 32, got \(1, 1, 64, 95\)"):
        next(rbqe.RBQE().exits(torch.rand(1, 1, 64, 95)))


@torch.no_grad()
def test_enhance_mirrors_odd_sizes_and_crops_back() -> None:
    model, x = filled("rbqe_eccv", "B", torch.float64), wave_image([1, 1, 37, 53], torch.float64)
    mirrored = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (0, 27), (0, 11)], mode="reflect"))
    results = network.enhance(model, x)
    assert len(results) == 5
    for result, whole in zip(results, model.exits(mirrored), strict=True):
        torch.testing.assert_close(result, whole[..., :37, :53], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("heads", "exits"), [("powerqe_v3_rbqe", 1), ("powerqe_v3_rbqe_multi", 5), ("powerqe_v3_rbqe_multi_eca", 5)]
)
def test_powerqe_v3_has_the_exits_of_its_checkpoint(heads: str, exits: int, tmp_path: Path) -> None:
    original = NETWORKS[heads]()
    save_file(original.state_dict(), tmp_path / "weights.safetensors")
    model, x = powerqe_v3.load(tmp_path / "weights.safetensors", "cpu"), torch.rand(1, 3, 9, 9)
    results, expected = network.enhance(model, x), network.enhance(original, x)
    assert len(results) == exits
    assert all(torch.equal(result, wanted) for result, wanted in zip(results, expected, strict=True))


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 32]))
def test_padding_is_numpys_reflection_at_any_size(height: int, width: int, multiple: int) -> None:
    x = torch.arange(height * width).reshape(1, 1, height, width)
    margins = [(0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple)]
    np.testing.assert_array_equal(network.pad(x, multiple), np.pad(x.numpy(), margins, mode="reflect"))


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 6), st.integers(1, 40))
def test_tiles_cover_every_pixel_once_with_their_margins(height: int, width: int, overlap: int, step: int) -> None:
    covered = np.zeros((height, width), int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "OVERLAP", overlap)
        patch.setattr(network, "TILE", step + 2 * overlap)
        for inner, outer in network.tiles(height, width):
            covered[inner] += 1
            for part, margin, size in zip(inner, outer, (height, width), strict=True):
                assert margin.start == max(part.start - overlap, 0)
                assert margin.stop == min(part.stop + overlap, size)
                assert margin.stop - margin.start <= step + 2 * overlap
    assert (covered == 1).all()


def test_tiles_give_what_the_whole_image_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = dcad.load(None, "cpu")
    for parameter in model.parameters():
        if parameter.dim() > 1:  # PyTorch's start values fade over ten layers, so that a seam would hardly show
            nn.init.kaiming_normal_(parameter)
    x = torch.rand(2, 3, 75, 101)
    whole = network.enhance(model, x)
    monkeypatch.setattr(network, "OVERLAP", 10)  # ten 3x3 convolutions see ten pixels far
    monkeypatch.setattr(network, "TILE", 48)
    torch.testing.assert_close(network.enhance(model, x), whole, rtol=0, atol=1e-5)
    monkeypatch.setattr(network, "OVERLAP", 4)
    assert (network.enhance(model, x)[0] - whole[0]).abs().max() > 1e-3  # the test sees a seam
