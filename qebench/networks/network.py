"""What a network is to the rest of the engine: one object that says which images it takes and how many exits it has."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from qebench.networks import outputs, pixels, precision


@dataclass(frozen=True)
class Network:
    """A method's network, or filter, as it runs.

    It takes images of `channels` channels, whose height and width are multiples of `multiple`; `channels` is 1, 3 or
    None for any. One-channel networks are applied to luma, or to R, G and B apart (`tiling`).
    """

    name: str  # of the method
    form: str  # the published one that its weights are for, "" if there is one only
    module: nn.Module
    channels: int | None
    multiple: int
    exit_count: int
    precision: str = "float32"  # one of `precision.NAMES`; images come and go as they are

    def planes(self, x: Tensor) -> Tensor:
        """Return images (N, C, H, W) as the network takes them: of one channel (N * C, 1, H, W) if it has but one.

        Raises ValueError if the images have other channels than the network takes, and it does not take one.
        """
        if self.channels in (None, x.shape[1]):
            return x
        if self.channels != 1:
            raise ValueError(f"{self.name} takes {self.channels} channels, the images have {x.shape[1]}")
        return x.reshape(-1, 1, *x.shape[2:])

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]:
        """Yield the enhanced images of exit 1, 2, ..., each computed when it is asked for.

        `x` is float (N, C, H, W) in [0, 1], of any size, with the network's channels; so is each result, unclipped.
        Indices (M,) of some images, sent back instead of asking for the next exit, drop all others.

        Raises outputs.WrongOutput if a result is no tensor of the shape, type and device of its input, or if there are
        fewer or more exits than `exit_count`.
        """
        height, width = x.shape[2:]
        padded = pixels.pad(x, self.multiple)
        if not hasattr(self.module, "exits"):
            yield outputs.check_kind(self._compute(self.module, padded), padded, 1)[..., :height, :width]
            return
        several: Any = self.module
        stages, kept, left, exit = several.exits(padded), None, padded, 0
        while True:
            try:
                images = self._compute(stages.send, kept, like=padded)
            except StopIteration:
                outputs.count_exits(exit, self.exit_count)
                return
            exit += 1
            if exit > self.exit_count:
                outputs.count_exits(exit, self.exit_count)
            left = left if kept is None else left[: len(kept)]
            kept = yield outputs.check_kind(images, left, exit)[..., :height, :width]

    def last(self, x: Tensor, exit: int | None = None) -> Tensor:
        """Return the enhanced images of the last exit, or of `exit`, none of the others computed; `x` as in `exits`."""
        height, width = x.shape[2:]
        padded = pixels.pad(x, self.multiple)
        which = () if exit in (None, self.exit_count) else (exit,)
        enhanced = self._compute(self.module, padded, *which)
        return outputs.check_kind(enhanced, padded, exit or self.exit_count)[..., :height, :width]

    def _compute(self, function: Callable[..., Any], *arguments: Any, like: Tensor | None = None) -> Any:
        """Return what a function returns for images, computed in our precision, in the type of the images."""
        images = arguments[0] if like is None else like
        with precision.computing(self.precision, images.device):
            result = function(*arguments)
        return result.to(images.dtype) if self.precision in precision.HALVES else result


def describe(module: nn.Module, name: str = "") -> Network:
    """Return the network of a module, from what the module says of itself (`methods/__init__.py`).

    Without `name` it is called by its class.
    """
    return Network(
        name or type(module).__name__,
        getattr(module, "form", ""),
        module,
        getattr(module, "channels", 1),
        getattr(module, "multiple", 1),
        getattr(module, "exit_count", 1),
    )
