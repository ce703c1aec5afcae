"""The networks are those of the original repositories, and run the same whatever the size, batch or tile."""

import functools
import importlib
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers.originals import golden, original_state, wave_image
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from methods import dcad, esrgan, rbqe
from methods.rbqe import network
from methods.rbqe.powerqe import PowerQERBQE
from qebench.common import plugins
from qebench.networks import extent, multi_exit, pixels, tiling
from qebench.networks.network import describe

powerqe_v1 = importlib.import_module("methods.rbqe-powerqe-v1")
powerqe_v3 = importlib.import_module("methods.rbqe-powerqe-v3")


@dataclass(frozen=True)
class Network:
    """A network with golden numbers: its method, how to build it, and the original's names as in `forms.Form`."""

    method: ModuleType
    build: Callable[[], nn.Module]
    names: dict[str, str] = field(default_factory=dict)


def form(method: str, name: str, channels: int) -> Network:
    """Return one of the FORMS of a method."""
    module = plugins.find("methods", method)
    chosen = module.FORMS[name]
    return Network(module, lambda: chosen.build(channels).eval(), chosen.names)


NETWORKS = {
    "rbqe_eccv": Network(rbqe, lambda: rbqe.load(None, "cpu")),
    "powerqe_v1_arcnn": form("arcnn", "powerqe-v1", 3),
    "powerqe_v1_cbdnet": form("cbdnet", "powerqe-v1", 3),
    "powerqe_v1_dcad": form("dcad", "powerqe-v1", 3),
    "powerqe_v1_dncnn": form("dncnn", "powerqe-v1", 3),
    "powerqe_v1_dncnn_bn": form("dncnn", "powerqe-v1-bn", 3),
    "powerqe_v1_esrgan": form("esrgan", "powerqe-v1", 3),
    "powerqe_v1_rbqe": Network(powerqe_v1, lambda: powerqe_v1.load(None, "cpu")),
    "powerqe_v3_arcnn": form("arcnn", "powerqe-v3", 3),
    "powerqe_v3_cbdnet": form("cbdnet", "powerqe-v3", 3),
    "powerqe_v3_dcad": form("dcad", "powerqe-v3", 3),
    "powerqe_v3_dncnn": form("dncnn", "powerqe-v3", 3),
    "powerqe_v3_dncnn_bn": form("dncnn", "powerqe-v3-bn", 3),
    "powerqe_v3_mprnet": form("mprnet", "powerqe-v3", 3),
    "powerqe_v3_rbqe": Network(powerqe_v3, lambda: PowerQERBQE(replace(powerqe_v3.VERSION, multi_exit=False)).eval()),
    "powerqe_v3_rbqe_multi": Network(powerqe_v3, lambda: powerqe_v3.load(None, "cpu")),
    "powerqe_v3_rbqe_multi_eca": Network(
        powerqe_v3, lambda: PowerQERBQE(replace(powerqe_v3.VERSION, attention=True)).eval()
    ),
    "powerqe_v3_rdn": form("rdn", "powerqe-v3", 3),
    "powerqe_v3_rrdbnet": form("esrgan", "powerqe-v3", 3),
    "powerqe_v3_unet": form("unet", "powerqe-v3", 3),
}
STOPPABLE = [name for name in NETWORKS if "rbqe" in name]
MULTI_EXIT = [name for name in STOPPABLE if name != "powerqe_v3_rbqe"]
FORMS = {
    f"{method}-{name}-{channels}": form(method, name, channels)
    for method in plugins.names("methods")
    for name, published in getattr(plugins.find("methods", method), "FORMS", {}).items()
    for channels in published.channels
}
every_network = pytest.mark.parametrize("name", NETWORKS)
every_stoppable_network = pytest.mark.parametrize("name", STOPPABLE)
every_multi_exit_network = pytest.mark.parametrize("name", MULTI_EXIT)


@functools.cache
def filled(name: str, fill: str, dtype: torch.dtype, device: str = "cpu") -> nn.Module:
    """Return a network in evaluation mode with the weights of a fixture's rule, rounded to float32."""
    model = NETWORKS[name].build()
    for ours, theirs in zip(model.state_dict().values(), original_state(name, fill).values(), strict=True):
        ours.copy_(theirs)
    return model.to(device, dtype)


