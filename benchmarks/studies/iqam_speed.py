"""How fast the IQAM is, against the same score block by block, and against exit 1 of RBQE."""

import argparse
import time
from functools import partial

import numpy as np
from skimage import data

from benchmarks.studies.baselines import iqam_loop
from qebench.commands import arguments
from qebench.cost import clock
from qebench.iqa import iqam
from qebench.networks import loading, pixels

RUNS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    print(iqam_speed(arguments.device(options)))


def iqam_speed(device: str) -> str:
    """Return a table of the score's time on a 512x512 picture, ours against the loop's, and against exit 1 of RBQE."""
    from tabulate import tabulate

    picture = data.camera()
    images = pixels.to_tensor([picture], device)
    values = images * 255
    network = loading.build("rbqe", None, device)
    first = np.median(clock.times([lambda: network.last(images, 1)], RUNS, device))
    rows = []
    for block_size in (4, 8):
        began = time.perf_counter()
        slow = iqam_loop.score(picture, block_size)
        loop = 1e3 * (time.perf_counter() - began)
        fast = float(iqam.score(values.double(), block_size))
        ours = np.median(clock.times([partial(iqam.score, values, block_size)], RUNS, device))
        rows.append([block_size, loop, ours, loop / ours, 100 * ours / first, abs(slow - fast)])
    header = ["block", "loop (ms)", "ours (ms)", "ratio", "% of exit 1", "difference"]
    table = tabulate(rows, header, floatfmt=("", ".1f", ".2f", ".0f", ".1f", ".0e"))
    return table + "\n\nThe first score in a process, which loads or compiles code for the CPU, is not timed."
