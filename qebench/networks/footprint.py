"""How much memory a network takes for a pixel, measured: what decides how many images fit on a device at a time."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from qebench.common import devices
from qebench.networks.network import Network

SIDE = 128  # pixels of the square that is measured; the peak grows with the area


@torch.inference_mode()
def bytes_per_pixel(network: Network, device: str) -> float:
    """Return the memory at the peak, over the pixels of one image, while a network computes all its exits.

    Images have the network's channels. On a GPU it is PyTorch's account, what its libraries borrow for a while
    included; on a CPU that of tensors, without such.
    """
    x = torch.rand(1, network.channels or 1, SIDE, SIDE, device=device)
    compute = lambda: list(network.exits(x))  # noqa: E731
    peak = _tensors if device == "cpu" else devices.peak_bytes
    return peak(compute, device) / SIDE**2


def _tensors(compute: Callable[[], object], device: str) -> int:
    with _Account() as account:
        compute()
    return account.peak


class _Account(TorchDispatchMode):
    """Counts the bytes of the tensors that are made within it and are still there."""

    def __init__(self) -> None:
        super().__init__()
        self.used = self.peak = 0
        self._known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to guard against it PyTorch imports for three seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        results = func(*args, **(kwargs or {}))
        if not func.is_view:
            for result in tree_leaves(results):
                if isinstance(result, Tensor):
                    self._count(result.untyped_storage())
        return results

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.used += size
            self.peak = max(self.peak, self.used)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.used -= size