def images(model: nn.Module, count: int) -> Tensor:
    """Return random float64 images (count, C, H, W) in [0, 1] of a size that the network takes."""
    size = (32, 64) if hasattr(model, "multiple") else (13, 22)
    return torch.rand(count, model.channels, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@every_network
def test_state_dict_has_the_original_keys_shapes_and_order(name: str) -> None:
    state = NETWORKS[name].build().state_dict()
    names = {ours: theirs for theirs, ours in NETWORKS[name].names.items()}
    keys = []
    for key, tensor in state.items():
        ours = next((ours for ours in names if key.startswith(ours)), "")
        keys.append([names.get(ours, "") + key.removeprefix(ours), list(tensor.shape)])
    assert keys == golden(name)["keys"]


@pytest.mark.original("Networks: parameters of the authors' code")
@every_network
def test_parameter_count_is_the_original_one(name: str) -> None:
    assert sum(parameter.numel() for parameter in NETWORKS[name].build().parameters()) == golden(name)["num_params"]


CONTAINERS = {
    "rbqe_eccv": lambda state: state,
    "powerqe_v1_esrgan": lambda state: {"module_gen": {f"module.{key}": tensor for key, tensor in state.items()}},
    "powerqe_v1": lambda state: {"module_net": {f"module.{key}": tensor for key, tensor in state.items()}},
    "powerqe_v3": lambda state: {"state_dict": {f"generator.{key}": tensor for key, tensor in state.items()}},
}


@every_network
def test_the_original_checkpoint_loads_as_this_network(name: str, tmp_path: Path) -> None:
    container = next(container for start, container in CONTAINERS.items() if name.startswith(start))
    torch.save(container(original_state(name, "B")), tmp_path / "weights.pt")
    model, original = NETWORKS[name].method.load(tmp_path / "weights.pt", "cpu"), filled(name, "B", torch.float64)
    assert not model.training
    x = images(original, 1)
    expected = tiling.enhance(describe(original), x)
    assert all(torch.equal(*pair) for pair in zip(tiling.enhance(describe(model.double()), x), expected, strict=True))


@pytest.mark.parametrize("name", FORMS)
def test_weights_tell_the_form_and_its_channels(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = FORMS[name].build()
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}  # a file keeps no ties
    save_file(state, tmp_path / "weights.safetensors")
    loaded, x = FORMS[name].method.load(tmp_path / "weights.safetensors", "cpu"), images(model, 1).float()
    (tmp_path / "weights.safetensors").unlink()  # pytest would keep it, and FBCNN's has 290 MB
    assert repr(loaded) == repr(model)  # with the eps and momentum of every batch norm
    assert loaded.channels == model.channels
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in model.parameters())
    assert torch.equal(tiling.enhance(describe(loaded), x)[0], tiling.enhance(describe(model), x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "run"), [(name, run) for name in NETWORKS for run in range(len(golden(name)["runs"]))]
)
@torch.no_grad()
def test_every_exit_gives_the_original_numbers(name: str, run: int, dtype: torch.dtype, device: str) -> None:
    expected = golden(name)["runs"][run]
    x = wave_image(expected["input_shape"], dtype).to(device)
    results = list(multi_exit.exits(filled(name, expected["fill"], dtype, device), x))
    assert len(results) == len(expected["exits"])
    for result, numbers in zip(results, expected["exits"], strict=True):
        assert list(result.shape) == expected["input_shape"]
        assert result.dtype == dtype
        values = result.double().flatten().cpu().numpy()
        samples = values[np.arange(64) * (values.size - 1) // 63]
        tolerance = numbers[f"atol_{str(dtype).removeprefix('torch.')}"]
        np.testing.assert_allclose(samples, numbers["samples"], rtol=0, atol=tolerance)
        statistics = values.mean(), values.min(), values.max()
        np.testing.assert_allclose(statistics, [numbers[k] for k in ("mean", "min", "max")], rtol=0, atol=tolerance)


@every_stoppable_network
@torch.no_grad()
def test_forward_is_the_last_exit(name: str) -> None:
    model = filled(name, "B", torch.float64)
    x = images(model, 2)
    assert torch.equal(model(x), list(model.exits(x))[-1])


@every_multi_exit_network
@torch.no_grad()
def test_an_exit_computes_nothing_of_the_next_stages(name: str) -> None:
    model, called = NETWORKS[name].build().double(), []
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
    for exit, (batched, alone) in enumerate(
        zip(multi_exit.exits(model, x), multi_exit.exits(model, x[1:2]), strict=True)
    ):
        torch.testing.assert_close(batched[1:2], alone, rtol=0, atol=ROUNDING, msg=lambda m, exit=exit: f"{exit}: {m}")


@every_network
def test_gradients_reach_every_parameter(name: str) -> None:
    model = filled(name, "B", torch.float64)
    error = sum(result.square().sum() for result in multi_exit.exits(model, images(model, 2)))
    assert all(gradient.abs().max() > 0 for gradient in torch.autograd.grad(error, model.parameters()))


@pytest.mark.parametrize("name", FORMS)
def test_every_form_takes_any_size(name: str) -> None:
    model = FORMS[name].build()
    for size in [(1, 1), (2, 3), (5, 2), (9, 14)]:
        x = torch.rand(1, model.channels, *size)
        assert all(result.shape == x.shape for result in tiling.enhance(describe(model), x))


@torch.no_grad()
def test_unet_mirrors_images_that_are_too_small_to_pool() -> None:
    model, x = filled("powerqe_v3_unet", "B", torch.float64), wave_image([1, 3, 3, 9], torch.float64)
    mirrored = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (0, 1), (0, 3)], mode="reflect"))
    torch.testing.assert_close(model(x), model(mirrored)[..., :3, :9], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (31, 33), (64, 5)])
