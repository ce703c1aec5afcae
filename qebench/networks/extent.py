"""Measure what tiles depend on: how much memory a network takes for a pixel, and how far around a pixel it looks."""

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from qebench.networks import footprint
from qebench.networks.network import Network

FARTHEST = (64, 128)  # pixels around a block that are looked at for its reach: more if it takes over half of the first
BLOCK = 32  # pixels: all places that strides and pooling tell apart
SHARE = 1e-3  # of a result's gradient that may come from beyond the reach: 1/10 gray level of an edge of 100

T = TypeVar("T", int, float)
_MEMORY: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()
_REACH: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def bytes_per_pixel(network: Network, channels: int, device: torch.device) -> float:
    """Return the most bytes that a network holds at a time for a pixel, its float32 input included; measured once."""
    if network.module not in _MEMORY:
        held = _where_it_fits(lambda each, place: footprint.bytes_per_pixel(each, str(place)), network, device)
        _MEMORY[network.module] = 4 * channels + held
    return _MEMORY[network.module]


def reach(network: Network, channels: int, device: torch.device) -> int:
    """Return how many pixels around a pixel its result depends on; measured once, in two seconds for RBQE.

    It is that of gradients: beyond it lies under SHARE of what a pixel's result depends on. Means over the whole
    image, as attention takes, look everywhere alike, and do not count.
    """
    if network.module not in _REACH:
        with torch.inference_mode(False):  # tensors of inference have no gradients
            for farthest in FARTHEST:
                measure = lambda each, place, far=farthest: _reach(each, channels, place, far)  # noqa: E731
                _REACH[network.module] = _where_it_fits(measure, network, device)
                if _REACH[network.module] <= farthest / 2:
                    break
    return _REACH[network.module]


def _where_it_fits(measure: Callable[[Network, torch.device], T], network: Network, device: torch.device) -> T:
    """Return what is measured of a network on a device, or of a copy on the CPU if the device has no room for it."""
    with suppress(torch.OutOfMemoryError):
        return measure(network, device)
    return measure(replace(network, module=copy.deepcopy(network.module).cpu()), torch.device("cpu"))


def _reach(network: Network, channels: int, device: torch.device, farthest: int) -> int:
    """Return how far from a block of pixels the gradient of its results with random signs ends, `farthest` at most."""
    generator = torch.Generator().manual_seed(0)
    size = BLOCK + 2 * farthest
    x = torch.rand(1, channels, size, size, generator=generator).mul_(0.2).add_(0.4).to(device).requires_grad_()
    block = (..., slice(farthest, -farthest), slice(farthest, -farthest))
    signs = (torch.rand(1, channels, BLOCK, BLOCK, generator=generator) > 0.5).float().mul_(2).sub_(1).to(device)
    with torch.enable_grad():
        *_, last = network.exits(x)
    if not last.requires_grad:
        return BLOCK
    (gradient,) = torch.autograd.grad((last[block] * signs).sum(), x)
    return _end(gradient[0].abs().sum(dim=0), farthest)


def _end(gradient: Tensor, farthest: int) -> int:
    """Return the distance from the block beyond which a gradient (H, W) sums to under SHARE, less the far level."""
    size = len(gradient)
    place = torch.arange(size, device=gradient.device)
    outside = torch.maximum(farthest - place, place - (size - farthest - 1)).clamp(min=0)
    distance = torch.maximum(outside[:, None], outside[None, :])
    rings = torch.zeros(farthest + 1, device=gradient.device).index_add_(0, distance.flatten(), gradient.flatten())
    counts = torch.bincount(distance.flatten())
    level = rings[-8:].sum() / counts[-8:].sum()  # of attention, the same everywhere
    beyond = (rings - level * counts).clamp(min=0).flip(0).cumsum(0).flip(0)
    return max(int((beyond > SHARE * beyond[0]).sum()) - 1, 0)
