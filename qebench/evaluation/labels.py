"""Write labels beside the points of a plot, each where it hides no marker, no other label and little of a curve."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

DISTANCES = (6, 12, 20, 30)  # points between a label and its marker's middle
SAME = 6  # points between markers that are as good as one
FAR = 12  # points: from here on a thin line leads to the marker
SIDES = {(1, 0): 0, (-1, 0): 0, (1, 1): 1, (-1, 1): 1, (1, -1): 1, (-1, -1): 1, (0, 1): 1, (0, -1): 1}  # and their cost
HIDDEN, OUTSIDE, CURVE, FARTHER = 10, 100, 0.2, 2  # what a place costs: per marker or label, per sample, per step
STEP = 3  # pixels between samples of a curve
LOOK: dict[str, Any] = {
    "fontsize": 7,
    "path_effects": [withStroke(linewidth=2, foreground="white")],  # readable on curves
}


def place(panel: Axes, labels: list[tuple[float, float, str]], left: bool = False) -> None:
    """Write each (x, y, text) of `labels` at the best place around its point; on the left rather than the right if so.

    Call it when the figure has been drawn (`canvas.draw()`), so that positions are final. What lies below the grid (a
    zorder under 1) may be written on. A point so near to another that both markers overlap shares its label if that
    says the same.
    """
    markers, samples = _drawn(panel)
    markers += [_box(label) for label in panel.texts]
    for x, y, text in labels:
        there = [label for label in panel.texts if isinstance(label, Annotation) and label.get_text() == text]
        if any(_distance(panel, label.xy, (x, y)) < SAME for label in there):
            continue
        point, size = panel.transData.transform((x, y)), _size(panel, text)
        tried = [
            (cost + _cost(panel, point, box, markers, samples), number, box, style)
            for number, (cost, box, style) in enumerate(_places(point, size, panel.figure.dpi / 72, left))
        ]
        *_, best, style = min(tried, key=lambda one: one[:2])
        panel.annotate(text, (x, y), textcoords="offset points", **LOOK | style)
        markers.append(best)


def _places(
    point: np.ndarray, size: np.ndarray, scale: float, left: bool
) -> Iterator[tuple[float, Bbox, dict[str, Any]]]:
    """Yield what each place costs where a label may stand, the liked ones first, its box in pixels, and its style.

    `size` is the label's in pixels, of which `scale` make a point of type.
    """
    sides = sorted(SIDES, key=lambda side: (SIDES[side], (side[0] > 0) == left))
    for (number, distance), side in product(enumerate(DISTANCES), sides):
        offset = np.array(side) * distance
        style: dict[str, Any] = {
            "xytext": tuple(offset),
            "ha": {1: "left", 0: "center", -1: "right"}[side[0]],
            "va": {1: "bottom", 0: "center", -1: "top"}[side[1]],
        }
        if distance >= FAR:
            style["arrowprops"] = {"arrowstyle": "-", "lw": 0.5, "color": "#808080", "shrinkA": 0, "shrinkB": 2}
        corner = point + offset * scale + (np.array(side) - 1) / 2 * size
        yield (
            FARTHER * number + SIDES[side] + 0.5 * ((side[0] > 0) == left),
            Bbox([corner, corner + size]),
            style,
        )


def _size(panel: Axes, text: str) -> np.ndarray:
    """Return the width and height of a label in pixels."""
    label = panel.annotate(text, (0, 0), **LOOK)
    size = np.array(_box(label).size)
    label.remove()
    return size


def _drawn(panel: Axes) -> tuple[list[Bbox], np.ndarray]:
    """Return the boxes of a panel's markers and points along its curves (N, 2), in pixels."""
    markers, samples = [], [np.empty((0, 2))]
    for line in panel.get_lines():
        if line.get_zorder() < 1:
            continue
        data = np.column_stack([line.get_xdata(), line.get_ydata()]).astype(float)
        places = panel.transData.transform(data[np.isfinite(data).all(axis=1)])
        if line.get_marker() not in ("", "None", None):
            half = line.get_markersize() / 2 * panel.figure.dpi / 72
            markers += [Bbox([place - half, place + half]) for place in places]
        if line.get_linestyle() not in ("", "None"):
            for start, end in pairwise(places):
                count = int(np.hypot(*(end - start)) / STEP) + 1
                samples.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
    return markers, np.concatenate(samples)


def _distance(panel: Axes, one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return how far apart two points of the data lie, in points of type."""
    return float(np.hypot(*np.diff(panel.transData.transform([one, other]), axis=0)[0])) * 72 / panel.figure.dpi


def _box(label: Text) -> Bbox:
    """Return the pixels of a label's text, without the line that leads to it."""
    label.get_window_extent()  # this moves an annotation to its place
    return Text.get_window_extent(label)


def _cost(panel: Axes, point: np.ndarray, box: Bbox, markers: list[Bbox], samples: np.ndarray) -> float:
    """Return how much a label in `box` hides, the line to its point included, and whether it leaves the panel."""
    corners = np.array([marker.extents for marker in markers]).reshape(-1, 4)
    least, most = corners[:, :2], corners[:, 2:]
    hidden = ((least <= box.max) & (most >= box.min)).all(axis=1).sum()
    nearest = np.clip(point, box.min, box.max)  # where a line from the point meets the label
    way = (point + np.linspace(0, 1, STEP * 10)[:, None] * (nearest - point))[:, None]
    others = ~((least <= point) & (most >= point)).all(axis=1)
    hidden += (((way > least) & (way < most)).all(axis=2).any(axis=0) & others).sum()
    covered = int(((samples > box.min) & (samples < box.max)).all(axis=1).sum())
    inside = np.all(box.min >= panel.bbox.min) and np.all(box.max <= panel.bbox.max)
    return float(HIDDEN * hidden + CURVE * covered + OUTSIDE * (not inside))
