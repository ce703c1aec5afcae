"""Wall time of a network on one image of 512x512 pixels: batch 1, float32, as in the paper.

Each figure is the median of several runs after a warm-up (`clock`), with the peak of memory and what else the machine
did meanwhile (`machine`). For a multi-exit network two things are timed per exit: computing that exit alone, and really
stopping there, with the IQAM scores on the way inside the clock. The image, a photograph decoded from JPEG at QF 30, is
already a tensor on the device; files and 8-bit conversion are outside the clock. What real pictures of each quality
take is in `exit_latency`, other sizes and precisions in `latency_grid`.
"""

import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from qebench.common import plugins, provenance
from qebench.cost import clock, machine
from qebench.networks import loading, multi_exit, pixels
from qebench.networks.network import Network

RUNS = 9
# What a row tells, in this order; empty where it does not apply. Rows of pictures, which have a compressor and a
# quality, are over `pictures` of them, with the mean of their times and of the exits that they take. `rule` is that of
# early exit, `score_share` the part of the time that its looking takes; `busy_cores` are those that others kept busy.
COLUMNS = (
    *("method", "early_exit", "rule", "exit", "compressor", "quality"),
    *("device", "precision", "batch", "height", "width"),
    *("median_ms", "q25_ms", "q75_ms", "images_per_s", "peak_mb", "min_ms", "runs", "score_share"),
    *("pictures", "mean_ms", "mean_exit", "execution", "threads", "allocator", "busy_cores", "clock_mhz", "driver"),
    *("versions", "commit", "date"),
)


def measure(
    method: str, channels: int, block_size: int, device: str, weights: Path | None = None, precision: str = "float32"
) -> list[dict]:
    """Return one record (COLUMNS) per exit and way of getting there: early_exit tells whether scores are on the way.

    The method is in the form that `weights` are for; without them in its first, with random start values.
    """
    network = loading.build(method, weights, device, precision)
    x = network.planes(pixels.to_tensor([photograph(channels)], device))
    count = network.exit_count
    ways: dict[tuple[bool, int], Callable[[], object]]
    ways = {(False, exit): partial(network.last, x, exit) for exit in range(1, count + 1)}
    if count > 1:
        ways |= {(True, exit): partial(stop_at, network, x, exit, block_size) for exit in range(1, count + 1)}
    scoring = partial(multi_exit.score, x[:1], block_size)
    with machine.Watch() as watch:
        *times, scores = clock.times([*ways.values(), scoring], RUNS, device)

    records = []
    for ((stops, exit), compute), milliseconds in zip(ways.items(), times, strict=True):
        timed = clock.summarise(milliseconds)
        timed["images_per_s"] = round(1e3 / timed["median_ms"], 3)
        peak = {"peak_mb": machine.peak_mb(compute, device)}
        scored = {"rule": "iqam", "score_share": share(scores, min(exit, count - 1), milliseconds)} if stops else {}
        records.append({"method": method, "early_exit": stops, "exit": exit, **timed, **peak, **scored})
    return complete(records, x, watch, device, network.precision)


def stop_at(network: Network, x: Tensor, exit: int, block_size: int) -> int:
    """Do the work of an image that stops at `exit`: every exit on the way, scored; return the exit."""
    limits = [math.inf] * (exit - 1) + [-math.inf] * (network.exit_count - exit)
    return multi_exit.stop(network, x, multi_exit.Rule(block_size, limits)).exit


def share(scores: np.ndarray, count: int, whole: np.ndarray) -> float:
    """Return the part that `count` scores have in a time, given the runs of one score and those of the whole."""
    return round(count * float(np.median(scores) / np.median(whole)), 4)


def complete(records: list[dict], x: Tensor, watch: machine.Watch, device: str, precision: str) -> list[dict]:
    """Return records of times with all of COLUMNS: what was said of them, of the images `x`, of device and machine.

    If the machine was busy, say so on stderr.
    """
    if watch.warning:
        print(f"warning: {watch.warning}", file=sys.stderr)
    size = {"batch": 1, "height": x.shape[2], "width": x.shape[3]}
    place = {"device": provenance.device_name(device), "busy_cores": watch.busy_cores} | machine.describe(device)
    common = {"precision": precision, "execution": "eager"} | size | place
    return [{name: (common | record).get(name) for name in COLUMNS} for record in records]


def photograph(channels: int) -> np.ndarray:
    """Return a photograph as JPEG leaves it, uint8 (SIDE, SIDE) or (SIDE, SIDE, 3)."""
    from skimage import data

    jpeg = plugins.find("compressors", "jpeg")

    original = data.camera() if channels == 1 else data.astronaut()  # both are of this size
    return jpeg.decode(jpeg.encode(original, 30))
