"""Train in several processes, one per GPU or CPU core, that `torchrun` starts: each takes a share of every batch.

Gradients are averaged by PyTorch's DistributedDataParallel (Li et al., "PyTorch Distributed", VLDB 2020, arXiv
2006.15704), so a step is that of one process with the whole batch, but for batch normalisation on CPUs, which sees each
share for itself. Without `torchrun` everything here does nothing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from qebench.networks import multi_exit

PATIENCE = timedelta(hours=2)  # the others wait while the first process compresses pictures or validates


def local_count() -> int:
    """Return how many processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Join the processes of `torchrun`, if it started this one, and give the device to use: of GPUs, one's own."""
    if "RANK" not in os.environ:
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """Return the number of this process; 0 reads, writes and reports."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def agreed(answer: bool, device: str) -> bool:
    """Return the answer of process 0, whatever the others' is."""
    if not distributed.is_initialized():
        return answer
    told = torch.tensor(answer, device=device)
    distributed.broadcast(told, 0)
    return bool(told)


class Exits(nn.Module):
    """A network as a function of a batch that returns the images of all its exits, as training needs them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> list[Tensor]:
        return list(multi_exit.exits(self.model, x))


def share(model: nn.Module, device: str) -> nn.Module:
    """Return `Exits` of a network whose gradients are averaged over all processes."""
    if not distributed.is_initialized():
        return Exits(model)
    if device.startswith("cuda"):
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    return nn.parallel.DistributedDataParallel(Exits(model))
