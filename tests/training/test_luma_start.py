"""An RGB network that starts from luma weights does to a picture's luma what the luma network does."""

from importlib import import_module

import pytest
import torch

from methods.dcad import DCAD
from methods.pixelunet import PixelUNet
from methods.qecnn import QECNN
from qebench.training.luma_start import from_luma

REACH = 48  # pixels from the border, where the black of padding is another value in RGB


@pytest.mark.parametrize("network", [DCAD, PixelUNet])
def test_luma_weights_make_an_rgb_network_that_changes_luma_alike(network: type) -> None:
    torch.manual_seed(0)
    luma, rgb = network(channels=1), network(channels=3)
    rgb.load_state_dict(from_luma(luma.state_dict(), rgb))
    x = torch.rand(1, 3, 128, 128)
    y = (16 + (torch.tensor([65.481, 128.553, 24.966])[:, None, None] * x[0]).sum(dim=0)) / 255
    with torch.no_grad():
        change = (luma(y[None, None]) - y) * 255 / 219
        ours = rgb(x) - x
    inner = (..., slice(REACH, -REACH), slice(REACH, -REACH))
    assert change[inner].abs().mean() > 1e-3
    assert torch.allclose(ours[inner], change[inner].expand(1, 3, -1, -1), atol=1e-5)


def test_weights_of_the_same_form_stay_as_they_are() -> None:
    weights = QECNN().state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in from_luma(weights, QECNN()).items())


def test_a_network_around_a_luma_network_takes_its_weights_and_keeps_its_own() -> None:
    torch.manual_seed(0)
    luma, colour = PixelUNet(), import_module("methods.pixelunet-colour").ColourPixelUNet()
    own = colour.colour.head.weight.clone()
    colour.load_state_dict(from_luma(luma.state_dict(), colour))
    assert all(torch.equal(tensor, colour.luma.state_dict()[key]) for key, tensor in luma.state_dict().items())
    assert torch.equal(colour.colour.head.weight, own)
    weights = colour.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in from_luma(weights, colour).items())
