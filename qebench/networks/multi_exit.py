"""Early exit for real: the one walk through a network's exits that stops where a rule says.

The rule is asked before the first exit and at each but the last. Images that it keeps here leave the batch, and the
network goes on with the rest (RBQE, ECCV 2020, Fig. 2, where the rule is one threshold of IQAM).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import nan
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from qebench.common import plugins
from qebench.iqa import iqam
from qebench.networks import outputs, pixels, rules
from qebench.networks.network import Network
from qebench.networks.rules import Evidence, Settings

Stages = Generator[Tensor, Tensor | None, None]  # images (N, C, H, W) of exit 1, 2, ...; takes indices to go on with


@dataclass(frozen=True)
class Rule:
    """When an image may leave: a module of benchmarks/exit_rules/ with its settings, and what is known beforehand.

    `block_size` and `variant` are those of the IQAM. `quality` and `bpp` are as in `rules.Evidence`, of all images of a
    walk; NaN if unknown. Of "iqam" the settings are one threshold, or one for every exit but the last.
    """

    block_size: int
    settings: Settings
    variant: str = "matlab"
    name: str = "iqam"
    quality: float = nan
    bpp: float = nan

    @property
    def looks(self) -> bool:
        """Whether the rule looks at pictures; if not, their exit is known beforehand."""
        return not {"scores", "change"}.isdisjoint(self.uses)

    @property
    def uses(self) -> tuple[str, ...]:
        """What the rule looks at, of the names of `rules.Evidence`."""
        return tuple(_plugin(self.name).USES)

    def choose(self, evidence: Evidence) -> np.ndarray:
        """Return the exit (N,) that each image is sent to; errors are the rule's own."""
        chosen = _plugin(self.name).choose(evidence, self.settings)
        return np.clip(chosen, max(evidence.exit, 1), evidence.exit_count)

    def beforehand(self, count: int, exit_count: int) -> Evidence:
        """Return what is known of `count` images before the first of `exit_count` exits is computed."""
        scores, change, gains = np.full((3, count, exit_count), nan)
        quality, bpp, draw = (np.full(count, value) for value in (self.quality, self.bpp, nan))
        return Evidence(0, scores, change, quality, bpp, draw, gains)

    def look(self, images: Tensor, before: Tensor) -> dict[str, Tensor]:
        """Return what the rule looks at of images, and of these at the exit `before`: names and values (N,)."""
        found = {"scores": score(images, self.block_size, self.variant)} if "scores" in self.uses else {}
        return found | ({"change": change(images, before)} if "change" in self.uses else {})


@cache
def _plugin(name: str) -> Any:
    """Return the module of a rule; looking for it would take longer than the rule."""
    return plugins.find(rules.FOLDER, name)


@dataclass(frozen=True)
class Step:
    """One exit on the walk: the images that reached it, their places in the batch, their scores if the rule asks."""

    exit: int  # from 1
    images: Tensor  # (M, C, H, W)
    places: Tensor  # (M,)
    scores: Tensor | None  # (M,)


def known_exit(rule: Rule, exit_count: int) -> int | None:
    """Return the exit that a rule takes without a look at the picture; None if it looks."""
    if rule.looks or exit_count == 1:
        return None
    return int(rule.choose(rule.beforehand(1, exit_count))[0])


def walk(stages: Stages, x: Tensor, exit_count: int, rule: Rule) -> Iterator[Step]:
    """Yield a step per exit until every image has left; the last step of an image has its place.

    `stages` gives the images of one exit after the other: a network's `exits`, or `tiling.stages` of one image. `x` are
    the decoded ones. Raises what the rule raises for settings that do not fit, before anything is computed.
    """
    evidence = rule.beforehand(len(x), exit_count)
    target = rule.choose(evidence) if exit_count > 1 else np.ones(len(x), int)
    arrived = np.ones(len(x), bool)  # at the exit before, rather than on the way through it
    kept, places, before = None, torch.arange(len(x), device=x.device), x
    for exit in range(1, exit_count + 1):
        images = stages.send(kept)
        asked, found = target == exit, {}
        if exit < exit_count and asked.any():
            found = rule.look(images, before)
            evidence = learn(evidence, exit, found, {"scores": asked, "change": asked & arrived})
            target = np.where(asked, rule.choose(evidence), target)
        yield Step(exit, images, places, found.get("scores"))
        staying = np.flatnonzero(target > exit)
        if not len(staying):
            return
        kept, arrived, before = None, asked, images
        if len(staying) < len(target):  # else all go on, and nothing need be copied
            kept = torch.from_numpy(staying).to(x.device, non_blocking=True)
            evidence, target, arrived = evidence.of(staying), target[staying], asked[staying]
            places, before = places[kept], images[kept] if "change" in rule.uses else images


