"""Every published number against ours, with a verdict by a fixed rule (RULE).

What we have is brought into the form of the published numbers by `benchmarks.ours`; here the two are compared.
"""

import math

import numpy as np
import pandas as pd

from qebench.common import plugins, published

# How far ours may be from the number in the paper where the protocol is the same. Networks were trained anew, on other
# pictures than the authors': 0.05 dB is the order of what two trainings of one network differ by.
TOLERANCES = {
    "psnr": 0.05,  # dB, as the next two
    "psnr_unrounded": 0.05,
    "delta_psnr": 0.05,
    "ssim": 0.001,
    "iqam": 0.01,
    "gmacs_paper": 0.0,  # counted, but for the means over images: those have a confidence interval
    "params": 0.0,
    "params_so_far": 0.0,
}
VERDICTS = ("reproduced", "deviates", "other data", "not run")
RULE = """\
The rule, the same for every number:

- **reproduced**: measured by the paper's protocol, and ours differs by no more than the tolerance of its metric ({}), \
plus the uncertainty of the published value (half a unit of its last digit, or that of reading it off a plot), plus, \
where the paper does not name its pictures (RAISE), sqrt(2) times half our 95 % confidence interval, for those are two \
samples of the same data set.
- **deviates**: by the same protocol, and it differs by more.
- **other data**: our protocol, data set or codec is another, so digits prove nothing and trends alone are compared: \
the sign of a gain, and the order of the number among those that differ from it in method, quality, exit or threshold \
only. "qualities 3/4" means that 3 of the 4 qualities that the paper tells apart are on the same side with us.
- **not run**: with what is missing, and how to get it.
""".format(", ".join(f"{name} {value:g}" for name, value in TOLERANCES.items()))
AXES = {"method": "methods", "quality": "qualities", "exit": "exits", "threshold": "thresholds"}
PLACE = ["paper", "source", *published.KEYS]


def compare(ours: pd.DataFrame, follows: str, methods: list[str]) -> pd.DataFrame:
    """Return all published numbers with columns ours, difference (ours less published), tolerance, n, verdict and note.

    `ours` are those of `benchmarks.ours.collect`; `follows` is the paper's protocol that the run follows, "" for none;
    `methods` are those that it ran.
    """
    rows = published.read_all().rename(columns={"value": "published"})
    found = _match(rows, ours)
    missing = found["ours"].isna()
    exact = found["protocol"].isin(["complexity", "jpeg-literature", follows])
    exact &= ~((found["compressor"] == "hevc") & (found["codec"] == "hevc"))  # the paper's is HM
    sampling = math.sqrt(2) * found["half_width"].fillna(0).where(found["dataset"] == "raise", 0)
    tolerance = found["metric"].map(TOLERANCES) + found["uncertainty"] + sampling
    difference = found["ours"] - found["published"]
    close = difference.abs() <= tolerance + 1e-9
    verdict = np.select([missing, ~exact, close], ["not run", "other data", "reproduced"], "deviates")
    found = found.assign(difference=difference, tolerance=tolerance.where(exact & ~missing), verdict=verdict)
    trends = _trends(found)
    there = set(plugins.names("methods"))
    reasons = [_missing(row, methods, there) if row.verdict == "not run" else "" for row in found.itertuples()]
    found["note"] = np.where(found["verdict"] == "other data", trends, reasons)
    columns = ["published", "uncertainty", "ours", "difference", "tolerance", "n", "verdict", "note"]
    return found[["paper", "source", "protocol", *published.KEYS, *columns]]


def page(table: pd.DataFrame, protocol: str) -> str:
    """Return the page of a comparison in Markdown: the rule, a summary per source, then all numbers."""
    from qebench.common import typesetting

    counts = table.groupby(["paper", "source"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(VERDICTS), fill_value=0)
    total = counts.sum().to_frame(("all", "")).T
    summary = pd.concat([counts, total]).rename_axis(["paper", "source"]).reset_index()
    parts = ["# What reproduces", f"This run: {protocol}. Sources: benchmarks/published/README.md.", RULE]
    parts.append(typesetting.markdown(summary.astype(str)))
    for (paper, source), rows in table.groupby(["paper", "source"], sort=False):
        shown = rows.drop(columns=["paper", "source", "protocol", "dataset"]).dropna(axis="columns", how="all")
        shown = shown.assign(published=[f"{value:g}" for value in rows["published"]])
        for name in ("ours", "difference", "tolerance", "uncertainty"):
            if name in shown:
                shown[name] = ["" if math.isnan(value) else f"{value:.4g}" for value in shown[name]]
        for name in ("exit", "n"):
            if name in shown:
                shown[name] = shown[name].astype("Int64")
        cells = shown.astype(object).where(shown.notna(), "").astype(str)
        data = ", ".join(rows["dataset"].dropna().unique())
        parts += [f"## {paper}: {source}{f' ({data})' if data else ''}", typesetting.markdown(cells)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _match(rows: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Return published rows with what `ours` has for them: ours, n, half_width and codec."""
    keys = ["paper", *published.KEYS]
    texts = [frame[keys].astype(object).where(frame[keys].notna(), "").astype(str) for frame in (rows, ours)]
    right = pd.concat([texts[1], ours[["ours", "n", "half_width", "codec"]]], axis=1)
    found = texts[0].merge(right, on=keys, how="left", validate="many_to_one")
    return rows.join(found[["ours", "n", "half_width", "codec"]])


def _trends(found: pd.DataFrame) -> list[str]:
    """Return for every row how its sign, and its order along each of AXES, agree with the paper's, in words."""
    texts: list[list[str]] = [[] for _ in range(len(found))]
    for number, row in enumerate(found.itertuples()):
        if row.metric.startswith("delta_") and not math.isnan(row.ours):
            texts[number].append(f"sign {'agrees' if row.ours * row.published > 0 else 'differs'}")
    known = found.reset_index(drop=True).reset_index(names="row").dropna(subset="ours")
    known = known[known["quality"] != "ave."]
    for axis, word in AXES.items():
        others = [name for name in PLACE if name not in (axis, "form")]
        for _, group in known.dropna(subset=axis).groupby(others, dropna=False):
            if len(group) < 2:
                continue
            papers, ours, width = (group[name].to_numpy() for name in ("published", "ours", "uncertainty"))
            told = np.abs(papers[:, None] - papers) > width[:, None] + width
            agree = told & (np.sign(papers[:, None] - papers) == np.sign(ours[:, None] - ours))
            for row, right, all_told in zip(group["row"], agree.sum(axis=1), told.sum(axis=1), strict=True):
                if all_told:
                    texts[row].append(f"{word} {right}/{all_told}")
    return [", ".join(parts) for parts in texts]


def _missing(row, methods: list[str], there: set[str]) -> str:
    """Return what a number that was not measured lacks, and how to get it; `there` are the files in methods/."""
    if row.method not in there:
        return f"there is no {row.method} in methods/"
    if row.metric == "images_per_s":
        return "needs a Tesla V100; results/latency.csv has the times of this machine"
    if row.protocol == "jpeg-literature":
        return f"qebench study jpeg-literature, with -o results/jpeg_literature/{row.method}.csv"
    if row.method not in methods and row.method != "decoded":
        return f"{row.method} was not run: name it under methods in the config; methods/weights/README.md on weights"
    return f"not among what was run: --configfile workflow/config/{row.protocol}.yaml"
