"""All that runs on a GPU runs on a pretended one, which refuses what a GPU refuses, and gives the CPU's numbers."""

import copy
import dataclasses
import gc
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import methods, pretend_gpu
from helpers.pictures import small
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.studies import gpu_check
from compressors import jpeg
from methods import rbqe
from qebench import config
from qebench.__main__ import main
from qebench.checkpoints import cards
from qebench.common import devices, files, plugins, provenance
from qebench.cost import clock, exit_latency, latency, latency_grid, machine
from qebench.cost import measured as measured_elsewhere
from qebench.datasets import originals
from qebench.evaluation import batches
from qebench.evaluation.evaluate import _measure, evaluate
from qebench.evaluation.pace import Pace
from qebench.iqa import iqam
from qebench.networks import extent, footprint, loading, multi_exit, own_pictures, pixels, rules, tiling
from qebench.networks.network import Network, describe
from qebench.training import command, equal, graphs, loop, recipes
from qebench.training.optimizers import OPTIMIZERS
from qebench.training.run import Run, Settings

pytestmark = pytest.mark.skipif(bool(pretend_gpu.MISSING), reason=pretend_gpu.MISSING)
GPU, SECOND = "pretend:0", "pretend:1"
# Every form once: for three channels it runs the same operators as for one.
FORMS = {(method, form): channels for method, form, channels in reversed(methods.networks())}
WEIGHTS = plugins.ROOT / "methods/weights"
METRICS = ["psnr", "psnr_unrounded", "ssim"]
CLOSE = 1e-5
WITH_DCAD = 1_400_000  # bytes of its weights, and of a layer that is moved


@pytest.fixture(scope="module", autouse=True)
def plugged() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # each of the many collections below would look at all that was imported since the tests began, too
    with pretend_gpu.plugged():
        yield


@pytest.fixture(autouse=True)
def small_probes(monkeypatch) -> None:
    """Measure memory and reach of networks on smaller images than users' networks are: DCAD looks 10 pixels far."""
    monkeypatch.setattr(footprint, "SIDE", 64)
    monkeypatch.setattr(extent, "FARTHEST", (32,))


@pytest.fixture
def quick(monkeypatch) -> None:
    """Time everything once, without a warm-up."""
    monkeypatch.setattr(clock, "WARM_UP", 0)
    for module in (latency, exit_latency, latency_grid):
        monkeypatch.setattr(module, "RUNS", 1)


@pytest.fixture(scope="module")
def decoded(camera) -> list[np.ndarray]:
    """Return three decoded pictures of 64x64 pixels, of sky, of edges and of grass."""
    return [jpeg.decode(jpeg.encode(camera[y : y + 64, x : x + 64], 20)) for y, x in [(0, 400), (64, 200), (440, 20)]]


@pytest.fixture(scope="module")
def coded(camera, tmp_path_factory) -> Path:
    """Return a folder with originals.csv and 20.csv, of three pictures decoded from JPEG, as in a run."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "mine").mkdir()
    for number, (y, x) in enumerate([(0, 400), (64, 200), (440, 20)]):
        Image.fromarray(camera[y : y + 64, x : x + 64]).save(folder / f"mine/{number}.png")
    sources, protocol = originals.sources(folder / "mine"), originals.Protocol("luma")
    originals.write(sources, protocol, folder / "originals", folder / "originals.csv")
    (folder / "coded").mkdir()
    for path in sources:
        Image.fromarray(jpeg.decode(jpeg.encode(np.asarray(Image.open(path)), 20))).save(folder / f"coded/{path.name}")
    originals.write(originals.sources(folder / "coded"), protocol, folder / "20", folder / "20.csv")
    rows = files.read_csv(folder / "20.csv").assign(bpp=1.0, version="a codec", settings="none")
    files.write_csv(rows, folder / "20.csv")
    return folder


def measured(coded: Path, method: str, device: str) -> pd.DataFrame:
    weights = WEIGHTS / f"{method}-luma-jpeg.safetensors"
    manifests = coded / "originals.csv", [coded / "20.csv"]
    rows, (record,), _ = evaluate(method, weights, *manifests, METRICS, 8, "matlab", device)
    assert (record["device"], record["precision"]) == (provenance.device_name(device), "float32")
    return rows


def assert_same(ours: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Assert that measurements are the same to 1e-5, of the change (in squared gray levels) to 1e-5 of it."""
    keys = ["quality", "image", "exit", "metric"]
    both = ours.merge(expected, on=keys, validate="one_to_one")
    assert len(both) == len(ours) == len(expected)
    np.testing.assert_allclose(both["value_x"], both["value_y"], atol=CLOSE, rtol=CLOSE)


