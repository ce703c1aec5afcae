"""What a device other than the CPU is asked for: to be waited for, its name, its memory, and whether it is taken.

PyTorch keeps these functions in one module per kind of device, as `torch.cuda`; here they are found by the device's own
name, "cuda:1", so that the second GPU is not answered for by the first.
"""

import contextlib
import gc
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_held: list[Any] = []  # lock files of GPUs that this process has taken, open until it ends


def module(device: str | torch.device) -> Any:
    """Return PyTorch's module for the kind of a device, as `torch.cuda`; None for the CPU, which needs none."""
    kind = torch.device(device).type
    return None if kind == "cpu" else torch.get_device_module(kind)


def synchronize(device: str) -> None:
    """Wait until the work of a device is done; on a CPU it is."""
    if gpu := module(device):
        gpu.synchronize(device)


def free_bytes(device: str) -> int:
    """Return the memory of a GPU that is free, what PyTorch keeps for reuse included."""
    gpu = module(device)
    return gpu.mem_get_info(device)[0] + gpu.memory_reserved(device) - gpu.memory_allocated(device)


def peak_bytes(compute: Callable[[], object], device: str) -> int:
    """Return the memory of tensors that a computation on a GPU takes at its peak beyond what was in use before."""
    gpu = module(device)
    before = gpu.memory_allocated(device)
    gpu.reset_peak_memory_stats(device)
    compute()
    gpu.synchronize(device)
    return gpu.max_memory_allocated(device) - before


def release(device: str) -> None:
    """Give a GPU's memory that nothing uses any more back, as after torch.OutOfMemoryError."""
    gc.collect()  # errors keep the tensors of their frames in cycles
    if gpu := module(device):
        gpu.empty_cache()


def take(count: int) -> int:
    """Return the number of a GPU that no other process of this machine has taken, and take it until this one ends.

    If all are taken, it is the first: jobs then share it. It is so on systems without file locks, too.
    """
    with contextlib.suppress(ImportError):
        import fcntl

        for index in range(count):
            file = (Path(tempfile.gettempdir()) / f"qebench-gpu-{index}.lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            _held.append(file)
            return index
    return 0
