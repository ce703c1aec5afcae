"""Compare two pictures, or two folders of them, by every convention that papers use.

Files of two folders belong together if they have one name but for the suffix. Each metric of benchmarks/metrics is
taken of every view of a pair that it is for (see `views`). The IQAM is of each picture alone, of its 8-bit
limited-range luma.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import torch
from tabulate import tabulate

from qebench.common import colour, images, plugins
from qebench.common.metrics import of_pictures
from qebench.datasets import originals
from qebench.evaluation import views
from qebench.networks import multi_exit

IQAM_BLOCKS = {8: "JPEG", 4: "HEVC"}  # pixels a side, and the codec that they are for
DECIMALS = {"dB": 4, "": 6}  # by unit
OTHER_DECIMALS = 4


@dataclass(frozen=True)
class Score:
    """One number: a metric of a view (colour and border) of a pair of pictures, or the IQAM of one of the two."""

    colour: str
    border: int
    metric: str
    value: float


@dataclass(frozen=True)
class Pair:
    """A reference and what is compared with it, under one name."""

    name: str
    reference: Path
    image: Path

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return both pictures as uint8; raise ValueError if one cannot be read or they are not of one kind."""
        reference, image = images.read(self.reference), images.read(self.image)
        if reference.shape != image.shape:
            kinds = " and ".join(
                f"{path} is {_kind(a)}" for path, a in zip(self.files, (reference, image), strict=True)
            )
            raise ValueError(f"{kinds}: give two pictures of one size, both gray or both RGB")
        return reference, image

    @property
    def files(self) -> tuple[Path, Path]:
        return self.reference, self.image


def available() -> tuple[list[str], list[str]]:
    """Return the names of the metrics to take of files, PSNRs first, and a sentence for each whose package is missing.

    A metric of unrounded outputs says nothing new of files.
    """
    found: list[str] = []
    missing: list[str] = []
    for name in plugins.names("benchmarks/metrics"):
        metric = plugins.find("benchmarks/metrics", name)
        package = getattr(metric, "NEEDS", None)
        if package and not find_spec(package):
            missing.append(f"{name} is left out: pip install {package}")
        elif metric.ROUNDED:
            found.append(name)
    return sorted(found, key=lambda name: plugins.find("benchmarks/metrics", name).UNIT != "dB"), missing


def pairs(reference: Path, image: Path) -> tuple[list[Pair], list[str]]:
    """Return the pairs of two files or two folders, and a sentence for each file of the folders that is left out.

    Raises ValueError if nothing is left, one is a file and one a folder, or two files cannot be compared.
    """
    if reference.is_dir() != image.is_dir():
        raise ValueError(f"{reference} and {image} are a file and a folder: name two files or two folders")
    if not reference.is_dir():
        pair = Pair(reference.stem, reference, image)
        pair.read()
        return [pair], []
    first, second = (
        {path.stem.casefold(): path for path in originals.sources(folder)} for folder in (reference, image)
    )
    left_out = [
        f"{path} has no partner in {other}"
        for here, there, other in ((first, second, image), (second, first, reference))
        for stem, path in here.items()
        if stem not in there
    ]
    found = []
    for stem in first.keys() & second.keys():
        pair = Pair(first[stem].stem, first[stem], second[stem])
        try:
            pair.read()
        except ValueError as error:
            left_out.append(str(error))
        else:
            found.append(pair)
    if not found:
        raise ValueError(f"{reference} and {image} have no pictures to compare: {'; '.join(left_out)}")
    return sorted(found, key=lambda pair: pair.name), left_out


def score(reference: np.ndarray, image: np.ndarray, metrics: Sequence[str]) -> tuple[list[Score], list[str]]:
    """Return the numbers of a pair of pictures, uint8 (H, W) or (H, W, 3).

    `metrics` are names of benchmarks/metrics; the IQAM is always there. The sentences beside the numbers say which
    metrics the pictures are too small for.
    """
    scores, left_out = [], {}
    for view in views.of_picture(reference):
        both = view.of(reference), view.of(image)
        for name in metrics:
            metric = plugins.find("benchmarks/metrics", name)
            if not _is_for(metric, view):
                continue
            try:
                scores.append(Score(view.colour, view.border, name, of_pictures(metric, *both)))
            except ValueError as error:
                left_out[name] = f"{name}: {error}"
    return scores + _iqam(reference, image), list(left_out.values())


def text(rows: pd.DataFrame, metrics: Sequence[str]) -> str:
    """Return a table for people: the mean over pictures of each metric, a view a line, then the IQAM.

    `rows` has the fields of `Score` and `image`. A metric that some pictures are too small for has no mean.
    """
    count = rows["image"].nunique()
    grouped = rows.groupby(["colour", "border", "metric"], sort=False)["value"]
    means = grouped.mean()[grouped.count() == count].unstack("metric")
    shown = [name for name in metrics if name in means]
    lines = []
    for (name, border), line in means.reindex(
        dict.fromkeys(zip(rows["colour"], rows["border"], strict=True))
    ).iterrows():
        lines.append([views.COLOURS[name][0], border, *(_number(metric, line[metric]) for metric in shown)])
    units = {name: plugins.find("benchmarks/metrics", name).UNIT for name in shown}
    heads = ["picture", "border", *(f"{name} ({unit})" if unit else name for name, unit in units.items())]
    scores = rows.groupby("metric")["value"].mean()
    alone = [
        [f"{size}x{size} ({codec})", *(f"{scores[f'iqam{size}_{which}']:.6f}" for which in ("reference", "image"))]
        for size, codec in IQAM_BLOCKS.items()
    ]
    return "\n\n".join(
        tabulate(cells, names, "simple", disable_numparse=True, colalign=["left", *["right"] * (len(names) - 1)])
        for cells, names in ((lines, heads), (alone, ["IQAM, blocks of", "reference", "image"]))
    )


def _kind(picture: np.ndarray) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]} {'gray' if picture.ndim == 2 else 'RGB'}"


def _is_for(metric: ModuleType, view: views.View) -> bool:
    """Return whether a metric makes sense for a view, by its VIEWS."""
    wanted = getattr(metric, "VIEWS", "all")
    return wanted == "all" or (view.border == 0 and (wanted == "whole" or view.colour in ("gray", "rgb")))


def _iqam(reference: np.ndarray, image: np.ndarray) -> list[Score]:
    found = []
    for which, picture in (("reference", reference), ("image", image)):
        luma = picture if picture.ndim == 2 else colour.luma(picture)
        for size in IQAM_BLOCKS:
            value = float(multi_exit.score(torch.from_numpy(luma)[None, None], size))
            found.append(Score("gray" if picture.ndim == 2 else "luma", 0, f"iqam{size}_{which}", value))
    return found


def _number(metric: str, value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.{DECIMALS.get(plugins.find('benchmarks/metrics', metric).UNIT, OTHER_DECIMALS)}f}"
