"""Wall time of one network over batches, sizes and precisions, eager and compiled.

Times are of all of the network, its last exit alone, on random images. "eager" is the network as everything here runs
it; "compiled" is `torch.compile` of it, which needs a C++ compiler for a CPU and takes half a minute per shape, outside
the clock. Batches of more pixels than one image of 2048x2048 are left out: they would take over 10 GB. In "bfloat16"
the whole network is converted, unlike in the precision bf16 (`networks.precision`). What a GPU has too little memory
for is left out, and that is said on stderr.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path

import torch

from qebench.common import devices
from qebench.cost import clock, latency, machine
from qebench.networks import loading

BATCHES = (1, 4, 16)
SIDES = (256, 512, 1024, 2048)  # pixels
PRECISIONS = (torch.float32, torch.bfloat16)
MOST_PIXELS = 2048**2
RUNS = 5


def measure(
    method: str, channels: int, device: str, weights: Path | None = None, compiled: bool = True
) -> Iterator[dict]:
    """Yield one record (latency.COLUMNS) per precision, shape and execution, as measured; compiled ones if asked for.

    The other arguments are as in `latency.measure`.
    """
    shapes = [(batch, side) for batch in BATCHES for side in SIDES if batch * side**2 <= MOST_PIXELS]
    for precision, (batch, side) in product(PRECISIONS, shapes):
        try:
            yield from _measure(method, channels, device, weights, precision, batch, side, compiled)
        except torch.OutOfMemoryError:
            devices.release(device)
            name = str(precision).removeprefix("torch.")
            print(f"{method}, {batch} x {side} x {side} in {name}, is left out: {device} is too small", file=sys.stderr)


def _measure(
    method: str,
    channels: int,
    device: str,
    weights: Path | None,
    precision: torch.dtype,
    batch: int,
    side: int,
    compiled: bool,
) -> list[dict]:
    network = loading.build(method, weights, device)
    model = network.module.to(precision)
    x = network.planes(torch.rand(batch, channels, side, side, device=device, dtype=precision))
    ways = {"eager": partial(model, x)}
    if compiled and (torch.device(device).type == "cuda" or (device == "cpu" and _compiler())):
        torch.compiler.reset()  # else the tenth shape would not be compiled any more
        ways["compiled"] = partial(torch.compile(model, dynamic=False), x)
    with machine.Watch() as watch:
        times = clock.times(list(ways.values()), RUNS, device)
    records = []
    for (execution, compute), milliseconds in zip(ways.items(), times, strict=True):
        timed = clock.summarise(milliseconds)
        timed["images_per_s"] = round(1e3 * batch / timed["median_ms"], 3)
        kind = {"exit": network.exit_count, "execution": execution, "batch": batch}
        records.append({**kind, **timed, "peak_mb": machine.peak_mb(compute, device)})
    records = [{"method": method, "early_exit": False} | record for record in records]
    return latency.complete(records, x, watch, device, str(precision).removeprefix("torch."))


def _compiler() -> str | None:
    """Return the C++ compiler that torch.compile would take for a CPU; without one say so on stderr."""
    found = shutil.which(os.environ.get("CXX", "g++"))
    if found is None:
        print("no C++ compiler, so nothing compiled is timed: install g++, or name one in CXX", file=sys.stderr)
    return found
