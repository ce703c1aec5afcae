"""Networks of the library spandrel load by their files alone, and give the pictures that the library gives."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.weight_files import Payload
from safetensors.torch import save_file
from torch import nn

import qebench
from qebench.__main__ import main
from qebench.common import plugins
from qebench.networks import conversion, extent, loading, tiling

METHOD = plugins.find("methods", "spandrel")
CLOSE = 1e-5

try:
    spandrel = importlib.import_module("spandrel")
    MISSING = ""
except (ImportError, RuntimeError, AttributeError) as error:  # as `load` says it
    MISSING = f"spandrel cannot be imported: {' '.join(str(error).split())}"
with_spandrel = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def swinir(**changes: object) -> nn.Module:
    """Return a small SwinIR as for JPEG: gray, windows of 7, no upsampling."""
    from spandrel.architectures.SwinIR import SwinIR

    sizes = {"img_size": 14, "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 2], "mlp_ratio": 2.0}
    return SwinIR(**{"in_chans": 1, "window_size": 7, "img_range": 255.0, **sizes, **changes})


def drunet() -> nn.Module:
    from spandrel.architectures.DRUNet import DRUNet

    return DRUNet(in_nc=2, out_nc=1, nc=[4, 8, 8, 16], nb=2)  # a picture and its noise level


def dncnn() -> nn.Module:
    from spandrel.architectures.DnCNN import DnCNN

    return DnCNN(in_nc=1, out_nc=1, nc=8, nb=10, act_mode="R", mode="DnCNN")  # its keys begin with "model."


def nafnet() -> nn.Module:
    from spandrel.architectures.NAFNet import NAFNet

    model = NAFNet(img_channel=3, width=8, middle_blk_num=1, enc_blk_nums=[1, 1], dec_blk_nums=[1, 1])
    for name, parameter in model.named_parameters():
        if name.endswith(("beta", "gamma")):  # zero at the start, when the network is nearly the identity
            nn.init.normal_(parameter)
    return model


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "SwinIR": (swinir, 1),
    "DRUNet": (drunet, 1),
    "DnCNN": (dncnn, 1),
    "NAFNet": (nafnet, 3),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def random_network(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return build().eval()


def saved(model: nn.Module, path: Path, prefix: str = "") -> Path:
    state = {prefix + key: tensor.clone() for key, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@with_spandrel
@every_network
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_loads_as_the_network_that_it_is_for_and_gives_the_library_s_picture(
    name: str, suffix: str, tmp_path: Path
) -> None:
    build, channels = NETWORKS[name]
    path = saved(random_network(build), tmp_path / f"weights{suffix}")
    expected = spandrel.ModelLoader().load_from_file(path)
    network = loading.load("spandrel", path, "cpu")
    assert (network.form, network.channels, network.exit_count) == (name, channels, 1)
    x = torch.rand(2, channels, 37, 50, generator=torch.Generator().manual_seed(1))
    (found,) = tiling.enhance(network, x)
    for one, image in zip(found, x, strict=True):  # the library takes pictures one by one
        torch.testing.assert_close(one[None], expected(image[None]), rtol=0, atol=CLOSE)
    assert (found - x).abs().max() > 0.01  # and the network does something


@with_spandrel
def test_a_picture_is_enhanced_from_python_and_from_the_command_line(tmp_path: Path) -> None:
    path = saved(random_network(swinir), tmp_path / "swinir.pth")
    trained = qebench.load("spandrel", path, "jpeg")
    picture = np.random.default_rng(0).integers(0, 256, (24, 30), np.uint8)
    x = torch.from_numpy(picture)[None, None].float() / 255
    expected = (spandrel.ModelLoader().load_from_file(path)(x) * 255).round().byte()[0, 0].numpy()
    found = qebench.enhance(picture, trained).picture
    assert np.abs(found.astype(int) - expected).max() <= 1  # a sum in another order may round the other way
    assert np.mean(found == expected) > 0.99


@with_spandrel
@pytest.mark.parametrize("name", ["SwinIR", "DnCNN"])
@pytest.mark.parametrize(
    ("container", "prefix"), [("params_ema", ""), ("state_dict", "model."), (None, "module."), (None, "_orig_mod.")]
)
def test_weights_load_as_training_code_wraps_them(
    name: str, container: str | None, prefix: str, tmp_path: Path
) -> None:
    model = random_network(NETWORKS[name][0])
    state = {prefix + key: tensor for key, tensor in model.state_dict().items()}
    torch.save({container: state} if container else state, tmp_path / "weights.ckpt")
    loaded = METHOD.load(tmp_path / "weights.ckpt", "cpu")
    assert loaded.form == name
    assert all(torch.equal(loaded.model.state_dict()[key], tensor) for key, tensor in model.state_dict().items())


@with_spandrel
@pytest.mark.parametrize("name", ["SwinIR", "DnCNN"])
def test_imported_weights_load_as_the_same_network(name: str, tmp_path: Path) -> None:
    path = saved(random_network(NETWORKS[name][0]), tmp_path / "theirs.pth")
    conversion.convert(path, "spandrel", tmp_path / "spandrel-luma-jpeg.safetensors")
    first, second = (METHOD.load(each, "cpu") for each in (path, tmp_path / "spandrel-luma-jpeg.safetensors"))
    x = torch.rand(1, 1, 20, 20)
    with torch.no_grad():
        assert torch.equal(first(x), second(x))
    assert f"- network: spandrel, form {name}, 1 channel" in (tmp_path / "spandrel-luma-jpeg.md").read_text()


@with_spandrel
def test_how_far_a_network_looks_is_measured_so_that_tiles_have_no_seams(tmp_path: Path) -> None:
    model = random_network(dncnn)
    for parameter in model.parameters():
        parameter.data *= 6**0.5  # to He's start values, by which the last layer still sees the first
    network = loading.load("spandrel", saved(model, tmp_path / "dncnn.pth"), "cpu")
    assert extent.reach(network, 1, torch.device("cpu")) in range(4, 11)  # it has 10 layers of 3x3


@with_spandrel
def test_a_super_resolution_network_is_refused(tmp_path: Path) -> None:
    model = random_network(lambda: swinir(upscale=2, upsampler="pixelshuffle", window_size=8, img_size=16))
    path = saved(model, tmp_path / "x2.pth")
    with pytest.raises(ValueError, match=r"x2\.pth holds a SwinIR for super-resolution by 2, but methods .* keep its"):
        METHOD.load(path, "cpu")


@with_spandrel
def test_a_network_that_changes_the_colour_is_refused(tmp_path: Path) -> None:
    from spandrel.architectures.DRUNet import DRUNet

    path = saved(random_network(lambda: DRUNet(in_nc=4, out_nc=1, nc=[4, 8, 8, 16], nb=2)), tmp_path / "gray.pth")
    with pytest.raises(ValueError, match="holds a DRUNet that makes 1 channels of 3, but methods"):
        METHOD.load(path, "cpu")


@with_spandrel
def test_an_unknown_network_is_refused(tmp_path: Path) -> None:
    path = saved(nn.Conv2d(1, 1, 3), tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match=r"mine\.safetensors holds no network that spandrel [\d.]+ knows$"):
        METHOD.load(path, "cpu")


@with_spandrel
def test_part_of_a_network_is_refused_in_one_line(tmp_path: Path) -> None:
    state = random_network(swinir).state_dict()
    torch.save({key: tensor for key, tensor in state.items() if "norm2" not in key}, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part\.pth looks like SwinIR, but not like a whole one: .*norm2") as caught:
        METHOD.load(tmp_path / "part.pth", "cpu")
    assert "\n" not in str(caught.value)


@with_spandrel
def test_no_code_in_a_file_is_run(tmp_path: Path) -> None:
    torch.save({"conv_first.weight": Payload(tmp_path / "harm")}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="holds code"):
        METHOD.load(tmp_path / "weights.pth", "cpu")
    assert not (tmp_path / "harm").exists()


@with_spandrel
def test_a_network_for_rgb_refuses_luma(tmp_path: Path) -> None:
    network = loading.load("spandrel", saved(random_network(nafnet), tmp_path / "nafnet.pth"), "cpu")
    with pytest.raises(ValueError, match="spandrel takes 3 channels, the images have 1"):
        tiling.enhance(network, torch.rand(1, 1, 16, 16))


def test_without_a_file_there_is_no_network(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ValueError, match="spandrel has no network of its own: name a weights file"):
        loading.load("spandrel", None, "cpu")
    main(["methods"])
    assert any(line.startswith("spandrel ") for line in capsys.readouterr().out.splitlines())


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)  # what Python has for a package that is not there
    path = saved(nn.Conv2d(1, 1, 3), tmp_path / "mine.safetensors")
    with pytest.raises(RuntimeError, match="needs spandrel, which is not installed: pip install spandrel"):
        METHOD.load(path, "cpu")
