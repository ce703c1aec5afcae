"""Parameters and multiply-accumulates (MACs) of a network, per exit, without computing an image.

Two accounts stand side by side. The exact one is PyTorch's own flop counter (convolutions and matrix products). The
paper's is that of thop 0.0.30 (2019), which reproduces all its figures to the printed decimal: biases, batch norm,
pooling and attention count too, and a transposed convolution counts at its output's resolution.
"""

from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import plugins
from methods import network
from methods.rbqe import ECA

SIDE = 512  # pixels, as in the paper
GIGA = 1e9


def measure(method: str, channels: int) -> list[dict]:
    """Return one record per exit for images of `channels` channels and 512x512 pixels.

    `params` counts the whole network. `gmacs` and `gmacs_paper` of an exit are those of computing that exit alone, in
    billions; `gmacs_so_far` (exact) is what stopping there costs, with the heads of the exits before it. The IQAM's own
    arithmetic (0.01 GMACs a score) is in none of them.
    """
    with torch.device("meta"):
        model = plugins.find("methods", method).load(None, "meta")
        x = torch.zeros(1, channels, SIDE, SIDE)
    own = getattr(model, "channels", channels)
    x = x.reshape(-1, own, SIDE, SIDE)  # a one-channel network takes R, G and B apart
    size = {"channels": channels, "height": SIDE, "width": SIDE}
    params = sum(parameter.numel() for parameter in model.parameters())
    records = []
    for exit in range(1, getattr(model, "exit_count", 1) + 1):
        alone = (lambda: model(x, exit)) if hasattr(model, "exits") else (lambda: model(x))  # noqa: B023
        so_far = lambda: list(islice(network.exits(model, x), exit))  # noqa: B023, E731
        cost = {"gmacs": exact(alone), "gmacs_paper": in_paper(model, alone), "gmacs_so_far": exact(so_far)}
        records.append({"method": method, "exit": exit, **size, "params": params, **cost})
    return records


def exact(compute: Callable[[], object]) -> float:
    """Return the GMACs of a computation by PyTorch's flop counter, which counts a multiply-accumulate as two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        compute()
    return counter.get_total_flops() / 2 / GIGA


def in_paper(model: nn.Module, compute: Callable[[], object]) -> float:
    """Return the GMACs of a computation of `model` in the accounting of RBQE's Fig. 5a."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += _layer_macs(layer, inputs[0], output)

    hooks = [layer.register_forward_hook(count) for layer in model.modules()]
    with torch.no_grad():
        compute()
    for hook in hooks:
        hook.remove()
    return total / GIGA


def _layer_macs(layer: nn.Module, x: Tensor, output: Tensor) -> int:
    """Return what one layer counts in thop 0.0.30; layers without a rule (ReLU, sums, products) count nothing."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
        kernel = layer.in_channels // layer.groups * layer.weight[0, 0].numel()
        return output.numel() * (kernel + (layer.bias is not None))
    if isinstance(layer, nn.BatchNorm2d):
        return 4 * x.numel()
    if isinstance(layer, nn.AvgPool2d):
        return 3 * output.numel()
    if isinstance(layer, ECA):  # its adaptive average pooling: H * W + 1 per channel
        return x.numel() + x.shape[0] * x.shape[1]
    return 0
