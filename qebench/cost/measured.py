"""Latency measured on named machines, one CSV file each, kept with what it depends on; README.md says how."""

import math
from pathlib import Path

import pandas as pd

from qebench.common import files, plugins, ranking, typesetting
from qebench.cost import BUSY

FOLDER = plugins.ROOT / "benchmarks/measured"
HERE = "here"  # the source of rows that were measured on this machine
SHOWN = (
    *("method", "early_exit", "rule", "exit", "compressor", "quality", "mean_exit"),
    *("precision", "batch", "height", "width"),
    *("execution", "median_ms", "q25_ms", "q75_ms", "mean_ms", "images_per_s", "score_share", "peak_mb", "device"),
    *("threads", "busy_cores", "source"),
)
# Times compare where all of these are equal.
SETTING = [
    *("compressor", "quality", "precision", "batch", "height", "width", "execution", "device", "threads", "source"),
]
NOTE = (
    "Milliseconds of a batch, scores included if early_exit is True. Rows without a compressor: one exit of a "
    "photograph (or of noise, in the grid); with one: the pictures of that quality, through all of the network or "
    "with early exit by a rule as it ships; median_ms and quartiles over all runs, mean_ms over pictures. "
    "score_share: the part of the time that scores take; peak_mb: memory beyond what was in use before, 10^6 bytes; "
    f"busy_cores: those that others kept at work meanwhile, {typesetting.MARK}: more than {BUSY}, so the times are too "
    "long; source: here, this machine, or a file of benchmarks/measured."
)


def combine(parts: list[Path], kept: list[Path]) -> pd.DataFrame:
    """Return the rows of the `parts`, measured here, and after them those of `kept` files of FOLDER, with `source`."""
    frames = [files.read_csv(path).assign(source=HERE) for path in parts]
    frames += [files.read_csv(path).assign(source=path.stem) for path in kept]
    return pd.concat(frames, ignore_index=True).convert_dtypes()  # whole numbers stay so beside empty cells


def keep(name: str, latency: Path, folder: Path = FOLDER) -> Path:
    """Write the rows of `latency` (results/latency.csv) that were measured here to `folder`, and return the file.

    Raises ValueError if the machine was busy, or it cannot be told whether it was.
    """
    rows = files.read_csv(latency).query("source == @HERE").drop(columns="source")
    disturbed = rows[~(rows["busy_cores"] <= BUSY)]
    if len(disturbed):
        raise ValueError(
            f"{len(disturbed)} of {len(rows)} rows of {latency} were measured while others kept up to "
            f"{disturbed['busy_cores'].max()} cores busy (allowed: {BUSY}): end what runs beside this, remove "
            "results/latency, and measure again"
        )
    output = folder / f"{name}.csv"
    files.write_csv(rows, output)
    return output


def places(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the places of times and memory in their SETTING: of last exits and early exit; `decoded` has none."""
    last = frame["exit"].isna() | (frame["exit"] == frame.groupby("method")["exit"].transform("max"))
    rivals = frame[last & (frame["method"] != "decoded")]
    return ranking.rank(rivals[["median_ms", "mean_ms", "peak_mb"]], rivals[SETTING], highest=False)


def write(frame: pd.DataFrame, output: Path) -> None:
    """Write all columns as `output` (.csv), and SHOWN beside it as .md and .tex, with NOTE.

    In the latter, rows of exits and rows of pictures are tables of their own, and columns that say the same in all rows
    stand below.
    """
    shown = frame[list(SHOWN)].astype(object)
    cells = shown.where(shown.notna(), math.nan).apply(typesetting.aligned)
    times = cells[["median_ms", "mean_ms"]]
    disturbed = (frame["busy_cores"].astype(float) > BUSY).to_numpy()[:, None] & times.ne("")
    cells[times.columns] = times.where(~disturbed, times + typesetting.MARK)
    same = {name: cells[name].iat[0] for name in SHOWN if cells[name].nunique() == 1}
    note = f"In all rows: {'; '.join(f'{name} {cell}' for name, cell in same.items() if cell)}. {NOTE}"
    of_pictures = cells["compressor"] != ""
    parts = [rows.drop(columns=list(same)) for rows in (cells[~of_pictures], cells[of_pictures]) if len(rows)]
    parts = [rows.loc[:, rows.ne("").any()] for rows in parts]
    best = places(frame)
    texts = {
        output: frame.to_csv(index=False, lineterminator="\n"),
        output.with_suffix(".md"): "\n\n".join([*(typesetting.markdown(rows, best) for rows in parts), f"{note}\n"]),
        output.with_suffix(".tex"): typesetting.SPACE.join(typesetting.latex(rows, best) for rows in parts)
        + f"% {typesetting.PACKAGES} {note}\n",
    }
    for path, text in texts.items():
        with files.replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
