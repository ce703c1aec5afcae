"""Parameters and multiply-accumulates (MACs) of networks, per exit and at any size, without computing an image.

Two accounts stand side by side. The exact one is PyTorch's own flop counter (convolutions and matrix products). The
paper's is that of thop 0.0.30 (August to December 2019), which reproduces all its figures to the printed decimal:
biases, normalisation and pooling count too, and a transposed convolution counts at its output's resolution.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from qebench.common import plugins, published
from qebench.common.ranking import rank
from qebench.networks import catalogue
from qebench.networks.layers.eca import ECA
from qebench.networks.network import Network, describe

SIDE = 512  # pixels, as in the paper
GIGA = 1e9
KEYS = ["method", "form", "exit", "channels", "height", "width"]
PARTS = [  # of the table for people
    [*KEYS, "params", "gmacs", "gmacs_paper", "gmacs_published"],
    [*KEYS, "gmacs_so_far", "params_used", "params_so_far"],
]
NOTE = (
    "One image of height x width pixels, each exit computed alone. params: the whole network, tied layers once; "
    "params_used: those that the exit needs. Billions of multiply-accumulates: gmacs, exact; gmacs_paper, in the "
    "accounting of thop 0.0.30 (with biases, normalisation and pooling, transposed convolutions at their output); "
    "gmacs_published, those of RBQE (ECCV 2020), Figs. 5a and 6b; gmacs_so_far, exact, and params_so_far: with the "
    "heads of the exits before. A network of one channel takes R, G and B apart."
)


def measure(
    method: str, channels: int, height: int = SIDE, width: int = SIDE, weights: Path | None = None
) -> list[dict]:
    """Return one record per exit of a method for an image (channels, height, width) in one piece.

    The method is in the form that `weights` are for; without them in its first.

    Beside method, exit, channels, height and width it has `params` of the whole network; `gmacs`, `gmacs_paper` and
    `params_used`, which computing that exit alone takes (see `count`); `gmacs_published` by the RBQE paper, or NaN;
    `gmacs_so_far` (exact) and `params_so_far`, what stopping there costs, with the heads of the exits before it; and
    `form`, "" if there is one only. For a method that is no network, GMACs are NaN. The IQAM's own arithmetic (0.01
    GMACs a score) is in none.

    Raises ValueError if the network takes neither `channels` nor one.
    """
    load = plugins.find("methods", method).load
    if weights is None:
        with torch.device("meta"):
            module = load(None, "meta")
    else:
        module = load(weights, "meta")
    return list(_records(describe(module, method), channels, height, width))


def survey(height: int = SIDE, width: int = SIDE) -> pd.DataFrame:
    """Return the records of all networks in methods/, in every form and for 1 and 3 channels where it takes them.

    The columns are those of `measure`, GMACs with four decimals. Methods that are no network have no row.
    """
    frame = pd.DataFrame(
        record
        for method in plugins.names("methods")
        for network in catalogue.networks(method)
        for record in _records(network, network.channels or 1, height, width)
    )
    return frame.round({"gmacs": 4, "gmacs_paper": 4, "gmacs_so_far": 4})


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the places of costs in a survey among networks of equally many channels, whole; `decoded` has none."""
    last = frame["exit"] == frame.groupby(["method", "form"])["exit"].transform("max")
    rivals = frame[last & (frame["method"] != "decoded")]
    return rank(rivals[["params", "gmacs", "gmacs_paper"]], rivals[["channels", "height", "width"]], highest=False)


def exact(compute: Callable[[], object]) -> float:
    """Return the GMACs of a computation by PyTorch's flop counter, which counts a multiply-accumulate as two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        compute()
    return counter.get_total_flops() / 2 / GIGA


def count(model: nn.Module, compute: Callable[[], object]) -> dict[str, float]:
    """Return what a computation of `model` takes: gmacs, gmacs_paper (as in RBQE's Fig. 5a) and params_used.

    The parameters used are those of the layers that it calls, each once.
    """
    layers, macs = set(), 0

    def visit(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        layers.add(layer)
        macs += _layer_macs(layer, inputs[0], output)

    hooks = [layer.register_forward_hook(visit) for layer in model.modules()]
    gmacs = exact(compute)
    for hook in hooks:
        hook.remove()
    used = {parameter for layer in layers for parameter in layer.parameters(recurse=False)}
    return {"gmacs": gmacs, "gmacs_paper": macs / GIGA, "params_used": sum(parameter.numel() for parameter in used)}


def _records(network: Network, channels: int, height: int, width: int) -> Iterator[dict]:
    """Yield what `measure` returns of a network on the meta device."""
    x = network.planes(torch.zeros(1, channels, height, width, device="meta"))
    params = sum(parameter.numel() for parameter in network.module.parameters())
    as_published = network.form in ("", "paper") and (channels, height, width) == (1, SIDE, SIDE)
    papers = _published(network.name) if as_published else {}
    for exit in range(1, network.exit_count + 1):
        if params > 0 or isinstance(network.module, nn.Identity):
            cost = count(network.module, partial(network.last, x, exit))
            so_far = lambda: list(islice(network.exits(x), exit))  # noqa: B023, E731
            stopped = cost if exit == 1 else count(network.module, so_far)
        else:
            cost = stopped = {"gmacs": math.nan, "gmacs_paper": math.nan, "params_used": 0}
        yield {
            "method": network.name,
            "exit": exit,
            "channels": channels,
            "height": height,
            "width": width,
            "params": params,
            "gmacs": cost["gmacs"],
            "gmacs_paper": cost["gmacs_paper"],
            "gmacs_published": papers.get(exit, math.nan),
            "gmacs_so_far": stopped["gmacs"],
            "params_used": cost["params_used"],
            "params_so_far": stopped["params_used"],
            "form": network.form,
        }


def _published(method: str) -> dict[int, float]:
    """Return the GMACs that the RBQE paper prints for the exits of a method: one channel, 512x512."""
    papers = published.read("eccv2020").query("metric == 'gmacs_paper' and quality.isna() and method == @method")
    return dict(zip(papers["exit"].astype(int), papers["value"], strict=True))


def _layer_macs(layer: nn.Module, x: Tensor, output: Tensor) -> int:
    """Return what one layer counts in thop 0.0.30; those without a rule (ReLU, sums, products) count nothing."""
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
        kernel = layer.in_channels // layer.groups * layer.weight[0, 0].numel()
        return output.numel() * (kernel + (layer.bias is not None))
    if isinstance(layer, nn.Linear):  # multiplications and additions
        return output.numel() * (2 * layer.in_features - 1 + (layer.bias is not None))
    if isinstance(layer, nn.BatchNorm2d):
        return 4 * x.numel()
    if isinstance(layer, nn.LeakyReLU):
        return x.numel()
    if isinstance(layer, nn.AvgPool2d):  # a square window given by its side counts as that many pixels
        return (int(np.prod(layer.kernel_size)) + 1) * output.numel()
    if isinstance(layer, nn.AdaptiveAvgPool2d):
        return x.numel() + output.numel()
    if isinstance(layer, ECA):  # its pooling to one pixel, which the original leaves to an AdaptiveAvgPool2d
        return x.numel() + x.shape[0] * x.shape[1]
    if isinstance(layer, nn.Upsample) and layer.mode == "bilinear":
        return 11 * output.numel()
    return 0
