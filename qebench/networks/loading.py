"""The one place that loads a method's network and makes it ready to run: for evaluation, enhancement and latency."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from qebench.common import devices, plugins
from qebench.networks import precision as precisions
from qebench.networks.network import Network, describe


def load(method: str, weights: Path | None, device: str, precision: str = "float32") -> Network:
    """Return a method's network with the weights of a file (None: it needs none), on `device`, ready to run.

    `precision` is one of `precision.NAMES`.

    Raises what the method's `load` raises, and ValueError if its start values are random and it was given no weights.
    """
    plugin = plugins.find("methods", method)
    precisions.use(precision, device)
    module = plugin.load(weights, device)
    if weights is None and is_random(module, plugin.load):
        raise ValueError(
            f"{method} was given no weights, and its start values are random: name a file; "
            "methods/weights/README.md says where to get one and how to train it"
        )
    return _ready(module, method, precision)


def build(method: str, weights: Path | None, device: str, precision: str = "float32") -> Network:
    """Return what `load` does, but without weights the first form with random start values: costs do not ask more."""
    precisions.use(precision, device)
    return _ready(plugins.find("methods", method).load(weights, device), method, precision)


def _ready(module: nn.Module, method: str, precision: str) -> Network:
    """Return the network of a module; one without parameters, as `decoded`, keeps float32."""
    computes = next(module.parameters(), None) is not None
    return replace(describe(prepare(module), method), precision=precision if computes else "float32")


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

    Of several GPUs, "cuda" and "auto" take one that no other process has taken (`devices.take`); the processes of
    `torchrun` each take their own. Raises ValueError if the device is not there.
    """
    torch.set_num_threads(threads)
    precisions.use("float32", "cpu")
    count = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if count else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not (kind == "cuda" and number.isdecimal())):
        raise ValueError(f"device {name}: it can be auto, cpu, cuda, or cuda:1 and the like for the second GPU")
    if kind == "cuda" and int(number or 0) >= count:
        has = f"{count} GPU{'s' * (count > 1)}, cuda:0 to cuda:{count - 1}," if count else "no GPU"
        raise ValueError(f"device {name}: this machine has {has} that torch {torch.__version__} can use; take cpu")
    return f"cuda:{devices.take(count)}" if name == "cuda" and count > 1 and "RANK" not in os.environ else name


@runtime_checkable
class _Faster(Protocol):
    def for_inference(self) -> nn.Module: ...
