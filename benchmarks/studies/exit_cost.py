"""What stopping at an exit costs, against computing that exit alone, and what asking an exit rule costs, as ratios."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from qebench import config
from qebench.commands import arguments
from qebench.common import plugins
from qebench.cost import clock, latency
from qebench.networks import loading, multi_exit, rules
from qebench.networks.multi_exit import Rule
from qebench.networks.network import Network
from qebench.networks.rules import Evidence

RUNS = 15
SIDE = 512  # pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", default="rbqe")
    parser.add_argument("--compressor", default="jpeg", help="whose exit rules are asked (default: jpeg)")
    arguments.add_device(parser)


def run(options: argparse.Namespace) -> None:
    device = arguments.device(options)
    plugins.check("methods", options.method)
    network = loading.build(options.method, None, device)
    if network.exit_count == 1:
        raise ValueError(f"{options.method} has one exit: name a method that has several")
    asked = staying_rules(options.method, options.compressor)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, network.channels or 1, SIDE, SIDE, generator=generator).to(device)
    print(exit_cost(network, x, device) + "\n\n" + rule_cost(network, asked, x, device))


@dataclass(frozen=True)
class Staying(Rule):
    """A rule that is asked at every exit where it looks, and whose answer is always to go on."""

    def choose(self, evidence: Evidence) -> np.ndarray:
        super().choose(evidence)
        return np.full(len(evidence), evidence.exit + 1 if self.looks else evidence.exit_count)


def staying_rules(method: str, compressor: str) -> list[Rule]:
    """Return the rules of which settings ship, and the paper's; raise ValueError for a codec without a threshold."""
    judged = {name: entry for name, entry in config.default()["compressors"].items() if "threshold" in entry}
    if compressor not in judged:
        raise ValueError(f"compressor {compressor!r}: choose from {', '.join(judged)}")
    entry = judged[compressor]
    known = {"iqam": entry["threshold"], **rules.shipped(method, compressor)}
    quality = float(entry["qualities"][len(entry["qualities"]) // 2])
    return [
        Staying(entry["iqam_block_size"], settings, name=name, quality=quality, bpp=1.0)
        for name, settings in known.items()
    ]


def exit_cost(network: Network, x: Tensor, device: str) -> str:
    """Return a table of the time to stop at each exit, with and without scores, over computing that exit alone."""
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
    text = _table(rows, header, ("", ".1f", ".1f", ".3f", ".1f", ".3f"))
    return text + "\n\nStopping at the last exit is one pass through all exits."


def rule_cost(network: Network, asked: list[Rule], x: Tensor, device: str) -> str:
    """Return a table of the time to the last exit under each rule, over that exit alone, and of asking the rule once.

    Asking is looking and deciding at one exit, in per cent of the time of exit 1.
    """
    ways: list[Callable[[], object]] = [partial(network.last, x, 1), partial(network.last, x)]
    ways += [partial(multi_exit.stop, network, x, rule) for rule in asked]
    ways += [partial(ask, rule, x, network.exit_count) for rule in asked]
    first, whole, *times = _medians(ways, device)
    rows = [
        [rule.name, stopped, stopped / whole, once, 100 * once / first]
        for rule, stopped, once in zip(asked, times[: len(asked)], times[len(asked) :], strict=True)
    ]
    header = ["rule", "to the last exit (ms)", "ratio", "asking once (ms)", "% of exit 1"]
    text = _table(rows, header, ("", ".1f", ".3f", ".2f", ".2f"))
    return text + f"\n\nExit 1 alone takes {first:.1f} ms, the last exit alone {whole:.1f} ms."


def ask(rule: Rule, x: Tensor, exit_count: int) -> None:
    """Do what the walk does to ask a rule about one image, that has reached exit 1 or, if it does not look, none."""
    evidence = rule.beforehand(1, exit_count)
    if rule.looks:
        here = np.ones(1, bool)
        evidence = multi_exit.learn(evidence, 1, rule.look(x, x), {"scores": here, "change": here})
    rule.choose(evidence)


def _medians(ways: list[Callable[[], object]], device: str) -> list[float]:
    """Return the median milliseconds of each computation, run in turn so that a drifting machine affects all alike."""
    return np.median(clock.times(ways, RUNS, device), axis=1).tolist()


def _table(rows: list[list], header: list[str], floats: tuple[str, ...]) -> str:
    from tabulate import tabulate

    return tabulate(rows, header, floatfmt=floats)
