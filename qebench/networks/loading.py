"""The one place that loads a method's network and makes it ready to run: for evaluation, enhancement and latency."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from qebench.common import plugins
from qebench.networks.network import Network, describe


def load(method: str, weights: Path | None, device: str) -> Network:
    """Return a method's network with the weights of a file (None: it needs none), on `device`, ready to run.

    Raises what the method's `load` raises, and ValueError if its start values are random and it was given no weights.
    """
    plugin = plugins.find("methods", method)
    module = plugin.load(weights, device)
    if weights is None and is_random(module, plugin.load):
        raise ValueError(
            f"{method} was given no weights, and its start values are random: name a file; "
            "methods/weights/README.md says where to get one and how to train it"
        )
    return describe(prepare(module), method)


def build(method: str, weights: Path | None, device: str) -> Network:
    """Return what `load` does, but without weights the first form with random start values: costs do not ask more."""
    return describe(prepare(plugins.find("methods", method).load(weights, device)), method)


def prepare(module: nn.Module) -> nn.Module:
    """Return a network with the results of `module` (float32 to 1e-5), in the form that runs fastest on its device.

    It shares the parameters of `module`, which is in evaluation mode and is not to be trained any more; their memory
    format becomes channels_last, a third faster on CPUs. A network that has a faster form says so by a method
    `for_inference()` that returns it.
    """
    channels_last(module)
    return module.for_inference() if isinstance(module, _Faster) else module


def channels_last(module: nn.Module) -> None:
    """Keep the parameters of `module` in the memory format channels_last."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch documents it, its types lack it


def is_random(module: nn.Module, load: Callable[[None, str], nn.Module]) -> bool:
    """Return whether `module`, from `load` without weights, has random start values: a second one has others."""
    again = load(None, "cpu").state_dict()
    return any(not torch.equal(tensor.cpu(), again[name]) for name, tensor in module.state_dict().items())


def choose_device(name: str, threads: int) -> str:
    """Return the torch device for "auto" (a GPU if there is one) or a device's own name, and set the CPU threads.

    Raises ValueError if the device is not there.
    """
    torch.set_num_threads(threads)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {name}: this machine has no GPU that torch {torch.__version__} can use; take cpu")
    return name


@runtime_checkable
class _Faster(Protocol):
    def for_inference(self) -> nn.Module: ...
