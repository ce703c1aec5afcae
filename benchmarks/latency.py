"""Wall time of a network on one 512x512 image: batch 1, float32, as in the paper.

Each figure is the median of several runs after a warm-up, with the quartiles. For a multi-exit network two things are
timed per exit: computing that exit alone, and really stopping there, with the IQAM scores on the way inside the clock.
The image, a photograph decoded from JPEG at QF 30, is already a tensor on the device; files and 8-bit conversion are
outside the clock.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from benchmarks import plugins, provenance
from benchmarks.complexity import SIDE
from methods import early_exit, network

RUNS = 5


def measure(method: str, channels: int, block_size: int, device: str, weights: Path | None = None) -> list[dict]:
    """Return one record per exit and per way of getting there; times are in milliseconds.

    The method is in the form that `weights` are for; without them in its first, with random start values.
    """
    model = plugins.find("methods", method).load(weights, device).to(memory_format=torch.channels_last)
    x = network.to_tensor([_decoded(channels)], device)
    own = getattr(model, "channels", channels)
    x = x.reshape(-1, own, SIDE, SIDE)
    place = {"device": provenance.device_name(device), "threads": torch.get_num_threads()}
    size = {"precision": "float32", "batch": 1, "height": SIDE, "width": SIDE}

    records = []
    for exit in range(1, getattr(model, "exit_count", 1) + 1):
        ways: dict[bool, Callable[[], object]] = {False: lambda: model(x)}
        if hasattr(model, "exits"):
            ways = {False: lambda: model(x, exit), True: lambda: stop_at(model, x, exit, block_size)}  # noqa: B023
        for stops, compute in ways.items():
            head = {"method": method, "early_exit": stops, "exit": exit}
            records.append(head | place | size | _times(compute))
    return records


def _decoded(channels: int) -> np.ndarray:
    """Return a photograph as JPEG leaves it, uint8 (SIDE, SIDE) or (SIDE, SIDE, 3)."""
    from skimage import data

    from compressors import jpeg

    original = data.camera() if channels == 1 else data.astronaut()  # both are of this size
    return jpeg.decode(jpeg.encode(original, 30))


def stop_at(model: nn.Module, x: Tensor, exit: int, block_size: int) -> Tensor:
    """Return the images of `exit` after the work of an image that stops there: every exit on the way, scored."""
    for number, images in enumerate(model.exits(x), start=1):
        if number < model.exit_count:
            bool((early_exit.score(images, block_size) < 0).any())  # the decision waits for the device
        if number == exit:
            break
    return images


def _times(compute: Callable[[], object]) -> dict[str, float]:
    timer = Timer("compute()", globals={"compute": compute}, num_threads=torch.get_num_threads())
    with torch.inference_mode():
        timer.timeit(1)
        times = [timer.timeit(1).median * 1e3 for _ in range(RUNS)]
    q25, median, q75 = np.quantile(times, [0.25, 0.5, 0.75])
    return {"median_ms": round(median, 3), "q25_ms": round(q25, 3), "q75_ms": round(q75, 3), "runs": RUNS}
