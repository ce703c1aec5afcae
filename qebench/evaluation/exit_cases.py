"""What exit rules are judged by: the gains, costs and evidence of images at every exit, from measurements."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import Results, multi_exit_methods
from qebench.networks.rules import Evidence, Rule

KNOWN = {"iqam": "scores", "change": "change"}  # evidence by metric


@dataclass(frozen=True)
class Cases:
    """N images, each of a picture and at a quality, with the gain (N, exits) in dB of every exit.

    `costs` has for each unit (gmacs, gmacs_paper, ms) two arrays (exits,): the cost of each exit computed alone, and
    after all exits before it. Rules are calibrated by the former in gmacs_paper.
    """

    pictures: np.ndarray
    evidence: Evidence
    gains: np.ndarray
    costs: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def cost(self) -> np.ndarray:
        return self.costs["gmacs_paper"][0]

    def of(self, images: np.ndarray) -> "Cases":
        """Return some images, given by a mask (N,)."""
        evidence = self.evidence.of(images)
        return replace(self, pictures=self.pictures[images], evidence=evidence, gains=self.gains[images])


def every(results: Results) -> Iterator[tuple[str, str, Cases]]:
    """Yield method, compressor and cases of every method of several exits."""
    rows = results.measurements
    for method in multi_exit_methods(results):
        for compressor in rows.loc[rows["method"] == method, "compressor"].unique():
            yield method, compressor, collect(rows, results.complexity, results.latency, method, compressor)


def collect(rows: pd.DataFrame, complexity: pd.DataFrame, latency: pd.DataFrame, method: str, compressor: str) -> Cases:
    """Return the images of a method of several exits and a compressor, from measurements and costs of its exits.

    Evidence that was not measured is NaN. Where there is no latency, there is no "ms".
    """
    rows = rows[(rows["compressor"] == compressor) & rows["method"].isin([method, "decoded"])]
    gains = _wide(measurements.gains(rows, "psnr_unrounded"))
    index, own = gains.index, rows[rows["method"] == method]
    unknown = np.full(gains.shape, np.nan)
    known = {name: _wide(own[own["metric"] == metric]).reindex(index).to_numpy() for metric, name in KNOWN.items()}
    known = {name: values if values.size else unknown for name, values in known.items()}
    bpp = rows[rows["metric"] == "bpp"].set_index(["dataset", "image", "quality"])["value"]
    place = pd.MultiIndex.from_frame(index.to_frame()[["dataset", "image", "quality"]])
    evidence = Evidence(
        exit=gains.shape[1],
        quality=index.get_level_values("quality").to_numpy(float),
        bpp=bpp.reindex(place).to_numpy(float),
        draw=np.full(len(gains), np.nan),
        gains=gains.to_numpy(),
        **known,
    )
    pictures = index.to_frame()[["dataset", "image"]].agg("/".join, axis=1).to_numpy()
    return Cases(pictures, evidence, gains.to_numpy(), _costs(complexity, latency, method))


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.pivot(index=early_exit.KEYS, columns="exit", values="value")


def _costs(complexity: pd.DataFrame, latency: pd.DataFrame, method: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    cost = complexity[complexity["method"] == method].sort_values("exit")
    exact, so_far, paper = (cost[name].to_numpy(float) for name in ("gmacs", "gmacs_so_far", "gmacs_paper"))
    found = {"gmacs": (exact, so_far), "gmacs_paper": (paper, paper)}
    times = latency[latency["method"] == method].pivot(index="exit", columns="early_exit", values="median_ms")
    if len(times):
        found["ms"] = (times[False].to_numpy(), times[True].to_numpy())
    return found


def usable(rule: Rule, cases: Cases) -> bool:
    """Return whether all that a rule uses is known."""
    return not any(np.isnan(getattr(cases.evidence, name)).any() for name in rule.USES if name != "draw")
