"""The tables of the report: their CSV files with headings in words, names as people write them, the best in bold."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from qebench.common import files, names, plugins, typesetting
from qebench.evaluation.results import AVERAGE

TITLES = {
    "leaderboard": "Leaderboard",
    "overview": "All codecs side by side",
    "pairwise": "Every two methods",
    "table1": "PSNR gain by codec and quality",
    "table2": "Cost and gain",
    "table3": "PSNR in the layout of PowerQE",
    "intervals": "Confidence intervals and tests",
    "bd_rate": "Bits saved (BD-rate)",
    "calibration": "Thresholds of early exit",
    "exit_rules": "Rules of early exit",
    "generalization": "Codecs that no weights were trained on",
    "reproduction": "Published numbers against ours",
}
HEADINGS = {
    "busy_cores": "cores busy with other work",
    "compressor": "codec",
    "dataset": "data set",
    "delta_psnr": "PSNR gain (dB)",
    "delta_psnr_low": "PSNR gain, low (dB)",
    "delta_psnr_high": "PSNR gain, high (dB)",
    "delta_ssim": "SSIM gain",
    "exit_shares": "images per exit (%)",
    "gmacs": "GMACs",
    "gmacs_paper": "GMACs, paper's count",
    "gmacs_published": "GMACs, published",
    "gmacs_difference": "GMACs, ours less published",
    "latency_ms": "latency (ms)",
    "million_pixels": "million pixels in training",
    "pareto_gmacs": "on the front of GMACs",
    "pareto_latency": "on the front of latency",
    "needed_005": "share needed within 0.005 dB",
    "needed_010": "share needed within 0.01 dB",
    "needed_020": "share needed within 0.02 dB",
    "needed_050": "share needed within 0.05 dB",
    "gmacs_needed_010": "GMACs needed within 0.01 dB",
    "ms_needed_010": "ms needed within 0.01 dB",
    "of_oracle": "part of the oracle's saving",
    "interval": "95 % interval (dB)",
    "places": "places, 95 %",
    "over_coin": "dB over a coin",
    "p_holm": "p, corrected",
    "params": "parameters",
    "peak_mb": "peak memory (MB)",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "to_coin": "points over a coin",
    "to_last": "dB over the last exit",
    "won": "images won (%)",
    "bd_rate": "BD-rate (%)",
    "bd_psnr": "BD-PSNR (dB)",
}
ENDINGS = {"_paper": "paper", "_difference": "ours less paper's"}  # of columns that are shown on demand
EXTRA = ("_paper", "_difference", "_published", "place_low", "place_high")
NAMED = ["compressor", "method", "rival", "trained_on"]  # columns of names
WORDS = 40  # characters of a cell from which on it is text that may be wrapped
MARK = "\n\n"  # between a table and its note in the Markdown version
NO_NOTE = ("|", "    ")  # how a table and a command begin there


@dataclass(frozen=True)
class Column:
    """A column: its name in the CSV file, its heading, and which codec and method it is about (empty: all)."""

    key: str
    heading: str
    compressor: str
    method: str
    extra: bool  # hidden until someone asks for it


@dataclass(frozen=True)
class Cell:
    """A cell: the text of the CSV file, the text to show, and its place among its rivals (1: best, 2: second)."""

    raw: str
    text: str
    place: int
    wrapped: bool


@dataclass(frozen=True)
class Row:
    """A row, and which codec, quality and method it is about (empty: all)."""

    cells: list[Cell]
    compressor: str
    quality: str
    method: str


@dataclass(frozen=True)
class Table:
    """What the page shows of a table."""

    name: str
    title: str
    note: str
    columns: list[Column]
    rows: list[Row]


def read(path: Path, methods: list[str], compressors: list[str]) -> Table:
    """Return a table of the run; `path` is its CSV file, the note the last paragraph of the Markdown version beside it.

    Which cells are best is what the module of the table says, as for its Markdown version.
    """
    frame = files.read_csv(path, text=True).fillna("")
    note = path.with_suffix(".md").read_text(encoding="utf-8").rpartition(MARK)[2]
    places = typesetting.like(frame, _places(path), 0).astype(int)
    columns = [_column(key, methods, compressors) for key in frame]
    records = zip(frame.to_dict("records"), places.values.tolist(), strict=True)
    rows = [
        Row(
            [
                Cell(text, _shown(key, text, record.get("compressor", "")), place, len(text) > WORDS and " " in text)
                for (key, text), place in zip(record.items(), ranks, strict=True)
            ],
            record.get("compressor", ""),
            "" if record.get("quality") == AVERAGE else record.get("quality", ""),
            record.get("method", ""),
        )
        for record, ranks in records
    ]
    return Table(path.stem, _title(path.stem), "" if note.startswith(NO_NOTE) else note.strip(), columns, rows)


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))


def _places(path: Path) -> pd.DataFrame | None:
    if path.stem not in plugins.names("benchmarks/tables"):
        return None
    module = plugins.find("benchmarks/tables", path.stem)
    return module.places(files.read_csv(path)) if hasattr(module, "places") else None


def _column(key: str, methods: list[str], compressors: list[str]) -> Column:
    """Return the heading of a column, and what it is about: `rbqe_paper` about RBQE, `delta_psnr_jpeg` about JPEG."""
    method = next((name for name in methods if re.fullmatch(f"{re.escape(name)}(_.*)?", key)), "")
    compressor = next((name for name in compressors if re.search(f"_{re.escape(name)}(_|$)", key)), "")
    ending = next((ending for ending in ENDINGS if key.endswith(ending)), "") if key not in HEADINGS else ""
    base = key.removesuffix(ending).removesuffix(f"_{compressor}" if compressor else "")
    words = [names.display_name(base) if base == method else HEADINGS.get(base, base.replace("_", " "))]
    words += [names.display_name(compressor)] if compressor else []
    words += [ENDINGS[ending]] if ending else []
    return Column(key, ", ".join(words), compressor, method, key.endswith(EXTRA) and key != "gmacs_paper")


def _shown(key: str, text: str, compressor: str) -> str:
    """Return a cell as people write it: "JPEG", "RBQE", "QF 10", "PSNR gain (dB)"."""
    if key in NAMED:
        return names.display_name(text)
    if key == "quality" and compressor and text.isdigit():
        return f"{names.parameter(compressor)} {text}"
    return HEADINGS.get(text, text) if key == "metric" else text
