"""FBCNN is the authors' network: their checkpoints load, and image and quality factor come out as theirs do."""

import json

import numpy as np
import pytest
import torch
from helpers.originals import GOLDEN, original_state, wave_image

from methods import fbcnn

FIXTURES = {name: json.loads((GOLDEN / f"{name}.json").read_text()) for name in ("fbcnn_gray", "fbcnn_color")}
ROUNDING = 3e-4  # what float32 loses over sixty layers: the largest tolerance in the fixtures


@pytest.fixture(scope="module", params=FIXTURES)
def restored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """Return the network that is loaded from a file as the authors', and its golden numbers."""
    path = tmp_path_factory.mktemp("official") / f"{request.param}.pth"
    torch.save(original_state(request.param, "B"), path)
    model = fbcnn.load(path, "cpu")
    path.unlink()  # 290 MB
    return model, FIXTURES[request.param]


def test_state_dict_has_the_original_keys_shapes_and_order(restored: tuple) -> None:
    model, expected = restored
    assert [[key, list(tensor.shape)] for key, tensor in model.state_dict().items()] == expected["keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) == expected["num_params"]
    assert not model.training


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])  # converted once
@torch.no_grad()
def test_image_and_quality_are_the_original_numbers(
    restored: tuple, number: int, dtype: torch.dtype, device: str
) -> None:
    model, expected = restored
    model, run = model.to(device, dtype), expected["runs"][number]
    tolerance = f"atol_{str(dtype).removeprefix('torch.')}"
    x = wave_image(run["input_shape"], dtype).to(device)
    quality = None if run["qf_input"] is None else torch.tensor([100 * (1 - run["qf_input"])], dtype=x.dtype).to(device)

    predicted = model.quality(x)
    assert (predicted.shape, predicted.dtype) == ((1,), x.dtype)
    assert 1 - predicted.item() / 100 == pytest.approx(run["qf"]["value"], rel=0, abs=run["qf"][tolerance])

    image = model(x, quality)
    (numbers,) = run["exits"]
    assert (list(image.shape), image.dtype) == (run["input_shape"], x.dtype)
    values = image.double().flatten().cpu().numpy()
    samples = values[np.arange(64) * (values.size - 1) // 63]
    np.testing.assert_allclose(samples, numbers["samples"], rtol=0, atol=numbers[tolerance])
    statistics = values.mean(), values.min(), values.max()
    np.testing.assert_allclose(
        statistics, [numbers[key] for key in ("mean", "min", "max")], rtol=0, atol=numbers[tolerance]
    )


@torch.no_grad()
def test_every_image_of_a_batch_has_its_own_quality(restored: tuple) -> None:
    model = restored[0].float()
    x = torch.rand(2, model.channels, 16, 24, generator=torch.Generator().manual_seed(0))
    x[1] = x[1].round()
    given = torch.tensor([10.0, 90.0])
    one, two = model.quality(x)
    assert abs(one - two) > 0.01  # the test sees a mix-up
    for number in (0, 1):
        apart, quality = x[number : number + 1], given[number : number + 1]
        torch.testing.assert_close(model.quality(x)[number], model.quality(apart)[0], rtol=0, atol=ROUNDING)
        torch.testing.assert_close(model(x)[number], model(apart)[0], rtol=0, atol=ROUNDING)
        torch.testing.assert_close(model(x, given)[number], model(apart, quality)[0], rtol=0, atol=ROUNDING)
