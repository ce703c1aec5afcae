"""Every network in methods/ trains from its start values at the rate of its recipe: it learns an easy artifact."""

import pytest
import torch
from torch import Tensor

from methods import dcad
from qebench.common import plugins
from qebench.networks import multi_exit
from qebench.training import command, recipes, start_values
from qebench.training.run import Run, Settings

UNTRAINED = {"decoded", "spp", "reapply", "spandrel"}
STARTED = {"pixelunet-colour"}  # from luma weights: tests/methods/test_pixelunet_colour.py
STEPS = {"fbcnn": 4, "esrgan": 6, "mprnet": 8, "rbqe-powerqe-v1": 5}  # of the slow ones; the others make 12
WHOLE = {"arcnn", "rdn", "esrgan", "fbcnn"}  # they make the whole image, instead of adding to the decoded one


def artifact(channels: int) -> tuple[Tensor, Tensor]:
    """Return blocks of random gray (1, channels, 32, 32), and the same with a chequerboard of 8 gray levels."""
    random = torch.Generator().manual_seed(0)
    blocks = 0.2 + 0.6 * torch.rand(1, channels, 4, 4, generator=random)
    original = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)
    return original, original + torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(16, 16) * 8 / 255


@pytest.mark.parametrize("method", sorted(set(plugins.names("methods")) - UNTRAINED - STARTED))
def test_every_method_learns_within_some_steps(method):
    colour, recipe = next(
        (recipe.colour, recipe) for recipe in map(recipes.read, ("default", "powerqe")) if method in recipe.methods
    )
    channels = {"luma": 1, "rgb": 3}[colour]
    original, decoded = artifact(channels)
    model = command.untrained(method, channels, recipe.form_of(method)).train()
    start_values.start(model, decoded)
    steps = STEPS.get(method, 12)
    own = recipe.settings_of(method)
    chosen = {"learning_rate": own.learning_rate, "exit_weights": own.exit_weights}
    run = Run(model, Settings(steps=steps, warmup=steps // 4, **chosen), "cpu")
    losses = [float(run.update((original, decoded, torch.zeros(1, dtype=torch.long)))) for _ in range(steps)]
    assert losses[0] < 1.03  # it starts at the decoded image, whose loss is 1, or is better
    assert losses[-1] < 0.9


@pytest.mark.parametrize("method", sorted(WHOLE | {"dcad"}))
def test_networks_start_at_the_decoded_image(method):
    """Those that make the whole image pass it on; ESRGAN's generator, which has no full resolution, nearly does."""
    _, decoded = artifact(1)
    model = command.untrained(method, 1).train()
    start_values.start(model, decoded)
    with torch.no_grad():
        (found,) = multi_exit.exits(model, decoded)
    error = float((found - decoded).square().mean().sqrt()) * 255
    assert error < (8 if method == "esrgan" else 0.5)  # gray levels; the damped head of DCAD adds 0.4
    assert start_values.is_residual(model, decoded) == (method not in WHOLE)


def test_start_values_are_a_function_of_the_seed_and_the_images():
    _, decoded = artifact(1)
    models = [command.untrained(name, 1, seed=seed).train() for name in ("dcad", "rdn") for seed in (1, 1, 2)]
    for model in models:
        start_values.start(model, decoded)
    weights = [torch.cat([parameter.flatten() for parameter in model.parameters()]) for model in models]
    for first in (0, 3):
        assert torch.equal(weights[first], weights[first + 1])
        assert not torch.equal(weights[first], weights[first + 2])


def test_forms_and_channels_are_chosen_or_refused():
    assert command.untrained("dcad", 3, "powerqe-v3").channels == 3
    assert isinstance(command.untrained("dcad", 1), dcad.DCAD)
    assert command.untrained("dncnn", 1, "dncnn3").layers[2].bias is not None
    with pytest.raises(ValueError, match="dcad has no form 'v3': it has paper, powerqe-v1, powerqe-v3"):
        command.untrained("dcad", 3, "v3")
    with pytest.raises(ValueError, match="dcad is not for rgb images in form paper: choose the other"):
        command.untrained("dcad", 3, "paper")
    with pytest.raises(ValueError, match="rbqe is not for rgb images"):
        command.untrained("rbqe", 3)
    with pytest.raises(ValueError, match="spandrel has no network of its own"):
        command.untrained("spandrel", 1)
    for method in UNTRAINED - {"spandrel"}:
        with pytest.raises(ValueError, match=f"{method} has no weights: there is nothing to train"):
            command.untrained(method, 1)
