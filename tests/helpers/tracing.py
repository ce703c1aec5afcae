"""The numbers of five tables once more, from the rows of measurements.parquet alone, with nothing of the product."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

TABLES = ["table1", "table2", "table3", "intervals", "generalization"]
METRICS = {"delta_psnr": "psnr_unrounded", "delta_ssim": "ssim"}
Cell = tuple[str, str, object]  # where it is, what is printed, and what the measurements say


class Measured:
    """Measurements, looked up by hand; `thresholds` are those of early exit, by the compressor of the weights."""

    def __init__(self, path: Path, thresholds: dict[str, float | list[float]]):
        rows = pd.read_parquet(path)
        self.images = sorted(rows["image"].unique())
        self.qualities = {name: list(part["quality"].unique()) for name, part in rows.groupby("compressor")}
        self.exits = rows.groupby("method")["exit"].max().to_dict()
        self.codecs = {method: set(part["trained_on"]) for method, part in rows.groupby("method")}
        keys = ["image", "compressor", "quality", "method", "trained_on", "exit", "metric"]
        self.values = rows.set_index(keys)["value"].to_dict()
        self.thresholds = thresholds

    def native(self, compressor: str, method: str) -> str:
        """Return whose weights a method has for its own compressor: none is empty."""
        return compressor if compressor in self.codecs[method] else ""

    def exit(self, picture: tuple, method: str, codec: str, exit: str) -> int:
        """Return the number of an exit; "early" is the first that reaches its threshold, "" the last."""
        last = self.exits[method]
        if exit != "early":
            return int(exit or last)
        limits = np.broadcast_to(self.thresholds[codec or picture[1]], last - 1)
        scores = [self.values[*picture, method, codec, number, "iqam"] for number in range(1, last)]
        return next((number for number in range(1, last) if scores[number - 1] >= limits[number - 1]), last)

    def pictures(self, compressor: str, quality: str) -> Iterator[list[tuple]]:
        """Yield per image its (image, compressor, quality), for quality "ave." all of them."""
        levels = self.qualities[compressor] if quality == "ave." else [int(quality)]
        for image in self.images:
            yield [(image, compressor, level) for level in levels]

    def each(self, compressor: str, quality: str, point: tuple[str, str, str], metric: str) -> np.ndarray:
        """Return a value per image at a point (method, codec of the weights, exit)."""
        method, codec, _ = point
        return np.array(
            [
                np.mean([self.values[*one, method, codec, self.exit(one, *point), metric] for one in some])
                for some in self.pictures(compressor, quality)
            ]
        )

    def gains(self, compressor: str, quality: str, point: tuple[str, str, str], metric: str) -> np.ndarray:
        """Return a gain over the decoded image per image."""
        decoded = self.each(compressor, quality, ("decoded", "", ""), metric)
        return self.each(compressor, quality, point, metric) - decoded


def cells(table: str, path: Path, measured: Measured) -> list[Cell]:
    """Return all cells of a table (CSV) that were measured."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return [
        (f"{table}, line {number}, {column}", row[column], expected)
        for number, row in enumerate(rows, start=1)
        for column, expected in globals()[f"_{table}"](row, measured)
    ]


def agrees(printed: str, expected: object) -> bool:
    """Return whether a number is what is printed, to half of its last digit (or if text, exactly)."""
    if isinstance(expected, str):
        return printed == expected
    digits, _, power = printed.partition("e")
    half = 0.5 * 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))
    return abs(float(printed) - expected) <= half * (1 + 1e-6)


def _table1(row: dict, measured: Measured) -> Iterator[tuple[str, object]]:
    for method in (name for name in row if name in measured.exits):
        codec = measured.native(row["compressor"], method)
        point = (method, codec, "early")
        yield method, measured.gains(row["compressor"], row["quality"], point, METRICS["delta_psnr"]).mean()


def _table2(row: dict, measured: Measured) -> Iterator[tuple[str, object]]:
    method, exit = row["method"], "early" if row["early_exit"] == "yes" else ""
    for compressor in measured.qualities:
        point = (method, measured.native(compressor, method), exit)
        for name, metric in METRICS.items():
            yield f"{name}_{compressor}", measured.gains(compressor, "ave.", point, metric).mean()
        if exit:
            taken = [measured.exit(one, *point) for some in measured.pictures(compressor, "ave.") for one in some]
            shares = [100 * taken.count(number) / len(taken) for number in range(1, 6)]
            yield f"exit_shares_{compressor}", "/".join(f"{share:.0f}" for share in shares)


def _table3(row: dict, measured: Measured) -> Iterator[tuple[str, object]]:
    for column in row if row["numbers"] == "ours" else []:
        compressor, _, quality = column.partition("_")
        if quality:
            point = (row["method"], measured.native(compressor, row["method"]), row["exit"])
            yield column, measured.each(compressor, quality, point, METRICS["delta_psnr"]).mean()


def _generalization(row: dict, measured: Measured) -> Iterator[tuple[str, object]]:
    for column in row:
        method, _, codec = column.partition("_")
        if method in measured.exits and row[column]:
            point = (method, codec, "early")
            yield column, measured.gains(row["compressor"], row["quality"], point, METRICS["delta_psnr"]).mean()


def _intervals(row: dict, measured: Measured) -> Iterator[tuple[str, object]]:
    place, metric = (row["compressor"], row["quality"]), METRICS[row["metric"]]
    gains = measured.gains(*place, (row["method"], row["trained_on"], row["exit"]), metric)
    resampled = {"n_resamples": 9999, "confidence_level": 0.95, "rng": np.random.default_rng(0)}
    found = stats.bootstrap((gains,), np.mean, **resampled).confidence_interval  # BCa, as the note says
    yield from {"n": str(len(gains)), "mean": gains.mean(), "low": found.low, "high": found.high}.items()
    if row["rival"]:
        method, _, codec = row["rival"].partition("_")
        rival = (method, codec or measured.native(row["compressor"], method), "early")
        differences = gains - measured.gains(*place, rival, metric)
        p = stats.wilcoxon(differences).pvalue if differences.any() else 1.0
        yield from {"difference": differences.mean(), "p": p}.items()
