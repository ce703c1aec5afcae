"""The interactive plots of the report: gains over qualities, gains of single images, rate and distortion."""

import html
from collections.abc import Iterator

import pandas as pd
import plotly.graph_objects as go

from qebench.common.style import COLOURS
from qebench.evaluation import rate_distortion
from qebench.evaluation.results import Results

SYMBOLS = ["circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "x"]
EARLY = ", early exit"


def draw(results: Results) -> list[dict]:
    """Return title, description, compressor and HTML of each plot, three per compressor.

    Multi-exit methods come twice: at the last exit, and with early exit. Gains are those of the unrounded PSNR, dB.
    """
    points = rate_distortion.points(results.measurements, results.thresholds)
    points["gain"] = points["after"] - points["before"]
    points["label"] = points["method"].where(~points["early_exit"], points["method"] + EARLY)
    drawn: list[dict] = []
    for compressor, rows in points.groupby("compressor", sort=False):
        enhanced = rows[rows["label"] != "decoded"]
        means = rows.groupby(["label", "quality"], sort=False)[["bpp", "after", "gain"]].mean().reset_index()
        of_methods = means[means["label"] != "decoded"]
        kinds = [
            ("PSNR gain", "means over images at each quality", _means(of_methods)),
            ("PSNR gain of each image", "one point per image, and quartiles", _images(enhanced)),
            ("rate and distortion", "PSNR over bits per pixel, means over images", _rates(means)),
        ]
        for title, text, figure in kinds:
            number = len(drawn)
            code = figure.to_html(
                full_html=False,
                include_plotlyjs=False,
                div_id=f"plot-{number}",
                default_height="26rem",
                config={"responsive": True, "displaylogo": False},
            )
            drawn.append({"title": title, "text": text, "compressor": compressor, "html": code})
    return drawn


def _means(means: pd.DataFrame) -> go.Figure:
    means = means.astype({"quality": str})
    figure = _lines(means, "quality", "gain", "quality %{x}: %{y:.3f} dB", ("quality", "PSNR gain (dB)"))
    return figure.update_xaxes(type="category")


def _images(rows: pd.DataFrame) -> go.Figure:
    figure = _figure("quality", "PSNR gain (dB)")
    for look, label, curve in _curves(rows):
        figure.add_box(
            x=curve["quality"].astype(str),
            y=curve["gain"],
            name=label,
            text=curve["image"].map(html.escape),  # plotly takes a part of HTML in texts
            boxpoints="all",
            hovertemplate="%{text}, quality %{x}: %{y:.3f} dB",
            marker={**look["marker"], "size": 4},
        )
    return figure.update_xaxes(type="category").update_layout(boxmode="group")


def _rates(means: pd.DataFrame) -> go.Figure:
    told = "quality %{customdata}: %{x:.3f} bpp, %{y:.3f} dB"
    figure = _lines(means, "bpp", "after", told, ("rate (bits per pixel)", "PSNR (dB)"))
    return figure.update_xaxes(type="log", dtick="D2")


def _lines(means: pd.DataFrame, x: str, y: str, told: str, titles: tuple[str, str]) -> go.Figure:
    """Return a line per label of column `y` over `x`; `told` is the text at a point, its `customdata` the quality."""
    figure = _figure(*titles)
    for look, label, curve in _curves(means):
        figure.add_scatter(
            x=curve[x],
            y=curve[y],
            name=label,
            mode="lines+markers",
            customdata=curve["quality"],
            hovertemplate=told,
            **look,
        )
    return figure


def _curves(rows: pd.DataFrame) -> Iterator[tuple[dict, str, pd.DataFrame]]:
    """Yield the look, the label and the rows of each curve; what early exit changes little is dotted, over the rest."""
    for number, (label, curve) in enumerate(rows.groupby("label", sort=False)):
        colour, dash = COLOURS[number % 8], "dot" if label.endswith(EARLY) else "solid"
        look = {"marker": {"color": colour, "symbol": SYMBOLS[number % 8]}, "line": {"color": colour, "dash": dash}}
        yield look, label, curve


def _figure(x: str, y: str) -> go.Figure:
    transparent = "rgba(0,0,0,0)"
    lines = {"gridcolor": "rgba(128,128,128,0.3)", "zerolinecolor": "rgba(128,128,128,0.6)", "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "paper_bgcolor": transparent,
            "plot_bgcolor": transparent,
            "margin": {"l": 50, "r": 10, "t": 10, "b": 40},
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
            "xaxis": {"title": {"text": x}, **lines},
            "yaxis": {"title": {"text": y}, **lines},
        }
    )
