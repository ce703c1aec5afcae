"""Does early exit pay with some weights? The null test on the validation gains in their cards, exit by exit.

A card has the mean gain of every exit at every quality. Two rules can be judged by that: the coin, which mixes two
exits, and exit by quality.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import pandas as pd

from qebench.common import files, plugins
from qebench.cost import complexity
from qebench.evaluation import null_test
from qebench.evaluation.exit_cases import Cases
from qebench.networks.rules import FOLDER, Evidence

RULES = ("coin", "quality")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cards", type=Path, nargs="+", help="of methods/weights/, or older ones of its history")
    parser.add_argument("--method", default="rbqe", help="whose costs are taken (default: rbqe)")
    parser.add_argument("--latency", type=Path, help="results/latency/METHOD.csv: milliseconds instead of GMACs")
    parser.add_argument("--gain", type=float, nargs="+", default=[], help="dB: what the exits cost that reach it")


def run(options: argparse.Namespace) -> None:
    from tabulate import tabulate

    cost = costs(options.method, options.latency)
    rows = [row for card in options.cards for row in judge(card, read(card, cost), options.gain)]
    header = ["card", "rule", "last exit (dB)", "best (dB)", f"needed within {null_test.ALLOWED} dB"]
    print(tabulate(rows, [*header, *(f"for {gain} dB" for gain in options.gain)], floatfmt=".3f"))
    print(f"\nCosts are shares of the last exit's {'milliseconds' if options.latency else 'GMACs (paper)'}.")


def costs(method: str, latency: Path | None) -> np.ndarray:
    """Return what each exit costs, computed alone: GMACs in the paper's accounting, or milliseconds of a file."""
    if latency is None:
        plugins.check("methods", method)
        return pd.DataFrame(complexity.measure(method, 1)).sort_values("exit")["gmacs_paper"].to_numpy(float)
    rows = files.read_csv(latency)
    return rows[~rows["early_exit"].astype(bool)].sort_values("exit")["median_ms"].to_numpy(float)


def read(card: Path, cost: np.ndarray) -> Cases:
    """Return the qualities of a card as cases, given the cost of every exit.

    Raises ValueError if the card has no table of gains, or other exits than there are costs.
    """
    lines = re.findall(r"^\| *\d+ *(?:\| *[+-][\d.]+ *)+\|$", card.read_text(encoding="utf-8"), re.M)
    table = np.array([[float(number) for number in re.findall(r"[+-]?[\d.]+", line)] for line in lines])
    if table.ndim != 2 or table.shape[1] != len(cost) + 1:
        raise ValueError(f"{card} has no gains of {len(cost)} exits at each quality: name a card of methods/weights/")
    quality, gains = table[:, 0], table[:, 1:]
    unknown, nothing = np.full(gains.shape, np.nan), np.full(len(gains), np.nan)
    evidence = Evidence(len(cost), unknown, unknown, quality, nothing, nothing, gains)
    return Cases(quality, evidence, gains, {"gmacs_paper": (cost, cost)})


def judge(card: Path, cases: Cases, targets: list[float]) -> list[list]:
    """Return a row per rule: gain of the last exit, the most by the rule, the share it needs, and that for targets."""
    rows = []
    last, whole = cases.gains[:, -1].mean(), cases.cost[-1]
    for name in RULES:
        curve = null_test.judge(plugins.find(FOLDER, name), cases, cases)[0]
        spent = np.append(curve.spent["gmacs_paper"].mean(axis=1), whole) / whole
        gains = np.append(curve.gains.mean(axis=1), last)
        reached = [float(null_test.needed(spent, gains, target)) for target in targets]
        rows.append([card.stem, name, last, gains.max(), null_test.share(curve, cases), *reached])
    return rows
