"""Early exit for real: the one walk through a network's exits that stops where the images are good enough.

After each exit but the last, the images are scored by IQAM; those that reach its threshold leave the batch, and the
network goes on with the rest (RBQE, ECCV 2020, Fig. 2).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from qebench.iqa import iqam
from qebench.networks import outputs, pixels, thresholds
from qebench.networks.network import Network
from qebench.networks.thresholds import Threshold

Stages = Generator[Tensor, Tensor | None, None]  # images (N, C, H, W) of exit 1, 2, ...; takes indices to go on with


@dataclass(frozen=True)
class Rule:
    """When an image may leave: at the first exit where its IQAM score reaches the threshold."""

    block_size: int  # of the IQAM
    threshold: Threshold
    variant: str = "matlab"  # of the IQAM

    def score(self, images: Tensor) -> Tensor:
        """Return the score (N,) of images as in `score`."""
        return score(images, self.block_size, self.variant)


@dataclass(frozen=True)
class Step:
    """One exit on the walk: the images that reached it, their places in the batch, their scores (none at the last)."""

    exit: int  # from 1
    images: Tensor  # (M, C, H, W)
    places: Tensor  # (M,)
    scores: Tensor | None  # (M,)


def walk(stages: Stages, exit_count: int, rule: Rule) -> Iterator[Step]:
    """Yield a step per exit until every image has left; the last step of an image has its place.

    `stages` gives the images of one exit after the other: a network's `exits`, or `tiling.stages` of one image.
    Raises ValueError if there are not as many thresholds as exits but the last.
    """
    limits = thresholds.per_exit(rule.threshold, exit_count)
    kept, places = None, None  # a generator starts without indices
    for exit in range(1, exit_count + 1):
        images = stages.send(kept)
        places = torch.arange(len(images), device=images.device) if places is None else places
        if exit == exit_count:
            yield Step(exit, images, places, None)
            return
        scores = rule.score(images)
        yield Step(exit, images, places, scores)
        staying = (scores.double() < limits[exit - 1]).nonzero()[:, 0]  # here a GPU is waited for, once
        if not len(staying):
            return
        if len(staying) == len(places):
            kept = None  # all go on, and nothing need be copied
        else:
            kept, places = staying, places[staying]


@torch.inference_mode()
def enhance(network: Network, x: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
    """Return the enhanced images and the exit (N,) that each took, counted from 1.

    `x` and the enhanced images are float (N, C, H, W) in [0, 1], the latter unclipped.

    Raises ValueError if there are not as many thresholds as exits, and outputs.WrongOutput if what the network returns
    cannot be used.
    """
    enhanced, exits = torch.empty_like(x), torch.zeros(len(x), dtype=torch.long, device=x.device)
    for step in walk(network.exits(x), network.exit_count, rule):
        outputs.check_values(step.images, step.exit)
        enhanced.index_copy_(0, step.places, step.images)
        exits.index_fill_(0, step.places, step.exit)
    return enhanced, exits


@torch.inference_mode()
def stop(network: Network, x: Tensor, rule: Rule) -> Step:
    """Return the step at which an image leaves: the first of `x`, of whose channels the others are.

    `x` is float (N, C, H, W) in [0, 1]; a one-channel network gets the R, G and B of an image as a batch.
    """
    *_, step = walk(_first(network.exits(x)), network.exit_count, rule)
    return step


def _first(stages: Stages) -> Stages:
    """Yield the first image of each exit; as there is no other, none is dropped before the walk ends."""
    for images in stages:
        yield images[:1]


def score(images: Tensor, block_size: int, variant: str = "matlab") -> Tensor:
    """Return the IQAM score (N,) of enhanced images (N, C, H, W), float in [0, 1] or uint8: of luma, or of R in RGB.

    "matlab" scores the 8-bit picture, "powerqe" the values as they are.
    """
    first = pixels.to_bytes(images[:, :1]) if variant == "matlab" else images[:, :1]
    values = 255 * first.float() if first.is_floating_point() else first.float()
    return iqam.score(values, block_size, variant)


def change(images: Tensor, before: Tensor) -> Tensor:
    """Return the mean squared change (N,) of images from what they were `before`, in squared 8-bit levels.

    Both are float (N, C, H, W) in [0, 1], unclipped: those of an exit and of the one before it, or the decoded ones.
    """
    return (images - before).square_().mean(dim=(1, 2, 3)) * 255**2


@runtime_checkable
class MultiExit(Protocol):
    """A network that has several exits; `exits` is a generator of the enhanced images as in `methods/__init__.py`."""

    exit_count: int

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]: ...


def exits(module: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """Yield the module's results for `x`, one per exit, as in training; a module without `exits` has one."""
    return module.exits(x) if isinstance(module, MultiExit) else iter([module(x)])