def learn(evidence: Evidence, exit: int, found: dict[str, Tensor], of: dict[str, np.ndarray]) -> Evidence:
    """Return the evidence at an exit with what was found there `of` some images, given by masks (N,)."""
    if found:
        values = torch.stack([*found.values()]).double().cpu().numpy()  # here a GPU is waited for, once
        for name, column in zip(found, values, strict=True):
            getattr(evidence, name)[:, exit - 1] = np.where(of[name], column, nan)
    return replace(evidence, exit=exit)


@torch.inference_mode()
def enhance(network: Network, x: Tensor, rule: Rule) -> tuple[Tensor, Tensor]:
    """Return the enhanced images and the exit (N,) that each took, counted from 1.

    `x` and the enhanced images are float (N, C, H, W) in [0, 1], the latter unclipped.

    Raises ValueError if there are not as many thresholds as exits, and outputs.WrongOutput if what the network returns
    cannot be used.
    """
    enhanced, exits = torch.empty_like(x), torch.zeros(len(x), dtype=torch.long, device=x.device)
    for step in walk(network.exits(x), x, network.exit_count, rule):
        outputs.check_values(step.images, step.exit)
        enhanced.index_copy_(0, step.places, step.images)
        exits.index_fill_(0, step.places, step.exit)
    return enhanced, exits


@torch.inference_mode()
def stop(network: Network, x: Tensor, rule: Rule) -> Step:
    """Return the step at which one image leaves.

    `x` is float (N, C, H, W) in [0, 1]; a one-channel network gets the R, G and B of the image as a batch. An exit that
    is known beforehand is computed alone.
    """
    whole = (1, -1, *x.shape[2:])
    exit = known_exit(rule, network.exit_count)
    if exit is not None:
        return Step(exit, network.last(x, exit).reshape(whole), torch.zeros(1, dtype=torch.long), None)
    stages = (images.reshape(whole) for images in network.exits(x))  # one image, which leaves or stays
    *_, step = walk(_taking(stages), x.reshape(whole), network.exit_count, rule)
    return step


def _taking(stages: Iterator[Tensor]) -> Stages:
    """Yield the images of each exit; as there is but one, none is dropped before the walk ends."""
    yield from stages


def score(images: Tensor, block_size: int, variant: str = "matlab") -> Tensor:
    """Return the IQAM score (N,) of enhanced images (N, C, H, W), float in [0, 1] or uint8: of luma, or of R in RGB.

    "matlab" scores the 8-bit picture, "powerqe" the values as they are.
    """
    first = images[:, :1]
    values = 255 * first.float() if first.is_floating_point() else first.float()
    if variant == "matlab" and first.is_floating_point():
        values.clamp_(0, 255).round_()  # the values of `to_bytes`, with one copy of the picture instead of three
    return iqam.score(values, block_size, variant)


def change(images: Tensor, before: Tensor) -> Tensor:
    """Return the mean squared change (N,) of images from what they were `before`, in squared 8-bit levels.

    Both are float (N, C, H, W) in [0, 1], unclipped: those of an exit and of the one before it, or the decoded ones,
    which may be uint8.
    """
    return (images - pixels.to_unit(before)).square_().mean(dim=(1, 2, 3)) * 255**2


@runtime_checkable
class MultiExit(Protocol):
    """A network that has several exits; `exits` is a generator of the enhanced images as in `methods/__init__.py`."""

    exit_count: int

    def exits(self, x: Tensor) -> Generator[Tensor, Tensor | None, None]: ...


def exits(module: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """Yield the module's results for `x`, one per exit, as in training; a module without `exits` has one."""
    return module.exits(x) if isinstance(module, MultiExit) else iter([module(x)])
