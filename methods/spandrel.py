"""Any network that the library spandrel knows, as SwinIR, DRUNet, NAFNet or SCUNet: the weights file decides which.

The library is chaiNNer's (github.com/chaiNNer-org/spandrel), an extra: `pip install spandrel`. It tells the
architecture and its sizes from names and shapes of the tensors. The file is read by `checkpoints.reading`, so that no
code in it is run. A network must give a picture of the size and channels that it takes, luma (1) or RGB (3).

Padding and what goes in beside the picture are the library's: DRUNet's noise level is 15 / 255 for every picture.
Results come clipped to [0, 1]. Pictures go one by one, which is all that the library promises to take.
"""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from qebench.checkpoints import reading
from qebench.checkpoints.forms import Form

CITATION = "any network of the library spandrel: the file decides"

FORMS: dict[str, Form] = {}  # weights bring their own


def load(weights: Path | None, device: str) -> nn.Module:
    """Return the network that a weights file is for, on `device`; its `form` is the name of its architecture.

    Raises the errors of `reading.read`; ValueError without a file, or if spandrel does not know its network, or the
    network is for another task; and RuntimeError if spandrel cannot be imported.
    """
    if weights is None:
        raise ValueError("spandrel has no network of its own: name a weights file, which decides the network")
    return reading.restore(Restoring(_descriptor(weights)), None, device)


class Restoring(nn.Module):
    """A network with spandrel's description of it, for images (N, channels, H, W) of any size in [0, 1]."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.channels = descriptor.input_channels
        self.form = descriptor.architecture.name
        self.model = descriptor.model
        self.descriptor = descriptor

    def forward(self, x: Tensor) -> Tensor:
        # The call itself is in inference mode, and what asks how far a network looks needs gradients.
        call = inspect.unwrap(type(self.descriptor).__call__)
        return torch.cat([call(self.descriptor, image) for image in x.split(1)])


def _descriptor(weights: Path) -> Any:
    """Return spandrel's ImageModelDescriptor of the network in a file, on the CPU, if it is one to enhance with."""
    spandrel = _library()
    registry = spandrel.MAIN_REGISTRY
    for tensors in reading.unwrapped(weights):
        tensors = spandrel.canonicalize_state_dict(tensors)
        known = next((each for each in registry.architectures("detection") if each.detect(tensors)), None)
        if known is not None:
            break
    else:
        raise ValueError(f"{weights} holds no network that spandrel {spandrel.__version__} knows")
    name = known.architecture.name
    try:
        descriptor = known.architecture.load(dict(tensors))
    except Exception as error:  # what reads sizes from tensors that are not there fails in ten ways
        reason = " ".join(str(error).split())
        raise ValueError(f"{weights} looks like {name}, but not like a whole one: {reason}") from error
    task = _other_task(spandrel, descriptor)
    if task:
        raise ValueError(f"{weights} holds a {name} {task}, but methods enhance a picture and keep its size and colour")
    return descriptor


def _other_task(spandrel: ModuleType, descriptor: Any) -> str:
    """Return what else a network is for than enhancing luma or RGB pictures, "" if nothing."""
    channels = descriptor.input_channels, descriptor.output_channels
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        return "that fills in what a mask cuts out"
    if descriptor.scale != 1:
        return f"for super-resolution by {descriptor.scale}"
    return "" if channels in ((1, 1), (3, 3)) else f"that makes {channels[1]} channels of {channels[0]}"


def _library() -> ModuleType:
    try:
        import spandrel
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"method spandrel needs {error.name}, which is not installed: pip install spandrel"
        ) from None
    except (ImportError, RuntimeError, AttributeError) as error:  # a torchvision that was built for another torch
        reason = " ".join(str(error).split())
        raise RuntimeError(
            f"spandrel cannot be imported ({reason}): install the torchvision for torch {torch.__version__}"
        ) from error
    return spandrel
