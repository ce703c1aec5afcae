"""Does early exit pay? The IQAM against a per-block loop, and stopping at an exit against computing it alone."""

import time
from collections.abc import Callable

import numpy as np
import torch
from skimage import data

from benchmarks.studies.baselines import iqam_loop
from qebench import iqam
from qebench.cost import clock, latency
from qebench.networks import multi_exit, pixels

RUNS = 15


def iqam_speed(device: str) -> str:
    """Return a table of the score's time on a 512x512 picture, ours against the loop's, and against exit 1 of RBQE."""
    from tabulate import tabulate

    picture = data.camera()
    images = pixels.to_tensor([picture], device)
    values = images * 255
    model = latency.load("rbqe", None, device)
    first = _median(lambda: model(images, 1))
    rows = []
    for block_size in (4, 8):
        began = time.perf_counter()
        slow = iqam_loop.score(picture, block_size)
        loop = 1e3 * (time.perf_counter() - began)
        fast = float(iqam.score(values.double(), block_size))
        ours = _median(lambda: iqam.score(values, block_size))  # noqa: B023
        rows.append([block_size, loop, ours, loop / ours, 100 * ours / first, abs(slow - fast)])
    header = ["block", "loop (ms)", "ours (ms)", "ratio", "% of exit 1", "difference"]
    table = tabulate(rows, header, floatfmt=("", ".1f", ".2f", ".0f", ".1f", ".0e"))
    return table + "\n\nThe first score in a process, which loads or compiles code for the CPU, is not timed."


def exit_cost(method: str, device: str) -> str:
    """Return a table of the time to stop at each exit, with and without scores, over computing that exit alone."""
    from tabulate import tabulate

    model = latency.load(method, None, device)
    if not isinstance(model, multi_exit.MultiExit):
        raise ValueError(f"{method} has one exit: name a method that has several")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, getattr(model, "channels", 1), 512, 512, generator=generator).to(device)
    rows = []
    for exit in range(1, model.exit_count + 1):
        ways = [
            lambda: model(x, exit),  # noqa: B023
            lambda: _take(model, x, exit),  # noqa: B023
            lambda: latency.stop_at(model, x, exit, 4),  # noqa: B023
        ]
        alone, reached, scored = _medians(ways)
        rows.append([exit, alone, reached, reached / alone, scored, scored / alone])
    header = ["exit", "alone (ms)", "stopping (ms)", "ratio", "with scores (ms)", "ratio"]
    floats = ("", ".1f", ".1f", ".3f", ".1f", ".3f")
    return tabulate(rows, header, floatfmt=floats) + "\n\nStopping at the last exit is one pass through all exits."


def _take(model: multi_exit.MultiExit, x: torch.Tensor, exit: int) -> None:
    for number, _ in enumerate(model.exits(x), start=1):
        if number == exit:
            return


def _median(compute: Callable[[], object]) -> float:
    return _medians([compute])[0]


def _medians(ways: list[Callable[[], object]]) -> list[float]:
    """Return the median milliseconds of each computation, run in turn so that a drifting machine affects all alike."""
    return np.median(clock.times(ways, RUNS, "cuda" if torch.cuda.is_available() else "cpu"), axis=1).tolist()
