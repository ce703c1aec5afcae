"""The methods there are: their published forms with parameters and exits, the weights at hand, and the sources."""

from dataclasses import replace

import torch
from tabulate import tabulate
from torch import nn

from qebench.common import plugins
from qebench.networks.network import Network, describe

SOURCE_WIDTH = 48  # characters, so that the whole table has less than 140
WEIGHTS = plugins.ROOT / "methods/weights"


def networks(method: str) -> list[Network]:
    """Return the networks of a method, on the meta device, one per form and number of channels.

    A method that is no network has none, nor has one whose weights bring their own (FORMS is empty).
    """
    module = plugins.find("methods", method)
    with torch.device("meta"):
        if (forms := getattr(module, "FORMS", None)) is not None:
            return [
                replace(describe(form.build(channels).eval(), method), form=name)
                for name, form in forms.items()
                for channels in form.channels
            ]
        network = describe(module.load(None, "meta"), method)
    return [network] if list(network.module.parameters()) else []


def source(method: str) -> str:
    """Return a method's `CITATION`, as "Wang et al., DCC 2017", or the first line of its docstring if it has none."""
    return getattr(plugins.find("methods", method), "CITATION", None) or plugins.summary("methods", method)


def weights() -> dict[str, list[str]]:
    """Return the files in methods/weights/ by method, without its name and their suffix: "luma-jpeg" and so on."""
    found: dict[str, list[str]] = {method: [] for method in plugins.names("methods")}
    for path in sorted(WEIGHTS.glob("*.safetensors"), key=lambda path: path.stem):
        if named := [method for method in found if path.stem.startswith(f"{method}-")]:
            method = max(named, key=len)  # rbqe-powerqe-v3-... is not for rbqe
            found[method].append(path.stem.removeprefix(f"{method}-"))
    return found


def table() -> str:
    """Return all methods as a table to print: forms, parameters for luma and RGB, exits, weights and sources."""
    rows = []
    for method, files in weights().items():
        forms: dict[str, dict[int | None, Network]] = {}
        for network in networks(method):
            forms.setdefault(network.form, {})[network.channels] = network
        name, about = method, ["\n".join(files), source(method)]
        for form, found in (forms or {"": {}}).items():
            counts = [f"{_parameters(found[channels].module):,}" if channels in found else "" for channels in (1, 3)]
            exits = [str(network.exit_count) for network in found.values()]
            rows.append([name, form, *counts, exits[0] if exits else "", *about])
            name, about = "", ["", ""]  # once per method
    return tabulate(
        rows,
        ["method", "form", "parameters\n(luma)", "parameters\n(RGB)", "exits", "weights", "source"],
        "simple",
        disable_numparse=True,
        colalign=["left", "left", "right", "right", "right", "left", "left"],
        maxcolwidths=[None] * 6 + [SOURCE_WIDTH],
    )


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
