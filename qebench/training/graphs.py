"""The gradients of a step as a graph of a GPU's work, which is recorded once and replayed.

A multi-exit network starts thousands of small pieces of work per step, and a fast GPU waits for the processor to start
them. A graph starts them all at once (CUDA graphs).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from qebench.common import devices, provenance
from qebench.training import journal, parallel
from qebench.training.run import Batch, Run

WARM_UP = 3  # times that PyTorch asks for before a recording


def captured(run: Run, batch: Batch) -> Callable[[Batch], Tensor]:
    """Return a function that does what `run.gradients` does by a graph, or without graphs here, that itself; say which.

    `batch` is one like those to come, of the same shapes. The network, its statistics included, stays as it is.
    """
    gpu = devices.module(run.device)
    reason = ""
    if gpu is None or not hasattr(gpu, "CUDAGraph"):
        reason = f"{provenance.device_name(run.device)} has none"
    elif parallel.count() > 1:
        reason = "several processes train together"
    else:
        buffers = [(buffer, buffer.clone()) for buffer in run.model.buffers()]
        try:
            learn = _recorded(run, batch, gpu)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        finally:
            for buffer, before in buffers:
                buffer.copy_(before)
    name = type(run.model).__name__
    journal.say(
        f"{name}: gradients step by step, without a graph: {reason}" if reason else f"{name}: gradients by a graph"
    )
    return run.gradients if reason else learn


def _recorded(run: Run, batch: Batch, gpu: Any) -> Callable[[Batch], Tensor]:
    """Record the gradients of a batch on a stream of their own; later batches are copied to its place."""
    original, decoded, quality = batch
    places = (original.clone(), decoded.clone(), quality.clone())
    stream = gpu.Stream()
    stream.wait_stream(gpu.current_stream())
    with gpu.stream(stream):
        for _ in range(WARM_UP):
            run.gradients(places)
    gpu.current_stream().wait_stream(stream)
    graph = gpu.CUDAGraph()
    with gpu.graph(graph):
        error = run.gradients(places)

    def learn(batch: Batch) -> Tensor:
        for place, tensor in zip(places, batch, strict=True):
            place.copy_(tensor)
        graph.replay()
        return error.clone()  # the next replay writes over it

    return learn
