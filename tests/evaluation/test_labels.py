"""Labels of points hide no marker and no other label."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from qebench.evaluation import labels


@pytest.fixture
def panel() -> Axes:
    figure, axes = plt.subplots(figsize=(4, 3))
    yield axes
    plt.close(figure)


def boxes(panel: Axes) -> list[Bbox]:
    """Return where the labels of a panel are written, in pixels."""
    panel.figure.canvas.draw()
    return [Text.get_window_extent(label) for label in panel.texts]


def test_labels_hide_no_marker_and_no_other_label_and_stay_inside(panel: Axes) -> None:
    random = np.random.default_rng(0)
    x, y = random.random((2, 12))
    panel.plot(x, y, "o-", ms=6)
    panel.figure.canvas.draw()
    labels.place(panel, [(a, b, f"QP {number}") for number, (a, b) in enumerate(zip(x, y, strict=True))])
    written = boxes(panel)
    assert len(written) == 12
    pixels = panel.transData.transform(np.column_stack([x, y]))
    for number, box in enumerate(written):
        assert not any(box.overlaps(Bbox([point - 4, point + 4])) for point in pixels)
        assert not any(box.overlaps(other) for other in written[number + 1 :])
        assert panel.bbox.x0 <= box.x0 and box.x1 <= panel.bbox.x1
        assert panel.bbox.y0 <= box.y0 and box.y1 <= panel.bbox.y1


@pytest.mark.parametrize(("left", "side"), [(False, 1), (True, -1)])
def test_a_lone_point_has_its_label_on_the_side_that_was_asked_for(panel: Axes, left: bool, side: int) -> None:
    panel.plot([0.5], [0.5], "s")
    panel.figure.canvas.draw()
    labels.place(panel, [(0.5, 0.5, "QF 10")], left)
    (box,) = boxes(panel)
    place = panel.transData.transform((0.5, 0.5))
    assert np.sign((box.x0 + box.x1) / 2 - place[0]) == side
    assert (box.y0 + box.y1) / 2 == pytest.approx(place[1], abs=3)


def test_markers_that_are_as_good_as_one_share_a_label(panel: Axes) -> None:
    panel.plot([0.5, 0.505, 0.9], [0.5, 0.5, 0.5], "o")
    panel.set(xlim=(0, 1), ylim=(0, 1))
    for x in (0.5, 0.505, 0.9):
        panel.figure.canvas.draw()
        labels.place(panel, [(x, 0.5, "QP 42")])
    assert [label.xy[0] for label in panel.texts] == [0.5, 0.9]
    panel.figure.canvas.draw()
    labels.place(panel, [(0.505, 0.5, "QP 37")])
    assert len(boxes(panel)) == 3
