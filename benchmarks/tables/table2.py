"""Table 2: what every method costs and gains; multi-exit methods once without and once with early exit."""

import math
from typing import Any

import pandas as pd

from qebench.common import published, typesetting
from qebench.common.published import IN_THE_PAPER
from qebench.common.ranking import rank
from qebench.cost import BUSY
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import Results, device, qualities

KEYS = ["method", "early_exit"]
COSTS = ["params", "gmacs", "gmacs_paper", "latency_ms", "peak_mb", "device", "busy_cores"]


def tabulate(results: Results) -> pd.DataFrame:
    """Return one row per method and way of exiting: cost, then gains per compressor, then shares of images per exit.

    gmacs (exact) and gmacs_paper are per image of 512x512, latency_ms the median for one such image, peak_mb the memory
    that it takes at its peak beyond what was in use before (10^6 bytes); with early exit each is the mean over all
    images, weighted by the exits they take, the heads and scores on the way included (except in gmacs_paper, which
    counts each exit alone as the paper does). busy_cores are those that other work kept busy while latency was
    measured. Gains are means over images and qualities. At the end is what the paper prints of
    gmacs_paper (gmacs_published) and of gains (`_paper`), each with ours less that.
    """
    compressors = list(results.measurements["compressor"].unique())
    exits = early_exit.chosen(results.measurements, results.thresholds)
    rows = []
    for method in results.methods:
        for stops in [False, True] if (exits["method"] == method).any() else [False]:
            taken = exits[exits["method"] == method] if stops else None
            missing = 0.0 if method == "decoded" else math.nan
            row = {"method": method, "early_exit": "yes" if stops else "no"} | cost(results, method, taken)
            for metric, column, decimals in (("psnr_unrounded", "delta_psnr", 3), ("ssim", "delta_ssim", 4)):
                means = _gains(results, method, metric, taken)
                row |= {f"{column}_{name}": round(means.get(name, missing), decimals) for name in compressors}
            if stops:
                row |= _shares(taken)
            rows.append(row | _paper(method, stops, row, qualities(results.measurements)))
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every cost and gain in its column, of latency among those of one device.

    `decoded`, which does nothing, has none.
    """
    rivals = frame[frame["method"] != "decoded"]
    costs = rank(rivals[["gmacs", "gmacs_paper"]], highest=False)
    onsite = [name for name in ("latency_ms", "peak_mb") if name in frame]
    costs = costs.join(rank(rivals[onsite], rivals[["device"]], highest=False))
    gains = [name for name in parts(frame)[1] if name.startswith("delta_")]
    return costs.join(rank(rivals[gains]))


def marked(results: Results) -> pd.DataFrame:
    """Return whether the machine was busy when a latency was measured."""
    frame = tabulate(results)
    busy = frame.get("busy_cores", pd.Series(math.nan, frame.index)).astype(float) > BUSY
    return pd.DataFrame({"latency_ms": busy & (frame["method"] != "decoded")})


def parts(frame: pd.DataFrame) -> list[list[str]]:
    """Return the columns of costs, those of gains, and those of the paper's values with the differences."""
    costs = [name for name in COSTS if name in frame]
    rest = [name for name in frame if name not in (*KEYS, *costs)]
    papers = [name for name in rest if name.endswith(("_paper", "_published", "_difference"))]
    return [[*KEYS, *costs], [*KEYS, *(name for name in rest if name not in papers)], [*KEYS, *papers]]


def cost(results: Results, method: str, taken: pd.DataFrame | None) -> dict[str, object]:
    """Return COSTS of a method: of its last exit, or averaged over the exits `taken`, as of `early_exit.chosen`."""
    complexity = results.complexity[results.complexity["method"] == method].set_index("exit")
    latency = results.latency[results.latency["method"] == method]
    latency = latency[latency["early_exit"] == (taken is not None)].set_index("exit")
    latency = latency.reindex(columns=["median_ms", "peak_mb", "device", "threads", "busy_cores"])  # not all were told
    exits = pd.Series([complexity.index.max()]) if taken is None else taken["exit"]
    gmacs, paper, milliseconds, megabytes = (
        exits.map(column.astype(float)).mean()
        for column in (
            complexity["gmacs" if taken is None else "gmacs_so_far"],
            complexity["gmacs_paper"],
            latency["median_ms"],
            latency["peak_mb"],
        )
    )
    cost = {"params": complexity["params"].iat[0], "gmacs": round(gmacs, 2), "gmacs_paper": round(paper, 1)}
    cost |= {"latency_ms": round(milliseconds, 1), "peak_mb": round(megabytes, 1)}
    return cost | {"device": device(*latency[["device", "threads"]].iloc[0]), "busy_cores": latency["busy_cores"].max()}


