"""Every network leaves as an ONNX file that needs neither PyTorch nor this suite, and gives the same images."""

import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from helpers import methods

from qebench.__main__ import main
from qebench.common import files, images, plugins
from qebench.networks import catalogue, loading, onnx_export, onnx_int8, pixels, tiling
from qebench.networks.network import describe

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
SLOW = {"mprnet", "fbcnn", "esrgan", "rbqe-powerqe-v1", "rbqe-powerqe-v3"}  # to trace
NETWORKS = [pytest.param(method, marks=[pytest.mark.long] if method in SLOW else []) for method in methods.named()]
DCAD = catalogue.WEIGHTS / "dcad-luma-jpeg.safetensors"
PIXELUNET = catalogue.WEIGHTS / "pixelunet-luma-jpeg.safetensors"


@pytest.mark.parametrize("method", NETWORKS)
def test_every_network_gives_the_images_of_pytorch_at_sizes_it_was_not_traced_at(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = describe(plugins.find("methods", method).load(None, "cpu").eval(), method)
    assert onnx_export.write(network, tmp_path / "network.onnx") <= 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]  # no weights beside it
    model = onnx.load(tmp_path / "network.onnx")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", onnx_export.OPSET)]
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["method"], facts["exits"]) == (method, str(network.exit_count))
    assert len(model.graph.output) == network.exit_count
    (tmp_path / "network.onnx").unlink()  # pytest would keep it, and FBCNN's has 290 MB


def test_shipped_weights_give_the_images_of_pytorch_by_the_command(tmp_path: Path, capsys) -> None:
    output = tmp_path / "dcad.onnx"
    main(["export", str(DCAD), "--onnx", "-o", str(output)])
    assert capsys.readouterr().out.startswith(f"{output}: opset {onnx_export.OPSET}, at most ")
    facts = {entry.key: entry.value for entry in onnx.load(output).metadata_props}
    assert facts["weights_sha256"] == files.sha256(DCAD)
    x = torch.rand(1, 1, 33, 47)
    decoded = pixels.pad(x, int(facts["multiple"])).numpy()
    (found,) = onnxruntime.InferenceSession(output).run(None, {"decoded": decoded})
    (expected,) = tiling.enhance(loading.load("dcad", DCAD, "cpu"), x)
    np.testing.assert_allclose(found[..., :33, :47], expected.numpy(), rtol=0, atol=1e-4)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name the file X"):
        onnx_export.export("dcad", DCAD, tmp_path / "a.pt")
    assert not list(tmp_path.iterdir())


class Drawn(torch.nn.Module):
    """It adds noise, which no two programs draw alike."""

    channels = 1

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.scale * torch.rand_like(x)


def test_other_images_than_those_of_pytorch_are_no_export(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Drawn is not exported: ONNX Runtime gives other images than PyTorch"):
        onnx_export.write(describe(Drawn()), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_packages_it_says_what_to_install(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(onnx_export, "PACKAGES", ("onnx", "no_such_runtime"))
    with pytest.raises(RuntimeError, match="no_such_runtime not installed, which ONNX needs: pip install onnx onnxrun"):
        onnx_export.export("dcad", DCAD, tmp_path / "a.onnx")


def test_in_8_bits_it_loses_little_and_takes_less_room(tmp_path: Path) -> None:
    exact, rounded = tmp_path / "a.onnx", tmp_path / "b.onnx"
    onnx_export.export("pixelunet", PIXELUNET, exact)
    original = torch.from_numpy(skimage.data.camera()[None, None, :128, :256].astype(np.float32) / 255)
    decoded = [_jpeg(part, 20) for part in original.split(128, dim=3)]
    onnx_int8.quantize(exact, decoded[:1], rounded)
    losses = onnx_int8.losses(exact, rounded, [(original[..., 128:].numpy(), decoded[1])])
    assert losses.shape == (1,) and abs(losses[0]) < 0.3
    assert rounded.stat().st_size < exact.stat().st_size / 3
    facts = {entry.key: entry.value for entry in onnx.load(rounded).metadata_props}
    assert (facts["method"], facts["stored"]) == ("pixelunet", "int8")


def test_layers_that_read_or_make_pictures_keep_float32() -> None:
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    shapes = {"head": (32, 4, 3, 3), "wide": (32, 32, 3, 3), "depthwise": (32, 1, 3, 3), "tail": (4, 32, 3, 3)}
    nodes = [helper.make_node("Conv", ["x", name], ["y"], name) for name in shapes]
    filters = [helper.make_tensor(name, float32, shape, np.zeros(shape).flatten()) for name, shape in shapes.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", [], [], filters))
    assert onnx_int8.wide_layers(model) == ["wide"]


def _jpeg(image: torch.Tensor, quality: int) -> np.ndarray:
    jpeg = plugins.find("compressors", "jpeg")
    picture = (image[0, 0].numpy() * 255).round().astype(np.uint8)
    return jpeg.decode(jpeg.encode(picture, quality))[None, None].astype(np.float32) / 255


def test_the_command_judges_8_bits_on_other_pictures(tmp_path: Path, capsys) -> None:
    picture = skimage.data.coffee()
    for name, top in (("a", 0), ("b", 96)):
        images.write(tmp_path / "photos" / f"{name}.png", picture[top : top + 96, :128])
    output = tmp_path / "small.onnx"
    words = ["--int8", str(tmp_path / "photos"), "--pairs", str(tmp_path / "pairs"), "-o", str(output)]
    main(["export", str(PIXELUNET), "--onnx", *words])
    assert re.search(r"int8: [+-]0\.\d{3} dB in the mean of 9 other images", capsys.readouterr().out)
    assert {entry.key: entry.value for entry in onnx.load(output).metadata_props}["stored"] == "int8"
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["small.onnx"]
    with pytest.raises(SystemExit, match=r"^error: --int8 is for ONNX files: add --onnx"):
        main(["export", str(PIXELUNET), "--validation", str(tmp_path), *words])
