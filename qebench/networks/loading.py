"""The one place that makes a loaded network ready to run fast: for evaluation, enhancement and latency alike."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import nn


def prepare(model: nn.Module) -> nn.Module:
    """Return a network with the results of `model` (float32 to 1e-5), in the form that runs fastest on its device.

    It shares the parameters of `model`, which is in evaluation mode and is not to be trained any more; their memory
    format becomes channels_last, a third faster on CPUs. A network that has a faster form says so by a method
    `for_inference()` that returns it.
    """
    channels_last(model)
    return model.for_inference() if isinstance(model, _Faster) else model


def channels_last(model: nn.Module) -> None:
    """Keep the parameters of `model` in the memory format channels_last."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch documents it, its types lack it


@runtime_checkable
class _Faster(Protocol):
    def for_inference(self) -> nn.Module: ...


def is_random(model: nn.Module, load: Callable[[None, str], nn.Module]) -> bool:
    """Return whether `model`, from `load` without weights, has random start values: a second one has others."""
    again = load(None, "cpu").state_dict()
    return any(not torch.equal(tensor.cpu(), again[name]) for name, tensor in model.state_dict().items())


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
