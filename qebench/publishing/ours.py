"""What we measured, in the form of the published numbers (`benchmarks.published`), so that both can be compared."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from qebench.common import published
from qebench.common.published import IN_THE_PAPER
from qebench.evaluation import early_exit, measurements
from qebench.evaluation.results import AVERAGE, Results

IMAGE = ["dataset", "image"]
CHANNELS = {"eccv2020": 1, "powerqe_v1": 3}  # of the networks whose cost a paper prints
COLUMNS = ["paper", *published.KEYS, "ours", "n", "half_width", "codec", "weights"]


def collect(results: Results, survey: pd.DataFrame, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return COLUMNS: our number for every published one for which there is any.

    n is the number of images, half_width half of the mean's 95 % confidence interval (normal), codec the compressor
    that stands for the published one, weights the official file of a network of the JPEG literature. `survey` is that
    of `complexity`, `parts` are results of `literature.compare`.
    """
    papers = published.read_all()
    frames = [_means(results, papers), _costs(survey, papers), _literature(parts)]
    found = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    return found.reindex(columns=COLUMNS)


def _means(results: Results, papers: pd.DataFrame) -> pd.DataFrame:
    """Return what is a mean over the images of this run."""
    rows = results.measurements
    if "hm" in set(rows["compressor"]):  # the paper's own stands for HEVC, if both were run
        rows = rows[rows["compressor"] != "hevc"]
    values = list(_values(rows, results, papers))
    if not values:
        return pd.DataFrame(columns=COLUMNS)
    values = pd.concat(values, ignore_index=True)
    values = values.assign(quality=values["quality"].astype(str))
    keys = ["compressor", "quality", "method", "exit", "threshold", "metric"]
    complete = values[values["compressor"].isin(_complete(rows))]
    average = complete.groupby([*IMAGE, *[key for key in keys if key != "quality"]], dropna=False)["value"].mean()
    values = pd.concat([values, average.reset_index().assign(quality=AVERAGE)])
    found = values.groupby(keys, dropna=False, sort=False)["value"].agg(["mean", "std", "count"]).reset_index()
    found = found.rename(columns={"mean": "ours", "count": "n"}).assign(
        codec=found["compressor"],
        compressor=found["compressor"].replace(IN_THE_PAPER),
        half_width=1.96 * found["std"] / np.sqrt(found["count"]),
    )
    # The dataset and form are the paper's: whether ours are the same is for the verdict to say.
    wanted = papers[~papers["protocol"].isin(["complexity", "jpeg-literature"])]
    return found.merge(wanted[["paper", *published.KEYS]].drop_duplicates(), on=keys)


def _complete(rows: pd.DataFrame) -> list[str]:
    """Return the compressors with the qualities over which the paper's averages are, and no others."""
    levels = rows.groupby("compressor")["quality"].unique()
    return [name for name in levels.index if published.averages(IN_THE_PAPER.get(name, name), levels[name])]


def _values(rows: pd.DataFrame, results: Results, papers: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield IMAGE, compressor, quality, method, exit, threshold, metric and value, image by image.

    exit and threshold are empty for methods of one exit and for early exit at the threshold in use.
    """
    gains = measurements.gains(rows, "psnr_unrounded").assign(metric="delta_psnr")
    psnr = measurements.select(rows, "psnr_unrounded")
    decoded = rows[(rows["method"] == "decoded") & rows["metric"].isin(["psnr", "ssim", "iqam"])]
    cost = results.complexity.set_index(["method", "exit"])["gmacs_paper"]
    several = psnr["method"].isin(psnr.loc[psnr["exit"] > 1, "method"])
    yield _cut(decoded.assign(exit=np.nan, threshold=np.nan))
    yield _cut(psnr[~several].assign(exit=np.nan, threshold=np.nan))
    for frame in (psnr[several], gains[gains["exit"].groupby(gains["method"]).transform("max") > 1]):
        yield _cut(frame.assign(threshold=np.nan))
    sweep = papers["threshold"].dropna().unique()
    compressors = rows["compressor"].unique()
    for threshold in [None, *sweep]:
        limits = results.thresholds if threshold is None else dict.fromkeys(compressors, threshold)
        exits = early_exit.chosen(rows, limits)
        at = np.nan if threshold is None else threshold
        spent = exits.assign(metric="gmacs_paper", value=pd.MultiIndex.from_frame(exits[["method", "exit"]]).map(cost))
        frames = [early_exit.taken(gains, exits), spent]
        if threshold is None:
            frames += [early_exit.taken(psnr, exits), gains[~gains["method"].isin(exits["method"])]]
        for frame in frames:
            yield _cut(frame.assign(exit=np.nan, threshold=at))


def _cut(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[[*IMAGE, "compressor", "quality", "method", "exit", "threshold", "metric", "value"]]


def _costs(survey: pd.DataFrame, papers: pd.DataFrame) -> pd.DataFrame:
    """Return what is counted without images."""
    wanted = papers[papers["protocol"] == "complexity"]
    frames = []
    for paper, channels in CHANNELS.items():
        networks = survey[survey["channels"] == channels]
        long = networks.melt(["method", "form", "exit"], ["gmacs_paper", "params", "params_so_far"], "metric", "ours")
        keys = ["method", "form", "exit", "metric"]
        long, rows = long.fillna({"form": ""}), wanted[wanted["paper"] == paper].fillna({"form": ""})
        found = rows.drop(columns=["value", "uncertainty", "source", "protocol"]).merge(long, on=keys)
        frames.append(found.replace({"form": {"": None}}))
    return pd.concat(frames)


def _literature(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return what was measured on classic5 and LIVE1; the networks' forms are those of the literature."""
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    from qebench.evaluation import literature  # which computes with torch

    found = pd.concat(parts, ignore_index=True).drop_duplicates(literature.KEYS)
    papers = published.read("jpeg_literature").astype({"quality": int})
    measured = found.reindex(columns=[*literature.KEYS, "ours", "weights"])
    found = papers.merge(measured, on=literature.KEYS)
    found = found.assign(paper="jpeg_literature", n=found["dataset"].map(literature.COUNTS), codec="jpeg")
    return found.astype({"quality": str})