def score_as_numpy(x: Tensor) -> object:
    return (x * 255).round().numpy()


def add_a_ramp_of_the_cpu(x: Tensor) -> object:
    return x + torch.linspace(0, 1, x.shape[-1])


def add_ones_of_the_cpu(x: Tensor) -> object:
    return x + torch.ones(x.shape)


def select_by_an_index_of_the_cpu(x: Tensor) -> object:
    return x.index_select(2, torch.arange(4))


def index_a_tensor_of_the_cpu(x: Tensor) -> object:
    return torch.rand(8)[torch.arange(3, device=x.device)]


def add_what_is_on_the_second(x: Tensor) -> object:
    return x + x.to(SECOND)


class Mistaken(nn.Module):
    """A network with a mistake planted in it."""

    def __init__(self, mistake: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.mistake = mistake

    def forward(self, x: Tensor) -> Tensor:
        self.mistake(x)
        return x


def run_with(mistake: Callable[[Tensor], object]) -> None:
    tiling.enhance(describe(Mistaken(mistake)), torch.rand(1, 1, 8, 8).to(GPU))


@pytest.mark.parametrize("mistake", [score_as_numpy, np.asarray])
def test_numpy_on_the_device_is_caught(mistake):
    with pytest.raises(TypeError, match="can't convert pretend:0 device type tensor to numpy"):
        run_with(mistake)


@pytest.mark.parametrize("mistake", [add_a_ramp_of_the_cpu, add_ones_of_the_cpu])
def test_a_tensor_made_on_the_cpu_is_caught(mistake):
    with pytest.raises(RuntimeError, match="same device, but found cpu and pretend:0 in aten::add"):
        run_with(mistake)


@pytest.mark.parametrize(
    ("mistake", "operator"), [(select_by_an_index_of_the_cpu, "index_select"), (index_a_tensor_of_the_cpu, "index")]
)
def test_a_mixed_index_is_caught(mistake, operator):
    with pytest.raises(RuntimeError, match=f"same device, but found cpu and pretend:0 in aten::{operator}$"):
        run_with(mistake)


def test_operands_on_two_gpus_are_caught():
    with pytest.raises(RuntimeError, match="same device, but found pretend:0 and pretend:1 in aten::add"):
        run_with(add_what_is_on_the_second)


@pytest.mark.parametrize(("method", "form"), FORMS)
@torch.inference_mode()
def test_every_network_gives_the_cpus_numbers(method, form):
    torch.manual_seed(0)
    channels = FORMS[method, form]
    plugin = plugins.find("methods", method)
    forms = getattr(plugin, "FORMS", {})
    module = forms[form].build(channels).eval() if forms else plugin.load(None, "cpu")
    x = torch.rand(2, channels, 16, 16)
    expected = tiling.enhance(describe(loading.prepare(module)), x)
    results = tiling.enhance(describe(loading.prepare(module.to(GPU))), x.to(GPU))
    assert len(results) == len(expected)
    for ours, theirs in zip(results, expected, strict=True):
        assert ours.device == torch.device(GPU)
        torch.testing.assert_close(ours.cpu(), theirs, atol=CLOSE, rtol=CLOSE)


def test_methods_that_are_no_network_run_on_it(decoded):
    x = pixels.to_tensor(decoded, "cpu")
    for method in ("decoded", "reapply", "spp"):
        network, (expected,) = loading.load(method, None, GPU), tiling.enhance(loading.load(method, None, "cpu"), x)
        (ours,) = tiling.enhance(network, x.to(GPU))
        torch.testing.assert_close(ours.cpu(), expected, atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize(("block_size", "variant"), [(4, "matlab"), (4, "powerqe"), (8, "matlab"), (8, "powerqe")])
def test_scores_are_the_cpus(decoded, block_size, variant):
    images = pixels.stack(decoded, "cpu")
    for values in (images, images.float(), images.double()):
        ours, expected = (iqam.score(each, block_size, variant) for each in (values.to(GPU), values))
        torch.testing.assert_close(ours.cpu(), expected, atol=CLOSE, rtol=0)


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    """Return RBQE on both devices."""
    return {each: loading.load("rbqe", WEIGHTS / "rbqe-luma-jpeg.safetensors", each) for each in ("cpu", GPU)}


@pytest.fixture(scope="module")
def known(networks, decoded) -> tuple[Tensor, rules.Evidence]:
    """Return three small pictures, and what the CPU knows of them at RBQE's last exit; the gains are made up."""
    x = pixels.to_tensor([image[:32, :32] for image in decoded], "cpu")
    exits = tiling.enhance(networks["cpu"], x)
    scores = torch.stack([multi_exit.score(exit, 8) for exit in exits], 1).numpy()
    change = torch.stack([multi_exit.change(exit, [x, *exits][k]) for k, exit in enumerate(exits)], 1).numpy()
    gains = np.array([[0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.5, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5]])
    told = np.full(3, 20.0), np.ones(3), np.full(3, np.nan)  # quality, bits per pixel, draw
    return x, rules.Evidence(5, scores, change, *told, gains)


@pytest.mark.parametrize("name", plugins.names("benchmarks/exit_rules"))
def test_by_every_rule_images_stop_where_they_do_on_the_cpu(networks, known, name):
    (x, evidence), seen = known, set()
    candidates = plugins.find("benchmarks/exit_rules", name).candidates(evidence, evidence.gains, np.arange(1.0, 6))
    for settings in candidates[:: len(candidates) // 2]:  # the first, the middle one and the last
        rule = multi_exit.Rule(8, settings, name=name, quality=20.0, bpp=1.0)
        expected, exits = multi_exit.enhance(networks["cpu"], x, rule)
        if tuple(exits.tolist()) in seen:
            continue
        ours, our_exits = multi_exit.enhance(networks[GPU], x.to(GPU), rule)
        assert our_exits.tolist() == exits.tolist()
        torch.testing.assert_close(ours.cpu(), expected, atol=CLOSE, rtol=0)
        assert multi_exit.stop(networks[GPU], x[:1].to(GPU), rule).exit == int(exits[0])
        seen.add(tuple(exits.tolist()))
    assert len(set().union(*seen)) > 1 or name in ("coin", "oracle")  # which a running network has nothing to ask


def test_own_pictures_stop_where_they_do_on_the_cpu(networks, known, decoded):
    limits = np.sort(known[1].scores[0, :4])
    for threshold in (0.0, limits[1:3].mean(), 1.1):
        rule = multi_exit.Rule(8, float(threshold))
        own = [own_pictures.enhance(networks[each], decoded[0], rule, None, each) for each in ("cpu", GPU)]
        assert np.array_equal(own[0].picture, own[1].picture)
        assert own[0].exit == own[1].exit


@pytest.mark.parametrize("method", ["rbqe", "dcad"])
def test_measurements_are_the_cpus(coded, method):
    assert_same(measured(coded, method, GPU), measured(coded, method, "cpu"))


@pytest.mark.parametrize("side", [128, 256])
def test_metrics_and_scores_take_no_more_memory_than_is_set_aside_for_them(side):
    network = loading.load("decoded", None, GPU)
    modules = {name: plugins.find("benchmarks/metrics", name) for name in METRICS}
    images = [np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)]
    measure = partial(_measure, network, modules, (8, "matlab"), GPU, Pace(GPU), images, images, tiling.MEASURED)
    assert devices.peak_bytes(measure, GPU) / side**2 <= batches.METRICS


def test_memory_decides_the_batch():
    network = loading.load("dcad", WEIGHTS / "dcad-luma-jpeg.safetensors", GPU)
    per_pixel = footprint.bytes_per_pixel(network, GPU)
    count = batches.size(network, GPU)
    assert count(np.zeros((64, 64))) == batches.MOST
    image = np.zeros((200, 200))
    with pretend_gpu.memory.limited(int(image.size * 3.5 * (per_pixel + batches.METRICS) / batches.SHARE)):
        count = batches.size(network, GPU)
    assert [count(image), count(np.zeros((200, 200, 3))), count(np.zeros((800, 800)))] == [3, 1, 1]


def test_bytes_per_pixel_are_told_alike_on_both_devices():
    for method in ("dcad", "arcnn"):  # RBQE has a form for CPUs that takes less
        ours, expected = (footprint.bytes_per_pixel(loading.build(method, None, each), each) for each in (GPU, "cpu"))
        assert ours == pytest.approx(expected, rel=0.2)


def test_a_batch_that_is_too_large_is_halved_and_an_image_goes_by_tiles(coded, monkeypatch, capsys):
    expected = measured(coded, "dcad", "cpu")
    monkeypatch.setattr(batches, "size", lambda network, device: lambda image: 3)
    network = loading.load("dcad", WEIGHTS / "dcad-luma-jpeg.safetensors", "cpu")
    image = footprint.bytes_per_pixel(network, "cpu") * 64 * 64
    for name, value in {"LEAST": 16, "GRID": 12}.items():
        monkeypatch.setattr(tiling, name, value)
    for spare, tiled in ((2 * image, 0), (0.9 * image, 1)):
        with pretend_gpu.memory.limited(int(WITH_DCAD + spare)):
            assert_same(measured(coded, "dcad", GPU), expected)
        assert capsys.readouterr().err.count("on by tiles") == tiled
    with (
        pretend_gpu.memory.limited(int(WITH_DCAD + 0.3 * image)),
        pytest.raises(ValueError, match="even by tiles: end what else runs"),
    ):
        measured(coded, "dcad", GPU)


@pytest.fixture
def small_grid(quick, monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")  # compiling takes minutes
    monkeypatch.setattr(latency_grid, "SIDES", (32, 64))
    monkeypatch.setattr(latency_grid, "BATCHES", (1, 4))
    monkeypatch.setattr(latency_grid, "PRECISIONS", (torch.float32,))


def test_the_grid_leaves_out_what_is_too_large_and_goes_on(small_grid, capsys):
    need = footprint.bytes_per_pixel(loading.build("dcad", None, "cpu"), "cpu") * 64**2
    with pretend_gpu.memory.limited(int(WITH_DCAD + 2 * need)):
        rows = list(latency_grid.measure("dcad", 1, GPU))
    assert [(row["batch"], row["height"]) for row in rows] == [(1, 32), (1, 64), (4, 32)]
    assert "dcad, 4 x 64 x 64 in float32, is left out: pretend:0 is too small" in capsys.readouterr().err


def test_rows_before_a_crash_are_kept(small_grid, tmp_path, monkeypatch):
    timed = latency_grid._measure

    def crash(method: str, *rest: object) -> list[dict]:
        if rest[5] == 64:
            raise RuntimeError("the driver is gone")
        return timed(method, *rest)

    monkeypatch.setattr(latency_grid, "_measure", crash)
    output = tmp_path / "decoded.csv"
    words = ["step", "latency-grid", "decoded", "-o", str(output), "--device", "cpu", "--threads", "1"]
    with pytest.raises(SystemExit, match="the driver is gone"):
        main(words)
    assert not output.exists()
    assert list(files.read_csv(tmp_path / "decoded.partial.csv")["height"]) == [32]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"device": "gpu"}, "device: 'gpu'"),
        ({"device": "cudafoo"}, "device"),
        ({"precision": "half"}, "precision: 'half'"),
    ],
)
def test_a_config_names_devices_and_precisions_that_there_are(change, message):
    with pytest.raises(ValueError, match=message):
        config.check(config.default() | change)


