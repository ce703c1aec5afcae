"""The interactive plots of the report: gains over qualities, gains of single images, rate and distortion.

A plot's traces carry what the page filters by: `meta` is the method, and the rows of `customdata` begin with the
quality. They are also the rows of the CSV file that the page offers, `columns` in the layout's `meta` its header.
"""

import html
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from qebench.common import names
from qebench.evaluation import rate_distortion, statistics
from qebench.evaluation.results import Results

MOST = 200  # images; of more, single ones are not drawn
WIDTH = 0.7  # of all methods together around a quality, in the distance between two qualities
SYMBOLS = {  # of plotly, for the markers of matplotlib
    "o": "circle",
    "s": "square",
    "D": "diamond",
    "d": "diamond-tall",
    "^": "triangle-up",
    "v": "triangle-down",
    "<": "triangle-left",
    ">": "triangle-right",
    "P": "cross",
    "X": "x",
    "p": "pentagon",
    "h": "hexagon",
    "8": "octagon",
    "*": "star",
    ".": "circle",
}


def draw(results: Results) -> list[dict]:
    """Return title, description, compressor and figure (as JSON) of each plot, three per compressor.

    Multi-exit methods come twice: at the last exit, and with early exit if any image leaves early. Gains are those of
    the unrounded PSNR, in dB.
    """
    points = rate_distortion.points(results.measurements, results.thresholds)
    points["gain"] = points["after"] - points["before"]
    points = points.sort_values("method", key=lambda column: column.map(results.methods.index), kind="stable")
    drawn: list[dict] = []
    for compressor in results.measurements["compressor"].unique():
        rows = points[points["compressor"] == compressor]
        rows, off = _without_idle_exits(rows)
        enhanced = rows[rows["method"] != names.DECODED]
        note = f" Early exit is off: no image leaves {' or '.join(off)} early." if off else ""
        dots = "Dot: an image; bar" if rows["image"].nunique() <= MOST else "Bar"
        kinds = [
            ("PSNR gain", f"Mean over images with its 95 % interval.{note}", _means(enhanced)),
            ("PSNR gain of each image", f"{dots}: median; line: 95 % interval of the mean.{note}", _images(enhanced)),
            ("rate and distortion", f"PSNR over bits per pixel, means over images.{note}", _rates(rows)),
        ]
        for title, text, figure in kinds:
            drawn.append({"title": title, "text": text, "compressor": compressor, "figure": figure.to_json()})
    return drawn


