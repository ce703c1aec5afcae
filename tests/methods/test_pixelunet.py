"""PixelUNet has the layers that its page tells of, sees as far as it says, and is three sizes of one file format."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from methods import pixelunet
from qebench.cost import complexity
from qebench.networks import loading, tiling
from qebench.networks.network import describe

SIZES = {"small": ((16, 32, 64), 1), "middle": ((32, 64, 128), 2), "large": ((48, 96, 192), 3)}
PARAMETERS = {"small": (141_924, 144_236), "middle": (1_044_292, 1_048_908), "large": (3_425_956, 3_432_876)}
every_size = pytest.mark.parametrize("size", SIZES)
both_colours = pytest.mark.parametrize("channels", [1, 3])


def macs(channels: int, widths: tuple[int, int, int], blocks: int, side: int) -> int:
    """Return the multiply-accumulates of one image of `side` x `side` pixels, summed by hand."""
    fine, half, coarse = ((side // 2**level) ** 2 for level in (1, 2, 3))  # positions
    one, two, three = widths
    ends = 2 * 9 * 4 * channels * one * fine
    residuals = 2 * 9 * blocks * (2 * one**2 * fine + 2 * two**2 * half + three**2 * coarse)  # two 3x3 each
    changes = 2 * 4 * (one * two * half + two * three * coarse)  # down and up, at the coarser side
    return ends + residuals + changes


def surroundings(blocks: int) -> int:
    """Return how many pixels around its own 8x8 block a pixel's result depends on at most."""
    reach = 2 * (1 + 2 * blocks)  # of the tail and the blocks before it, whose positions are 2x2 pixels
    reach += -reach % 4 + 4 * 2 * blocks  # whole 4x4 pixels
    reach += -reach % 8 + 8 * 2 * blocks
    return reach + (4 + 2) * 2 * blocks + 2  # on the way down, and of the head


@every_size
@both_colours
def test_cost_and_parameters_are_those_of_the_formula(size: str, channels: int) -> None:
    with torch.device("meta"):
        model = pixelunet.FORMS[size].build(channels)
    x = torch.zeros(1, channels, 512, 512, device="meta")
    assert round(complexity.exact(lambda: model(x)) * 1e9) == macs(channels, *SIZES[size], 512)
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[size][channels == 3]


@every_size
def test_a_pixel_depends_on_its_surroundings_alone(size: str) -> None:
    torch.manual_seed(0)
    model = pixelunet.FORMS[size].build(1).double()
    reach = surroundings(SIZES[size][1])
    block = reach + -reach % 8 + 8  # where it begins
    x = torch.rand(1, 1, 32, 2 * block, dtype=torch.float64, requires_grad=True)  # rows are as columns
    model(x)[..., block : block + 8].sum().backward()
    seen = x.grad[0, 0].abs().amax(0).nonzero().flatten()
    assert seen.min() == block - reach


@every_size
def test_weights_tell_the_size(size: str, tmp_path: Path) -> None:
    model = pixelunet.FORMS[size].build(3)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    loaded = pixelunet.load(tmp_path / "weights.safetensors", "cpu")
    assert (loaded.form, loaded.channels) == (size, 3)


def test_without_its_tail_it_is_the_decoded_image() -> None:
    model, x = pixelunet.load(None, "cpu"), torch.rand(1, 1, 21, 35)
    nn.init.zeros_(model.tail.weight)
    nn.init.zeros_(model.tail.bias)
    assert torch.equal(tiling.enhance(describe(model), x)[0], x)


def test_the_form_for_inference_gives_the_same_image() -> None:
    torch.manual_seed(0)
    model, x = pixelunet.load(None, "cpu"), torch.rand(1, 1, 64, 96)
    expected = tiling.enhance(describe(model), x)[0]
    (fast,) = tiling.enhance(describe(loading.prepare(model)), x)
    torch.testing.assert_close(fast, expected, rtol=0, atol=1e-5)