def test_the_device_that_is_named_is_the_one_that_is_waited_for():
    pretend_gpu.synchronized.clear()
    with Pace(SECOND).part("work"):
        pass
    devices.peak_bytes(lambda: torch.rand(2, device=SECOND), SECOND)
    assert pretend_gpu.synchronized == [1, 1]
    assert torch.rand(2, device=SECOND).device.index == 1
    assert clock.times([lambda: torch.rand(2, device=SECOND)], 2, SECOND).shape == (1, 2)


@pytest.mark.parametrize(
    ("line", "clock_mhz", "driver"),
    [
        ("1980, 580.65.06\n", 1980.0, True),
        ("[N/A], 580.65.06\n", None, True),
        ("No devices were found\n", None, False),
        ("", None, False),
    ],
)
def test_what_nvidia_smi_does_not_tell_is_left_empty(line, clock_mhz, driver):
    told = machine.told(line)
    assert (told["clock_mhz"], told["driver"] is not None) == (clock_mhz, driver)


SETTINGS = Settings(steps=4, batch=2, patch=32, warmup=2, seed=1)


@pytest.fixture
def once(monkeypatch) -> None:
    monkeypatch.setattr(loop, "VALIDATIONS", 1)
    monkeypatch.setattr(loop, "VALIDATION_IMAGES", 1)