@torch.no_grad()
def test_powerqe_networks_take_any_size(size: tuple[int, int]) -> None:
    model = filled("powerqe_v3_rbqe_multi", "B", torch.float32)
    assert [result.shape[2:] for result in model.exits(torch.rand(1, 3, *size))] == [size] * 5


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (38, 5)])
@every_network
def test_images_of_any_size_are_enhanced(name: str, size: tuple[int, int]) -> None:
    model = filled(name, "B", torch.float32)
    results = tiling.enhance(describe(model), torch.rand(1, model.channels, *size))
    assert all(result.shape[2:] == size and result.isfinite().all() for result in results)


def test_mprnet_takes_the_widths_that_fail_in_the_original() -> None:
    assert filled("powerqe_v3_mprnet", "B", torch.float32)(torch.rand(1, 3, 40, 54)).shape == (1, 3, 40, 54)


def test_rrdbnet_starts_at_a_tenth_of_hes_values() -> None:
    torch.manual_seed(0)
    for layer in esrgan.RRDBNet(1).modules():
        if isinstance(layer, nn.Conv2d):
            count, fan_in = layer.weight.numel(), layer.weight[0].numel()
            spread = float(layer.weight.detach().std()) / (0.1 * (2 / fan_in) ** 0.5)
            assert spread == pytest.approx(1, abs=5 / (2 * count) ** 0.5)  # five standard errors of a deviation
            assert not layer.bias.any()


def test_rbqe_refuses_sizes_that_are_no_multiples_of_32() -> None:
    with pytest.raises(ValueError, match=r"multiples of 32, got \(1, 1, 64, 95\)"):
        next(network.RBQE().exits(torch.rand(1, 1, 64, 95)))


@torch.no_grad()
def test_enhance_mirrors_odd_sizes_and_crops_back() -> None:
    model, x = filled("rbqe_eccv", "B", torch.float64), wave_image([1, 1, 37, 53], torch.float64)
    mirrored = torch.from_numpy(np.pad(x.numpy(), [(0, 0), (0, 0), (0, 27), (0, 11)], mode="reflect"))
    results = tiling.enhance(describe(model), x)
    assert len(results) == 5
    for result, whole in zip(results, model.exits(mirrored), strict=True):
        torch.testing.assert_close(result, whole[..., :37, :53], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("heads", "exits"), [("powerqe_v3_rbqe", 1), ("powerqe_v3_rbqe_multi", 5), ("powerqe_v3_rbqe_multi_eca", 5)]
)
def test_powerqe_v3_has_the_exits_of_its_checkpoint(heads: str, exits: int, tmp_path: Path) -> None:
    original = NETWORKS[heads].build()
    save_file(original.state_dict(), tmp_path / "weights.safetensors")
    model, x = powerqe_v3.load(tmp_path / "weights.safetensors", "cpu"), torch.rand(1, 3, 9, 9)
    results, expected = tiling.enhance(describe(model), x), tiling.enhance(describe(original), x)
    assert len(results) == exits
    assert all(torch.equal(result, wanted) for result, wanted in zip(results, expected, strict=True))


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 32]))
def test_padding_is_numpys_reflection_at_any_size(height: int, width: int, multiple: int) -> None:
    x = torch.arange(height * width).reshape(1, 1, height, width)
    margins = [(0, 0), (0, 0), (0, -height % multiple), (0, -width % multiple)]
    np.testing.assert_array_equal(pixels.pad(x, multiple), np.pad(x.numpy(), margins, mode="reflect"))


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 6), st.integers(1, 40), st.integers(1, 40))
def test_tiles_cover_every_pixel_once_with_their_margins(height: int, width: int, overlap: int, down: int, across: int):
    cut = tiling.Cut(down + 2 * overlap, across + 2 * overlap, overlap)
    covered = np.zeros((height, width), int)
    for inner, outer in tiling.tiles(height, width, cut):
        covered[inner] += 1
        for part, margin, size, side in zip(inner, outer, (height, width), (cut.height, cut.width), strict=True):
            assert part.start - margin.start == (overlap if margin.start else 0)
            assert margin.stop == size or margin.stop - part.stop == overlap
            assert margin.stop - margin.start <= side
    assert (covered == 1).all()


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 3), st.integers(500**2, 10**6))
def test_tiles_keep_to_their_area_and_begin_on_the_grid(height: int, width: int, overlap: int, area: int) -> None:
    cut = tiling.fit(height, width, area, 32 * overlap, 32)
    assert cut.height * cut.width <= area
    places = tiling.tiles(height, width, cut)
    assert all(part.start % 32 == 0 for _, outer in places for part in outer)


