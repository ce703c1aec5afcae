"""Time computations against each other: in turn, after a warm-up, run by run, on a CPU or a GPU.

torch.utils.benchmark.Timer times one statement after the other. On a machine whose speed drifts that favours one of
them; here each round runs all of them. On a GPU the clock is that of its own events, and a run includes its end.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch

from qebench.common import devices

WARM_UP = 1  # rounds that are not counted: first calls allocate and choose kernels


@torch.inference_mode()
def times(ways: Sequence[Callable[[], object]], runs: int, device: str) -> np.ndarray:
    """Return the milliseconds of every run of every computation, float64 (ways, runs)."""
    gpu = devices.module(device)
    measure = partial(_gpu_milliseconds, gpu) if gpu else _milliseconds
    with gpu.device(device) if gpu else nullcontext():
        rounds = [[measure(compute) for compute in ways] for _ in range(WARM_UP + runs)]
    return np.array(rounds[WARM_UP:]).T


def summarise(milliseconds: np.ndarray) -> dict[str, float]:
    """Return median_ms, q25_ms, q75_ms and min_ms of the runs, and how many they are."""
    q25, median, q75 = np.quantile(milliseconds, [0.25, 0.5, 0.75])
    values = {"median_ms": median, "q25_ms": q25, "q75_ms": q75, "min_ms": milliseconds.min()}
    return {name: round(float(value), 3) for name, value in values.items()} | {"runs": milliseconds.size}


def _milliseconds(compute: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    compute()
    return (time.perf_counter_ns() - began) / 1e6


def _gpu_milliseconds(gpu: Any, compute: Callable[[], object]) -> float:
    began, ended = (gpu.Event(enable_timing=True) for _ in range(2))
    began.record()
    compute()
    ended.record()
    ended.synchronize()
    return began.elapsed_time(ended)
