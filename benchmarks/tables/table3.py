"""Table 3: PSNR of every method at every quality in the layout of PowerQE, whose RBQE is the improved version.

Methods of several exits come blind, which is with early exit, with the exit fixed by the quality, and with each exit
forced. What PowerQE v1.0 prints stands below ours, and alone where a method was not run.
"""

import math
from collections.abc import Iterator

import pandas as pd

from qebench.common import published
from qebench.common.ranking import rank
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import Results, qualities

METRIC = "psnr_unrounded"  # of clipped, unrounded output, as PowerQE measures it
BLIND, FIXED = "early", "by quality"
OURS, PAPER, DIFFERENCE = "ours", "paper", "difference"


def tabulate(results: Results) -> pd.DataFrame:
    """Return method, exit, numbers (ours, paper or difference), then `<compressor>_<quality>`, ascending, in dB.

    exit is "early", "by quality", a number, or empty for methods of one exit.
    """
    ours = {point: means for point, means in _ours(results)}
    paper = _paper()
    levels = qualities(results.measurements)
    columns = [(compressor, quality) for compressor in levels for quality in sorted(levels[compressor])]
    rows = []
    for point in [*ours, *(point for point in paper if point not in ours)]:
        found = {OURS: ours.get(point, {}), PAPER: paper.get(point, {})}
        found[DIFFERENCE] = {key: found[OURS][key] - value for key, value in found[PAPER].items() if key in found[OURS]}
        for numbers, values in found.items():
            cells = {f"{key[0]}_{key[1]}": round(values.get(key, math.nan), 2) for key in columns}
            if any(key in values for key in columns):
                rows.append({"method": point[0], "exit": point[1], "numbers": numbers} | cells)
    return pd.DataFrame(rows)


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the place of every PSNR of ours in its column, without the decoded images."""
    rivals = frame[(frame["numbers"] == OURS) & (frame["method"] != "decoded")]
    return rank(rivals.drop(columns=["method", "exit", "numbers"]))


def _ours(results: Results) -> Iterator[tuple[tuple[str, str], dict]]:
    """Yield ((method, exit), PSNR by (compressor, quality)) in the order to print."""
    rows = measurements.select(results.measurements, METRIC)
    taken = early_exit.taken(rows, early_exit.chosen(results.measurements, results.thresholds))
    levels = qualities(results.measurements)
    fixed = {(name, quality): exit for name, found in levels.items() for exit, quality in enumerate(found, start=1)}
    for method in results.methods:
        own = rows[rows["method"] == method]
        count = int(own["exit"].max())
        if count == 1:
            yield (method, ""), _means(own)
            continue
        yield (method, BLIND), _means(taken[taken["method"] == method])
        if all(len(found) == count for found in levels.values()):  # from the best quality, at exit 1, to the worst
            keys = pd.MultiIndex.from_frame(own[["compressor", "quality"]])
            yield (method, FIXED), _means(own[own["exit"].to_numpy() == keys.map(fixed).to_numpy()])
        for exit in range(1, count + 1):
            yield (method, str(exit)), _means(own[own["exit"] == exit])


def _means(rows: pd.DataFrame) -> dict[tuple[str, int], float]:
    return rows.groupby(["compressor", "quality"])["value"].mean().to_dict()


def _paper() -> dict[tuple[str, str], dict]:
    """Return what PowerQE v1.0 prints, in the form of `_ours`; it numbers exits only where the quality fixes them."""
    found: dict[tuple[str, str], dict] = {}
    rows = published.read("powerqe_v1").query("metric == @METRIC")
    for row in rows.itertuples():
        several = row.method == "rbqe-powerqe-v1"
        exit = "" if not several else BLIND if math.isnan(row.exit) else FIXED
        found.setdefault((row.method, exit), {})[row.compressor, int(row.quality)] = row.value
    return found


def note(results: Results) -> str:
    """Return what a reader must know to compare: data, unit, exits, protocol."""
    return (
        f"PSNR in dB (clipped, unrounded output), mean over n = {results.image_count} images of {results.datasets}; "
        f"{results.protocol}. exit: early, at the IQAM thresholds {results.named_thresholds()}; by quality, "
        "exit 1 for the best to the last for the worst; or one for all images. paper: README of PowerQE v1.0, 100 "
        "images of DIV2K halved, RGB, its AR-CNN, DnCNN and DCAD trained for that quality alone; compare digits "
        "under that protocol only. Confidence intervals and tests of the gains: intervals.md."
        f"{measurements.identical(results.measurements)}"
    )