def trained(data, output: Path, device: str, **options) -> dict[str, Tensor]:
    """Return the weights that a small network ends with, none if it has steps left."""
    loop.train(small(), data, data, SETTINGS, output, device, **options)
    return load_file(output) if output.exists() else {}


def test_training_ends_with_the_cpus_weights_also_if_it_is_resumed(data, once, tmp_path):
    expected = trained(data, tmp_path / "cpu.safetensors", "cpu")
    whole = trained(data, tmp_path / "gpu.safetensors", GPU)
    parts: dict[str, Tensor] = {}
    while not parts:
        parts = trained(data, tmp_path / "parts.safetensors", GPU, deadline=0.0)
    for ours in (whole, parts):
        assert ours.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(ours[name], tensor, atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_of_several_exits_has_the_cpus_gradients_and_makes_steps(data, optimizer, monkeypatch):
    monkeypatch.setattr(graphs, "WARM_UP", 1)
    settings = dataclasses.replace(SETTINGS, exit_weights="equal", optimizer=optimizer)
    batch = data.batch(2, 32, 1)
    torch.manual_seed(0)
    model = rbqe.load(None, "cpu").train()
    loading.channels_last(model)
    expected = dict(copy.deepcopy(model).named_parameters())
    Run(on_cpu := copy.deepcopy(model), settings, "cpu").gradients(batch)
    run = Run(model.to(GPU), settings, GPU)
    if optimizer == "muon":  # with either; recording takes a second
        run.learn = graphs.captured(run, tuple(torch.zeros_like(tensor, device=GPU) for tensor in batch))
        assert run.learn != run.gradients
    run.update(tuple(tensor.to(GPU) for tensor in batch))
    largest = max(float(parameter.grad.abs().max()) for parameter in on_cpu.parameters())
    clipped = min(1.0, settings.clip / float(nn.utils.get_total_norm([each.grad for each in on_cpu.parameters()])))
    for ours, theirs in zip(model.parameters(), on_cpu.parameters(), strict=True):
        assert float((ours.grad.cpu() - clipped * theirs.grad).abs().max()) <= CLOSE * largest
    changed = [name for name, each in model.named_parameters() if not torch.equal(each.detach().cpu(), expected[name])]
    assert len(changed) > 0.9 * len(expected)


def test_pairs_that_do_not_fit_stay_and_give_the_same_weights(data, once, tmp_path, monkeypatch):
    expected = trained(data, tmp_path / "gpu.safetensors", GPU)
    monkeypatch.setattr(loop, "PAIRS", 0)
    assert loop.placed(data, GPU).pixels.is_cpu
    ours = trained(data, tmp_path / "apart.safetensors", GPU)
    assert all(torch.equal(ours[name], tensor) for name, tensor in expected.items())


def test_too_large_a_batch_names_the_setting_to_change(data, once, tmp_path):
    with pretend_gpu.memory.limited(150_000), pytest.raises(ValueError, match="2 crops of 32 pixels: take a smaller"):
        trained(data, tmp_path / "gpu.safetensors", GPU)


def test_a_hurried_training_ends_with_the_cpus_weights_also_if_it_is_resumed(data, once, tmp_path, capsys):
    expected = trained(data, tmp_path / "cpu.safetensors", "cpu")
    parts: dict[str, Tensor] = {}
    while not parts:
        parts = trained(data, tmp_path / "parts.safetensors", GPU, deadline=0.0, hurried=True)
    for name, tensor in expected.items():
        torch.testing.assert_close(parts[name], tensor, atol=CLOSE, rtol=CLOSE)
    assert "Small: gradients by a graph" in capsys.readouterr().err
    record = json.loads(cards.metadata(tmp_path / "parts.partial.safetensors")["training"])
    assert (record["step"], record["settings"]["steps"]) == (3, 4)


def test_a_graph_leaves_a_networks_statistics_alone_and_gives_its_gradients(data, monkeypatch):
    monkeypatch.setattr(graphs, "WARM_UP", 1)
    first, second = (tuple(each.to(GPU) for each in data.batch(1, 16, seed)) for seed in (0, 1))
    runs = [Run(command.untrained("dncnn", 1).train().to(GPU), SETTINGS, GPU) for _ in range(2)]
    runs[1].learn = graphs.captured(runs[1], first)
    for batch in (second, first):
        losses = [float(run.update(batch)) for run in runs]
        assert losses[0] == losses[1]
    expected, ours = (run.model.state_dict() for run in runs)
    assert any("running_mean" in name for name in expected)
    assert all(torch.equal(ours[name].cpu(), tensor.cpu()) for name, tensor in expected.items())


def test_gradients_that_no_graph_can_hold_are_computed_step_by_step(data, capsys):
    model = small().to(GPU)
    model.register_forward_hook(lambda layer, inputs, output: float(output.sum().detach()) and None)
    run = Run(model, SETTINGS, GPU)
    batch = tuple(each.to(GPU) for each in data.batch(2, 32, 0))
    assert graphs.captured(run, batch) == run.gradients
    assert "without a graph: operation not permitted when stream is capturing" in capsys.readouterr().err
    run.device = "cpu"
    assert graphs.captured(run, batch) == run.gradients
    assert "has none" in capsys.readouterr().err


def test_a_ranking_is_trained_on_a_gpu_in_one_go(once, data, tmp_path, monkeypatch, capsys):
    """The networks that no other test has there; tests/training/test_equal.py trains all of them on the CPU."""
    monkeypatch.setattr(equal, "PROBE", 0)
    monkeypatch.setattr(graphs, "WARM_UP", 1)
    monkeypatch.setattr(loop, "HURRIED", 1)
    settings = {"steps": 1, "batch": 1, "patch": 32}
    search = {"steps": 1, "learning_rates": [0.001], "optimizers": ["muon"]}
    fast = recipes.Recipe("fast", "luma", 1, False, ["jpeg"], settings, {"arcnn": {}, "dcad": {}}, search=search)
    arguments = (fast, {"jpeg": (data, data)}, tmp_path, GPU, time.monotonic() + 3600, {})
    equal.train_all(*arguments)
    assert capsys.readouterr().err.count("gradients by a graph") == 3 * 2  # when timed, searched for, and trained
    for entry in fast.methods:
        weights = tmp_path / f"{entry}-luma-jpeg.safetensors"
        record = json.loads(cards.metadata(weights)["training"])
        assert record["search"]["chosen"] == {"optimizer": "muon", "learning_rate": 0.001}
        assert record["device"].startswith("a pretended GPU")
        plugins.find("methods", entry).load(weights, "cpu")
    equal.train_all(*arguments)
    assert "graph" not in capsys.readouterr().err  # all is done


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_near_float32_and_keeps_the_images_type(decoded, precision):
    weights = WEIGHTS / "rbqe-luma-jpeg.safetensors"
    x = pixels.to_tensor(decoded, "cpu")[:, :, :32, :32]
    exact = loading.load("rbqe", weights, "cpu")
    half = loading.load("rbqe", weights, "cpu", precision)
    assert half.precision == precision
    for ours, expected in zip(tiling.enhance(half, x), tiling.enhance(exact, x), strict=True):
        assert ours.dtype == torch.float32
        assert 0 < float((ours - expected).abs().max()) < 2 / 255


def test_what_has_no_parameters_computes_in_float32():
    assert loading.load("decoded", None, "cpu", "bf16").precision == "float32"


def test_float32_is_not_tf32_and_tf32_needs_a_gpu_that_has_it():
    loading.choose_device("cpu", 1)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    with pytest.raises(ValueError, match="cpu has no TF32"):
        loading.load("decoded", None, "cpu", "tf32")
    with pytest.raises(ValueError, match="precision 'double': it can be float32, tf32, bf16, fp16"):
        loading.load("decoded", None, "cpu", "double")


def test_processes_take_gpus_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_held", [])
    assert [devices.take(2) for _ in range(3)] == [0, 1, 0]  # a file is locked per opening, as by another process
    devices._held.pop().close()
    assert devices.take(2) == 1


def test_a_gpu_is_checked_in_one_go(coded, small_grid, camera, tmp_path, monkeypatch):
    monkeypatch.setattr(latency, "photograph", lambda channels: camera[:32, :32])
    monkeypatch.setattr(latency_grid, "BATCHES", (1,))
    settings = config.default()
    settings["protocol"]["crop"], settings["only"], settings["exit_rules"] = 32, ["hevc"], ["iqam", "quality"]
    for entry in settings["compressors"].values():
        entry["qualities"] = entry["qualities"][-1:]
    monkeypatch.setattr(gpu_check, "GOLDEN", (f"{gpu_check.GOLDEN[0]}[powerqe_v1_arcnn-0-dtype0]",))
    (tmp_path / "coded").mkdir()
    found = gpu_check.check(GPU, settings, originals.sources(coded / "mine")[:1], tmp_path / "coded")
    assert gpu_check.keep(found, settings, tmp_path / "kept/a-gpu.csv") == len(found.latency) + len(found.grid)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"a-gpu.csv", "a-gpu.provenance.json"}
    assert set(measured_elsewhere.combine([], [tmp_path / "kept/a-gpu.csv"])["source"]) == {"a-gpu"}
    rows = found.latency + found.grid
    assert {(row["device"], row["precision"]) for row in rows} == {("a pretended GPU", "float32")}
    assert all(row["median_ms"] > 0 for row in rows)
    assert found.latency[-1]["peak_mb"] > 0
    assert [len(found.latency), len(found.cpu), len(found.grid)] == [1 + 1 + 10 + (1 + 1 + 1 + 2), 12, 2]
    assert (found.differences <= CLOSE).all()
    assert list(found.table["method"]) == ["decoded", "dcad", "rbqe", "rbqe"]
    assert {record["compressor"] for record in found.records} == {"hevc"}
    shown = gpu_check.text(found)
    assert "holds: golden tests of networks and IQAM: 1 passed in " in shown
    assert "holds: rbqe: PSNR differs by at most " in shown
    assert "rbqe: early exit over all of it, HEVC, by the best rule: " in shown
    assert "of exit 1 (under 0.15)" in shown
    assert "dcad" in shown.splitlines()[-1]
