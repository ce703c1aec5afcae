"""RBQE as it runs here beside the same network run plainly, and beside the authors' procedure, in one run on a CPU."""

import argparse
import copy
import os
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.studies.baselines import rbqe_released
from compressors import hevc
from methods import rbqe
from methods.rbqe import network
from qebench import config
from qebench.common import images, plugins
from qebench.cost import clock
from qebench.cost.complexity import SIDE
from qebench.datasets import originals
from qebench.networks import loading, multi_exit, pixels, tiling
from qebench.networks.multi_exit import Rule
from qebench.networks.network import describe

RUNS = 9
PICTURE_RUNS = 3  # of ours; the authors' procedure runs once, for it takes seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the CPU (default: all)")


def run(options: argparse.Namespace) -> None:
    from qebench.networks import loading

    loading.choose_device("cpu", options.threads)
    print(text())


def text() -> str:
    """Return two tables: passes of RBQE in three forms, and HEVC pictures with early exit, our way and the authors'.

    The pictures are those of the demo that have 512x512 pixels, at every QP of the default configuration.
    """
    from tabulate import tabulate

    default = config.default()
    settings, (weights,) = default["compressors"]["hevc"], config.weights(default, "rbqe", "hevc")
    rule = Rule(settings["iqam_block_size"], settings["threshold"], default["protocol"]["iqam"])
    plain = rbqe.load(plugins.ROOT / weights, "cpu")
    fast = loading.prepare(copy.deepcopy(plain))
    assert isinstance(plain, network.RBQE) and isinstance(fast, network.RBQE)
    originals = _originals()
    header = ["ms, and times as fast as plain", "exit 1", "", "exit 5", "", "all exits", "", "difference"]
    floats = ("", ".1f", ".2f", ".1f", ".2f", ".1f", ".2f", ".0e")
    passes = tabulate(_passes(plain, fast, originals[0]), header, floatfmt=floats)

    rows = [_exits(plain, fast, originals, quality, rule) for quality in settings["qualities"]]
    whole, early, released = np.mean([row[2:] for row in rows], axis=0)
    rows = [[*row, row[3] / row[2], row[4] / row[3]] for row in [*rows, ["mean", "", whole, early, released]]]
    header = ["QP", "exits", "all of it (ms)", "early exit (ms)", "released (ms)", "early / all", "released / early"]
    return f"{passes}\n\n{tabulate(rows, header, floatfmt=('', '', '.1f', '.1f', '.0f', '.3f', '.1f'))}"


def _passes(plain: network.RBQE, fast: network.RBQE, original: np.ndarray) -> list[list]:
    """Return per form of the network its times in ms, each followed by how many times as fast as plain it is."""
    x = rbqe_released.nchw(hevc.decode(hevc.encode(original, 37)))
    channels_last = copy.deepcopy(plain)
    loading.channels_last(channels_last)
    forms = {"plain (eager, NCHW, float32)": plain, "channels_last": channels_last, "ours": fast}
    ways = [
        compute
        for model in forms.values()
        for compute in (partial(model, x, 1), partial(model, x, 5), partial(tiling.enhance, describe(model), x))
    ]
    times = np.median(clock.times(ways, RUNS, "cpu"), axis=1).reshape(len(forms), -1)
    expected = tiling.enhance(describe(plain), x)
    rows = []
    for (name, model), own in zip(forms.items(), times, strict=True):
        pairs = zip(tiling.enhance(describe(model), x), expected, strict=True)
        difference = max(float((ours - plain).abs().max()) for ours, plain in pairs)
        rows.append([name, *np.stack([own, times[0] / own], axis=1).flatten(), difference])
    return rows


def _exits(plain: network.RBQE, fast: network.RBQE, originals: list[np.ndarray], quality: int, rule: Rule) -> list:
    """Return the quality, the exits taken, and mean ms a picture: all of the network, early exit, the authors' way."""
    exits, times, network_of = [], [], describe(fast)
    for original in originals:
        decoded = hevc.decode(hevc.encode(original, quality))
        x = pixels.to_tensor([decoded], "cpu")
        ours: list[Callable[[], object]] = [partial(network_of.last, x), partial(multi_exit.stop, network_of, x, rule)]
        released = partial(rbqe_released.enhance, plain, decoded, rule.block_size, rule.settings)
        times.append(
            [*np.median(clock.times(ours, PICTURE_RUNS, "cpu"), axis=1), clock.times([released], 1, "cpu")[0, 0]]
        )
        exits.append(multi_exit.stop(network_of, x, rule).exit)
    return [quality, ", ".join(map(str, exits)), *np.mean(times, axis=0)]


def _originals() -> list[np.ndarray]:
    """Return the luma of the demo's pictures that have SIDE x SIDE pixels after the centre crop, uint8."""
    protocol = originals.Protocol("luma", crop=SIDE)
    prepared = [originals.prepare(images.read(path), protocol) for path in originals.sources(None)]
    return [original for original in prepared if original.shape == (SIDE, SIDE)]
