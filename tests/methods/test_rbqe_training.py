"""The form of RBQE that trains fastest has the images and the gradients of RBQE."""

import pytest
import torch
from torch import Tensor, nn

from methods import rbqe
from methods.dncnn import DnCNN
from methods.rbqe import network, training
from qebench.networks import loading
from qebench.training import run


def lively() -> network.RBQE:
    """Return RBQE in float64 with start values that keep the variance of features, so that every part of it shows."""
    torch.manual_seed(0)
    model = rbqe.load(None, "cpu").double()
    for name, parameter in model.named_parameters():
        if parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter)
        elif "bias" in name or parameter.dim() == 3:  # or of attention
            nn.init.normal_(parameter)
    loading.channels_last(model)
    return model


def images_and_gradients(form: nn.Module, model: nn.Module, x: Tensor) -> tuple[list[Tensor], list[Tensor | None]]:
    """Return the images of all exits, and the gradients of a sum of them that tells exits and pixels apart."""
    model.zero_grad()
    images = list(form.exits(x))  # type: ignore[operator]
    mixed = [
        exit * (image * torch.linspace(1, 2, image.numel(), dtype=x.dtype).view_as(image)).sum()
        for exit, image in enumerate(images, start=1)
    ]
    torch.stack(mixed).sum().backward()
    return [image.detach() for image in images], [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 2, 1), (3, 1, 2)])
def test_images_and_gradients_are_rbqes(count: int, rows: int, columns: int) -> None:
    model = lively()
    x = torch.rand(count, 1, 32 * rows, 32 * columns, dtype=torch.float64)
    expected, slopes = images_and_gradients(model, model, x)
    ours, our_slopes = images_and_gradients(run.for_training(model), model, x)
    assert len(ours) == 5 and len(our_slopes) == len(slopes)
    for one, other in zip(ours + our_slopes, expected + slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9 * float(other.abs().max()))


def test_it_shares_every_parameter() -> None:
    model = lively()
    form = run.for_training(model)
    assert isinstance(form, training.RBQE)
    assert {id(parameter) for parameter in form.parameters()} == {id(parameter) for parameter in model.parameters()}


def test_a_network_without_such_a_form_trains_as_it_is() -> None:
    model = DnCNN()
    assert run.for_training(model) is model
