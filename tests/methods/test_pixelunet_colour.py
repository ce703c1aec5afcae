"""PixelUNet in colour enhances planes by its luma network, and trains only what stands behind that."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, interpolate

from methods import pixelunet
from qebench.cost import complexity
from qebench.training import loop
from qebench.training.pairs import Pairs
from qebench.training.run import Settings

ColourPixelUNet = import_module("methods.pixelunet-colour").ColourPixelUNet
PARAMETERS = 1_044_292 + 144_236  # of PixelUNet, middle for luma and small for RGB


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return ColourPixelUNet()


def jpeg_planes(images: torch.Tensor) -> torch.Tensor:
    """Return Y, Cb and Cr of RGB images in [0, 1], as JPEG has them, by Pillow, whose samples have 8 bits."""
    pictures = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
    planes = [np.asarray(Image.fromarray(picture).convert("YCbCr")) for picture in pictures]
    return torch.from_numpy(np.stack(planes)).permute(0, 3, 1, 2) / 255


def test_cost_and_parameters_are_those_of_its_parts(network: torch.nn.Module) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS
    middle, small = pixelunet.FORMS["middle"].build(1), pixelunet.FORMS["small"].build(3)
    x = torch.zeros(1, 3, 64, 64)
    whole = complexity.exact(lambda: network(x))
    parts = complexity.exact(lambda: (middle(x[:, :1]), middle(x[:, :2, :32, :32].reshape(2, 1, 32, 32)), small(x)))
    assert whole - parts == pytest.approx(2 * 9 * 64**2 / 1e9)  # to the planes and back


def test_before_training_it_adds_what_the_luma_network_makes_of_each_plane(network: torch.nn.Module) -> None:
    x = (0.4 + 0.2 * torch.rand(2, 3, 64, 64)).mul(255).round() / 255
    planes = jpeg_planes(x)
    with torch.no_grad():
        enhanced = network(x)
        luma = network.luma(planes[:, :1]) - planes[:, :1]
        half = avg_pool2d(planes[:, 1:], 2).reshape(4, 1, 32, 32)
        chroma = interpolate((network.luma(half) - half).reshape(2, 2, 32, 32), scale_factor=2, mode="bilinear")
    inside = ((enhanced > 0) & (enhanced < 1)).all(dim=1, keepdim=True)  # clipped samples tell nothing
    difference = (jpeg_planes(enhanced.clamp(0, 1)) - planes - torch.cat([luma, chroma], dim=1)).abs()
    assert inside.float().mean() > 0.9 and min(luma.abs().mean(), chroma.abs().mean()) > 0.01
    assert (difference * inside).max() < 3 / 255  # both are rounded to 8 bits, twice


def test_it_learns_and_leaves_the_luma_network_alone(network: torch.nn.Module, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    luma = pixelunet.FORMS["middle"].build(1)
    save_file(luma.state_dict(), tmp_path / "luma.safetensors")
    pixels = torch.randint(0, 256, (2, 3, 64 * 64), dtype=torch.uint8)
    pairs = Pairs(pixels, torch.tensor([[64, 64]]), [10], {"folder": "made"})
    settings = Settings(steps=12, batch=2, patch=32, warmup=1, ema=0.5, optimizer="muon")
    run = loop.prepare(network, pairs, pairs, settings, "cpu", tmp_path / "luma.safetensors")
    before = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    crops = loop.batch(run, pairs)
    losses = [float(run.update(crops)) for _ in range(settings.steps)]
    assert losses[-1] < 0.95 * losses[0]
    for key, tensor in run.average.module.state_dict().items():
        assert torch.equal(tensor, before[key]) == key.startswith("luma."), key


def test_training_needs_the_luma_weights(network: torch.nn.Module) -> None:
    pairs = Pairs(torch.zeros(2, 3, 64 * 64, dtype=torch.uint8), torch.tensor([[64, 64]]), [10], {})
    with pytest.raises(ValueError, match="--initial"):
        loop.prepare(network, pairs, pairs, Settings(patch=32), "cpu")
