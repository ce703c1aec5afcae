"""Latency measured on named machines, one CSV file each, kept with what it depends on; README.md says how."""

from pathlib import Path

import pandas as pd

from benchmarks import files, machine

FOLDER = Path(__file__).parent
HERE = "here"  # the source of rows that were measured on this machine
SHOWN = (
    *("method", "early_exit", "exit", "compressor", "quality", "mean_exit", "precision", "batch", "height", "width"),
    *("execution", "median_ms", "q25_ms", "q75_ms", "mean_ms", "images_per_s", "score_share", "peak_mb", "device"),
    *("threads", "busy_cores", "source"),
)
NOTE = (
    "Milliseconds of a batch, scores included if early_exit is True. Rows without a compressor: one exit of a "
    "photograph (or of noise, in the grid); with one: the pictures of that quality, through all of the network or "
    "with early exit at the calibrated threshold; median_ms and quartiles over all runs, mean_ms over pictures. "
    "score_share: the part of the time that scores take; peak_mb: memory beyond what was in use before, 10^6 bytes; "
    "busy_cores: those that others kept at work meanwhile (times are too long if it is not near 0); source: here, "
    "this machine, or a file of benchmarks/measured."
)


def combine(parts: list[Path], kept: list[Path]) -> pd.DataFrame:
    """Return the rows of the `parts`, measured here, and after them those of `kept` files of FOLDER, with `source`."""
    frames = [pd.read_csv(path).assign(source=HERE) for path in parts]
    frames += [pd.read_csv(path).assign(source=path.stem) for path in kept]
    return pd.concat(frames, ignore_index=True).convert_dtypes()  # whole numbers stay so beside empty cells


def keep(name: str, latency: Path, folder: Path = FOLDER) -> Path:
    """Write the rows of `latency` (results/latency.csv) that were measured here to `folder`, and return the file.

    Raises ValueError if the machine was busy, or it cannot be told whether it was.
    """
    rows = pd.read_csv(latency).query("source == @HERE").drop(columns="source")
    disturbed = rows[~(rows["busy_cores"] <= machine.BUSY)]
    if len(disturbed):
        raise ValueError(
            f"{len(disturbed)} of {len(rows)} rows of {latency} were measured while others kept up to "
            f"{disturbed['busy_cores'].max()} cores busy (allowed: {machine.BUSY}): end what runs beside this, remove "
            "results/latency, and measure again"
        )
    output = folder / f"{name}.csv"
    files.write_csv(rows, output)
    return output


def write(frame: pd.DataFrame, output: Path) -> None:
    """Write all columns as `output` (.csv), and SHOWN beside it as .md, with NOTE.

    In the latter, columns that say the same in all rows stand under the table.
    """
    from tabulate import tabulate

    cells = frame[list(SHOWN)].astype(object).where(frame[list(SHOWN)].notna(), "")
    same = {name: cells[name].iat[0] for name in SHOWN if cells[name].nunique() == 1}
    text = tabulate(cells.drop(columns=list(same)), "keys", "pipe", showindex=False, disable_numparse=True)
    everywhere = "; ".join(f"{name} {cell}" for name, cell in same.items() if cell != "")
    files.write_csv(frame, output)
    with files.replacing(output.with_suffix(".md")) as temporary:
        temporary.write_text(f"{text}\n\nIn all rows: {everywhere}.\n\n{NOTE}\n", encoding="utf-8")