def test_tiles_of_16_megapixels_compute_a_quarter_more_at_most() -> None:
    cut = tiling.fit(4096, 4096, 720_000, 32, 32)
    computed = sum((o[0].stop - o[0].start) * (o[1].stop - o[1].start) for _, o in tiling.tiles(4096, 4096, cut))
    assert computed < 1.25 * 4096**2


def test_what_a_network_holds_is_what_its_tensors_take() -> None:
    layers = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1))
    assert extent.bytes_per_pixel(describe(layers), 1, torch.device("cpu")) == 4 * (1 + 8 + 1)
    assert extent.reach(describe(layers), 1, torch.device("cpu")) == 2  # pixels: two 3x3 convolutions


class Blurs(nn.Module):
    """Three exits: the image blurred once, twice, three times; `computed` counts the blurs."""

    channels, exit_count, computed = 1, 3, 0

    def exits(self, x: torch.Tensor):
        for _ in range(self.exit_count):
            self.computed += 1
            x = nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
            yield x

    def forward(self, x: torch.Tensor, exit: int = 3) -> torch.Tensor:
        return list(itertools.islice(self.exits(x), exit))[-1]


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut images over 60 pixels, in tiles of 48 with an overlap of 16."""
    monkeypatch.setattr(tiling, "LEAST", 60)
    monkeypatch.setattr(tiling, "choose", lambda network, planes, budget, held: CUT if budget < 1e12 else None)


CUT = tiling.Cut(48, 48, 16)


@pytest.mark.parametrize("budget", [0, 10**9])  # no result at a time but one; all exits
def test_exits_by_tiles_are_those_of_the_whole_image(small_tiles: None, budget: int) -> None:
    x = torch.rand(1, 1, 75, 101)
    whole = list(tiling.stages(describe(Blurs()), x, budget=math.inf))
    by_tiles = list(tiling.stages(describe(Blurs()), x, budget=budget))
    torch.testing.assert_close(by_tiles, whole, rtol=0, atol=1e-6)
    later = list(tiling.stages(describe(Blurs()), x, 2, budget=budget))
    torch.testing.assert_close(later, whole[1:], rtol=0, atol=1e-6)
    alone = list(tiling.stages(describe(Blurs()), x, 2, only=True, budget=budget))
    torch.testing.assert_close(alone, whole[1:2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("budget", [10**9, math.inf])  # by tiles, in one piece
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bit_pictures_give_the_rounded_exits_of_their_values(small_tiles: None, channels: int, budget: float) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (75, 101, channels)).astype(np.uint8)
    exact = tiling.stages(describe(Blurs()), pixels.to_tensor([picture], "cpu"), budget=budget)
    expected = [pixels.to_bytes(exit) for exit in exact]
    results = list(tiling.stages(describe(Blurs()), pixels.stack([picture], "cpu"), rounded=True, budget=budget))
    assert [result.dtype for result in results] == [torch.uint8] * 3
    torch.testing.assert_close(results, expected, rtol=0, atol=0)


def test_exits_of_a_large_image_are_computed_when_they_are_asked_for(small_tiles: None) -> None:
    model, x = Blurs(), torch.rand(1, 1, 75, 101)
    tile_count = len(tiling.tiles(75, 101, CUT))
    counts = [model.computed for _ in tiling.stages(describe(model), x, budget=0)]
    assert counts == [tile_count, tile_count * (1 + 2), tile_count * (1 + 2 + 3)]


def test_over_a_budget_images_go_by_tiles_and_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "LEAST", 128)
    torch.manual_seed(0)
    model = dcad.load(None, "cpu")
    for parameter in model.parameters():
        if parameter.dim() > 1:  # PyTorch's start values fade over ten layers, so that a seam would hardly show
            nn.init.kaiming_normal_(parameter)
    x, seen = torch.rand(1, 1, 300, 270), []
    whole = list(tiling.stages(describe(model), x, budget=math.inf))
    tiled = list(tiling.stages(describe(model), x, track=lambda places: seen.extend(places) or places, budget=1.3e7))
    assert len(seen) > 1
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-5)
