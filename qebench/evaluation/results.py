"""Everything measured in one workflow run, the input of tables and figures, and what they ask of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from qebench.networks.thresholds import Threshold
from qebench.networks.thresholds import text as threshold_text

AVERAGE = "ave."  # in place of a quality: the mean over a compressor's qualities


@dataclass(frozen=True)
class Results:
    """Everything measured in one workflow run: the input of tables and figures."""

    measurements: pd.DataFrame  # see `evaluation.measurements`; native ones, see `native` there
    complexity: pd.DataFrame  # see `cost.complexity.measure`
    latency: pd.DataFrame  # see `cost.latency.measure`
    thresholds: dict[str, Threshold]  # of early exit, by compressor
    methods: list[str]  # in the order to print
    protocol: str  # in words
    all_measurements: pd.DataFrame = field(default_factory=pd.DataFrame)  # with the weights of other compressors, too
    exit_rules: list[str] = field(default_factory=list)  # to judge; none: all
    timed: pd.DataFrame = field(default_factory=pd.DataFrame)  # see `cost.exit_latency.measure`
    records: list[dict] = field(default_factory=list)  # where the measurements come from
    contributed: dict[str, "Results"] = field(default_factory=dict)  # by origin: see `publishing.contributed`
    kept: dict[str, "Results"] = field(default_factory=dict)  # by origin: see `publishing.kept`
    left_out: list[str] = field(default_factory=list)  # of what is kept: sentences that say what, and why

    @property
    def image_count(self) -> int:
        return self.measurements["image"].nunique()

    @property
    def datasets(self) -> str:
        return ", ".join(self.measurements["dataset"].unique())

    def named_thresholds(self, compressors: Iterable[str] | None = None) -> str:
        """Return in words the thresholds of some compressors, those measured unless others are asked for."""
        compressors = self.measurements["compressor"].unique() if compressors is None else compressors
        return ", ".join(f"{name} {threshold_text(self.thresholds[name])}" for name in compressors)


def qualities(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Return the qualities of each compressor in measurements, both in the order measured."""
    return {compressor: list(found.unique()) for compressor, found in rows.groupby("compressor", sort=False)["quality"]}


def multi_exit_methods(results: Results) -> list[str]:
    """Return the methods of several exits; raise ValueError if there is none to draw."""
    exits = results.measurements.groupby("method")["exit"].max()
    methods = [method for method in results.methods if exits.get(method, 1) > 1]
    if not methods:
        raise ValueError("this figure needs a multi-exit method such as rbqe: none was run")
    return methods


def device(name: str, threads: int) -> str:
    """Return what a latency was measured on, as it is printed: a device and the threads of the CPU."""
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"