def _gains(results: Results, method: str, metric: str, taken: pd.DataFrame | None) -> pd.Series:
    gains = measurements.gains(results.measurements, metric)
    gains = gains[gains["method"] == method]
    gains = early_exit.last(gains) if taken is None else early_exit.taken(gains, taken)
    return gains.groupby("compressor")["value"].mean()


def _shares(taken: pd.DataFrame) -> dict[str, str]:
    """Return per compressor the percentages of images that leave at exit 1, 2, ..., as "40/25/15/10/10"."""
    shares = taken.groupby("compressor", sort=False)["exit"].value_counts(normalize=True).unstack(fill_value=0.0)
    return {
        f"exit_shares_{name}": "/".join(f"{100 * row.get(exit, 0.0):.0f}" for exit in range(1, 6))
        for name, row in shares.iterrows()
    }


def _paper(method: str, stops: bool, row: dict[str, Any], levels: dict[str, list[int]]) -> dict[str, float]:
    """Return the numbers of RBQE (ECCV 2020) that are those of `row`, each with the difference, ours less the paper's.

    Its gains (Table 1) are those with early exit; GMACs with early exit are means over the QPs of HEVC (Fig. 5a). Means
    stand beside ours only if they are over the same compressors and qualities, `levels`.
    """
    equal = {name for name in levels if published.averages(IN_THE_PAPER.get(name, name), levels[name])}
    papers = published.read("eccv2020").query("method == @method")
    average = papers.query("source == 'Table 1' and quality == 'ave.'").set_index("compressor")["value"]
    costs = papers.query("metric == 'gmacs_paper' and source in ('Fig. 5a', 'Fig. 6b')")
    several = costs["exit"].max() > 1
    costs = costs[costs["quality"].notna()] if stops else costs[costs["exit"] == costs["exit"].max()]
    same = not stops or (equal == set(levels) and {IN_THE_PAPER.get(name, name) for name in levels} == {"hevc"})
    gmacs = costs["value"].mean() if same else math.nan
    found = {"gmacs_published": round(gmacs, 1), "gmacs_difference": round(row["gmacs_paper"] - gmacs, 1)}
    for column in [name for name in row if name.startswith("delta_psnr_")]:
        compressor = column.removeprefix("delta_psnr_")
        told = compressor in equal and (stops or not several)
        paper = average.get(IN_THE_PAPER.get(compressor, compressor), math.nan) if told else math.nan
        found |= {f"{column}_paper": paper, f"{column}_difference": round(row[column] - paper, 3)}
    return found


def note(results: Results) -> str:
    """Return what a reader must know to compare: data, units, protocol."""
    return (
        f"Gains: PSNR in dB (unrounded output) and SSIM (8-bit picture), mean over n = {results.image_count} images of "
        f"{results.datasets} and all qualities; {results.protocol}. GMACs, latency and peak memory (peak_mb, "
        "10^6 bytes beyond what was in use before): one 512x512 image, float32. "
        f"Early exit at the IQAM thresholds {results.named_thresholds()}; exit shares in per cent for exit 1/2/3/4/5. "
        f"{typesetting.MARK}: measured while others kept more than {BUSY} cores at work (busy_cores), thus too long. "
        "Confidence intervals and tests: intervals.md. The paper's values (RBQE, ECCV 2020, Table 1, Figs. 5a, 6b) "
        "are of other images than these; differences are ours less the paper's."
        f"{measurements.identical(results.measurements)}"
    )
