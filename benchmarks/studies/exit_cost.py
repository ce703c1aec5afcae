"""What stopping at an exit costs, against computing that exit alone, as ratios."""

import argparse
from collections.abc import Callable
from itertools import islice

import numpy as np
import torch

from qebench.commands import arguments
from qebench.cost import clock, latency
from qebench.networks import loading

RUNS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="rbqe")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    print(exit_cost(options.method, arguments.device(options)))


def exit_cost(method: str, device: str) -> str:
    """Return a table of the time to stop at each exit, with and without scores, over computing that exit alone."""
    from tabulate import tabulate

    network = loading.build(method, None, device)
    if network.exit_count == 1:
        raise ValueError(f"{method} has one exit: name a method that has several")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, network.channels or 1, 512, 512, generator=generator).to(device)
    rows = []
    for exit in range(1, network.exit_count + 1):
        ways = [
            lambda: network.last(x, exit),  # noqa: B023
            lambda: next(islice(network.exits(x), exit - 1, None)),  # noqa: B023
            lambda: latency.stop_at(network, x, exit, 4),  # noqa: B023
        ]
        alone, reached, scored = _medians(ways, device)
        rows.append([exit, alone, reached, reached / alone, scored, scored / alone])
    header = ["exit", "alone (ms)", "stopping (ms)", "ratio", "with scores (ms)", "ratio"]
    floats = ("", ".1f", ".1f", ".3f", ".1f", ".3f")
    return tabulate(rows, header, floatfmt=floats) + "\n\nStopping at the last exit is one pass through all exits."


def _medians(ways: list[Callable[[], object]], device: str) -> list[float]:
    """Return the median milliseconds of each computation, run in turn so that a drifting machine affects all alike."""
    return np.median(clock.times(ways, RUNS, device), axis=1).tolist()
