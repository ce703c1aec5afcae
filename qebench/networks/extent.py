"""Measure what tiles depend on: how much memory a network takes for a pixel, and how far around a pixel it looks."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from qebench.networks.network import Network

SIDE = 256  # of the image that memory is measured on, pixels
FARTHEST = 128  # pixels around a block that are looked at for its reach
BLOCK = 32  # pixels: all places that strides and pooling tell apart
SHARE = 1e-3  # of a result's gradient that may come from beyond the reach: 1/10 gray level of an edge of 100


_MEMORY: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()
_REACH: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def bytes_per_pixel(network: Network, channels: int, device: torch.device) -> float:
    """Return the most bytes that a network holds at a time for a pixel of its input; measured once a network."""
    if network.module not in _MEMORY:
        _MEMORY[network.module] = _memory(network, channels, device)
    return _MEMORY[network.module]


def reach(network: Network, channels: int, device: torch.device) -> int:
    """Return how many pixels around a pixel its result depends on; measured once, in seven seconds for RBQE.

    It is that of gradients: beyond it lies under SHARE of what a pixel's result depends on. Means over the whole
    image, as attention takes, look everywhere alike, and do not count.
    """
    if network.module not in _REACH:
        with torch.inference_mode(False):  # tensors of inference have no gradients
            _REACH[network.module] = _reach(network, channels, device)
    return _REACH[network.module]


def _memory(network: Network, channels: int, device: torch.device) -> float:
    """Return the most bytes held at a time while all exits are computed, the input's included, per pixel."""
    x = torch.rand(1, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.inference_mode(), _Held() as held:
        for _ in network.exits(x):
            pass
    return (x.nbytes + held.most) / SIDE**2


class _Held(TorchDispatchMode):
    """Counts the bytes of the tensors that operators have made and that are still there."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        self._made = {place: made for place, made in self._made.items() if not made[0].expired()}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in given:
                storage = tensor.untyped_storage()
                self._made[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.most = max(self.most, sum(size for _, size in self._made.values()))
        return result


def _reach(network: Network, channels: int, device: torch.device) -> int:
    """Return how far from a block of pixels the gradient of its results with random signs ends."""
    generator = torch.Generator().manual_seed(0)
    size = BLOCK + 2 * FARTHEST
    x = torch.rand(1, channels, size, size, generator=generator).mul_(0.2).add_(0.4).to(device).requires_grad_()
    block = (..., slice(FARTHEST, -FARTHEST), slice(FARTHEST, -FARTHEST))
    signs = (torch.rand(1, channels, BLOCK, BLOCK, generator=generator) > 0.5).float().mul_(2).sub_(1).to(device)
    with torch.enable_grad():
        *_, last = network.exits(x)
    if not last.requires_grad:
        return BLOCK
    (gradient,) = torch.autograd.grad((last[block] * signs).sum(), x)
    return _end(gradient[0].abs().sum(dim=0))


def _end(gradient: Tensor) -> int:
    """Return the distance from the block beyond which a gradient (H, W) sums to under SHARE, less the far level."""
    size = len(gradient)
    place = torch.arange(size, device=gradient.device)
    outside = torch.maximum(FARTHEST - place, place - (size - FARTHEST - 1)).clamp(min=0)
    distance = torch.maximum(outside[:, None], outside[None, :])
    rings = torch.zeros(FARTHEST + 1, device=gradient.device).index_add_(0, distance.flatten(), gradient.flatten())
    counts = torch.bincount(distance.flatten())
    level = rings[-8:].sum() / counts[-8:].sum()  # of attention, the same everywhere
    beyond = (rings - level * counts).clamp(min=0).flip(0).cumsum(0).flip(0)
    return max(int((beyond > SHARE * beyond[0]).sum()) - 1, 0)
