"""Validation gains in the course of a training run, as a figure."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from qebench.common import files
from qebench.common.style import COLOURS, MARKERS, STYLE


def write(table: Path, output: Path) -> None:
    """Draw the CSV file of a training run as PNG; the same file gives the same bytes."""
    figure = draw(files.read_csv(table), output.stem)
    with files.replacing(output) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    plt.close(figure)


def draw(rows: pd.DataFrame, title: str) -> Figure:
    """Return one panel per exit (at most the first and the last two), with a curve per quality, over steps.

    `rows` are those of the CSV file: step, seconds, loss, quality, exit, delta_psnr. A run that was killed may have
    validated a step twice; then the later one counts.
    """
    rows = rows.drop_duplicates(["step", "quality", "exit"], keep="last")
    exits = sorted(rows["exit"].unique())
    chosen = exits if len(exits) <= 3 else [exits[0], exits[len(exits) // 2], exits[-1]]
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(1, len(chosen), figsize=(1.2 + 3.2 * len(chosen), 3), sharey=True, squeeze=False)
        for exit, panel in zip(chosen, grid[0], strict=True):
            for number, (quality, curve) in enumerate(rows[rows["exit"] == exit].groupby("quality", sort=False)):
                look = {"marker": MARKERS[number % 8], "color": COLOURS[number % 8], "ms": 3, "lw": 1}
                look["ls"] = ("-", "--", ":")[number // 8 % 3]
                panel.plot(curve["step"] / 1000, curve["delta_psnr"], label=quality, **look)
            panel.set(xlabel="thousand steps", title=f"exit {exit} of {len(exits)}" if len(exits) > 1 else None)
            panel.axhline(0, color="black", lw=0.8)
        grid[0][0].set_ylabel("PSNR gain (dB)")
        handles = grid[0][0].get_legend_handles_labels()
        figure.legend(*handles, title="quality", loc="outside right center")
        figure.suptitle(title, fontsize=10)
    return figure