def _without_idle_exits(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the points without early exits that change no image, and the names of the methods that have those."""
    off = []
    for method, own in rows[rows["early_exit"]].groupby("method", sort=False):
        whole = rows[(rows["method"] == method) & ~rows["early_exit"]]
        if own["after"].to_numpy().tolist() == whole["after"].to_numpy().tolist():
            rows = rows.drop(own.index)
            off.append(names.display_name(method))
    return rows, off


def _means(rows: pd.DataFrame) -> go.Figure:
    """Return a line per label with a mean and its interval at each quality; labels stand side by side."""
    figure, columns = _over_qualities(rows), ["quality", "gain", "low", "high", "n"]
    for label, curve, look, offset in _curves(rows):
        table = _intervals(curve)
        figure.add_scatter(
            x=(table["place"] + offset / 2).tolist(),
            y=table["gain"].tolist(),
            error_y=_error_bars(table, "gain"),
            name=label,
            mode="lines+markers",
            customdata=table[columns].values.tolist(),
            hovertemplate="%{customdata[0]}: %{y:.3f} dB [%{customdata[2]:.3f}, %{customdata[3]:.3f}]",
            **look,
        )
    return figure.update_layout(meta={"columns": ["method", *columns]})


def _images(rows: pd.DataFrame) -> go.Figure:
    """Return, per label and quality, a dot for each image, the median as a bar and the interval of the mean."""
    figure, few = _over_qualities(rows), rows["image"].nunique() <= MOST
    for label, curve, look, offset in _curves(rows):
        common = {"legendgroup": label, "mode": "markers", "meta": look["meta"]}
        if few:
            figure.add_scatter(name=label, **common, **_dots(curve, look["marker"], offset))
        medians = _medians(curve, look["line"]["color"], offset)
        figure.add_scatter(name=label, showlegend=not few, **common, **medians)
    return figure.update_layout(meta={"columns": ["method", "quality", "image", "gain"]})


def _dots(curve: pd.DataFrame, marker: dict[str, Any], offset: float) -> dict[str, Any]:
    qualities = list(curve["quality"].unique())
    spread = (np.arange(len(curve)) % 5 - 2) * 0.012  # so that equal gains do not hide one another
    return {
        "x": (curve["quality"].map(qualities.index) + offset + spread).tolist(),
        "y": curve["gain"].tolist(),
        "customdata": curve[["quality", "image", "gain"]].values.tolist(),
        "text": curve["image"].map(html.escape).tolist(),  # plotly takes a part of HTML in texts
        "hovertemplate": "%{text}, %{customdata[0]}: %{y:.3f} dB",
        "marker": {**marker, "size": 5, "opacity": 0.55},
    }


def _medians(curve: pd.DataFrame, colour: str, offset: float) -> dict[str, Any]:
    table = _intervals(curve)
    return {
        "x": (table["place"] + offset).tolist(),
        "y": table["median"].tolist(),
        "error_y": _error_bars(table, "median") | {"width": 0},
        "customdata": [[quality, "median", value] for quality, value in table[["quality", "median"]].values.tolist()],
        "hovertemplate": "median at %{customdata[0]}: %{y:.3f} dB",
        "marker": {"symbol": "line-ew", "size": 16, "line": {"width": 3, "color": colour}, "color": colour},
    }


def _error_bars(table: pd.DataFrame, of: str) -> dict[str, Any]:
    """Return lines from low to high around a column of `_intervals`."""
    above, below = table["high"] - table[of], table[of] - table["low"]
    return {"symmetric": False, "array": above.tolist(), "arrayminus": below.tolist(), "thickness": 2, "width": 3}


def _rates(rows: pd.DataFrame) -> go.Figure:
    """Return a line per label, the decoded images included, over bits per pixel on a logarithmic axis."""
    figure, columns = _figure("rate (bits per pixel)", "PSNR (dB)"), ["quality", "bpp", "psnr"]
    for label, curve, look, _ in _curves(rows):
        means = curve.groupby("quality", sort=False)[["bpp", "after"]].mean().reset_index()
        means = means.rename(columns={"after": "psnr"})
        figure.add_scatter(
            x=means["bpp"].tolist(),
            y=means["psnr"].tolist(),
            name=label,
            mode="lines+markers",
            customdata=means[columns].values.tolist(),
            hovertemplate="%{customdata[0]}: %{x:.3f} bpp, %{y:.3f} dB",
            **look,
        )
    ticks = [step * 10.0**power for power in range(-3, 3) for step in (1, 2, 3, 5)]
    axis = {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    return figure.update_xaxes(axis).update_layout(meta={"columns": ["method", *columns]})


def _curves(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, dict[str, Any], float]]:
    """Yield the label, rows, look and place beside the quality of each curve; early exits are dashed and open."""
    curves = list(rows.groupby(["method", "early_exit"], sort=False))
    for number, ((method, early), curve) in enumerate(curves):
        colour, symbol = names.colour(method), SYMBOLS[names.marker(method)]
        dash = "dash" if early else "dot" if method == names.DECODED else "solid"
        look = {
            "meta": method,
            "marker": {"color": colour, "symbol": f"{symbol}-open" if early else symbol, "size": 8},
            "line": {"color": colour, "dash": dash, "width": 2},
        }
        yield names.label(method, early), curve, look, (number - (len(curves) - 1) / 2) * WIDTH / len(curves)


def _intervals(curve: pd.DataFrame) -> pd.DataFrame:
    """Return, per quality, its place, n, gain (the mean), median, and low and high, its 95 % interval."""
    found = []
    for place, (quality, gains) in enumerate(curve.groupby("quality", sort=False)["gain"]):
        low, high = statistics.interval(gains.to_numpy())
        numbers = {"gain": gains.mean(), "median": gains.median(), "low": low, "high": high}
        found.append({"quality": quality, "place": place, "n": len(gains)} | numbers)
    return pd.DataFrame(found).astype({"quality": object, "n": object})


def _over_qualities(rows: pd.DataFrame) -> go.Figure:
    """Return a figure whose axis has the qualities of a compressor at 0, 1, ..., from the best to the worst."""
    qualities = [str(quality) for quality in rows["quality"].unique()]
    figure = _figure(f"{names.parameter(rows['compressor'].iat[0])} (from best to worst)", "PSNR gain (dB)")
    figure.update_xaxes(tickvals=list(range(len(qualities))), ticktext=qualities, showgrid=False, zeroline=False)
    return figure.update_xaxes(range=[-0.5, len(qualities) - 0.5])


def _figure(x: str, y: str) -> go.Figure:
    transparent = "rgba(0,0,0,0)"
    lines = {"gridcolor": "rgba(128,128,128,0.3)", "zerolinecolor": "rgba(128,128,128,0.6)", "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "paper_bgcolor": transparent,
            "plot_bgcolor": transparent,
            "margin": {"l": 55, "r": 10, "t": 10, "b": 40},
            "showlegend": True,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
            "hoverlabel": {"namelength": -1},
            "xaxis": {"title": {"text": x}, **lines},
            "yaxis": {"title": {"text": y}, **lines},
        }
    )
