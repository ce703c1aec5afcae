"""Every published number against ours, with a verdict by a fixed rule (RULE).

What we have is brought into the form of the published numbers by `benchmarks.ours`; here the two are compared.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from qebench.common import plugins, published
from qebench.publishing import explained

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
ROUNDING = {"psnr": 1e-3, "psnr_unrounded": 1e-3, "ssim": 1e-5}  # libraries and devices, where all else is the same
KINDS = ("exact", "same protocol", "trend")
VERDICTS = ("reproduced", "deviates", "other data", "not run")
RULE = """\
The kinds of numbers:

- **exact**: pictures, codec and weights are those of the source, or none are needed (counts, GMACs, JPEG alone, \
official weights): ours must agree to the printed digit (0.001 dB and 0.00001 of SSIM more are for rounding).
- **same protocol**: networks of our own training, or other pictures of the same data set.
- **trend**: our protocol, data set or codec is another.

The rule, the same for every number:

- **reproduced**: measured by the paper's protocol, and ours differs by no more than the tolerance of its metric \
(exact numbers: rounding; others: {}), plus the uncertainty of the published value (half a unit of its last digit, or \
that of reading it off a plot), plus, where the paper does not name its pictures (RAISE), sqrt(2) times half our \
95 % confidence interval, for those are two samples of the same data set.
- **deviates**: by the same protocol, and it differs by more; the note says why, where that is known.
- **other data**: our protocol, data set or codec is another, so digits prove nothing and trends alone are compared: \
the sign of a gain, and the order of the number among those that differ from it in method, quality, exit or threshold \
only. "qualities 3/4" means that 3 of the 4 qualities that the paper tells apart are on the same side with us.
- **not run**: with what is missing, and how to get it.
""".format(", ".join(f"{name} {value:g}" for name, value in TOLERANCES.items()))
AXES = {"method": "methods", "quality": "qualities", "exit": "exits", "threshold": "thresholds"}
PLACE = ["paper", "source", *published.KEYS]
MEASURED = ["ours", "n", "half_width", "codec", "weights"]


def compare(ours: pd.DataFrame, follows: str, methods: list[str]) -> pd.DataFrame:
    """Return all published numbers beside ours, with verdicts.

    The columns are ours, difference (ours less published), tolerance, n, kind, verdict, note and command.
    `ours` are those of `benchmarks.ours.collect`; `follows` is the paper's protocol that the run follows, "" for none;
    `methods` are those that it ran.
    """
    rows = published.read_all().rename(columns={"value": "published"})
    found = _match(rows, ours)
    missing = found["ours"].isna()
    followed = found["protocol"].isin(["complexity", "jpeg-literature", follows])
    followed &= ~((found["compressor"] == "hevc") & (found["codec"] == "hevc"))  # the paper's is HM
    exact = _is_exact(found)
    kind = np.select(
        [missing & exact, missing, ~followed, exact], ["exact", "same protocol", "trend", "exact"], KINDS[1]
    )
    sampling = math.sqrt(2) * found["half_width"].fillna(0).where(found["dataset"] == "raise", 0)
    rounding = found["metric"].map(ROUNDING).fillna(0)
    allowed = found["metric"].map(TOLERANCES).where(~exact, rounding)
    tolerance = allowed + found["uncertainty"] + sampling
    difference = found["ours"] - found["published"]
    close = difference.abs() <= tolerance + 1e-9
    verdict = np.select([missing, ~followed, close], ["not run", "other data", "reproduced"], "deviates")
    found = found.assign(
        difference=difference, tolerance=tolerance.where(followed & ~missing), kind=kind, verdict=verdict
    )
    trends = _trends(found)
    there = set(plugins.names("methods"))
    notes = {"other data": lambda row: trends[row.Index], "deviates": explained.reason, "reproduced": lambda row: ""}
    notes["not run"] = lambda row: _missing(row, methods, there)
    found["note"] = [notes[row.verdict](row) for row in found.itertuples()]
    found["command"] = [_command(row) if row.method in there else "" for row in found.itertuples()]
    columns = ["published", "uncertainty", "ours", "difference", "tolerance", "n", "kind", "verdict", "note", "command"]
    return found[["paper", "source", "protocol", *published.KEYS, *columns]]


def _is_exact(found: pd.DataFrame) -> pd.Series:
    """Return which numbers depend on no training of ours and on no picture that is not named."""
    counted = found["protocol"] == "complexity"
    named = found["protocol"].isin(["jpeg-literature", "powerqe"]) & (found["method"] == "decoded")
    weights = found["weights"].astype(object)
    official = found["ours"].isna() | ~weights.where(weights.notna(), published.OWN).isin([published.OWN, ""])
    return counted | named | ((found["protocol"] == "jpeg-literature") & official)


def _command(row: Any) -> str:
    """Return the command that gives our number."""
    if row.protocol == "complexity":
        return "qebench step survey -o results/complexity.csv"
    if row.protocol == "jpeg-literature":
        weights = "" if row.method == "decoded" else " --weights OFFICIAL"
        return f"qebench study jpeg-literature {row.method}{weights} --classic5 FOLDER --live1 FOLDER"
    if row.metric == "images_per_s":
        return "snakemake --cores all results/latency.csv"
    name = row.protocol
    return f"snakemake --cores all results/{name}/reproduction.csv --configfile workflow/config/{name}.yaml"


def _match(rows: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """Return published rows with what `ours` has for them: ours, n, half_width, codec and weights."""
    keys = ["paper", *published.KEYS]
    texts = [frame[keys].astype(object).where(frame[keys].notna(), "").astype(str) for frame in (rows, ours)]
    right = pd.concat([texts[1], ours[MEASURED]], axis=1)
    found = texts[0].merge(right, on=keys, how="left", validate="many_to_one")
    return rows.join(found[MEASURED])


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


def _missing(row: Any, methods: list[str], there: set[str]) -> str:
    """Return what a number that was not measured lacks, and how to get it; `there` are the files in methods/."""
    if row.method not in there:
        return f"there is no {row.method} in methods/"
    if row.metric == "images_per_s":
        return "needs a Tesla V100; results/latency.csv has the times of this machine"
    if row.protocol == "jpeg-literature":
        weights = "" if row.method == "decoded" else " and official weights (methods/weights/README.md says where)"
        return (
            f"needs {row.dataset} (qebench dataset {row.dataset} says how to get it){weights}: "
            "make reproduction DATA=... WEIGHTS=..."
        )
    if row.method not in methods and row.method != "decoded":
        return f"{row.method} was not run: name it under methods in the config; methods/weights/README.md on weights"
    pictures = "" if pd.isna(row.dataset) else f"; qebench dataset {row.dataset} says how to get its pictures"
    return f"not among what was run: --configfile workflow/config/{row.protocol}.yaml{pictures}"
