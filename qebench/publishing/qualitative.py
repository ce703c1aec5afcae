"""Qualitative strips: the examples of one compressor side by side, as crops, error maps and block maps of the IQAM.

Each picture is shown at one quality, the one in the middle. The crop is the square of SIDE pixels where the decoded
image has its largest squared error; the numbers under it are those measured of the whole picture.
"""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from qebench.common import files, names
from qebench.common.style import STYLE
from qebench.datasets import manifests
from qebench.evaluation import examples
from qebench.iqa import iqam
from qebench.networks import pixels

SIDE = 64  # of the crops, pixels
LARGEST = 24  # grey levels: errors from there on have the last colour
ROWS = ["crop", "picture; errors", "IQAM"]


def draw(listed: Path, block_size: int, variant: str) -> Figure:
    """Return three rows per picture; `listed` is a file of `examples.write`, the rest is for the IQAM."""
    rows = files.read_csv(listed)
    qualities = sorted(rows["quality"].unique())
    rows = rows[rows["quality"] == qualities[len(qualities) // 2]]
    groups = [group.to_dict("records") for _, group in rows.groupby("picture", sort=False)]
    height, width = 3 * len(groups), len(groups[0])
    with plt.rc_context(STYLE):
        size = 1.15 * width + 0.3, 1.15 * height + 0.7 * len(groups) + 1.2  # images of an inch, and text
        layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.06, wspace=0, hspace=0)
        figure, grid = plt.subplots(height, width, figsize=size, squeeze=False, layout=layout)
        for number, group in enumerate(groups):
            pixels = [manifests.read(listed.with_suffix(""), listed, row) for row in group]
            _strip(grid[3 * number : 3 * number + 3], group, pixels, (block_size, variant), listed.stem)
        errors = plt.cm.ScalarMappable(plt.Normalize(0, LARGEST), "magma")
        scores = plt.cm.ScalarMappable(plt.Normalize(0, 1), "viridis")
        look: dict[str, Any] = {"ax": grid, "location": "bottom", "fraction": 0.02, "aspect": 40, "pad": 0.01}
        figure.colorbar(scores, label="IQAM score of a block, whole picture", **look)
        figure.colorbar(errors, label="absolute error in the crop (grey levels)", extend="max", **look)
    return figure


def _strip(
    axes: np.ndarray, group: list[dict], pictures: list[np.ndarray], scoring: tuple[int, str], compressor: str
) -> None:
    methods = [row["method"] for row in group]
    original, decoded = pictures[0], pictures[methods.index(names.DECODED)]
    place = examples.worst(original, decoded, SIDE)
    for column, (row, image) in enumerate(zip(group, pictures, strict=True)):
        crop, error, block = axes[:, column]
        crop.imshow(image[place], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        crop.set_title(_title(row, methods), fontsize=7)
        if row["method"] == "original":
            error.imshow(image, cmap="gray", vmin=0, vmax=255)  # has no error: here the whole picture instead
            corner = (place[1].start, place[0].start)
            error.add_patch(Rectangle(corner, SIDE, SIDE, fill=False, edgecolor="#D55E00"))
            level = f"{names.display_name(compressor)}, {names.parameter(compressor)} {row['quality']}"
            crop.set_xlabel(f"{row['picture']}\n{row['chosen']}\n{level}", fontsize=7)
        else:
            difference = np.abs(image[place].astype(float) - original[place]).reshape(*image[place].shape[:2], -1)
            error.imshow(difference.mean(axis=2), cmap="magma", vmin=0, vmax=LARGEST, interpolation="nearest")
            crop.set_xlabel(_numbers(row), fontsize=7)
        first = pixels.stack([image], "cpu")[:, :1].to(torch.float64)
        block.imshow(iqam.assess(first, *scoring).block_scores[0].numpy(), cmap="viridis", vmin=0, vmax=1)
    for name, panel in zip(ROWS, axes[:, 0], strict=True):
        panel.set_ylabel(name, fontsize=7)
    for panel in axes.flat:
        _bare(panel)


def _title(row: dict, methods: list[str]) -> str:
    if methods.count(row["method"]) == 1:
        return names.display_name(row["method"])
    taken = "\n(taken)" if row["taken"] else ""
    return f"{names.display_name(row['method'])}, exit {row['exit']}{taken}"


def _numbers(row: dict) -> str:
    ssim = "" if pd.isna(row["ssim"]) else f"\nSSIM {row['ssim']:.4f}"
    return f"{row['psnr']:.2f} dB{ssim}"


def _bare(panel: Axes) -> None:
    panel.set(xticks=[], yticks=[])
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)
